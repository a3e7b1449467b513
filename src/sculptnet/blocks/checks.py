"""Field checks that block families share: every option of an open field is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from sculptnet.arch import options_of
from sculptnet.errors import InvalidValue, collected


def channel_problems(channels: int, name: str = "out_channels") -> list[str]:
    """Widths are whole and above 0."""
    return [
        f"{name} must be a whole number above 0, got {value!r}"
        for value in options_of(channels)
        if not isinstance(value, int) or value < 1
    ]


def kernel_problems(kernel_size: int) -> list[str]:
    """Kernels are odd, so that padding `kernel // 2` keeps the size."""
    return [
        f"kernel_size must be odd and above 0, got {value!r}"
        for value in options_of(kernel_size)
        if not isinstance(value, int) or value < 1 or value % 2 == 0
    ]


def count_problems(count: int, name: str) -> list[str]:
    """Strides, groups and numbers of layers are whole and at least 1."""
    return [
        f"{name} must be a whole number of at least 1, got {value!r}"
        for value in options_of(count)
        if not isinstance(value, int) or value < 1
    ]


def check(owner: object, problems: Sequence[str]) -> None:
    """Raises `InvalidValue` with all `problems`, if there are any."""
    if problems:
        raise InvalidValue(collected(problems, type(owner).__name__))
