from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from sculptnet.arch import Augmentation
from sculptnet.data import Preprocessing, TrainingBatches, folder, prepare, subset
from sculptnet.testing.elsewhere import run_elsewhere

PREPROCESSING = Preprocessing(10, 12, (0.3, 0.4, 0.5), (0.2, 0.3, 0.4))


def _everything(path: Path) -> dict[str, str]:
    """Hashes of all that a seed and a folder must determine."""
    data = folder(path, test_fraction=0.3, seed=2)
    rest, held = data.hold_out(0.5, seed=1)
    batches = TrainingBatches(data.train, PREPROCESSING, Augmentation(randaugment_layers=2), 6, seed=5)
    images = b"".join(images.numpy().tobytes() for images, _ in batches.epoch(4, 1))
    return {
        "fingerprint": data.fingerprint,
        "held out": rest.identity() + held.identity(),
        "subset": subset(data.train, 7, seed=3).identity(),
        "batches": hashlib.sha256(images).hexdigest(),
        "prepared": hashlib.sha256(prepare(data.train.image(1), PREPROCESSING).tobytes()).hexdigest(),
    }


def everything_as_json(path: str) -> str:
    return json.dumps(_everything(Path(path)))


def test_the_same_seed_gives_the_same_in_another_process(make_folder: Callable[..., Path]) -> None:
    path = make_folder({"a": 14, "b": 15})
    program = "import runpy, sys; print(runpy.run_path(sys.argv[1])['everything_as_json'](sys.argv[2]))"
    assert run_elsewhere(program, __file__, str(path)) == everything_as_json(str(path)) + "\n"
