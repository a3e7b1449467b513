"""The page: one HTML file that needs nothing else, made of values by `templates/`, and its figures as PNG beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sculptnet._version import __version__
from sculptnet.files import write_atomic
from sculptnet.report.palette import DARK
from sculptnet.report.text import plain
from sculptnet.report.values import Absent, Head, Part, Section

PAGE = "report.html"
FIGURES = "figures"


def _shown(value: object) -> object:
    """What a template prints: text on one line; nothing where there should be something is a mistake."""
    if value is None:
        raise TypeError("a page has no text for None: leave the part out, or write `text.MISSING`")
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


TEMPLATES = Environment(
    loader=PackageLoader("sculptnet.report"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {"palette": DARK, "version": __version__, "newline": Markup("\n")}


def document(template: str, head: Head, parts: Sequence[Part]) -> str:
    """A whole page as text. `template`: the kind of page, a file of `templates/`."""
    sections = [part for part in parts if isinstance(part, Section)]
    absent = [part for part in parts if isinstance(part, Absent)]
    return TEMPLATES.get_template(template).render(head=head, sections=sections, absent=absent).strip() + "\n"


def write_page(folder: Path, template: str, head: Head, parts: Sequence[Part]) -> Path:
    """Writes `report.html` and `figures/NAME.png` of `parts` into `folder`, under `head`; returns the page's path.

    The page follows the reader's light or dark scheme, loads nothing, and holds every figure as SVG. Equal values give
    equal bytes.

    Raises:
        RunError: a file could not be written; what was there before stays.
    """
    for part in parts:
        for drawing in part.drawings if isinstance(part, Section) else ():
            write_atomic(folder / FIGURES / f"{drawing.name}.png", drawing.png)
    page = folder / PAGE
    write_atomic(page, document(template, head, parts))
    return page
