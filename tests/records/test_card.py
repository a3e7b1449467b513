"""Cards come back from their files, whole; those that are not are refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cards import CLASSIFIER, DETECTOR

from sculptnet.errors import InvalidValue, RunError
from sculptnet.records import to_plain
from sculptnet.records.card import AnyCard, Card, ClassifierCard, DetectorCard, read_card, read_card_of

KEYS = {"schema", "name", "budget", "within_budget", "measured", "macs", "parameters", "classes", "seed", "device"}
KEYS |= {"preprocessing", "data", "versions", "parity", "compared", "warnings", "limits"}
TIMING = {"latency_ms", "low_ms", "high_ms", "noise_percent", "reference_ms", "loop_ms"}
IMAGES = {"name", "train_images", "test_images", "grey", "notes", "warnings", "fingerprint"}
BOXES = {"name", "notes", "dropped", "fingerprint"}
BOXES |= {f"{split}_{what}" for split in ("train", "monitor", "test") for what in ("images", "boxes")}

Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: Any) -> Path:
        path = tmp_path / "card.json"
        path.write_text(json.dumps(content))
        return path

    return written


@pytest.mark.parametrize("card", [CLASSIFIER, DETECTOR], ids=["classifier", "detector"])
def test_a_card_comes_back_with_and_without_what_says_its_kind(card: AnyCard, write: Write) -> None:
    content = to_plain(card)
    assert json.loads(json.dumps(content)) == content
    assert read_card(write(content)) == card
    older = {name: value for name, value in content.items() if name not in ("record", "version")}
    assert read_card(write(older)) == card


def test_the_keys_that_scripts_rely_on() -> None:
    card, detector = to_plain(CLASSIFIER), to_plain(DETECTOR)
    assert card.keys() == KEYS | {"record", "version", "predicted", "accuracy", "conv_fc_weights", "method"}
    own = {"kind", "detection", "files", "detector", "network", "starting_weights"}
    assert detector.keys() == KEYS | {"record", "version"} | own
    assert (card["record"], card["version"], card["schema"]) == ("ClassifierCard", 1, 1)
    assert (detector["record"], detector["kind"], detector["schema"]) == ("DetectorCard", "detector", 1)
    assert card["budget"] == {"metric": "latency_ms", "at_most": 1.0, "precision": "fp32", "file": "model.onnx"}
    assert detector["budget"] is None
    assert detector["within_budget"] is None
    assert card["predicted"] == {"latency_ms": 0.9, "reference_ms": 0.5}
    assert card["measured"]["model.onnx"].keys() == TIMING
    accuracy = {"top1", "top1_interval", "balanced", "num_images", "confusion"}
    assert card["accuracy"]["model.onnx"].keys() == accuracy
    assert card["parity"]["model.onnx"].keys() == {"max_difference", "largest_logit", "same_class", "num_images"}
    compared = {"against", "difference", "interval", "only_this", "only_other", "num_images"}
    assert card["compared"]["model.onnx"].keys() == compared
    assert card["limits"] == {"macs": {"at_most": 2000.0, "value": 1000.0}}
    assert card["device"] == {"name": "phone", "cpu": "A", "threads": 1, "flags": ["a", "b"]}
    assert card["data"].keys() == IMAGES
    assert detector["data"].keys() == BOXES
    assert detector["detection"].keys() == {"map", "map50", "images", "per_class"}
    assert detector["files"]["model.onnx"] == {"file": "model.onnx", "size_bytes": 1234, "sha256": "ab"}
    assert detector["parity"]["model.onnx"].keys() == {
        "same",
        "max_score_difference",
        "max_pixels",
        "boxes",
        "num_images",
    }
    drops = {"num_classes", "smallest", "largest", "score_threshold", "overlap", "most_boxes"}
    assert detector["detector"].keys() == drops | {"first_boxes", "met"}
    for one in (card, detector):
        assert {"mean", "std", "white_level", "float_white_level"} <= one["preprocessing"].keys()


def test_an_older_card_that_lacks_something_is_refused_in_a_sentence(write: Write) -> None:
    content = to_plain(DETECTOR)
    for name in ("record", "version", "detection", "macs"):
        del content[name]
    path = write({**content, "mood": 1})
    with pytest.raises(RunError) as caught:
        read_card(path)
    assert str(caught.value) == (
        f"{path} cannot be read: it is the card of an older SculptNet, which lacks detection, macs and which has the "
        "unknown mood; restore it, or ship the model again with `fresh=True`"
    )


def test_what_is_no_card_of_this_version_is_refused_with_everything_that_is_wrong(write: Write) -> None:
    content = to_plain(CLASSIFIER)
    limits = {"macs": {"at_most": "2000", "value": 1}}
    wrong: list[tuple[Any, str]] = [
        ([], "a card is a JSON object, got list"),
        ({**content, "version": 2}, "ClassifierCard is of version 2, and this SculptNet reads version 1; another"),
        ({**content, "record": "Card"}, "expected a record of kind ClassifierCard, found 'Card'"),
        ({**content, "macs": "1", "mood": 1, "limits": limits}, "ClassifierCard: 3 problems"),
        ({**content, "macs": "1"}, "must be a whole number, got '1' @ ClassifierCard.macs"),
        ({**content, "limits": limits}, "must be a number, got '2000' @ ClassifierCard.limits['macs'].at_most"),
        ({**content, "accuracy": {"a": {"top1": 1}}}, "`confusion` must be a list of rows, got None"),
    ]
    detector = to_plain(DETECTOR)
    boxes = {**detector["detection"], "map": "0.5", "per_class": [3], "mood": 1}
    wrong += [
        ({**detector, "detection": boxes}, "DetectorCard: 3 problems"),
        ({**detector, "detection": boxes}, "must be a number, got '0.5' @ DetectorCard.detection.ap"),
        ({**detector, "detection": boxes}, "must be an object, got 3 @ DetectorCard.detection.classes[0]"),
        ({**detector, "preprocessing": {**detector["preprocessing"], "size": "96"}}, "DetectorCard.preprocessing"),
        ({**content, "accuracy": {"a": 3}}, "`confusion` must be a list of rows, got None"),
        ({**content, "budget": {"at_most": 1.0, "file": "a", "precision": "fp16"}}, "ClassifierCard.budget.precision"),
    ]
    for data, text in wrong:
        path = write(data)
        with pytest.raises(RunError) as caught:
            read_card(path)
        assert f"{path} cannot be read: {text}" in str(caught.value) or text in str(caught.value)
        assert "restore it, or ship the model again" in str(caught.value)


def test_a_card_of_the_other_task_is_refused(write: Write) -> None:
    path = write(to_plain(DETECTOR))
    assert read_card_of(path, DetectorCard) == read_card_of(path, Card) == DETECTOR
    with pytest.raises(RunError, match="is a DetectorCard, and a ClassifierCard is needed; name another run"):
        read_card_of(path, ClassifierCard)


def test_the_judged_file_is_that_of_the_budget() -> None:
    assert CLASSIFIER.judged() == CLASSIFIER.measured["model.onnx"]
    with pytest.raises(InvalidValue, match="run was made without a budget on latency, so none of its files is judged"):
        replace(CLASSIFIER, budget=None).judged()
