"""A supernet around a network that is trained already begins with its weights."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.flow.conftest import SUPERNET, Ask, fitted

from sculptnet import zoo
from sculptnet.errors import InvalidValue
from sculptnet.job import FitJob, Stage
from sculptnet.listening import Listener
from sculptnet.methods import OnceForAll, made
from sculptnet.methods.supernet_learning import check_space, new_supernet, phases_for
from sculptnet.nets import Network, initialise
from sculptnet.options import FitOptions
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory
from sculptnet.tasks import classify
from sculptnet.verbs import run_fit
from sculptnet.zoo.starting import parse_start

SETTINGS = (*(one for one in SUPERNET if not one.startswith("space.")), "space.expansion_factors=0.67,1")


def opened(options: FitOptions) -> tuple[FitJob, OnceForAll]:
    """The run, and its method."""
    method = made(options.method, OnceForAll)
    assert isinstance(method, OnceForAll)
    return classify.opened("fit", options, method, time.monotonic), method


@pytest.fixture
def ask_start(ask_ofa: Ask, supernet_run: FitResult) -> Ask:
    """A space around the network of another run, whose weights are in its folder."""
    model = RunDirectory(supernet_run.folder).model
    return lambda run_dir, **changes: ask_ofa(run_dir, **({"start": model, "settings": SETTINGS} | changes))


def test_the_full_network_is_the_one_it_starts_from(ask_start: Ask, supernet_run: FitResult, tmp_path: Path) -> None:
    job, method = opened(ask_start(tmp_path / "run"))
    supernet, network = new_supernet(job).eval(), supernet_run.network()
    assert supernet.full == network.architecture
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(supernet(images, supernet.full), network(images))
    (phase,) = phases_for(job, method)
    assert phase.recipe.optimizer.learning_rate == pytest.approx(0.1 * 0.1 * 0.8 / 2.6)


def test_images_are_normalised_as_the_card_beside_the_weights_says(
    ask_start: Ask, supernet_run: FitResult, said: list[str], listener: Listener, tmp_path: Path
) -> None:
    job, _ = opened(ask_start(tmp_path / "run", listener=listener))
    assert supernet_run.card is not None
    assert list(job.preprocessing.mean) == pytest.approx(list(supernet_run.card.preprocessing.mean))
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


def test_absent_weights_are_an_error_before_anything_is_measured(ask_ofa: Ask, tmp_path: Path) -> None:
    settings = ("space.smaller_kernels=false",)
    options = ask_ofa(tmp_path / "run", start="ofa_note10_64ms", settings=settings)
    with pytest.raises(InvalidValue, match="ofa_note10_64ms: timm has no weights of it"):
        check_space(*opened(options))


def test_wrong_beginnings_are_named(ask_ofa: Ask, tmp_path: Path) -> None:
    for changed, expected in (
        ({"start": "mobilenet_v4"}, "unknown network 'mobilenet_v4'; did you mean mobilenet_v2"),
        ({"start": "mobilenet_v2=none.pth"}, "none.pth does not exist; give NAME=FILE"),
        ({"start": str(tmp_path)}, "has no architecture.json and no weights.safetensors; give a folder as RUN/model"),
        (
            {"start": "mobilenet_v2", "method": "fbnet"},
            "fbnet starts from drawn weights; methods ofa and carve do not",
        ),
        ({"start": "mobilenet_v2", "space": "ofa_proxyless"}, "opens a space of its own; leave `space` out"),
        ({"start": "mobilenet_v2", "settings": ("space.depth=1",)}, "`space.depth` is unknown"),
    ):
        with pytest.raises(InvalidValue) as caught:
            run_fit(ask_ofa(tmp_path / "run", **({"settings": ()} | changed)), Stage.SEARCH)
        assert expected in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["progressive", "sandwich"])
def test_a_network_is_specialised_from_it(schedule: str, ask_start: Ask, tmp_path: Path) -> None:
    settings = (*SETTINGS, f"search.schedule={schedule}")
    result = fitted(ask_start(tmp_path / "run", latency_ms=0.16, settings=settings))
    assert result.within_budget is True
    assert result.card is not None
    assert result.card.accuracy["model.onnx"].top1 > 0.5
