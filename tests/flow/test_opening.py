"""What every run opens before it begins: the device, what torch trains on, its threads, its data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sculptnet.errors import DataError, InvalidValue
from sculptnet.machine_limits import cores
from sculptnet.option_groups import Accelerator
from sculptnet.options import FitOptions
from sculptnet.runs import RunDirectory, RunInfo
from sculptnet.tasks.opening import check_still_there, chosen_accelerator, device_of, limit_threads, run_directory
from sculptnet.testing import FakeDevice, tiny_images
from sculptnet.verbs import go_on, refuse_other_verb

OPTIONS = FitOptions(tiny_images(2, per_class=4), latency_ms=1.0, device=FakeDevice())


@pytest.fixture
def threads() -> Iterator[int]:
    """Torch's, which are afterwards as they were."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_threads_are_those_of_a_device_that_is_named_and_not_of_one_that_is_given() -> None:
    assert device_of(OPTIONS) is OPTIONS.device
    with pytest.raises(InvalidValue, match="`threads` 2: fake has its own; leave it out"):
        device_of(replace(OPTIONS, threads=2))
    named = replace(OPTIONS, device="sculptnet.testing:fake_device", threads=2)
    assert device_of(named).name == "fake-2t"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test wants absent")
def test_cuda_is_taken_where_it_is_and_refused_where_it_is_not() -> None:
    assert chosen_accelerator(Accelerator.AUTO) == chosen_accelerator(Accelerator.CPU) == "cpu"
    with pytest.raises(InvalidValue, match="`accelerator` cuda: torch sees no CUDA device here; use cpu"):
        chosen_accelerator(Accelerator.CUDA)


def test_torch_has_no_more_threads_than_there_are_cores(threads: int) -> None:
    torch.set_num_threads(cores() + 1)
    limit_threads()
    assert torch.get_num_threads() == cores()
    torch.set_num_threads(1)
    limit_threads()
    assert torch.get_num_threads() == 1


def test_data_that_were_moved_since_a_run_began_are_told_apart_from_data_that_never_were(tmp_path: Path) -> None:
    data, run_dir = tmp_path / "photos", tmp_path / "run"
    check_still_there(data, run_dir)
    RunDirectory(run_dir).open(RunInfo("fit", {}, {}), fresh=False)
    with pytest.raises(DataError) as caught:
        check_still_there(data, run_dir)
    assert f"the data of {run_dir} lay in {data}, which does not exist any more" in str(caught.value)
    assert f"`run_dir={str(run_dir)!r}`" in str(caught.value)
    data.mkdir()
    for given, folder in ((data, run_dir), ("fashion_mnist", run_dir), (OPTIONS.data, run_dir), (data, None)):
        check_still_there(given, folder)


def test_a_run_without_a_name_is_found_again_by_what_it_is_whatever_the_data_are_called(tmp_path: Path) -> None:
    place = replace(OPTIONS, runs=tmp_path)
    first = run_directory(place, "photos", {"seed": 0})
    assert first.folder.parent == tmp_path
    assert first.folder.name.startswith("photos-")
    first.open(RunInfo("fit", {"seed": 0}, {}), fresh=False)
    assert run_directory(place, "renamed", {"seed": 0}).folder == first.folder
    assert run_directory(place, "renamed", {"seed": 1}).folder.name.startswith("renamed-")
    named = replace(place, run_dir=tmp_path / "mine")
    assert run_directory(named, "photos", {"seed": 0}).folder == tmp_path / "mine"


def test_runs_that_nothing_goes_on_with_alone_are_told_with_their_verb(tmp_path: Path) -> None:
    RunDirectory(tmp_path).open(RunInfo("specialize", {}, {}), fresh=False)
    for go_on_with in (lambda: go_on(tmp_path, {}), lambda: refuse_other_verb(tmp_path, ("fit", "train"))):
        with pytest.raises(InvalidValue, match=r"that `specialize` cut out of a run; `specialize\(RUN, "):
            go_on_with()
    RunDirectory(tmp_path / "detect").open(RunInfo("detect", {}, {}), fresh=False)
    with pytest.raises(InvalidValue, match=r"is a run of `detect`; `sculptnet detect .*` goes on with it"):
        refuse_other_verb(tmp_path / "detect", ("fit", "train"))
    refuse_other_verb(tmp_path / "detect", ("detect",))
