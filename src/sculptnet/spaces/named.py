"""A space by its name, with settings as they are typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sculptnet import settings
from sculptnet.arch import SearchSpace
from sculptnet.named import find
from sculptnet.spaces.catalogue import BY_NAME


@dataclass(frozen=True)
class NamedSpace:
    """A space by its name, with settings as they are typed; makes it for classes and a resolution, as spaces do.

    Raises:
        InvalidValue: there is no such space, or with every setting that it does not have.
    """

    name: str
    settings: Mapping[str, str]

    def __post_init__(self) -> None:
        self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return settings.bind(find(self.name, BY_NAME, "space"), self.settings, "space")

    def __call__(self, num_classes: int, resolution: int) -> SearchSpace:
        """The space."""
        space: SearchSpace = find(self.name, BY_NAME, "space")(num_classes, resolution, **self._arguments())
        return space


@dataclass(frozen=True)
class SpaceSettings:
    """Settings, as they are typed, of whatever space a method opens where none is named: `{"width": "0.5"}`.

    Values are texts, since the function that they are arguments of is known later; a run keeps them so, too.
    """

    settings: Mapping[str, str]
