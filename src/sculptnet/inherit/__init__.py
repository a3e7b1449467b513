"""Carving: what a trained network can hand down to smaller and larger ones, in closed form."""

from sculptnet.inherit.additivity import Additivity, measure_additivity
from sculptnet.inherit.files import load_library, save_library
from sculptnet.inherit.growing import grow
from sculptnet.inherit.library import Library
from sculptnet.inherit.scores import Scores
from sculptnet.inherit.settings import Refit
from sculptnet.inherit.space import carve_space, kept_whole

__all__ = [
    "Additivity",
    "Library",
    "Refit",
    "Scores",
    "carve_space",
    "grow",
    "kept_whole",
    "load_library",
    "measure_additivity",
    "save_library",
]
