"""The result of a proxy check: accuracies after short and after longer training, and how their ranks agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sculptnet.records import Event, of_kind
from sculptnet.records.training_events import ProxyChecked, RankCorrelation
from sculptnet.streams import stream

PURPOSE = "proxy_check"  # of random streams
RESAMPLED = 1000  # times, for intervals


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
    spearman: RankCorrelation
    kendall: RankCorrelation

    def __str__(self) -> str:
        return (
            f"Proxy: {len(self.pairs)} networks after {self.epochs} epochs and after {self.longer_epochs}: rank "
            f"correlation {self.spearman} by Spearman, {self.kendall} by Kendall (95 % intervals)"
        )


def newest_check(events: Iterable[Event], asked: int | None = None) -> ProxyCheck | None:
    """The newest check in a run's log, if it has one; with `asked`, one of as many networks."""
    fitting = [one for one in of_kind(events, ProxyChecked) if asked in (None, one.asked)]
    if not fitting:
        return None
    newest = fitting[-1]
    return ProxyCheck(newest.epochs, newest.longer_epochs, newest.pairs, newest.spearman, newest.kendall)


def rank_correlations(
    short: Sequence[float], longer: Sequence[float], seed: int
) -> tuple[RankCorrelation, RankCorrelation]:
    """Spearman's and Kendall's (tau-b) rank correlation, with percentile bootstrap intervals."""
    from scipy.stats import kendalltau, spearmanr  # two seconds to import, which few processes need

    x, y = np.asarray(short), np.asarray(longer)
    drawn = stream(seed, PURPOSE, 1).integers(len(x), size=(RESAMPLED, len(x)))
    drawn = drawn[[len({*x[row]}) > 1 and len({*y[row]}) > 1 for row in drawn]]

    def with_interval(correlate: Any) -> RankCorrelation:
        if len(drawn) == 0:
            return RankCorrelation(float("nan"), float("nan"), float("nan"))
        low, high = np.percentile([correlate(x[row], y[row]).statistic for row in drawn], (2.5, 97.5))
        return RankCorrelation(float(correlate(x, y).statistic), float(low), float(high))

    return with_interval(spearmanr), with_interval(kendalltau)
