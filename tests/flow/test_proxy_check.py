"""Rank correlations of short with longer training, the Pareto set, and how many trials run at once."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import pytest
from tests.flow.conftest import SMALL, Ask

from sculptnet.arch import Choices
from sculptnet.errors import InvalidValue
from sculptnet.job import Stage
from sculptnet.methods import FBNet, OnceForAll, Random
from sculptnet.methods.proxy_check import spread_out
from sculptnet.options import FitOptions
from sculptnet.records.codec import read_record, write_record
from sculptnet.records.training_events import ProxyChecked, RankCorrelation
from sculptnet.runs import RunDirectory
from sculptnet.search import TrialRecord
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.ray_workers import RayWorkers
from sculptnet.stages.plan import SearchPlan, Speed, Wishes, make_plan
from sculptnet.stages.proxy import ProxyCheck, newest_check, rank_correlations
from sculptnet.stages.trade_off import describe, trade_offs
from sculptnet.stages.workers import on_accelerator, parse_workers
from sculptnet.tasks.classify import opened
from sculptnet.verbs import run_fit

BY_TRIALS = tuple(one for one in SMALL if not one.startswith(("search.", "recipe.epochs")))


def record(trial: int, latency_ms: float, top1: float, epochs: int | None = None) -> TrialRecord:
    return TrialRecord(trial, (trial % 10,), epochs, metrics={"measured_latency_ms": latency_ms, "top1": top1})


# ---------------------------------------------------------------------- ranks
def test_equal_ranks_correlate_fully_and_reversed_ones_not_at_all() -> None:
    for longer, expected in (((0.1, 0.2, 0.4, 0.8, 0.9), 1.0), ((0.9, 0.8, 0.4, 0.2, 0.1), -1.0)):
        for found in rank_correlations((0.3, 0.4, 0.5, 0.6, 0.7), longer, 0):
            assert (found.value, found.low, found.high) == pytest.approx((expected, expected, expected))


def test_one_swapped_pair_of_five_costs_a_tenth_of_spearman_and_a_fifth_of_kendall() -> None:
    spearman, kendall = rank_correlations((1, 2, 3, 4, 5), (1, 2, 3, 5, 4), 0)
    assert spearman.value == pytest.approx(1 - 6 * 2 / (5 * 24))
    assert kendall.value == pytest.approx((9 - 1) / 10)
    assert kendall.low < kendall.value <= kendall.high == pytest.approx(1.0)


def test_accuracies_that_are_all_equal_have_no_ranks() -> None:
    assert all(math.isnan(found.value) for found in rank_correlations((0.5,) * 4, (1, 2, 3, 4), 0))


def test_networks_are_spread_over_the_accuracies_best_and_worst_among_them() -> None:
    short: dict[Choices, TrialRecord] = {
        (trial,): record(trial, 1.0, accuracy / 100) for trial, accuracy in enumerate((50, 90, 10, 70, 30, 80, 20))
    }
    assert [short[row].metrics["top1"] for row in spread_out(short, 4, "top1")] == [0.1, 0.3, 0.7, 0.9]
    assert len(spread_out(short, 20, "top1")) == 7


# ---------------------------------------------------------------------- the front
def test_the_front_holds_what_no_other_trial_beats_with_what_longer_training_gave() -> None:
    records = [record(0, 1.0, 0.5), record(1, 2.0, 0.4), record(2, 3.0, 0.7), record(12, 3.0, 0.9, 30)]
    records.append(TrialRecord(4, (4,), error="ValueError: no luck"))
    found = trade_offs(records, 30)
    assert [(one.trial, one.latency_ms, one.top1, one.longer_top1) for one in found] == [
        (0, 1.0, 0.5, None),
        (2, 3.0, 0.7, 0.9),
    ]
    assert describe(found)[2] == "  trial 2        3.000 ms   top-1 70.00%, 90.00% after full training"
    assert trade_offs(records[4:], 30) == ()


@pytest.mark.parametrize("method", [FBNet(), Random()])
def test_a_plan_of_trials_as_long_as_the_final_training_knows_no_longer_one(
    method: FBNet | Random, ask: Ask, tmp_path: Path
) -> None:
    job = opened("fit", ask(tmp_path / "run"), method, monotonic)
    assert method.longer_epochs(job) is None
    plan = make_plan(600, Speed(0.1, 0.05, 100, 1.0, 20.0, 2**30, 2), 60000, Wishes())
    for epochs, expected in ((30, 30), (5, None)):
        write_record(job.run.record("plan"), replace(plan, trial_epochs=5, epochs=epochs))
        assert method.longer_epochs(job) == expected
    assert OnceForAll().longer_epochs(job) is None, "a supernet's networks are no trials"


# ---------------------------------------------------------------------- requests
@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `ray`")  # not imported: it reads settings then
def test_workers_are_a_number_or_ray_with_its_arguments() -> None:
    assert parse_workers("4") == LocalWorkers(4)
    assert parse_workers("ray") == RayWorkers()
    shares = "ray:number=3,cpus_per_trial=2,gpus_per_trial=0.5,address=10.0.0.1:6379"
    assert parse_workers(shares) == RayWorkers(number=3, cpus_per_trial=2, gpus_per_trial=0.5, address="10.0.0.1:6379")
    assert on_accelerator(RayWorkers(), "cuda") == RayWorkers(gpus_per_trial=1.0)
    assert on_accelerator(parse_workers(shares), "cuda") == parse_workers(shares)
    assert on_accelerator(RayWorkers(), "cpu") == RayWorkers()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "`workers` must be at least 1, got 0; 1 trains in this process"),
        ("many", "`workers` must be a number of processes, ray, or ray:NAME=VALUE,...; got 'many'"),
        ("ray:cpus=2", "`workers` ray:cpus=2: `ray.cpus` is unknown; "),
        ("ray:number=0", "`workers` ray:number=0: Ray workers: number must be at least 1, got 0"),
    ],
)
def test_workers_that_are_none_are_refused(text: str, expected: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_workers(text)
    assert expected in str(caught.value)


def test_requests_that_cannot_be_compared_say_so_all_at_once(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidValue, match=r"`proxy_networks` must be at least 4, got 2; fewer have no ranks to speak of"
    ):
        run_fit(ask(tmp_path / "run", check_proxy=True, proxy_networks=2))
    with pytest.raises(InvalidValue) as caught:
        run_fit(ask(tmp_path / "run", method="ofa", settings=(), check_proxy=True, workers="-1"))
    for text in ("`workers` must be at least 1, got -1", "`check_proxy`: method ofa compares no trials with"):
        assert text in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_plan_whose_trials_are_no_shorter_is_refused_before_the_search(ask: Ask, tmp_path: Path) -> None:
    settings = (*BY_TRIALS, "recipe.epochs=1")
    with pytest.raises(InvalidValue, match=r"`check_proxy`: trials are trained for \d+ epochs and the network that is"):
        run_fit(ask(tmp_path / "run", method="random", settings=settings, check_proxy=True), Stage.SEARCH)
    assert RunDirectory(tmp_path / "run").trials(print) == []


# ---------------------------------------------------------------------- the whole
@pytest.fixture(scope="module")
def asked_twice(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitOptions:
    """Random search with trials of ten epochs and a final training of twelve."""
    settings = (*BY_TRIALS, "recipe.epochs=12")
    return ask(tmp_path_factory.mktemp("proxy") / "run", method="random", settings=settings, minutes=0.3)


@pytest.mark.slow
def test_the_proxy_is_checked_side_by_side_and_once(asked_twice: FitOptions) -> None:
    alone = run_fit(asked_twice, Stage.SEARCH)
    run = RunDirectory(alone.folder)
    plan = read_record(run.record("plan"), SearchPlan)
    assert alone.proxy is None
    assert 0 < plan.trial_epochs < plan.epochs
    two = replace(asked_twice, workers="2", check_proxy=True, proxy_networks=4)
    found = run_fit(two, Stage.SEARCH)
    assert found.folder == alone.folder
    assert found.architecture == alone.architecture
    check = found.proxy
    assert check is not None
    assert len(check.pairs) >= 4
    assert (check.epochs, check.longer_epochs) == (plan.trial_epochs, plan.epochs)
    assert str(check) in found.summary()
    assert found.to_json()["proxy"] == asdict(check)
    assert found.to_json()["front"]
    trials = run.trials(print)
    again = run_fit(two)
    assert again.proxy == check
    assert run.trials(print) == trials
    assert again.report is not None
    assert 'id="figure-proxy"' in again.report.read_text()


def test_a_check_is_read_as_it_was_written() -> None:
    both = RankCorrelation(1.0, 0.5, 1.0), RankCorrelation(1.0, 0.4, 1.0)
    check = ProxyCheck(5, 30, ((0, 0.5, 0.7), (3, 0.6, 0.8)), *both)
    logged = ProxyChecked(2, check.epochs, check.longer_epochs, check.pairs, *both)
    assert newest_check([ProxyChecked(3, 1, 2, (), *both), logged]) == check
    assert newest_check([logged], asked=3) is None
    assert str(check) == (
        "Proxy: 2 networks after 5 epochs and after 30: rank correlation 1.00 (0.50 to 1.00) by Spearman, "
        "1.00 (0.40 to 1.00) by Kendall (95 % intervals)"
    )
