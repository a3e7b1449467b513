"""The result of a proxy check: accuracies after short and after longer training, and how their ranks agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sculptnet.streams import stream

EVENT = "proxy_check"
RESAMPLED = 1000  # times, for intervals


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its 95 % interval, from networks drawn with replacement; NaN where all are equal."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class ProxyCheck:
    """The accuracies of the same networks after short and after longer training, on the same held-back images.

    Attributes:
        epochs, longer_epochs: how long.
        pairs: `(trial, top1, top1 after longer training)` of each network.
        spearman, kendall: rank correlations between the two.
    """

    epochs: int
    longer_epochs: int
    pairs: tuple[tuple[int, float, float], ...]
    spearman: Correlation
    kendall: Correlation

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProxyCheck:
        """What `to_json` wrote."""
        pairs = tuple((int(trial), float(short), float(long)) for trial, short, long in data["pairs"])
        both = (Correlation(**data[name]) for name in ("spearman", "kendall"))
        return cls(data["epochs"], data["longer_epochs"], pairs, *both)

    def __str__(self) -> str:
        return (
            f"Proxy: {len(self.pairs)} networks after {self.epochs} epochs and after {self.longer_epochs}: rank "
            f"correlation {self.spearman} by Spearman, {self.kendall} by Kendall (95 % intervals)"
        )


def newest_check(events: Sequence[Mapping[str, Any]], asked: int | None = None) -> ProxyCheck | None:
    """The newest check in a run's log, if it has one; with `asked`, one of as many networks."""
    fitting = [one for one in events if one.get("event") == EVENT and asked in (None, one["asked"])]
    return ProxyCheck.from_json(fitting[-1]) if fitting else None


def rank_correlations(short: Sequence[float], longer: Sequence[float], seed: int) -> tuple[Correlation, Correlation]:
    """Spearman's and Kendall's (tau-b) rank correlation, with percentile bootstrap intervals."""
    from scipy.stats import kendalltau, spearmanr  # two seconds to import, which few processes need

    x, y = np.asarray(short), np.asarray(longer)
    drawn = stream(seed, EVENT, 1).integers(len(x), size=(RESAMPLED, len(x)))
    drawn = drawn[[len({*x[row]}) > 1 and len({*y[row]}) > 1 for row in drawn]]

    def with_interval(correlate: Any) -> Correlation:
        if len(drawn) == 0:
            return Correlation(float("nan"), float("nan"), float("nan"))
        low, high = np.percentile([correlate(x[row], y[row]).statistic for row in drawn], (2.5, 97.5))
        return Correlation(float(correlate(x, y).statistic), float(low), float(high))

    return with_interval(spearmanr), with_interval(kendalltau)
