from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
import torch
from tests.kills import KillError, killed_at
from torch import Tensor, nn

from sculptnet.arch import Recipe, Sgd, choice
from sculptnet.errors import InvalidValue, OpenValue, RunError, TrainingDiverged
from sculptnet.learn import BatchSource, Machine, Trained, train_network
from sculptnet.learn.by_recipe import RecipeTraining
from sculptnet.learn.objective import Objective
from sculptnet.nets import set_dropout
from sculptnet.records import Log, no_log
from sculptnet.records.training_events import TrainEpoch
from sculptnet.state import Checkpoint, NoCheckpoint, Progress, no_progress

NewNetwork = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Training:
    """The same training again and again."""

    new_network: NewNetwork
    batches: BatchSource
    recipe: Recipe

    def __call__(
        self,
        checkpoint: Checkpoint = NoCheckpoint(),  # noqa: B008
        progress: Progress = no_progress,
        checkpoint_seconds: float = 3.0,
        log: Log = no_log,
    ) -> Trained:
        ticks = count()
        return train_network(
            self.new_network(0),
            self.recipe,
            self.batches,
            num_classes=3,
            seed=7,
            evaluate=lambda network: {"weights": float(next(network.parameters()).sum())},
            teacher=self.new_network(1),
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            clock=lambda: float(next(ticks)),
            log=log,
            progress=progress,
        )


@pytest.fixture
def training(new_network: NewNetwork, colours: Any, recipe: Recipe) -> Training:
    return Training(new_network, colours, recipe)


@pytest.fixture
def plain(new_network: NewNetwork, colours: Any) -> Training:
    return Training(new_network, colours, Recipe(epochs=2, batch_size=12, ema=0.9))


def same(left: Trained, right: Trained) -> bool:
    states = left.network.state_dict(), right.network.state_dict()
    assert states[0].keys() == states[1].keys()
    return left.curve == right.curve and all(torch.equal(states[0][name], states[1][name]) for name in states[0])


# ---------------------------------------------------------------------- the same bits
def test_a_training_is_a_function_of_its_arguments(training: Training) -> None:
    first = training()
    torch.rand(17)  # what others draw does not matter
    assert same(first, training())


@pytest.mark.parametrize("step", [1, 3, 4, 6, 8])
def test_resumed_is_uninterrupted(training: Training, memory: Any, step: int) -> None:
    with pytest.raises(KillError):
        training(memory, killed_at(step))
    steps_before = memory.states[-1]["epoch"] * 4 + memory.states[-1]["step"] if memory.states else 0
    done: list[int] = []
    resumed = training(memory, lambda what, now, total: done.append(now))
    assert done == list(range(steps_before + 1, 9))
    assert same(resumed, training())


def test_a_finished_training_only_returns(plain: Training, memory: Any) -> None:
    first = plain(memory)
    events: list[Any] = []
    assert same(plain(memory, killed_at(1), log=events.append), first)
    assert not events


