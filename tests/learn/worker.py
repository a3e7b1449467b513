"""Trains the tiny network in a process of its own: `python worker.py FOLDER RECIPE [KILL_AT_STEP]`.

Leaves the final weights and the curve in FOLDER, and its checkpoints; with KILL_AT_STEP it kills itself there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors.torch import save_file

from conftest import CLASSES, RECIPES, Colours, tiny_network  # type: ignore[import-not-found]
from sculptnet.learn import open_machine, train_network
from sculptnet.records.events import event_to_line
from sculptnet.runs import FileCheckpoint


def main(folder: Path, recipe: str, kill_at: int | None = None) -> None:
    torch.set_num_threads(1)
    machine = open_machine()
    ticks = count()

    def progress(what: str, done: int, total: int) -> None:
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    trained = train_network(
        tiny_network(),
        RECIPES[recipe],
        Colours(rank=machine.rank, world=machine.world),
        num_classes=CLASSES,
        seed=7,
        teacher=tiny_network(1),
        checkpoint=FileCheckpoint(folder / "checkpoints"),
        checkpoint_seconds=3.0,
        clock=lambda: float(next(ticks)),
        log=lambda event: print(json.dumps(event_to_line(event)), flush=True),
        progress=progress,
    )
    if machine.rank == 0:
        save_file(trained.network.state_dict(), folder / "weights.safetensors")
        (folder / "curve.json").write_text(json.dumps(trained.curve))
    if machine.world > 1:
        PartialState().destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
