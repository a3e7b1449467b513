"""A tiny builder of HTML: text is escaped unless it is already `Html`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

from sculptnet.report.text import plain

VOID = frozenset({"meta", "link", "br", "hr", "img"})


@final
@dataclass(frozen=True)
class Html:
    """Markup that is safe to put into a page as it is."""

    markup: str


Content: TypeAlias = Html | str | None  # None leaves no trace: for parts that a page may lack


def element(tag: str, attributes: Mapping[str, str] | None = None, *children: Content) -> Html:
    """`<tag>` with escaped attributes and children."""
    opening = "".join(f' {name}="{html.escape(plain(value))}"' for name, value in (attributes or {}).items())
    if tag in VOID:
        return Html(f"<{tag}{opening}>")
    return Html(f"<{tag}{opening}>{joined(children).markup}</{tag}>")


def joined(children: Iterable[Content]) -> Html:
    """Several parts in a row; strings are escaped."""
    return Html("".join(_markup(child) for child in children))


def _markup(child: Content) -> str:
    if child is None:
        return ""
    return child.markup if isinstance(child, Html) else html.escape(plain(child), quote=False)


def with_code(text: str) -> Html:
    """`text` in which parts between backticks, as in error messages, are set as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return joined([text])
    return joined(element("code", None, part) if index % 2 else part for index, part in enumerate(parts))


def paragraph(*children: Content) -> Html:
    """A paragraph."""
    return element("p", None, *children)


@final
@dataclass(frozen=True)
class Column:
    """A column of a table. `numeric`: aligned to the right, in digits of equal width."""

    title: str
    numeric: bool = True


def table(caption: str, columns: Iterable[Column], rows: Iterable[Iterable[Content]], marked: int = -1) -> Html:
    """A table with a caption and headers for rows and columns; the first cell of a row names it.

    Args:
        caption: what the table shows.
        columns: their titles.
        rows: cells in the order of `columns`.
        marked: index of the row to emphasise, -1 for none.
    """
    heads = list(columns)
    kinds = [{"class": "number"} if column.numeric else {} for column in heads]
    head = element(
        "tr",
        None,
        *(element("th", {"scope": "col", **kind}, column.title) for column, kind in zip(heads, kinds, strict=True)),
    )
    body = []
    for index, row in enumerate(rows):
        first, *rest = row
        cells = [element("th", {"scope": "row"}, first)]
        cells += [element("td", kind, cell) for cell, kind in zip(rest, kinds[1:], strict=True)]
        body.append(element("tr", {"class": "marked"} if index == marked else None, *cells))
    content = (
        element("caption", None, element("span", None, caption)),
        element("thead", None, head),
        element("tbody", None, *body),
    )
    return scrolling(caption, element("table", None, *content))


def scrolling(label: str, *children: Content) -> Html:
    """A part that scrolls sideways where the screen is narrower; reachable by keyboard."""
    return element("div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label}, *children)


def definitions(pairs: Iterable[tuple[str, Content]]) -> Html:
    """A list of terms and what they stand for."""
    parts: list[Content] = []
    for term, meaning in pairs:
        parts += [element("dt", None, term), element("dd", None, meaning)]
    return element("dl", {"class": "facts"}, *parts)


def tiles(rows: Iterable[tuple[str, str, str]]) -> Html:
    """The numbers at the head of a page: title, value and what else there is to say of each."""
    boxes = (
        element(
            "div",
            {"class": "tile"},
            element("dt", None, title),
            element("dd", {"class": "value"}, value),
            element("dd", {"class": "extra"}, extra),
        )
        for title, value, extra in rows
    )
    return element("dl", {"class": "tiles"}, *boxes)


def details(summary: str, *children: Content) -> Html:
    """A part that is folded away until it is opened."""
    return element("details", None, element("summary", None, summary), *children)