def test_a_training_saved_after_the_last_step_of_an_epoch_ends_that_epoch(plain: Training, memory: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        plain(memory, _raises(KeyboardInterrupt, 4), checkpoint_seconds=1e9)
    assert (memory.states[-1]["epoch"], memory.states[-1]["step"]) == (0, 4)
    assert same(plain(memory), plain())


def _raises(error: type[BaseException], step: int) -> Progress:
    def progress(what: str, done: int, total: int) -> None:
        if done == step:
            raise error

    return progress


def test_an_interrupt_between_steps_saves_first(plain: Training, memory: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        plain(memory, _raises(KeyboardInterrupt, 2), checkpoint_seconds=1e9)
    assert [(state["epoch"], state["step"]) for state in memory.states] == [(0, 2)]
    assert same(plain(memory), plain())


def test_checkpoints_come_with_time_and_with_epochs(plain: Training, memory: Any) -> None:
    plain(memory, checkpoint_seconds=2.0)
    assert [(state["epoch"], state["step"]) for state in memory.states][-1] == (2, 0)
    assert (1, 0) in [(state["epoch"], state["step"]) for state in memory.states]
    assert (0, 3) in [(state["epoch"], state["step"]) for state in memory.states]
    json.dumps(memory.states)
    tensors, _ = memory.kept
    assert {name.partition(".")[0] for name in tensors} == {"network", "average", "optimizer", "losses"}
    assert all(tensor.is_contiguous() and tensor.device.type == "cpu" for tensor in tensors.values())


# ---------------------------------------------------------------------- what it tells
def test_log_curve_and_progress(plain: Training) -> None:
    events: list[Any] = []
    told: list[tuple[str, int, int]] = []
    trained = plain(progress=lambda *what: told.append(what), log=events.append)
    assert told == [("training", step, 8) for step in range(1, 9)]
    assert [event.epoch for event in events] == [1, 2]
    for event, entry in zip(events, trained.curve, strict=True):
        assert isinstance(event, TrainEpoch)
        assert event.epochs == 2
        assert event.images_per_second == 4 * 12 / event.seconds
        numbers = {"epoch": event.epoch, "loss": event.loss, "learning_rate": event.learning_rate}
        assert {**numbers, **event.metrics} == entry
    averaged = float(next(trained.network.parameters()).detach().sum())
    assert events[-1].metrics["weights"] == pytest.approx(averaged, rel=1e-6)  # summed in another order


def test_it_learns(new_network: NewNetwork, colours: Any) -> None:
    recipe = Recipe(epochs=8, batch_size=12, label_smoothing=0.0)
    network = new_network(0)
    curve = train_network(network, recipe, colours, num_classes=3, seed=0).curve
    assert curve[-1]["loss"] < 0.4 * curve[0]["loss"]
    images, labels = next(colours.epoch(99))
    assert (network(images).argmax(1) == labels).float().mean() > 0.8


# ---------------------------------------------------------------------- what it leaves
def test_the_network_is_left_ready_for_use(training: Training, new_network: NewNetwork) -> None:
    network = training().network
    assert not any(module.training for module in network.modules())
    assert all(tensor.is_contiguous() for tensor in network.state_dict().values())
    plain = new_network(0)
    set_dropout(plain, 0.0, 0.0)
    assert str(network) == str(plain)


def test_averaged_weights_are_returned_where_the_recipe_has_them(plain: Training, memory: Any) -> None:
    network = plain(memory).network
    tensors, _ = memory.kept
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, tensors[f"average.{name}"])
    assert not torch.equal(tensors["average.stem.conv.weight"], tensors["network.stem.conv.weight"])


def test_drop_path_grows_linearly_to_the_last_residual_block(new_network: NewNetwork, colours: Any) -> None:
    rates: list[list[float]] = []

    @dataclass(frozen=True, eq=False)
    class Looking:
        network: nn.Module
        steps_per_epoch: int = 1

        def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
            drops = [module for name, module in self.network.named_modules() if name.endswith("drop_path")]
            rates.append([getattr(module, "drop_prob", 0.0) for module in drops])
            yield from replace(colours, steps_per_epoch=1).epoch(epoch)

    network = new_network(0)
    train_network(network, Recipe(epochs=1, drop_path=0.2), Looking(network), num_classes=3, seed=0)
    assert rates == [[0.0, pytest.approx(0.1), pytest.approx(0.2)]]  # the first block has a stride: no residual


def test_the_teacher_is_left_as_it_was(new_network: NewNetwork, colours: Any) -> None:
    teacher = new_network(1).train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    train_network(new_network(0), Recipe(epochs=1, distillation=1.0), colours, num_classes=3, seed=0, teacher=teacher)
    assert teacher.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_clipping_bounds_the_step(new_network: NewNetwork, colours: Any) -> None:
    recipe = Recipe(epochs=1, optimizer=Sgd(1.0, 0.0, False, 0.0), clip_norm=1e-3)
    network, before = new_network(0), new_network(0)
    train_network(network, recipe, replace(colours, steps_per_epoch=1), num_classes=3, seed=0)
    moved = [new - old for new, old in zip(network.parameters(), before.parameters(), strict=True)]
    assert float(torch.cat([part.flatten() for part in moved]).norm().detach()) == pytest.approx(1e-3, rel=1e-3)


def test_frozen_statistics_stay_while_weights_learn(new_network: NewNetwork, colours: Any) -> None:
    recipe = Recipe(epochs=2, batch_size=12, optimizer=Sgd(0.01), label_smoothing=0.0, frozen_statistics=True)
    before, network = new_network(0).eval(), new_network(0)
    images, labels = next(iter(colours.epoch(0)))
    first = nn.functional.cross_entropy(before(images), labels)  # what the first step sees: eval mode
    one = train_network(network, recipe, replace(colours, steps_per_epoch=1), num_classes=3, seed=0)
    assert one.curve[0]["loss"] == pytest.approx(float(first.detach()), rel=1e-4)
    for (name, now), then in zip(network.named_buffers(), before.buffers(), strict=True):
        assert torch.equal(now, then), name
    assert not any(torch.equal(new, old) for new, old in zip(network.parameters(), before.parameters(), strict=True))
    assert not network.training


def test_frozen_statistics_stay_frozen_when_a_training_goes_on(training: Training, memory: Any) -> None:
    frozen = replace(training, recipe=replace(training.recipe, frozen_statistics=True))
    whole = frozen().network.state_dict()
    with pytest.raises(KillError):
        frozen(memory, killed_at(5), checkpoint_seconds=0.0)
    resumed = frozen(memory).network.state_dict()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_bfloat16_leaves_weights_in_float32(new_network: NewNetwork, colours: Any) -> None:
    recipe = Recipe(epochs=1, batch_size=12)
    trained = train_network(new_network(0), recipe, colours, num_classes=3, seed=0, precision="bf16")
    exact = train_network(new_network(0), recipe, colours, num_classes=3, seed=0)
    assert {parameter.dtype for parameter in trained.network.parameters()} == {torch.float32}
    assert trained.curve[0]["loss"] == pytest.approx(exact.curve[0]["loss"], rel=0.05)
    assert trained.curve[0]["loss"] != exact.curve[0]["loss"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA accelerator")
def test_cuda_resumes_to_the_same_bits(plain: Training, memory: Any) -> None:
    def train(**options: Any) -> Trained:
        network = plain.new_network(0)
        return train_network(network, plain.recipe, plain.batches, num_classes=3, seed=7, accelerator="cuda", **options)

    with pytest.raises(KillError):
        train(checkpoint=memory, checkpoint_seconds=0.0, progress=killed_at(6))
    assert same(train(checkpoint=memory), train())


# ---------------------------------------------------------------------- errors
def test_a_loss_that_is_no_number_is_named(new_network: NewNetwork, colours: Any, memory: Any) -> None:
    recipe = Recipe(epochs=2, optimizer=Sgd(learning_rate=1e30), batch_size=12)
    with pytest.raises(TrainingDiverged) as caught:
        train_network(new_network(0), recipe, colours, num_classes=3, seed=0, checkpoint=memory)
    text = str(caught.value)
    assert text.startswith(("the loss is nan in epoch 1 of 2, step ", "the loss is inf in epoch 1 of 2, step "))
    assert "of 4, at the learning rate " in text
    assert "lower recipe.optimizer.learning_rate" in text
    assert memory.kept is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"recipe": Recipe(epochs=3, batch_size=12, ema=0.9)}, "recipe.epochs is 2, here 3"),
        ({"recipe": Recipe(epochs=2, batch_size=12, ema=0.8)}, "recipe.ema is 0.9, here 0.8"),
        ({"steps": 5}, "steps_per_epoch is 4, here 5"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(
    plain: Training, memory: Any, colours: Any, change: dict[str, Any], text: str
) -> None:
    plain(memory)
    other = replace(
        plain,
        recipe=change.get("recipe", plain.recipe),
        batches=replace(colours, steps_per_epoch=change.get("steps", 4)),
    )
    with pytest.raises(RunError, match=f"the checkpoint belongs to another training.*start anew.*{text}"):
        other(memory)


def test_the_checkpoint_of_another_network_is_refused(plain: Training, memory: Any) -> None:
    plain(memory)
    tensors, state = memory.kept
    memory.kept = tensors | {"network.stem.conv.weight": torch.zeros(4, 3, 3, 3), "network.more": torch.zeros(1)}, state
    with pytest.raises(RunError) as caught:
        plain(memory)
    assert "the checkpoint belongs to another network" in str(caught.value)
    assert "network.stem.conv.weight has the shape (4, 3, 3, 3), here (8, 3, 3, 3)" in str(caught.value)
    assert "network.more is unknown here" in str(caught.value)


class ElsewhereMachine(Machine):
    """One of two processes; the other one is a step ahead."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            tensor.add_(0.5)


def test_processes_that_start_at_different_steps_are_told(new_network: NewNetwork, plain: Training) -> None:
    machine = ElsewhereMachine(torch.device("cpu"), rank=1, world=2)
    state = RecipeTraining(new_network(0), plain.recipe, Objective(3), 4, 7, machine)
    with pytest.raises(RunError, match="process 1 would go on at epoch 0, step 0, others elsewhere; give all"):
        state.resume(None)


def test_a_source_that_ends_early_is_named(new_network: NewNetwork, colours: Any) -> None:
    @dataclass(frozen=True, eq=False)
    class Short:
        steps_per_epoch: int = 9

        def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(colours.epoch(epoch))

    with pytest.raises(InvalidValue, match=r"batches.epoch\(0\) ended after 4 batches; .*steps_per_epoch says 9"):
        train_network(new_network(0), Recipe(epochs=1), Short(), num_classes=3, seed=0)


def test_no_images_and_open_recipes_are_refused(new_network: NewNetwork, colours: Any) -> None:
    with pytest.raises(InvalidValue, match="steps_per_epoch must be at least 1, got 0"):
        train_network(new_network(0), Recipe(), replace(colours, steps_per_epoch=0), num_classes=3, seed=0)
    with pytest.raises(OpenValue, match="dropout"):
        train_network(new_network(0), Recipe(dropout=choice(0.1, 0.2)), colours, num_classes=3, seed=0)
