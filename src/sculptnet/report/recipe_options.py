"""A recipe as options of a command."""

from __future__ import annotations

from typing import Any

from sculptnet import settings
from sculptnet.arch import Recipe

OF_COMMANDS = ("epochs", "batch_size", "optimizer", "optimizer.learning_rate")  # commands have defaults of their own


def set_options(recipe: Recipe) -> tuple[str, ...]:
    """What `--set` needs to make `recipe` of the default one, or of a command's own: `recipe.dropout=0.2`."""
    found: list[str] = []
    for name, value in settings.leaves(recipe):
        made = settings.apply(Recipe(), settings.split(found, ("recipe",))["recipe"], "recipe")
        if name in OF_COMMANDS or dict(settings.leaves(made)).get(name) != value:
            found.append(f"recipe.{name}={_written(value)}")
    return tuple(found)


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
