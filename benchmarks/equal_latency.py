"""Found networks against MobileNetV2 scaled, and random networks, at equal measured latency; several seeds.

    python benchmarks/equal_latency.py fashion_mnist
    python benchmarks/equal_latency.py path/to/imagenette2 --latency-ms 6 --resolution 64

Each seed is one run directory, so the script goes on where it was stopped. Writes `results/equal_latency_DATA.md`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import mean, stdev

import sculptnet
from sculptnet import settings
from sculptnet.files import read_json, write_atomic
from sculptnet.method import NamedMethod
from sculptnet.records import of_kind
from sculptnet.records.run_events import BaselineJudged
from sculptnet.runs import RunDirectory
from sculptnet.spaces.named import SpaceSettings

RESULTS = Path(__file__).parent / "results"
NAMES = {"found": "found network", "mobilenet_v2": "MobileNetV2, scaled", "random": "random network of the space"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--latency-ms", type=float, default=0.5)
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--runs", type=Path, default=Path("runs/equal_latency"))
    return parser.parse_args()


def run_seed(given: argparse.Namespace, seed: int) -> tuple[sculptnet.FitResult, dict[str, dict[str, float]]]:
    """One seed: accuracy and latency of each contender."""
    groups = settings.split(given.settings, ("search", "space", "recipe"))
    result = sculptnet.fit(
        given.data,
        given.latency_ms,
        resolution=given.resolution,
        minutes=given.minutes,
        seed=seed,
        method=NamedMethod(None, groups["search"]),
        space=SpaceSettings(groups["space"]),
        recipe=groups["recipe"],
        baselines=True,
        run_dir=given.runs / f"{Path(given.data).name}-{seed}",
    )
    assert isinstance(result, sculptnet.FitResult)
    assert result.card is not None
    assert result.card.budget is not None
    file = result.card.budget.file
    found = {
        "found": {
            "top1": result.card.accuracy[file].top1,
            "latency_ms": result.card.measured[file].latency_ms,
            "macs": result.card.macs,
        }
    }
    for event in of_kind(RunDirectory(result.folder).events(print), BaselineJudged):
        if event.name in NAMES:
            found[event.name] = {"top1": event.accuracy.top1, "latency_ms": event.latency_ms, "macs": event.macs}
    return result, found


def spread(values: Sequence[float], scale: float, digits: int) -> str:
    """Mean and standard deviation, with every value behind them."""
    scaled = [value * scale for value in values]
    deviation = f" ± {stdev(scaled):.{digits}f}" if len(scaled) > 1 else ""
    return f"{mean(scaled):.{digits}f}{deviation} ({', '.join(f'{value:.{digits}f}' for value in scaled)})"


def page(given: argparse.Namespace, card: dict[str, object], seeds: list[dict[str, dict[str, float]]]) -> str:
    """The result as a Markdown page."""
    rows = [
        f"| {title} | {spread([seed[name]['latency_ms'] for seed in seeds], 1, 3)} | "
        f"{spread([seed[name]['top1'] for seed in seeds], 100, 2)} | "
        f"{spread([seed[name]['macs'] for seed in seeds], 1e-6, 2)} |"
        for name, title in NAMES.items()
    ]
    return "\n".join(
        [
            f"# Equal measured latency: {Path(given.data).name}, {date.today()}",
            "",
            f"Budget {given.latency_ms:g} ms, {given.minutes:g} minutes a search, seeds 0 to {given.seeds - 1}, "
            f"settings: {' '.join(given.settings) or 'none'}. Mean ± standard deviation over {len(seeds)} seeds "
            "(each seed). All contenders are trained with the same recipe for as many epochs and tested with the "
            "runtime on the test images; what the search itself took is not counted against the found network.",
            "",
            "| network | measured latency, ms | top-1, % | M MACs |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Device: `{json.dumps(card['device'])}`",
            "",
            f"Versions: `{json.dumps(card['versions'])}`",
            "",
        ]
    )


def main() -> None:
    given = arguments()
    finished = [run_seed(given, seed) for seed in range(given.seeds)]
    card = read_json(RunDirectory(finished[0][0].folder).card)
    name = f"equal_latency_{Path(given.data).name}.md"
    write_atomic(RESULTS / name, page(given, card, [found for _, found in finished]))
    print((RESULTS / name).read_text())


if __name__ == "__main__":
    main()
