"""What every block must do."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sculptnet.arch import Block, OneOf, TensorShape, from_json, to_json
from sculptnet.cost import count
from sculptnet.errors import OpenValue
from sculptnet.export.graph import to_onnx
from sculptnet.export.session import open_session
from sculptnet.nets import initialise
from sculptnet.testing.elsewhere import error_text


class BlockSuite:
    """Subclass it in a test file, name the class `Test...`, list decided `examples` of your block.

    Attributes:
        examples: blocks, one for each path through `module`.
        shapes: inputs that the examples are tried on.
        tolerance: largest difference between ONNX Runtime and PyTorch, absolute and relative.
    """

    examples: ClassVar[Sequence[Block]]
    shapes: ClassVar[Sequence[TensorShape]] = (TensorShape(16, 9, 9), TensorShape(16, 4, 7), TensorShape(16, 1, 1))
    tolerance: ClassVar[float] = 1e-4

    def test_out_shape_is_the_shape_of_the_modules_output(self) -> None:
        for block, shape, module in self._modules():
            found = tuple(module(_images(shape)).shape[1:])
            assert (*found, 1, 1)[:3] == block.out_shape(shape), f"{block} at {shape} gives {found}"

    def test_json_brings_the_same_block_back(self) -> None:
        for block in self.examples:
            text = json.dumps(to_json(block))
            assert from_json(json.loads(text), self._kinds()) == block, text

    def test_equal_blocks_have_equal_hashes(self) -> None:
        for block in self.examples:
            twin = copy.deepcopy(block)
            assert block == twin
            assert hash(block) == hash(twin), f"{block} must be a frozen dataclass with hashable fields"

    def test_every_field_may_be_open_and_an_open_block_is_not_built(self) -> None:
        for block in self.examples:
            for name in (part.name for part in fields(block) if part.name != "stride"):  # type: ignore[arg-type]
                value = getattr(block, name)
                opened: Any = replace(block, **{name: OneOf((value, value))})  # type: ignore[type-var]
                assert name in error_text(OpenValue, partial(opened.build, 16))
                assert name in error_text(OpenValue, partial(opened.out_shape, self.shapes[0]))

    def test_two_modules_of_a_block_are_alike_and_share_nothing(self) -> None:
        for block, shape, module in self._modules():
            twin = block.build(shape.channels)
            names = {name: tensor.shape for name, tensor in module.state_dict().items()}
            assert names == {name: tensor.shape for name, tensor in twin.state_dict().items()}
            shared = {id(parameter) for parameter in module.parameters()} & {id(p) for p in twin.parameters()}
            assert not shared, f"{block} builds modules that share parameters"

    def test_eval_mode_is_deterministic_and_sees_images_one_by_one(self) -> None:
        for block, shape, module in self._modules():
            images = _images(shape)
            with torch.no_grad():
                batch = module(images)
                assert torch.equal(batch, module(images)), f"{block} answers differently the second time"
                alone = torch.cat([module(image[None]) for image in images])
            torch.testing.assert_close(batch, alone, msg=f"{block} mixes the images of a batch")

    def test_an_identity_returns_its_input(self) -> None:
        for block, shape, module in self._modules():
            if block.is_identity(shape.channels):
                assert torch.equal(module(_images(shape)), _images(shape)), f"{block} claims to be the identity"

    def test_every_weight_gets_a_gradient(self) -> None:
        for block, shape, module in self._modules():
            module.train()(_images(shape).requires_grad_()).square().sum().backward()
            idle = [name for name, parameter in module.named_parameters() if parameter.grad is None]
            assert not idle, f"{block} never uses {idle}"

    def test_counts_are_those_of_the_module(self) -> None:
        for block, shape, module in self._modules():
            counts = count(block, shape)
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                module(_images(shape)[:1])
            assert counts.macs == counter.get_total_flops() // 2
            assert counts.parameters == sum(parameter.numel() for parameter in module.parameters())
            assert counts.out == block.out_shape(shape)

    def test_onnx_runtime_computes_the_same(self) -> None:
        for block, shape, module in self._modules():
            session = open_session(to_onnx(module, shape).SerializeToString())
            images = _images(shape)[:1]
            (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
            with torch.no_grad():
                expected = module(images).numpy()
            np.testing.assert_allclose(found, expected, self.tolerance, self.tolerance, err_msg=f"{block} at {shape}")

    def test_the_label_is_short(self) -> None:
        for block in self.examples:
            assert 0 < len(block.label()) <= 20, f"{block.label()!r} must fit into a drawing"

    def _kinds(self) -> set[type]:
        """The classes of the examples and of the values in their fields."""
        values = [value for block in self.examples for value in (block, *vars(block).values())]
        return {type(value) for value in values if hasattr(value, "__dataclass_fields__")}

    def _modules(self) -> list[tuple[Block, TensorShape, nn.Module]]:
        """Every example at every shape with an initialised module in eval mode."""
        made = []
        for block in self.examples:
            for shape in self.shapes:
                module = block.build(shape.channels).eval()
                initialise(module, 0)
                made.append((block, shape, module))
        assert made, "list some `examples`"
        return made


def _images(shape: TensorShape) -> Tensor:
    return torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
