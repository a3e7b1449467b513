"""One module per figure: `draw` takes plain values and returns a matplotlib figure, drawn inside `style.styled`."""

__all__: list[str] = []
