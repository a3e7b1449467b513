"""A tiny supernet, its phases and its evaluation, for this process and others.

`python supernets.py FOLDER PLAN [KILL_AT_STEP]` trains it, and kills itself where it is told to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import save_file
from tests.learn.conftest import Colours

from sculptnet.arch import Architecture, SearchSpace, choice, prefix
from sculptnet.blocks import Classifier, Conv, InvertedResidual, PooledConv, SqueezeExcite
from sculptnet.learn import Phase, open_machine, progressive, sandwich, shrink
from sculptnet.nets import ElasticSupernet, Network, initialise
from sculptnet.runs import FileCheckpoint

IMAGES = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(5))


def tiny_space(kernels: tuple[int, ...] = (3, 5)) -> SearchSpace:
    def layer(squeeze: SqueezeExcite | None = None) -> InvertedResidual:
        return InvertedResidual(8, choice(*kernels), choice(1.5, 2, 3), squeeze=squeeze, hidden_divisor=4)

    stage = prefix((layer(SqueezeExcite()), layer(), layer()), 1, 2, 3)
    return SearchSpace(Architecture(choice(6, 8), Conv(8), (stage,), PooledConv(12), Classifier(3)))


def tiny_supernet(space: SearchSpace | None = None) -> ElasticSupernet:
    supernet = ElasticSupernet(space or tiny_space())
    initialise(supernet, 0)
    return supernet


def plan(name: str, space: SearchSpace) -> tuple[Phase, ...]:
    if name.startswith("sandwich"):
        dropout = 0.0 if name.endswith("without_dropout") else 0.2
        return sandwich(space, batch_size=12, epochs=2, learning_rate=8.0, warmup_epochs=0.5, dropout=dropout)
    rates = (4.0, 4.0)
    phases = progressive(
        space,
        batch_size=12,
        full_epochs=1,
        kernel_epochs=1,
        depth_epochs=(1, 1),
        width_epochs=(1, 1),
        full_learning_rate=20.0,
        kernel_learning_rate=8.0,
        depth_learning_rates=rates,
        width_learning_rates=rates,
    )
    if name == "averaged":  # moving averages, mixup, dropped paths and clipped gradients as well
        settings: dict[str, Any] = {"ema": 0.9, "drop_path": 0.2, "clip_norm": 1.0}
        return tuple(replace(phase, recipe=replace(phase.recipe, **settings)) for phase in phases)
    if name == "without_dropout":
        return tuple(replace(phase, recipe=replace(phase.recipe, dropout=0.0)) for phase in phases)
    return phases


@torch.no_grad()
def tell_apart(network: Network) -> Mapping[str, float]:
    """Something that depends on every weight, and on the statistics."""
    size = network.architecture.resolution
    return {"sum": float(network(IMAGES[:, :, :size, :size]).square().sum())}


def main(folder: Path, name: str, kill_at: int | None = None) -> None:
    torch.set_num_threads(1)
    machine, supernet, ticks = open_machine(), tiny_supernet(), count()

    def progress(what: str, done: int, total: int) -> None:
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    shrunk = shrink(
        supernet,
        plan(name, supernet.space),
        Colours(rank=machine.rank, world=machine.world),
        evaluate=tell_apart,
        seed=7,
        random_networks=1,
        calibration_images=24,
        checkpoint=FileCheckpoint(folder / "checkpoints"),
        checkpoint_seconds=3.0,
        clock=lambda: float(next(ticks)),
        progress=progress,
    )
    if machine.rank == 0:
        save_file(supernet.state_dict(), folder / "weights.safetensors")
        (folder / "phases.json").write_text(json.dumps(shrunk.phases))
    if machine.world > 1:
        PartialState().destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
