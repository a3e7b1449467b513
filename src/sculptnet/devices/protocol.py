"""The measuring protocol: chunks of runs between runs of a reference network, round-robin over all models.

Only ratios to the reference are used, so what slows the whole machine cancels; the median over rounds that lie far
apart in time answers for the rest. Never the minimum: the minimum of a ratio is the reference's worst moment. Models
come as plain calls, so that any runtime on any machine can be measured by it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple, TypeAlias, final

from sculptnet.devices.plan import Measurement, Quality

Run: TypeAlias = Callable[[], object]
Clock: TypeAlias = Callable[[], float]  # seconds

MOST_RUNS = 400  # in one chunk
EXTRA_TRIES = 0.5  # for each chunk, on average
BUSY_SHARE = 0.9  # of a run's time that this thread must have had the CPU


def measure(
    models: Mapping[str, Run],
    reference: Run,
    quality: Quality,
    *,
    alternate: bool = False,
    held: Collection[tuple[str, int]] = (),
    clock: Clock = time.perf_counter,
    cpu_clock: Clock | None = None,
) -> Iterator[Measurement]:
    """Yields one measurement for every model and round that is not `held`.

    A disturbed chunk is tried again, at most `quality.tries` times in all, while fewer than `EXTRA_TRIES` times the
    number of chunks have been spent on that: on a busy machine the loop ends in bounded time, and the chunks say that
    they are disturbed.

    Args:
        models: one call runs the model once, on prepared inputs.
        reference: the same for the reference network.
        quality: the protocol's numbers.
        alternate: run the reference between any two runs of a model, so that a model finds the caches as another
            network left them; else the model runs several times in a row, between runs of the reference.
        held: (model, round) pairs to leave out.
        clock: wall time, seconds.
        cpu_clock: CPU time of the thread that runs the model, seconds; a run during which another process had the CPU
            is disturbed. None where the runtime works in other threads.
    """
    timer = _timer(reference, quality, clock, cpu_clock)
    take = timer.alternating if alternate else timer.in_a_row
    seconds: dict[str, float] = {}
    extra_tries = 0
    chunks = [(name, index) for index in range(quality.rounds) for name in models if (name, index) not in held]
    for done, (name, index) in enumerate(chunks, start=1):
        run = models[name]
        if name not in seconds:
            seconds[name] = timer.warm_up(run)
        best, tries = take(run, seconds[name]), 1
        while best.unrest > 1 and tries < quality.tries and extra_tries < EXTRA_TRIES * done:
            best = min(best, take(run, seconds[name]), key=lambda chunk: chunk.unrest)
            tries, extra_tries = tries + 1, extra_tries + 1
        yield Measurement(name, index, best.ratio, best.reference_s * 1e3, best.unrest > 1)


class _Chunk(NamedTuple):
    ratio: float
    reference_s: float
    unrest: float  # above 1: disturbed


class _Timed(NamedTuple):
    seconds: float
    calm: bool  # this thread had the CPU


def _timer(reference: Run, quality: Quality, clock: Clock, cpu_clock: Clock | None) -> _Timer:
    timer = _Timer(reference, 0.0, quality, clock, cpu_clock)
    return replace(timer, reference_s=timer.warm_up(reference))


@final
@dataclass(frozen=True)
class _Timer:
    reference: Run
    reference_s: float  # roughly, one run
    quality: Quality
    clock: Clock
    cpu_clock: Clock | None

    def warm_up(self, run: Run) -> float:
        """Seconds that a run takes, roughly, after the first runs of the session, which are dropped."""
        for _ in range(self.quality.warm_up_runs):
            run()
        return max(median(self.once(run).seconds for _ in range(3)), 1e-9)

    def once(self, run: Run) -> _Timed:
        """One run."""
        cpu_start = self.cpu_clock() if self.cpu_clock else 0.0
        start = self.clock()
        run()
        wall = self.clock() - start
        return _Timed(wall, self.cpu_clock is None or self.cpu_clock() - cpu_start >= BUSY_SHARE * wall)

    def repeats(self, seconds: float, share: float = 1.0) -> int:
        """Runs of `seconds` that fill this share of a chunk."""
        wanted = math.ceil(share * self.quality.chunk_ms / 1e3 / seconds)
        return min(max(wanted, self.quality.chunk_runs), MOST_RUNS)

    def in_a_row(self, run: Run, seconds: float) -> _Chunk:
        """Runs in a row between two rows of runs of the reference, half as long."""
        around = self.repeats(self.reference_s, 0.5)
        before = self.several(self.reference, around)
        middle = self.several(run, self.repeats(seconds))
        return self.joined(before, middle, self.several(self.reference, around))

    def several(self, run: Run, runs: int) -> list[_Timed]:
        """`runs` runs, after one that fetches the model back into the caches."""
        run()
        return [self.once(run) for _ in range(runs)]

    def alternating(self, run: Run, seconds: float) -> _Chunk:
        """Runs with one of the reference before, between and after."""
        self.reference()
        references, runs = [self.once(self.reference)], []
        for _ in range(self.repeats(seconds + self.reference_s)):
            runs.append(self.once(run))
            references.append(self.once(self.reference))
        half = len(references) // 2
        return self.joined(references[:half], runs, references[half:])

    def joined(self, before: list[_Timed], middle: list[_Timed], after: list[_Timed]) -> _Chunk:
        """The median time in the middle over that of the reference around it; single runs may be outliers."""
        first, run, last = (_typical(timed) for timed in (before, middle, after))
        reference_s = (first.seconds + last.seconds) / 2
        unrest = 100 * abs(last.seconds - first.seconds) / reference_s / self.quality.drift_percent
        calm = first.calm and run.calm and last.calm
        return _Chunk(run.seconds / reference_s, reference_s, unrest if calm else unrest + 100)


def _typical(timed: list[_Timed]) -> _Timed:
    """The median of the runs that had the CPU; if those are fewer than half, of all, and that is not calm."""
    calm = [one.seconds for one in timed if one.calm]
    enough = 2 * len(calm) >= len(timed)
    return _Timed(median(calm if enough else [one.seconds for one in timed]), enough)
