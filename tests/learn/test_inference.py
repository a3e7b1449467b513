from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from sculptnet.learn import accuracy_of, predictions


def test_predictions_are_the_largest_logits_in_eval_mode(new_network: Callable[[int], nn.Module], colours: Any) -> None:
    network = new_network(0).train()
    batches = list(colours.epoch(0))
    found = predictions(network, batches)
    assert network.training
    expected = torch.cat([network.eval()(images).argmax(1) for images, _ in batches])
    assert found.dtype == np.int64
    assert found.tolist() == expected.tolist()


def test_accuracy_counts_the_agreements(new_network: Callable[[int], nn.Module], colours: Any) -> None:
    network = new_network(0)
    batches = list(colours.epoch(0))
    labels = torch.cat([labels for _, labels in batches]).numpy()
    accuracy = accuracy_of(network, batches, 3)
    assert accuracy.num_images == 48
    assert accuracy.top1 == float((predictions(network, batches) == labels).mean())


def test_no_batches_have_no_predictions(new_network: Callable[[int], nn.Module]) -> None:
    assert predictions(new_network(0), []).shape == (0,)
