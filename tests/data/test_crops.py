from __future__ import annotations

import numpy as np
import torch

from sculptnet.data import crops


def _images(count: int = 4, channels: int = 3, height: int = 6, width: int = 5) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(1, 256, size=(count, channels, height, width), dtype=np.uint8))


def test_shifted_agrees_with_a_loop_over_images() -> None:
    images = _images()
    shifts = np.array([[0, 0], [2, -1], [-3, 2], [1, 3]])
    mirrored = np.array([False, True, True, False])
    expected = torch.zeros_like(images)
    for index, (down, right) in enumerate(shifts.tolist()):
        source = images[index].flip(2) if mirrored[index] else images[index]
        for y in range(6):
            for x in range(5):
                if 0 <= y - down < 6 and 0 <= x - right < 5:
                    expected[index, :, y, x] = source[:, y - down, x - right]
    assert torch.equal(crops.shifted(images, shifts, mirrored), expected)


def test_no_shift_and_no_mirror_is_the_identity() -> None:
    images = _images()
    assert torch.equal(crops.shifted(images, np.zeros((4, 2), dtype=np.int64), np.zeros(4, dtype=bool)), images)


def test_mirrored_mirrors_the_chosen_images() -> None:
    images = _images()
    result = crops.mirrored(images, np.array([True, False, False, True]))
    assert torch.equal(result[0], images[0].flip(2))
    assert torch.equal(result[1], images[1])


def test_boxes_lie_inside_and_keep_scale_and_aspect() -> None:
    boxes = crops.draw_boxes(2000, 60, 80, 0.35, np.random.default_rng(0))
    top, left, height, width = boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 60).all()
    assert (left + width <= 80).all()
    shares = height * width / 4800
    assert shares.min() > 0.33
    assert shares.mean() < 0.75
    assert (width / height).min() > 0.72
    assert (width / height).max() < 1.37


def test_boxes_that_never_fit_are_the_central_square() -> None:
    boxes = crops.draw_boxes(5, 10, 100, 0.9, np.random.default_rng(0))
    assert boxes.tolist() == [[0, 45, 10, 10]] * 5


def test_zooming_into_a_box_of_the_right_size_copies_it() -> None:
    images = _images(2, 3, 9, 9)
    result = crops.zoomed(images, np.array([[1, 2, 6, 6], [0, 3, 6, 6]]), 6)
    assert torch.equal(result[0], images[0, :, 1:7, 2:8])
    assert torch.equal(result[1], images[1, :, 0:6, 3:9])
