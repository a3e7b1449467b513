"""The front of a supernet that `once_for_all.py` trained, at the latencies of its baselines, and one more device.

    python -m benchmarks.once_for_all_front fashion_mnist --work FOLDER
    python -m benchmarks.once_for_all_front fashion_mnist --work FOLDER --only table

Arguments as in `once_for_all.py`, whose trainings come first. Stages: `table` measures the space and the baselines in
ONNX Runtime, one thread; the baselines' latencies are the budgets, with a few between. `front` samples the better of
the two supernets (by held-out images), learns to predict, and finds the best network for each budget. `latency`
measures what was found beside the baselines, in turn. `second_table` and `second` make networks for one more device,
and time it. `table`, `latency` and `second_table` want an idle machine and go on where they were stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from benchmarks.once_for_all import Work, open_work, parser

from sculptnet import blocks
from sculptnet.arch import Architecture, architecture_from_json
from sculptnet.cost import FactoredCost, LatencyTable, Precision, table_from_json
from sculptnet.devices import FileMemo, Quality, Timing, measure_networks, measure_table, open_device
from sculptnet.devices.measure import graphs_of
from sculptnet.devices.tables import reference_network
from sculptnet.evaluate import FromPredictor, FromSupernet
from sculptnet.export import export_model
from sculptnet.files import read_json, write_json
from sculptnet.learn import AccuracyPredictor, fit_accuracy_predictor
from sculptnet.methods.shrinking import Schedule
from sculptnet.methods.supernet_learning import load_supernet
from sculptnet.methods.supernet_search import ends_of
from sculptnet.nets import Network
from sculptnet.runs import FileCheckpoint, append_record, read_records
from sculptnet.search import Evolution, Limit, Objective, Problem, RandomSearch, TrialRecord, drive, run
from sculptnet.streams import stream_seed

STAGES = ("table", "front", "latency", "second_table", "second")
FIRST, SECOND = "onnxruntime", "openvino"
FINALISTS, MARGIN = 6, 1.03  # networks of a budget that all held-out images judge; room that tables need
METRIC = "predicted_top1"
QUALITY = Quality()
SECOND_BUDGETS = (0.15, 0.4, 0.7)  # parts of the way from the fastest network to the slowest


def arguments() -> argparse.Namespace:
    found = parser(__doc__)
    found.add_argument("--only", choices=STAGES, nargs="+", default=list(STAGES))
    return found.parse_args()


@dataclass(frozen=True, eq=False)
class Specialiser:
    """The better supernet: what judges its networks, and what predicts their accuracy."""

    schedule: str
    judge: FromSupernet
    predictor: AccuracyPredictor
    sampling_s: float


# ---------------------------------------------------------------------- what the device takes
def table_of(work: Work, device: str) -> LatencyTable:
    """The table of the space: read if it is there, else measured."""
    path = work.folder / f"table-{device}.json"
    work.folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        opened, memo = open_device(device, 1), FileMemo(work.folder / f"measured-{device}.jsonl")
        write_json(path, measure_table(work.space, opened, seed=work.seed, quality=QUALITY, memo=memo).to_json())
    return table_from_json(read_json(path), blocks.ALL)


def timed(work: Work, architectures: Mapping[str, Architecture], quality: Quality) -> dict[str, Timing]:
    """Between runs of the table's reference network, each in turn."""
    reference = graphs_of(Precision.FP32).network(reference_network(work.space))
    memo, device = FileMemo(work.folder / "measured-networks.jsonl"), open_device(FIRST, 1)
    return measure_networks(architectures, device, reference=reference, alternate=True, quality=quality, memo=memo)


def summary(work: Work, table: LatencyTable) -> dict[str, Any]:
    (_, fastest_ms), (_, slowest_ms) = FactoredCost(work.space, table).extremes()
    held_out = asdict(table.held_out) if table.held_out else {}
    error = {name: held_out[name] for name in ("networks", "mape_percent", "spearman", "noise_percent")}
    measured = {"device": table.device, "details": dict(table.details), "entries": len(table.entries_ms)}
    return {**measured, "seconds": table.seconds, "error": error, "fastest_ms": fastest_ms, "slowest_ms": slowest_ms}


def table_stage(work: Work) -> None:
    """The table, and as budgets the baselines' latencies at its speed, with some between."""
    table = table_of(work, FIRST)
    assert table.reference_ms is not None
    found = summary(work, table)
    baselines = {
        name: timing.at(table.reference_ms).median_ms
        for name, timing in timed(work, work.setting.baselines(work.classes), QUALITY).items()
    }
    fastest_ms, slowest_ms = found["fastest_ms"], found["slowest_ms"]
    between = {f"{part:.0%} of the way": fastest_ms + part * (slowest_ms - fastest_ms) for part in work.setting.between}
    work.finish("table", {**found, "budgets_ms": {**between, **baselines}})


