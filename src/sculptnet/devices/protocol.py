"""The measuring protocol: chunks of runs between runs of a reference network, round-robin over all models.

Only ratios to the reference are used, so what slows the whole machine cancels; the median over rounds that lie far
apart in time answers for the rest. Never the minimum: the minimum of a ratio is the reference's worst moment. Models
come as plain calls, so that any runtime on any machine can be measured by it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from statistics import median
from typing import NamedTuple, TypeAlias

from sculptnet.devices.plan import Measurement, Quality

Run: TypeAlias = Callable[[], object]
Clock: TypeAlias = Callable[[], float]  # seconds

MOST_RUNS = 400  # in one chunk
BUSY_SHARE = 0.9  # of a run's time that this thread must have had the CPU


class _Chunk(NamedTuple):
    run_s: float
    calm: bool


def measure(
    models: Mapping[str, Run],
    reference: Run,
    quality: Quality,
    *,
    held: Collection[tuple[str, int]] = (),
    clock: Clock = time.perf_counter,
    cpu_clock: Clock | None = None,
) -> Iterator[Measurement]:
    """Yields one measurement for every model and round that is not `held`; at most `quality.tries` tries for each.

    Args:
        models: one call runs the model once, on prepared inputs.
        reference: the same for the reference network.
        quality: the protocol's numbers.
        held: (model, round) pairs to leave out.
        clock: wall time, seconds.
        cpu_clock: CPU time of the thread that runs the model, seconds; a run during which another process had the CPU
            is dropped. None where the runtime works in other threads.
    """
    timer = _Timer(quality, clock, cpu_clock)
    waiting = [(name, index) for index in range(quality.rounds) for name in models if (name, index) not in held]
    repeats: dict[str, int] = {}
    reference_runs = timer.repeats(reference)
    before = timer.chunk(reference, reference_runs)
    for name, index in waiting:
        if name not in repeats:
            repeats[name] = timer.repeats(models[name])
            before = timer.chunk(reference, reference_runs)
        best: tuple[float, Measurement] | None = None
        for _ in range(quality.tries):
            middle = timer.chunk(models[name], repeats[name])
            after = timer.chunk(reference, reference_runs)
            reference_s = (before.run_s + after.run_s) / 2
            drift_percent = 100 * abs(after.run_s - before.run_s) / reference_s
            calm = middle.calm and before.calm and after.calm and drift_percent <= quality.drift_percent
            before = after
            badness = drift_percent + (0.0 if middle.calm else 100.0)
            if best is None or calm or badness < best[0]:
                best = badness, Measurement(name, index, middle.run_s / reference_s, reference_s * 1e3, not calm)
            if calm:
                break
        assert best is not None
        yield best[1]


class _Timer(NamedTuple):
    quality: Quality
    clock: Clock
    cpu_clock: Clock | None

    def repeats(self, run: Run) -> int:
        """Runs for one chunk, after the first runs of the session, which are dropped."""
        for _ in range(self.quality.warm_up_runs):
            run()
        seconds = max(self.chunk(run, self.quality.chunk_runs).run_s, 1e-9)
        wanted = math.ceil(self.quality.chunk_ms / 1e3 / seconds)
        return min(max(wanted, self.quality.chunk_runs), MOST_RUNS)

    def chunk(self, run: Run, runs: int) -> _Chunk:
        """The median of `runs` runs, after one that fetches the model back into the caches."""
        clock, cpu_clock = self.clock, self.cpu_clock
        run()
        walls, calm = [], []
        for _ in range(runs):
            cpu_start = cpu_clock() if cpu_clock else 0.0
            start = clock()
            run()
            wall = clock() - start
            walls.append(wall)
            if cpu_clock is None or cpu_clock() - cpu_start >= BUSY_SHARE * wall:
                calm.append(wall)
        enough = 2 * len(calm) >= runs
        return _Chunk(median(calm if enough else walls), enough)
