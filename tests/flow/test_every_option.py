"""Every option of every verb does something, or is refused with a sentence: for each method, by a table."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.asking import asked
from tests.boxes import tiny_backbone, tiny_backbones, write_voc
from tests.flow.conftest import SILENT

import sculptnet
from sculptnet import methods, search
from sculptnet.arch import Candidate, Recipe
from sculptnet.cost import Macs, Parameters
from sculptnet.data import load
from sculptnet.data.detection import read_boxes
from sculptnet.devices.energy import POWERCAP
from sculptnet.errors import InvalidValue
from sculptnet.flow import work
from sculptnet.job import FitJob
from sculptnet.listening import Listener
from sculptnet.method import AnyTask
from sculptnet.methods import FBNetV3, OnceForAll, Searching, SearchRecipe, Target
from sculptnet.methods.searching import SERVED_BY_SOME
from sculptnet.option_groups import Accelerator, ListenGroup, TaskName
from sculptnet.options import VERBS, DetectOptions, FitOptions, RecipeOptions, TrainOptions
from sculptnet.precision import Precision
from sculptnet.report import ReportData, SectionMaker
from sculptnet.search import Problem, TrialRecord
from sculptnet.stages.plan import SearchPlan
from sculptnet.tasks import classify, detect_open
from sculptnet.tasks.classify import Classify
from sculptnet.tasks.opening import OF_TASKS
from sculptnet.verbs import check

FAKE = "sculptnet.testing:fake_device"
# A value of each option that is not its default; those that a request needs are in every one
GIVEN: dict[str, dict[str, Any]] = {
    "skip_broken": {"skip_broken": True},
    "root": {"root": Path("files")},
    "resolution": {"resolution": 24},
    "test_fraction": {"test_fraction": 0.3},
    "threads": {"threads": 2},
    "precision": {"precision": Precision.INT8},
    "minutes": {"minutes": 2.0},
    "accelerator": {"accelerator": Accelerator.CPU},
    "seed": {"seed": 3},
    "run_dir": {"run_dir": Path("run")},
    "runs": {"runs": Path("there")},
    "fresh": {"fresh": True},
    "workers": {"workers": 2},
    "full_trials": {"full_trials": 2},
    "limits": {"limits": ("parameters=1e9",)},
    "space": {"space": "fbnetv2"},
    "start": {"start": "mobilenet_v2"},
    "from_run": {"from_run": Path("run")},
    "baselines": {"baselines": True},
    "check_proxy": {"check_proxy": True},
    "proxy_networks": {"check_proxy": True, "proxy_networks": 8},
    "recipe": {"recipe": {"batch_size": 16}},
    "recipe.epochs": {"recipe": {"epochs": 3}},
    "pretrained": {"pretrained": True},
    "size": {"size": 64},
    "detector": {"detector": {"overlap": 0.4}},
}
ELSEWHERE = {"data", "network", "latency_ms", "device", "method", "task", "listener", "given"}  # in every request
FILES = {"table", "weights", "teacher"}  # are refused where they are not there: tests of their own have them
UNNAMED = {"root"}  # data by name alone have files elsewhere
OF_DETECTORS, OF_CLASSIFIERS = ({*OF_TASKS[task]} for task in (TaskName.DETECT, TaskName.CLASSIFY))
TRIALS_ALONE = {"start", "from_run"}
SUPERNETS = {"from_run", "workers", "full_trials", "baselines", "check_proxy", "proxy_networks", "recipe.epochs"}
REFUSED = {
    **dict.fromkeys(("fbnet", "fbnetv2", "mnasnet", "random", "evolution", "nsga2", "optuna"), TRIALS_ALONE),
    "fbnetv3": {"start", "from_run"},  # from a run without a predictor
    "ofa": SUPERNETS,
    "carve": SUPERNETS | {"space"},
}


def told(options: ListenGroup) -> set[str]:
    try:
        check(options)
    except InvalidValue as error:
        return {*error.problems}
    return set()


def refused(kind: type[ListenGroup], **values: Any) -> set[str]:
    """The options of a verb that are told to be of no use beside `values`."""
    plain = told(kind(**values))
    known = {field.name for field in fields(kind)}
    return {name for name, given in GIVEN.items() if given.keys() <= known and told(kind(**(values | given))) - plain}


@pytest.mark.parametrize("method", sorted(methods.BY_NAME))
def test_what_a_method_has_no_use_for_is_refused(method: str) -> None:
    start = {"start": "mobilenet_v2"} if method == "carve" else {}
    assert refused(FitOptions, data="photos", latency_ms=1.0, device=FAKE, method=method, **start) == (
        REFUSED[method] | UNNAMED | OF_DETECTORS
    )
    served = {*SERVED_BY_SOME} - REFUSED[method] - ({"from_run"} if method == "fbnetv3" else set())
    kind: Any = methods.BY_NAME[method]
    assert kind.serves == served | ({"from_run"} if method == "fbnetv3" else set())


@pytest.mark.parametrize("method", sorted(name for name, one in methods.BY_NAME.items() if issubclass(one, AnyTask)))
def test_so_it_is_where_a_detector_is_searched(method: str) -> None:
    values: dict[str, Any] = {"data": "photos", "latency_ms": 1.0, "device": FAKE, "task": TaskName.DETECT}
    assert refused(FitOptions, **values, method=method) == REFUSED[method] | OF_CLASSIFIERS
    with pytest.raises(InvalidValue) as caught:
        check(FitOptions(**values, method=method, resolution=64, recipe={"label_smoothing": 0.1}))
    assert "`resolution` is for task classify and plays no part in task detect; leave it out" in str(caught.value)
    assert "DetectorRecipe has no field 'label_smoothing'" in str(caught.value)


def test_so_it_is_where_a_network_is_given() -> None:
    values: dict[str, Any] = {"network": "mobilenet_v2", "data": "photos", "device": FAKE}
    assert refused(TrainOptions, **values) == UNNAMED
    assert refused(RecipeOptions, **values) == UNNAMED
    assert refused(VERBS["detect"], **values) == set()  # type: ignore[arg-type]


def test_the_table_has_every_option_of_every_verb_with_another_value_than_its_default() -> None:
    for verb, kind in VERBS.items():
        known = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
        if verb != "specialize":
            assert known.keys() <= GIVEN.keys() | ELSEWHERE | FILES, verb
        for name, given in GIVEN.items():
            assert known.get(name, MISSING) != given.get(name), name


def test_how_data_is_read_is_no_question_where_it_is_given_as_a_value(photos: Path, tmp_path: Path) -> None:
    images = load(str(photos))
    values: dict[str, Any] = {"device": FAKE, "latency_ms": 1.0}
    expected = {"root", "skip_broken", "test_fraction"}
    assert refused(FitOptions, data=images, **values) >= expected
    assert refused(TrainOptions, network="mobilenet_v2", data=images, **values) == expected
    write_voc(tmp_path / "voc", {"train": 4, "test": 2})
    boxes = read_boxes(tmp_path / "voc")
    assert refused(DetectOptions, network="mobilenet_v2", data=boxes, **values) == {"test_fraction"}
    with pytest.raises(InvalidValue, match=r"`test_fraction` 0\.3: data is given as a value, read already; leave it"):
        check(FitOptions(images, 1.0, device=FAKE, test_fraction=0.3))


class Neither:
    """No option takes one."""


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_what_is_neither_a_value_nor_a_name_is_refused(verb: str) -> None:
    kind: Any = VERBS[verb]
    needed = {field.name: "mobilenet_v2" for field in fields(kind) if field.default is MISSING}
    names = [field.name for field in fields(kind) if field.name not in ("method", "given")]
    for name in names:
        with pytest.raises(InvalidValue, match=rf"`{name}` must be .*, got <.*Neither object"):
            check(kind(**(needed | {name: Neither()})))
    with pytest.raises(InvalidValue) as caught:
        check(kind(**(needed | {name: Neither() for name in names})))
    assert len(caught.value.problems) == len(names)


def test_one_text_is_no_list_of_limits_and_numbers_name_no_settings() -> None:
    with pytest.raises(InvalidValue) as caught:
        sculptnet.fit("photos", 1.0, device=FAKE, limits="macs=1e6", recipe={3: 4})  # type: ignore[dict-item]
    assert "`limits` must be a list of texts NAME=NUMBER or of Limits, got 'macs=1e6'" in str(caught.value)
    assert "`recipe` must be a Recipe, or what differs from the usual one by dotted names, got {3: 4}" in str(
        caught.value
    )
    with pytest.raises(InvalidValue, match="`run` must be a run directory, got 3"):
        sculptnet.resume(3)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- what is not refused is read
CHECKING = ("problems", "identity", "to_command", "given", "sound", "replace", "name_of")  # reading that does nothing
READ: set[str] = set()


@dataclass(frozen=True)
class Recorded(FitOptions):
    """Options that remember which of them were read by what works with them."""

    def __getattribute__(self, name: str) -> Any:
        caller = sys._getframe(1).f_code
        if not any(word in caller.co_qualname for word in CHECKING):
            READ.add(name)
        return super().__getattribute__(name)


# the method is made of one, the task is chosen by one, and one plays its part beside check_proxy
UNREAD = {field.name for field in fields(FitOptions)} - {"given", "method", "task", "proxy_networks"}
QUICK = ("space.layers=1,1", "space.channels=8,16", "space.strides=2,2", "space.head_channels=16")
BRIEF = ("recipe.batch_size=16", "recipe.epochs=2")


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("random", ("search.batch=2",)),
        pytest.param("evolution", ("search.population=2",), marks=pytest.mark.slow),
        pytest.param("nsga2", ("search.population=2",), marks=pytest.mark.slow),
        pytest.param("optuna", (), marks=pytest.mark.slow),
        pytest.param("fbnet", ("search.epochs=1", "search.draws=2"), marks=pytest.mark.slow),
    ],
)
def test_all_options_that_are_not_refused_are_read(
    method: str, settings: Sequence[str], photos: Path, tmp_path: Path
) -> None:
    values: dict[str, Any] = {
        "data": photos,
        "latency_ms": 0.2,
        "device": FAKE,
        "minutes": 0.02,
        "accelerator": Accelerator.CPU,
        "runs": tmp_path,
        "method": method,
        "listener": SILENT,
    }
    options = asked(Recorded, **values, settings=(*QUICK, *BRIEF, *settings))
    made = methods.made(options.method, methods.FBNet)
    READ.clear()
    work(Classify(), classify.opened("fit", options, made, time.monotonic, POWERCAP))
    assert REFUSED[method] | OF_DETECTORS >= UNREAD - READ, sorted(UNREAD - READ)


def test_so_are_those_of_detectors(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "data": write_voc(tmp_path / "voc", {"train": 8, "val": 4, "test": 4}),
        "latency_ms": 0.3,
        "task": TaskName.DETECT,
        "size": 64,
        "device": FAKE,
        "minutes": 0.02,
        "accelerator": Accelerator.CPU,
        "runs": tmp_path,
        "method": methods.Random(),
        "space": tiny_backbones,
        "recipe": {"epochs": 1, "batch_size": 4},
        "listener": SILENT,
    }
    READ.clear()
    job = detect_open.opened_search(Recorded(**values), values["method"], time.monotonic)
    work(job.task, job)
    assert REFUSED["random"] | OF_CLASSIFIERS >= UNREAD - READ, sorted(UNREAD - READ)


# ---------------------------------------------------------------------- methods of somebody's own
@dataclass(frozen=True, kw_only=True)
class Mine(Searching[SearchPlan]):
    """A method that says nothing about options."""

    name: ClassVar[str] = "mine"

    costs: tuple[Any, ...] = ()
    rate: float = 0.1

    def plan(self, job: FitJob, problem: Problem) -> SearchPlan:
        raise NotImplementedError

    def best(self, job: FitJob, target: Target, plan: SearchPlan) -> TrialRecord:
        raise NotImplementedError

    def trained(self, candidate: Candidate, plan: SearchPlan) -> Candidate:
        raise NotImplementedError

    def sections(self, source: ReportData) -> tuple[SectionMaker, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class MineWithWorkers(Mine):
    """One that shares its trials."""

    serves: ClassVar[frozenset[str]] = frozenset({"workers"})


def test_a_method_of_somebodys_own_refuses_what_it_does_not_say_that_it_serves() -> None:
    values: dict[str, Any] = {"data": "photos", "latency_ms": 1.0, "device": FAKE}
    everything = {*SERVED_BY_SOME, "proxy_networks"}
    assert refused(FitOptions, **values, method=Mine()) == everything | UNNAMED | OF_DETECTORS
    assert refused(FitOptions, **values, method=MineWithWorkers) == everything - {"workers"} | UNNAMED | OF_DETECTORS
    with pytest.raises(InvalidValue) as caught:
        check(FitOptions(**values, method=Mine(), workers=4, baselines=True, recipe={"epochs": 2}))
    for sentence in (
        "`workers` 4: method mine trains no trials that could be shared; leave it out",
        "`baselines`: method mine trains no others to compare with; leave it out",
        "`recipe.epochs`: method mine decides itself how long it trains; leave it out",
    ):
        assert sentence in str(caught.value)


def test_settings_that_a_run_cannot_keep_are_refused_as_it_begins() -> None:
    values: dict[str, Any] = {"data": "photos", "latency_ms": 1.0, "device": FAKE}
    with pytest.raises(InvalidValue) as caught:
        check(FitOptions(**values, method=FBNetV3(statistics=(Macs(), Parameters()))))
    assert "`search.statistics`: a run keeps settings as texts" in str(caught.value)
    assert str(caught.value).endswith("cannot be read back from one; leave it out")
    with pytest.raises(InvalidValue, match=r"`search\.costs`: a run keeps .* names of classes\), and \(Macs\("):
        check(FitOptions(**values, method=Mine(costs=(Macs(),), rate=0.3)))
    for kept in (Mine(rate=0.3), FBNetV3(rounds=2), OnceForAll(draws=2), methods.FBNet(tau=0.1 + 0.2)):
        assert told(FitOptions(**values, method=kept)) == set()
    with pytest.raises(InvalidValue, match=r"`search\.sampler`"):
        check(RecipeOptions("mobilenet_v2", "photos", device=FAKE, method=WithSampler(sampler=(len,))))


@dataclass(frozen=True, kw_only=True)
class WithSampler(search.RandomSearch, methods.Trials):
    """Random search with a function among its settings."""

    name: ClassVar[str] = "with-sampler"

    sampler: Any = None


# ---------------------------------------------------------------------- whole recipes
def test_the_length_of_a_whole_recipe_that_plays_no_part_is_told(photos: Path, tmp_path: Path) -> None:
    options = FitOptions(photos, 1.0, device=FAKE, method="ofa", recipe=Recipe(epochs=7))
    assert told(options) == set()
    (note,) = OnceForAll().notes(options)
    assert note.startswith("Note: the 7 epochs of the recipe play no part: method ofa trains a supernet for search.ep")
    assert methods.Random().notes(options) == []
    said: list[str] = []
    listening = Listener(said.append)
    options = FitOptions(photos, 1.0, device=FAKE, recipe=Recipe(epochs=7), run_dir=tmp_path / "r", listener=listening)
    classify.opened("fit", options, Mine(), time.monotonic)
    assert "Note: the 7 epochs of the recipe play no part: method mine decides itself how long it trains" in str(said)


def test_a_whole_recipe_leaves_a_search_of_recipes_nothing_to_do() -> None:
    values: dict[str, Any] = {"network": tiny_backbone(32), "data": "photos", "device": FAKE}
    message = "`recipe`: all of it is decided, which leaves nothing to search; leave some of it out"
    assert told(RecipeOptions(**values, recipe=Recipe(epochs=3))) == {f"The request: {message}"}
    assert told(RecipeOptions(**values, recipe={"dropout": 0.1})) == set()
    assert SearchRecipe().problems(RecipeOptions(**values)) == []
