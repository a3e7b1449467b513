"""The page of a run: whole HTML that loads nothing, with every figure, from data that lack parts or are hostile."""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.made_up import Outline, baseline, card_of, every_section, judged, measured

from sculptnet.accuracy import Accuracy
from sculptnet.arch import Recipe, Sgd
from sculptnet.cost import macs
from sculptnet.methods.given import sections_of_a_training
from sculptnet.records import TrialRecord
from sculptnet.records.card import ClassifierCard, ImageSource
from sculptnet.records.search_events import SearchEpoch
from sculptnet.records.training_events import TrainEpoch
from sculptnet.report import ReportData, write_report
from sculptnet.report.text import count
from sculptnet.testing.elsewhere import run_elsewhere

FIGURES = {
    "accuracy_latency",
    "confusion",
    "distribution",
    "diversity",
    "feasibility",
    "layers",
    "predicted_measured",
    "recall",
    "search",
    "training",
}
NASTY = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a$b$c", "衬衫", "\udcff", "line\nbreak", "`x`")
DRAWN = re.compile(r'<svg [^>]*aria-labelledby="(\w+)-title')


def written_to(folder: Path, run: ReportData) -> Path:
    return write_report(run, every_section(run), folder)


@pytest.fixture(scope="module")
def written(full_run: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_to(tmp_path_factory.mktemp("report"), full_run)


@pytest.fixture(scope="module")
def page(written: Path) -> str:
    return written.read_text(encoding="utf-8")


def test_every_figure_is_there_once_as_svg_and_once_as_png(written: Path, page: str) -> None:
    outline = Outline(page)
    assert {path.stem for path in (written.parent / "figures").iterdir()} == FIGURES
    assert sorted(
        str(attributes["aria-labelledby"]).split("-title")[0] for tag, attributes in outline.tags if tag == "svg"
    ) == sorted(FIGURES)
    links = [str(attributes["href"]) for tag, attributes in outline.tags if tag == "a"]
    assert {link for link in links if not link.startswith("#")} == {f"figures/{name}.png" for name in FIGURES}


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    assert not re.search(r"https?:|//\w", re.sub(r"sculptnet fit \S+", "", page))
    assert "@import" not in page
    outline = Outline(page)
    assert not {tag for tag, _ in outline.tags} & {"script", "img", "iframe", "object", "embed"}
    assert all("src" not in attributes for _, attributes in outline.tags)
    assert re.findall(r"url\(([^#)][^)]*)\)", page) == []
    assert "default-src 'none'" in page


def test_ids_are_unique_and_links_inside_lead_somewhere(page: str) -> None:
    outline = Outline(page)
    ids = [str(attributes["id"]) for _, attributes in outline.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    inside = {str(a["href"])[1:] for tag, a in outline.tags if tag == "a" and str(a["href"]).startswith("#")}
    named = {name for _, a in outline.tags if "aria-labelledby" in a for name in str(a["aria-labelledby"]).split()}
    assert inside
    assert inside | named <= set(ids)


def test_tables_have_captions_and_headers(page: str) -> None:
    outline = Outline(page)
    assert outline.count("table") == outline.count("caption") >= 5
    assert {str(a.get("scope")) for tag, a in outline.tags if tag == "th"} == {"col", "row"}
    assert outline.count("h1") == 1
    assert outline.tags[0] == ("html", {"lang": "en"})


def test_every_figure_says_what_is_seen_in_it(page: str) -> None:
    described = re.findall(r"<desc id=\"(\w+)-desc\">([^<]+)</desc>", page)
    assert {name for name, _ in described} == FIGURES
    assert all(text.endswith(".") and len(text) > 60 and re.search(r"\d", text) for _, text in described)


def test_both_schemes_have_the_whole_palette(page: str) -> None:
    light, dark = page.split("prefers-color-scheme: dark", 1)
    names = re.findall(r"--([\w-]+):", light)
    assert names
    assert names == re.findall(r"--([\w-]+):", dark[: dark.index("* {")])
    assert set(re.findall(r"var\(--([\w-]+)\)", page)) <= set(names)


def test_the_head_of_the_page_tells_the_verdict(full_run: ReportData, page: str) -> None:
    assert "Within budget</strong> by" in page
    assert "model.onnx was measured at" in page
    assert isinstance(full_run.card, ClassifierCard)
    accuracy = full_run.card.accuracy["model.onnx"]
    low, high = accuracy.interval()
    assert f"{100 * accuracy.top1:.1f}\u202f%" in page
    assert f"{100 * low:.1f}\u2013{100 * high:.1f}\u202f%" in page
    assert "10,000 test images" in page


def test_an_empty_run_gives_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    text = written_to(tmp_path, ReportData()).read_text()
    Outline(text)
    assert "no baselines were trained; run with --baselines" in text
    assert "<code>sculptnet measure</code>" in text
    assert "No exported file was measured yet." in text
    assert not (tmp_path / "figures").exists()


def test_the_page_of_a_given_network_shows_its_work_and_does_not_speak_of_searches(
    full_run: ReportData, tmp_path: Path
) -> None:
    assert full_run.card is not None
    data = ReportData(
        events=[event for event in full_run.events if isinstance(event, TrainEpoch) and event.trial == "final"],
        card=replace(full_run.card, budget=None, predicted=None, within_budget=None),
        architecture=full_run.architecture,
        recipe=Recipe(epochs=12, optimizer=Sgd(0.01)),
        given="fbnet_a",
    )
    text = write_report(data, sections_of_a_training(), tmp_path).read_text(encoding="utf-8")
    Outline(text)
    assert full_run.architecture is not None
    assert set(DRAWN.findall(text)) == {"layers", "recall", "confusion", "training"}
    assert "fbnet_a for fashion_mnist on onnxruntime-1t" in text
    assert f"together {count(macs(full_run.architecture))}" in text
    assert "epochs 12; batch_size" in text
    assert "optimizer (kind Sgd, learning_rate 0.01" in text
    for absent in ("Left out", "found network", "search", "baselines", ">Budget<", ">nan", "None"):
        assert absent not in text.replace("float_white_level None", "")


def test_a_given_network_with_a_budget_is_judged(tmp_path: Path) -> None:
    data = ReportData(card=judged(5.0, measured(4.0)), given="fbnet_a")
    text = write_report(data, sections_of_a_training(), tmp_path).read_text(encoding="utf-8")
    assert "Within budget</strong> by" in text
    assert ">Budget<" in text
    assert "no network was chosen yet" in text


def parts_of(run: ReportData) -> dict[str, ReportData]:
    """Runs of which one part alone is known, and one that lacks what names its candidates."""
    few = [event for event in run.events if not isinstance(event, SearchEpoch) or event.epoch == 90]
    return {
        "command": ReportData(command=run.command),
        "events": ReportData(events=[event for event in few if not isinstance(event, TrainEpoch)]),
        "trials": ReportData(trials=run.trials),
        "card": ReportData(card=run.card),
        "table": ReportData(table=run.table),
        "architecture": ReportData(architecture=run.architecture, space=run.space),
        "network": ReportData(architecture=run.architecture, table=run.table),
        "seconds": ReportData(seconds=run.seconds),
    }


@pytest.mark.parametrize(
    ("known", "figures"),
    [
        ("command", set()),
        ("events", {"feasibility", "distribution", "search"}),
        ("trials", {"accuracy_latency", "predicted_measured"}),
        ("card", {"accuracy_latency", "recall", "confusion", "predicted_measured"}),
        ("table", {"predicted_measured"}),
        ("architecture", {"diversity"}),
        ("network", {"layers", "predicted_measured"}),
        ("seconds", set()),
    ],
)
def test_what_is_known_is_shown_and_the_rest_is_left_out(
    known: str, figures: set[str], full_run: ReportData, tmp_path: Path
) -> None:
    text = written_to(tmp_path, parts_of(full_run)[known]).read_text(encoding="utf-8")
    assert set(DRAWN.findall(text)) == figures
    Outline(text)
    assert ">Left out</h2>" in text


def test_names_from_the_users_data_cannot_become_markup(tmp_path: Path) -> None:
    size = len(NASTY)
    rows = tuple(tuple(9 if row == column else row % 2 for column in range(size)) for row in range(size))
    source = ImageSource(NASTY[1], 9, 9, grey=False, notes=NASTY, warnings=(NASTY[0],), fingerprint="f")
    card = card_of(classes=NASTY, data=source, accuracy={"model.onnx": Accuracy(rows)}, warnings=NASTY)
    events = [baseline(NASTY[0]), baseline(NASTY[1])]
    trials = [TrialRecord(0, (), metrics={"top1": 0.5, "measured_latency_ms": 1.0})]
    data = ReportData(title=NASTY[0], command=NASTY[1], card=card, events=events, trials=trials)
    text = written_to(tmp_path, data).read_text(encoding="utf-8")
    outline = Outline(text)
    assert not {tag for tag, _ in outline.tags} & {"script", "img"}
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "衬衫" in text
    assert "line break" in text
    assert '<th scope="row">`x`</th>' in text


def test_a_page_is_written_anew_and_its_folder_is_made(tmp_path: Path) -> None:
    path = written_to(tmp_path / "a" / "b", ReportData(title="first"))
    assert path == tmp_path / "a" / "b" / "report.html"
    written_to(tmp_path / "a" / "b", ReportData(title="second"))
    assert "<h1>second</h1>" in path.read_text()


PROGRAM = """
import sys
from pathlib import Path
from sculptnet.accuracy import Accuracy
from sculptnet.records.run_events import Feasibility, FileTested
from sculptnet.report import ReportData, write_report
from sculptnet.report.latency_sections import budget_in_space
from sculptnet.report.result_sections import classes_apart
budget = Feasibility(cost="latency_ms@x", fastest=1.0, median=2.0, slowest=4.0, at_most=3.0)
tested = FileTested(file="model.onnx", accuracy=Accuracy(((5, 5), (3, 7))))
write_report(ReportData(events=[budget, tested]), (budget_in_space, classes_apart), Path(sys.argv[1]))
"""


def test_equal_runs_give_equal_bytes_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    run_elsewhere(PROGRAM, str(there))
    monkeypatch.setattr("sys.argv", ["-c", str(here)])
    exec(PROGRAM, {})

    def digests(folder: Path) -> dict[str, str]:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    assert len(digests(here)) == 4
    assert digests(here) == digests(there)


def test_help_makes_no_page_and_values_of_sections_are_made_without_figures() -> None:
    program = (
        "import sys, sculptnet.cli; loaded = set(sys.modules); import sculptnet.report;"
        "print('jinja2' in loaded, 'sculptnet.report' in loaded, 'jinja2' in sys.modules, 'matplotlib' in sys.modules)"
    )
    assert run_elsewhere(program).split() == ["False", "False", "True", "False"]


@pytest.mark.browser
def test_a_real_browser_shows_the_page_without_an_error(written: Path, page: str, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this computer: the page was not opened in a browser")
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    command = [browser, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--dump-dom", written.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in result.stderr  # refused loads, broken markup, errors of scripts
    titles = {html.unescape(title) for title in re.findall(r"<title[^>]*>([^<]+)</title>", page)}
    assert len(titles) == len(FIGURES) + 1
    shown = re.findall(r"<title[^>]*>([^<]+)</title>", result.stdout)
    assert {html.unescape(title) for title in shown} == titles
    assert result.stdout.count("<svg") == len(FIGURES)
    assert result.stdout.count("<table") == page.count("<table")
