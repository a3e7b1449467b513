"""What `--method` offers: a search, and what it needs around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sculptnet import settings
from sculptnet.arch import SearchSpace
from sculptnet.errors import InvalidValue, SculptNetError, collected, suggestion
from sculptnet.flow.shrinking import Shrinking
from sculptnet.nets import MaskedSupernet, MixedSupernet, RelaxedSupernet
from sculptnet.search import Search, dnas, evolution, joint, optuna_search, random_search, reinforce
from sculptnet.search.joint_search.method import settings_for as joint_settings_for
from sculptnet.search.optuna_samplers import require_optuna
from sculptnet.search.reinforcement.method import settings_for
from sculptnet.settings import Setting

FEWEST_OF_JOINT = 12


@dataclass(frozen=True)
class Method:
    """A published system, or a baseline.

    Attributes:
        search: called with the problem and the seed; its keyword-only arguments are what `--set search.` changes.
        supernet: made of the space for a search that trains one and yields draws from what it learned, which are then
            measured and trained from scratch. None: every proposal is measured and trained briefly, and the search
            learns from that.
        shrinking: for a method that first trains an elastic supernet and then searches, with a predictor of its
            networks' accuracies, for one to cut out of it: the settings of that, which `--set search.` changes too.
        space: what is searched unless the user says otherwise.
        soft: the search prefers what is within the limits, and proposes what is beyond them, too.
        beyond: what is over the budget when it is measured is trained all the same, since the search learns from it.
        planned: the settings of a search of so many trials, given those of the user.
        fewest: trials that it needs with these settings of the user; None: two.
        open_recipe: searches recipes too: FBNetV3's, unless the space has open ones or decides that it has none.
        require: raises `MissingExtra` where an optional package is missing.
    """

    search: Callable[..., Search]
    supernet: Callable[[SearchSpace], RelaxedSupernet] | None = None
    shrinking: Callable[..., Shrinking] | None = None
    space: str = "fbnet"
    soft: bool = False
    beyond: bool = False
    planned: Callable[[int, Mapping[str, Any]], Mapping[str, Any]] | None = None
    fewest: Callable[[Mapping[str, Any]], int] | None = None
    open_recipe: bool = False
    require: Callable[[], None] | None = None

    @property
    def parts(self) -> tuple[Callable[..., object], ...]:
        """What has settings."""
        return (self.search,) if self.shrinking is None else (self.search, self.shrinking)

    def settings(self) -> dict[str, Setting]:
        """Everything that `--set search.` changes."""
        return {name: one for part in self.parts for name, one in settings.settings_of(part).items()}

    def bind(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The settings that `given` asks for, as values.

        Raises:
            InvalidValue: with every unknown name (near misses suggested) and every value that does not parse.
            MissingExtra: the method needs a package that is not installed.
        """
        if self.require is not None:
            self.require()
        known, values = self.settings(), dict[str, Any]()
        problems = [f"search.{name} is unknown; {suggestion(name, known)}" for name in given if name not in known]
        for part in self.parts:
            own = settings.settings_of(part)
            try:
                values |= settings.bind(part, {name: text for name, text in given.items() if name in own}, "search")
            except SculptNetError as error:
                problems.append(str(error).removeprefix("--set: "))
        if problems:
            raise InvalidValue(collected(problems, "--set"))
        if self.shrinking is not None:
            self.shrinking(**{name: values[name] for name in settings.settings_of(self.shrinking) if name in values})
        return values


def reinforced(trials: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """A controller for so many trials that is rewarded for measured latencies."""
    planned = {**settings_for(trials), "cost_metric": "measured_latency_ms"}
    if "batches" in given:
        planned.pop("batch")  # the two go together
    return planned


def fewest_of_joint(given: Mapping[str, Any]) -> int:
    """Two small rounds and as many finalists, or what the user has set."""
    least = joint_settings_for(FEWEST_OF_JOINT, given)
    return int(least["rounds"] * least["batch"] + least["finalists"])


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "fbnet": Method(dnas, MixedSupernet),
        "fbnetv2": Method(dnas, MaskedSupernet, space="fbnetv2"),
        "fbnetv3": Method(
            joint, space="fbnetv3", beyond=True, planned=joint_settings_for, fewest=fewest_of_joint, open_recipe=True
        ),
        "ofa": Method(evolution, shrinking=Shrinking, space="ofa_mobilenet_v3"),
        "mnasnet": Method(reinforce, space="mnasnet", soft=True, beyond=True, planned=reinforced),
        "random": Method(random_search),
        "evolution": Method(evolution),
        "optuna": Method(optuna_search, require=require_optuna),
    }
)
