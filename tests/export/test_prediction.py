from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from PIL import Image
from tests.deep import png16, tiff16

from sculptnet.arch import TensorShape, to_json
from sculptnet.data.preprocessing import Preprocessing, prepare
from sculptnet.errors import InvalidValue
from sculptnet.export import OnnxModel, export_model, predict, standalone, to_onnx
from sculptnet.export.prediction import softmax
from sculptnet.export.session import Images
from sculptnet.export.standalone_photos import open_rgb
from sculptnet.nets import Network

CLASSES = ("falling", "rising", "plain")
ORIENTATION = 0x0112
# Runs the script as a fresh process does, then tells on stderr what it had loaded.
WATCHED = (
    "import runpy, sys; sys.argv = sys.argv[1:]; codes = [];\n"
    "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    "except SystemExit as stop:\n    codes.append(stop.code)\n"
    "print(*sorted({'torch', 'sculptnet', 'timm'} & set(sys.modules)), file=sys.stderr); sys.exit(codes[0])"
)


def draw(size: tuple[int, int], bands: int) -> Image.Image:
    """Noise, so that every pixel counts."""
    shape = (size[1], size[0], bands) if bands > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(bands).integers(0, 256, shape).astype(np.uint8))


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    draw((40, 25), 3).save(path, exif=exif)


def deep(channels: int) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(channels).integers(0, 4096, (30, 40, channels)).astype(np.uint16)


def palette(path: Path) -> None:
    image = draw((20, 30), 1).convert("P")
    image.info["transparency"] = 7
    image.save(path)


PHOTOS: dict[str, Callable[[Path], object]] = {
    "plain.jpg": lambda path: draw((33, 47), 3).save(path),
    "rotated.jpg": rotated,
    "alpha.png": lambda path: draw((40, 31), 4).save(path),
    "grey.png": lambda path: draw((16, 16), 1).save(path),
    "grey with alpha.png": lambda path: draw((19, 50), 4).convert("LA").save(path),
    "sixteen bits.png": lambda path: Image.fromarray(
        np.random.default_rng(1).integers(0, 65536, (30, 40)).astype(np.uint16)
    ).save(path),
    "twelve bits.png": lambda path: path.write_bytes(png16(deep(1))),
    "colours of twelve bits.png": lambda path: path.write_bytes(png16(deep(3))),
    "turned, with alpha, of twelve bits.png": lambda path: path.write_bytes(png16(deep(4), orientation=6)),
    "colours of twelve bits.tiff": lambda path: path.write_bytes(tiff16(deep(3)[::-1])),
    "black and white.png": lambda path: draw((18, 18), 1).convert("1").save(path),
    "palette.png": palette,
    "colours.gif": lambda path: draw((25, 18), 3).convert("P").save(path),
    "cmyk.jpg": lambda path: draw((18, 60), 3).convert("CMYK").save(path),
    "tiny.bmp": lambda path: draw((3, 2), 3).save(path),
}


@pytest.fixture
def preprocessing() -> Preprocessing:
    return Preprocessing(16, 18, (0.5, 0.45, 0.4), (0.25, 0.2, 0.3), white_level=4095)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    for name, save in PHOTOS.items():
        save(tmp_path / name)
    Image.fromarray(deep(1)[..., 0].astype(np.float32) / 2048).save(tmp_path / "floats.tiff")
    return [tmp_path / name for name in PHOTOS]


@pytest.fixture
def model(network: Network, preprocessing: Preprocessing, images: Images, tmp_path: Path) -> Path:
    export_model(network, preprocessing, CLASSES, tmp_path / "model", calibration=[images])
    return tmp_path / "model"


def run_script(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", WATCHED, str(folder / "predict.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_predictions_are_the_softmax_of_the_networks_answers(
    model: Path, photos: list[Path], preprocessing: Preprocessing
) -> None:
    found = predict(model / "model.onnx", photos)
    assert (found.photos, found.classes) == (tuple(photos), CLASSES)
    for photo, row in zip(photos, found.probabilities, strict=True):
        with Image.open(photo) as image:
            logits = OnnxModel(model / "model.onnx").logits(prepare(image, preprocessing)[None])[0].astype(float)
        np.testing.assert_allclose(row, np.exp(logits) / np.exp(logits).sum(), rtol=1e-12)
    assert len(np.unique(found.probabilities, axis=0)) == len(photos)  # all photos differ


def test_a_photo_does_not_depend_on_the_others(model: Path, photos: list[Path]) -> None:
    together = predict(model / "model.onnx", photos)
    for index in (0, 3):
        alone = predict(model / "model.onnx", [photos[index]])
        np.testing.assert_array_equal(alone.probabilities[0], together.probabilities[index])


def test_the_best_come_first(model: Path, photos: list[Path]) -> None:
    found = predict(model / "model.onnx", photos[:2])
    for row, best in zip(found.probabilities, found.best(2), strict=True):
        assert [probability for _, probability in best] == sorted(row, reverse=True)[:2]
        assert best[0][0] == CLASSES[int(row.argmax())]


def test_softmax_survives_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0, -1000.0], np.float32)), [0.5, 0.5, 0.0])


