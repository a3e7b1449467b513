"""Settings that would be accepted and change nothing: refused, or told where it depends on the images."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sculptnet.arch import Recipe
from sculptnet.arch.choice import options_of
from sculptnet.data import BY_NAME, Preprocessing
from sculptnet.named import is_part

# how data is read, and what it is read with by default
READING: Mapping[str, object] = {"root": None, "skip_broken": False, "test_fraction": 0.2}
MAGNITUDE = "augmentation.randaugment_magnitude"


def names_of(given: object) -> Collection[str]:
    """The fields of a recipe that the user decided, by dotted names; of a whole recipe nothing was singled out."""
    return given.keys() if isinstance(given, Mapping) else ()


def recipe_problems(recipe: Recipe, given: Collection[str], *, taught: bool = False) -> list[str]:
    """What of a recipe has no effect.

    Args:
        recipe: of a run; values may be open.
        given: the names of what the user has set of it.
        taught: whether there is a teacher.
    """
    problems = []
    if not taught and any(options_of(recipe.distillation)):
        problems.append(
            "`recipe.distillation`: there is no teacher, and without one it does nothing; leave it out, or `train` "
            "with a `teacher`"
        )
    if taught and recipe.distillation == 0:
        problems.append("`recipe.distillation` is 0, so the teacher would not be heard; leave it or the teacher out")
    layers = [one for augmentation in options_of(recipe.augmentation) for one in options_of(_layers(augmentation))]
    if MAGNITUDE in given and not any(layers):
        problems.append(f"`recipe.{MAGNITUDE}`: RandAugment is off; set `recipe.augmentation.randaugment_layers` too")
    return problems


def _layers(augmentation: object) -> object:
    return getattr(augmentation, "randaugment_layers", 0)


def data_problems(data: str, *, root: bool, skip_broken: bool) -> list[str]:
    """Options that are of no use for the kind of data: each where it is given."""
    named = data in BY_NAME or is_part(data)
    problems = []
    if root and not named:
        problems.append(f"`root` is where the files of a data set by name are, and {data} is a folder; leave it out")
    if skip_broken and named:
        problems.append(f"`skip_broken` is for folders, and {data} is a data set by name; leave it out")
    return problems


def beside_a_value(options: object) -> list[str]:
    """Options that say how data is read, beside data that a program has read already: each where it is given."""
    given = [(name, getattr(options, name, default)) for name, default in READING.items()]
    return [
        f"`{name}` {value}: data is given as a value, read already; leave it out"
        for name, value in given
        if value != READING[name]
    ]


def unused_crops(preprocessing: Preprocessing, given: Collection[str]) -> list[str]:
    """What there is to say of augmentation that these images never see."""
    whole = preprocessing.resize == preprocessing.resolution
    unused, used = ("crop_scale", "crop_padding") if whole else ("crop_padding", "crop_scale")
    if f"augmentation.{unused}" not in given:
        return []
    why = "are used whole and shifted" if whole else "are photographs, of which crops are taken"
    return [f"Note: recipe.augmentation.{unused} has no effect: these images {why}, see recipe.augmentation.{used}"]
