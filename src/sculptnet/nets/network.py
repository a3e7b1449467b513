"""The static network of an architecture: what is trained, exported and measured."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture
from sculptnet.blocks.layers import Classify, Residual


class Network(nn.Module):
    """The network of a decided architecture. A block's path is its module's name: `stages.3.1`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        blocks = {path: block.build(shape.channels) for path, block, shape in architecture.blocks()}
        self.architecture = architecture
        self.stem = blocks["stem"]
        self.stages = nn.ModuleList(
            nn.ModuleList(blocks[f"stages.{i}.{j}"] for j in range(len(stage)))
            for i, stage in enumerate(architecture.stages)
        )
        self.head, self.classifier = blocks["head"], blocks["classifier"]

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(batch, classes)` of `images`, float `(batch, 3, height, width)`, normalised."""
        logits: Tensor = self.classifier(self.features(images))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """What the classifier sees of `images`, `(batch, features, 1, 1)`."""
        x = self.stem(images)
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x)
        pooled: Tensor = self.head(x)
        return pooled


@torch.no_grad()
def initialise(module: nn.Module, seed: int) -> None:
    """Draws all weights anew: convolutions He-normal by fan-out, linear layers normal(0, 0.01), batch norm 1 and 0.

    Other layers are drawn by their own `reset_parameters`; parameters of a layer without one stay as they were built.
    The result depends on `seed` and the module's structure alone, not on torch's global generator.
    """
    generator = torch.Generator().manual_seed(seed)
    _reset_others(module, seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
            layer.weight.normal_(0.0, (2.0 / fan_out) ** 0.5, generator=generator)
        elif isinstance(layer, nn.Linear):
            layer.weight.normal_(0.0, 0.01, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.weight.fill_(1.0)
        bias = getattr(layer, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.zero_()


def _reset_others(module: nn.Module, seed: int) -> None:
    """Layers that `initialise` has no rule for, by their own."""
    others = [layer for layer in module.modules() if not isinstance(layer, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))]
    resets = [layer.reset_parameters for layer in others if callable(getattr(layer, "reset_parameters", None))]
    if resets:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for reset in resets:
                reset()  # type: ignore[operator]


def set_dropout(network: nn.Module, dropout: float, drop_path: float) -> None:
    """Sets dropout before the classifier and stochastic depth, which grows linearly to `drop_path` at the last block.

    Reference: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016, section 3.
    """
    from timm.layers.drop import DropPath  # imports torchvision: seconds that not every process needs

    residuals = [layer for layer in network.modules() if isinstance(layer, Residual) and layer.residual]
    for index, layer in enumerate(residuals, start=1):
        rate = drop_path * index / len(residuals)
        layer.drop_path = DropPath(rate) if rate > 0 else nn.Identity()
    for module in network.modules():
        if isinstance(module, Classify):
            module.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
