"""What a user asks for who has a network already: train it on images, from drawn or from given weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from sculptnet import settings, zoo
from sculptnet.arch import Recipe, Sgd
from sculptnet.errors import InvalidValue
from sculptnet.files import AS_WRITTEN, reading
from sculptnet.flow.common_request import check_beginning, from_plain
from sculptnet.flow.given_network import (
    LARGE_BATCH,
    LARGE_BATCH_RESOLUTION,
    batch_size_at,
    is_architecture_file,
    name_of,
    published_of,
)
from sculptnet.flow.request import SETTING_GROUPS, RunRequest, refuse_detector
from sculptnet.flow.unused import check_recipe
from sculptnet.runs import RunDirectory
from sculptnet.zoo import Published

FINE_TUNING_SHARE = 0.1  # of the learning rate from scratch


@dataclass(frozen=True)
class NetworkRequest(RunRequest):
    """A network to train; a budget, if there is one, only judges it.

    Attributes:
        network: a name of `zoo.BY_NAME`, an architecture file (.json), or `package.module:name` of a `Published`.
        pretrained: start from the published weights, see `zoo.load`.
        weights: start from those of a file. Without either, weights are drawn from the seed.

    The resolution is by default the network's own; a network by name that starts from drawn weights takes small images
    (up to 64 pixels) at their size. The only group of settings is recipe.
    """

    latency_ms: float | None = None
    _: KW_ONLY
    network: str
    pretrained: bool = False
    weights: Path | None = None

    def checks(self) -> tuple[Callable[[], object], ...]:
        """The network, its weights, the settings."""
        return (
            *super().checks(),
            self.published,
            self._check_weights,
            self._check_settings,
            self._check_recipe,
        )

    def _check_weights(self) -> None:
        check_beginning(self.network, self.is_file, self.pretrained, self.weights)

    def _check_settings(self) -> None:
        given = settings.split(self.settings, SETTING_GROUPS)
        wrong = [f"{group}.{name}" for group in ("space", "search") for name in given[group]]
        if wrong:
            raise InvalidValue(f"--set {', '.join(wrong)}: nothing is searched with NETWORK; only recipe can be set")

    def _check_recipe(self) -> None:
        given = settings.split(self.settings, SETTING_GROUPS)["recipe"]
        check_recipe(self.recipe(LARGE_BATCH_RESOLUTION), given)

    @property
    def is_file(self) -> bool:
        """Whether the network is an architecture file."""
        return is_architecture_file(self.network)

    @property
    def fine_tunes(self) -> bool:
        """Whether training starts from weights that were trained before."""
        return self.pretrained or self.weights is not None

    def published(self) -> Published:
        """The network, as it was published or as the file has it.

        Raises:
            InvalidValue: there is none; near misses are suggested.
        """
        path = Path(self.network)
        if not self.is_file and self.network not in zoo.BY_NAME and path.is_dir():
            shipped = RunDirectory(path).model / "architecture.json"
            if shipped.is_file():
                raise InvalidValue(f"{path} is a run; the network that it shipped is {shipped}: name that")
            raise InvalidValue(f"{path} is a folder; the network comes first: `sculptnet train NETWORK DATA`")
        return published_of(self.network)

    def recipe(self, resolution: int) -> Recipe:
        """The recipe, its epochs aside where the plan sets them.

        From scratch the learning rate is 0.1 for 128 images a step, in proportion for 32 (Goyal et al. 2017, the linear
        scaling rule); fine-tuning takes a tenth of it.
        """
        batch_size = batch_size_at(resolution)
        rate = Sgd().learning_rate * batch_size / LARGE_BATCH * (FINE_TUNING_SHARE if self.fine_tunes else 1)
        plain = Recipe(batch_size=batch_size, optimizer=Sgd(learning_rate=rate))
        return settings.apply(plain, settings.split(self.settings, SETTING_GROUPS)["recipe"], "recipe")

    def fixed_epochs(self) -> int | None:
        """The epochs that the user fixed."""
        given = settings.split(self.settings, SETTING_GROUPS)["recipe"]
        return self.recipe(LARGE_BATCH_RESOLUTION).epochs if "epochs" in given else None

    def origin(self) -> dict[str, Any]:
        """Where the network comes from, as its card says."""
        weights = "published" if self.pretrained else "drawn" if self.weights is None else self.weights.name
        return {"network": name_of(self.network), "starting_weights": weights}


def request_of_network_run(folder: Path, *, fresh: bool) -> NetworkRequest | None:
    """The request that made a run directory, or None where `folder` is none or holds a search."""
    if not RunDirectory(folder).exists():
        return None
    command = RunDirectory(folder).info()["command"]
    refuse_detector(folder, command)
    if "network" not in command:
        return None
    with reading(folder / "run.json", AS_WRITTEN):
        return from_plain(NetworkRequest, {**command, "run_dir": folder, "fresh": fresh})
