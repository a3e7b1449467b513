from __future__ import annotations

import pytest

from sculptnet.arch import TensorShape
from sculptnet.blocks import Conv
from sculptnet.devices import Model, OnnxRuntime, Plan, Quality, open_device
from sculptnet.devices.graphs import Graphs
from sculptnet.errors import DeviceError, InvalidValue
from sculptnet.machine_limits import cores

QUICK = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)


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


def test_an_answer_of_another_shape_is_an_error_that_names_the_model() -> None:
    small, large = (Graphs().context(Conv(8), TensorShape(8, side, side)) for side in (4, 5))
    wrong = Model(small.onnx, small.shape, large.expected)
    with pytest.raises(DeviceError, match=r"answers 'some block' with shape|answers some block with shape"):
        list(OnnxRuntime(1).measure(Plan({"some block": wrong}, small, QUICK)))
