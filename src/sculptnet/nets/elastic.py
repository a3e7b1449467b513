"""The supernet whose networks are slices of one set of weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sculptnet.arch import Architecture, Block, SearchSpace
from sculptnet.errors import InvalidSpace, InvalidValue, collected
from sculptnet.nets.elastic_range import largest, misfits, on_meta, one_step_down
from sculptnet.nets.elastic_slices import TO, TRANSFORMS, KernelTransforms, Smaller
from sculptnet.nets.network import Network


class ElasticSupernet(nn.Module):
    """All networks of a space whose options are sizes: kernels, hidden widths, widths, depth, resolution.

    The weights are those of the largest network. A smaller one takes the first channels of every tensor, batch norm
    included, the first layers of every stage, and kernels made of larger ones by `KernelTransforms`. Squeeze-and-
    excitation follows the hidden width. Any block whose options differ in the sizes of its tensors can be elastic.

    The architecture is an argument of `forward`, never a state. Names of parameters are `Network`'s of the largest
    architecture, beginning with the path of the block: `stages.3.1.body...`; only the transforms come on top, as in
    `stages.3.1.body.depthwise.conv.transforms.to_5`. `initialise(supernet, seed)` draws the weights from a seed.

    Attributes:
        space: the space.
        full: its largest architecture.

    Raises:
        InvalidSpace: options that are no sizes, or blocks that are no parts of the largest one; the message names all.

    Reference: Cai et al., Once-for-All, ICLR 2020, section 3.3.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space, self.full = space, largest(space)
        network = Network(self.full)
        self.stem, self.stages = network.stem, network.stages
        self.head, self.classifier = network.head, network.classifier
        self._whole = {path: (block, shape.channels) for path, block, shape in self.full.blocks()}
        self._smaller: dict[tuple[str, Block, int], Smaller] = {}
        self._open_kernels()

    def __getstate__(self) -> dict[str, Any]:
        """Copies find the space's tables and the smaller blocks anew: those hold what cannot be copied."""
        return self.__dict__ | {"space": replace(self.space), "_smaller": {}}

    def _open_kernels(self) -> None:
        """Adds the transforms between kernel sizes.

        Raises:
            InvalidSpace: as the class does.
        """
        problems, sizes = [], defaultdict[nn.Conv2d, set[int]](set)
        for path, block, in_channels in self._parts():
            whole, part = self.get_submodule(path), on_meta(block, in_channels)
            wrong = misfits(part, whole, block)
            problems += [f"{path}: {block.label()} of {in_channels} channels {problem}" for problem in wrong]
            for name, conv in part.named_modules():
                if isinstance(conv, nn.Conv2d) and not wrong:
                    original = whole.get_submodule(name)
                    assert isinstance(original, nn.Conv2d)
                    sizes[original] |= {conv.kernel_size[0], original.kernel_size[0]}
        if problems:
            raise InvalidSpace(collected(list(dict.fromkeys(problems)), "ElasticSupernet"))
        for conv, found in sizes.items():
            if len(found) > 1:
                conv.add_module(TRANSFORMS, KernelTransforms(sorted(found, reverse=True)))

    def _parts(self) -> Iterator[tuple[str, Block, int]]:
        seen = {(path, *whole) for path, whole in self._whole.items()}
        for architecture in one_step_down(self.space):
            for path, block, shape in architecture.blocks():
                if (path, block, shape.channels) not in seen:
                    seen.add((path, block, shape.channels))
                    yield path, block, shape.channels

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Logits `(batch, classes)`.

        In eval mode this is bit-equal to `subnet(architecture)`.

        Args:
            images: float `(batch, 3, resolution, resolution)`, normalised.
            architecture: one of the space; its resolution is that of the images.

        Raises:
            NotInSpace: the architecture is none of this space.
            InvalidValue: the images have another size than the architecture's resolution.
        """
        self.space.encode(architecture)
        height, width = images.shape[-2:]
        if (height, width) != (architecture.resolution,) * 2:
            raise InvalidValue(
                f"images are {height}x{width} pixels, the architecture's resolution is {architecture.resolution}; "
                "resize them, or ask for the architecture at their size: replace(architecture, resolution=...)"
            )
        x = images
        for path, block in architecture.named():
            part = self._part(path, block, x.shape[1])
            x = self.get_submodule(path)(x) if part is None else part(x)
        return x

    def _part(self, path: str, block: Block, in_channels: int) -> Smaller | None:
        """The block at `path`; None if it is the largest one."""
        if self._whole[path] == (block, in_channels):
            return None
        key = (path, block, in_channels)
        if key not in self._smaller:
            self._smaller[key] = Smaller(self.get_submodule(path), block, in_channels)
        return self._smaller[key]

    def tensors(self, architecture: Architecture) -> dict[str, Tensor]:
        """The state of the network of `architecture`, by name, as views of the weights; kernels may be computed.

        Raises:
            NotInSpace: the architecture is none of this space.
        """
        self.space.encode(architecture)
        found: dict[str, Tensor] = {}
        for path, block, shape in architecture.blocks():
            part = self._part(path, block, shape.channels)
            if part is None:
                own = self.get_submodule(path).state_dict(keep_vars=True).items()
                found |= {f"{path}.{name}": tensor for name, tensor in own if f".{TRANSFORMS}." not in name}
            else:
                found |= {f"{path}.{piece.name}": piece.tensor() for piece in part.slices}
        return found

    @torch.no_grad()
    def used(self, architecture: Architecture) -> list[str]:
        """The names of the parameters that the network of `architecture` is made of, kernel transforms included.

        Raises:
            NotInSpace: the architecture is none of this space.
        """
        state, names = self.tensors(architecture), []
        for name, _ in self.named_parameters():
            layer, is_transform, matrix = name.partition(f".{TRANSFORMS}.")
            kernel = state[f"{layer}.weight"].shape[-1] if is_transform and f"{layer}.weight" in state else None
            if name in state or (kernel is not None and kernel <= int(matrix.removeprefix(TO))):
                names.append(name)
        return names

    @torch.no_grad()
    def subnet(self, architecture: Architecture) -> Network:
        """The static network of `architecture` with a copy of its weights, in the same mode and memory format.

        Batch-norm statistics are the first of the supernet's, which saw all networks: `calibrate` before use.

        Raises:
            NotInSpace: the architecture is none of this space.
        """
        copies = {name: tensor.detach().clone() for name, tensor in self.tensors(architecture).items()}
        with torch.device("meta"):
            network = Network(architecture)
        network.load_state_dict(copies, assign=True)
        return network.train(self.training)

    @torch.no_grad()
    def load_full(self, network: Network) -> None:
        """Takes the weights of the largest network; kernel transforms become identities again.

        Raises:
            InvalidValue: `network` has another architecture than `full`, the resolution aside.
        """
        given = replace(network.architecture, resolution=self.full.resolution)
        if given != self.full:
            blocks = dict(given.named())
            paths = [path for path, block in self.full.named() if blocks.get(path) != block]
            raise InvalidValue(
                f"load_full needs the weights of the space's largest network; this one differs at "
                f"{', '.join(paths) or 'the end of a stage, where it has more layers'}"
            )
        for module in self.modules():
            if isinstance(module, KernelTransforms):
                module.reset_parameters()
        own = self.state_dict()
        for name, tensor in network.state_dict().items():
            own[name].copy_(tensor)
