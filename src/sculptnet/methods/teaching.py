"""Distillation: the model of an earlier run teaches the network that is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sculptnet.arch import Recipe
from sculptnet.data import Preprocessing
from sculptnet.errors import InvalidValue
from sculptnet.export import load_network
from sculptnet.export.weights import WEIGHTS
from sculptnet.nets import Network
from sculptnet.records.card import ClassifierCard, read_card_of
from sculptnet.runs import RunDirectory

DISTILLATION = 0.8  # weight of the soft labels where the user sets none (FBNetV3: the authors' final training)
CARD = "card.json"


@dataclass(frozen=True, eq=False)
class Taught:
    """The model of an earlier run.

    Attributes:
        folder: of its files.
        network: trained, in eval mode.
        card: what is known of it.
    """

    folder: Path
    network: Network
    card: ClassifierCard

    def seen_by(self, given: Preprocessing) -> Teacher:
        """The teacher of a network whose images are prepared as `given`."""
        return Teacher(self.network, self.card.preprocessing, given).eval()


class Teacher(nn.Module):
    """Logits of a trained network for images that were prepared for another one.

    They are normalised as its own were, and resized (bilinear) to the size that it takes.
    """

    def __init__(self, network: nn.Module, its: Preprocessing, given: Preprocessing) -> None:
        super().__init__()
        self.network, self.size = network, its.resolution
        scale = [ours / theirs for ours, theirs in zip(given.std, its.std, strict=True)]
        shift = [(a - b) / std for a, b, std in zip(given.mean, its.mean, its.std, strict=True)]
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """`images`: `(batch, 3, height, width)`, as the taught network sees them."""
        own = images * self.get_buffer("scale") + self.get_buffer("shift")
        if images.shape[-1] != self.size:
            own = nn.functional.interpolate(own, self.size, mode="bilinear", antialias=True)
        logits: Tensor = self.network(own)
        return logits


def model_folder(given: Path | str) -> Path:
    """The folder of a model: that of a run that is named, or itself.

    Raises:
        InvalidValue: it holds no model.
    """
    folder = RunDirectory(Path(given)).model if RunDirectory(Path(given)).exists() else Path(given)
    if not (folder / CARD).is_file():
        raise InvalidValue(
            f"`teacher` {given}: {folder} has no {CARD}; give a run that is finished, or its model folder"
        )
    return folder


def read_teacher(given: Path | str) -> Taught:
    """The model of a run that is named, or of the folder `model` of one.

    Raises:
        InvalidValue, RunError: there is none, it finds boxes, or its files are damaged.
    """
    folder = model_folder(given)
    return Taught(folder, load_network(folder), read_card_of(folder / CARD, ClassifierCard))


def check_classes(taught: Taught, classes: Sequence[str]) -> None:
    """Raises `InvalidValue` where the teacher knows other classes, or the same in another order."""
    theirs = taught.card.classes
    if theirs == tuple(classes):
        return
    missing = [repr(name) for name in classes if name not in theirs]
    extra = [repr(name) for name in theirs if name not in classes]
    differs = [f"it does not know {', '.join(missing)}"] if missing else []
    differs += [f"only it knows {', '.join(extra)}"] if extra else []
    raise InvalidValue(
        f"the teacher of {taught.folder} has other classes than these images: "
        f"{' and '.join(differs or ['their order is another'])}; train a teacher on the same classes"
    )


def digest_of(taught_by: Path | str) -> str:
    """What tells one teacher from another: a hash of its weights."""
    return hashlib.sha256((model_folder(taught_by) / WEIGHTS).read_bytes()).hexdigest()[:16]


def distilled(recipe: Recipe) -> Recipe:
    """The recipe with the usual weight of soft labels."""
    return replace(recipe, distillation=DISTILLATION)
