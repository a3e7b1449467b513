"""Pascal VOC's annotations: an XML file for each photograph (Everingham et al., IJCV 2010; the development kit)."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from sculptnet.data.detection.entries import Entry, Object, Written, split_in
from sculptnet.data.detection.store import Store
from sculptnet.data.formats import IMAGE_SUFFIXES
from sculptnet.data.names import normal
from sculptnet.data.split_names import SPLITS

LISTS = "ImageSets/Main"  # NAME.txt in it names the photographs of a split, one a line
CORNERS = ("xmin", "ymin", "xmax", "ymax")
DIFFICULT = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._:-]+)[\"'][^>]*\?>")


def is_voc(name: str) -> bool:
    """Whether the file may be one of VOC's."""
    return name.lower().endswith(".xml")


def read_voc(store: Store, names: Sequence[str]) -> Written:
    """Every annotation among `names`.

    Splits are those of `ImageSets/Main/*.txt` or, without it, of folders such as `train/`. Coordinates are taken as
    they are written. Other XML files are named in `strangers`.
    """
    written = Written()
    roots: dict[str, ElementTree.Element] = {}
    for name in filter(is_voc, names):
        try:
            root = parsed(store.read(name))
        except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
            written.problems.append(f"{name} is no XML ({error}); restore or remove it")
            continue
        if root.tag == "annotation":
            roots[name] = root
        else:
            written.strangers.append(f"{name} (begins with <{root.tag}>, not <annotation>)")
    stems = {normal(_stem(name)) for name in roots}
    lists = _lists(store, names, stems, written.problems) if roots else {}
    written.entries += [_entry(name, root, lists, written.problems) for name, root in roots.items()]
    return written


def parsed(content: bytes) -> ElementTree.Element:
    """The root of an XML document, in any encoding that Python knows.

    Raises:
        ElementTree.ParseError, LookupError, ValueError: it is damaged, or not in the encoding that it declares.
    """
    try:
        return ElementTree.fromstring(content)
    except (LookupError, ValueError) as error:  # expat knows neither GBK nor Shift JIS nor any other of several bytes
        declared = _DECLARATION.match(content)
        if declared is None:
            raise
        encoding = declared.group(1).decode("ascii")
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise LookupError(f"it declares the encoding {encoding!r}, which is unknown; save it as UTF-8") from error
        try:
            text = content[declared.end() :].decode(encoding)
        except (LookupError, ValueError) as failed:
            raise ValueError(f"it is not in {encoding}, the encoding that it declares; save it as UTF-8") from failed
        return ElementTree.fromstring(text)


# ---------------------------------------------------------------------- lists
def _lists(store: Store, names: Sequence[str], stems: set[str], problems: list[str]) -> dict[str, str]:
    """The split of each photograph, by its stem.

    What `trainval` has beyond `val` counts as `train` where there is no `train` list.
    """
    found: dict[str, str] = {}
    both: list[str] = []
    for name in names:
        folder, _, file = name.rpartition("/")
        split = file.lower().removesuffix(".txt")
        if not f"/{folder}".endswith(f"/{LISTS}") or split == file.lower():
            continue
        if split in SPLITS:
            _add_list(found, SPLITS[split], name, _members(_text(store, name, problems), stems), stems, problems)
        elif split == "trainval":
            both.append(name)
    if "train" not in found.values():
        for name in both:
            members = _members(_text(store, name, problems), stems)
            rest = [stem for stem in members if found.get(stem) != "val"]
            _add_list(found, "train", name, rest, stems, problems)
    return found


def _text(store: Store, name: str, problems: list[str]) -> str:
    """The text of a list: UTF-8, or UTF-16 with its mark."""
    try:
        content = store.read(name)
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, ValueError) as error:
        problems.append(f"{name} cannot be read ({error}); save it as UTF-8")
        return ""


def _members(text: str, stems: set[str]) -> list[str]:
    """The stems that a list names: a line, or its first word, with or without the ending of an image."""
    members = []
    for line in filter(None, map(str.strip, text.splitlines())):
        whole, word = normal(line), normal(line.split()[0])
        spelt = [whole, _without_ending(whole), word, _without_ending(word)]
        members.append(next((name for name in spelt if name in stems), word))
    return members


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if f"{dot}{ending.lower()}" in IMAGE_SUFFIXES else name


def _add_list(
    found: dict[str, str], split: str, where: str, members: Sequence[str], stems: set[str], problems: list[str]
) -> None:
    for stem in members:
        if stem not in stems:
            problems.append(f"{where} names {stem}, which has no annotation; add it or remove the line")
        elif found.setdefault(stem, split) != split:
            problems.append(f"{where} names {stem}, which the list of {found[stem]} names too; remove one of the lines")


# ---------------------------------------------------------------------- photographs
def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _entry(name: str, root: ElementTree.Element, lists: Mapping[str, str], problems: list[str]) -> Entry:
    image = (root.findtext("filename") or "").strip().replace("\\", "/").removeprefix("./") or f"{_stem(name)}.jpg"
    size = tuple(_whole(root.findtext(f"size/{side}")) for side in ("width", "height"))
    split = lists.get(normal(_stem(name))) if lists else split_in(name)
    boxes = [_object(f"{name}, object {index}", node, problems) for index, node in enumerate(root.iter("object"), 1)]
    return Entry(
        image if "." in image else f"{image}.jpg",
        _near(name),
        name.rpartition("/")[0] or "the folder",
        name,
        (size[0], size[1]) if all(size) else None,
        split,
        tuple(box for box in boxes if box is not None),
        _stem(name),
    )


def _near(name: str) -> tuple[str, ...]:
    """Where the image of such a file usually lies: beside it, or in a folder of images in the place of Annotations."""
    folder = name.rpartition("/")[0]
    parts = folder.split("/")
    replaced = [
        "/".join([*parts[:index], images, *parts[index + 1 :]])
        for index in reversed(range(len(parts)))
        for images in ("JPEGImages", "images")
    ]
    return tuple(dict.fromkeys([folder, *replaced]))


def _object(where: str, node: ElementTree.Element, problems: list[str]) -> Object | None:
    name = normal((node.findtext("name") or "").strip())
    texts = [node.findtext(f"bndbox/{corner}") for corner in CORNERS]
    difficult = (node.findtext("difficult") or "").strip().lower()
    if difficult not in DIFFICULT:
        problems.append(f"{where}: difficult must be 0 or 1, got {difficult!r}")
        return None
    try:
        left, top, right, bottom = (float(text or "") for text in texts)
    except ValueError:
        shown = ", ".join(f"{corner} {text!r}" for corner, text in zip(CORNERS, texts, strict=True))
        problems.append(f"{where}: a box needs four numbers, got {shown}")
        return None
    return Object(name, left, top, right, bottom, DIFFICULT[difficult], where)


def _whole(text: str | None) -> int:
    """A size; 0 where none is written."""
    try:
        value = float(text or 0)
    except ValueError:
        return 0
    return int(value) if math.isfinite(value) else 0
