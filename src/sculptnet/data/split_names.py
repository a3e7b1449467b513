"""What folders and lists of a data set's splits are called: one list for every task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sculptnet.data.names import normal

SPLITS: Mapping[str, str] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "val": "val",
        "valid": "val",
        "validation": "val",
        "test": "test",
        "testing": "test",
    }
)
WORDS = "|".join(sorted(SPLITS, key=len, reverse=True))
_WHOLE = re.compile(rf"({WORDS})(?:[ _\-.]?(?:set|split|data|dataset|images|imgs|photos))?[ _\-.]?\d*")
_PART = re.compile(rf"(?:^|[ _\-.])({WORDS})(?:\d+|[ _\-.]|$)")


def split_called(name: str) -> str | None:
    """The split that a folder of this name holds, in any case: `Training`, `test_set`, `val2017`; None for others."""
    found = _WHOLE.fullmatch(normal(name).casefold().strip())
    return SPLITS[found.group(1)] if found else None


def split_within(name: str) -> str | None:
    """The split that is one of a name's words: `instances_train2017`; None where none is."""
    found = _PART.search(normal(name).casefold())
    return SPLITS[found.group(1)] if found else None


def split_folders(names: Iterable[str]) -> dict[str, list[str]]:
    """The folders of each split among `names`, by `train`, `val` and `test`.

    A longer name counts where another differs from it in the split alone: `seg_train` beside `seg_test`.
    """
    found: dict[str, list[str]] = {}
    longer: dict[str, dict[str, list[str]]] = {}
    for name in sorted(names):
        split = split_called(name)
        if split is not None:
            found.setdefault(split, []).append(name)
        elif (split := split_within(name)) is not None:
            rest = _PART.sub("*", normal(name).casefold(), count=1)
            longer.setdefault(rest, {}).setdefault(split, []).append(name)
    for group in longer.values():
        if "train" in group and len(group) > 1:
            for split, folders in group.items():
                found.setdefault(split, []).extend(folders)
    return found
