"""A library on disk: one file of tensors and one of JSON, so that a run goes on with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sculptnet.arch import Block, SearchSpace, architecture_from_json, from_json, to_json
from sculptnet.errors import InvalidValue, SculptNetError
from sculptnet.files import read_given, write_atomic, write_json
from sculptnet.inherit.library import Library
from sculptnet.inherit.scores import Key, Scores
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.slices import Channels
from sculptnet.nets import Network

SCHEMA = 1
TENSORS, VALUES = "library.safetensors", "library.json"
_FIELDS = ("schema", "architecture", "space", "recipe", "scores", "constant", "refit")


def save_library(library: Library, folder: Path) -> None:
    """Writes `library.safetensors` (network, orders, images) and `library.json` (values) into `folder`.

    The JSON is written last: a folder that has it is whole.
    """
    tensors = {f"network.{name}": tensor for name, tensor in library.network.state_dict().items()}
    for path, channels in library.orders.items():
        tensors |= {f"orders.{path}.{name}": order for name, order in channels.items()}
    tensors["images"] = library.images
    write_atomic(folder / TENSORS, save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}))
    scores = library.scores
    rows = [
        {"path": path, "block": to_json(block), "kl_nats": value} for (path, block), value in scores.entries.items()
    ]
    write_json(
        folder / VALUES,
        {
            "schema": SCHEMA,
            "architecture": to_json(library.network.architecture),
            "space": to_json(library.space.architecture),
            "recipe": to_json(library.space.recipe),
            "scores": rows,
            "constant": scores.constant,
            "refit": asdict(library.refit),
        },
    )


def load_library(folder: Path, blocks: Iterable[type]) -> Library:
    """The library that `save_library` wrote, on the CPU.

    Args:
        folder: where it lies.
        blocks: the block classes that it may name, such as `blocks.ALL`.

    Raises:
        InvalidValue: there is none, or it holds something else; the message says what.
    """
    data = read_given(folder / VALUES, "the folder of a library that `inherit.save_library` wrote")
    kinds = tuple(blocks)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or set(data) != set(_FIELDS):
        raise InvalidValue(
            f"{folder / VALUES} is no library of schema {SCHEMA}, with the fields {', '.join(_FIELDS)}; make it again"
        )
    try:
        space = SearchSpace(from_json(data["space"], kinds), from_json(data["recipe"], kinds))
        scores = Scores(dict(_entry(row, kinds) for row in data["scores"]), float(data["constant"]))
        with torch.random.fork_rng(devices=[]):
            network = Network(architecture_from_json(data["architecture"], kinds))
        tensors = load_file(folder / TENSORS)
        network.load_state_dict(_below("network.", tensors))
        refit = Refit(**data["refit"])
    except (SculptNetError, KeyError, TypeError, RuntimeError, OSError, SafetensorError) as error:
        raise InvalidValue(f"{folder} holds no whole library: {error}; make it again") from error
    orders: dict[str, Channels] = {}
    for name, order in _below("orders.", tensors).items():
        path, _, channels = name.rpartition(".")
        orders.setdefault(path, {})[channels] = order
    images = tensors["images"].contiguous(memory_format=torch.channels_last)
    return Library(network.eval(), space, images, orders, scores, refit)


def _entry(row: Any, kinds: tuple[type, ...]) -> tuple[Key, float]:
    block = from_json(row["block"], kinds)
    if not isinstance(block, Block):
        raise InvalidValue(f"{row['path']} has a score of {block!r}, which is no block")
    return (str(row["path"]), block), float(row["kl_nats"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
