"""What pages are made of: plain values. Sections make them, `templates/` alone knows markup.

Everywhere text stands it may be a string or several parts in a row, some of them `Code`, `Strong` or `Ranged`. Whatever
it holds is escaped when the page is made.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias, final

from sculptnet.errors import InvalidValue


# ---------------------------------------------------------------------- text
@final
@dataclass(frozen=True)
class Code:
    """A name or a command, in letters of equal width."""

    kind: ClassVar[str] = "code"
    text: str


@final
@dataclass(frozen=True)
class Strong:
    """Words that stand out; `colour`: a CSS colour, such as a name of the palette's."""

    kind: ClassVar[str] = "strong"
    text: str
    colour: str = ""


@final
@dataclass(frozen=True)
class Ranged:
    """A number and, fainter, the ends of its interval."""

    kind: ClassVar[str] = "ranged"
    text: str
    ends: str


@final
@dataclass(frozen=True)
class Notes:
    """A line with a list of notes below it."""

    kind: ClassVar[str] = "notes"
    text: str
    notes: Sequence[Text]


Inline: TypeAlias = str | Code | Strong | Ranged | Notes
Text: TypeAlias = Inline | tuple[Inline, ...]


# ---------------------------------------------------------------------- blocks
@final
@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar[str] = "paragraph"
    text: Text


@final
@dataclass(frozen=True)
class Listing:
    """A list with a bullet before each item."""

    kind: ClassVar[str] = "listing"
    items: Sequence[Text]


@final
@dataclass(frozen=True)
class Command:
    """What is typed at a prompt. `label`: for readers who cannot see it."""

    kind: ClassVar[str] = "command"
    text: str
    label: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of the command."""
        return self.text.split("\n")


@final
@dataclass(frozen=True)
class Column:
    """A column of a table. `numeric`: aligned to the right, in digits of equal width."""

    title: str
    numeric: bool = True


def columns(*titles: str, words: int = 1) -> tuple[Column, ...]:
    """Columns of which the first `words` hold words and the others numbers."""
    return tuple(Column(title, numeric=index >= words) for index, title in enumerate(titles))


@final
@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row names it.

    Attributes:
        caption: what the table shows.
        columns: their titles.
        rows: cells in the order of `columns`.
        marked: index of the row to emphasise, -1 for none.

    Raises:
        InvalidValue: a row has more or fewer cells than there are columns.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]
    marked: int = -1

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise InvalidValue(
                    f"Table {self.caption!r}: row {index} has {len(row)} cells for {len(self.columns)} columns"
                )


@final
@dataclass(frozen=True)
class Definitions:
    """Terms and what they stand for."""

    kind: ClassVar[str] = "definitions"
    pairs: Sequence[tuple[str, Text]]


@final
@dataclass(frozen=True)
class Tiles:
    """The numbers at the head of a page: title, value and what else there is to say of each."""

    kind: ClassVar[str] = "tiles"
    rows: Sequence[tuple[str, str, str]]


@final
@dataclass(frozen=True)
class Drawing:
    """A figure, drawn once.

    Attributes:
        name: of the PNG file, without suffix; unique in a page.
        title: what the figure shows, in a few words.
        description: what is seen in it, for readers who cannot see it.
        svg: the figure for the page.
        png: the figure as a file.
        width: pixels on a wide screen.
    """

    name: str
    title: str
    description: str
    svg: str = field(repr=False)
    png: bytes = field(repr=False)
    width: int


@final
@dataclass(frozen=True)
class Figure:
    """A drawing and the text below it."""

    kind: ClassVar[str] = "figure"
    drawing: Drawing
    caption: Text


@final
@dataclass(frozen=True)
class Box:
    """A rectangle on a photograph: left, top, right and bottom in its pixels. `label`: "" of an annotated object."""

    corners: Sequence[float]
    colour: str
    label: str = ""


@final
@dataclass(frozen=True)
class Photograph:
    """A photograph with boxes, the last one on top.

    Attributes:
        jpeg: the photograph, at any size.
        width, height: that boxes count in, pixels.
        boxes: what is drawn over it.
        caption: what is seen.
    """

    jpeg: bytes = field(repr=False)
    width: int
    height: int
    boxes: Sequence[Box]
    caption: str

    @property
    def address(self) -> str:
        """The photograph as an address that holds it."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@final
@dataclass(frozen=True)
class Photographs:
    """Photographs, as many in a row as the screen has room for."""

    kind: ClassVar[str] = "photographs"
    photographs: Sequence[Photograph]


@final
@dataclass(frozen=True)
class Details:
    """A block that is folded away until it is opened."""

    kind: ClassVar[str] = "details"
    summary: str
    block: Block


Block: TypeAlias = Paragraph | Listing | Command | Table | Definitions | Tiles | Figure | Photographs | Details


# ---------------------------------------------------------------------- pages
@final
@dataclass(frozen=True)
class Section:
    """A part of a page. `anchor`: its id, unique in the page."""

    anchor: str
    title: str
    body: Sequence[Block]

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """The figures in it, which are also written as files."""
        return tuple(_drawings(self.body))


def _drawings(blocks: Sequence[Block]) -> Iterator[Drawing]:
    for block in blocks:
        if isinstance(block, Figure):
            yield block.drawing
        elif isinstance(block, Details):
            yield from _drawings([block.block])


@final
@dataclass(frozen=True)
class Absent:
    """A part that could not be made, and why: what is not known, and what to run to know it; `...` is set as code."""

    title: str
    why: str


Part: TypeAlias = Section | Absent


@final
@dataclass(frozen=True)
class Verdict:
    """Whether the budget is kept. `outcome`: in two words, "" where nothing is known; `over`: it is not kept."""

    text: str
    outcome: str = ""
    over: bool = False


@final
@dataclass(frozen=True)
class Head:
    """The top of a page.

    Attributes:
        title: of the page.
        subtitle: a line below it.
        verdict: whether the budget is kept.
        tiles: the main numbers.
        files: what was exported.
        warnings: what may be wrong with it.
        command: that made the run, as typed.
    """

    title: str
    subtitle: str = ""
    verdict: Verdict | None = None
    tiles: Tiles | None = None
    files: Block | None = None
    warnings: Sequence[str] = ()
    command: str = ""
