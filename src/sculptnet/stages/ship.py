"""Export, accuracy with the runtime itself, timing of every file on the device, and the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sculptnet.arch import Architecture, Recipe, to_json
from sculptnet.cost import LatencyTable, Precision, conv_fc_weights, cost_of, macs, parameters
from sculptnet.data import subset
from sculptnet.devices import FileMemo, Timing, measure_onnx
from sculptnet.devices.measure import precisions_of
from sculptnet.export import Exported, export_model, save_network, versions
from sculptnet.export.session import classified_by_file
from sculptnet.export.weights import WEIGHTS
from sculptnet.files import write_json
from sculptnet.job import ImageJob
from sculptnet.learn.inference import classified
from sculptnet.nets import Network
from sculptnet.options import ImageOptions
from sculptnet.records import of_kind, write_record
from sculptnet.records.card import (
    Budget,
    ClassifierCard,
    ComparedFile,
    DeviceFacts,
    ImageSource,
    Measured,
    Predicted,
)
from sculptnet.records.run_events import DataSeen, FileTested
from sculptnet.search import Limit
from sculptnet.stages.file_checks import FILE_OF, MADE_FROM, Classified, compare_files, warnings_of
from sculptnet.stages.limits import limit_costs

CALIBRATION_IMAGES = 128


def ship(
    job: ImageJob,
    network: Network,
    recipe: Recipe,
    table: LatencyTable | None = None,
    limits: Sequence[Limit] = (),
) -> ClassifierCard:
    """Writes `model/` and returns its card; with a table, the card has its prediction, with limits what they limit."""
    job = job.at(network.architecture.resolution)
    job.say("Exporting, and measuring every exported file")
    network.eval()
    folder = job.run.model
    save_network(network, folder)
    write_json(folder / "recipe.json", to_json(recipe))
    exported = export_files(job, network, folder)
    tested = tested_files(job, network, exported)
    compared = compare_files(tested)
    warnings = warnings_of(exported, tested, compared)
    for warning in warnings:
        job.say(f"Warning: {warning}")
    for file in exported.files:
        if file.precision not in precisions_of(job.device):
            job.say(f"{job.device.name} runs no {file.precision.value}: {file.path.name} is not timed")
    timings = time_files(job, network, exported, alternate=True)
    loops = time_files(job, network, exported, alternate=False)
    card = replace(
        make_card(job, network.architecture, table, exported, tested, timings, loops),
        limits=limit_costs(limits, network.architecture),
        compared={name: ComparedFile.of(MADE_FROM[name], one) for name, one in compared.items()},
        warnings=tuple(warnings),
    )
    write_record(job.run.card, card)
    return card


def export_files(job: ImageJob, network: Network, folder: Path) -> Exported:
    """fp32 and int8 files; activation ranges are seen on training images."""
    calibration = subset(job.data.train, min(CALIBRATION_IMAGES, len(job.data.train)), job.options.seed)
    return export_model(
        network,
        job.preprocessing,
        job.data.classes,
        folder,
        calibration=[images.numpy() for images, _ in job.in_order(calibration)],
        progress=job.listener.progress,
    )


def tested_files(job: ImageJob, network: Network, exported: Exported) -> dict[str, Classified]:
    """What every file says of the test images, with the runtime that will run it; read once, here."""
    classes = len(job.data.classes)
    test = job.in_order(job.data.test)
    batches = job.counted(test, "testing weights")
    found = {WEIGHTS: Classified.of(*classified(network, batches, job.accelerator), classes)}
    network.to("cpu")
    for name, path in exported.paths().items():
        batches = job.counted(test, f"testing {name}")
        found[name] = Classified.of(*classified_by_file(path, batches, threads=job.options.threads), classes)
    for name, tested in found.items():
        job.log(FileTested(name, tested.accuracy))
    return found


def time_files(job: ImageJob, network: Network, exported: Exported, *, alternate: bool) -> dict[str, Timing]:
    """The latency, now, of every file that the device can run; some devices run `network` in the fp32 file's place.

    Args:
        job: the run.
        network: what was exported.
        exported: the files.
        alternate: between other work, as the table has it; else in a loop of nothing else, as benchmarks do.
    """
    able = precisions_of(job.device)
    return measure_onnx(
        {file.path.name: file.path.read_bytes() for file in exported.files if file.precision in able},
        job.device,
        modules={file.path.name: network for file in exported.files if file.precision is Precision.FP32},
        reference=job.reference(),
        alternate=alternate,
        memo=FileMemo(job.run.measurements),
        progress=job.listener.progress,
    )


def make_card(
    job: ImageJob,
    architecture: Architecture,
    table: LatencyTable | None,
    exported: Exported,
    tested: Mapping[str, Classified],
    timings: Mapping[str, Timing],
    loops: Mapping[str, Timing],
) -> ClassifierCard:
    """What is known of the model, without limits and comparisons."""
    request, origin = job.options, job.method.origin(job.options)
    judged = timings[FILE_OF[request.precision]]
    return ClassifierCard(
        name=job.run.folder.name,
        budget=budget_of(request),
        within_budget=None if request.latency_ms is None else judged.median_ms <= request.latency_ms,
        predicted=None if table is None else Predicted(cost_of(table, architecture), table.reference_ms),
        measured={name: measured(timing, loops[name]) for name, timing in timings.items()},
        accuracy={name: one.accuracy for name, one in tested.items()},
        parity=exported.parities(),
        macs=macs(architecture),
        conv_fc_weights=conv_fc_weights(architecture),
        parameters=parameters(architecture),
        classes=tuple(job.data.classes),
        preprocessing=job.preprocessing,
        data=ImageSource(
            name=job.data.name,
            train_images=len(job.data.train),
            test_images=len(job.data.test),
            grey=job.data.grey,
            notes=tuple(job.data.notes),
            warnings=_data_warnings(job),
            fingerprint=job.loaded.fingerprint,
        ),
        method=origin.method,
        network=origin.network,
        starting_weights=origin.starting_weights,
        seed=request.seed,
        device=DeviceFacts(job.device.name, job.device.describe()),
        versions=versions(),
    )


def _data_warnings(job: ImageJob) -> tuple[str, ...]:
    """What was said of the data before anything was trained; nothing where another run looked at it."""
    seen = of_kind(job.events(), DataSeen)
    return seen[-1].warnings if seen else ()


def budget_of(request: ImageOptions) -> Budget | None:
    """The budget and the file that it judges; None without a budget."""
    if request.latency_ms is None:
        return None
    return Budget(at_most=request.latency_ms, precision=request.precision, file=FILE_OF[request.precision])


def measured(timing: Timing, loop: Timing) -> Measured:
    """A timing as the card holds it; `loop` is at the speed of its own time."""
    return Measured(
        latency_ms=timing.median_ms,
        low_ms=timing.low_ms,
        high_ms=timing.high_ms,
        noise_percent=timing.noise_percent,
        reference_ms=timing.reference_ms,
        loop_ms=loop.median_ms,
    )
