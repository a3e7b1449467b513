"""What a person should know of a data set before training on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from sculptnet.data.images import Files, ImageData, Indices, Split
from sculptnet.data.plausible import doubts
from sculptnet.data.survey import Survey
from sculptnet.data.white import FULL, lost_pictures
from sculptnet.files import printable
from sculptnet.state import Progress, no_progress

NEAR_BITS = 4  # of 64: the most by which the difference hashes of near duplicates differ
NEAR_LEVELS = 2.0  # of 255: the most by which their 9x8 grey thumbnails differ on average
COPIES_WARNED = 0.01  # of the test images; fewer copies move an accuracy by less than its interval is wide
FEW_PER_CLASS = 20
IMBALANCE_WARNED = 10
SERIES_WARNED = 0.5  # of the test images; nearly so many near copies have pictures that were taken in series only
SHOWN_EXAMPLES = 5
NEARLY_BLACK = 16  # of 255
COPIES = "remove the copies or keep copies of one picture in one split"
SERIES = (
    "so many look like pictures of one still camera, or frames of a film: split them by recording or by time (folders "
    "train/ and test/), not at random; the accuracy on new recordings is unknown until then"
)
TEST_CHUNK, TRAIN_CHUNK = 64, 1024  # images that are compared at once: 5 MB of thumbnails
DENSE = 8  # one pair of so many


@final
@dataclass(frozen=True)
class Findings:
    """The facts about a data set, and what of them deserves a warning.

    Attributes:
        train_counts, test_counts: images per class.
        smallest, median, largest: (width, height): the least, the median and the greatest of each, pixels.
        broken: files that were left out, with the reason.
        identical: test images whose exact copy is in the training split.
        near_duplicates: further test images that a training image resembles up to compression or resizing.
        examples: some of both.
        contradictions: images that occur under several labels.
        exif_rotated, alpha, sixteen_bit, floating, more_frames, grey: images that are turned by their EXIF tag, have
            an alpha channel, have more than 8 bits per channel, have floating-point pixels, have further frames or
            pages, have no colours.
        warnings: sentences for the user.
    """

    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    broken: tuple[str, ...]
    identical: int
    near_duplicates: int
    examples: tuple[str, ...]
    contradictions: int
    exif_rotated: int
    alpha: int
    sixteen_bit: int
    floating: int
    more_frames: int
    grey: int
    warnings: tuple[str, ...]

    def sentences(self) -> tuple[str, ...]:
        """The facts in words, without the warnings: what is zero is left out, except copies."""
        kinds = (
            (self.exif_rotated, "turned as their EXIF tag says"),
            (self.alpha, "with an alpha channel, laid over white"),
            (self.sixteen_bit, "with 16 bits per channel, scaled to 8"),
            (self.floating, "with floating-point pixels, scaled to 8 bits"),
            (self.more_frames, "with several frames or pages, of which the first is used"),
            (self.grey, "without colours, widened to three equal channels"),
        )
        return (
            f"images per class: {_range(self.train_counts)} training, {_range(self.test_counts)} test",
            f"width x height: {_sizes(self)} pixels",
            *(f"{count} images {what}" for count, what in kinds if count),
            f"test images with a copy in the training split: {self.identical} identical, {self.near_duplicates} nearly",
        )


def _range(counts: tuple[int, ...]) -> str:
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(counts[0])


def _sizes(findings: Findings) -> str:
    least, middle, most = (f"{w}x{h}" for w, h in (findings.smallest, findings.median, findings.largest))
    return least if least == most else f"{least} to {most}, median {middle},"


def inspect(data: ImageData, progress: Progress = no_progress) -> Findings:
    """Looks at all of `data`; about a second for 70,000 small images, less for files, which were surveyed before.

    Args:
        data: what `load` returned: decoded into memory, images have lost their names, sizes and EXIF tags.
        progress: told how many test images were compared with the training images.
    """
    train, test = data.train.survey(), data.test.survey()
    sizes = np.concatenate([train.sizes, test.sizes])
    same = identical_pairs(train, test)
    others = np.setdiff1d(np.arange(len(test)), same[:, 1])
    near = near_pairs(train, test, others, progress)
    examples = [f"{_name(data.train, a, 'training')} = {_name(data.test, b, 'test')}" for a, b in _first(same)]
    examples += [f"{_name(data.train, a, 'training')} ~ {_name(data.test, b, 'test')}" for a, b in _first(near)]
    facts = {
        name: int(getattr(train, name).sum() + getattr(test, name).sum())
        for name in ("exif_rotated", "alpha", "sixteen_bit", "floating", "more_frames", "grey")
    }
    findings = Findings(
        train_counts=_counts(data.train, data),
        test_counts=_counts(data.test, data),
        smallest=_pair(sizes.min(axis=0)),
        median=_pair(np.median(sizes, axis=0)),
        largest=_pair(sizes.max(axis=0)),
        broken=data.broken,
        identical=len(same),
        near_duplicates=len(near),
        examples=tuple(examples),
        contradictions=_contradictions(data, train, test),
        **facts,
        warnings=(),
    )
    return _with_warnings(findings, data, doubts(data, train, test))


def _counts(split: Split, data: ImageData) -> tuple[int, ...]:
    return tuple(np.bincount(split.labels, minlength=len(data.classes)).tolist())


def _pair(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _first(pairs: Indices) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pairs[:SHOWN_EXAMPLES]]


def _name(split: Split, index: int, kind: str) -> str:
    return printable(split.names[index]) if isinstance(split, Files) else f"{kind} image {index}"


# ---------------------------------------------------------------------- copies
def difference_hashes(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """64 bits per thumbnail `(n, 8, 9)`: whether each pixel is darker than its right neighbour ("dHash")."""
    bits = (thumbnails[:, :, 1:] > thumbnails[:, :, :-1]).reshape(len(thumbnails), 64)
    return np.packbits(bits, axis=1).view(np.uint64).reshape(-1)


def identical_pairs(train: Survey, test: Survey) -> Indices:
    """(training index, test index) of images with equal contents, `(pairs, 2)`; the first training copy of each."""
    values, first = np.unique(train.digests, return_index=True)
    places = np.searchsorted(values, test.digests).clip(max=len(values) - 1)
    found = np.flatnonzero(values[places] == test.digests)
    return np.stack([first[places[found]], found], axis=1)


def near_pairs(train: Survey, test: Survey, rows: Indices, progress: Progress = no_progress) -> Indices:
    """(training index, test index) of images that look the same, `(pairs, 2)`, one pair for each such row of `test`.

    Their difference hashes differ in at most 4 of 64 bits, and their thumbnails by at most 2 of 255 levels on average.
    The hash alone is not enough for small pictures of few shapes: of Fashion-MNIST's test images 70 % have a training
    image within 4 bits, 0.3 % within both limits. Both splits are sorted by mean brightness, which cannot differ by
    more than the thumbnails do, so each test image is compared with a few percent of the training images: with those of
    nearly its own brightness first, until one looks the same.

    Args:
        train, test: the splits.
        rows: the images of `test` to look for, ascending.
        progress: told how many of them are done.
    """
    light_train, light_test = (survey.thumbnails.mean(axis=(1, 2)) for survey in (train, test))
    by_light, order = np.argsort(light_train, kind="stable"), rows[np.argsort(light_test[rows], kind="stable")]
    levels, hashes = light_train[by_light], tuple(difference_hashes(survey.thumbnails) for survey in (train, test))
    copies = np.full(len(test), -1, dtype=np.int64)
    for start in range(0, len(order), TEST_CHUNK):
        left = order[start : start + TEST_CHUNK]
        low = np.searchsorted(levels, light_test[left[0]] - NEAR_LEVELS, "left")
        high = np.searchsorted(levels, light_test[left[-1]] + NEAR_LEVELS, "right")
        apart = np.abs(levels[low:high] - light_test[left].mean())
        candidates = by_light[low:high][np.argsort(apart, kind="stable")]
        for first in range(0, len(candidates), TRAIN_CHUNK):
            part = candidates[first : first + TRAIN_CHUNK]
            row, column = np.nonzero(np.bitwise_count(hashes[1][left, None] ^ hashes[0][part]) <= NEAR_BITS)
            alike = _levels_apart(test.thumbnails[left], train.thumbnails[part], row, column) <= NEAR_LEVELS
            found, places = np.unique(row[alike], return_index=True)
            copies[left[found]] = part[column[alike][places]]
            left = np.delete(left, found)
            if not len(left):
                break
        progress("comparing images", min(start + TEST_CHUNK, len(order)), len(order))
    found = np.flatnonzero(copies >= 0)
    return np.stack([copies[found], found], axis=1)


def _levels_apart(
    one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], row: Indices, column: Indices
) -> npt.NDArray[np.float64]:
    """By how much the thumbnails `one[row]` and `other[column]` differ, on average over their pixels."""
    flat, flat_other = one.reshape(len(one), -1), other.reshape(len(other), -1)
    if len(row) * DENSE > len(one) * len(other):  # then it is faster to compare all; whole numbers, so nothing rounds
        sums = torch.cdist(torch.from_numpy(flat).float(), torch.from_numpy(flat_other).float(), p=1).numpy()[
            row, column
        ]
    else:
        left, right = flat[row], flat_other[column]
        sums = (np.maximum(left, right) - np.minimum(left, right)).sum(axis=1, dtype=np.uint16)
    return np.asarray(sums / np.float64(flat.shape[1]), dtype=np.float64)


def _contradictions(data: ImageData, train: Survey, test: Survey) -> int:
    """How many different images carry more than one label, over both splits."""
    digests = np.concatenate([train.digests, test.digests])
    labels = np.concatenate([data.train.labels, data.test.labels])
    order = np.lexsort((labels, digests))
    digests, labels = digests[order], labels[order]
    clashes = (digests[1:] == digests[:-1]) & (labels[1:] != labels[:-1])
    return len(np.unique(digests[1:][clashes]))


# ---------------------------------------------------------------------- warnings
def _with_warnings(findings: Findings, data: ImageData, first: Sequence[str]) -> Findings:
    values = {name: getattr(findings, name) for name in findings.__dataclass_fields__}
    warnings = [*first, *_class_warnings(findings, data), *_copy_warnings(findings, data)]
    warnings += _lost_warnings(data.train, "training") + _lost_warnings(data.test, "test")
    if findings.broken:
        warnings.append(f"{len(findings.broken)} files cannot be read and were left out, first {findings.broken[0]}")
    if 0 < findings.grey < len(data.train) + len(data.test):
        warnings.append(f"{findings.grey} of {len(data.train) + len(data.test)} images have no colours, others have")
    return Findings(**(values | {"warnings": tuple(warnings)}))


def _lost_warnings(split: Split, kind: str) -> list[str]:
    """Pictures that do not survive the way to 8-bit RGB."""
    survey, levels = split.survey(), split.levels if isinstance(split, Files) else FULL
    lost = lost_pictures(survey.depths, levels, [_name(split, row, kind) for row in range(len(split))])
    warnings = [f"{kind}: {text}" for _, text in lost]
    deep = survey.sixteen_bit | survey.floating
    if deep.any() and not lost and (bright := float(np.percentile(survey.thumbnails[deep], 95))) < NEARLY_BLACK:
        white = " and ".join(sorted({f"{level:g}" for level in survey.depths.white(levels)[deep].tolist()}))
        warnings.append(
            f"{kind}: the {int(deep.sum())} images of more than 8 bits come out nearly black, 95 % of their area below "
            f"{bright:.0f} of 255, since {white} is white; if only a few pixels are so bright, clip them and scale all "
            "images by one rule"
        )
    return warnings


def _class_warnings(findings: Findings, data: ImageData) -> list[str]:
    warnings = []
    few = [
        f"{name!r} ({count})"
        for name, count in zip(data.classes, findings.train_counts, strict=True)
        if count < FEW_PER_CLASS
    ]
    if few:
        warnings.append(f"classes with fewer than {FEW_PER_CLASS} training images: {', '.join(few)}")
    most, least = max(findings.train_counts), min(findings.train_counts)
    if most >= IMBALANCE_WARNED * least:
        warnings.append(
            f"the largest class has {most} training images, the smallest {least}: judge by the balanced accuracy"
        )
    absent = [repr(name) for name, count in zip(data.classes, findings.test_counts, strict=True) if not count]
    if absent:
        warnings.append(f"no test images of {', '.join(absent)}: nothing is known about the accuracy on them")
    return warnings


def _copy_warnings(findings: Findings, data: ImageData) -> list[str]:
    warnings = []
    copies = findings.identical + findings.near_duplicates
    if copies >= COPIES_WARNED * len(data.test):
        warnings.append(
            f"{copies} of {len(data.test)} test images are also in the training split ({findings.identical} identical, "
            f"{findings.near_duplicates} nearly), e.g. {findings.examples[0]}: the measured accuracy is too high; "
            + (SERIES if findings.near_duplicates >= SERIES_WARNED * len(data.test) else COPIES)
        )
    if findings.contradictions:
        warnings.append(f"{findings.contradictions} images occur under more than one label")
    return warnings
