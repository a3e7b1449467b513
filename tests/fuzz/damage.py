"""Damage to files: bytes changed, cut and repeated; documents with odd values in odd places."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

ODD: tuple[Any, ...] = (None, True, -1, 0, 3, 1.5, 2**31, 10**30, float("nan"), 1e308, "", "x", "\udcff", [], [[]], {})
ODD_BYTES = (b"", b"\x00", b"\xff" * 8, b"[" * 3000, b'{"a":', b"\r\n", b"NaN", "é".encode())


@st.composite
def damaged_bytes(draw: st.DrawFn, seed: bytes) -> bytes:
    """`seed` after one to four changes; small numbers leave most of it as it is."""
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 16)))
        match draw(st.sampled_from(("change", "insert", "delete", "cut", "repeat", "flip"))):
            case "change":
                content[start:end] = draw(st.binary(min_size=1, max_size=8))
            case "insert":
                content[start:start] = draw(st.sampled_from(ODD_BYTES))
            case "delete":
                del content[start:end]
            case "cut":
                del content[start:]
            case "repeat":
                content[start:start] = content[start:end] * 3
            case "flip" if start < len(content):
                content[start] ^= 1 << draw(st.integers(0, 7))
            case _:
                pass
    return bytes(content)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a document with each of its keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [(value, key) for key, _ in pairs]
    return found + [place for container, key in found for place in places(container[key])]


@st.composite
def damaged_document(draw: st.DrawFn, seed: Any) -> bytes:
    """The JSON of `seed` with one to three values replaced, left out, added or moved."""
    document = copy.deepcopy(seed)
    for _ in range(draw(st.integers(1, 3))):
        there = places(document)
        if not there:
            break
        container, key = draw(st.sampled_from(there))
        match draw(st.sampled_from(("replace", "leave out", "add", "move"))):
            case "replace":
                container[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "leave out":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(st.sampled_from(("x", "kind", "choice", "same", "prefix")))] = draw(st.sampled_from(ODD))
            case _:
                other, name = draw(st.sampled_from(there))
                container[key] = copy.deepcopy(
                    other.get(name) if isinstance(other, dict) else draw(st.sampled_from(ODD))
                )
    return json.dumps(document).encode()


def damaged(seed: bytes) -> st.SearchStrategy[bytes]:
    """Damage of either kind to a JSON file, of bytes to any other."""
    try:
        document = json.loads(seed)
    except ValueError:
        return damaged_bytes(seed)
    return st.one_of(damaged_document(document), damaged_document(document), damaged_bytes(seed))
