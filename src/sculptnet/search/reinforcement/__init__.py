"""Search by reinforcement learning: a recurrent controller, rewarded for accuracy and latency at once (MnasNet)."""

__all__: list[str] = []
