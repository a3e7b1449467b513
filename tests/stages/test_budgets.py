"""Where a budget lies in a space, and what people are told to do about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.methods.flows import BUDGET_MS, job_of

from sculptnet.cost import FactoredCost, LatencyTable, Macs, Parameters
from sculptnet.devices import measure_table
from sculptnet.errors import Infeasible, InvalidValue
from sculptnet.job import FitJob
from sculptnet.methods import Random
from sculptnet.search import Limit, Objective, Problem
from sculptnet.stages.feasibility import (
    LARGEST_WIDENING,
    budget_ms,
    check_feasibility,
    check_limits,
    narrower,
)
from sculptnet.testing import FakeDevice


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the run said."""
    return []


@pytest.fixture(scope="module")
def job(said: list[str], tmp_path_factory: pytest.TempPathFactory) -> FitJob:
    """An open run."""
    return job_of(tmp_path_factory.mktemp("budgets") / "run", Random(), said=said)


@pytest.fixture(scope="module")
def table(job: FitJob) -> LatencyTable:
    """What its blocks take."""
    return measure_table(job.space, FakeDevice(), seed=0)


def asking(job: FitJob, latency_ms: float) -> FitJob:
    """The same with another budget."""
    return replace(job, options=replace(job.options, latency_ms=latency_ms))


def test_the_share_of_random_networks_that_fit_grows_with_the_budget(
    job: FitJob, table: LatencyTable, said: list[str]
) -> None:
    (_, fastest), (_, slowest) = FactoredCost(job.space, table).extremes()
    shares = []
    for at_most in (fastest, (fastest + slowest) / 2, 0.999 * slowest):
        said.clear()
        check_feasibility(asking(job, at_most), table)
        (line,) = said
        assert line.startswith(f"This space on this device: fastest {fastest:.3g} ms, median ")
        shares.append(line.rpartition(": ")[2].removesuffix(" of random networks fit"))
    assert shares[0] == "under 1%", "the fastest is one of them"
    assert 1 <= int(shares[1].removesuffix("%")) <= 99
    assert shares[2] in ("over 99%", "100%")


def test_a_budget_under_the_fastest_network_says_what_may_help(job: FitJob, table: LatencyTable) -> None:
    (_, fastest), _ = FactoredCost(job.space, table).extremes()
    with pytest.raises(Infeasible) as caught:
        check_feasibility(asking(job, 0.9 * fastest), table)
    text = str(caught.value)
    assert f"is under the fastest network of this space on fake, {fastest:.3g} ms" in text
    for remedy in ("above that", "resolution", "width=0.5", str(job.run.table)):
        assert remedy in text


def test_a_loose_budget_is_advised_a_width_in_proportion_and_no_more_than_four(
    job: FitJob, table: LatencyTable, said: list[str]
) -> None:
    _, (_, slowest) = FactoredCost(job.space, table).extremes()
    for times, width in ((1.0, "1.5"), (1.2, "1.5"), (2.3, "2.5"), (LARGEST_WIDENING + 10, "4")):
        said.clear()
        check_feasibility(asking(job, 1.0000001 * times * slowest), table)
        assert f"width={width}`)" in said[-1]
        assert ("milliseconds for one image" in said[-1]) == (times > LARGEST_WIDENING)


def test_without_a_budget_there_is_an_error_and_with_a_start_the_advice_is_a_smaller_one(job: FitJob) -> None:
    with pytest.raises(InvalidValue, match="the budget is missing; give `latency_ms`"):
        budget_ms(replace(job.options, latency_ms=None))
    assert budget_ms(job.options) == BUDGET_MS
    assert "width=0.25" in narrower(job.options, 0.25)
    assert narrower(replace(job.options, start="mobilenet_v2"), 0.25) == "start from a smaller network"


def test_limits_beside_latency_say_how_many_networks_meet_all_of_them(
    job: FitJob, table: LatencyTable, said: list[str]
) -> None:
    latency, objective = Limit(table, BUDGET_MS), (Objective("top1"),)
    said.clear()
    check_limits(job, Problem(job.space, objective, (latency,)))
    assert not said, "latency alone is told elsewhere"
    (_, least), (_, most) = FactoredCost(job.space, Macs()).extremes()
    check_limits(job, Problem(job.space, objective, (latency, Limit(Macs(), (least + most) / 2))))
    (line,) = said
    assert f"of random networks meet {latency} and macs <= " in line
    assert "nine of ten lie in predicted_latency_ms 0.0" in line
    (_, fewest), _ = FactoredCost(job.space, Parameters()).extremes()
    with pytest.raises(Infeasible, match=r"no network of this space was found that meets .* and parameters <= "):
        check_limits(job, Problem(job.space, objective, (latency, Limit(Parameters(), fewest - 1))))