@pytest.mark.parametrize("file", ["model.onnx", "model.int8.onnx"])
def test_the_script_says_exactly_the_same_without_us_and_without_pytorch(
    model: Path, photos: list[Path], file: str
) -> None:
    answer = run_script(model, "--json", "--model", model / file, *photos)
    assert (answer.returncode, answer.stderr.strip()) == (0, "")  # neither torch nor sculptnet was loaded
    ours = predict(model / file, photos)
    assert json.loads(answer.stdout) == [
        {"photo": str(photo), "probabilities": dict(zip(CLASSES, row.tolist(), strict=True))}
        for photo, row in zip(photos, ours.probabilities, strict=True)
    ]


def test_the_script_prepares_every_photo_bit_for_bit_as_we_do(photos: list[Path]) -> None:
    for resolution, resize, *levels in ((16, 18), (16, 16, 65535, None), (7, 12, 4095, 2.0), (16, 18, 65535, 255.0)):
        preprocessing = Preprocessing(resolution, resize, (0.5, 0.45, 0.4), (0.25, 0.2, 0.3), *levels)
        document = to_json(preprocessing)
        if not levels:  # what was exported before levels were stated
            del document["white_level"], document["float_white_level"]
        floats = [photos[0].with_name("floats.tiff")] if preprocessing.float_white_level else []
        for photo in [*photos, *floats]:
            with Image.open(photo) as image:
                ours = prepare(image, preprocessing)
            theirs = standalone.prepare(open_rgb(photo, document), document)
            np.testing.assert_array_equal(theirs, ours, err_msg=photo.name)


def test_the_script_prints_a_line_for_each_photo(
    model: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict.py", "--model", str(model / "model.onnx"), "--top", "2", *map(str, photos[:2])]
    monkeypatch.setattr(sys, "argv", arguments)
    assert standalone.main() == 0
    best = predict(model / "model.onnx", photos[:2]).best(2)
    assert capsys.readouterr().out.splitlines() == [
        f"{photo}: " + ", ".join(f"{name} {probability:.1%}" for name, probability in row)
        for photo, row in zip(photos, best, strict=False)
    ]


@pytest.fixture
def broken(photos: list[Path], tmp_path: Path) -> list[Path]:
    """A folder, a missing file, a text file, and a photo that was cut short."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.jpg").write_text("no image")
    whole = photos[0].read_bytes()
    (tmp_path / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    return [tmp_path / name for name in ("folder", "missing.jpg", "text.jpg", "torn.jpg")]


def test_everything_that_is_wrong_with_photos_is_said_at_once(
    model: Path, photos: list[Path], broken: list[Path]
) -> None:
    folder, missing, text, torn = broken
    with pytest.raises(InvalidValue) as caught:
        predict(model / "model.onnx", [photos[0], *broken])
    head, *lines = str(caught.value).splitlines()
    assert head == "predict: 4 problems"
    assert lines[:3] == [
        f"  - {folder} is a folder; name the image files in it",
        f"  - {missing} does not exist; check the path",
        f"  - {text} cannot be read as an image (no known image format); name whole JPEG, PNG, ... files",
    ]
    assert lines[3].startswith(f"  - {torn} cannot be read as an image (image file is truncated")
    answer = run_script(model, *broken)
    assert answer.returncode == 2
    assert [line.partition(" ")[0] for line in answer.stderr.splitlines()[:4]] == [str(path) for path in broken]
    assert answer.stdout == ""


def test_what_is_wrong_with_the_file_comes_with_the_photos(nonsense: Path, broken: list[Path]) -> None:
    with pytest.raises(InvalidValue) as caught:
        predict(nonsense, broken[1:2])
    assert str(caught.value) == (
        "predict: 2 problems\n"
        f"  - {nonsense} is not an ONNX file that ONNX Runtime {onnxruntime.__version__} can run "
        "(Protobuf parsing failed.); name an .onnx file, such as `model/model.onnx` of a run\n"
        f"  - {broken[1]} does not exist; check the path"
    )


def test_a_file_without_our_metadata_is_named(network: Network, photos: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "bare.onnx"
    onnx.save(to_onnx(network, TensorShape(3, 16, 16)), path)
    with pytest.raises(InvalidValue) as caught:
        predict(path, photos[:1])
    assert str(caught.value) == (
        f"predict: {path} is an ONNX file without 'classes' and 'preprocessing' in its metadata; "
        "predictions need a file that SculptNet exported, such as `model/model.onnx` of a run"
    )


def test_no_photos_are_an_error(model: Path) -> None:
    with pytest.raises(InvalidValue, match="predict: no photos were given; name at least one image file"):
        predict(model / "model.onnx", [])
