"""The command that made a run, as its page shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.flow.conftest import Ask

from sculptnet.flow.writing import command_line


def test_a_command_is_shown_as_it_would_be_typed(ask: Ask, tmp_path: Path) -> None:
    request = replace(ask(tmp_path), settings=("search.tau=4",), device="onnxruntime", accelerator="auto")
    typed = f"sculptnet fit {request.data} --latency-ms 0.2 --minutes 1"
    assert command_line(request.command()) == f"{typed} --set search.tau=4"
    limited = replace(request, limits=("macs=1e6", "parameters=5e4"), baselines=True)
    shown = command_line(limited.command())
    assert shown == f"{typed} --baselines --limit macs=1e6 --limit parameters=5e4 --set search.tau=4"
