"""Where the training of a supernet goes on: its phases in one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sculptnet.arch import to_json
from sculptnet.arch.choice import join
from sculptnet.errors import RunError, collected
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.learn.machine import Machine
from sculptnet.learn.shrinking_phases import Phase
from sculptnet.learn.state import copied, differences, first_of
from sculptnet.nets import ElasticSupernet, Network
from sculptnet.records.codec import from_line, to_line
from sculptnet.records.training_events import LookedAt
from sculptnet.records.trials import Curve
from sculptnet.state import Checkpoint

TEACHER, WEIGHTS = "teacher.", "network."


@dataclass(frozen=True)
class ShrunkPhase:
    """What a phase of a supernet's training left.

    Attributes:
        phase: its name.
        curve: as `Trained.curve`.
        networks: those that were looked at when it ended.
    """

    phase: str
    curve: Curve
    networks: tuple[LookedAt, ...]


@dataclass(frozen=True, eq=False)
class Point:
    """A moment of a supernet's training.

    Attributes:
        phase: the phase that it is in; the number of phases when all are done.
        done: what the phases before it left.
        teacher: the frozen full network's tensors, as soon as there is one.
        weights: the supernet's at the start of the phase; None before the first.
        training: what `Training.snapshot` saved within the phase, or None at its start.
    """

    phase: int = 0
    done: tuple[ShrunkPhase, ...] = ()
    teacher: Mapping[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, Tensor] | None = None
    training: tuple[dict[str, Tensor], Any] | None = None


@dataclass(frozen=True, eq=False)
class PhaseCheckpoint:
    """The place in the whole checkpoint for the training within one phase."""

    whole: Checkpoint
    identity: Mapping[str, Any]
    point: Point

    def save(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Replaces what was saved, whatever phase it was of."""
        named = {f"{TEACHER}{name}": tensor for name, tensor in self.point.teacher.items()}
        around = {
            "shrinking": self.identity,
            "phase": self.point.phase,
            "done": [to_line(one) for one in self.point.done],
        }
        self.whole.save({**tensors, **named}, {**around, "training": state})

    def save_start(self, supernet: ElasticSupernet) -> None:
        """Saves the supernet as it is before the phase."""
        self.save({f"{WEIGHTS}{name}": tensor for name, tensor in copied(supernet.state_dict()).items()}, None)

    def load(self) -> tuple[dict[str, Tensor], Any] | None:
        """What this phase's training saved."""
        return self.point.training


def identity_of(supernet: ElasticSupernet, phases: tuple[Phase, ...], seed: int) -> dict[str, Any]:
    """What two processes that work on the same training agree in, as JSON."""
    decisions = {path: repr(node) for path, node in supernet.space.decisions.items()}
    plan = {phase.name: to_json(phase) for phase in phases}
    return {"decisions": decisions, "blocks": to_json(supernet.space.architecture), "plan": {"seed": seed, **plan}}


def read_point(saved: tuple[dict[str, Tensor], Any] | None, identity: Mapping[str, Any]) -> Point:
    """The moment that a checkpoint was saved at; the beginning if there is none.

    Raises:
        RunError: it belongs to another supernet or another plan; the message says what differs.
    """
    if saved is None:
        return Point()
    tensors, state = saved
    there = state.get("shrinking")
    if there is None:
        raise RunError(
            "the checkpoint is not of a supernet's training; choose another folder or start anew (`fresh=True`)"
        )
    problems = _differences(there, identity)
    if problems:
        rule = "the checkpoint belongs to another training; use its space and settings or start anew (`fresh=True`)"
        raise RunError(collected(problems, rule))
    with reading("the checkpoint of this supernet's training", AS_WRITTEN):
        return _point(tensors, state)


def _point(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Point:
    teacher = {name.removeprefix(TEACHER): t for name, t in tensors.items() if name.startswith(TEACHER)}
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(TEACHER)}
    done = tuple(from_line(one, ShrunkPhase) for one in state["done"])
    if state["training"] is not None:
        return Point(state["phase"], done, teacher, training=(rest, state["training"]))
    return Point(state["phase"], done, teacher, {name.removeprefix(WEIGHTS): t for name, t in rest.items()})


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    for part in here:  # the decisions explain differences of blocks and phases
        saved, wanted = dict(_leaves(there.get(part), "")), dict(_leaves(here[part], ""))
        if problems := differences(saved, wanted):
            return first_of(problems)
    return []


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The plain values in a JSON value, by path."""
    if isinstance(node, (dict, list)):
        named = node.items() if isinstance(node, dict) else enumerate(node)
        for name, value in named:
            yield from _leaves(value, join(path, str(name)))
    else:
        yield path, node


def require_same_point(point: Point, machine: Machine) -> None:
    """All processes go on in the same phase.

    Raises:
        RunError: they do not.
    """
    here = torch.tensor([point.phase, float(point.training is not None)], device=machine.device)
    mean = here.clone()
    machine.average([mean])
    if not torch.equal(mean, here):
        raise RunError(
            f"process {machine.rank} would go on in phase {point.phase + 1}, others elsewhere; give all processes the "
            "same checkpoint folder, or start anew (`fresh=True`)"
        )


def teacher_of(supernet: ElasticSupernet, tensors: Mapping[str, Tensor]) -> Network:
    """The frozen full network: of `tensors`, or, where there are none, as the supernet has it now."""
    teacher = supernet.subnet(supernet.full)
    if tensors:
        teacher.load_state_dict(dict(tensors))
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)
