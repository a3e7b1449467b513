"""The page and the picture of what `fbnetv2_widths.py` found: `results/fbnetv2_widths.md` and `.svg`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from sculptnet.cost.errors_of_tables import spearman
from sculptnet.streams import stream

RESAMPLES = 2000
GROUPS = {"any": "any multiply-adds", "equal": "nearly equal multiply-adds"}
KINDS = {"found": "found by the search", "narrowed": "narrowed uniformly", "random": "drawn at random"}
PREFERENCES = {
    ("chances", False): "log-probability, no cost in the loss",
    ("chances", True): "log-probability, multiply-adds in the loss",
    ("supernet", False): "accuracy in the supernet, no cost in the loss",
    ("supernet", True): "accuracy in the supernet, multiply-adds in the loss",
}
COLOURS = {"found": "#1d4ed8", "narrowed": "#b45309", "random": "#6b7280"}

Vector: TypeAlias = npt.NDArray[np.float64]
Lines: TypeAlias = Sequence[Mapping[str, Any]]
Settings: TypeAlias = Mapping[str, Sequence[Mapping[str, int]]]


# ---------------------------------------------------------------------- what the lines say
def of(lines: Lines, what: str, **wanted: Any) -> list[Mapping[str, Any]]:
    """The lines of one kind, by seed and index."""
    found = [one for one in lines if one["what"] == what and all(one[name] == value for name, value in wanted.items())]
    return sorted(found, key=lambda one: (one["seed"], one.get("index", 0)))


def alone(lines: Lines, settings: Settings, group: str) -> Vector:
    """Test accuracies of settings that were trained alone, `(trainings, settings)`; of whole rounds alone."""
    seeds = sorted({one["seed"] for one in of(lines, "alone", group=group)})
    rounds = [[one["top1"] for one in of(lines, "alone", group=group, seed=seed)] for seed in seeds]
    return np.array([one for one in rounds if len(one) == len(settings[group])])


def preferred(lines: Lines, settings: Settings, group: str, what: str, macs_in_loss: bool) -> Vector:
    """What each search says about each setting, `(searches, settings)`."""
    searches = of(lines, "search", macs_in_loss=macs_in_loss)
    if what == "supernet":
        return np.array([one["supernet_top1"][group] for one in searches])
    return np.array([[log_chance(one["probabilities"], setting) for setting in settings[group]] for one in searches])


def log_chance(probabilities: Mapping[str, Sequence[float]], setting: Mapping[str, int]) -> float:
    return float(sum(np.log(probabilities[path][index]) for path, index in setting.items()))


def correlation(said: Vector, true: Vector) -> str:
    """The mean rank correlation over searches, its 95 % interval over settings, and every search's own."""
    own = [spearman(row, true) for row in said]
    picks = stream(0, "benchmarks/fbnetv2_widths: bootstrap").integers(len(true), size=(RESAMPLES, len(true)))
    means = [float(np.mean([spearman(row[pick], true[pick]) for row in said])) for pick in picks]
    low, high = np.nanpercentile(means, [2.5, 97.5])
    each = f"; {', '.join(f'{one:.2f}' for one in own)}" if len(own) > 1 else ""
    return f"{mean(own):.2f} ({low:.2f} to {high:.2f}{each})"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, with every value behind them."""
    deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{deviation} ({', '.join(f'{value:.2f}' for value in values)})"


# ---------------------------------------------------------------------- the page
def ranks(lines: Lines, settings: Settings) -> list[str]:
    """Rank correlations of both groups."""
    true = {group: alone(lines, settings, group) for group in GROUPS}
    macs = {
        group: np.array([[one["macs"] for one in of(lines, "alone", group=group, seed=0)]], dtype=np.float64)
        for group in GROUPS
    }
    text = [
        f"| | {' | '.join(f'{len(settings[group])} of {title}' for group, title in GROUPS.items())} |",
        "|---" * 3 + "|",
    ]
    cells = [correlation(macs[group], true[group].mean(axis=0)) for group in GROUPS]
    text.append(f"| multiply-adds | {' | '.join(cells)} |")
    for (what, macs_in_loss), title in PREFERENCES.items():
        said = {group: preferred(lines, settings, group, what, macs_in_loss) for group in GROUPS}
        cells = [correlation(said[group], true[group].mean(axis=0)) for group in GROUPS]
        text.append(f"| {title} | {' | '.join(cells)} |")
    first, second = true["equal"][[0, -1]]
    if len(true["equal"]) > 1:
        text.append(f"| another training alone | | {correlation(first[None], second)} |")
    ranges = [
        f"{100 * one.min():.1f} to {100 * one.max():.1f} %" for one in (true[group].mean(axis=0) for group in GROUPS)
    ]
    noise = 100 * float(np.std(first - second) / np.sqrt(2))
    return [
        *text,
        "",
        f"Trained alone, the {len(settings['any'])} settings reach {ranges[0]} of the test images, the "
        f"{len(settings['equal'])} of nearly equal multiply-adds (mean of {len(true['equal'])} trainings) {ranges[1]}; "
        f"one training of such a setting differs from another by a standard deviation of {noise:.2f} points.",
    ]


def budgets(lines: Lines) -> list[str]:
    """Accuracies of the three contenders at each budget, and their differences seed by seed."""
    text = [f"| budget, k MACs | | {' | '.join(['k MACs', 'widths', 'test top-1, %', 'found is better by, points'])} |"]
    text.append("|---" * 6 + "|")
    for budget, (kind, title) in product(sorted({one["budget"] for one in of(lines, "final")}), KINDS.items()):
        found = of(lines, "final", budget=budget, kind=kind)
        if found:
            macs = ", ".join(f"{one['macs'] / 1e3:.0f}" for one in found)
            widths = "; ".join("-".join(map(str, one["widths"])) for one in found)
            more = "" if kind == "found" else spread(gains(lines, kind, budget))
            top1 = spread([100 * one["top1"] for one in found])
            text.append(f"| {budget / 1e3:.0f} | {title} | {macs} | {widths} | {top1} | {more} |")
    return text


def gains(lines: Lines, kind: str, *budgets: int) -> list[float]:
    """How many points what was found is better, seed by seed, at these budgets or at all."""
    other = {(one["budget"], one["seed"]): one["top1"] for one in of(lines, "final", kind=kind)}
    return [
        100 * (one["top1"] - other[one["budget"], one["seed"]])
        for one in of(lines, "final", kind="found")
        if (one["budget"], one["seed"]) in other and one["budget"] in (budgets or (one["budget"],))
    ]


def overall(lines: Lines) -> str:
    """The differences over all budgets and seeds."""
    parts = []
    for kind in ("narrowed", "random"):
        pairs = gains(lines, kind)
        if pairs:
            low, high = interval(pairs)
            parts.append(
                f"{mean(pairs):+.2f} points ({low:+.2f} to {high:+.2f}, {len(pairs)} pairs) from what was {KINDS[kind]}"
            )
    found = f"Over all budgets and seeds, what the search found differs by {' and by '.join(parts)}"
    return f"{found} (95 %, bootstrap over pairs)."


def interval(values: Sequence[float]) -> tuple[float, float]:
    column = np.array(values)
    picks = stream(0, "benchmarks/fbnetv2_widths: pairs").integers(len(column), size=(RESAMPLES, len(column)))
    low, high = np.percentile(column[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def costs(lines: Lines) -> str:
    """Processor seconds of everything."""
    searches = [one["cpu_seconds"] for one in of(lines, "search")]
    seconds = {
        what: sum(one["cpu_seconds"] for one in of(lines, what)) for what in ("search", "alone", "finalist", "final")
    }
    return (
        f"Processor seconds of one thread: {len(searches)} searches of {min(searches):.0f} to {max(searches):.0f}, "
        f"together {seconds['search']:.0f}; settings alone {seconds['alone']:.0f}, finalists "
        f"{seconds['finalist']:.0f}, the contenders {seconds['final']:.0f}; {sum(seconds.values()) / 60:.0f} minutes "
        "in all, judging aside."
    )


def write_page(lines: Lines, settings: Settings, folder: Path) -> None:
    """Writes the page and the picture; `remarks` beside them, if there are any, come first."""
    remarks = folder / "fbnetv2_widths_remarks.md"
    entropies = {
        kind: ", ".join(f"{one['entropy']:.2f}" for one in of(lines, "search", macs_in_loss=kind))
        for kind in (False, True)
    }
    text = [
        "# Does the search of FBNetV2 find good widths?",
        "",
        f"{date.today().isoformat()}. Fashion-MNIST shrunk to 16 px; four layers of seven widths, nothing else open; "
        f"PyTorch {torch.__version__}, one thread. Made by `benchmarks/fbnetv2_widths.py`, which holds every constant.",
        "",
        *([remarks.read_text().strip(), ""] if remarks.exists() else []),
        "![preferences and accuracies](fbnetv2_widths.svg)",
        "",
        "## Preferences and accuracies alone",
        "",
        "Spearman's rank correlation with the accuracy of the same setting, trained briefly and alone: mean over the "
        f"searches of seeds 0 to 2 (95 % interval, bootstrap over settings; each search). Entropy of a layer's "
        f"distribution at the end: {entropies[False]} nats without a cost in the loss, {entropies[True]} with it; "
        f"{np.log(7):.2f} at the start.",
        "",
        *ranks(lines, settings),
        "",
        "## Three budgets",
        "",
        "The best of three draws from the learned distribution, of three random ones (both after a short training, by "
        "held-out images; each spends at least 95 % of the budget), and the widest network with all widths times one "
        "factor, at the multiply-adds of the found one. All trained alike; seeds 0 to 2, mean ± standard deviation "
        "(each).",
        "",
        *budgets(lines),
        "",
        overall(lines),
        "",
        costs(lines),
        "",
    ]
    (folder / "fbnetv2_widths.md").write_text("\n".join(text))
    draw(lines, settings, folder / "fbnetv2_widths.svg")


def draw(lines: Lines, settings: Settings, path: Path) -> None:
    """Two panels of log-probabilities and accuracies, and one of the contenders."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "fbnetv2_widths"
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    for axes, (group, title) in zip((first, second), GROUPS.items(), strict=True):
        said = preferred(lines, settings, group, "supernet", False).mean(axis=0)
        axes.plot(100 * said, 100 * alone(lines, settings, group).mean(axis=0), "o", color="#1d4ed8", markersize=4)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("accuracy in the supernet, %")
    first.set_ylabel("test top-1 alone, %")
    for kind, title in KINDS.items():
        found = of(lines, "final", kind=kind)
        third.plot(
            [one["macs"] / 1e3 for one in found],
            [100 * one["top1"] for one in found],
            {"found": "o", "narrowed": "^", "random": "x"}[kind],
            color=COLOURS[kind],
            label=title,
            markersize=5,
        )
    third.set_title("trained for longer", fontsize=10)
    third.set_xlabel("thousand multiply-adds")
    third.legend(frameon=False, fontsize=8)
    for axes in (first, second, third):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
