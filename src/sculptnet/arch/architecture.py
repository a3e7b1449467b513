"""The architecture: a whole network as a value. With open values in it, the same class is a template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sculptnet.arch.block import Block, TensorShape
from sculptnet.arch.choice import Prefix, options_of, require_decided
from sculptnet.errors import InvalidValue, collected

IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Architecture:
    """A classification network: stem, stages of blocks, head (features of 1x1 pixels), classifier.

    Attributes:
        resolution: height and width of the input images, pixels.
        stem: the first block, on `(3, resolution, resolution)`.
        stages: blocks in order, grouped; a stage has at least one block.
        head: the block that ends in one pixel, global pooling included.
        classifier: the block from the head's features to one logit per class.
    """

    resolution: int
    stem: Block
    stages: tuple[tuple[Block, ...], ...]
    head: Block
    classifier: Block

    def __post_init__(self) -> None:
        problems = [
            f"resolution must be a whole number of pixels above 0, got {value!r}"
            for value in options_of(self.resolution)
            if not isinstance(value, int) or value < 1
        ]
        if not isinstance(self.stages, tuple):
            raise InvalidValue(f"Architecture: stages must be a tuple of stages, got {self.stages!r}")
        if not self.stages:
            problems.append("stages must hold at least one stage, got none")
        for index, stage in enumerate(self.stages):
            if not isinstance(stage, (tuple, Prefix)):
                problems.append(f"stages.{index} must be a tuple of blocks or prefix(...), got {stage!r}")
            elif stage == ():
                problems.append(f"stages.{index} has no blocks; a stage has at least one")
        if problems:
            raise InvalidValue(collected(problems, "Architecture"))

    @property
    def num_classes(self) -> int:
        """The number of logits."""
        return self.classifier.out_channels

    def blocks(self) -> Iterator[tuple[str, Block, TensorShape]]:
        """Yields (path, block, input shape) for every block in order; the path is also the module's name.

        Raises:
            OpenValue: something is still open.
        """
        require_decided(self, "Architecture.blocks")
        shape = TensorShape(IMAGE_CHANNELS, self.resolution, self.resolution)
        for path, block in self.named():
            yield path, block, shape
            shape = block.out_shape(shape)

    def named(self) -> Iterator[tuple[str, Block]]:
        """Yields (path, block) in order, without shapes; works on templates, where depth counts in full."""
        yield "stem", self.stem
        for index, stage in enumerate(self.stages):
            blocks = stage.items if isinstance(stage, Prefix) else stage
            yield from ((f"stages.{index}.{position}", block) for position, block in enumerate(blocks))
        yield "head", self.head
        yield "classifier", self.classifier
