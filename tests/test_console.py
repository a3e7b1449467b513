"""What people see while something runs: a bar for what takes longer than two seconds, and one Ctrl-C that waits."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from sculptnet.cli.console import INTERRUPTED, SHOW_AFTER_S, Console, print_anything
from sculptnet.errors import InvalidValue
from sculptnet.failures import Stopped


def test_work_gets_a_bar_after_two_seconds_that_goes_when_it_is_done() -> None:
    now = [0.0]
    console = Console(as_json=False, clock=lambda: now[0])
    console.progress("measuring", 0, 10)
    now[0] = SHOW_AFTER_S - 0.1
    console.progress("measuring", 5, 10)
    assert not console.tasks
    now[0] = SHOW_AFTER_S
    console.progress("measuring", 6, 10)
    (task,) = console.bars.tasks
    assert (task.description, task.completed, task.total) == ("measuring", 6, 10)
    console.progress("measuring", 10, 10)
    assert not console.bars.tasks
    console.progress("measuring", 0, 10)
    assert not console.bars.tasks, "the next work of that name begins anew"


def test_the_first_ctrl_c_waits_for_a_step_and_the_second_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    def once() -> None:
        with Console(as_json=False) as console:
            os.kill(os.getpid(), signal.SIGINT)
            assert console.stopping
            console.progress("training", 1, 10)

    def twice() -> None:
        with Console(as_json=False):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second one stops at once")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as stopped:
        once()
    assert stopped.value.code == INTERRUPTED
    said = capsys.readouterr().err
    assert "Stopping after this step and saving; press Ctrl-C again to stop at once" in said
    assert "Interrupted; what was done is saved. The same command goes on from here" in said
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(SystemExit):
        twice()


def test_in_another_thread_signals_stay_with_the_main_one() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with Console(as_json=False):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_what_is_unforeseen_is_told_with_the_stage_and_the_folder_and_what_is_foreseen_as_it_is() -> None:
    def fail(error: Exception) -> None:
        with Console(as_json=False) as console:
            console.opened(Path("run"))
            console.say("Timing trial steps\nand more")
            console.say("Note: beside the work")
            raise error

    with pytest.raises(Stopped) as caught:
        fail(ZeroDivisionError("division by zero"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "Timing trial steps" in str(caught.value)
    for foreseen in (InvalidValue("wrong"), OSError("no space left")):
        with pytest.raises(type(foreseen)) as told:
            fail(foreseen)
        assert told.value is foreseen


def test_results_are_json_or_text_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).finish("text", {"a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    Console(as_json=False).finish("text", {"a": 1})
    assert capsys.readouterr().out == "text\n"


def test_characters_that_an_encoding_lacks_are_printed_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # no file of bytes: left alone
    print_anything()
    print("caf\xe9", flush=True)
    assert written.getvalue() == b"caf\\xe9\n"
