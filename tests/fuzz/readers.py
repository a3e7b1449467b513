"""The readers of users' files, each with a whole file of its kind."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.torch import save
from tests.cards import CLASSIFIER, DETECTOR
from tests.search.joint_toy import QUICK, SPACE, TOP1

from sculptnet import settings
from sculptnet.arch import Architecture, Recipe, TensorShape, recipe_from_json, to_json
from sculptnet.arch.recipe import AdamW
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv
from sculptnet.cli.showing import show_target
from sculptnet.cost import LatencyTable
from sculptnet.cost.energy import Energy, energy_from_json
from sculptnet.cost.table import HeldOut
from sculptnet.data.folders import folder
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.devices.agent import open_archive
from sculptnet.devices.graphs import Graphs
from sculptnet.devices.memo import FileMemo
from sculptnet.devices.onnx_files import read_onnx, sized
from sculptnet.devices.plan import Plan, Quality
from sculptnet.devices.remote.packing import Order, packed
from sculptnet.devices.remote.results import read_results
from sculptnet.export.metadata import Metadata, attach
from sculptnet.export.session import OnnxModel
from sculptnet.export.weights import load_network, save_network
from sculptnet.files import read_given
from sculptnet.learn import fit_accuracy_predictor, load_accuracy_predictor
from sculptnet.nets import Network
from sculptnet.networks import published_of
from sculptnet.records import TrialRecord
from sculptnet.records.card import read_card
from sculptnet.records.codec import read_record, to_line, to_plain
from sculptnet.records.events import event_to_line
from sculptnet.records.training_events import TrainEpoch
from sculptnet.runs import FileCheckpoint, RunDirectory, RunInfo
from sculptnet.search.joint_search.predictor import load_joint_predictor, pretrain
from sculptnet.spaces import fbnet
from sculptnet.stages.plan import SearchPlan
from sculptnet.verbs import options_of
from sculptnet.zoo import BY_NAME
from sculptnet.zoo.starting import normalisation_of
from sculptnet.zoo.weight_files import read_weights

Read = Callable[[Path], object]
ARCHITECTURE = Architecture(8, Conv(4, 3, 2), ((InvertedResidual(4, 3, 2), Conv(6, 1)),), PooledConv(8), Classifier(2))


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        file: its name.
        whole: a file that is read without an error, made when it is first needed.
        read: what is fuzzed.
        beside: the files that it needs beside it.
        mends: a last line that a kill tore is taken away.
    """

    file: str
    whole: Callable[[], bytes]
    read: Read
    beside: Callable[[], Mapping[str, bytes]] = dict
    mends: bool = False


def saying(text: str) -> None:
    """Drops it."""


