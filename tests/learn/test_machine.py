from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from sculptnet.errors import InvalidValue
from sculptnet.learn import Machine, open_machine
from sculptnet.learn.machine import evaluating

CPU = torch.device("cpu")


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_seeded_context_fixes_all_three_generators() -> None:
    with Machine(CPU).seeded(0, 3, 5):
        first = draws()
    draws()
    with Machine(CPU).seeded(0, 3, 5):
        assert draws() == first


@pytest.mark.parametrize("other", [(1, 3, 5, 0), (0, 4, 5, 0), (0, 3, 6, 0), (0, 3, 5, 1), (0, 5, 3, 0)])
def test_seed_epoch_step_and_process_all_count(other: tuple[int, int, int, int]) -> None:
    with Machine(CPU).seeded(0, 3, 5):
        first = draws()
    seed, epoch, step, rank = other
    with Machine(CPU, rank=rank, world=2).seeded(seed, epoch, step):
        assert all(new != old for new, old in zip(draws(), first, strict=True))


def test_seeding_is_what_torch_calls_a_manual_seed() -> None:
    with Machine(CPU).seeded(0, 0, 0):
        drawn = torch.rand(3)
        torch.manual_seed(torch.default_generator.initial_seed())
        assert torch.equal(torch.rand(3), drawn)


def test_evaluating_puts_every_mode_back(new_network: Callable[[int], nn.Module]) -> None:
    network = new_network(0).train()
    frozen = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module for module in network.modules() if not module.training] == [frozen]


def test_a_cpu_computes_in_fp32_unless_told() -> None:
    assert open_machine("cpu") == Machine(CPU, bf16=False, rank=0, world=1)
    assert open_machine("cpu", "bf16").bf16


def test_unknown_names_are_named() -> None:
    with pytest.raises(InvalidValue, match=r"no accelerator is called 'cuda:0'; did you mean cuda\?"):
        open_machine("cuda:0")
    with pytest.raises(InvalidValue, match="no precision is called 'fp16'; did you mean bf16"):
        open_machine("cpu", "fp16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_names_the_remedy() -> None:
    with pytest.raises(InvalidValue, match="torch finds no CUDA device here; use 'cpu'"):
        open_machine("cuda")
