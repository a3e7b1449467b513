from __future__ import annotations

import json

import pytest
from onnx import ModelProto

from sculptnet.arch import to_json
from sculptnet.data.preprocessing import Preprocessing
from sculptnet.errors import InvalidValue
from sculptnet.export import Metadata
from sculptnet.export.metadata import attach, metadata_of


def test_what_is_attached_is_read(preprocessing: Preprocessing) -> None:
    metadata = Metadata(("Größe, groß", 'with "quotes"', "日本"), preprocessing)
    model = ModelProto()
    attach(model, Metadata(("old",), preprocessing))
    attach(model, metadata)
    written = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata_of(written, "model.onnx") == metadata
    assert json.loads(written["classes"]) == list(metadata.classes)
    assert json.loads(written["preprocessing"])["resize"] == 18


def test_missing_metadata_are_named() -> None:
    with pytest.raises(InvalidValue) as caught:
        metadata_of({"classes": "[]"}, "other.onnx")
    assert str(caught.value) == (
        "other.onnx is an ONNX file without 'preprocessing' in its metadata; "
        "predictions need a file that SculptNet exported, such as `model/model.onnx` of a run"
    )
    with pytest.raises(InvalidValue, match="without 'classes' and 'preprocessing' in its metadata"):
        metadata_of({}, "other.onnx")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": "{}"}, r"m\.onnx has metadata .* again: 'classes' must be a list of names, got '\{\}'"),
        ({"classes": "[1]"}, r"'classes' must be a list of names, got '\[1\]'"),
        ({"classes": "[]"}, r"'classes' must be a list of names, got '\[\]'"),
        ({"preprocessing": "[]"}, r"'preprocessing': .*expected an object of kind Preprocessing, got tuple"),
        ({"preprocessing": '{"kind": "Recipe"}'}, "'preprocessing': .*got Recipe"),
        ({"classes": "x", "preprocessing": "y" * 99}, r"2 problems\n  - 'classes' must be JSON, got 'x'\n  - 'pre"),
    ],
)
def test_wrong_metadata_are_named(changed: dict[str, str], message: str, preprocessing: Preprocessing) -> None:
    with pytest.raises(InvalidValue, match=message):
        metadata_of({"classes": '["a", "b"]', "preprocessing": json.dumps(to_json(preprocessing))} | changed, "m.onnx")
