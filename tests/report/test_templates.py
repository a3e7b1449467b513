"""Values to markup: what each of them becomes, and that nothing in them can become more than text."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
from jinja2 import UndefinedError
from tests.report.made_up import Outline, markup_of

from sculptnet.errors import InvalidValue
from sculptnet.report import (
    Absent,
    Block,
    Code,
    Column,
    Command,
    Definitions,
    Details,
    Figure,
    Listing,
    Notes,
    Paragraph,
    Ranged,
    Section,
    Strong,
    Table,
    Tiles,
    columns,
)
from sculptnet.report.page import TEMPLATES, document
from sculptnet.report.values import Box, Drawing, Head, Photograph, Photographs, Verdict

NASTY = "<b> & \"q\" 'a' \x00\udcff"
ESCAPED = "&lt;b&gt; &amp; &#34;q&#34; &#39;a&#39;  ?"
DRAWING = Drawing("name", "A title", "What is seen", "<svg><title>A title</title></svg>", b"png", 400)


def block(value: Block) -> str:
    """The markup of one block."""
    page = markup_of(Section("one", "One", (value,)))
    return page[page.index("</h2>") + 5 : page.index("</section>")].strip()


@pytest.mark.parametrize(
    ("value", "markup"),
    [
        (Paragraph("a"), "<p>a</p>"),
        (Paragraph(("a ", Code("b"), Strong("c"))), "<p>a <code>b</code><strong>c</strong></p>"),
        (Paragraph(Strong("c", "#123456")), '<p><strong style="color:#123456">c</strong></p>'),
        (Paragraph(Ranged("3 ms", "2-4")), '<p>3 ms <span class="range">2-4</span></p>'),
        (Listing(("a", ("b", Code("c")))), '<ul class="plain"><li>a</li><li>b<code>c</code></li></ul>'),
        (Command("a b"), "<pre><code>a b</code></pre>"),
        (Command("a \\\n  b", "how"), '<pre aria-label="how"><code>a \\\n  b</code></pre>'),
        (Definitions((("t", "m"),)), '<dl class="facts">\n<dt>t</dt><dd>m</dd>\n</dl>'),
        (
            Definitions((("t", Notes("m", ("n",))),)),
            '<dl class="facts">\n<dt>t</dt><dd>m<ul class="plain"><li>n</li></ul></dd>\n</dl>',
        ),
        (Definitions((("t", Notes("m", ())),)), '<dl class="facts">\n<dt>t</dt><dd>m</dd>\n</dl>'),
        (Details("more", Paragraph("x")), "<details><summary>more</summary><p>x</p></details>"),
    ],
)
def test_every_value_has_its_markup(value: Block, markup: str) -> None:
    assert block(value) == markup


@pytest.mark.parametrize(
    "value",
    [
        Paragraph(NASTY),
        Paragraph((Code(NASTY), Strong(NASTY, NASTY), Ranged(NASTY, NASTY), Notes(NASTY, (NASTY,)))),
        Listing((NASTY,)),
        Command(NASTY, NASTY),
        Definitions(((NASTY, NASTY),)),
        Tiles(((NASTY, NASTY, NASTY),)),
        Table(NASTY, columns(NASTY, NASTY), ((NASTY, Code(NASTY)),)),
        Details(NASTY, Paragraph(NASTY)),
        Figure(DRAWING, NASTY),
        Photographs((Photograph(b"", 4, 3, (Box((0, 0, 1, 1), NASTY, NASTY),), NASTY),)),
    ],
)
def test_text_is_escaped_wherever_it_stands(value: Block) -> None:
    markup = block(value)
    assert ESCAPED in markup
    assert "<b>" not in markup
    assert "\x00" not in markup
    assert "'a'" not in markup
    Outline(markup)


def test_the_parts_of_a_page_are_escaped_too() -> None:
    head = Head(NASTY, NASTY, Verdict(NASTY, NASTY, over=True), Tiles(()), Paragraph(NASTY), (NASTY,), NASTY)
    page = document("run.html", head, [Section("s", NASTY, ()), Absent(NASTY, NASTY)])
    Outline(page)
    assert "<b>" not in page
    assert page.count(ESCAPED) == 12  # the title three times: of the page, of the tab; the section's in the navigation


def test_a_table_has_a_caption_and_headers_for_columns_and_rows() -> None:
    made = block(Table("Sizes", [Column("Name", numeric=False), Column("Size")], [["a", "1"], ["<", "2"]], marked=1))
    assert "<caption><span>Sizes</span></caption>" in made
    assert '<th scope="col">Name</th><th scope="col" class="number">Size</th>' in made
    assert '<tr class="marked"><th scope="row">&lt;</th><td class="number">2</td></tr>' in made
    assert '<div class="scroll" tabindex="0" role="region" aria-label="Sizes">' in made
    assert made.count("<tr") == 3


def test_columns_of_words_come_first_and_those_of_numbers_after_them() -> None:
    assert [column.numeric for column in columns("a", "b", "c", words=2)] == [False, False, True]
    assert [column.numeric for column in columns("a", "b", words=0)] == [True, True]


@pytest.mark.parametrize("row", [("a",), ("a", "b", "c")])
def test_a_row_has_a_cell_for_every_column(row: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValue, match=rf"Table 'Sizes': row 1 has {len(row)} cells for 2 columns"):
        Table("Sizes", columns("Name", "Size"), [("a", "b"), row])


def test_a_figure_scrolls_scales_and_leads_to_its_file() -> None:
    made = block(Figure(DRAWING, ("See ", Code("x"))))
    assert made.startswith('<figure id="figure-name">')
    assert 'style="max-width:500px;min-width:272px"><svg><title>A title</title></svg></div>' in made
    assert '<figcaption>See <code>x</code> <a href="figures/name.png">PNG</a></figcaption>' in made


def test_boxes_keep_their_lines_and_letters_however_large_the_photograph_is() -> None:
    def drawn(scale: int) -> str:
        boxes = (Box((2 * scale, 30 * scale, 32 * scale, 40 * scale), "#fff", "dog"),)
        return block(Photographs((Photograph(b"jpeg", 640 * scale, 480 * scale, boxes, "x"),)))

    assert 'width="30.0" height="10.0" fill="none" stroke="#fff" stroke-width="2.00"' in drawn(1)
    assert 'width="60.0" height="20.0" fill="none" stroke="#fff" stroke-width="4.00"' in drawn(2)
    assert 'font-size="11.0"' in drawn(1)
    assert 'font-size="22.0"' in drawn(2)
    assert 'href="data:image/jpeg;base64,anBlZw=="' in drawn(1)


def test_a_label_at_the_upper_edge_stays_inside() -> None:
    boxes = (Box((0, 0, 30, 30), "#fff", "dog"),)
    made = block(Photographs((Photograph(b"", 640, 480, boxes, "x"),)))
    assert '<text x="2.0" y="11.0"' in made


def test_backticks_become_code_where_they_come_in_pairs() -> None:
    made = markup_of(Absent("A", "run `x <y`, then `z`"), Absent("B", "a ` b"))
    assert "<strong>A</strong>: run <code>x &lt;y</code>, then <code>z</code>.</li>" in made
    assert "<strong>B</strong>: a ` b.</li>" in made


def test_only_what_is_there_has_a_heading() -> None:
    whole, empty = markup_of(Section("one", "One", ()), Absent("A", "b")), markup_of()
    assert re.findall(r'<h2 id="(\w+)">', whole) == ["one", "absent"]
    assert "<section" not in empty
    assert "<nav" not in document("run.html", Head("", verdict=Verdict("")), [])


@pytest.mark.parametrize(
    ("verdict", "markup"),
    [
        (Verdict("Unknown."), '<p class="verdict">Unknown.</p>'),
        (Verdict(" by much.", "Within"), '<p class="verdict"><strong>Within</strong> by much.</p>'),
        (Verdict(".", "Over", over=True), '<p class="verdict over"><strong>Over</strong>.</p>'),
    ],
)
def test_a_verdict_stands_out_by_words_and_by_colour(verdict: Verdict, markup: str) -> None:
    assert markup in document("run.html", Head("", verdict=verdict), [])


@pytest.mark.parametrize("template", ["run.html", "detector.html", "specialized.html"])
def test_every_kind_of_page_is_one_whole_document(template: str) -> None:
    head = Head("T", "S", Verdict("v"), Tiles((("a", "b", "c"),)), Paragraph("f"), ("w",), "c")
    page = document(template, head, [Section("s", "S", ())])
    outline = Outline(page)
    assert page.startswith("<!doctype html>\n<html lang=")
    assert page.endswith("</html>\n")
    assert [tag for tag, _ in outline.tags if tag in ("html", "head", "body", "header", "main", "footer")] == [
        "html",
        "head",
        "body",
        "header",
        "main",
        "footer",
    ]
    assert '<p class="subtitle">S</p>' in page
    assert "{" not in page[page.index("<body>") :]


@pytest.mark.parametrize("value", [Paragraph(None), Paragraph((None,)), Listing((None,))])  # type: ignore[arg-type]
def test_nothing_in_the_place_of_text_is_an_error(value: Block) -> None:
    with pytest.raises((TypeError, UndefinedError)):
        block(value)


def test_a_value_of_no_known_kind_is_an_error() -> None:
    unknown: Any = "a string where a block belongs"
    with pytest.raises(UndefinedError, match="kind"):
        block(unknown)


def test_a_name_that_a_template_misspells_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="titel"):
        TEMPLATES.from_string("{{ head.titel }}").render(head=Head("T"))


def test_the_templates_and_the_style_are_data_of_the_package() -> None:
    folder = resources.files("sculptnet.report") / "templates"
    names = {path.name for path in folder.iterdir()}
    assert names == {"layout.html", "run.html", "detector.html", "specialized.html", "blocks.html", "page.css"}
    assert set(TEMPLATES.list_templates()) == names


def test_the_drawings_of_a_section_are_those_of_its_figures_folded_ones_too() -> None:
    figure = Figure(DRAWING, "")
    section = Section("s", "S", (Paragraph("a"), figure, Details("more", figure), Details("more", Paragraph("b"))))
    assert section.drawings == (DRAWING, DRAWING)
    assert "svg" not in repr(section)  # readable in a failing test
