"""What options of a space are called, and which decisions make a difference."""

from __future__ import annotations

from dataclasses import is_dataclass

import numpy as np

from sculptnet.arch import Block, Choices, SearchSpace, first_open


def option_name(option: object) -> str:
    """The name of an option: the label of a decided block, the class of another open value, else its value."""
    if isinstance(option, Block) and first_open(option) is None:
        return option.label()
    return type(option).__name__ if is_dataclass(option) else str(option)


def matters(space: SearchSpace, row: Choices, path: str) -> bool:
    """Whether another option of that decision makes another candidate than the canonical `row`."""
    other, column = list(row), space.column[path]
    other[column] = 1 if row[column] == 0 else 0
    return bool((space.canonical([other])[0] != np.asarray(row)).any())
