from __future__ import annotations

import torch
from torch import nn

from sculptnet.blocks import Conv, InvertedResidual
from sculptnet.nets.elastic_slices import KernelTransforms, Smaller

KERNELS = torch.randn(4, 1, 7, 7, generator=torch.Generator().manual_seed(0))


def test_identities_are_the_centre_crop_bit_for_bit() -> None:
    transforms = KernelTransforms((7, 5, 3))
    assert transforms(KERNELS, 7) is KERNELS
    assert torch.equal(transforms(KERNELS, 5), KERNELS[:, :, 1:6, 1:6])
    assert torch.equal(transforms(KERNELS, 3), KERNELS[:, :, 2:5, 2:5])


def test_a_3x3_kernel_is_made_of_the_5x5_one_with_one_matrix_for_all_channels() -> None:
    transforms = KernelTransforms((7, 5, 3))
    with torch.no_grad():
        for matrix in transforms.parameters():
            matrix.copy_(torch.randn(matrix.shape, generator=torch.Generator().manual_seed(len(matrix))))
    for kernel, five, three in zip(KERNELS, transforms(KERNELS, 5), transforms(KERNELS, 3), strict=True):
        wanted = transforms.get_parameter("to_5") @ kernel[0, 1:6, 1:6].reshape(25)
        torch.testing.assert_close(five.reshape(25), wanted)
        wanted = transforms.get_parameter("to_3") @ five[0, 1:4, 1:4].reshape(9)
        torch.testing.assert_close(three.reshape(9), wanted)


def test_sizes_may_leave_some_out() -> None:
    transforms = KernelTransforms((7, 3))
    assert [tuple(matrix.shape) for matrix in transforms.parameters()] == [(9, 9)]
    assert torch.equal(transforms(KERNELS, 3), KERNELS[:, :, 2:5, 2:5])


def test_a_tensor_of_full_size_is_handed_on_and_others_are_views() -> None:
    whole = InvertedResidual(8, 3, 6).build(4)
    tensors = {piece.name: piece.tensor() for piece in Smaller(whole, InvertedResidual(8, 3, 3), 4).slices}
    parameters = dict(whole.named_parameters())
    assert tensors["body.project.bn.weight"] is parameters["body.project.bn.weight"]
    for name, tensor in tensors.items():
        if name in parameters:
            assert tensor.data_ptr() == parameters[name].data_ptr(), name


def test_a_smaller_block_takes_the_first_rows_and_columns() -> None:
    whole, x = Conv(8, 3).build(6).eval(), torch.randn(2, 4, 5, 5)
    conv = whole.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        wanted = nn.functional.conv2d(x, conv.weight[:5, :4], padding=1)
        bn = nn.functional.batch_norm(wanted, torch.zeros(5), torch.ones(5))
        torch.testing.assert_close(Smaller(whole, Conv(5, 3), 4)(x), bn.relu())
