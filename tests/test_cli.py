"""The command line: exit codes, JSON on standard output, errors in one message."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sculptnet import __version__, blocks, cost, methods, spaces
from sculptnet.arch import to_json
from sculptnet.cost import table_from_json
from sculptnet.option_fields import typed_of
from sculptnet.options import FitOptions
from sculptnet.zoo import BY_NAME

SMALL = (
    "--set",
    "space.layers=1,1,1",
    "--set",
    "space.channels=8,16,24",
    "--set",
    "space.strides=1,2,2",
    "--set",
    "space.head_channels=32",
)
FAKE = ("--device", "sculptnet.testing:fake_device")


def test_help_and_version_load_no_torch() -> None:
    code = "import sys, sculptnet.cli; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run([sys.executable, "-m", "sculptnet", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sculptnet {__version__}\n"


def test_every_setting_is_listed_with_its_default(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("show", "settings", "--method", "fbnet", "--json")
    rows = {row["name"]: row["default"] for row in json.loads(out)}
    assert code == 0
    assert rows["search.alpha"] == "0.2"
    assert rows["search.beta"] == "0.6"
    assert rows["search.epochs"] == "None"  # left to the plan
    assert rows["space.width"] == "1.0"
    assert rows["recipe.optimizer"] == "'Sgd'"
    assert rows["recipe.optimizer.learning_rate"] == "0.1"


def test_settings_of_several_words_list_them(run: Callable[..., tuple[int, str, str]]) -> None:
    def line(method: str, name: str) -> str:
        (found,) = (one for one in run("show", "settings", "--method", method)[1].splitlines() if one.startswith(name))
        return " ".join(found.split())

    assert line("ofa", "search.schedule") == "search.schedule 'sandwich' ('sandwich' | 'progressive')"
    assert line("fbnetv2", "space.family").endswith("| None)")
    assert line("fbnetv3", "search.recipes") == "search.recipes True (bool)"
    assert line("random", "search.batch") == "search.batch 16 (int)"


def test_measuring_a_space_writes_a_table_with_its_error(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    out_file = tmp_path / "table.json"
    code, out, _ = run(
        "measure", "fbnet", *FAKE, "--resolution", "16", "--num-classes", "3", *SMALL, "--out", str(out_file), "--json"
    )
    document = json.loads(out)
    assert code == 0
    assert set(document["held_out"]) >= {"networks", "mape_percent", "bias_percent", "spearman", "noise_percent"}
    assert document["seconds"] >= 0
    table = table_from_json(json.loads(out_file.read_text()), blocks.ALL)
    assert table.device == "fake-1t"


def test_measuring_a_zoo_network_and_an_architecture_file_agree(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    architecture = BY_NAME["fbnet_96_035_1"].architecture
    (tmp_path / "architecture.json").write_text(json.dumps(to_json(architecture)))
    code, out, _ = run("measure", "fbnet_96_035_1", *FAKE, "--json")
    other_code, other, _ = run("measure", str(tmp_path / "architecture.json"), *FAKE, "--json")
    assert (code, other_code) == (0, 0)
    assert json.loads(out)["median_ms"] == pytest.approx(json.loads(other)["median_ms"])
    code, out, _ = run("show", str(tmp_path / "architecture.json"))
    assert code == 0
    assert f"{cost.macs(architecture) / 1e6:.1f} M MACs" in out


def test_a_bundle_is_carried_away_and_read_again(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    bundle, table = tmp_path / "board.zip", tmp_path / "table.json"
    one_layer = ("space.layers=1", "space.channels=8", "space.strides=1", "space.head_channels=16")
    words = ("measure", "fbnet", "--num-classes", "3", *(word for one in one_layer for word in ("--set", one)))
    code, out, _ = run(*words, "--resolution", "16", "--bundle", str(bundle), "--json")
    assert code == 0
    assert json.loads(out)["bytes"] == bundle.stat().st_size
    with zipfile.ZipFile(bundle) as archive:
        assert "python3 board.zip" in archive.read("README.txt").decode()
    done = subprocess.run([sys.executable, "-I", bundle], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "board.results.jsonl"
    code, _, err = run(*words, "--resolution", "24", "--from-bundle", str(results))
    assert code == 2
    assert "resolution was 16 there, 24 here" in err
    code, out, _ = run(*words, "--resolution", "16", "--from-bundle", str(results), "--out", str(table), "--json")
    assert code == 0
    read = table_from_json(json.loads(table.read_text()), blocks.ALL)
    assert read.device.startswith("onnxruntime-1t-on-")
    assert read.held_out is not None
    assert json.loads(out) == json.loads(table.read_text())


def test_the_zoo_is_listed_and_a_network_of_it_is_drawn(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("zoo", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert set(rows) == set(BY_NAME)
    assert {"fbnet_a", "fbnet_iphonex", "fbnetv2_f4", "fbnetv2_l1", "fbnetv3_a", "mnasnet_a1"} < set(rows)
    assert {"mnasnet_small", "ofa_note10_64ms", "mobilenet_v2", "efficientnet_lite0"} < set(rows)
    assert rows["mobilenet_v2"]["macs"] == cost.macs(BY_NAME["mobilenet_v2"].architecture)
    code, out, _ = run("zoo", "fbnet_a")
    assert code == 0
    assert "stages.6.0" in out
    code, _, err = run("zoo", "fbnet_z")
    assert code == 2
    assert "the zoo has no 'fbnet_z'" in err


def test_devices_are_listed(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("devices", "--json")
    assert code == 0
    assert "onnxruntime" in json.loads(out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fit", "photos"), "the budget is missing; give --latency-ms, milliseconds"),
        (("fit", "photos", "--latency-ms", "0"), "--latency-ms must be above 0, got 0"),
        (("fit", "no_such_folder", "--latency-ms", "1"), "neither a folder here nor a data set known by name"),
        (("measure", "fbnt"), "did you mean fbnet"),
        (("measure", "missing.onnx"), "missing.onnx does not exist"),
        (("measure", "fbnet_a", "--bundle", "b.zip"), "--bundle and --from-bundle are for tables; name a space"),
        (("measure", "fbnet", "--bundle", "b.zip", "--from-bundle", "r"), "give one of them"),
        (
            ("measure", "fbnet", "--bundle", "b.zip", "--device", "torch"),
            "'torch' cannot be measured on other machines",
        ),
        (("measure", "fbnet", "--from-bundle", "none.jsonl"), "none.jsonl cannot be read"),
        (("measure", "fbnet", "--energy"), "--energy is for one network, not for a space"),
        (("measure", "fbnet_a", "--energy", "--device", "ssh://pi"), "--energy reads counters of this machine"),
        (("fit", "photos", "--latency-ms", "1", "--device", "ssh://"), "an address has the form ssh://user@host"),
        (("show", "settings", "--method", "fbnett"), "'fbnett'; did you mean fbnet or fbnetv3 or fbnetv2?"),
        (("show", "nothing.json"), "nothing.json does not exist; name the folder of a run, a latency table or an"),
        (
            ("show", "settings", "--method", "my_search:x"),
            "No module named 'my_search'; put its folder on Python's path",
        ),
        (("show", "seting"), "seting does not exist; did you mean settings?"),
        (("show", "fbnet_a"), "fbnet_a is a network of the zoo; `sculptnet zoo fbnet_a` draws it"),
        (("show", "fbnet"), "fbnet is a space; `sculptnet show settings --space fbnet` lists its settings"),
        (("measure", "qqq"), "no .onnx file; spaces: fbnet, "),
        (("measure", "missing.json"), "missing.json does not exist; name an architecture file"),
        (("measure", "."), ". is a folder; name a file in it, such as model/model.onnx of a run"),
        (("measure", "fbnet_a", "--set", "space.width=0.5"), "--set: the network is given; only spaces have settings"),
        (("measure", "fbnet_a", "--num-classes", "3"), "--num-classes 3: the network is given"),
        (
            ("measure", "fbnet", "--set", "search.tau=5"),
            "'search.tau=5' names the group 'search'; known: space",
        ),
        (("measure", "a.onnx", "--precision", "int8"), "--precision int8: an .onnx file is measured as it is"),
        (
            ("train", "photos"),
            "expected NETWORK and DATA, or a run directory, got photos; `sculptnet fit DATA` searches a network",
        ),
        (("fit", "photos", "--latency-ms", "1", "--threads", "0"), "Error: --threads must be at least 1, got 0"),
        (("fit", "photos", "--latency-ms", "1", "--set", "search.tau=hot"), "Error: --set search.tau: must be a"),
        (("fit", "photos", "--latency-ms", "1", "--set", "tau=5"), "where GROUP is search or space or recipe"),
        (("fit", "photos", "--latency-ms", "1", "--threads", "1000"), "threads"),
        (("predict", "missing.onnx", "photo.jpg"), "missing.onnx: no such file"),
    ],
)
def test_bad_requests_say_why_and_exit_with_2(
    words: tuple[str, ...],
    message: str,
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_errors_are_json_where_json_was_asked_for(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run("measure", "fbnt", "--json")
    assert code == 2
    assert json.loads(out)["kind"] == "InvalidValue"
    assert "did you mean fbnet" in err


@pytest.mark.parametrize("words", [("fit",), ("fit", "photos", "--latency-ms", "five"), ("fitt",)])
def test_a_command_line_that_cannot_be_parsed_is_json_too(
    words: tuple[str, ...], run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(*words, "--json")
    assert code == 2
    document = json.loads(out)
    assert document["kind"] == "UsageError"
    assert document["error"]
    assert "Usage: " in err


def test_a_file_that_is_no_json_is_not_blamed_on_a_run(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "notes.json").write_text("not json")
    (tmp_path / "other.json").write_text("{}")
    for verb in ("show", "measure"):
        code, _, err = run(verb, str(tmp_path / "notes.json"))
        assert code == 2
        assert "notes.json cannot be read as JSON" in err
        assert "--fresh" not in err
    assert "other.json is no architecture file: JSON: " in run("measure", str(tmp_path / "other.json"))[2]
    fit = ("fit", "photos", "--latency-ms", "1", "--table")
    assert "notes.json cannot be read as JSON" in run(*fit, str(tmp_path / "notes.json"))[2]
    assert "other.json is not a latency table; `sculptnet measure SPACE" in run(*fit, str(tmp_path / "other.json"))[2]


def test_the_help_names_every_method_and_space() -> None:
    helps = {field.name: typed_of(field).help for field in dataclasses.fields(FitOptions)}
    for option, names in (("method", methods.BY_NAME), ("space", spaces.BY_NAME)):
        assert set(re.findall(r"\w+", helps[option])) >= set(names)


def test_a_folder_with_one_class_is_refused(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "data" / "only").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / "data" / "only" / "0.png")
    code, _, err = run("fit", str(tmp_path / "data"), "--latency-ms", "1", "--runs", str(tmp_path / "runs"))
    assert code == 2
    assert "only" in err
    assert not (tmp_path / "runs").exists()


def test_no_line_of_the_list_of_verbs_is_cut(run: Callable[..., tuple[int, str, str]]) -> None:
    _, out, _ = run("--help")
    lines = out.partition("Commands:")[2].splitlines()
    assert [line for line in lines if line.endswith("...")] == []


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("fit", "by default fbnet"),
        ("fit", "--latency-ms is needed, unless DATA is a run directory"),
        ("fit", "A search of networks needs it"),
        ("train", "DATA: a folder with one folder per class"),
        ("search-recipe", "DATA: a folder with one folder per class"),
        ("measure", "or package.module:name of one"),
        ("measure", "What is measured: networks in fp32, or quantised to int8"),
        ("specialize", "adb:SERIAL, or package.module:name"),
    ],
)
def test_help_says_what_can_be_given(verb: str, said: str, run: Callable[..., tuple[int, str, str]]) -> None:
    assert said in " ".join(run(verb, "--help")[1].split())
