"""The training of a supernet over its phases: the loss, and how accurate networks are when each phase ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sculptnet.report.palette import ACCENT, AXIS, FAINT, INK, MUTED
from sculptnet.report.style import SMALL, marker, names_at_right, new_figure, panel
from sculptnet.report.text import short

LOOKS = {"largest": (ACCENT, "o"), "smallest": (INK, "s")}
RANDOM = "random networks"


@final
@dataclass(frozen=True)
class PhaseCourse:
    """One phase.

    Attributes:
        name: of the phase.
        epochs: how many it had.
        losses: the mean training loss of each logged epoch, by its number from 1.
        top1: of networks by name (`largest`, `smallest`, `random 1`, ...), fractions; empty while it is not over.
        seconds: of training.
    """

    name: str
    epochs: int
    losses: Mapping[int, float]
    top1: Mapping[str, float]
    seconds: float

    @property
    def random(self) -> tuple[float, ...]:
        """The accuracies of the random networks."""
        return tuple(value for name, value in self.top1.items() if name not in LOOKS)


def draw(phases: Sequence[PhaseCourse]) -> Figure:
    """Two panels over the epochs of all phases; lines between the phases."""
    figure = new_figure(560, 400)
    losses, accuracies = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    ends = [sum(phase.epochs for phase in phases[: index + 1]) for index in range(len(phases))]
    for axes in (losses, accuracies):
        panel(axes)
        for end in ends[:-1]:
            axes.axvline(end + 0.5, color=AXIS, linewidth=0.75, zorder=1)
    for phase, end in zip(phases, ends, strict=True):
        epochs, values = [end - phase.epochs + epoch for epoch in phase.losses], list(phase.losses.values())
        losses.plot(epochs, values, color=ACCENT, marker=marker(values), markersize=3)
        above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "fontsize": SMALL}
        losses.annotate(short(phase.name, 14), (end - phase.epochs / 2 + 0.5, 1.02), **above)
    _accuracies(accuracies, phases, ends)
    losses.set_ylabel("training loss", fontsize=SMALL)
    accuracies.set_ylabel("held-out accuracy (%)", fontsize=SMALL)
    accuracies.set_xlabel("epoch of all phases", fontsize=SMALL)
    accuracies.set_xlim(0.5, ends[-1] + 0.5)
    return figure


def _accuracies(axes: Axes, phases: Sequence[PhaseCourse], ends: Sequence[int]) -> None:
    names: list[tuple[str, float, str]] = []
    for name, (colour, shape) in LOOKS.items():
        seen = [(end, 100 * phase.top1[name]) for phase, end in zip(phases, ends, strict=True) if name in phase.top1]
        if seen:
            axes.plot(*zip(*seen, strict=True), color=colour, marker=shape, markersize=5, linewidth=1.2, zorder=4)
            names.append((name, seen[-1][1], colour))
    drawn = [(end, 100 * value) for phase, end in zip(phases, ends, strict=True) for value in phase.random]
    if drawn:
        axes.plot(*zip(*drawn, strict=True), "o", markersize=5, color=FAINT, markeredgecolor=MUTED, zorder=3)
        names.append((RANDOM, drawn[-1][1], MUTED))
    axes.margins(y=0.12)
    names_at_right(axes, names, 0.12)
