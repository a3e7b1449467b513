from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sculptnet.arch import Augmentation, Recipe
from sculptnet.learn.objective import Objective, objective_for

LABELS = torch.tensor([0, 2, 1, 1])
TARGETS = 0.7 * torch.eye(3)[LABELS] + 0.1  # label smoothing of 0.3 over three classes


class Sums(nn.Module):
    """Logits that are linear in the images."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def images() -> Tensor:
    return torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def cross_entropy(targets: Tensor, logits: Tensor) -> Tensor:
    return -(targets * logits.log_softmax(1)).sum(1).mean()


def test_label_smoothing_spreads_its_mass_over_all_classes() -> None:
    loss = Objective(3, label_smoothing=0.3)(Sums(), images(), LABELS)
    torch.testing.assert_close(loss, cross_entropy(TARGETS, Sums()(images())))


def test_mixup_mixes_images_and_targets_with_their_mirror_in_the_batch() -> None:
    np.random.seed(5)
    loss = Objective(3, label_smoothing=0.3, mixup=0.4)(Sums(), images(), LABELS)
    np.random.seed(5)
    np.random.rand()  # timm's draw for the probability of mixing, which is 1
    share = np.random.beta(0.4, 0.4)
    assert 0.01 < share < 0.99
    mixed = share * images() + (1 - share) * images().flip(0)
    torch.testing.assert_close(loss, cross_entropy(share * TARGETS + (1 - share) * TARGETS.flip(0), Sums()(mixed)))


def test_mixup_leaves_the_given_images_alone() -> None:
    given = images()
    Objective(3, mixup=1.0)(Sums(), given, LABELS)
    assert torch.equal(given, images())


def test_the_odd_image_of_a_batch_stays_as_it_is() -> None:
    mixed, targets = Objective(3, label_smoothing=0.3, mixup=1.0).mixed(images()[:3], LABELS[:3])
    assert torch.equal(mixed[2], images()[2])
    torch.testing.assert_close(targets[2], TARGETS[2])
    assert not torch.equal(mixed[:2], images()[:2])


def test_distillation_weighs_the_teachers_probabilities() -> None:
    teacher = nn.Sequential(Sums(), nn.Linear(3, 3))
    loss = Objective(3, label_smoothing=0.3, teacher=teacher, distillation=0.4)(Sums(), images(), LABELS)
    soft = teacher(images()).softmax(1).detach()
    logits = Sums()(images())
    torch.testing.assert_close(loss, 0.6 * cross_entropy(TARGETS, logits) + 0.4 * cross_entropy(soft, logits))


def test_the_teacher_gets_no_gradient_and_sees_the_mixed_images() -> None:
    seen: list[Tensor] = []
    teacher = nn.Sequential(Sums(), nn.Linear(3, 3))
    teacher.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    student = nn.Sequential(Sums(), nn.Linear(3, 3))
    student.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    Objective(3, mixup=1.0, teacher=teacher, distillation=0.4)(student, images(), LABELS).backward()  # type: ignore[no-untyped-call]
    assert torch.equal(*seen)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())


def test_the_recipe_says_what_counts() -> None:
    teacher = nn.Identity()
    recipe = Recipe(label_smoothing=0.2, distillation=0.5, augmentation=Augmentation(mixup=0.3))
    objective = objective_for(recipe, 3, teacher)
    assert (objective.label_smoothing, objective.mixup, objective.distillation) == (0.2, 0.3, 0.5)
    assert objective.teacher is teacher
    assert objective_for(Recipe(), 3, teacher).teacher is None
