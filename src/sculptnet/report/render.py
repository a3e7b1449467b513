"""From a matplotlib figure to what the page needs: an SVG that follows the colour scheme, and a PNG."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from sculptnet.report.palette import DARK, SURFACE
from sculptnet.report.style import styled
from sculptnet.report.values import Drawing, Figure, Text

PNG_DPI = 192
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_DECIMALS = re.compile(r"(-?\d+\.\d\d)\d+")
_TAG = re.compile(r"\{[^}]*\}")
_REFERENCE = re.compile(r"#([\w.-]+)")


def figure(name: str, title: str, description: str, caption: Text, draw: Callable[[], Canvas]) -> Figure:
    """A drawing with the text below it."""
    return Figure(render(name, title, description, draw), caption)


def render(name: str, title: str, description: str, draw: Callable[[], Canvas]) -> Drawing:
    """Draws one figure in the report's style, the same bytes for the same data."""
    with styled(), warnings.catch_warnings():
        # Browsers have fonts for scripts that matplotlib's own font lacks; in the PNG such letters become boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas = draw()
        vector, raster = io.BytesIO(), io.BytesIO()
        canvas.savefig(vector, format="svg", dpi=PNG_DPI, metadata={"Date": None, "Creator": None})
        canvas.set_layout_engine("none")  # both files share one layout, which takes longer than drawing
        labels = {"Software": None, "Title": title, "Description": description}
        canvas.set(dpi=PNG_DPI, facecolor=SURFACE)
        # `savefig` would draw it twice
        FigureCanvasAgg(canvas).print_png(raster, metadata=labels)  # type: ignore[no-untyped-call]
    svg = _inline(vector.getvalue(), name, title, description)
    return Drawing(name, title, description, svg, raster.getvalue(), round(canvas.get_figwidth() * 96))


def _inline(source: bytes, name: str, title: str, description: str) -> str:
    """The SVG as a part of an HTML page: no namespaces, no metadata, ids unique in the page, themed colours."""
    root = ElementTree.fromstring(source)
    for parent in list(root.iter()):
        for child in list(parent):
            if _TAG.sub("", child.tag) in ("metadata", "style"):
                parent.remove(child)
    used = {target for node in root.iter() for text in node.attrib.values() for target in _references(text)}
    names = {old: f"{name}-{index}" for index, old in enumerate(sorted(used, key=_order(root)))}
    for node in root.iter():
        node.tag = _TAG.sub("", node.tag)
        node.attrib = {
            _TAG.sub("", key): _value(_TAG.sub("", key), text, names)
            for key, text in node.attrib.items()
            if key != "id" or text in names
        }
        if node.tag != "text":
            node.text = None
        node.tail = None
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-labelledby": f"{name}-title {name}-desc"}
    for tag, text in (("desc", description), ("title", title)):
        label = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        label.text = text
        root.insert(0, label)
    return ElementTree.tostring(root, encoding="unicode")


def _references(text: str) -> list[str]:
    if text.startswith("#"):
        return [text[1:]]
    return [match.group(1) for match in re.finditer(r"url\(#([\w.-]+)\)", text)]


def _order(root: ElementTree.Element) -> Callable[[str], int]:
    """Where in the document an id is defined: numbering by it does not depend on matplotlib's hashes."""
    places = {node.get("id", ""): index for index, node in enumerate(root.iter())}
    return lambda target: places.get(target, -1)


def _value(key: str, text: str, names: dict[str, str]) -> str:
    if key == "id":
        return names[text]
    if key in ("href", "clip-path"):
        return _REFERENCE.sub(lambda match: f"#{names[match.group(1)]}", text)
    if key == "style":
        text = re.sub(r"font(-family)?: [^;]*'DejaVu Sans'[^;]*(; |$)", _font, text)
        return _COLOUR.sub(lambda match: _themed(match.group()), text)
    return _DECIMALS.sub(r"\1", " ".join(text.split())) if key in ("d", "x", "y", "transform", "points") else text


def _font(match: re.Match[str]) -> str:
    """The page's own font: its name goes, weight and size stay."""
    size = re.search(r"(bold |\d+ )?([\d.]+px)", match.group())
    if match.group(1) or size is None:
        return ""
    weight = f"font-weight: {size.group(1).strip()}; " if size.group(1) else ""
    return f"{weight}font-size: {size.group(2)}; "


def _themed(colour: str) -> str:
    return f"var(--{DARK[colour][0]})" if colour in DARK else colour
