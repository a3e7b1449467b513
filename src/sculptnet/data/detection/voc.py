"""Pascal VOC's annotations: an XML file for each photograph (Everingham et al., IJCV 2010; the development kit)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from sculptnet.data.detection.entries import SPLITS, Entry, Object, Written, split_in
from sculptnet.data.detection.store import Store

LISTS = "ImageSets/Main"  # NAME.txt in it names the photographs of a split, one a line
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def is_voc(name: str) -> bool:
    """Whether the file may be one of VOC's."""
    return name.lower().endswith(".xml")


def read_voc(store: Store, names: Sequence[str]) -> Written:
    """Every annotation among `names`.

    Splits are those of `ImageSets/Main/*.txt` or, without it, of folders such as `train/`. Coordinates are taken as
    they are written. Other XML files are left alone.
    """
    written = Written()
    lists = _lists(store, names)
    for name in filter(is_voc, names):
        try:
            root = ElementTree.fromstring(store.read(name))
        except ElementTree.ParseError as error:
            written.problems.append(f"{name} is no XML ({error}); restore or remove it")
            continue
        if root.tag == "annotation":
            written.entries.append(_entry(name, root, lists, written.problems))
    _check_lists(lists, written)
    return written


def _lists(store: Store, names: Sequence[str]) -> dict[str, str]:
    """The split of each photograph, by its stem; `trainval` counts as `train` where there is no `train` list."""
    texts: dict[str, str] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if f"/{folder}".endswith(f"/{LISTS}") and file.endswith(".txt"):
            texts[file.removesuffix(".txt")] = store.read(name).decode("utf-8", "replace")
    if "train" not in texts and "trainval" in texts:
        texts["train"] = texts["trainval"]
    return {
        line.split()[0]: SPLITS[split]
        for split, text in texts.items()
        if split in SPLITS
        for line in text.splitlines()
        if line.strip()
    }


def _check_lists(lists: dict[str, str], written: Written) -> None:
    if not lists:
        return
    stems = {_stem(entry.where) for entry in written.entries}
    written.problems += [
        f"{LISTS}/{split}.txt names {stem}, which has no annotation; add it or remove the line"
        for stem, split in lists.items()
        if stem not in stems
    ]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _entry(name: str, root: ElementTree.Element, lists: dict[str, str], problems: list[str]) -> Entry:
    folder = name.rpartition("/")[0]
    parent = folder.rpartition("/")[0]
    image = (root.findtext("filename") or "").strip() or f"{_stem(name)}.jpg"
    size = tuple(_whole(root.findtext(f"size/{side}")) for side in ("width", "height"))
    split = lists.get(_stem(name)) if lists else split_in(name)
    boxes = [_object(f"{name}, object {index}", node, problems) for index, node in enumerate(root.iter("object"), 1)]
    return Entry(
        image if "." in image else f"{image}.jpg",
        (folder, f"{parent}/JPEGImages".removeprefix("/"), f"{parent}/images".removeprefix("/")),
        name,
        (size[0], size[1]) if all(size) else None,
        split,
        tuple(box for box in boxes if box is not None),
    )


def _object(where: str, node: ElementTree.Element, problems: list[str]) -> Object | None:
    name = (node.findtext("name") or "").strip()
    texts = [node.findtext(f"bndbox/{corner}") for corner in CORNERS]
    try:
        left, top, right, bottom = (float(text or "") for text in texts)
    except ValueError:
        shown = ", ".join(f"{corner} {text!r}" for corner, text in zip(CORNERS, texts, strict=True))
        problems.append(f"{where}: a box needs four numbers, got {shown}")
        return None
    return Object(name, left, top, right, bottom, (node.findtext("difficult") or "0").strip() == "1", where)


def _whole(text: str | None) -> int:
    """A size; 0 where none is written."""
    try:
        return int(float(text or 0))
    except ValueError:
        return 0