# ---------------------------------------------------------------------- networks for a device
def specialiser(work: Work) -> Specialiser:
    """Loads the better supernet; samples of it that are missing are taken."""
    mean = {
        schedule.value: sum(one["held_out"] for one in work.done(f"supernet-{schedule.value}")["networks"].values())
        for schedule in Schedule
    }
    schedule = max(mean, key=lambda name: mean[name])
    folder = work.folder / f"supernet-{schedule}"
    supernet, source = load_supernet(FileCheckpoint(folder / "supernet"), work.space)
    begun, samples = time.process_time(), folder / "samples.jsonl"
    problem = Problem(work.space, (Objective("top1"),))
    records = run(
        RandomSearch().search(problem, stream_seed(work.seed, "samples")),
        problem,
        work.judge(supernet, work.watched()),
        work.setting.samples,
        known=read_records(samples, TrialRecord, print),
        log=lambda record: append_record(samples, record),
    )
    rows, accuracies = [record.choices for record in records], [record.metrics["top1"] for record in records]
    predictor = fit_accuracy_predictor(work.space, rows, accuracies, source=source, seed=work.seed)
    return Specialiser(schedule, work.judge(supernet), predictor, time.process_time() - begun)


def specialised(
    work: Work, found: Specialiser, table: LatencyTable, at_most_ms: float
) -> tuple[Network, dict[str, Any]]:
    """The best network within a budget: evolution on predictions, then the finalists on all held-out images.

    The finalists are those of the best predictions, and the ends of the space where they are within the budget.
    """
    begun = time.monotonic()
    problem = Problem(work.space, (Objective(METRIC),), (Limit(table, at_most_ms / MARGIN),))
    results = drive(Evolution().search(problem, work.seed), FromPredictor(found.predictor, METRIC).score)
    order = (-results.column(METRIC)).argsort(kind="stable")[:FINALISTS]
    ends = ends_of(work.space)
    rows = np.concatenate([results.choices[order], ends[problem.feasible(ends)]])
    searched = time.monotonic()
    finalists = []
    for index, row in enumerate(rows):
        network = found.judge.network(work.space.decode(row).architecture)
        finalists.append((work.held_out_top1(network), index, network))
    held_out, index, network = max(finalists, key=lambda finalist: finalist[0])
    choices = rows[[index]]
    facts = {
        "at_most_ms": at_most_ms,
        "predicted_ms": float(problem.costs(choices)["predicted_latency_ms"][0]),
        "predicted_top1": float(found.predictor.of(choices)[0]),
        "held_out": held_out,
        "search_s": searched - begun,
        "finalists_s": time.monotonic() - searched,
    }
    return network, facts


def reachable(budgets_ms: Mapping[str, float], fastest_ms: float) -> dict[str, float]:
    return {name: at_most for name, at_most in budgets_ms.items() if at_most >= fastest_ms * MARGIN}


def front_stage(work: Work) -> None:
    table, budgets = table_of(work, FIRST), work.done("table")
    found, networks = specialiser(work), {}
    for name, at_most_ms in reachable(budgets["budgets_ms"], budgets["fastest_ms"]).items():
        network, facts = specialised(work, found, table, at_most_ms)
        networks[name] = {**facts, **work.tested(network)}
    error = {key: value for key, value in asdict(found.predictor.error).items() if value == value}
    learned = {"schedule": found.schedule, "predictor": error, "sampling_cpu_s": found.sampling_s}
    work.finish("front", {**learned, "networks": networks})


def latency_stage(work: Work) -> None:
    """Everything that has an accuracy, in turn, in one measurement."""
    front = work.done("front")["networks"]
    found = {f"found: {name}": architecture_from_json(one["architecture"], blocks.ALL) for name, one in front.items()}
    models = {**found, **work.setting.baselines(work.classes), **work.architectures}
    timings = timed(work, models, Quality(rounds=16, chunk_ms=3.0))
    work.finish("latency", {"timings": {name: asdict(timing) for name, timing in timings.items()}})


def second_stage(work: Work) -> None:
    """Networks of the same supernet for one more device, and what each step takes."""
    table = table_of(work, SECOND)
    about, networks = summary(work, table), {}
    begun = time.monotonic()
    found = specialiser(work)
    learned_s = time.monotonic() - begun
    for part in SECOND_BUDGETS:
        at_most_ms = about["fastest_ms"] + part * (about["slowest_ms"] - about["fastest_ms"])
        network, facts = specialised(work, found, table, at_most_ms)
        begun = time.monotonic()
        preprocessing = work.preprocessing.at(network.architecture.resolution)
        export_model(network, preprocessing, work.images.classes, work.folder / f"{SECOND}-{at_most_ms:.3f}ms")
        networks[f"{part:.0%} of the way"] = {
            **facts,
            "export_s": time.monotonic() - begun,
            **work.tested(network),
        }
    work.finish("second", {**about, "loading_and_predictor_s": learned_s, "networks": networks})


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    work = open_work(given)
    steps = {"table": table_stage, "front": front_stage, "latency": latency_stage, "second": second_stage}
    for stage in STAGES:
        if stage not in given.only or work.done(stage):
            continue
        if stage == "second_table":
            table_of(work, SECOND)
        else:
            steps[stage](work)


if __name__ == "__main__":
    main()
