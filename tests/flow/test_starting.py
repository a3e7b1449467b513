"""A supernet around a network that is trained already begins with its weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sculptnet import zoo
from sculptnet._fit import FitResult, run_flow
from sculptnet.errors import InvalidValue
from sculptnet.flow.context import Voice, open_context
from sculptnet.flow.request import FitRequest
from sculptnet.flow.stages import Stage
from sculptnet.flow.starting import parse_start
from sculptnet.flow.supernet_learning import check_space, new_supernet, phases_for
from sculptnet.nets import Network, initialise
from sculptnet.runs import RunDirectory
from sculptnet.state import no_progress

SILENT = Voice(lambda text: None, no_progress)


@pytest.fixture
def ask_start(ask_ofa: Callable[[Path], FitRequest], supernet_run: FitResult, tmp_path: Path) -> FitRequest:
    """A space around the network of another run, whose weights are in its folder."""
    request = ask_ofa(tmp_path / "run")
    settings = tuple(one for one in request.settings if not one.startswith("space."))
    model = RunDirectory(supernet_run.folder).model
    return replace(request, start=str(model), settings=(*settings, "space.expansion_factors=0.67,1"))


def test_the_full_network_is_the_one_it_starts_from(ask_start: FitRequest, supernet_run: FitResult) -> None:
    context = open_context(ask_start, SILENT, time.monotonic)
    supernet, network = new_supernet(context).eval(), supernet_run.network()
    assert supernet.full == network.architecture
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(supernet(images, supernet.full), network(images))
    (phase,) = phases_for(context)
    assert phase.recipe.optimizer.learning_rate == pytest.approx(0.1 * 0.1 * 0.8 / 2.6)


def test_images_are_normalised_as_the_card_beside_the_weights_says(
    ask_start: FitRequest, supernet_run: FitResult
) -> None:
    said: list[str] = []
    context = open_context(ask_start, Voice(said.append, no_progress), time.monotonic)
    assert supernet_run.card is not None
    assert list(context.preprocessing.mean) == pytest.approx(list(supernet_run.card["preprocessing"]["mean"]))
    assert any("Images are normalised as for the weights" in line for line in said)


def test_weights_of_the_zoo_come_from_a_file_at_other_classes(tmp_path: Path) -> None:
    published = zoo.BY_NAME["mobilenet_v2"].architecture
    network = Network(published)
    initialise(network, 5)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    start = parse_start(f"mobilenet_v2={tmp_path / 'weights.safetensors'}")
    loaded = start.network(start.fitted(32, 7), seed=0)
    assert (loaded.architecture.resolution, loaded.architecture.num_classes) == (32, 7)
    for name, tensor in loaded.state_dict().items():
        if not name.startswith("classifier."):
            assert torch.equal(tensor, network.state_dict()[name]), name


def test_absent_weights_are_an_error_before_anything_is_measured(
    ask_ofa: Callable[[Path], FitRequest], tmp_path: Path
) -> None:
    request = replace(ask_ofa(tmp_path / "run"), start="ofa_note10_64ms", settings=("space.smaller_kernels=false",))
    with pytest.raises(InvalidValue, match="ofa_note10_64ms: timm has no weights of it"):
        check_space(open_context(request, SILENT, time.monotonic))


def test_wrong_beginnings_are_named(ask_ofa: Callable[[Path], FitRequest], tmp_path: Path) -> None:
    plain = replace(ask_ofa(tmp_path / "run"), settings=())
    for changed, expected in (
        ({"start": "mobilenet_v4"}, "unknown network 'mobilenet_v4'; did you mean mobilenet_v2"),
        ({"start": "mobilenet_v2=none.pth"}, "none.pth does not exist; give NAME=FILE"),
        ({"start": str(tmp_path)}, "has no architecture.json and no weights.safetensors; give a folder as RUN/model"),
        ({"start": "mobilenet_v2", "method": "fbnet"}, "method fbnet starts from drawn weights; --method ofa"),
        ({"start": "mobilenet_v2", "space": "ofa_proxyless"}, "opens a space of its own; leave --space ofa_proxyless"),
        ({"start": "mobilenet_v2", "settings": ("space.depth=1",)}, "space.depth is unknown"),
    ):
        with pytest.raises(InvalidValue) as caught:
            replace(plain, **changed)
        assert expected in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["progressive", "sandwich"])
def test_a_network_is_specialised_from_it(schedule: str, ask_start: FitRequest) -> None:
    request = replace(ask_start, latency_ms=0.16, settings=(*ask_start.settings, f"search.schedule={schedule}"))
    result = run_flow(request, Stage.REPORT, SILENT)
    assert result.within_budget is True
    assert result.card is not None
    assert result.card["accuracy"]["model.onnx"]["top1"] > 0.5
