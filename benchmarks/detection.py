"""A detector of blood cells, trained on a CPU from published ImageNet weights: average precision, and a picture.

    python benchmarks/detection.py ARCHIVE [--work FOLDER] [--epochs 16] [--size 256] [--measure-again]

ARCHIVE: the BCCD photographs with their VOC annotations (MIT licence), a folder or a .tar: 364 photographs of 640x480
pixels in three splits. The run is kept in FOLDER and goes on after a kill; with `--measure-again` its file is timed
once more: then nothing else should run. Writes `results/detection.md` and `results/detection.png`. Needs
`sculptnet[detection,baselines]`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import sculptnet
from sculptnet.data.detection import evaluation_batches, read_boxes
from sculptnet.export.detector_files import MODEL, load_detector
from sculptnet.files import read_json, write_atomic
from sculptnet.listening import Listener
from sculptnet.methods.given_detector import GivenDetector
from sculptnet.option_groups import Accelerator
from sculptnet.options import DetectOptions
from sculptnet.plain import from_command
from sculptnet.records import write_record
from sculptnet.records.card import DetectorCard, read_card_of
from sculptnet.runs import RunDirectory
from sculptnet.stages.ship import measured
from sculptnet.tasks import detect_open
from sculptnet.tasks.detect_ship import timed

RESULTS = Path(__file__).parent / "results"
PICTURE_PHOTOS, PICTURE_WIDTH, PICTURE_COLOURS = 2, 440, 128


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/bccd"))
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--measure-again", action="store_true")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    recipe = {"epochs": given.epochs, "batch_size": 8, "augmentation.crop": False, "augmentation.zoom_out": 1.0}
    result = sculptnet.detect(
        "efficientnet_lite0",
        given.archive,
        pretrained=True,
        size=given.size,
        accelerator=Accelerator.CPU,
        recipe=recipe,
        run_dir=given.work,
    )
    print(result.summary())
    if given.measure_again:
        measure_again(given.work)
    draw(given.archive, result.folder)
    lines = (result.folder / "metrics.jsonl").read_text().splitlines()
    epochs = [event for event in map(json.loads, lines) if event["event"] == "train_epoch"]
    card = read_json(RunDirectory(result.folder).card)
    settings = [f"recipe.{name}={value}" for name, value in recipe.items()]
    write_atomic(RESULTS / "detection.md", page(card, epochs, settings, again=given.measure_again))


def measure_again(folder: Path) -> None:
    """Times a finished run's file once more, as it was when it was shipped; and notes that in its card."""
    run = RunDirectory(folder)
    options = from_command(DetectOptions, run.info().command, {"run_dir": folder, "listener": Listener(print)})
    job = detect_open.opened(options, GivenDetector(), time.monotonic)
    photo = next(evaluation_batches(job.data.train, job.preprocessing, 1)).numpy()
    run.measurements.unlink()
    timings, loops = timed(job, load_detector(run.model)[0], run.model / MODEL, photo)
    again = {name: measured(timing, loops[name]) for name, timing in timings.items()}
    write_record(run.card, replace(read_card_of(run.card, DetectorCard), measured=again))


def draw(archive: Path, run: Path) -> None:
    """The first test photographs with what the shipped script finds, beside each other."""
    test, folder = read_boxes(archive).test, run / "picture"
    folder.mkdir(exist_ok=True)
    photos = [folder / Path(name).name for name in test.names[:PICTURE_PHOTOS]]
    for name, photo in zip(test.names, photos, strict=False):
        photo.write_bytes(test.store.read(name))
    script = [sys.executable, str(run / "model" / "predict.py"), "--out", str(folder / "drawn"), *map(str, photos)]
    subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
    drawn = [Image.open(folder / "drawn" / f"{photo.stem}.png").convert("RGB") for photo in photos]
    height = round(PICTURE_WIDTH * drawn[0].height / drawn[0].width)
    picture = Image.new("RGB", (PICTURE_WIDTH * len(drawn), height))
    for place, image in enumerate(drawn):
        picture.paste(image.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS), (place * PICTURE_WIDTH, 0))
    picture.quantize(PICTURE_COLOURS).save(RESULTS / "detection.png", optimize=True)


def page(card: Mapping[str, Any], epochs: list[dict[str, Any]], settings: list[str], *, again: bool) -> str:
    """The result as Markdown."""
    found, data, device, agreement = card["detection"], card["data"], card["device"], card["parity"]["model.onnx"]
    minutes = sum(event["seconds"] for event in epochs) / 60
    steps = [f"{event['map50']:.0%}" for event in epochs if "map50" in event]
    classes = [
        f"| {one['name']} | {one['boxes']} | {one['ap50']:.1%} | {one['ap']:.1%} |" for one in found["per_class"]
    ]
    times = [
        f"| {name} | {one['latency_ms']:.2f} ({one['low_ms']:.2f} to {one['high_ms']:.2f}) | {one['loop_ms']:.2f} |"
        for name, one in card["measured"].items()
    ]
    beside = "timed again while nothing else ran" if again else "other programs ran meanwhile"
    overlap = (
        " The intervals overlap: what that costs is lost in their noise." if _overlapping(card["measured"]) else ""
    )
    return f"""# A detector of blood cells

{datetime.date.today()}. SSDLite on EfficientNet-Lite0 ({card["preprocessing"]["size"]} px, {card["macs"] / 1e6:.0f} M
multiply-adds, {card["parameters"] / 1e6:.2f} M parameters), started from its published ImageNet weights and trained for
{len(epochs)} epochs on BCCD's {data["train_images"]} training photographs ({data["train_boxes"]:,} boxes) in
{minutes:.0f} minutes of wall-clock time with one thread of a busy machine; one seed, {card["seed"]}.
{platform.system()} {platform.machine()}, {device["cpu"]}, Python {platform.python_version()},
PyTorch {torch.__version__}. Settings: {", ".join(settings)}; everything else is the default.

On {found["images"]} test photographs, by the exported file in ONNX Runtime: **mAP@0.5 {found["map50"]:.1%}**,
mAP {found["map"]:.1%} (pycocotools; the test photographs were read once, after the training).

| class | test boxes | AP@0.5 | AP |
|---|---|---|---|
{chr(10).join(classes)}

mAP@0.5 on the {data["monitor_images"]} monitoring photographs, epoch by epoch: {", ".join(steps)}.

Two boxes without area were reported and dropped: {"; ".join(data["dropped"])}.

The file's boxes and PyTorch's: {agreement["same"]:.1%} the same on {agreement["num_images"]} photographs
({agreement["boxes"]} boxes), up to {agreement["max_pixels"]:.2g} pixels apart.

| {device["name"]}, ms | median between other work (95 % interval) | in a loop |
|---|---|---|
{chr(10).join(times)}

`model.onnx` decodes boxes and drops overlaps itself, on the first training photograph; {beside}.{overlap}

![Two test photographs with what the shipped script finds](detection.png)

The first two test photographs as `model/predict.py` draws them: probabilities of 30 % and more.
"""


def _overlapping(measured: Mapping[str, Any]) -> bool:
    """Whether all intervals have a value in common."""
    lows, highs = ([float(one[end]) for one in measured.values()] for end in ("low_ms", "high_ms"))
    return max(lows) <= min(highs)


if __name__ == "__main__":
    main()
