"""How long trainings are: what the user fixed, and what a training is too short for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sculptnet.arch import Recipe, SearchSpace
from sculptnet.data import Preprocessing
from sculptnet.job import TrialJob
from sculptnet.option_groups import RecipeGroup
from sculptnet.stages.plan import SearchPlan
from sculptnet.stages.unused import names_of
from sculptnet.words import several

FEW_EPOCHS = 8  # Fashion-MNIST, 2 epochs: 83.8 % with shifts and label smoothing, 88.7 % without


def fixed_names(options: RecipeGroup) -> Collection[str]:
    """The fields of the recipe that the user decided, by dotted names; of a whole recipe all that plans look at."""
    if options.recipe is not None and not isinstance(options.recipe, Mapping):
        return ("epochs", "label_smoothing", "augmentation.crop_padding", "augmentation.crop_scale")
    return names_of(options.recipe)


def length_notes(job: TrialJob, plan: SearchPlan) -> list[str]:
    """What the trainings of a plan are too short for."""
    recipe, found = job.recipe(), []
    epochs = several(plan.epochs, "epoch")
    short = plan.epochs < FEW_EPOCHS
    hindering = hindrances(recipe, job.preprocessing, fixed_names(job.options)) if short else []
    if hindering:
        found.append(
            f"in {epochs}, what makes training images harder costs more accuracy than it gives; for a network to use, "
            f"give more `minutes`; for a quick try, {' '.join(f'`{one}`' for one in hindering)}"
        )
    if has_recipes(job.space) and short:
        found.append(
            f"FBNetV3's recipes are for long trainings; in {epochs} they cost accuracy, which more `minutes` give back"
        )
    elif has_recipes(job.space) and 0 < plan.trial_epochs < FEW_EPOCHS:
        found.append(
            f"trials of {several(plan.trial_epochs, 'epoch')} choose recipes for short trainings, which cost accuracy "
            f"in {epochs}; more `minutes` make trials longer"
        )
    return found


def has_recipes(space: SearchSpace) -> bool:
    """Whether candidates differ in their recipes."""
    return any(path.startswith("recipe.") for path in space.decisions)


def hindrances(recipe: Recipe, preprocessing: Preprocessing, fixed: Collection[str]) -> list[str]:
    """The settings that would switch off what pays in long trainings only, apart from those that the user `fixed`."""
    augmentation, whole = recipe.augmentation, preprocessing.resize == preprocessing.resolution
    off = {"label_smoothing": (recipe.label_smoothing, 0.0)}
    if whole:
        off["augmentation.crop_padding"] = (augmentation.crop_padding, 0.0)
    else:
        off["augmentation.crop_scale"] = (augmentation.crop_scale, 1.0)
    return [f"recipe.{name}={to:g}" for name, (now, to) in off.items() if now != to and name not in fixed]
