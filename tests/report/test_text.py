from __future__ import annotations

import math

import pytest

from sculptnet.report.text import (
    amount,
    cost_name,
    count,
    duration,
    interval,
    milliseconds,
    number,
    percent,
    percent_interval,
    plain,
    rounded,
    short,
    signed,
    significant,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(4.6231, "4.62"), (0.037149, "0.0371"), (1240.4, "1,240"), (0.0, "0"), (-2.5, "−2.50"), (math.nan, "—")],  # noqa: RUF001
)
def test_three_digits_without_exponents(value: float, shown: str) -> None:
    assert significant(value) == shown


def test_units_stand_behind_a_narrow_space_that_does_not_break() -> None:
    assert milliseconds(4.6231) == "4.62\u202fms"
    assert percent(0.9123) == "91.2\u202f%"
    assert percent_interval(0.9066, 0.9177) == "90.7\u201391.8\u202f%"
    assert count(1_573_000) == "1.57\u202fM"
    assert count(340_000) == "340,000"


def test_a_narrow_interval_gets_a_digit_more() -> None:
    assert interval(1.2066, 1.2219) == "1.207\u20131.222"
    assert interval(1.1, 1.4) == "1.10\u20131.40"


def test_a_sign_is_always_shown() -> None:
    assert signed(0.31) == "+0.3"
    assert signed(-0.31) == "\u22120.3"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(4.21, "4.2\u202fs"), (200, "3\u202fmin 20\u202fs"), (7500, "2\u202fh 5\u202fmin")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize("value", [None, "4", True, [1]])
def test_what_is_no_number_is_nan(value: object) -> None:
    assert math.isnan(number(value))


def test_names_become_one_line_that_can_be_encoded() -> None:
    assert plain("a\nb\x00c") == "a b c"
    assert plain("\udcff").encode() == b"?"
    assert plain("衬衫") == "衬衫"


def test_long_names_end_in_an_ellipsis() -> None:
    assert short("ankle boot", 20) == "ankle boot"
    assert short("a very long class name indeed", 10) == "a very lo\u2026"
    assert len(short("x" * 99, 10)) == 10


def test_amounts_are_counts_from_a_hundred_on() -> None:
    assert [amount(value) for value in (9.87654, 99.96, 100.0, 2_500_000.0)] == ["9.88", "100.0", "100", "2.50\u202fM"]


@pytest.mark.parametrize(("value", "shown"), [(0.12345, "0.12"), (-1.0, "\u22121.00"), (math.nan, "\u2014")])
def test_what_is_no_number_has_no_decimals(value: float, shown: str) -> None:
    assert rounded(value) == shown


def test_the_latency_of_any_device_is_a_latency() -> None:
    assert cost_name("latency_ms@onnxruntime-1t") == "latency (ms)"
    assert cost_name("macs") == "macs"
    assert cost_name("a cost with a very long name") == "a cost with a very\u2026"
