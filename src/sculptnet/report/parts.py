"""What a page is put together from: sections, sections that could not be made, figures with captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

from sculptnet.report.html import Content, Html, element, scrolling
from sculptnet.report.render import Drawing

LEAST_SCALE, MOST_SCALE = 0.68, 1.25  # a figure shrinks and grows this far; on narrower screens it scrolls


@final
@dataclass(frozen=True)
class Section:
    """A part of the page. `anchor`: its id; `drawings`: the figures in it, which are also written as files."""

    anchor: str
    title: str
    body: tuple[Content, ...]
    drawings: tuple[Drawing, ...] = ()

    def markup(self) -> Html:
        """The part with its heading."""
        heading = element("h2", {"id": self.anchor}, self.title)
        return element("section", {"aria-labelledby": self.anchor}, heading, *self.body)


@final
@dataclass(frozen=True)
class Absent:
    """A part that could not be made, and why: what is not known, and what to run to know it."""

    title: str
    why: str


Part: TypeAlias = Section | Absent


def figure(drawing: Drawing, *caption: Content) -> Html:
    """A drawing with its caption and a link to its PNG."""
    size = f"max-width:{round(MOST_SCALE * drawing.width)}px;min-width:{round(LEAST_SCALE * drawing.width)}px"
    link = element("a", {"href": f"figures/{drawing.name}.png"}, "PNG")
    return element(
        "figure",
        {"id": f"figure-{drawing.name}"},
        scrolling(drawing.title, element("div", {"style": size}, drawing.svg)),
        element("figcaption", None, *caption, " ", link),
    )
