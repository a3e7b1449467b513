from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from sculptnet.report.palette import ACCENT, HEAT, SURFACE
from sculptnet.report.render import figure, render
from sculptnet.report.style import new_figure
from sculptnet.report.values import Drawing

AWKWARD = "<script>alert('$x$')</script> 衬衫"


def example() -> Figure:
    canvas = new_figure(320, 240)
    axes = canvas.subplots()
    axes.plot([1, 2, 3], [2, 1, 3], "o-", color=ACCENT)
    axes.bar([1], [1], color=HEAT[3])
    axes.set_title(AWKWARD)
    axes.set_xlabel("bold", fontweight="bold")
    return canvas


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    return render("example", "A title", "What is <seen>", example)


def test_the_svg_is_well_formed_and_named_for_screen_readers(drawing: Drawing) -> None:
    root = ElementTree.fromstring(drawing.svg)
    assert (root.tag, root.get("role"), root.get("aria-labelledby")) == ("svg", "img", "example-title example-desc")
    assert [(child.tag, child.text) for child in root][:2] == [("title", "A title"), ("desc", "What is <seen>")]


def test_the_svg_names_no_address_and_no_style_of_its_own(drawing: Drawing) -> None:
    assert "http" not in drawing.svg
    assert "<style" not in drawing.svg
    assert "metadata" not in drawing.svg


def test_ids_begin_with_the_name_and_every_reference_is_met(drawing: Drawing) -> None:
    ids = re.findall(r'\bid="([^"]+)"', drawing.svg)
    used = re.findall(r'(?:url\(|href=")#([^")]+)', drawing.svg)
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("example-") for name in ids)
    assert used
    assert set(used) <= set(ids)


def test_colours_of_the_palette_follow_the_scheme(drawing: Drawing) -> None:
    assert "var(--accent)" in drawing.svg
    assert "var(--heat-3)" in drawing.svg
    assert ACCENT not in drawing.svg


def test_text_stays_text_in_the_font_of_the_page(drawing: Drawing) -> None:
    texts = [node.text for node in ElementTree.fromstring(drawing.svg).iter("text")]
    assert AWKWARD in texts
    assert "font-family" not in drawing.svg
    assert "DejaVu" not in drawing.svg
    assert re.search(r"font-size: [\d.]+px", drawing.svg)
    assert "font-weight: " in drawing.svg


def test_the_png_is_a_picture_on_the_light_surface_twice_the_size(drawing: Drawing) -> None:
    picture = Image.open(io.BytesIO(drawing.png)).convert("RGB")
    assert picture.size == (640, 480)
    assert picture.getpixel((0, 0)) == tuple(int(SURFACE[start : start + 2], 16) for start in (1, 3, 5))
    assert drawing.width == 320


def test_equal_data_gives_equal_bytes(drawing: Drawing) -> None:
    assert render("example", "A title", "What is <seen>", example) == drawing


def test_a_figure_is_a_drawing_with_its_caption() -> None:
    made = figure("example", "A title", "What is <seen>", "Below.", example)
    assert made.caption == "Below."
    assert made.drawing.name == "example"


def test_the_file_says_what_it_shows(drawing: Drawing) -> None:
    with Image.open(io.BytesIO(drawing.png)) as picture:
        assert (picture.info["Title"], picture.info["Description"]) == ("A title", "What is <seen>")
        assert "Software" not in picture.info
