"""A made-up run with everything in it, plausible numbers drawn from one seed; cards; what a page says."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D

from sculptnet.accuracy import Accuracy
from sculptnet.arch import Block, SearchSpace, TensorShape
from sculptnet.average_precision import BoxScore, ClassScore
from sculptnet.cost import cost_of
from sculptnet.cost.entries import entries_of
from sculptnet.cost.table import HeldOut, LatencyTable
from sculptnet.data import Preprocessing
from sculptnet.data.detection.preprocessing import BoxPreprocessing
from sculptnet.records import Event, TrialRecord
from sculptnet.records.card import (
    Agreement,
    BoxAgreement,
    BoxRules,
    BoxSource,
    Budget,
    ClassifierCard,
    DetectorCard,
    DeviceFacts,
    ImageSource,
    Measured,
    Predicted,
)
from sculptnet.records.run_events import BaselineJudged, Feasibility
from sculptnet.records.search_events import SearchDraws, SearchEpoch
from sculptnet.records.training_events import TrainEpoch
from sculptnet.report import Part, ReportData, Section, SectionMaker
from sculptnet.report.page import document
from sculptnet.report.sections import layer_diversity, search_over_epochs, searched_from_scratch
from sculptnet.report.values import Head, Verdict
from sculptnet.spaces import fbnet

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
ALIKE = {(0, 6): 9.0, (6, 0): 11.0, (2, 4): 6.0, (4, 2): 5.0, (2, 6): 6.0, (6, 2): 5.0, (4, 6): 6.0, (6, 4): 5.0}


def accuracy_at(top1: float, classes: int, images: int, rng: np.random.Generator) -> Accuracy:
    """A confusion matrix with about that accuracy; some pairs of classes are confused more often."""
    per_class = images // classes
    weights = rng.gamma(0.4, 1.0, (classes, classes))
    for (true, other), weight in ALIKE.items():
        if classes == len(FASHION):
            weights[true, other] += weight
    np.fill_diagonal(weights, 0)
    errors = weights * (1 - top1) * images / weights.sum()
    confusion = rng.poisson(errors)
    np.fill_diagonal(confusion, 0)
    np.fill_diagonal(confusion, np.maximum(0, per_class - confusion.sum(axis=1)))
    return Accuracy(tuple(tuple(row) for row in confusion.tolist()))


def made_up_latency_ms(block: Block, shape: TensorShape) -> float:
    """About what a block takes, without building it."""
    hidden = shape.channels * float(getattr(block, "expansion", 1)) / float(getattr(block, "groups", 1))
    before = shape.channels + 9 if hasattr(block, "expansion") else 0
    return 0.006 + shape.height * shape.width * hidden * (before + block.out_channels) / 6e6


def made_up_table(space: SearchSpace, rng: np.random.Generator) -> LatencyTable:
    """Latencies that grow with the work, and twenty held-out networks."""
    entries = {
        (block, shape): made_up_latency_ms(block, shape) * float(rng.lognormal(0, 0.05))
        for block, shape in entries_of(space)
        if not block.is_identity(shape.channels)
    }
    table = LatencyTable("onnxruntime-1t", entries, 1.03, 0.021, seconds=11.4)
    rows = space.sample(rng, 20)
    predicted = [cost_of(table, space.decode(row).architecture) for row in rows]
    measured = [value * float(rng.normal(1.003, 0.018)) for value in predicted]
    ratios = np.array(predicted) / np.array(measured) - 1
    held_out = HeldOut(
        20,
        float(100 * np.abs(ratios).mean()),
        float(100 * ratios.mean()),
        0.988,
        0.7,
        tuple(zip(predicted, measured, strict=True)),
    )
    return LatencyTable("onnxruntime-1t", entries, 1.03, 0.021, held_out=held_out, seconds=11.4)


def search_events(
    space: SearchSpace, table: LatencyTable, target: npt.NDArray[np.int64], epochs: int, rng: np.random.Generator
) -> list[Event]:
    """A gradient search that becomes sure of `target` little by little."""
    speed = rng.uniform(0.02, 0.09, len(target))
    noise = [rng.normal(0, 1, int(options)) for options in space.num_options]
    warm_up = max(1, epochs // 9)
    events: list[Event] = []
    for epoch in range(1, epochs + 1):
        age = max(0, epoch - warm_up) * 90 / epochs
        logits = [
            np.eye(int(options))[pick] * pace * age + 0.012 * age * extra
            for options, pick, pace, extra in zip(space.num_options, target, speed, noise, strict=True)
        ]
        rows = [np.exp(row) / np.exp(row).sum() for row in logits]
        learning = epoch <= warm_up
        events.append(
            SearchEpoch(
                epoch=epoch,
                epochs=epochs,
                phase="weights" if learning else "architecture",
                loss=0.42 + 1.9 * math.exp(-epoch / 18 * 90 / epochs) + float(rng.normal(0, 0.02)),
                theta_loss=None if learning else 0.9 + 2.2 * math.exp(-epoch / 22) + float(rng.normal(0, 0.03)),
                accuracy=0.88 - 0.6 * math.exp(-epoch / 15 * 90 / epochs) + float(rng.normal(0, 0.004)),
                tau=5.0 * math.exp(-0.045 * 90 / epochs * (epoch - 1)),
                entropy=float(np.mean([-(row * np.log(row)).sum() for row in rows])),
                expected_cost=0.95 + 0.55 * math.exp(-age / 25) + float(rng.normal(0, 0.006)),
                cost=table.name,
                probabilities={
                    path: tuple(round(float(p), 5) for p in row)
                    for path, row in zip(space.decisions, rows, strict=True)
                },
                seconds=1.1,
                time=1_700_000_000.0 + epoch,
            )
        )
    return [*events, SearchDraws(pass_rate=0.37, cost=table.name, at_most=1.0, time=1_700_000_100.0)]


def train_epoch(trial: int | str, epoch: int, **changes: Any) -> TrainEpoch:
    """An epoch of a training of twelve; what is in no field of it is a metric."""
    values: dict[str, Any] = {"epochs": 12, "loss": 1.0, "learning_rate": 0.1, "seconds": 2.0}
    own = {name: changes.pop(name) for name in [*values, "time"] if name in changes}
    return TrainEpoch(**{**values, **own}, epoch=epoch, trial=trial, metrics=changes)


def train_events(trial: int | str, epochs: int, best: float, rng: np.random.Generator) -> list[Event]:
    """A training that comes to the accuracy `best`."""
    return [
        train_epoch(
            trial,
            epoch,
            epochs=epochs,
            loss=0.28 + 1.4 * math.exp(-2.2 * epoch / epochs * 2) + float(rng.normal(0, 0.01)),
            learning_rate=0.05 * (1 + math.cos(math.pi * (epoch - 1) / epochs)),
            top1=best - 0.22 * math.exp(-4.5 * epoch / epochs) + float(rng.normal(0, 0.003)),
            seconds=4.1,
            time=1_700_000_200.0 + epoch,
        )
        for epoch in range(1, epochs + 1)
    ]


def baseline(name: str, **changes: Any) -> BaselineJudged:
    """A network to compare with."""
    values: dict[str, Any] = {
        "accuracy": Accuracy(((90, 10), (20, 80))),
        "latency_ms": 1.0,
        "low_ms": 0.99,
        "high_ms": 1.01,
        "macs": 2_100_000,
        "parameters": 340_000,
    }
    return BaselineJudged(name=name, **{**values, **changes})


def made_up_run(seed: int = 7, epochs: int = 90) -> ReportData:
    """The whole run: search, eight trials, one network, two baselines."""
    rng = np.random.default_rng(seed)
    space = fbnet(10, 28, width=0.5, stem_stride=2)
    table = made_up_table(space, rng)
    target = space.canonical(rng.choice(9, (1, 22), p=[0.1, 0.06, 0.14, 0.12, 0.1, 0.04, 0.12, 0.12, 0.2]))[0]
    architecture = space.decode(target).architecture
    fast = cost_of(table, architecture)
    at_most = round(1.06 * fast, 2)
    events: list[Event] = [Feasibility(cost=table.name, fastest=0.31, median=1.6, slowest=4.4, at_most=at_most)]
    events += search_events(space, table, target, epochs, rng)
    trials = []
    for trial in range(8):
        row = target if trial == 4 else space.mutate(target[None], rng, 0.25)[0]
        predicted = cost_of(table, space.decode(row).architecture)
        best = 0.868 + 0.02 * math.log(predicted / fast + 0.5) + float(rng.normal(0, 0.004))
        best += 0.012 if trial == 4 else 0
        metrics = {"top1": best, "predicted_latency_ms": predicted}
        if trial % 4 != 3:
            measured = predicted * float(rng.normal(1, 0.012))
            metrics |= {
                "measured_latency_ms": measured,
                "measured_latency_low_ms": measured * 0.995,
                "measured_latency_high_ms": measured * 1.006,
            }
        error = "TrainingDiverged: the loss is nan" if trial == 6 else None
        trials.append(TrialRecord(trial, tuple(row.tolist()), metrics=metrics, error=error))
        events += train_events(trial, 5, best, rng)
    events += train_events("final", 12, 0.915, rng)
    for name, top1, factor in (("mobilenet_v2", 0.902, 1.01), ("random", 0.894, 0.985)):
        events += train_events(f"baseline:{name}", 12, top1, rng)
        ends = {"low_ms": fast * factor * 0.994, "high_ms": fast * factor * 1.007}
        accuracy = accuracy_at(top1, 10, 10_000, rng)
        events.append(baseline(name, accuracy=accuracy, latency_ms=fast * factor, **ends))
    return ReportData(
        title="Fashion-MNIST in 1 ms",
        command=f"sculptnet fit fashion_mnist --latency-ms {at_most} --baselines",
        events=events,
        trials=trials,
        card=made_up_card(fast, at_most, rng),
        table=table,
        architecture=architecture,
        space=space,
        seconds=341.0,
    )


def measured(latency_ms: float, low_ms: float | None = None, high_ms: float | None = None) -> Measured:
    """The latency of a file; its interval is narrow where none is given."""
    low = 0.994 * latency_ms if low_ms is None else low_ms
    return Measured(latency_ms, low, 1.007 * latency_ms if high_ms is None else high_ms, 0.8, 0.5, 0.97 * latency_ms)


def card_of(**changes: Any) -> ClassifierCard:
    """The card of a classifier of two classes in half a millisecond, without a budget."""
    plain = ClassifierCard(
        name="run",
        budget=None,
        within_budget=None,
        predicted=None,
        measured={"model.onnx": measured(0.5)},
        accuracy={"model.onnx": Accuracy(((90, 10), (20, 80)))},
        parity={},
        macs=1_571_000,
        conv_fc_weights=700_000,
        parameters=755_306,
        classes=("cat", "dog"),
        preprocessing=Preprocessing(28, 28, (0.286, 0.286, 0.286), (0.353, 0.353, 0.353)),
        data=ImageSource("photos", 400, 200, grey=False, notes=(), warnings=(), fingerprint="f"),
        method="fbnet",
        seed=0,
        device=DeviceFacts("onnxruntime-1t", {"runtime": "onnxruntime", "threads": 1}),
        versions={"sculptnet": "0.1.0", "torch": "2.15.0"},
    )
    return replace(plain, **changes)


def judged(at_most: float, latency: Measured, **changes: Any) -> ClassifierCard:
    """A card whose fp32 file is judged by a budget."""
    within = latency.latency_ms <= at_most
    budget = Budget(at_most=at_most, file="model.onnx")
    return card_of(budget=budget, within_budget=within, measured={"model.onnx": latency}, **changes)


def made_up_card(fast: float, at_most: float, rng: np.random.Generator) -> ClassifierCard:
    """What export writes beside the model."""
    two = {"model.onnx": measured(fast * 1.012), "model.int8.onnx": measured(fast * 0.71)}
    plain = judged(
        at_most,
        two["model.onnx"],
        predicted=Predicted(fast, None),
        accuracy={
            "model.onnx": accuracy_at(0.913, 10, 10_000, rng),
            "model.int8.onnx": accuracy_at(0.909, 10, 10_000, rng),
            "weights.safetensors": accuracy_at(0.913, 10, 10_000, rng),
        },
        classes=FASHION,
        parity={
            "model.onnx": Agreement(3.1e-6, 11.2, 1.0, 256),
            "model.int8.onnx": Agreement(1.9, 11.2, 0.98, 256),
        },
        data=ImageSource(
            "fashion_mnist",
            60_000,
            10_000,
            grey=True,
            notes=("47 near-duplicates between training and test images",),
            warnings=(),
            fingerprint="f",
        ),
    )
    return replace(plain, measured=two)


def detector_card_of(names: tuple[str, ...], **changes: Any) -> DetectorCard:
    """The card of a detector within its budget; the last class has no test box."""
    scores = [ClassScore(name, 0.3, 0.6, 7, (1.0,) * 60 + (0.0,) * 41) for name in names[:-1]]
    plain = DetectorCard(
        name="run",
        budget=Budget(at_most=5.0, file="model.onnx"),
        within_budget=True,
        measured={"model.onnx": measured(4.0), "without NMS": measured(3.5)},
        detection=BoxScore(0.3, 0.6, 5, (*scores, ClassScore(names[-1], None, None, 0, ()))),
        files={},
        parity={"model.onnx": BoxAgreement(1.0, 1e-5, 1e-4, 30, 8)},
        macs=3_000_000,
        parameters=40_000,
        classes=names,
        network="some_network",
        starting_weights="drawn",
        detector=BoxRules(len(names), 0.2, 0.9, 0.01, 0.5, 100, 600, None),
        preprocessing=BoxPreprocessing(64, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
        data=BoxSource("things", 5, 5, 5, 5, 5, 5, ("a note",), ("a.xml, object 1: has no area",), "f"),
        seed=0,
        device=DeviceFacts("fake", {}),
        versions={"torch": "1"},
    )
    return replace(plain, **changes)


def every_section(source: ReportData) -> tuple[SectionMaker, ...]:
    """The sections of a search that has all of them."""
    return searched_from_scratch(source, search_over_epochs, layer_diversity)


# ---------------------------------------------------------------------- what a page says
VOID = {"meta", "link", "br", "hr", "img"}


class Outline(HTMLParser):
    """Tags with attributes, in order, and the text; checks that every tag is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute of <{tag}> stands twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return [name for name, _ in self.tags].count(tag)

    def of(self, name: str) -> list[str]:
        """The values of an attribute, in order."""
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


def line_of(line: Line2D) -> tuple[list[float], list[float]]:
    """The points of a line that was drawn: all x, all y."""
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def markup_of(*parts: Part) -> str:
    """The parts as they stand in a page."""
    page = document("run.html", Head("", verdict=Verdict("")), parts)
    return page[page.index("<main>") : page.index("</main>") + 7]


def text_of(part: Part) -> str:
    """What a section says, without markup; what its figures say stands in `desc`."""
    assert isinstance(part, Section)
    return Outline(markup_of(part)).text
