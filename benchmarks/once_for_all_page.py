"""The page and the figure of what `once_for_all.py` and `once_for_all_front.py` found.

    python -m benchmarks.once_for_all_page

Reads `results/once_for_all/*/*.json` and `results/once_for_all/remarks.md`, what a reader should take from them; writes
`results/once_for_all.md` and `results/once_for_all.svg`. Parts that are not there yet are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
import matplotlib.pyplot as plt
from benchmarks.once_for_all import MOST_HELD_OUT, slug
from benchmarks.once_for_all_settings import SETTINGS

from sculptnet.files import read_json

RESULTS = Path(__file__).parent / "results"
FOLDER = RESULTS / "once_for_all"
SCHEDULES, TRIO = ("sandwich", "progressive"), ("largest", "median", "smallest")
TITLES = {
    "fashion_mnist": "Fashion-MNIST, 28 px, from scratch",
    "imagenette": "Imagenette, 48 to 64 px, from scratch",
    "sign_language": "Sign-language digits, 48 to 64 px, from EfficientNet-Lite0's published weights",
    "elpv": "Solar cells (elpv), 64 to 80 px, from EfficientNet-Lite0's published weights",
}

Parts: TypeAlias = Mapping[str, Any]


def parts_of(folder: Path) -> dict[str, Any]:
    return {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}


def accuracy(part: Parts | None) -> str:
    """Top-1 in percent with its interval; a dash where there is none."""
    if part is None:
        return "-"
    low, high = part["interval"]
    return f"{100 * part['top1']:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows), ""]


def trainings(parts: Parts) -> list[str]:
    """Networks of both supernets beside the same ones trained alone, and what each training took."""
    supernets = {name: parts.get(f"supernet-{name}") for name in SCHEDULES}
    known = [one for one in supernets.values() if one]
    if not known:
        return []
    first, rows = known[0], []
    for name, facts in first["networks"].items():
        cells = [accuracy(one["networks"][name] if one else None) for one in supernets.values()]
        rows.append([name, f"{facts['macs'] / 1e6:.2f}", *cells, accuracy(parts.get(f"alone-{name}"))])
    alone = [parts[f"alone-{name}"] for name in TRIO if f"alone-{name}" in parts]
    seconds = [f"{one['cpu_seconds']:.0f}" if one else "-" for one in supernets.values()]
    passes = [f"{one['passes']:.2f}" if one else "-" for one in supernets.values()]
    rows.append(["networks an image passes through", "", *passes, "1"])
    rows.append(["processor seconds", "", *seconds, " + ".join(f"{one['cpu_seconds']:.0f}" for one in alone) or "-"])
    head = ["network", "M MACs", *(f"supernet, {name}" for name in SCHEDULES), "alone"]
    return [
        f"{first['space_size']:.2g} networks in the space. {first['trained_on']:,} images to train on, "
        f"{first['held_out']:,} held out (finalists are chosen by at most {MOST_HELD_OUT:,}), "
        f"{first['networks']['largest']['test_images']:,} to test. Every training sees "
        f"{first['images']:,} images ({first['images'] / first['trained_on']:.1f} epochs). Top-1, % (95 % interval of "
        "the test images).",
        "",
        *table(head, rows),
    ]


def front(parts: Parts) -> list[str]:
    """What was found within each budget, beside the baseline that the budget is the latency of."""
    if "front" not in parts:
        return []
    found, timings = parts["front"], parts.get("latency", {}).get("timings", {})
    rows = []
    for name, facts in found["networks"].items():
        baseline, own = parts.get(f"baseline-{slug(name)}"), timings.get(f"found: {name}")
        other = timings.get(name) if baseline else None
        ratio = f"{own['median_ms'] / other['median_ms']:.2f}" if own and other else "-"
        rows.append(
            [
                f"{facts['at_most_ms']:.3f}",
                f"{facts['predicted_ms']:.3f}",
                f"{own['median_ms']:.3f}" if own else "-",
                f"{100 * facts['predicted_top1']:.1f}",
                accuracy(facts),
                name if baseline else "",
                f"{other['median_ms']:.3f}" if other else "",
                accuracy(baseline) if baseline else "",
                ratio if baseline else "",
            ]
        )
    predictor = found["predictor"]
    ranks = f", Spearman {predictor['spearman']:.2f}" if "spearman" in predictor else ""
    error = parts["table"]["error"]
    head = ["budget, ms", "by the table", "measured", "predicted", "found, top-1", "baseline", "its ms", "its top-1"]
    return [
        f"Networks of the supernet by `{found['schedule']}`, without training. Predictor: learned from "
        f"{predictor['learned']}, off by {predictor['rmse_points']:.1f} points RMSE{ranks} on {predictor['held_out']} "
        f"others. Table: {parts['table']['entries']} blocks, {error['mape_percent']:.1f} % off on {error['networks']} "
        "networks. The last measurement is of all networks in turn, at another speed of the machine than the table's.",
        "",
        *table([*head, "found over baseline, time"], rows),
    ]


def second(parts: Parts) -> list[str]:
    """Seconds of each step for one more device."""
    if "second" not in parts:
        return []
    found = parts["second"]
    rows = [
        [
            f"{facts['at_most_ms']:.3f}",
            f"{facts['predicted_ms']:.3f}",
            accuracy(facts),
            *(f"{facts[step]:.1f}" for step in ("search_s", "finalists_s", "export_s")),
        ]
        for facts in found["networks"].values()
    ]
    return [
        f"One more device, {found['device']}: {found['seconds']:.0f} s for the table of {found['entries']} blocks "
        f"({found['error']['mape_percent']:.1f} % off), {found['loading_and_predictor_s']:.1f} s to load the supernet "
        "and fit the predictor once more. Then, for each budget:",
        "",
        *table(["budget, ms", "by the table", "top-1", "search, s", "finalists judged, s", "export, s"], rows),
    ]


def draw(found: Mapping[str, Parts], path: Path) -> None:
    """Accuracy over measured latency, a panel for each data set."""
    shown = {name: parts for name, parts in found.items() if "latency" in parts}
    if not shown:
        return
    mpl.rcParams["svg.hashsalt"] = "once_for_all"
    figure, panels = plt.subplots(1, len(shown), figsize=(4.2 * len(shown), 3.6), squeeze=False)
    for panel, (name, parts) in zip(panels[0], shown.items(), strict=True):
        timings = parts["latency"]["timings"]
        supernet = parts[f"supernet-{parts['front']['schedule']}"]
        groups = {
            "found, no training": ({f"found: {key}": one for key, one in parts["front"]["networks"].items()}, "o-"),
            "supernet, the three": ({key: supernet["networks"][key] for key in TRIO}, "D"),
            "the three alone": ({key: parts[f"alone-{key}"] for key in TRIO if f"alone-{key}" in parts}, "s--"),
            "MobileNetV2": (baselines(parts, "MobileNetV2"), "^:"),
            "EfficientNet-Lite0": (baselines(parts, "EfficientNet"), "v:"),
        }
        for label, (networks, style) in groups.items():
            points = sorted(
                (timings[key]["median_ms"], 100 * one["top1"], one["interval"]) for key, one in networks.items()
            )
            if points:
                bars = [
                    [top1 - 100 * low for _, top1, (low, _) in points],
                    [100 * high - top1 for _, top1, (_, high) in points],
                ]
                panel.errorbar(
                    [ms for ms, *_ in points],
                    [top1 for _, top1, _ in points],
                    bars,
                    fmt=style,
                    label=label,
                    capsize=2,
                    markersize=4,
                    linewidth=1,
                )
        panel.set_title(TITLES[name].split(",")[0])
        panel.set_xlabel("measured latency, ms")
        panel.legend(fontsize=7)
    panels[0][0].set_ylabel("test top-1, %")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def baselines(parts: Parts, family: str) -> dict[str, Any]:
    names = [name for name in parts["latency"]["timings"] if name.startswith(family)]
    return {name: parts[f"baseline-{slug(name)}"] for name in names if f"baseline-{slug(name)}" in parts}


def main() -> None:
    found = {name: parts_of(FOLDER / f"{name}-0") for name in SETTINGS}
    remarks = FOLDER / "remarks.md"
    details: Mapping[str, Any] = next((parts["table"]["details"] for parts in found.values() if "table" in parts), {})
    lines = [
        "# Once-for-All on small data",
        "",
        f"{date.today()}. {details.get('cpu', '')}, one thread; ONNX Runtime {details.get('version', '')}, batch 1. "
        "One seed (n = 1); intervals are of the test images alone.",
        "",
        *([remarks.read_text().strip(), ""] if remarks.exists() else []),
        "![accuracy over latency](once_for_all.svg)",
        "",
    ]
    for name, parts in found.items():
        if any(part.startswith("supernet") for part in parts):
            lines += [f"## {TITLES[name]}", "", *trainings(parts), *front(parts), *second(parts)]
    draw(found, RESULTS / "once_for_all.svg")
    (RESULTS / "once_for_all.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
