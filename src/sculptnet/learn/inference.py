"""What a trained network says about images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sculptnet.accuracy import Accuracy
from sculptnet.learn.machine import evaluating, open_machine


def predictions(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], accelerator: str = "cpu"
) -> npt.NDArray[np.int64]:
    """The most likely class of every image, shape `(images,)`.

    The network is moved to the accelerator and stays there; its training mode is put back.
    """
    return classified(network, batches, accelerator)[0]


def accuracy_of(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], num_classes: int, accelerator: str = "cpu"
) -> Accuracy:
    """How well `predictions` agree with the labels of `batches`, float32."""
    predicted, labels = classified(network, batches, accelerator)
    return Accuracy.from_predictions(predicted, labels, num_classes)


@torch.inference_mode()
def classified(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], accelerator: str = "cpu"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What `predictions` gives, and the labels of `batches`."""
    machine = open_machine(accelerator, "fp32")
    network.to(machine.device)
    predicted, wanted = [torch.empty(0, dtype=torch.int64)], [torch.empty(0, dtype=torch.int64)]
    with evaluating(network), machine.reproducible():
        for images, labels in batches:
            placed, _ = machine.place(images, labels)
            predicted.append(network(placed).argmax(1))
            wanted.append(labels)
    return torch.cat([part.cpu() for part in predicted]).numpy(), torch.cat(wanted).numpy()
