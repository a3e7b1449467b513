"""The training loss: label smoothing, mixup, distillation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softmax

from sculptnet.arch import Recipe


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of a batch, a mean over its images.

    The labels' part is the cross-entropy with the target (1 - s) onehot + s / classes, s being `label_smoothing`.
    With a teacher, the loss is (1 - w) of it plus w of the cross-entropy with the teacher's probabilities for the
    same (mixed) images (Hinton et al. 2015, temperature 1).

    Attributes:
        mixup: alpha; images x become l x + (1 - l) x[::-1] and targets likewise, with one l ~ Beta(alpha, alpha) a
            batch from numpy's global generator; 0 switches it off (Zhang et al. 2018).
        teacher: in eval mode, or None.
        distillation: w.
    """

    num_classes: int
    label_smoothing: float = 0.0
    mixup: float = 0.0
    teacher: nn.Module | None = None
    distillation: float = 0.0

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of `images` `(batch, 3, height, width)` with `labels` `(batch,)`, a tensor without dimensions."""
        if self.mixup > 0:
            images, targets = self.mixed(images, labels)
            logits: Tensor = network(images)
            loss = cross_entropy(logits, targets)
        else:
            logits = network(images)
            loss = cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if self.teacher is None:
            return loss
        with torch.no_grad():
            soft = softmax(self.teacher(images).float(), dim=1)
        return (1 - self.distillation) * loss + self.distillation * cross_entropy(logits, soft)

    def mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed copies of `images` and their targets `(batch, classes)`; of an odd batch the last image stays."""
        from timm.data.mixup import Mixup, mixup_target  # brings torchvision: seconds that not every process needs

        even = len(images) - len(images) % 2  # timm mixes in pairs
        mix = Mixup(  # type: ignore[no-untyped-call]
            self.mixup, label_smoothing=self.label_smoothing, num_classes=self.num_classes
        )
        images = images.clone()
        targets = mixup_target(labels, self.num_classes, 1.0, self.label_smoothing)  # type: ignore[no-untyped-call]
        if even:
            images[:even], targets[:even] = mix(images[:even], labels[:even])
        return images, targets


def objective_for(recipe: Recipe, num_classes: int, teacher: nn.Module | None) -> Objective:
    """The loss that `recipe` asks for; a teacher of weight 0 is left out."""
    weight = recipe.distillation if teacher is not None else 0.0
    used = teacher if weight > 0 else None
    return Objective(num_classes, recipe.label_smoothing, recipe.augmentation.mixup, used, weight)
