"""A network that is trained already is carved: the smaller form of it that fits, without a search by training."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.flow.conftest import Ask, Command, fitted

from sculptnet import spaces
from sculptnet.blocks import ALL, Conv, GlobalPool
from sculptnet.cost import FactoredCost, Macs, macs
from sculptnet.errors import Infeasible, InvalidSpace, InvalidValue
from sculptnet.export import save_network
from sculptnet.inherit import load_library
from sculptnet.job import Stage
from sculptnet.listening import Listener
from sculptnet.methods import Carve
from sculptnet.methods.carve import best_scored
from sculptnet.methods.finalists import ROUNDS, SPEED_MARGIN
from sculptnet.nets import Network, initialise
from sculptnet.records import of_kind
from sculptnet.records.run_events import Carved
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.search import Limit, Objective, Problem, Results
from sculptnet.verbs import run_fit

BUDGET_MS = 0.1  # the whole start takes 0.137, the smallest 0.075
SETTINGS = (
    "space.width_factors=0.5,1",
    "space.head_factors=0.5,1",
    "recipe.batch_size=8",
    "recipe.optimizer.learning_rate=0.02",
    "search.images=40",
    "search.draws=2",
    "search.start_epochs=4",
    "search.recovery_epochs=2",
)


def network_of(resolution: int = 16) -> Network:
    """Three layers, each of its kernel and expansion, with drawn weights."""
    space = spaces.fbnet(3, resolution, layers=(1, 1, 1), channels=(8, 16, 24), strides=(1, 2, 2), head_channels=32)
    options = [list(node.options) for node in space.decisions.values()]
    labels = [[option.label() for option in found] for found in options]
    choices = [found.index(name) for found, name in zip(labels, ("k5_e3", "k5_e6", "k3_e6"), strict=True)]
    network = Network(space.decode(choices).architecture)
    initialise(network, seed=3)
    return network


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network, as RUN/model is."""
    folder = tmp_path_factory.mktemp("start") / "model"
    save_network(network_of(), folder)
    return folder


@pytest.fixture(scope="session")
def ask_carve(ask: Ask, start: Path) -> Ask:
    """Options that carve the start to a part of its time."""
    plain = {"method": "carve", "start": str(start), "settings": SETTINGS, "latency_ms": BUDGET_MS}
    return lambda run_dir, **changes: ask(run_dir, **(plain | changes))


