"""The library names arguments as Python has them; only the command line knows dashes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.flow.conftest import SILENT
from tests.test_advice import ELSEWHERE, OPTION, SOURCE

import sculptnet
from sculptnet.cli.spelling import spelled
from sculptnet.errors import InvalidValue, RunError
from sculptnet.options import FitOptions
from sculptnet.verbs import check

# What quotes a command line on purpose, or has one of its own
COMMANDS = {
    "plain.py": "the command that a run's page shows",
    "report": "pages show commands as they are typed",
    "export/standalone.py": "a program that is shipped",
    "export/detector_standalone.py": "a program that is shipped",
    "devices/agent.py": "a program that measures elsewhere",
    "devices/remote/device.py": "starts that program",
    "devices/remote/bundle.py": "says how to start it, and what to do with its results",
}
MEASURE = re.compile(r"`sculptnet measure [^`]*`")  # no call does it


def knows_dashes(path: Path) -> bool:
    name = path.relative_to(SOURCE)
    return name.parts[0] == "cli" or str(name) in COMMANDS or name.parts[0] in COMMANDS


def test_only_the_command_line_knows_dashes() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{number}": wrong
        for path in sorted(SOURCE.rglob("*.py"))
        if not knows_dashes(path)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (wrong := {*OPTION.findall(MEASURE.sub("", line))} - ELSEWHERE - {"--cpus"})
    }
    assert found == {}
    assert all((SOURCE / name).exists() for name in COMMANDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raise `latency_ms`, or `limits`", "raise --latency-ms, or --limit"),
        ("start anew (`fresh=True`)", "start anew (--fresh)"),
        ("`search.tau=5` and `recipe.epochs`", "--set search.tau=5 and --set recipe.epochs"),
        ("with `run_dir='a b'`", "with --run-dir 'a b'"),
        ("give `resolution=PIXELS`, `data`", "give --resolution PIXELS, DATA"),
        ("`fit(DATA, latency_ms=X, method='ofa')` does", "`sculptnet fit DATA --latency-ms X --method ofa` does"),
        ("`specialize(RUN, data=FOLDER)` does", "`sculptnet specialize RUN --data FOLDER` does"),
        ("`search_recipe(NETWORK, DATA)` does", "`sculptnet search-recipe NETWORK DATA` does"),
        ("`sculptnet zoo` and `train` and `cost.fill`", "`sculptnet zoo` and `train` and `cost.fill`"),
        ("`taus=3`, `fit(DATA, taus=3)`, `x y`, ``", "`taus=3`, `fit(DATA, taus=3)`, `x y`, ``"),
        ("latency_ms is no option here", "latency_ms is no option here"),
    ],
)
def test_arguments_in_backticks_are_spelled_as_they_are_typed(text: str, expected: str) -> None:
    assert spelled(text) == expected


def test_python_and_the_command_line_say_the_same_each_in_its_own_spelling(
    run: Callable[..., tuple[int, str, str]],
) -> None:
    with pytest.raises(InvalidValue) as caught:
        check(FitOptions("photos", -1.0, method="ofa", workers=2, recipe={"epoch": 3}))
    words = ("--latency-ms", "-1", "--method", "ofa", "--workers", "2", "--set", "recipe.epoch=3")
    code, _, err = run("fit", "photos", *words)
    assert code == 2
    assert "--" not in str(caught.value)
    assert "`recipe.epoch`: Recipe has no field" in str(caught.value)
    assert err == f"Error: {spelled(str(caught.value))}\n"


def test_a_folder_that_is_no_run_is_told_in_both_spellings(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (16, 16), (index, 30, 60)).save(tmp_path / "photos" / name / f"{index}.png")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    device = "sculptnet.testing:fake_device"
    words = ("fit", str(tmp_path / "photos"), "--latency-ms", "1", "--device", device)
    code, _, err = run(*words, "--run-dir", str(tmp_path / "mine"))
    assert code == 2
    assert "mine is not empty and no run directory; give another --run-dir" in err
    with pytest.raises(RunError, match="is not empty and no run directory; give another `run_dir`"):
        sculptnet.fit(tmp_path / "photos", 1.0, device=device, run_dir=tmp_path / "mine", listener=SILENT)
