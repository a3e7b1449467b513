"""Accuracy of candidates that nobody trained, predicted from candidates of the same space whose accuracy is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sculptnet.arch import IntMatrix, SearchSpace, to_json
from sculptnet.errors import InvalidValue, collected
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.learn.fitting import fit_perceptron
from sculptnet.nets.perceptron import LinearAndPerceptron, outputs
from sculptnet.state import Checkpoint
from sculptnet.streams import stream

FEWEST = 20  # candidates to learn from and to check with
KIND, FORMAT = "accuracy predictor", 2

Vector: TypeAlias = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class PredictionError:
    """How well a predictor says what it did not learn.

    Attributes:
        learned, held_out: how many candidates it learned from, and how many others it was checked with.
        rmse_points: root mean square error, percentage points.
        kendall, spearman: rank correlations; nan where predictions or accuracies are all equal.
        pairs: the predicted and the true accuracy of each of the others, fractions.
    """

    learned: int
    held_out: int
    rmse_points: float
    kendall: float
    spearman: float
    pairs: tuple[tuple[float, float], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return (
            f"{self.rmse_points:.2f} points RMSE, Kendall {self.kendall:.3f}, Spearman {self.spearman:.3f} on "
            f"{self.held_out} candidates, learned from {self.learned}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, in which None stands for nan."""
        numbers = {name: getattr(self, name) for name in ("learned", "held_out", "rmse_points", "kendall", "spearman")}
        plain = {name: None if math.isnan(value) else value for name, value in numbers.items()}
        return {**plain, "pairs": [list(pair) for pair in self.pairs]}


