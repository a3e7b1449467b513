"""What a user asks for, checked before anything expensive starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

from sculptnet import settings, spaces
from sculptnet.arch import Recipe, SearchSpace
from sculptnet.cost import Precision
from sculptnet.devices import open_device
from sculptnet.devices.measure import check_precision
from sculptnet.errors import InvalidValue, collected
from sculptnet.files import AS_WRITTEN, read_given, reading
from sculptnet.flow.common_request import CommonRequest, from_plain
from sculptnet.flow.given_network import name_of, opened, recipes_of
from sculptnet.flow.limits import parse_limits
from sculptnet.flow.methods import METHODS, Method
from sculptnet.flow.sampling import check_settings, wished_trials
from sculptnet.flow.searched_run import check_reuse, decided_by
from sculptnet.flow.starting import Start, parse_start, space_around
from sculptnet.flow.unused import check_data_options, check_recipe, unused_by_supernets
from sculptnet.flow.workers import parse_workers
from sculptnet.named import find
from sculptnet.runs import RunDirectory
from sculptnet.search.workers import Workers

SETTING_GROUPS = ("space", "search", "recipe")
DEFAULT_SPACE = "fbnet"  # of users' own methods
PROXY_NETWORKS, FEWEST_COMPARED = 6, 4  # networks, of a rank correlation


@dataclass(frozen=True)
class RunRequest(CommonRequest):
    """What runs that classify images have in common.

    Attributes:
        data: a folder with one folder per class, or the name of a data set (`data.BY_NAME`), or `package.module:name`.
        precision: which exported file the budget judges.
        resolution: of the images, pixels; None leaves it to the data and the network.
        skip_broken: leave out files that are no images, instead of stopping.
        root: a folder that holds the files of a named data set.
    """

    _: KW_ONLY
    precision: Precision = Precision.FP32
    resolution: int | None = None
    skip_broken: bool = False
    root: Path | None = None

    def checks(self) -> tuple[Callable[[], object], ...]:
        """The device with this precision, the resolution."""
        return *super().checks(), self._check_resolution, self._check_data_options

    def check_device(self) -> None:
        """Raises `SculptNetError` where there is no such device, or it does not run files of the precision."""
        check_precision(open_device(self.device, max(1, self.threads)), self.precision)  # fewer: a problem of their own

    def _check_data_options(self) -> None:
        check_data_options(self.data, root=self.root is not None, skip_broken=self.skip_broken)

    def _check_resolution(self) -> None:
        if self.resolution is not None and self.resolution < 8:
            raise InvalidValue(f"--resolution must be at least 8 pixels, got {self.resolution}")


@dataclass(frozen=True)
class FitRequest(RunRequest):
    """What a search needs besides; the budget is no longer optional, unless the recipe alone is searched.

    Attributes:
        method, space: how and where to search; a name, or `package.module:name`. The space is by default the method's.
        table: a latency table measured before; it is checked on three networks. It is that of `precision`.
        baselines: train comparisons too.
        start: for methods with a supernet: the network that the space is opened around and the supernet begins with;
            `NAME` of the zoo with its published weights, `NAME=FILE`, or the folder of a model as runs ship it.
        limits: beside latency, `NAME=VALUE` each; see `limits.NAMES`.
        workers: how many trials are trained at once, and where; see `parse_workers`. Results do not depend on it.
        check_proxy: compare the accuracies of trials with those after longer training.
        proxy_networks: with how many networks.
        full_trials: how many of the best trials are trained in full before one is chosen; with 1 nothing is compared
            again. None: a few where there is time.
        recipe_only: search how this network is trained, and nothing else: a name of `zoo.BY_NAME`, an architecture file
            (.json), or `package.module:name` of a `Published`. A budget only judges it then.
        from_run: a finished run that searched architecture and recipe together: its predictor is searched for this
            budget and device, and nothing is learned. Space, recipes and resolution are those of that run.

    The resolution is by default the native size of small images, else 96 (224 with CUDA). The groups of settings are
    space, search and recipe.
    """

    _: KW_ONLY
    method: str = "fbnet"
    space: str | None = None
    table: Path | None = None
    baselines: bool = False
    limits: tuple[str, ...] = ()
    start: str | None = None
    workers: str = "1"
    check_proxy: bool = False
    proxy_networks: int = PROXY_NETWORKS
    full_trials: int | None = None
    recipe_only: str | None = None
    from_run: Path | None = None

    def checks(self) -> tuple[Callable[[], object], ...]:
        """The table, the settings, and the parts by name."""
        return (
            *super().checks(),
            self._check_budget,
            self._check_recipe_only,
            self._check_table,
            self.given,
            self.chosen_method,
            self.space_maker,
            self._check_recipe,
            self.chosen_limits,
            self._check_baselines,
            self._check_start,
            self.chosen_workers,
            self._check_proxy,
            self._check_full_trials,
            self._check_search,
            self._check_from_run,
        )

    def origin(self) -> dict[str, Any]:
        """Of the search, and of the network where it was given."""
        name = self.recipe_only
        return {"method": self.method} if name is None else {"method": self.method, "network": name_of(name)}

    @property
    def budget_ms(self) -> float:
        """The budget of a search that has one.

        Raises:
            InvalidValue: it has none.
        """
        if self.latency_ms is None:
            raise InvalidValue("the budget is missing; give --latency-ms, the milliseconds one image may take")
        return self.latency_ms

    def _check_budget(self) -> None:
        if self.recipe_only is None:
            _ = self.budget_ms

    def _check_recipe_only(self) -> None:
        if self.recipe_only is None:
            return
        method = METHODS.get(self.method)
        problems = []
        if method is not None and (method.supernet or method.shrinking or method.soft):
            problems.append(f"--method {self.method} searches architectures; random, evolution and optuna try recipes")
        given: dict[str, object] = {"--space": self.space, "--table": self.table, "--start": self.start}
        given |= {"--limit": self.limits, "--baselines": self.baselines, "--check-proxy": self.check_proxy}
        apart = [option for option, value in given.items() if value]
        if apart:
            problems.append(f"{', '.join(apart)}: the network is given and latency plays no part; leave it out")
        own = self.given()["space"]
        if own:
            problems.append(f"--set space.{next(iter(own))}: the network is given; only search and recipe can be set")
        if problems:
            raise InvalidValue(collected(problems, f"--recipe-only {self.recipe_only}"))

    def _check_table(self) -> None:
        if self.table is None:
            return
        if not self.table.is_file():
            raise InvalidValue(f"--table {self.table} does not exist; `sculptnet measure SPACE --out FILE` makes one")
        data = read_given(self.table, "a latency table")
        if not isinstance(data, dict) or "entries" not in data:
            raise InvalidValue(
                f"--table {self.table} is no latency table; `sculptnet measure SPACE --out FILE` makes one"
            )

    def _check_baselines(self) -> None:
        if self.baselines and self.method in METHODS and METHODS[self.method].shrinking is not None:
            raise InvalidValue(
                f"--baselines: comparisons are trained for as long as the network that is shipped, and method "
                f"{self.method} takes that one from a supernet; leave it out"
            )

    def _check_proxy(self) -> None:
        if self.proxy_networks < FEWEST_COMPARED:
            raise InvalidValue(
                f"--proxy-networks must be at least {FEWEST_COMPARED}, got {self.proxy_networks}; fewer have no ranks "
                "to speak of"
            )
        if not self.check_proxy and self.proxy_networks != PROXY_NETWORKS:
            raise InvalidValue(f"--proxy-networks {self.proxy_networks} is for --check-proxy; give both, or none")
        if self.check_proxy and self.method in METHODS and METHODS[self.method].shrinking is not None:
            raise InvalidValue(f"--check-proxy: method {self.method} trains no trials; leave it out")

    def _check_full_trials(self) -> None:
        if self.full_trials is None:
            return
        if self.full_trials < 1:
            raise InvalidValue(
                f"--full-trials must be at least 1, got {self.full_trials}; 1 trains only the network that is shipped"
            )
        if self.full_trials > 1 and self.given()["recipe"].get("epochs") == "1":
            raise InvalidValue(
                f"--full-trials {self.full_trials}: with recipe.epochs=1 every trial is trained in full; raise "
                "recipe.epochs, or leave --full-trials out"
            )
        method, given = self.chosen_method()
        if method.shrinking is not None:
            raise InvalidValue(f"--full-trials: method {self.method} takes its network from a supernet; leave it out")
        trials = wished_trials(method, given)
        if trials is not None and trials < self.full_trials:
            raise InvalidValue(
                f"--full-trials {self.full_trials}: the settings of search make only {trials} trials; raise them, or "
                "leave one of the two out"
            )

    def _check_recipe(self) -> None:
        check_recipe(self.recipe(), ())  # whether there is RandAugment the space says

    def _check_search(self) -> None:
        method, given = self.chosen_method()
        if method.shrinking is not None:
            problems = unused_by_supernets(self.method, self.given()["recipe"], self.workers)
            if problems:
                raise InvalidValue(collected(problems, "Supernets"))
        if given and self.method in METHODS and method.supernet is None and method.shrinking is None:
            check_settings(method, given)

    def _check_from_run(self) -> None:
        if self.from_run is None:
            return
        given: dict[str, object] = {"--start": self.start, "--recipe-only": self.recipe_only}
        others = [option for option, value in given.items() if value]
        own = {name: getattr(self, name) for name in ("method", "space", "resolution", "seed")}
        check_reuse(self.from_run, own, self.settings, others)

    def completed(self) -> FitRequest:
        """With what `from_run` decides."""
        return self if self.from_run is None else replace(self, **decided_by(self.from_run, self.settings))

    def _check_start(self) -> None:
        if self.start is None:
            return
        if self.method in METHODS and METHODS[self.method].shrinking is None:
            raise InvalidValue(f"--start {self.start}: method {self.method} starts from drawn weights; --method ofa")
        if self.space is not None:
            raise InvalidValue(f"--start {self.start} opens a space of its own; leave --space {self.space} out")

    def chosen_workers(self) -> Workers:
        """How many trials are trained at once, and where."""
        return parse_workers(self.workers)

    def chosen_start(self) -> Start | None:
        """The network that the supernet begins with, if one is given."""
        return None if self.start is None else parse_start(self.start)

    def given(self) -> dict[str, dict[str, str]]:
        """The settings by group."""
        return settings.split(self.settings, SETTING_GROUPS)

    def chosen_method(self) -> tuple[Method, dict[str, Any]]:
        """The method and the settings of its search."""
        method = find(self.method, METHODS, "method")
        if not isinstance(method, Method):
            method = Method(method)
        return method, method.bind(self.given()["search"])

    def space_maker(self) -> tuple[Callable[..., SearchSpace], dict[str, Any]]:
        """The space's function and its settings."""
        if self.recipe_only is not None:
            return recipes_of(self.recipe_only), {}
        start = self.chosen_start()
        if start is not None:
            return space_around(start, self.given()["space"]), {}
        by_default = METHODS[self.method].space if self.method in METHODS else DEFAULT_SPACE
        space = find(self.space or by_default, spaces.BY_NAME, "space")
        arguments = settings.bind(space, self.given()["space"], "space")
        if self.method in METHODS and METHODS[self.method].open_recipe:
            return opened(space, arguments), {}
        return space, arguments

    def chosen_limits(self) -> dict[str, float]:
        """The limits beside latency, by name."""
        return parse_limits(self.limits, self.device)

    def recipe(self) -> Recipe:
        """The recipe, its epochs aside where the plan sets them."""
        return settings.apply(Recipe(), self.given()["recipe"], "recipe")


def request_of_run(folder: Path, *, fresh: bool, baselines: bool, added: Mapping[str, Any] | None = None) -> FitRequest:
    """The request that made a run directory, so that the directory alone continues it.

    Args:
        folder: the run directory.
        fresh, baselines: as in the request.
        added: other fields that do not change what a run finds: `workers`, `check_proxy`, `proxy_networks`.

    Raises:
        InvalidValue: it trains one network or a detector and searches nothing.
    """
    command = RunDirectory(folder).info()["command"]
    refuse_detector(folder, command)
    if "network" in command:
        raise InvalidValue(f"{folder} trains {command['network']}; `sculptnet train {folder}` continues it")
    with reading(folder / "run.json", AS_WRITTEN):
        own = {"baselines": bool(command["baselines"]) or baselines, "run_dir": folder, "fresh": fresh}
        return from_plain(FitRequest, {**command, **own, **(added or {})})


def refuse_detector(folder: Path, command: Mapping[str, Any]) -> None:
    """Raises `InvalidValue` where a run trains a detector, which only its own verb continues."""
    if command.get("verb") == "train-detector":
        raise InvalidValue(f"{folder} trains a detector; `sculptnet train-detector {folder}` continues it")
