"""One file that measures plans anywhere: our agent, verbatim, with the models in pieces that they share.

The networks of a space repeat their blocks, and so their weights; a weight that several models have is packed once.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from sculptnet.devices.agent import PLAN_FILE, SCHEMA
from sculptnet.devices.plan import Model, Plan
from sculptnet.devices.runtimes import BY_NAME
from sculptnet.errors import InvalidValue, suggestion

SHARED_BYTES = 1024  # weights of at least this size are pieces of their own
SENDABLE = ("onnxruntime", "openvino")  # they run ONNX; others need PyTorch modules
AGENT, START = "sculptnet.devices.agent", "sculptnet.devices.remote.start"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content is the same file


@final
@dataclass(frozen=True, eq=False)
class Order:
    """Plans to be measured elsewhere, one after the other.

    Attributes:
        plans: what to measure.
        runtime, threads: on what.
        request: what was asked for, in words and numbers, for people and for the results.
    """

    plans: Sequence[Plan]
    runtime: str
    threads: int
    request: Mapping[str, Any]

    def identity(self) -> str:
        """The same models under the same names, measured the same way, have the same identity."""
        return _digest(json.dumps([self.runtime, self.threads, *map(plan_identity, self.plans)]).encode())


def plan_identity(plan: Plan) -> str:
    """A digest of what is measured and how; not of answers, nor of what is held already."""
    models = {name: model.digest() for name, model in plan.models.items()}
    how = [asdict(plan.quality), plan.alternate, plan.reference.digest()]
    return _digest(json.dumps([models, how]).encode())


def packed(order: Order, beside: Mapping[str, bytes] | None = None) -> bytes:
    """The zip file of `order`, and of the files `beside` it; `python3 FILE` measures it."""
    files: dict[str, bytes] = {}
    document = {
        "schema": SCHEMA,
        "identity": order.identity(),
        "request": dict(order.request),
        "runtime": order.runtime,
        "threads": order.threads,
        "parts": [_part(plan, files) for plan in order.plans],
    }
    agent = {**agent_files(order.runtime), **(beside or {})}
    return zipped({**agent, PLAN_FILE: json.dumps(document, indent=1).encode(), **files})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file; the same content gives the same bytes. Weights are random, so only text is worth compressing."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            kind = zipfile.ZIP_STORED if name.startswith(("pieces/", "answers/")) else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, kind)
    return target.getvalue()


def _part(plan: Plan, files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "alternate": plan.alternate,
        "quality": asdict(plan.quality),
        "reference": _model(plan.reference, files),
        "models": {name: _model(model, files) for name, model in plan.models.items()},
    }


def _model(model: Model, files: dict[str, bytes]) -> dict[str, Any]:
    pieces = [_kept(piece, "pieces/{}", files) for piece in pieces_of(model.onnx)]
    row = {"digest": model.digest(), "shape": list(model.shape), "tolerance": model.tolerance, "pieces": pieces}
    if model.expected is None:
        return {**row, "answer": None}
    answer = io.BytesIO()
    np.save(answer, model.expected, allow_pickle=False)
    return {**row, "answer": _kept(answer.getvalue(), "answers/{}.npy", files)}


def _kept(content: bytes, place: str, files: dict[str, bytes]) -> str:
    digest = _digest(content)
    files[place.format(digest)] = content
    return digest


def pieces_of(model: bytes) -> list[bytes]:
    """`model` cut around its large weights; joined, the pieces are the model again."""
    try:
        weights = [tensor.raw_data for tensor in onnx.load_model_from_string(model).graph.initializer]
    except DecodeError:
        return [model]  # the runtime says what is wrong with it
    cuts = [0]
    for weight in weights:
        start = model.find(weight, cuts[-1]) if len(weight) >= SHARED_BYTES else -1
        if start >= 0:
            cuts += [start, start + len(weight)]
    return [model[start:end] for start, end in zip(cuts, [*cuts[1:], len(model)], strict=True) if end > start]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ---------------------------------------------------------------------- the agent
def checked_runtime(name: str) -> str:
    """`name`, if that runtime can be sent elsewhere: it needs ONNX models alone, and its files here are known.

    Raises:
        InvalidValue: it cannot.
    """
    if name not in SENDABLE:
        raise InvalidValue(f"{name!r} cannot be measured on other machines; {suggestion(name, SENDABLE)}")
    return name


def agent_files(runtime: str) -> dict[str, bytes]:
    """The agent's files: what it and the runtime import, and empty packages around them."""
    modules = ["sculptnet.devices", AGENT, BY_NAME[checked_runtime(runtime)].module]
    for module in modules:  # grows
        modules += [found for found in _imported_by(module) if found not in modules]
    sources = {f"{name.replace('.', '/')}.py": _source(name) for name in sorted(modules) if name != "sculptnet.devices"}
    packages = {"sculptnet/__init__.py": b"", "sculptnet/devices/__init__.py": b""}
    return {"__main__.py": _source(START), **packages, **sources}


def _imported_by(module: str) -> list[str]:
    if module == "sculptnet.devices":
        return []  # empty there
    body = ast.parse(_source(module)).body  # imports in functions are not needed there
    names = [node.module for node in body if isinstance(node, ast.ImportFrom) and node.module]
    return [name for name in names if name.partition(".")[0] == "sculptnet"]


def _source(module: str) -> bytes:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InvalidValue(f"the source of {module} is not here; install SculptNet from its wheel")
    return Path(spec.origin).read_bytes()
