"""Values: blocks, architectures, recipes, and the search spaces that templates of them span. No torch here."""

from sculptnet.arch.architecture import IMAGE_CHANNELS, Architecture
from sculptnet.arch.block import Block, TensorShape
from sculptnet.arch.choice import (
    OneOf,
    Prefix,
    Same,
    between,
    choice,
    first_open,
    options_of,
    prefix,
    require_decided,
    same,
)
from sculptnet.arch.json import architecture_from_json, classes_in, from_json, recipe_from_json, to_json
from sculptnet.arch.recipe import (
    AdamW,
    Augmentation,
    Cosine,
    Exponential,
    Recipe,
    RmsProp,
    Sgd,
    Steps,
)
from sculptnet.arch.space import Candidate, Choices, IntMatrix, SearchSpace

__all__ = [
    "IMAGE_CHANNELS",
    "AdamW",
    "Architecture",
    "Augmentation",
    "Block",
    "Candidate",
    "Choices",
    "Cosine",
    "Exponential",
    "IntMatrix",
    "OneOf",
    "Prefix",
    "Recipe",
    "RmsProp",
    "Same",
    "SearchSpace",
    "Sgd",
    "Steps",
    "TensorShape",
    "architecture_from_json",
    "between",
    "choice",
    "classes_in",
    "first_open",
    "from_json",
    "options_of",
    "prefix",
    "recipe_from_json",
    "require_decided",
    "same",
    "to_json",
]