# ---------------------------------------------------------------------- images
def image(kind: str, mode: str = "RGB") -> bytes:
    """Four noisy pixels a side, of that format."""
    target, pixels = io.BytesIO(), np.random.default_rng(0).integers(0, 255, (9, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(target, kind)
    return target.getvalue()


def three_images() -> Mapping[str, bytes]:
    return {name: image("PNG") for name in ("a/1.png", "b/0.png", "b/1.png")}


def decode(path: Path) -> None:
    data = folder(path.parent.parent)
    for split in (data.train, data.test):
        for index in range(len(split)):
            split.image(index)


# ---------------------------------------------------------------------- documents
def text(value: Any) -> Callable[[], bytes]:
    return lambda: json.dumps(value() if callable(value) else value).encode()


def table() -> LatencyTable:
    shape = TensorShape(4, 4, 4)
    entries = {(InvertedResidual(4, 3, 2), shape): 0.5, (Conv(6, 1), shape): 0.25}
    error = HeldOut(2, 1.0, 0.5, math.nan, 0.2, ((1.0, 1.1), (2.0, 2.1)))
    return LatencyTable("onnxruntime-1t", entries, held_out=error, details={"runtime": "onnxruntime", "threads": 1})


IDENTITY = {
    "data": "photos", "latency_ms": 1.0, "device": "onnxruntime", "threads": 1, "precision": "fp32",
    "method": {"method": "random", "settings": {}},
}  # fmt: skip
COMMAND = {
    "data": "photos", "latency_ms": 1.0, "device": "onnxruntime", "minutes": 1.0, "seed": 7, "accelerator": "cpu",
    "runs": "runs", "precision": "int8", "resolution": 16, "baselines": True, "limits": ["macs=1e6"], "workers": 2,
    "method": {"method": "random", "settings": {"batch": "4"}}, "recipe": to_json(Recipe()),
    "space": {"space": "fbnet", "settings": {"width": "0.5"}},
}  # fmt: skip
RUN = to_plain(RunInfo("fit", IDENTITY, COMMAND))
PLAN = to_plain(SearchPlan(1, 0, 8, 1, 2, 1, 3, {"training": 1.0}, 1024, 1))
PREPROCESSING = Preprocessing(8, 8, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
CARD = to_plain(CLASSIFIER)
EVENT = event_to_line(TrainEpoch(1, 2, 0.5, 0.1, 3.0, metrics={"top1": 0.5}, trial="final", time=1.5))
TRIAL = to_line(TrialRecord(0, (1, 2), 3, 0, {"top1": 0.5}, ({"epoch": 1},), None))


def continue_run(path: Path) -> None:
    """What shows a run and what goes on with it, up to its options."""
    show_target(path.parent)
    options_of(path.parent, {})


# ---------------------------------------------------------------------- models
def graph() -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("GlobalAveragePool", ["c"], ["y"])]
    weights = numpy_helper.from_array(np.ones((2, 3, 3, 3), np.float32), "w")
    made = helper.make_graph(nodes, "g", [value], [output], [weights])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    attach(model, Metadata(("a", "b"), PREPROCESSING))
    return bytes(model.SerializeToString())


def metadata(path: Path) -> None:
    """What stands in a file's properties, which is read as soon as a runtime has opened it."""
    model = onnx.load_model_from_string(graph())
    given = read_given(path, "an object")
    if isinstance(given, dict):
        del model.metadata_props[:]
        helper.set_model_props(
            model, {str(k).encode("utf-8", "replace").decode(): json.dumps(v) for k, v in given.items()}
        )
    path.with_suffix(".onnx").write_bytes(model.SerializeToString())
    try:
        _ = OnnxModel(path.with_suffix(".onnx")).metadata
    finally:
        path.with_suffix(".onnx").unlink()


def tensors() -> dict[str, torch.Tensor]:
    return {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}


def pickled() -> bytes:
    target = io.BytesIO()
    torch.save({"state_dict": tensors()}, target)
    return target.getvalue()


@cache
def network_files() -> Mapping[str, bytes]:
    return saved(lambda path: save_network(Network(ARCHITECTURE), path))


def saved(write: Callable[[Path], object]) -> dict[str, bytes]:
    """The files that `write` makes in a folder."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        return {path.name: path.read_bytes() for path in Path(name).iterdir()}


@cache
def checkpoint_files() -> Mapping[str, bytes]:
    return saved(lambda path: FileCheckpoint(path).save(tensors(), {"step": 1}))


@cache
def predictor_files() -> Mapping[str, bytes]:
    rows = SPACE.sample(np.random.default_rng(0), 40)
    made = fit_accuracy_predictor(
        SPACE, rows, 0.5 + rows.sum(axis=1) / 100, source="s", seed=0, hidden=(4,), epochs=1, batch_size=8
    )
    return saved(lambda path: made.save(FileCheckpoint(path)))


@cache
def joint_files() -> Mapping[str, bytes]:
    made = pretrain(SPACE, TOP1[0], 0, QUICK)
    return saved(lambda path: made.save(FileCheckpoint(path)))


def of_folder(files: Callable[[], Mapping[str, bytes]], name: str, read: Read) -> Reader:
    """The reader of one file of a folder of several."""
    return Reader(
        name,
        lambda: files()[name],
        lambda path: read(path.parent),
        lambda: {other: content for other, content in files().items() if other != name},
    )


# ---------------------------------------------------------------------- bundles
@cache
def order() -> Order:
    model = Graphs().empty()
    quality = Quality(rounds=2, chunk_ms=0.01, chunk_runs=1, warm_up_runs=0, tries=1)
    return Order([Plan({"one": model}, model, quality)], "onnxruntime", 1, {"device": "onnxruntime"})


def results() -> bytes:
    header = {
        "schema": 1, "plan": order().identity(), "request": {"device": "onnxruntime"}, "event": "device",
        "name": "onnxruntime-1t", "host": "board", "details": {"threads": 1},
    }  # fmt: skip
    chunk = {"event": "chunk", "part": 0, "model": "one", "ratio": 1.0, "reference_ms": 1.0, "disturbed": False}
    rows = [header, *({**chunk, "round": index, "seconds": 1.0} for index in range(2))]
    return "\n".join(map(json.dumps, rows)).encode()


def unpack(path: Path) -> None:
    archive = open_archive(path)
    for part in archive.document()["parts"]:
        for row in part["models"].values():
            archive.model(row)


def bound(path: Path) -> None:
    """Settings as they are typed."""
    given = settings.split(path.read_text("utf-8", "replace").splitlines(), ("search", "space", "recipe"))
    settings.bind(fbnet, given["space"], "space")
    settings.apply(Recipe(optimizer=AdamW()), given["recipe"], "recipe")


MEMO = b'{"key": "a", "model": "m", "round": 0, "ratio": 1.0, "reference_ms": 1.0, "disturbed": false}\n'
SETTINGS = b"space.width=0.5\nspace.layers=1,2\nrecipe.optimizer=AdamW\nrecipe.optimizer.learning_rate=1e-3\n"
READERS: Mapping[str, Reader] = {
    **{
        f"image {kind} {mode}": Reader(f"a/0.{kind.lower()}", lambda k=kind, m=mode: image(k, m), decode, three_images)  # type: ignore[misc]
        for kind, mode in (("PNG", "RGB"), ("PNG", "P"), ("JPEG", "RGB"), ("TIFF", "RGB"), ("GIF", "P"), ("BMP", "L"))
    },
    "architecture": Reader("a.json", text(lambda: to_json(ARCHITECTURE)), show_target),
    "network": Reader("a.json", text(lambda: to_json(ARCHITECTURE)), lambda path: published_of(str(path))),
    "recipe": Reader("a.json", text(lambda: to_json(Recipe())), lambda path: recipe_from_json(read_given(path, "r"))),
    "table": Reader("a.json", text(lambda: table().to_json()), show_target),
    "energy": Reader(
        "a.json",
        text(lambda: Energy(table(), 2.0, (1.9, 2.1), None).to_json()),
        lambda path: energy_from_json(read_given(path, "e"), table()),
    ),
    "run": Reader("run.json", text(RUN), continue_run),
    "plan": Reader("a.json", text(PLAN), lambda path: read_record(path, SearchPlan)),
    "card": Reader(
        "model/card.json", text(CARD), lambda path: show_target(path.parent.parent), lambda: {"run.json": text(RUN)()}
    ),
    "detector's card": Reader("card.json", text(to_plain(DETECTOR)), read_card),
    "card of weights": Reader(
        "card.json", text(CARD), lambda path: normalisation_of(path.with_name("w.pth"), BY_NAME["fbnet_a"])
    ),
    "trials": Reader("trials.jsonl", text(TRIAL), lambda path: RunDirectory(path.parent).trials(saying)),
    "events": Reader("metrics.jsonl", text(EVENT), lambda path: RunDirectory(path.parent).events(saying)),
    "measurements": Reader("m.jsonl", lambda: MEMO * 2, FileMemo, mends=True),
    "settings": Reader("settings", lambda: SETTINGS, bound),
    "onnx": Reader("a.onnx", graph, lambda path: sized("a.onnx", read_onnx(path), 8)),
    "onnx metadata": Reader("a.json", text({"classes": ["a", "b"], "preprocessing": to_json(PREPROCESSING)}), metadata),
    "safetensors": Reader("a.safetensors", lambda: save(tensors()), read_weights),
    "pickle": Reader("a.pth", pickled, read_weights),
    "weights": of_folder(network_files, "weights.safetensors", load_network),
    "architecture of weights": of_folder(network_files, "architecture.json", load_network),
    "checkpoint": of_folder(checkpoint_files, "000001.safetensors", lambda path: FileCheckpoint(path).load()),
    "state": of_folder(checkpoint_files, "000001.json", lambda path: FileCheckpoint(path).load()),
    "predictor": of_folder(
        predictor_files, "000001.json", lambda path: load_accuracy_predictor(FileCheckpoint(path), SPACE, "s")
    ),
    "tensors of a predictor": of_folder(
        predictor_files, "000001.safetensors", lambda path: load_accuracy_predictor(FileCheckpoint(path), SPACE, "s")
    ),
    "joint predictor": of_folder(
        joint_files, "000001.json", lambda path: load_joint_predictor(FileCheckpoint(path), SPACE)
    ),
    "bundle": Reader("a.zip", lambda: packed(order()), unpack),
    "results": Reader("a.jsonl", results, lambda path: read_results(path.read_text("utf-8", "replace"), order(), "r")),
}
