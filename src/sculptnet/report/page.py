"""The page: one HTML file that needs nothing else, and its figures as PNG beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from sculptnet._version import __version__
from sculptnet.files import write_atomic
from sculptnet.report.html import Html, element, joined, with_code
from sculptnet.report.joint_sections import goes_in_rounds, joint_rounds
from sculptnet.report.parts import Absent, Part, Section
from sculptnet.report.proxy_section import proxy_checked
from sculptnet.report.range_sections import numbers_are_open, numbers_chosen
from sculptnet.report.recipe_sections import recipe_is_open, recipes
from sculptnet.report.result_sections import classes_apart, training_curves
from sculptnet.report.search_sections import (
    accuracy_over_latency,
    baselines_compared,
    network,
    table_checked,
)
from sculptnet.report.source import ReportData
from sculptnet.report.style import css_variables
from sculptnet.report.summary import budget_in_space, header, what_was_used
from sculptnet.report.supernet_sections import (
    accuracies_predicted,
    fine_tuning,
    nothing_compared,
    supernet_phases,
)

PAGE = "report.html"
FIGURES = "figures"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the browser itself refuses to load anything

SectionMaker: TypeAlias = Callable[[ReportData], Part]

SECTIONS_WITH_A_SUPERNET: tuple[SectionMaker, ...] = (
    accuracy_over_latency,
    nothing_compared,
    network,
    classes_apart,
    budget_in_space,
    table_checked,
    supernet_phases,
    accuracies_predicted,
    fine_tuning,
    what_was_used,
)
SECTIONS_OF_A_GIVEN_NETWORK: tuple[SectionMaker, ...] = (network, classes_apart, training_curves, what_was_used)


def searched_from_scratch(source: ReportData, *course: SectionMaker) -> tuple[SectionMaker, ...]:
    """The sections of a search whose network is trained from scratch; `course` tells how the search went."""
    numbers = (numbers_chosen,) if numbers_are_open(source) else ()
    opened = (recipes,) if recipe_is_open(source) else ()
    return (
        accuracy_over_latency,
        baselines_compared,
        network,
        *numbers,
        *opened,
        classes_apart,
        budget_in_space,
        table_checked,
        *course,
        proxy_checked,
        training_curves,
        what_was_used,
    )


def recipe_alone(source: ReportData) -> tuple[SectionMaker, ...]:
    """The sections of a search for the recipe of a given network."""
    return (recipes, *((joint_rounds,) if goes_in_rounds(source) else ()), *SECTIONS_OF_A_GIVEN_NETWORK)


def write_report(source: ReportData, sections: Sequence[SectionMaker], folder: Path) -> Path:
    """Writes `report.html` and `figures/NAME.png` of `sections` into `folder`; returns the page's path.

    The page follows the reader's light or dark scheme, loads nothing, and holds every figure as SVG. Equal `source`
    gives equal bytes.

    Raises:
        RunError: a file could not be written; what was there before stays.
    """
    return write_page(folder, source.title, header(source), [make(source) for make in sections])


def write_page(folder: Path, title: str, head: Html, parts: Sequence[Part]) -> Path:
    """Writes `report.html` and `figures/NAME.png` of `parts` into `folder`, under `head`; returns the page's path.

    Raises:
        RunError: as `write_report`.
    """
    for part in parts:
        if isinstance(part, Section):
            for drawing in part.drawings:
                write_atomic(folder / FIGURES / f"{drawing.name}.png", drawing.png)
    page = folder / PAGE
    write_atomic(page, "<!doctype html>\n" + _document(title, head, parts).markup + "\n")
    return page


def _document(title: str, top_of_page: Html, parts: Sequence[Part]) -> Html:
    sections = [part for part in parts if isinstance(part, Section)]
    css = resources.files("sculptnet.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, title),
        element("link", {"rel": "icon", "href": "data:,"}),
        Html(f"<style>{css_variables()}{css}</style>"),
    )
    links = (element("li", None, element("a", {"href": f"#{part.anchor}"}, part.title)) for part in sections)
    top = element(
        "header",
        {"class": "page-header"},
        top_of_page,
        element("nav", {"aria-label": "sections"}, element("ul", None, *links)) if sections else None,
    )
    body = element(
        "main", None, joined(part.markup() for part in sections), _absent([p for p in parts if isinstance(p, Absent)])
    )
    foot = element("footer", None, f"Made by SculptNet {__version__} from the files of this run.")
    return element("html", {"lang": "en"}, head, element("body", None, top, body, foot))


def _absent(parts: Sequence[Absent]) -> Html | None:
    """What is left out, and why."""
    if not parts:
        return None
    items = (
        element("li", None, element("strong", None, part.title), ": ", with_code(f"{part.why}.")) for part in parts
    )
    heading = element("h2", {"id": "absent"}, "Left out")
    return element("section", {"aria-labelledby": "absent"}, heading, element("ul", {"class": "plain"}, *items))
