"""The predictor of a joint search: what a candidate would reach, from its architecture and its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sculptnet.arch import IntMatrix, SearchSpace, to_json
from sculptnet.cost import CostModel, FactoredCost, Macs, Parameters, PeakActivation
from sculptnet.errors import InvalidValue
from sculptnet.learn.accuracy_predictor import first_difference, require_format
from sculptnet.learn.fitting import single
from sculptnet.search.joint_search.layers import Layers
from sculptnet.search.joint_search.learning import Learning, Vector, pretrained, taught
from sculptnet.search.problem import Objective
from sculptnet.state import Checkpoint
from sculptnet.streams import stream, stream_seed

KIND, FORMAT = "joint predictor", 2
ROWS = 4096  # at once, so that a large pool takes no gigabytes
STATISTICS: tuple[CostModel, ...] = (Macs(), Parameters(), PeakActivation())
LEARNED = ("rows", "values", "brief")  # tensors beside those of the layers
SMALLEST_DEVIATION = 1e-9


@final
@dataclass(frozen=True)
class Statistic:
    """A free statistic and its scale over random architectures. `r2`: how well the encoder tells it, held out."""

    name: str
    mean: float
    deviation: float
    r2: float


@final
@dataclass(frozen=True, eq=False)
class JointPredictor:
    """What candidates of `space` would reach, learned from some; a `evaluate.Predictor`.

    Attributes:
        space: what it predicts for; rows of another space mean nothing to it.
        objective: what it predicts.
        layers: encoder, proxy head and accuracy head.
        statistics: what the proxy head learned.
        rows, values, brief: the candidates that it learned from, `(n, decisions)`, their objective, and whether their
            training was stopped early.
    """

    space: SearchSpace
    objective: Objective
    layers: Layers
    statistics: tuple[Statistic, ...]
    rows: IntMatrix
    values: Vector
    brief: npt.NDArray[np.bool_]

    def of(self, choices: npt.ArrayLike) -> Vector:
        """The objective that each row would reach after a whole training, shape `(n,)`.

        Raises:
            InvalidValue: wrong number of columns, an index out of range, or it has learned from no candidates yet.
        """
        if not len(self.values):
            raise InvalidValue("the joint predictor has learned statistics only; teach it accuracies with `learned`")
        rows = self.space.canonical(choices)
        architectures, recipes = self._inputs(rows, np.zeros(len(rows), dtype=bool))
        with torch.inference_mode():
            parts = [
                self.layers.score(self.layers.embedding(single(some)), single(others))
                for some, others in zip(_split(architectures), _split(recipes), strict=True)
            ]
        said: Vector = torch.cat(parts).double().numpy() * self._deviation + self.values.mean()
        return said

    def statistics_of(self, choices: npt.ArrayLike) -> dict[str, Vector]:
        """What the encoder tells of the free statistics of each row, by name, units in the names."""
        rows = self.space.canonical(choices)
        features = self._inputs(rows, np.zeros(len(rows), dtype=bool))[0]
        with torch.inference_mode():
            said = self.layers.statistics(self.layers.embedding(single(features))).double().numpy()
        return {one.name: said[:, i] * one.deviation + one.mean for i, one in enumerate(self.statistics)}

    def learned(
        self, rows: IntMatrix, values: Vector, brief: npt.NDArray[np.bool_], seed: int, learning: Learning
    ) -> JointPredictor:
        """The predictor after learning from evaluated candidates; ask the one that has learned statistics only.

        Args:
            rows: canonical.
            values: their objective, finite.
            brief: whether their training was stopped early: an input of the accuracy head, since what short training
                costs is the same for all in the main, and is not to be mistaken for the candidates' own.
            seed: of the order of rows.
            learning: settings.
        """
        if not learning.pretraining_epochs:  # an encoder that has learned nothing is not worth freezing
            epochs = learning.frozen_epochs + learning.epochs
            learning = replace(learning, frozen_epochs=0, epochs=epochs, later_rate=1.0)
        untaught = replace(self, rows=rows, values=values, brief=brief)
        targets = (values - values.mean()) / untaught._deviation
        layers = taught(self.layers, *self._inputs(rows, brief), targets, seed, learning)
        return replace(untaught, layers=layers)

    @property
    def _deviation(self) -> float:
        return max(float(self.values.std()), SMALLEST_DEVIATION)

    def _inputs(self, rows: IntMatrix, brief: npt.NDArray[np.bool_]) -> tuple[Vector, Vector]:
        architectures, recipes = parts_of(self.space, rows)
        return architectures, np.column_stack([recipes, brief])

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes it down, with the space that it belongs to."""
        learned = (self.rows, self.values, self.brief)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in zip(LEARNED, learned, strict=True)}
        objective = {"metric": self.objective.metric, "maximize": self.objective.maximize}
        statistics = [[one.name, one.mean, one.deviation, one.r2] for one in self.statistics]
        state = {"kind": KIND, "format": FORMAT, "layers": self.layers.widths, "space": to_json(self.space)}
        layers = {name: tensor.contiguous() for name, tensor in self.layers.state_dict().items()}
        checkpoint.save({**layers, **tensors}, {**state, "objective": objective, "statistics": statistics})


