"""What a call must leave as it found it: generators, threads, filters of warnings, working directory."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import timm.layers.drop  # noqa: F401  # the first import brings sympy, which adds a filter for warnings of its own
import torch


def state_of_the_process() -> tuple[Any, ...]:
    """Equal before and after a call that leaves the process alone."""
    legacy: Any = np.random.get_state(legacy=True)
    numpy_state = (legacy[0], legacy[1].tobytes(), *legacy[2:])
    torch_state = torch.get_rng_state().numpy().tobytes()
    return random.getstate(), numpy_state, torch_state, torch.get_num_threads(), tuple(warnings.filters), Path.cwd()
