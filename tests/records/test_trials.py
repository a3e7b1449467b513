"""Trials, and samples of a supernet, come back from their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sculptnet.errors import InvalidValue, RunError
from sculptnet.records import Sample, TrialRecord
from sculptnet.records.codec import from_line, to_line
from sculptnet.runs import RunDirectory, append_record, read_records

TRIAL = TrialRecord(3, (0, 2), 5, 1, {"top1": 0.5}, ({"epoch": 1, "loss": 2.5},), "ValueError: no")
LINE = {"trial": 3, "choices": [0, 2], "epochs": 5, "replicate": 1, "metrics": {"top1": 0.5}}
LINE |= {"curve": [{"epoch": 1, "loss": 2.5}], "error": "ValueError: no"}


def test_a_trial_comes_back_from_its_line() -> None:
    assert to_line(TRIAL) == LINE
    assert from_line(json.loads(json.dumps(LINE)), TrialRecord) == TRIAL
    assert to_line(TrialRecord(0, ()))["epochs"] is None


def test_a_sample_is_a_trial_that_says_of_which_supernet_it_is(tmp_path: Path) -> None:
    sample = Sample.of(TRIAL, "0123")
    assert to_line(sample) == {**LINE, "source": "0123"}
    append_record(tmp_path / "samples.jsonl", sample)
    assert read_records(tmp_path / "samples.jsonl", Sample, print) == [sample]
    with pytest.raises(RunError, match="line 1: TrialRecord: extra fields found"):
        read_records(tmp_path / "samples.jsonl", TrialRecord, print)


def test_every_problem_of_a_line_is_told_and_which_line_it_is(tmp_path: Path) -> None:
    line = {**LINE, "trial": "1", "choices": "abc", "metrics": {"top1": "0.5"}, "curve": [3], "mood": 1}
    del line["error"]
    (tmp_path / "trials.jsonl").write_text(f"{json.dumps(LINE)}\n{json.dumps(line)}\n")
    with pytest.raises(RunError) as caught:
        RunDirectory(tmp_path).trials(print)
    for text in (
        f"{tmp_path}/trials.jsonl, line 2: TrialRecord: 6 problems",
        "must be a whole number, got '1' @ TrialRecord.trial",
        "must be a list, got 'abc' @ TrialRecord.choices",
        "must be a number, got '0.5' @ TrialRecord.metrics['top1']",
        "expected a mapping @ TrialRecord.curve[0]",
        "extra fields found (mood) @ TrialRecord",
        "required field missing @ TrialRecord.error",
        "remove that line, or start anew with `fresh=True`",
    ):
        assert text in str(caught.value)


def test_counts_below_zero_and_another_version_are_refused() -> None:
    with pytest.raises(InvalidValue) as caught:
        from_line({**LINE, "trial": -1, "choices": [0, -2]}, TrialRecord)
    assert "trial must be at least 0, got -1" in str(caught.value)
    assert "choices must be at least 0, got (0, -2)" in str(caught.value)
    with pytest.raises(InvalidValue, match="TrialRecord is of version 2, and this SculptNet reads version 1"):
        from_line({**LINE, "version": 2}, TrialRecord)