def load_joint_predictor(checkpoint: Checkpoint, space: SearchSpace) -> JointPredictor:
    """The predictor that was saved, if it was learned for `space`.

    Raises:
        InvalidValue: nothing or something else was saved, it is damaged, or it belongs to another space; the message
            names the first place that differs.
    """
    saved = checkpoint.load()
    if saved is None:
        raise InvalidValue("no joint predictor was saved there; `search.Joint` saves one in its checkpoint")
    tensors, state = dict(saved[0]), saved[1]
    if not isinstance(state, dict) or state.get("kind") != KIND or not set(LEARNED) <= tensors.keys():
        raise InvalidValue("what was saved there is no joint predictor")
    require_format(state, KIND, FORMAT, "`search.Joint` learns it again")
    if difference := first_difference(state.get("space"), to_json(space), ""):
        raise InvalidValue(
            f"the joint predictor was learned for another space: {difference}; run `search.Joint` in this one"
        )
    try:
        return _restored(tensors, state, space)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidValue(
            f"the joint predictor that was saved there is damaged ({error}); `search.Joint` learns it again"
        ) from error


def _restored(tensors: dict[str, Tensor], state: dict[str, Any], space: SearchSpace) -> JointPredictor:
    rows, values, brief = (tensors.pop(name).numpy() for name in LEARNED)
    architecture, recipe = (part.shape[1] for part in parts_of(space, space.checked(rows)[:0]))
    layers = Layers(architecture, recipe + 1, **state["layers"], generator=torch.Generator())
    layers.load_state_dict(tensors)
    statistics, objective = tuple(Statistic(*one) for one in state["statistics"]), Objective(**state["objective"])
    predictor = JointPredictor(space, objective, layers, statistics, space.checked(rows), values, brief)
    problems = []
    if not len(rows) == len(values) == len(brief):
        problems.append(f"{len(rows)} candidates have {len(values)} values")
    if not (np.isfinite(values).all() and all(tensor.isfinite().all() for tensor in tensors.values())):
        problems.append("some of its numbers are not finite")
    if problems:
        raise InvalidValue("; ".join(problems))
    return predictor


def pretrain(
    space: SearchSpace,
    objective: Objective,
    seed: int,
    learning: Learning,
    statistics: Sequence[CostModel] = STATISTICS,
) -> JointPredictor:
    """A predictor that has learned what costs nothing: `statistics` of random architectures of the whole space.

    Statistics that are the same for all architectures are left out, those of an architecture that is decided all.

    Args:
        space: any.
        objective: what `learned` will teach.
        seed: of samples, first weights and the order of rows.
        learning: settings.
        statistics: priced over the whole space, without building a network.

    Raises:
        NotMeasured: a statistic cannot be priced.
        TrainingDiverged: the loss is no longer finite.
    """
    rows = space.sample(stream(seed, "joint: architectures"), learning.samples)
    features, first = np.unique(parts_of(space, rows)[0], axis=0, return_index=True)
    values = np.stack([FactoredCost(space, cost).of(rows[first]) for cost in statistics], axis=1)
    means, deviations = values.mean(axis=0), values.std(axis=0)
    used = np.flatnonzero(deviations > SMALLEST_DEVIATION * np.abs(means)) if len(features) > 1 else np.arange(0)
    recipe = parts_of(space, rows[:1])[1].shape[1] + 1
    layers = Layers(
        features.shape[1],
        recipe,
        statistics=max(1, len(used)),
        encoder=learning.encoder,
        head=learning.head,
        generator=torch.Generator().manual_seed(stream_seed(seed, "joint: weights")),
    )
    scores = np.full(len(statistics), np.nan)
    if learning.pretraining_epochs and len(used):
        targets = (values[:, used] - means[used]) / deviations[used]
        order = stream(seed, "joint: split").permutation(len(features))
        checked, taken = np.split(order, [min(max(1, round(len(order) * learning.held_out)), len(order) - 1)])
        layers = pretrained(layers, features[taken], targets[taken], seed, learning)
        with torch.inference_mode():
            said = layers.statistics(layers.embedding(single(features[checked]))).double().numpy()
        scores[used] = 1 - ((said - targets[checked]) ** 2).mean(axis=0)  # of the variance of all, which is 1
    told = [
        Statistic(statistics[i].name, float(means[i]), float(deviations[i]), float(scores[i]))
        for i in (used.tolist() if learning.pretraining_epochs else [])
    ]
    nothing = np.empty((0, len(space.decisions)), dtype=np.int64)
    return JointPredictor(space, objective, layers, tuple(told), nothing, np.empty(0), np.empty(0, dtype=bool))


def parts_of(space: SearchSpace, rows: IntMatrix) -> tuple[Vector, Vector]:
    """The space's features of each row, those of the architecture and those of the recipe."""
    widths = [1 if node.ordered else len(node.options) for node in space.decisions.values()]
    is_recipe = np.repeat([path.split(".")[0] == "recipe" for path in space.decisions], widths)
    features = space.features(rows)
    return features[:, ~is_recipe], features[:, is_recipe]


def _split(rows: Vector) -> list[Vector]:
    return [rows[start : start + ROWS] for start in range(0, max(1, len(rows)), ROWS)]
