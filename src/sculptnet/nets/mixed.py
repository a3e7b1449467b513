"""The supernet in which every candidate block has weights of its own, and a slot's output is their weighted sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import reduce

import torch
from torch import Tensor, nn

from sculptnet.arch import IMAGE_CHANNELS, Architecture, Block, OneOf, SearchSpace, TensorShape, options_of
from sculptnet.errors import InvalidSpace, InvalidValue, collected
from sculptnet.nets.network import Network
from sculptnet.nets.relaxed import RelaxedSupernet


class Candidates(nn.ModuleList):
    """The candidate blocks of one open slot."""

    def mixed(self, x: Tensor, weights: Tensor, values: list[float]) -> Tensor:
        """The sum of `weights[k] * self[k](x)`; candidates of weight 0 are not run.

        A constant weight of exactly 1 is not multiplied: one candidate alone costs what the block costs, and an
        identity hands its input on without a copy.
        """
        terms = []
        for index, value in enumerate(values):
            if value != 0.0:
                y: Tensor = self[index](x)
                terms.append(y if value == 1.0 and not weights.requires_grad else y * weights[index])
        return reduce(torch.add, terms)


class MixedSupernet(RelaxedSupernet):
    """All networks of a space whose decisions are whole blocks, one set of weights per candidate block.

    The architecture is an argument of `forward`, never a state. The names of modules and parameters begin with the
    path of the block, as in `Network`; in an open slot the candidate's number follows: `stages.3.1.7.body...`.

    Weights start as PyTorch's layers draw them; `initialise(supernet, seed)` draws them from a seed.

    Raises:
        InvalidSpace: the space has decisions other than which block stands in a slot, or the candidates of a slot
            differ in their output shape; the message names them all.

    Reference: Wu et al., FBNet, CVPR 2019, section 3.2.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        shapes = _input_shapes(space)
        modules = {path: _module(slot, shapes[path].channels) for path, slot in space.architecture.named()}
        self.space = space
        self.stem = modules["stem"]
        self.stages = nn.ModuleList(
            nn.ModuleList(modules[f"stages.{i}.{j}"] for j in range(len(stage)))
            for i, stage in enumerate(space.architecture.stages)
        )
        self.head, self.classifier = modules["head"], modules["classifier"]
        self._open = {path: len(module) for path, module in self.slots() if isinstance(module, Candidates)}

    def slots(self) -> Iterator[tuple[str, nn.Module]]:
        """Yields (path, module) in the order of computation; an open slot's module is its `Candidates`."""
        yield "stem", self.stem
        for i, stage in enumerate(self.stages):
            assert isinstance(stage, nn.ModuleList)
            yield from ((f"stages.{i}.{j}", module) for j, module in enumerate(stage))
        yield "head", self.head
        yield "classifier", self.classifier

    def forward(self, images: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Logits `(batch, classes)`.

        In eval mode and for one-hot weights, this is bit-equal to `subnet` of that architecture.

        Args:
            images: float `(batch, 3, height, width)`, normalised.
            weights: for every decision its path and a vector with a weight per candidate. A candidate whose weight is
                exactly 0 is not run, and so gives its weight no gradient. The vectors may lie on the CPU while the
                network does not: they are moved in one transfer.

        Raises:
            InvalidValue: a decision has no weights, the wrong number, or only zeros.
        """
        self._check(weights)
        counts = list(self._open.values())
        together = torch.cat([weights[path] for path in self._open])  # one transfer to an accelerator
        parts = dict(zip(self._open, torch.split(together.to(images), counts), strict=True))
        numbers = {
            path: vector.tolist() for path, vector in zip(parts, torch.split(together.detach(), counts), strict=True)
        }
        empty = [
            f"all weights of {path} are 0; at least one candidate must run"
            for path in numbers
            if not any(numbers[path])
        ]
        if empty:
            raise InvalidValue(collected(empty, "weights"))
        x = images
        for path, module in self.slots():
            x = module.mixed(x, parts[path], numbers[path]) if isinstance(module, Candidates) else module(x)
        return x

    def _check(self, weights: Mapping[str, Tensor]) -> None:
        problems = [f"no weights for {path}" for path in self._open if path not in weights]
        problems += [f"{path} is no decision of this space" for path in weights if path not in self._open]
        problems += [
            f"{path} has {self._open[path]} candidates, its weights have shape {tuple(vector.shape)}"
            for path, vector in weights.items()
            if path in self._open and vector.shape != (self._open[path],)
        ]
        if problems:
            raise InvalidValue(collected(problems, "weights, one vector per decision"))

    def subnet(self, architecture: Architecture) -> Network:
        """The static network of `architecture` with a copy of its weights, in the same mode and memory format.

        Batch-norm statistics are the supernet's, which saw other mixtures: train or recalibrate before use.

        Raises:
            NotInSpace: the architecture is none of this space.
        """
        row = dict(zip(self.space.decisions, self.space.encode(architecture), strict=True))
        with torch.device("meta"):
            network = Network(architecture)
        for path, module in self.slots():
            chosen = module[row[path]] if isinstance(module, Candidates) else module
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, deepcopy(chosen))
        return network.train(self.training)


def weights_of(space: SearchSpace, architecture: Architecture) -> dict[str, Tensor]:
    """The one-hot weights of `architecture`, float32: 1 for the option of each decision that it took.

    Raises:
        NotInSpace: the architecture is none of `space`.
    """
    row = space.encode(architecture)
    return {
        path: nn.functional.one_hot(torch.tensor(index), len(node.options)).float()
        for (path, node), index in zip(space.decisions.items(), row, strict=True)
    }


def _module(slot: Block | OneOf, in_channels: int) -> nn.Module:
    if isinstance(slot, OneOf):
        return Candidates(block.build(in_channels) for block in slot.options)
    return slot.build(in_channels)


def _input_shapes(space: SearchSpace) -> dict[str, TensorShape]:
    """The input shape of every slot.

    Raises:
        InvalidSpace: as `MixedSupernet` does.
    """
    template = space.architecture
    slots = dict(template.named())
    others = [path for path in space.decisions if path not in slots]
    if others:
        raise InvalidSpace(
            f"MixedSupernet holds spaces in which whole blocks are chosen; also open here: {', '.join(others)}. "
            "Decide them, or list the blocks they would make as the candidates of a slot: choice(block, block, ...)"
        )
    shape, shapes, problems = TensorShape(IMAGE_CHANNELS, template.resolution, template.resolution), {}, []
    for path, slot in slots.items():
        shapes[path] = shape
        out = list(dict.fromkeys(block.out_shape(shape) for block in options_of(slot)))
        if len(out) > 1:
            problems.append(f"the candidates at {path} give {' or '.join(map(str, out))}; a sum needs one shape")
        shape = out[0]
    if problems:
        raise InvalidSpace(collected(problems, "MixedSupernet"))
    return shapes
