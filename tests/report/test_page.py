from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.report.conftest import every_section

from sculptnet.cost import macs
from sculptnet.report import ReportData, write_report
from sculptnet.report.page import SECTIONS_OF_A_GIVEN_NETWORK
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
VOID = {"meta", "link", "br", "hr", "img"}
NASTY = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a$b$c", "衬衫", "\udcff", "line\nbreak"]


class Outline(HTMLParser):
    """Tags with attributes, in order; checks that every tag is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


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
    assert "default-src 'none'" in page.replace("&#x27;", "'")


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
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("table") == tags.count("caption") >= 5
    assert {str(a.get("scope")) for tag, a in outline.tags if tag == "th"} == {"col", "row"}
    assert tags.count("h1") == 1
    assert outline.tags[0] == ("html", {"lang": "en"})


def test_the_head_of_the_page_tells_the_verdict(full_run: ReportData, page: str) -> None:
    assert "Within budget</strong> by" in page
    assert "model.onnx was measured at" in page
    assert full_run.card is not None
    accuracy = full_run.card["accuracy"]["model.onnx"]
    low, high = accuracy["top1_interval"]
    assert f"{100 * accuracy['top1']:.1f}\u202f%" in page
    assert f"{100 * low:.1f}\u2013{100 * high:.1f}\u202f%" in page
    assert "10,000 test images" in page


def test_over_budget_says_by_how_much(tmp_path: Path) -> None:
    card = {"budget": {"at_most": 1.0, "precision": "fp32"}, "measured": {"model.onnx": {"latency_ms": 1.25}}}
    text = written_to(tmp_path, ReportData(card=card)).read_text()
    assert "Over budget</strong> by 0.25\u202fms (25.0\u202f%)." in text


def test_a_median_within_and_an_interval_beyond_the_budget_is_said(tmp_path: Path) -> None:
    card = {
        "budget": {"at_most": 1.0},
        "measured": {"model.onnx": {"latency_ms": 0.99, "low_ms": 0.97, "high_ms": 1.02}},
    }
    text = written_to(tmp_path, ReportData(card=card)).read_text()
    assert "Within budget" in text
    assert "The upper end of the interval lies over it." in text


def test_an_empty_run_gives_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    text = written_to(tmp_path, ReportData()).read_text()
    Outline(text)
    assert "no baselines were trained; run with --baselines" in text
    assert "<code>sculptnet measure</code>" in text
    assert not (tmp_path / "figures").exists()


def test_the_page_of_a_given_network_shows_its_work_and_does_not_speak_of_searches(
    full_run: ReportData, tmp_path: Path
) -> None:
    card = dict(full_run.card or {}) | {"budget": None, "predicted": None, "within_budget": None}
    card["device"] = dict(card["device"]) | {"name": "onnxruntime-1t"}
    data = ReportData(
        events=[event for event in full_run.events if event.get("trial") == "final"],
        card=card,
        architecture=full_run.architecture,
        recipe={"kind": "Recipe", "epochs": 12, "optimizer": {"kind": "Sgd", "learning_rate": 0.01}},
        given="fbnet_a",
    )
    text = write_report(data, SECTIONS_OF_A_GIVEN_NETWORK, tmp_path).read_text(encoding="utf-8")
    Outline(text)
    assert full_run.architecture is not None
    figures = set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text))
    assert figures == {"layers", "recall", "confusion", "training"}
    assert "fbnet_a for fashion_mnist on onnxruntime-1t" in text
    assert f"together {count(macs(full_run.architecture))}" in text
    assert "epochs 12; optimizer (kind Sgd, learning_rate 0.01)" in text
    for absent in ("Left out", "found network", "search", "baselines", ">Budget<", ">nan", "None"):
        assert absent not in text


def test_a_given_network_with_a_budget_is_judged(full_run: ReportData, tmp_path: Path) -> None:
    data = ReportData(card=full_run.card, given="fbnet_a")
    text = write_report(data, SECTIONS_OF_A_GIVEN_NETWORK, tmp_path).read_text(encoding="utf-8")
    assert "Within budget</strong> by" in text
    assert ">Budget<" in text
    assert "no network was chosen yet" in text


def parts_of(run: ReportData) -> dict[str, ReportData]:
    """Runs of which one part alone is known, and one that lacks what names its candidates."""
    short = [event for event in run.events if event["event"] != "search_epoch" or event["epoch"] in (1, 90)]
    return {
        "command": ReportData(command=run.command),
        "events": ReportData(events=[event for event in short if event["event"] != "train_epoch"]),
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
    assert set(re.findall(r'<svg [^>]*aria-labelledby="(\w+)-title', text)) == figures
    Outline(text)
    assert ">Left out</h2>" in text


def test_names_from_the_users_data_cannot_become_markup(full_run: ReportData, tmp_path: Path) -> None:
    card = dict(full_run.card or {}) | {"classes": [*NASTY, *"abcd"], "data": {"name": NASTY[1], "notes": NASTY}}
    events = [event for event in full_run.events if event["event"] == "baseline"]
    events.append(dict(events[0]) | {"name": NASTY[0]})
    data = ReportData(title=NASTY[0], command=NASTY[1], card=card, events=events, trials=full_run.trials)
    text = written_to(tmp_path, data).read_text(encoding="utf-8")
    assert not {tag for tag, _ in Outline(text).tags} & {"script", "img"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "衬衫" in text


def test_many_classes_are_listed_and_not_drawn_as_a_matrix(full_run: ReportData, tmp_path: Path) -> None:
    size = 26
    rows = [
        [40 if row == column else int(column == (row + 1) % size) * row for column in range(size)]
        for row in range(size)
    ]
    card = {"accuracy": {"model.onnx": {"confusion": rows}}, "classes": [f"kind {index}" for index in range(size)]}
    path = written_to(tmp_path, ReportData(card=card))
    assert not (tmp_path / "figures" / "confusion.png").exists()
    assert '<th scope="row">kind 25</th><td>kind 0</td><td class="number">25</td>' in path.read_text()


def test_equal_runs_give_equal_bytes_in_another_process(written: Path, tmp_path: Path) -> None:
    program = (
        "import runpy, sys, pathlib; from sculptnet.report import write_report;"
        "made = runpy.run_path(sys.argv[1]); run = made['made_up_run']();"
        "write_report(run, made['every_section'](run), pathlib.Path(sys.argv[2]))"
    )
    conftest = Path(__file__).with_name("conftest.py")
    run_elsewhere(program, str(conftest), str(tmp_path))

    def digests(folder: Path) -> dict[str, str]:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    assert digests(tmp_path) == digests(written.parent)


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
    titles = set(re.findall(r"<title[^>]*>([^<]+)</title>", page))
    assert len(titles) == len(FIGURES) + 1
    assert set(re.findall(r"<title[^>]*>([^<]+)</title>", result.stdout)) == titles
    assert result.stdout.count("<svg") == len(FIGURES)
    assert result.stdout.count("<table") == page.count("<table")
