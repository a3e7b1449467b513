"""The published ways to train a supernet, as phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sculptnet.arch import Cosine, Recipe, SearchSpace, Sgd
from sculptnet.errors import InvalidValue
from sculptnet.learn.shrinking_phases import Kind, Phase, Rule, opened

PAPER_BATCH = 2048  # images a step that the published learning rates belong to
WARMUP_SHARE = 5 / 125  # of a long phase's epochs


def progressive(
    space: SearchSpace,
    *,
    batch_size: int = PAPER_BATCH,
    full_epochs: int = 180,
    kernel_epochs: int = 125,
    depth_epochs: tuple[int, ...] = (25, 125),
    width_epochs: tuple[int, ...] = (25, 125),
    full_learning_rate: float = 2.6,
    kernel_learning_rate: float = 0.96,
    depth_learning_rates: tuple[float, ...] = (0.08, 0.24),
    width_learning_rates: tuple[float, ...] = (0.08, 0.24),
    kernel_subnets: int = 1,
    depth_subnets: int = 2,
    width_subnets: int = 4,
    distillation: float = 1.0,
    momentum: float = 0.9,
    weight_decay: float = 3e-5,
    label_smoothing: float = 0.1,
    dropout: float = 0.1,
) -> tuple[Phase, ...]:
    """The full network, then elastic kernels, depth in two phases, width in two; resolution is elastic throughout.

    Every phase keeps open what was open before. The first of two phases leaves the smallest option out: depths 4 and
    3, then 4, 3 and 2. A phase that would open nothing (no elastic kernels, only two depths) is left out, and so is
    one of 0 epochs. Warm-up takes 4 % of the full, the kernel and each last phase (5 of 125 epochs); it starts near
    0, in the published code at the learning rate of one of 32 accelerators. The full network's warm-up is not
    published.

    Args:
        space: the supernet's.
        batch_size: images a step, over all processes. Learning rates are those of 2048 and scaled in proportion.
        full_epochs: 0 where the supernet has the weights of a trained full network already (`load_full`).
        depth_epochs, depth_learning_rates: of each phase of elastic depth.
        width_epochs, width_learning_rates: of each phase of elastic width.
        kernel_subnets, depth_subnets, width_subnets: networks a step.
        distillation: weight of the full network's soft labels beside the labels' 1.

    Raises:
        InvalidValue: not one learning rate per phase.

    Reference: Cai et al., Once-for-All, ICLR 2020, section 3.3 and appendix B; epochs and networks a step are those
    of the published code.
    """

    def recipe(epochs: int, learning_rate: float, long: bool) -> Recipe:
        optimizer = Sgd(learning_rate * batch_size / PAPER_BATCH, momentum, True, weight_decay)
        schedule = Cosine(WARMUP_SHARE * epochs if long else 0.0)
        return Recipe(epochs, batch_size, optimizer, schedule, label_smoothing=label_smoothing, dropout=dropout)

    steps = [
        _Step("full", None, 0, full_epochs, full_learning_rate, True, 1),
        _Step("kernel", Kind.KERNEL, 0, kernel_epochs, kernel_learning_rate, True, kernel_subnets),
        *_series(Kind.DEPTH, depth_epochs, depth_learning_rates, depth_subnets),
        *_series(Kind.WIDTH, width_epochs, width_learning_rates, width_subnets),
    ]
    return _phases(space, steps, recipe, distillation)


@dataclass(frozen=True)
class _Step:
    """What a phase opens: all options of a kind but the `left_out` smallest."""

    name: str
    kind: Kind | None
    left_out: int
    epochs: int
    learning_rate: float
    long: bool
    subnets: int


def _series(kind: Kind, epochs: tuple[int, ...], rates: tuple[float, ...], subnets: int) -> list[_Step]:
    name, last = kind.value, len(epochs) - 1
    if len(epochs) != len(rates):
        raise InvalidValue(
            f"progressive: {name}_epochs and {name}_learning_rates need as many entries, got {epochs} and {rates}"
        )
    pairs = enumerate(zip(epochs, rates, strict=True))
    return [
        _Step(f"{name} {index + 1}", kind, last - index, count, rate, index == last, subnets)
        for index, (count, rate) in pairs
    ]


def _phases(
    space: SearchSpace, steps: list[_Step], recipe: Callable[[int, float, bool], Recipe], distillation: float
) -> tuple[Phase, ...]:
    left_out: dict[Kind, int | None] = {Kind.KERNEL: None, Kind.DEPTH: None, Kind.WIDTH: None}
    before, phases = opened(space, left_out), list[Phase]()
    for step in steps:
        if step.kind is not None:
            left_out[step.kind] = step.left_out
        options = opened(space, left_out)
        if step.epochs > 0 and (step.kind is None or options != before):
            phases.append(
                Phase(
                    step.name,
                    recipe(step.epochs, step.learning_rate, step.long),
                    options,
                    subnets=step.subnets,
                    distillation=0.0 if step.kind is None else distillation,
                    supported=before if step.kind is Kind.WIDTH else None,
                )
            )
            before = options
    return tuple(phases)


def sandwich(
    space: SearchSpace,
    *,
    batch_size: int = PAPER_BATCH,
    epochs: int = 360,
    learning_rate: float = 0.8,
    warmup_epochs: float = 5.0,
    subnets: int = 2,
    momentum: float = 0.9,
    weight_decay: float = 1e-5,
    label_smoothing: float = 0.1,
    dropout: float = 0.2,
) -> tuple[Phase, ...]:
    """One phase in which everything is open: the largest, the smallest and random networks in every step.

    The largest learns the labels, all others its soft labels; only the largest has dropout. The papers that the rule
    is from train other networks with other optimisers: the optimiser's constants are AttentiveNAS's published ones
    (without its clipping of single gradients and its stochastic depth).

    Args:
        space: the supernet's.
        batch_size: images a step, over all processes; the learning rate is that of 2048 and scaled in proportion.
        subnets: random networks a step, beside the two.

    Reference: Yu and Huang, Universally Slimmable Networks, ICCV 2019, sections 3.2 and 3.4; Yu et al., BigNAS, ECCV
    2020; Wang et al., AttentiveNAS, CVPR 2021.
    """
    optimizer = Sgd(learning_rate * batch_size / PAPER_BATCH, momentum, True, weight_decay)
    schedule = Cosine(warmup_epochs)
    recipe = Recipe(epochs, batch_size, optimizer, schedule, label_smoothing=label_smoothing, dropout=dropout)
    return (Phase("sandwich", recipe, opened(space, {}), Rule.SANDWICH, subnets),)
