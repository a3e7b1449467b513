"""How many trials are trained at once, and where."""

from __future__ import annotations

from dataclasses import replace

from sculptnet.errors import InvalidValue, SculptNetError
from sculptnet.search.local_workers import LocalWorkers
from sculptnet.search.ray_cluster import check_installed
from sculptnet.search.ray_workers import RayWorkers
from sculptnet.search.workers import Workers
from sculptnet.settings import bind

RAY = "ray"


def as_workers(given: Workers | int | str) -> Workers:
    """Workers as they are, a number of processes of this machine, or what a text names; see `parse_workers`."""
    if isinstance(given, str):
        return parse_workers(given)
    return parse_workers(str(given)) if isinstance(given, int) else given


def parse_workers(text: str) -> Workers:
    """`4` processes of this machine, `ray`, or `ray:NAME=VALUE,...` with the arguments of `RayWorkers`.

    Raises:
        InvalidValue: it is none of them.
        MissingExtra: Ray is not installed.
    """
    kind, _, rest = text.strip().partition(":")
    if kind == RAY:
        check_installed()
        pairs = [entry.partition("=") for entry in rest.split(",") if entry.strip()]
        try:
            return RayWorkers(**bind(RayWorkers, {name.strip(): value.strip() for name, _, value in pairs}, RAY))
        except SculptNetError as error:
            raise InvalidValue(f"`workers` {text}: {error}") from error
    try:
        number = int(text)
    except ValueError:
        raise InvalidValue(
            f"`workers` must be a number of processes, ray, or ray:NAME=VALUE,...; got {text!r}"
        ) from None
    if number < 1:
        raise InvalidValue(f"`workers` must be at least 1, got {number}; 1 trains in this process")
    return LocalWorkers(number)


def decoders(workers: Workers, most: int) -> int:
    """Processes that decode images for one trial, of `most` that this process would have for itself."""
    if isinstance(workers, RayWorkers):
        return min(most, max(1, int(workers.cpus_per_trial)))
    return -(-most // workers.number) if isinstance(workers, LocalWorkers) else most


def on_accelerator(workers: Workers, accelerator: str) -> Workers:
    """The same with a GPU for each trial where trials need one and no share was chosen: Ray hides the others."""
    if isinstance(workers, RayWorkers) and accelerator == "cuda" and workers.gpus_per_trial == 0:
        return replace(workers, gpus_per_trial=1.0)
    return workers
