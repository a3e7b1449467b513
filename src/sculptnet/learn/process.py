"""What training changes of the process that it runs in, and how that is put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def process_as_found() -> Iterator[None]:
    """The context of a whole run: afterwards torch's threads and the global generators are as they were before."""
    threads = torch.get_num_threads()
    with generators_as_found():
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def generators_as_found() -> Iterator[None]:
    """The context after which python's, numpy's and torch's global generators are as they were before."""
    cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    generators = [torch.default_generator, *(torch.cuda.default_generators if cuda else ())]
    states = [generator.get_state() for generator in generators]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


@contextmanager
def seeded_generators(seed: int, device: torch.device) -> Iterator[None]:
    """The context in which the global generators begin with `seed`; afterwards they are as they were before.

    torch's generators are seeded one by one: `torch.manual_seed` takes 0.3 ms where CUDA is not in use.

    Args:
        seed: below 2**63.
        device: whose generator is seeded beside the CPU's.
    """
    with generators_as_found():
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.default_generators[device.index].manual_seed(seed)
        yield
