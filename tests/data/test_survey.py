from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sculptnet.data import to_rgb
from sculptnet.data.survey import survey_files


@pytest.fixture
def kinds(tmp_path: Path, photo: Callable[..., Image.Image]) -> list[Path]:
    exif = Image.Exif()
    exif[0x0112] = 8
    photo(0, (40, 30)).save(tmp_path / "plain.png")
    photo(0, (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    photo(0, (40, 30), "RGBA").save(tmp_path / "alpha.png")
    photo(0, (40, 30), "L").save(tmp_path / "grey.png")
    Image.fromarray(np.full((30, 40), 40_000, dtype=np.uint16)).save(tmp_path / "wide.png")
    return [tmp_path / name for name in ("plain.png", "turned.jpg", "alpha.png", "grey.png", "wide.png")]


def test_a_survey_tells_what_each_file_is(kinds: list[Path]) -> None:
    survey, broken = survey_files(kinds)
    assert not broken
    assert survey.sizes.tolist() == [[40, 30], [30, 40], [40, 30], [40, 30], [40, 30]]
    assert survey.exif_rotated.tolist() == [False, True, False, False, False]
    assert survey.alpha.tolist() == [False, False, True, False, False]
    assert survey.grey.tolist() == [False, False, False, True, True]
    assert survey.sixteen_bit.tolist() == [False, False, False, False, True]
    assert (survey.thumbnails[4] == 156).all()


def test_thumbnails_survive_compression_and_resizing(tmp_path: Path, photo: Callable[..., Image.Image]) -> None:
    photo(1, (200, 150)).save(tmp_path / "a.png")
    photo(1, (200, 150)).save(tmp_path / "b.jpg", quality=60)
    photo(1, (200, 150)).resize((120, 90)).save(tmp_path / "c.png")
    survey, _ = survey_files([tmp_path / name for name in ("a.png", "b.jpg", "c.png")])
    assert len(set(survey.digests.tolist())) == 3
    differences = np.abs(survey.thumbnails.astype(int) - survey.thumbnails[0])
    assert differences.mean(axis=(1, 2)).max() < 2


def test_broken_files_are_told_with_the_reason(kinds: list[Path], tmp_path: Path) -> None:
    whole = kinds[1].read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    names = ["cut.jpg", "text.png", "empty.png"]
    survey, broken = survey_files([kinds[0], *[tmp_path / name for name in names], kinds[2]], num_threads=1)
    assert len(survey) == 2
    assert survey.alpha.tolist() == [False, True]
    assert "truncated" in broken[1]
    assert (broken[2], broken[3]) == ("not an image", "not an image: the file is empty")


def test_progress_counts_every_file(kinds: list[Path]) -> None:
    told: list[tuple[str, int, int]] = []
    survey_files(kinds, lambda *event: told.append(event))
    assert told == [("reading images", index, 5) for index in range(1, 6)]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sizes_are_those_of_the_turned_image_in_every_format(
    tmp_path: Path, photo: Callable[..., Image.Image], suffix: str, orientation: int
) -> None:
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    exif[0x0112] = orientation
    photo(3, (401, 300)).save(path, **({"tiffinfo": {0x0112: orientation}} if suffix == "tiff" else {"exif": exif}))
    (size,), (turned,) = survey_files([path])[0].sizes.tolist(), survey_files([path])[0].exif_rotated.tolist()
    with Image.open(path) as image:
        assert tuple(size) == to_rgb(image).size == ((300, 401) if orientation in (6, 8) else (401, 300))
    assert turned == (orientation != 1)
