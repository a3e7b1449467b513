"""Differentiable architecture search (FBNet, arXiv 1812.03443), which serves FBNetV2 (arXiv 2004.05565) unchanged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sculptnet.cost import FactoredCost, Reduce
from sculptnet.errors import Infeasible, collected
from sculptnet.learn.loop import BatchSource, Surroundings, run_training
from sculptnet.learn.machine import ACCELERATORS, PRECISIONS, open_machine
from sculptnet.nets import RelaxedSupernet
from sculptnet.records import Log, no_log
from sculptnet.rules import above, at_least, between, require
from sculptnet.search.differentiable.draws import proposals
from sculptnet.search.differentiable.loss import MICROSECONDS_PER_MS, loss_unit
from sculptnet.search.differentiable.training import Alternating, Constants, SearchTraining
from sculptnet.search.problem import Limit, Problem
from sculptnet.search.protocol import Search
from sculptnet.state import Checkpoint, NoCheckpoint, Progress, no_progress

EPOCHS, WARMUP_EPOCHS, TAU_DECAY, DRAWS = 90, 10, math.exp(-0.045), 6


class Branches(Enum):
    """`ALL`: every candidate of a slot runs in every step, as published."""

    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Dnas:
    """Differentiable search: a supernet and a distribution over its architectures are trained in turn; draws follow.

    With probabilities P = softmax(theta) per slot, Gumbel noise g and m = softmax((theta + g) / tau), drawn anew in
    every step, a slot's output is the sum of m_i times candidate i, and weights w and theta both minimise

        CE(m, w) * alpha * ln(LAT(m)) ** beta,      LAT(m) = exact expectation of the cost under m, in microseconds.

    In each epoch w is trained on `weight_batches` (80 % of the images in the paper), then theta on `theta_batches`
    (the other 20 %); in the first `warmup_epochs` only w. Proposals come from P conditioned on the budget, each once;
    results are not used. The paper samples P unconditioned, trains what it drew from scratch and keeps the best; the
    share of unconditioned draws within the budget is logged. When no candidate is left, the search ends.

    The cost in the loss is that of the first limit whose cost adds up over blocks; draws are conditioned on the same
    limit, other limits drop draws. A cost named `latency_ms...` is taken in microseconds, as the paper's, any other in
    its own unit (multiply-adds, parameters), for which no published alpha and beta are verified. Without such a limit
    the loss is the cross-entropy alone.

    `branches=k` runs k candidates per slot, a draw without replacement from P: those with the largest theta + g,
    weighted by m over its sum among them (the top k of the same Gumbel noise, so k = all is the paper's search).
    Memory and time fall to about k candidates per slot; LAT still takes all of m. With k = 1, w learns on single paths
    and theta compares two, because one alone has weight 1 whatever theta is, as in ProxylessNAS (Cai et al., ICLR 2019,
    section 3.2.1: one path for weights, two for architecture parameters). The straight-through factor 1 + m - m of a
    single path (GDAS, Dong and Yang, CVPR 2019) is not used: it asks how the loss changes when a slot's whole output
    is scaled, which batch norm in the next block undoes. Bias: candidates that did not run give the cross-entropy no
    gradient. At uniform P over n candidates its expectation is about (k-1)/k * n/(n-1) of the paper's (0.56 for k = 2,
    n = 9) while the latency's is whole, so the search leans to cheap blocks early; both agree as P concentrates.
    Weights of candidates that did not run have no gradient: SGD leaves them and their momentum as they are, without
    decay. Each candidate is trained in about k/n of the steps: a short search needs a larger part of warm-up, or theta
    judges blocks that have not learned anything yet. Decisions whose options the supernet computes together (its
    `shared`: widths as masks) keep all of them whatever `branches` is, and with them the paper's gradients.

    Attributes:
        epochs, warmup_epochs: 90 is the paper's; 10 is what public re-implementations use. None is left open: so here.
        tau, tau_decay: the temperature at first, and its factor after each epoch; None is left open: exp(-0.045) here,
            so that 0.087 is reached after 90. From public re-implementations; unverified in the paper itself.
        alpha, beta: of the loss. From public re-implementations and recollection of the paper's section 4.1.
        weight_learning_rate, weight_momentum, weight_decay: of SGD; the rate falls to 0 over half a cosine, step by
            step. From public re-implementations (batch 192); the exact shape of the paper's cosine is unverified.
        theta_learning_rate, theta_weight_decay: of Adam. From public re-implementations, one of which decays by 1e-4.
        theta_betas: of Adam. The paper does not give them; these are PyTorch's.
        draws: how many candidates are proposed at a time; 6 in one re-implementation, "several" in the paper. None is
            left open: 6 here.
        branches: candidates that run per slot. None is left open: all here, the paper's.
        label_smoothing: of the cross-entropy; the paper mentions none.

    Raises:
        InvalidValue: with every setting that breaks its rule.
    """

    epochs: int | None = None
    warmup_epochs: int | None = None
    tau: float = 5.0
    tau_decay: float | None = None
    alpha: float = 0.2
    beta: float = 0.6
    weight_learning_rate: float = 0.1
    weight_momentum: float = 0.9
    weight_decay: float = 1e-4
    theta_learning_rate: float = 0.01
    theta_betas: tuple[float, float] = (0.9, 0.999)
    theta_weight_decay: float = 5e-4
    draws: int | None = None
    branches: int | Branches | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        problems = at_least(self, 1, "epochs", "draws") + at_least(self, 0, "warmup_epochs")
        if self.warmup_epochs is not None and self.warmup_epochs >= (self.epochs or EPOCHS):
            problems.append(f"warmup_epochs must be below epochs, got {self.warmup_epochs} of {self.epochs or EPOCHS}")
        problems += above(self, 0, "tau", "alpha", "weight_learning_rate", "theta_learning_rate")
        problems += between(self, 0, 1, "tau_decay", without_low=True)
        problems += at_least(self, 0, "beta", "weight_decay", "theta_weight_decay")
        problems += between(self, 0, 1, "weight_momentum", "label_smoothing", without_high=True)
        if not all(0 <= beta < 1 for beta in self.theta_betas):
            problems.append(f"theta_betas must be at least 0 and below 1, got {self.theta_betas}")
        if isinstance(self.branches, int) and self.branches < 1:
            problems.append(f"branches must be at least 1, or all, got {self.branches}")
        require(problems, "Dnas")

    def constants(self, seed: int) -> Constants:
        """The numbers of a search, nothing left open."""
        epochs = EPOCHS if self.epochs is None else self.epochs
        warmup = min(WARMUP_EPOCHS, epochs - 1) if self.warmup_epochs is None else self.warmup_epochs
        return Constants(
            seed=seed,
            epochs=epochs,
            warmup_epochs=warmup,
            tau=self.tau,
            tau_decay=TAU_DECAY if self.tau_decay is None else self.tau_decay,
            alpha=self.alpha,
            beta=self.beta,
            weight_learning_rate=self.weight_learning_rate,
            weight_momentum=self.weight_momentum,
            weight_decay=self.weight_decay,
            theta_learning_rate=self.theta_learning_rate,
            theta_betas=self.theta_betas,
            theta_weight_decay=self.theta_weight_decay,
            branches=self.branches if isinstance(self.branches, int) else None,
            label_smoothing=self.label_smoothing,
        )

    def search(
        self,
        problem: Problem,
        seed: int,
        *,
        supernet: RelaxedSupernet,
        weight_batches: BatchSource,
        theta_batches: BatchSource,
        channels_last: bool = True,
        accelerator: str = "cpu",
        precision: str = "auto",
        checkpoint: Checkpoint = NoCheckpoint(),  # noqa: B008
        checkpoint_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        log: Log = no_log,
        progress: Progress = no_progress,
    ) -> Search:
        """Trains the supernet and the distribution, then proposes draws.

        Args:
            problem: space and limits; objectives belong to whoever evaluates the proposals.
            seed: of everything that is drawn here.
            supernet: of `problem.space`. Its weights are drawn anew from `seed` and trained in place.
            weight_batches, theta_batches: images float `(batch, 3, height, width)`, normalised, and labels int64.
            channels_last: memory format of weights and images; 1.6 times faster on CPUs, other rounding.
            accelerator: "cpu" or "cuda".
            precision: "fp32", "bf16", or "auto": bf16 on CUDA, where it is faster, fp32 on CPUs. Weights, theta,
                gradients and the cost stay as they are, in float32 and float64.
            checkpoint: where to save, after each epoch and every `checkpoint_seconds` by `clock`. A call that was
                killed at any moment goes on from there to the same result. An epoch's event may be logged twice then,
                never lost.
            log: is told a `SearchEpoch` after every epoch, and a `SearchDraws` before the first proposal.
            progress: is told "search" after every step.

        Raises:
            InvalidValue: an argument breaks its rule, the supernet is of another space, batches are not as many as
                they say, or there is no such accelerator here.
            Infeasible: no candidate meets the limits; raised before anything is trained where one limit alone is too
                low.
            TrainingDiverged: the loss stopped being a number.
            RunError: `checkpoint` holds another search.
        """
        constants = self.constants(seed)
        batches = {"weights": weight_batches, "theta": theta_batches}
        pairs = tuple(zip(problem.factored, problem.limits, strict=True))
        problems = _environment_problems(problem, supernet, batches) + _machine_problems(accelerator, precision)
        single = [(cost, limit) for cost, limit in pairs if isinstance(cost, FactoredCost)]
        additive = next((pair for pair in single if pair[0].cost.reduce is Reduce.SUM), None)
        problems += _cost_problems(additive[0]) if additive else []
        require(problems, "Dnas")
        _require_feasible(single)
        machine = open_machine(accelerator, precision)

        def search() -> Search:
            source = Alternating(weight_batches, theta_batches, constants.warmup_epochs)
            cost = additive[0] if additive else None
            training = SearchTraining(supernet, cost, constants, source, machine, channels_last=channels_last)
            with machine.reproducible():
                run_training(training, source, Surroundings(checkpoint, checkpoint_seconds, clock, log, progress))
            condition = additive or next(iter(pairs), None)
            yield from proposals(problem, training.theta, condition, seed, self.draws or DRAWS, log)

        return search()


def _environment_problems(problem: Problem, supernet: RelaxedSupernet, batches: Mapping[str, BatchSource]) -> list[str]:
    problems = [
        f"{name}_batches must have at least one step per epoch, got {source.steps_per_epoch}; give more images or "
        "smaller batches"
        for name, source in batches.items()
        if source.steps_per_epoch < 1
    ]
    if supernet.space != problem.space:
        problems.append("the supernet is of another space than the problem; make it of problem.space")
    return problems


def _machine_problems(accelerator: str, precision: str) -> list[str]:
    return [
        f"{name} must be one of {', '.join(known)}, got {value!r}"
        for name, value, known in (("accelerator", accelerator, ACCELERATORS), ("precision", precision, PRECISIONS))
        if value not in known
    ]


def _cost_problems(factored: FactoredCost) -> list[str]:
    least = factored.extremes()[0].value * loss_unit(factored.name)
    unit = " (microseconds)" if loss_unit(factored.name) == MICROSECONDS_PER_MS else ""
    if least > 1:
        return []
    return [f"the loss takes ln({factored.name}) ** beta, so every cost must be above 1{unit}; the least is {least:g}"]


def _require_feasible(pairs: Sequence[tuple[FactoredCost, Limit]]) -> None:
    least = [(limit, factored.extremes()[0].value) for factored, limit in pairs]
    problems = [
        f"{limit} cannot be met, the least in the space is {value:g}" for limit, value in least if value > limit.at_most
    ]
    if problems:
        raise Infeasible(collected(problems, "Dnas") + "; raise the limit or widen the space")