@final
@dataclass(frozen=True, eq=False)
class AccuracyPredictor:
    """Accuracies of all candidates of `space`, learned from some.

    Attributes:
        space: what it predicts for; rows of another space mean nothing to it.
        source: whose accuracies it learned, such as the fingerprint of a supernet's weights.
        error: on candidates that were held out.
        network: from the space's features to the accuracy.
    """

    space: SearchSpace
    source: str
    error: PredictionError
    network: LinearAndPerceptron

    def of(self, choices: npt.ArrayLike) -> Vector:
        """The predicted accuracy of each row, a fraction, shape `(n,)`; `choices`: `(n, decisions)` or one row.

        Raises:
            InvalidValue: wrong number of columns, or an index out of range.
        """
        return outputs(self.network, self.space.features(self.space.canonical(choices)))

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes it down, with the space and the source that it belongs to."""
        state = {"kind": KIND, "format": FORMAT, "widths": list(self.network.widths), "source": self.source}
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        checkpoint.save(tensors, {**state, "space": to_json(self.space), "error": self.error.to_json()})


def load_accuracy_predictor(checkpoint: Checkpoint, space: SearchSpace, source: str) -> AccuracyPredictor:
    """The predictor that was saved, if it was learned for `space` from `source`.

    Raises:
        InvalidValue: nothing or something else was saved, or it belongs to another space or source; the message names
            the first place that differs.
    """
    saved = checkpoint.load()
    if saved is None:
        raise InvalidValue("no accuracy predictor was saved there; fit_accuracy_predictor makes one")
    tensors, state = saved
    names = {part.name for part in fields(PredictionError)}
    error = state.get("error") if isinstance(state, dict) else None
    if not isinstance(error, dict) or state.get("kind") != KIND or error.keys() != names:
        raise InvalidValue("what was saved there is no accuracy predictor")
    require_format(state, KIND, FORMAT, "fit_accuracy_predictor makes it again")
    problems = []
    if difference := first_difference(state.get("space"), to_json(space), ""):
        problems.append(f"it was learned for another space: {difference}")
    if state.get("source") != source:
        problems.append(f"it was learned from {state.get('source')!r}, wanted is {source!r}")
    if problems:
        raise InvalidValue(collected(problems, f"{KIND} (fit one with samples of this space and source)"))
    with reading("the accuracy predictor that was saved there", AS_WRITTEN):
        return _restored(tensors, state, error, space, source)


def _restored(
    tensors: Mapping[str, Tensor], state: Mapping[str, Any], error: Mapping[str, Any], space: SearchSpace, source: str
) -> AccuracyPredictor:
    numbers: dict[str, Any] = {name: math.nan if value is None else value for name, value in error.items()}
    numbers["pairs"] = tuple((float(predicted), float(accuracy)) for predicted, accuracy in error["pairs"])
    return AccuracyPredictor(space, source, PredictionError(**numbers), _network(tensors, state, space))


def _network(tensors: Mapping[str, Tensor], state: Mapping[str, Any], space: SearchSpace) -> LinearAndPerceptron:
    features = space.features(np.zeros((1, len(space.decisions)), dtype=np.int64)).shape[1]
    try:
        network = LinearAndPerceptron([features, *state["widths"][1:]], torch.Generator())
        network.load_state_dict(tensors)
    except (KeyError, RuntimeError, TypeError) as error:
        raise InvalidValue(
            f"the {KIND} that was saved there is damaged, or not for the {features} features of the space ({error}); "
            "fit_accuracy_predictor makes it again"
        ) from error
    return network


def require_format(state: Mapping[str, Any], kind: str, wanted: int, remedy: str) -> None:
    """Raises `InvalidValue` where a predictor was saved in another format; one without a number is the first."""
    if (there := state.get("format", 1)) != wanted:
        raise InvalidValue(f"the {kind} was saved in format {there}, this version reads {wanted}; {remedy}")


def fit_accuracy_predictor(
    space: SearchSpace,
    choices: npt.ArrayLike,
    accuracies: npt.ArrayLike,
    *,
    source: str,
    seed: int,
    hidden: tuple[int, ...] = (400, 400, 400),
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    weight_decay: float = 3.0,
    held_out: float = 0.2,
) -> AccuracyPredictor:
    """Learns the accuracies of sampled candidates, and checks itself with those that it holds out.

    Reference: Cai et al., Once-for-All, ICLR 2020, section 3.4: three hidden layers of 400, 16,000 samples, 0.21 points
    RMSE. The published code splits 80 to 20; how it trains is not published. Deliberate differences: ridge regression
    comes first and the perceptron learns what remains (from 300 noisy samples of the published predictor's own answers:
    0.30 points off, instead of 0.35 at best); what it sees are the space's features, in which a layer beyond the depth
    reads as its first option, not as zeros; candidates sampled several times count once, with their mean.

    Args:
        space: what was sampled.
        choices: a row for each sample.
        accuracies: fractions, one for each row.
        source: whose accuracies they are, such as the fingerprint of a supernet's weights; kept with the predictor.
        seed: of the split, the first weights and the order of samples.
        hidden: widths of the layers.
        epochs, batch_size, learning_rate, weight_decay: see `fit_perceptron`.
        held_out: the share of candidates that it does not learn from.

    Raises:
        InvalidValue: with everything that is wrong: rows of another space, accuracies that are no fractions, fewer than
            20 different candidates.
        TrainingDiverged: the loss is no longer finite.
    """
    rows, values = _samples(space, choices, accuracies, held_out)
    order = stream(seed, "fit_accuracy_predictor: split").permutation(len(rows))
    checked, learned = np.split(order, [max(2, round(len(rows) * held_out))])
    network = fit_perceptron(
        space.features(rows[learned]),
        values[learned],
        seed=seed,
        hidden=hidden,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )
    error = error_of(outputs(network, space.features(rows[checked])), values[checked], len(learned))
    return AccuracyPredictor(space, source, error, network)


def error_of(predicted: Vector, accuracies: Vector, learned: int = 0) -> PredictionError:
    """How well `predicted` says `accuracies`, both fractions, of candidates that `learned` others have taught."""
    kendall = spearman = math.nan
    if np.ptp(predicted) > 0 and np.ptp(accuracies) > 0:
        from scipy.stats import kendalltau, spearmanr  # two seconds to import, which few processes need

        kendall, spearman = (float(correlate(predicted, accuracies).statistic) for correlate in (kendalltau, spearmanr))
    rmse_points = 100 * float(np.sqrt(np.mean((predicted - accuracies) ** 2)))
    pairs = tuple(zip(predicted.tolist(), accuracies.tolist(), strict=True))
    return PredictionError(learned, len(predicted), rmse_points, kendall, spearman, pairs)


def _samples(
    space: SearchSpace, choices: npt.ArrayLike, accuracies: npt.ArrayLike, held_out: float
) -> tuple[IntMatrix, Vector]:
    """Different candidates and the mean accuracy of each."""
    rows, values = space.canonical(choices), np.asarray(accuracies, dtype=np.float64)
    problems = [] if 0 < held_out < 1 else [f"held_out must lie between 0 and 1, got {held_out}"]
    if values.shape != (len(rows),):
        problems.append(f"accuracies need one number for each of {len(rows)} rows, got shape {values.shape}")
    elif not ((values >= 0) & (values <= 1)).all():
        wrong = values[~((values >= 0) & (values <= 1))]
        problems.append(f"accuracies must be fractions from 0 to 1, got {wrong[0]:g} ({len(wrong)} are none)")
    distinct, group = np.unique(rows, axis=0, return_inverse=True)
    if len(distinct) < FEWEST:
        problems.append(f"{len(distinct)} different candidates are too few, at least {FEWEST} are needed: sample more")
    if problems:
        raise InvalidValue(collected(problems, "fit_accuracy_predictor"))
    return distinct, np.bincount(group, weights=values) / np.bincount(group)


def first_difference(left: Any, right: Any, path: str) -> str | None:
    """The first place where two JSON values differ, and both values there."""
    pairs: Sequence[tuple[str, Any, Any]] = ()
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        pairs = [(f"{path}.{key}" if path else key, left[key], right[key]) for key in left]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = [(f"{path}.{i}", *both) for i, both in enumerate(zip(left, right, strict=True))]
    elif left != right:
        return f"{path} is {left!r:.80} there and {right!r:.80} here"
    return next((found for name, a, b in pairs if (found := first_difference(a, b, name))), None)
