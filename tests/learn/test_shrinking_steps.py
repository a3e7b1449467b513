from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.learn.conftest import Colours
from tests.learn.supernets import plan, tiny_supernet
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax

from sculptnet.learn import Machine, Phase
from sculptnet.learn.shrinking_phases import Kind
from sculptnet.learn.shrinking_state import teacher_of
from sculptnet.learn.shrinking_steps import SupernetTraining, resized
from sculptnet.nets import ElasticSupernet, Network

IMAGES, LABELS = next(Colours().epoch(0))


def phase_of(supernet: ElasticSupernet, name: str) -> Phase:
    """Without dropout, so that a step is a function of its networks."""
    phases = [*plan("progressive", supernet.space), *plan("sandwich", supernet.space)]
    phase = next(phase for phase in phases if phase.name == name)
    return replace(phase, recipe=replace(phase.recipe, dropout=0.0))


def training_of(
    supernet: ElasticSupernet, phase: Phase, teacher: Network | None = None, **machine: Any
) -> SupernetTraining:
    training = SupernetTraining(supernet, phase, teacher, 4, 3, Machine(torch.device("cpu"), **machine))
    supernet.train()
    return training


def gradients(supernet: ElasticSupernet) -> dict[str, Tensor | None]:
    found = {name: parameter.grad for name, parameter in supernet.named_parameters()}
    supernet.zero_grad()
    return found


def assert_equal_gradients(left: dict[str, Tensor | None], right: dict[str, Tensor | None]) -> None:
    """Where one side has none, the other has zeros."""
    for name, gradient in left.items():
        other = right[name]
        if gradient is not None and other is not None:
            torch.testing.assert_close(gradient, other)
        else:
            assert gradient is None or not gradient.any(), name


# ---------------------------------------------------------------------- losses
def test_gradients_of_the_networks_of_a_step_are_added() -> None:
    """L = CE(labels, smoothed by 0.1) + CE(the teacher's probabilities), and the mean loss is what is reported."""
    supernet = tiny_supernet()
    phase = phase_of(supernet, "width 2")
    teacher = teacher_of(tiny_supernet(), {})
    training = training_of(supernet, phase, teacher)
    reported = training.backward(IMAGES, LABELS)
    together, networks, losses = gradients(supernet), training.networks(0), []
    assert len(networks) == 4
    for architecture in networks:
        small = resized(IMAGES, networks[0].resolution)
        logits = supernet(small, architecture)
        with torch.no_grad():
            soft = softmax(teacher(small), dim=1)
        loss = cross_entropy(logits, LABELS, label_smoothing=0.1) + cross_entropy(logits, soft)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
    assert_equal_gradients(together, gradients(supernet))
    assert reported.item() == pytest.approx(sum(losses) / 4)


def test_in_a_sandwich_the_largest_learns_the_labels_and_the_others_what_it_says() -> None:
    supernet = tiny_supernet()
    phase = phase_of(supernet, "sandwich")
    training = training_of(supernet, phase)
    training.backward(IMAGES, LABELS)
    together, (full, small, *drawn) = gradients(supernet), training.networks(0)
    assert (full, small) == (supernet.full, phase.extreme(supernet.space, tuple(Kind)))
    assert len(drawn) == 2
    logits = supernet(IMAGES, full)
    soft = softmax(logits.detach(), dim=1)
    losses = [
        cross_entropy(logits, LABELS, label_smoothing=0.1),
        *(cross_entropy(supernet(resized(IMAGES, other.resolution), other), soft) for other in (small, *drawn)),
    ]
    torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
    assert_equal_gradients(together, gradients(supernet))


def test_only_the_largest_of_a_sandwich_has_dropout() -> None:
    supernet = tiny_supernet()
    (phase,) = plan("sandwich", supernet.space)
    training = training_of(supernet, phase)
    rates = []
    supernet.classifier.register_forward_pre_hook(lambda module, _: rates.append(module.dropout))
    training.backward(IMAGES, LABELS)
    assert [type(rate) for rate in rates] == [torch.nn.Dropout, *[torch.nn.Identity] * 3]
    assert isinstance(supernet.classifier.dropout, torch.nn.Dropout)
    assert supernet.classifier.dropout.training


def test_the_teacher_stays_as_it_is() -> None:
    supernet = tiny_supernet()
    teacher = teacher_of(supernet, {})
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    training = training_of(supernet, phase_of(supernet, "kernel"), teacher)
    training.step(IMAGES, LABELS)
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())


# ---------------------------------------------------------------------- parameters
def test_parameters_that_other_networks_of_the_phase_have_get_zeros_and_others_nothing() -> None:
    """Always the same ones: a fused optimiser cannot begin some momenta later than others."""
    supernet = tiny_supernet()
    for name in ("full", "kernel", "width 2", "sandwich"):
        training = training_of(supernet, phase_of(supernet, name), teacher_of(supernet, {}))
        for step in range(3):
            training.position.step = step
            training.backward(IMAGES, LABELS)
            without = [parameter for parameter, gradient in gradients(supernet).items() if gradient is None]
            transforms = [p for p, _ in supernet.named_parameters() if ".transforms." in p]
            assert without == (transforms if name == "full" else [])


def test_networks_of_a_step_are_the_same_in_every_process_and_others_in_every_step() -> None:
    supernet = tiny_supernet()
    phase = phase_of(supernet, "width 2")
    first, second = (training_of(supernet, phase, rank=rank, world=2) for rank in range(2))
    drawn = [first.networks(step) for step in range(8)]
    assert drawn == [second.networks(step) for step in range(8)]
    assert len({tuple(networks) for networks in drawn}) == 8
    assert all(len({network.resolution for network in networks}) == 1 for networks in drawn)
    assert {networks[0].resolution for networks in drawn} == {6, 8}


# ---------------------------------------------------------------------- images
def test_images_are_resized_as_pillow_does() -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(values).resize((11, 11), Image.Resampling.BILINEAR), dtype=np.float32)
    images = torch.from_numpy(values).permute(2, 0, 1)[None].float()
    small = resized(images, 11)[0].permute(1, 2, 0).numpy()
    assert np.abs(small - wanted).max() < 1.01  # Pillow rounds to whole numbers, twice
    assert resized(images, 16) is images
