from __future__ import annotations

from sculptnet.report.html import Column, Html, details, element, joined, table, with_code


def test_text_and_attributes_are_escaped() -> None:
    made = element("a", {"href": '"><script>'}, "<b> & \x00")
    assert made.markup == '<a href="&quot;&gt;&lt;script&gt;">&lt;b&gt; &amp;  </a>'


def test_markup_is_taken_as_it_is_and_none_leaves_no_trace() -> None:
    assert joined((Html("<i>x</i>"), None, "<")).markup == "<i>x</i>&lt;"


def test_void_elements_are_not_closed() -> None:
    assert element("meta", {"charset": "utf-8"}).markup == '<meta charset="utf-8">'


def test_backticks_become_code_where_they_come_in_pairs() -> None:
    assert with_code("run `x <y`").markup == "run <code>x &lt;y</code>"
    assert with_code("a ` b").markup == "a ` b"


def test_a_table_has_a_caption_and_headers_for_columns_and_rows() -> None:
    made = table("Sizes", [Column("Name", numeric=False), Column("Size")], [["a", "1"], ["<", "2"]], marked=1).markup
    assert "<caption><span>Sizes</span></caption>" in made
    assert '<th scope="col">Name</th><th scope="col" class="number">Size</th>' in made
    assert '<tr class="marked"><th scope="row">&lt;</th><td class="number">2</td></tr>' in made
    assert 'tabindex="0"' in made


def test_details_fold_their_content() -> None:
    assert details("more", "x").markup == "<details><summary>more</summary>x</details>"
