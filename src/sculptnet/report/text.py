"""Numbers and names as people read them."""

from __future__ import annotations

import math
import unicodedata
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.float64]
NARROW = "\u202f"  # narrow no-break space, between a number and its unit
MINUS = "\u2212"
DASH = "\u2013"
MISSING = "\u2014"


def number(value: object) -> float:
    """`value` as a float; NaN where it is absent or no number."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def significant(value: float, digits: int = 3) -> str:
    """`value` with that many significant digits, never in exponent notation: 4.62, 0.0371, 1,240."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 9)}f}".replace("-", MINUS)


def milliseconds(value: float) -> str:
    """A latency with its unit."""
    return f"{significant(value)}{NARROW}ms"


def percent(fraction: float, decimals: int = 1) -> str:
    """0..1 as a percentage with its unit."""
    return f"{100 * fraction:.{decimals}f}{NARROW}%".replace("-", MINUS) if math.isfinite(fraction) else MISSING


def interval(low: float, high: float) -> str:
    """Two ends of an interval, with one digit more where it is narrow."""
    digits = 3 if high - low > 0.03 * abs(high) else 4
    return f"{significant(low, digits)}{DASH}{significant(high, digits)}"


def percent_interval(low: float, high: float, decimals: int = 1) -> str:
    """Two ends of an interval of fractions, as percentages."""
    return f"{100 * low:.{decimals}f}{DASH}{100 * high:.{decimals}f}{NARROW}%"


def rounded(value: float, decimals: int = 2) -> str:
    """`value` with that many decimals."""
    return f"{value:.{decimals}f}".replace("-", MINUS) if math.isfinite(value) else MISSING


def signed(value: float, decimals: int = 1) -> str:
    """`value` with its sign, also where it is positive."""
    return f"{value:+.{decimals}f}".replace("-", MINUS) if math.isfinite(value) else MISSING


def count(value: float) -> str:
    """A whole number: 1,240; from a million on as 1.57 M, from a billion on as 1.57 G."""
    for factor, unit in ((1e9, "G"), (1e6, "M")):
        if value >= factor:
            return f"{significant(value / factor)}{NARROW}{unit}"
    return f"{value:,.0f}" if math.isfinite(value) else MISSING


def amount(value: float) -> str:
    """Counts as `count` has them, measured amounts below 100 to three digits."""
    return count(value) if value >= 100 else significant(value)


def duration(seconds: float) -> str:
    """4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{significant(seconds, 2)}{NARROW}s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours:,}{NARROW}h {minutes}{NARROW}min"
    return f"{minutes}{NARROW}min {rest}{NARROW}s"


def plain(text: object) -> str:
    """`text` as one line that can be shown and stored: control characters and lone surrogates are replaced.

    File and class names come from users' folders and may hold anything a file system admits.
    """
    shown = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in shown)


def short(text: object, limit: int = 20) -> str:
    """`plain(text)`, cut to `limit` characters with an ellipsis."""
    line = plain(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "\u2026"


def cost_name(cost: str) -> str:
    """What the axis of a cost says: `latency (ms)` for that of any device, else its own name."""
    return "latency (ms)" if cost.startswith("latency_ms") else short(cost)
