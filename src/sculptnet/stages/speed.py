"""How fast this machine is: a few trial steps, before the plan is made."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.data import TrainingBatches
from sculptnet.job import ImageJob
from sculptnet.nets import Network, RelaxedSupernet
from sculptnet.nets.relaxed import LEAST_COMPARED
from sculptnet.stages.plan import WEIGHT_SHARE, Speed
from sculptnet.streams import stream

MakeSupernet: TypeAlias = Callable[[SearchSpace], RelaxedSupernet]
TRIAL_STEPS = 3
TRIAL_MEASURE_S = 1.0  # to export and time one network
SHIPPING_SECONDS = 20.0  # export, int8, timing, report; accuracy with the runtimes is added by the number of images
SEARCH_EXTRA = 1.1  # what a search does between the steps timed here: images, noise, expected costs
RUNTIME_SHARE = 0.35  # of a training step that classifying the same images with a runtime takes


def measure_speed(
    job: ImageJob,
    batches: TrainingBatches,
    branches: int | None,
    typical: Architecture,
    make_supernet: MakeSupernet | None,
) -> Speed:
    """Times trial steps of a typical network, as `measure_training` does, and of the supernet.

    Args:
        job: the run.
        batches: the training images.
        branches: candidates a slot that one search step runs; None for all.
        typical: a network that fits the budget.
        make_supernet: what the search trains; None if it trains no supernet.
    """
    speed = measure_training(job, batches, typical)
    if make_supernet is None:
        return speed
    placed, labels = _first_batch(job, batches)
    supernet = make_supernet(job.space)
    supernet.to(job.accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds = {}
    theta_branches = None if branches is None else max(branches, LEAST_COMPARED)
    for count in dict.fromkeys((branches, theta_branches)):
        forward = partial(supernet, placed, _branch_weights(supernet, count, job.options.seed))
        seconds[count] = _step_seconds(supernet, forward, labels, job.clock)
    search_s = SEARCH_EXTRA * (WEIGHT_SHARE * seconds[branches] + (1 - WEIGHT_SHARE) * seconds[theta_branches])
    return replace(speed, search_step_s=search_s, peak_bytes=peak_bytes())


def measure_training(job: ImageJob, batches: TrainingBatches, architecture: Architecture) -> Speed:
    """Times trial steps of a network, and leaves torch with the threads that were fastest.

    A thread per core is far slower than one thread where other programs keep a core busy: all threads wait for the one
    that has to wait.
    """
    placed, labels = _first_batch(job, batches)
    network = Network(architecture)
    network.to(job.accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    train_s, threads = fastest_threads(lambda: _step_seconds(network, lambda: network(placed), labels, job.clock))
    test_batches = len(job.data.test) / len(labels)
    shipping_s = SHIPPING_SECONDS + 2 * RUNTIME_SHARE * test_batches * train_s
    return Speed(0.0, train_s, batches.batch_size, TRIAL_MEASURE_S, shipping_s, peak_bytes(), threads)


def measure_forward(job: ImageJob, batches: TrainingBatches, network: nn.Module) -> float:
    """Seconds that `network` takes to judge a batch, the median of trial steps."""
    placed, _ = _first_batch(job, batches)
    network.to(job.accelerator, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds = []
    with torch.no_grad():
        for _ in range(TRIAL_STEPS + 1):
            begun = job.clock()
            network(placed)
            if placed.is_cuda:
                torch.cuda.synchronize()
            seconds.append(job.clock() - begun)
    return median(seconds[1:])


def _first_batch(job: ImageJob, batches: TrainingBatches) -> tuple[Tensor, Tensor]:
    images, labels = next(iter(batches.epoch(0)))
    placed = images.to(job.accelerator).contiguous(memory_format=torch.channels_last)
    return placed, labels.to(job.accelerator)


def fastest_threads(time_step: Callable[[], float]) -> tuple[float, int]:
    """The time of a step and the number of threads: all that torch has, or one if that is faster."""
    given = torch.get_num_threads()
    seconds = {given: time_step()}
    if given > 1:
        torch.set_num_threads(1)
        seconds[1] = time_step()
    threads = min(seconds, key=lambda count: seconds[count])
    torch.set_num_threads(threads)
    return seconds[threads], threads


def _step_seconds(
    module: nn.Module, forward: Callable[[], Tensor], labels: Tensor, clock: Callable[[], float]
) -> float:
    """The median time of a forward and a backward pass with an SGD step, after one that is not counted."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), 1e-6, momentum=0.9)
    seconds = []
    for _ in range(TRIAL_STEPS + 1):
        begun = clock()
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy(forward(), labels))
        optimizer.step()
        if labels.is_cuda:
            torch.cuda.synchronize()
        seconds.append(clock() - begun)
    return median(seconds[1:])


def _branch_weights(supernet: RelaxedSupernet, branches: int | None, seed: int) -> Mapping[str, Tensor]:
    rng = stream(seed, "flow/speed")
    weights = {}
    for path, node in supernet.space.decisions.items():
        count = len(node.options)
        vector = torch.zeros(count)
        chosen = rng.permutation(count)[: count if path in supernet.shared else branches]
        vector[torch.from_numpy(chosen)] = 1.0 / len(chosen)
        weights[path] = vector
    return weights


def peak_bytes() -> int:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
