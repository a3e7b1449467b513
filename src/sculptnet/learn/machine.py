"""What trains: an accelerator, a precision, and the processes that share the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor, nn

from sculptnet.errors import InvalidValue, suggestion
from sculptnet.learn.process import seeded_generators
from sculptnet.streams import stream_seed

ACCELERATORS = ("cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Machine:
    """One process of a training.

    Attributes:
        device: what torch computes on.
        bf16: forward passes under bfloat16 autocast; weights, gradients and optimiser states stay float32.
        rank: number of this process; 0 logs and saves.
        world: how many processes train together.
    """

    device: torch.device
    bf16: bool = False
    rank: int = 0
    world: int = 1

    def place(
        self, images: Tensor, labels: Tensor, layout: torch.memory_format = torch.channels_last
    ) -> tuple[Tensor, Tensor]:
        """Both on the device, the images `(batch, 3, height, width)` in the memory format `layout`."""
        images = images.to(self.device, non_blocking=True, memory_format=layout)
        return images, labels.to(self.device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[object]:
        """The context of forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    @contextmanager
    def reproducible(self) -> Iterator[None]:
        """The context of a training: convolutions on CUDA use algorithms that give equal bits every time."""
        if self.device.type == "cuda":
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
                yield
        else:
            yield

    def seeded(self, seed: int, epoch: int, step: int) -> AbstractContextManager[None]:
        """The context of a step: global generators are seeded from (seed, epoch, step, rank), and put back afterwards.

        So no step depends on what was drawn before it, and no other program on what the step draws.
        """
        value = stream_seed(seed, f"training, process {self.rank}, epoch {epoch}", step)
        return seeded_generators(value, self.device)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces `tensors` by their means over all processes, in one exchange; alone, it does nothing."""
        if self.world == 1:
            return
        mean = reduce(torch.cat([tensor.reshape(-1) for tensor in tensors]), "mean")
        for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))


def open_machine(accelerator: str = "cpu", precision: str = "auto") -> Machine:
    """The machine of this process; under `torchrun` or `accelerate launch`, one of several.

    Args:
        accelerator: "cpu" or "cuda".
        precision: "fp32", "bf16", or "auto": bf16 on CUDA, fp32 on CPUs, where bf16 is no faster or slower.

    Raises:
        InvalidValue: an unknown name, or CUDA where torch finds none.
    """
    for value, known, name in ((accelerator, ACCELERATORS, "accelerator"), (precision, PRECISIONS, "precision")):
        if value not in known:
            raise InvalidValue(f"no {name} is called {value!r}; {suggestion(value, known)}")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InvalidValue(
            "accelerator 'cuda': torch finds no CUDA device here; use 'cpu', or install CUDA and its torch"
        )
    processes = PartialState(cpu=accelerator == "cpu")
    if processes.num_processes > 1 and processes.device.type != accelerator:
        raise InvalidValue(
            f"accelerator {accelerator!r}: these {processes.num_processes} processes were joined for "
            f"{processes.device.type!r}; use one accelerator per launch"
        )
    # accelerate remembers the first accelerator of a process; alone, a later training may use another one
    device = processes.device if processes.num_processes > 1 else torch.device(accelerator)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    bf16 = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return Machine(device, bf16, processes.process_index, processes.num_processes)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The context in which `network` is in eval mode; afterwards every module has its mode back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
