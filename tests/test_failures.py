"""What nobody foresaw: one line, one document, the traceback in a file. And output that no terminal can show."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from sculptnet.cli.console import Console, print_anything
from sculptnet.data.folders import folder
from sculptnet.errors import InvalidValue, RunError, SculptNetError
from sculptnet.failures import Stopped, failure_of, is_out_of_memory
from sculptnet.files import at_home, read_given, read_json, reading, write_atomic
from sculptnet.named import find
from sculptnet.options import FitOptions

Command = Callable[..., tuple[int, str, str]]
BROKEN = """
def device(threads):
    raise {}
"""
HARD = "[red]:dog: [/b] caf\xe9 \udcff"  # markup, an emoji, no markup, no ASCII, no UTF-8


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a module whose device raises what is given; names the device."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.syspath_prepend(tmp_path)

    def named(text: str) -> str:
        name = f"broken_{abs(hash(text))}"
        (tmp_path / f"{name}.py").write_text(BROKEN.format(text))
        return f"{name}:device"

    return named


@pytest.mark.parametrize(
    ("raised", "kind", "remedy"),
    [
        ("KeyError('[red]:dog:')", "KeyError", "please report it with the traceback"),
        ("RuntimeError('a\\nb')", "RuntimeError", "please report it"),
        ("AssertionError()", "AssertionError", "please report it"),
        ("EOFError('x')", "EOFError", "please report it"),
        ("MemoryError()", "MemoryError", "take a smaller batch (--set recipe.batch_size=16)"),
        ("RuntimeError('[enforce fail] not enough memory: you tried')", "RuntimeError", "take a smaller batch"),
    ],
)
def test_the_unforeseen_is_one_line_and_one_document(
    raised: str, kind: str, remedy: str, run: Command, broken: Callable[[str], str], tmp_path: Path
) -> None:
    code, out, err = run("measure", "fbnet_a", "--device", broken(raised), "--json")
    assert code == 1
    assert err.count("\n") == 1
    assert err.startswith(f"Error: sculptnet measure stopped at 'reading the command line': {kind}")
    assert remedy in err
    document = json.loads(out)
    assert set(document) == {"error", "kind", "command", "stage", "traceback"}
    assert document["kind"] == kind
    assert document["traceback"] in err
    (saved,) = (tmp_path / "temporary").iterdir()
    assert str(saved) == document["traceback"]
    assert f"raise {raised}" in saved.read_text()


def test_the_foreseen_stays_as_it_was(run: Command, broken: Callable[[str], str], tmp_path: Path) -> None:
    code, out, err = run("measure", "fbnet_a", "--device", broken("OSError(28, 'No space left on device')"), "--json")
    assert code == 2
    assert "No space left" in err
    assert set(json.loads(out)) == {"error", "kind"}
    assert list((tmp_path / "temporary").iterdir()) == []
    assert run("measure", "fbnet_a", "--device", broken("SystemExit(7)"))[0] == 7


def stopped_at(act: Callable[[Console], None], error: Exception) -> Stopped:
    """What a console makes of `error` after `act`."""

    def work() -> None:
        with Console(False) as console:
            act(console)
            raise error

    with pytest.raises(Stopped) as caught:
        work()
    return caught.value


def test_the_stage_is_what_people_were_told_last(tmp_path: Path) -> None:
    def say(console: Console) -> None:
        console.opened(tmp_path)
        console.say("Training\nmuch")
        console.say("Warning: hot")

    failure = failure_of("sculptnet fit", stopped_at(say, ZeroDivisionError()))
    assert failure.stage == "Training"
    assert failure.kind == failure.error == "ZeroDivisionError"
    assert failure.traceback == tmp_path / "traceback.txt"
    assert "raise error" in failure.traceback.read_text()
    assert stopped_at(lambda console: console.progress("measuring", 1, 2), KeyError("x")).stage == "measuring"
    with pytest.raises(SculptNetError), Console(False):
        raise InvalidValue("ours")


def test_a_run_directory_that_takes_no_file_leaves_the_traceback_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "traceback.txt").mkdir()
    stopped = Stopped("x", tmp_path)
    stopped.__cause__ = KeyError("\udcff")
    saved = failure_of("sculptnet fit", stopped).traceback
    assert saved is not None
    assert saved.parent != tmp_path
    saved.unlink()


def test_torch_running_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def written_by(encoding: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What `act` writes to standard output and error, which are files of that encoding."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    print_anything()
    act()
    for stream in streams.values():
        stream.flush()
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams.values())
    return out, err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_names_that_no_encoding_has_kill_nothing(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        with Console(False) as console:
            console.say(HARD)
            console.progress(HARD, 1, 2)
            console.finish(HARD, None)

    shown = HARD.replace("\udcff", "\\xff").encode(encoding, "backslashreplace").decode(encoding)
    out, err = written_by(encoding, act, monkeypatch)
    assert out == err == f"{shown}\n"


def test_lines_in_files_are_not_broken_and_bars_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "Note: " + "a class named [bold] or :cat: " * 20

    def act() -> None:
        with Console(False, clock=iter(range(100)).__next__) as console:
            console.say(long)
            for done in range(6):
                console.progress("[red]:dog:", done, 9)

    assert written_by("utf-8", act, monkeypatch) == ("", f"{long}\n")


def test_bars_show_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    def act() -> None:
        with Console(False, clock=iter(range(100)).__next__) as console:
            for done in range(6):
                console.progress("[red]:dog:", done, 9)
            console.bars.refresh()

    assert "[red]:dog:" in written_by("utf-8", act, monkeypatch)[1]


def test_misuse_is_told_without_a_box_where_nobody_looks(run: Command) -> None:
    value = "x" * 200
    code, out, err = run("show", "settings", f"--{value}")
    assert (code, out) == (2, "")
    assert f"--{value}" in err


# ---------------------------------------------------------------------- files
def test_text_of_file_names_is_written_whatever_they_are(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.html", HARD)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == HARD.replace("\udcff", "\\xff")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"{", b""])
def test_documents_that_cannot_be_read_are_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"a\.json cannot be read as JSON"):
        read_json(file)
    with pytest.raises(InvalidValue, match=r"a\.json cannot be read as JSON .* name a table"):
        read_given(file, "a table")


def test_reading_guards_against_all_but_a_lack_of_memory() -> None:
    with (
        pytest.raises(InvalidValue, match=r"a\.bin cannot be read \(KeyError: 'x'\); give a whole file"),
        reading("a.bin", "a whole file"),
    ):
        raise KeyError("x")
    with pytest.raises(MemoryError), reading("a.bin", "a whole file"):
        raise MemoryError
    with pytest.raises(RunError, match=r"^ours$"), reading("a.bin", "a whole file"):
        raise RunError("ours")


@pytest.mark.parametrize("code", ["raise RuntimeError('no')", "import sys; sys.exit(0)", "1 / 0", "x = ("])
def test_modules_that_raise_when_imported_are_named(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Command
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"raising_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(InvalidValue, match=f"part '{name}:x' cannot be imported: .*{name}.py, line 1"):
        find(f"{name}:x", {}, "part")
    assert run("measure", "fbnet_a", "--device", f"{name}:x")[0] == 2


def test_home_is_found_in_options_arguments_and_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Command
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert at_home("~/a") == f"{tmp_path}/a"
    assert at_home(Path("~/a")) == tmp_path / "a"
    assert at_home("a~") == "a~"
    (tmp_path / "photos").mkdir()
    options = FitOptions("~/photos", 1.0, run_dir=Path("~/run"), runs=Path("~/runs"))
    assert (options.data, options.run_dir, options.runs) == (
        str(tmp_path / "photos"),
        tmp_path / "run",
        tmp_path / "runs",
    )
    device = "--device=sculptnet.testing:fake_device"
    assert run("measure", "fbnet_96_035_1", device, "--out=~/time.json")[0] == 0
    assert (tmp_path / "time.json").exists()
    for words in (
        ("measure", "~/none.onnx"),
        ("show", "~/none.json"),
        ("predict", "~/none.onnx", "~/photo.png"),
        ("fit", "~/none", "--latency-ms=1"),
        ("train", "~/none.json", "~/photos"),
        ("detect", "~/none.json", "~/photos"),
        ("specialize", "~/none", "--latency-ms=1"),
        ("measure", "fbnet", "--from-bundle=~/none.jsonl"),
    ):
        code, _, err = run(*words)
        assert code == 2, words
        assert f"{tmp_path}/none" in err, words
    assert not (tmp_path / "~").exists()


def test_images_whose_names_are_no_utf8_are_read(tmp_path: Path) -> None:
    for name in (b"caf\xff", b"tea"):
        folder_of = os.path.join(os.fsencode(tmp_path), name)
        os.makedirs(folder_of)
        for index in range(2):
            with open(os.path.join(folder_of, b"%d\xfe.png" % index), "wb") as file:
                Image.new("RGB", (8, 8), (index, 0, 0)).save(file, "PNG")
    data = folder(tmp_path, test_fraction=0.5)
    assert "caf\\xff" in data.classes
    assert len(data.fingerprint) == 64
