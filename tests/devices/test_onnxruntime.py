from __future__ import annotations

import pytest

from sculptnet import devices
from sculptnet.arch import TensorShape
from sculptnet.blocks import Conv
from sculptnet.devices import Model, OnnxRuntime, Plan, Quality, open_device
from sculptnet.devices.graphs import Graphs
from sculptnet.devices.onnxruntime import AT_ONCE, cores
from sculptnet.errors import DeviceError, InvalidValue

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


def test_devices_are_opened_by_name() -> None:
    assert open_device("onnxruntime", threads=1) == OnnxRuntime(1)
    assert set(devices.BY_NAME) == {"onnxruntime"}


def test_an_unknown_device_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(InvalidValue, match="unknown device 'onxruntime'; did you mean onnxruntime"):
        open_device("onxruntime")


def test_threads_must_be_between_one_and_the_cores() -> None:
    with pytest.raises(DeviceError, match=rf"{cores() + 1} threads .* may use {cores()} cores; .* in 1..{cores()}"):
        open_device("onnxruntime", threads=cores() + 1)
    with pytest.raises(InvalidValue, match="threads must be at least 1, got 0"):
        open_device("onnxruntime", threads=0)


def test_it_says_what_a_reader_of_a_figure_must_know() -> None:
    described = OnnxRuntime(1).describe()
    assert {"runtime", "version", "threads", "cpu", "cores"} == set(described)
    assert OnnxRuntime(1).name == "onnxruntime-1t"


@pytest.mark.skipif(cores() < 2, reason="this process may use one core only")
def test_two_threads_do_not_spin_while_they_wait() -> None:
    options = OnnxRuntime(2)._options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_more_models_than_may_be_open_at_once_are_measured_in_groups() -> None:
    model = Graphs().empty()
    plan = Plan({f"m{index}": model for index in range(AT_ONCE + 3)}, model, QUICK)
    found = [(one.model, one.round) for one in OnnxRuntime(1).measure(plan)]
    first, second = found[: 2 * AT_ONCE], found[2 * AT_ONCE :]
    assert {name for name, _ in first} == {f"m{index}" for index in range(AT_ONCE)}
    assert second == [(f"m{AT_ONCE + index}", turn) for turn in range(2) for index in range(3)]


def test_progress_counts_every_chunk_held_ones_included() -> None:
    model, told = Graphs().empty(), list[tuple[int, int]]()
    plan = Plan({"a": model, "b": model}, model, QUICK, held=frozenset({("a", 0)}))
    list(OnnxRuntime(1).measure(plan, lambda what, done, total: told.append((done, total))))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_answer_of_another_shape_is_an_error_that_names_the_model() -> None:
    small, large = (Graphs().context(Conv(8), TensorShape(8, side, side)) for side in (4, 5))
    wrong = Model(small.onnx, small.shape, large.expected)
    with pytest.raises(DeviceError, match=r"answers 'some block' with shape|answers some block with shape"):
        list(OnnxRuntime(1).measure(Plan({"some block": wrong}, small, QUICK)))