@pytest.fixture(scope="session")
def carved(ask_carve: Ask, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A finished run."""
    return fitted(ask_carve(tmp_path_factory.mktemp("carved") / "run"))


# ---------------------------------------------------------------------- a whole run
def test_a_network_within_the_budget_that_is_smaller_than_the_start_is_shipped(carved: FitResult, start: Path) -> None:
    card = carved.card
    assert card is not None
    assert carved.within_budget is True
    assert (card.method, card.starting_weights) == ("carve", str(start))
    assert card.macs == macs(carved.architecture) < macs(network_of().architecture)
    assert card.accuracy["model.onnx"].top1 > 0.8


def test_what_is_shipped_was_the_best_of_what_the_library_gives_when_measured(carved: FitResult) -> None:
    run = RunDirectory(carved.folder)
    trials = [trial.metrics for trial in run.trials(print) if trial.error is None]
    assert 1 <= len(trials) <= 2
    best = max(trials, key=lambda metrics: float(metrics["top1"]))
    assert best["macs"] == macs(carved.architecture)
    library = load_library(run.library, ALL)
    assert len(library.images) == 40
    for one in trials:
        assert one["measured_latency_high_ms"] <= BUDGET_MS
    assert library.divergence(library.assemble(carved.architecture)) == best["kl_nats"]


def test_the_page_says_what_was_cut_where(carved: FitResult) -> None:
    (event,) = of_kind(RunDirectory(carved.folder).events(print), Carved)
    before, after = dict(network_of().architecture.named()), dict(carved.architecture.named())
    assert [one.path for one in event.blocks] == [path for path in before if before[path] != after[path]]
    assert event.kept + len(event.blocks) == len(before)
    assert carved.report is not None
    page = carved.report.read_text()
    assert all(f"{one.carved}" in page for one in event.blocks)
    assert "Carved" in page


def test_batch_norms_keep_the_statistics_that_carving_gave_them(carved: FitResult) -> None:
    library = load_library(RunDirectory(carved.folder).library, ALL)
    assembled, shipped = library.assemble(carved.architecture).state_dict(), carved.network().state_dict()
    kept = [name for name in assembled if "running_" in name]
    assert kept
    assert all(torch.equal(assembled[name], shipped[name]) for name in kept)
    assert not torch.equal(assembled["classifier.weight"], shipped["classifier.weight"])


def test_the_same_command_again_reads_the_result(
    carved: FitResult, command: Command, photos: Path, start: Path
) -> None:
    files = {path: path.read_bytes() for path in sorted(carved.folder.rglob("*")) if path.is_file()}
    words = [word for one in SETTINGS for word in ("--set", one)]
    code, out, err = command(
        *("fit", str(photos), "--latency-ms", str(BUDGET_MS), "--method", "carve", "--start", str(start)),
        *("--device", "sculptnet.testing:fake_device", "--minutes", "1", "--accelerator", "cpu", "--json"),
        *("--run-dir", str(carved.folder), *words),
    )
    assert code == 0, err
    assert json.loads(out)["card"]["macs"] == macs(carved.architecture)
    assert {path: path.read_bytes() for path in sorted(carved.folder.rglob("*")) if path.is_file()} == files


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(
    carved: FitResult, ask_carve: Ask, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(carved.folder, run.folder)
    for folder in (run.model, run.folder / "checkpoints", run.library, run.folder / "figures"):
        shutil.rmtree(folder)
    for file in (run.report, run.folder / "trials.jsonl", run.record("plan")):
        file.unlink()
    for last in ("Training the start", "Making the library", "Putting the best", "Training what was", "Exporting"):
        with pytest.raises(KeyboardInterrupt):
            run_fit(ask_carve(run.folder, listener=Listener(stopping(last))))
    again = run_fit(ask_carve(run.folder))
    assert again.architecture == carved.architecture
    before, after = carved.network().state_dict(), again.network().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert len(run.trials(print)) == len(RunDirectory(carved.folder).trials(print))


def stopping(last: str) -> Callable[[str], None]:
    """Stops a run when it says so."""

    def say(text: str) -> None:
        if text.startswith(last):
            raise KeyboardInterrupt

    return say


# ---------------------------------------------------------------------- budgets and limits
def test_the_whole_start_is_among_the_finalists_where_nothing_must_be_cut(
    ask_carve: Ask, tmp_path: Path, said: list[str], listener: Listener
) -> None:
    result = run_fit(ask_carve(tmp_path / "run", latency_ms=0.5, listener=listener), until=Stage.SEARCH)
    assert "The budget does not bind: every network fits. A larger start may be better" in said
    first, *others = (trial.metrics for trial in RunDirectory(result.folder).trials(print))
    assert (first["kl_nats"], first["macs"]) == (0, macs(network_of().architecture))
    assert all(one["kl_nats"] > 0 for one in others)


def test_limits_beside_latency_hold(ask_carve: Ask, tmp_path: Path) -> None:
    at_most = 0.6 * macs(network_of().architecture)
    result = run_fit(ask_carve(tmp_path / "run", latency_ms=0.5, limits=(f"macs={at_most}",)), until=Stage.SEARCH)
    trials = RunDirectory(result.folder).trials(print)
    assert trials
    assert all(trial.metrics["macs"] <= at_most for trial in trials)


def test_each_round_keeps_more_distance_to_the_budget(carved: FitResult) -> None:
    library = load_library(RunDirectory(carved.folder).library, ALL)
    space, whole = library.space, library.network.architecture
    problem = Problem(space, (Objective("top1"),), (Limit(Macs(), 0.6 * macs(whole)),))
    proposals = best_scored(problem, FactoredCost(space, library.scores), whole, draws=1, share=0.2)
    asked = next(proposals)
    costs = [float(problem.factored[0].of(asked.choices)[0])]
    with contextlib.suppress(StopIteration):
        while True:
            asked = proposals.send(Results(asked.choices, {}, ["over the budget"], [()], [None]))
            costs.append(float(problem.factored[0].of(asked.choices)[0]))
    assert len(costs) == ROUNDS
    assert all(cost <= 0.6 * macs(whole) / SPEED_MARGIN**number for number, cost in enumerate(costs, start=1))


def test_a_budget_below_all_that_can_be_carved_is_an_error_before_anything_is_trained(
    ask_carve: Ask, tmp_path: Path
) -> None:
    with pytest.raises(Infeasible, match="lower `resolution`, or start from a smaller network"):
        run_fit(ask_carve(tmp_path / "run", latency_ms=0.05))
    assert not (tmp_path / "run" / "checkpoints").exists()


# ---------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"start": None}, "the start is missing: method carve makes a trained network smaller; give `start`, such as"),
        ({"start": "mobilenet_v4"}, "unknown network 'mobilenet_v4'; did you mean mobilenet_v2"),
        ({"start": "mobilenet_v2=none.pth"}, "none.pth does not exist; give NAME=FILE"),
        ({"latency_ms": None}, "the budget is missing; give `latency_ms`"),
        ({"space": "fbnet", "settings": ()}, "opens a space of its own; leave `space` out"),
        ({"settings": ("space.depth=1",)}, "`space.depth` is unknown"),
        (
            {"baselines": True},
            "`baselines`: method carve takes its network from a start that is trained, and",
        ),
        ({"check_proxy": True}, "`check_proxy`: method carve compares no trials with longer training; leave it out"),
        (
            {"full_trials": 2},
            "`full_trials` 2: method carve takes its network from a start that is trained;",
        ),
        ({"settings": ("recipe.epochs=3",)}, "`recipe.epochs`: method carve trains the start for search.start_epochs"),
        ({"workers": "2"}, "`workers` 2: method carve trains no trials that could be shared; leave it out"),
        ({"from_run": Path("x")}, "method carve uses no predictor; method fbnetv3 does"),
        (
            {"limits": ("peak_memory_bytes=1e6",)},
            "the limit on peak_memory_bytes: method carve limits sums and maxima, and this is a total of both; limit "
            "model_bytes and peak_activation_bytes instead, each by itself",
        ),
    ],
)
def test_what_plays_no_part_is_refused(changes: dict[str, Any], expected: str, ask_carve: Ask, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue) as caught:
        run_fit(ask_carve(tmp_path / "run", **changes))
    assert expected in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_settings_that_can_be_changed_are_those_of_what_can_be_carved(command: Command) -> None:
    code, out, _ = command("show", "settings", "--method", "carve", "--json")
    defaults = {row["name"]: row["default"] for row in json.loads(out)}
    assert code == 0
    assert [name for name in defaults if name.startswith("space.")] == [
        f"space.{name}" for name in ("width_factors", "head_factors", "channel_step", "smaller_kernels", "leave_out")
    ]
    assert defaults["recipe.frozen_statistics"] == "True"
    code, _, err = command("show", "settings", "--method", "carve", "--space", "fbnet")
    assert "space fbnet: method carve opens a space around its start; leave --space out" in err


def test_settings_out_of_range_are_named_together() -> None:
    with pytest.raises(InvalidValue) as caught:
        Carve(images=1, draws=0, share=1.5, teacher_share=1.0, start_epochs=0)
    for expected in (
        "images must be at least 2, got 1",
        "draws must be at least 1, got 0",
        "start_epochs must be at least 1, got 0",
        "share must be at least 0 and at most 1, got 1.5",
        "teacher_share must be above 0 and below 1, got 1.0",
    ):
        assert expected in str(caught.value)


def test_another_networks_weights_and_too_few_images_are_named_before_anything_is_measured(
    ask_carve: Ask, start: Path, tmp_path: Path
) -> None:
    settings = tuple("search.images=46" if one.startswith("search.images") else one for one in SETTINGS)
    weights = f"mobilenet_v2={start / 'weights.safetensors'}"
    with pytest.raises(InvalidValue) as caught:
        run_fit(ask_carve(tmp_path / "run", start=weights, settings=settings))
    assert (
        "images must be at most the 45 that weights are trained on here, got 46; lower it (`search.images=45`)"
        in str(caught.value)
    )
    assert "mobilenet_v2" in str(caught.value).split("search.images=45")[1]
    assert not RunDirectory(tmp_path / "run").table.exists()


def test_a_start_of_which_nothing_can_be_smaller_is_an_error(ask_carve: Ask, tmp_path: Path) -> None:
    plain = network_of().architecture
    network = Network(replace(plain, stages=((Conv(8),),), head=GlobalPool(8)))
    initialise(network, seed=0)
    save_network(network, tmp_path / "model")
    with pytest.raises(InvalidSpace, match="nothing of this network can be smaller"):
        run_fit(ask_carve(tmp_path / "run", start=str(tmp_path / "model")))


def test_epochs_come_from_the_minutes_unless_they_are_set(ask_carve: Ask, tmp_path: Path, said: list[str]) -> None:
    settings = tuple(one for one in SETTINGS if "_epochs" not in one)
    with pytest.raises(KeyboardInterrupt):
        run_fit(ask_carve(tmp_path / "run", settings=settings, minutes=0.01, listener=Listener(told(said))))
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert (plan["start_epochs"], plan["epochs"]) == (1, 1)
    assert any(
        text.startswith("Plan: 1 epoch of the start; a library of 14 options, each scored on 20") for text in said
    )
    assert any(text.startswith("Warning: the least sensible plan takes") for text in said)


def told(said: list[str]) -> Callable[[str], None]:
    """Keeps what is said, and stops when training begins."""

    def say(text: str) -> None:
        said.append(text)
        stopping("Training the start")(text)

    return say
