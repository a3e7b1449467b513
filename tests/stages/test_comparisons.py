"""The networks that a shipped one is compared with: which width of MobileNetV2, which strides, at which speed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.methods.flows import SPACE, job_of
from tests.report.made_up import judged, measured

from sculptnet import spaces, zoo
from sculptnet.arch import Architecture
from sculptnet.cost import Precision
from sculptnet.devices.graphs import Graphs
from sculptnet.job import FitJob
from sculptnet.methods import Random
from sculptnet.records import write_record
from sculptnet.stages.baselines import WIDTHS, missing_baselines, nearest_width, shipped_reference_ms, stage_strides
from sculptnet.testing import FakeDevice

QUIET = FakeDevice(noise_percent=0.0)


@pytest.fixture
def job(tmp_path: Path) -> FitJob:
    """A run that has shipped a network, on a device without noise."""
    made = job_of(tmp_path / "run", Random(), device=QUIET, baselines=True)
    reference_ms = QUIET.latency_ms(made.reference().onnx)
    write_record(made.run.card, judged(0.3, replace(measured(0.1), reference_ms=reference_ms)))
    return made


def network(width: float) -> Architecture:
    """One layer, with `width` times 64 channels in its head."""
    space = spaces.fbnet(3, 16, channels=(16,), layers=(1,), strides=(2,), stem_channels=16, head_channels=64)
    architecture = space.decode([0]).architecture
    head = replace(architecture.head, out_channels=max(1, round(64 * width)))  # type: ignore[type-var]
    return replace(architecture, head=head)


def latency_ms(width: float) -> float:
    """Of the network of that width, without noise."""
    return QUIET.latency_ms(Graphs(Precision.FP32, None).network(network(width)).onnx)


@pytest.mark.parametrize("wanted", [0.1, 0.75, 1.6, 3.0])
def test_the_width_is_the_one_whose_latency_is_nearest(wanted: float, job: FitJob) -> None:
    target_ms = latency_ms(wanted)
    found = nearest_width(job, network, target_ms)
    off = abs(latency_ms(found) - target_ms)
    place = WIDTHS.index(found)
    others = [WIDTHS[other] for other in (place - 1, place + 1) if 0 <= other < len(WIDTHS)]
    assert off <= min(abs(latency_ms(other) - target_ms) for other in others)
    assert found == pytest.approx(wanted, abs=0.05)


@pytest.mark.parametrize(("target_ms", "expected"), [(1e-6, WIDTHS[0]), (1e6, WIDTHS[-1])])
def test_beyond_all_widths_it_is_the_last_one(target_ms: float, expected: float, job: FitJob) -> None:
    assert nearest_width(job, network, target_ms) == expected


def test_comparisons_are_stated_at_the_speed_of_the_shipped_file(job: FitJob) -> None:
    assert shipped_reference_ms(job) == QUIET.latency_ms(job.reference().onnx)


def test_mobilenet_takes_over_the_strides_of_spaces_with_as_many_stages() -> None:
    assert stage_strides(SPACE(3, 16).architecture) is None
    seven = len(zoo.mobilenet_v2().stages)
    for strides in ((1, 1, 2, 1, 1, 2, 1), (1, 2, 2, 2, 1, 2, 1)):
        space = spaces.fbnet(3, 32, channels=(8,) * seven, layers=(1,) * seven, strides=strides)
        assert stage_strides(space.architecture) == strides


def test_nothing_is_missing_where_nothing_was_asked_for_or_all_is_in_the_log(job: FitJob) -> None:
    plain = replace(job, options=replace(job.options, baselines=False))
    assert missing_baselines(plain) == ()
    assert missing_baselines(job) == ("mobilenet_v2", "random")
