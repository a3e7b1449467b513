"""Networks for further devices and budgets, from one supernet and without training."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.flow.conftest import SILENT, Ask
from tests.flow.test_limits import Machine

import sculptnet
from sculptnet import cli
from sculptnet.data import EvaluationBatches
from sculptnet.errors import Infeasible, InvalidValue, RunError
from sculptnet.export import load_network
from sculptnet.listening import Listener
from sculptnet.methods import OnceForAll, made
from sculptnet.methods.supernet_learning import load_supernet
from sculptnet.nets import calibrate
from sculptnet.options import SpecializeOptions
from sculptnet.records import of_kind
from sculptnet.records.run_events import FrontFound
from sculptnet.records.training_events import TrainEpoch
from sculptnet.result import FitResult
from sculptnet.runs import RunDirectory, write_record
from sculptnet.specialized import Specialized
from sculptnet.specializing import budget_name
from sculptnet.streams import stream, stream_seed
from sculptnet.tasks import classify
from sculptnet.verbs import run_specialize

DEVICE = "fake-2t"


@pytest.fixture(scope="module")
def specialized(supernet_run: FitResult) -> Specialized:
    return sculptnet.specialize(supernet_run.folder, [0.17, 0.24], threads=2, listener=SILENT)


def test_every_budget_has_a_network_within_it(specialized: Specialized) -> None:
    assert [network.budget_ms for network in specialized.networks] == [0.17, 0.24]
    for network in specialized.networks:
        assert network.device == DEVICE
        assert network.within_budget
        assert network.latency_ms <= network.budget_ms
        assert network.latency_ms == pytest.approx(network.predicted_ms, rel=0.05)
        names = {path.name for path in (network.folder / "model").iterdir()}
        assert {"card.json", "model.onnx", "model.int8.onnx", "weights.safetensors", "predict.py"} <= names
        assert network.folder.parent == RunDirectory(specialized.run).specialized / DEVICE
    assert specialized.within_budget


def test_the_weights_are_the_supernets_recalibrated(specialized: Specialized, ask_ofa: Ask) -> None:
    options = ask_ofa(specialized.run)
    job = classify.opened("fit", options, made(options.method, OnceForAll), time.monotonic)
    supernet, _ = load_supernet(job.run.supernet, job.space)
    weights_part, held_out = job.search_parts()
    order = stream(stream_seed(0, "calibration"), "evaluate.from_supernet: calibration").permutation(len(weights_part))
    images = EvaluationBatches(weights_part.take(order[:30]), job.preprocessing, 200)
    for network in specialized.networks:
        shipped = load_network(network.folder / "model")
        expected = calibrate(supernet.subnet(shipped.architecture), images, images=30)
        for batch, labels in EvaluationBatches(held_out, job.preprocessing, len(held_out)):
            assert torch.equal(shipped(batch), expected(batch))
            correct = (expected(batch).argmax(1) == labels).double().mean().item()
        assert network.held_out_top1 == correct


def test_the_page_shows_every_network_and_the_front(specialized: Specialized) -> None:
    page = specialized.report.read_text()
    assert specialized.report.parent == RunDirectory(specialized.run).specialized
    for network in specialized.networks:
        assert network.network in page
    assert (specialized.report.parent / "figures" / "specialized.png").read_bytes().startswith(b"\x89PNG")
    (front,) = of_kind(RunDirectory(specialized.report.parent / DEVICE).events(print), FrontFound)
    latencies, accuracies = zip(*front.points, strict=True)
    assert list(latencies) == sorted(latencies)
    assert list(accuracies) == sorted(accuracies)


def test_the_result_is_one_table_and_one_document(specialized: Specialized) -> None:
    lines = specialized.summary().splitlines()
    assert lines[0].split()[:3] == ["device", "budget", "latency"]
    assert lines[1].startswith(f"{DEVICE}  0.17 ms")
    document = json.loads(json.dumps(specialized.to_json()))
    assert [network["card"]["budget"]["at_most"] for network in document["networks"]] == [0.17, 0.24]


def test_the_same_call_again_reads(specialized: Specialized) -> None:
    def never(what: str, done: int, total: int) -> None:
        raise AssertionError(f"worked again: {what}")

    again = sculptnet.specialize(specialized.run, [0.17, 0.24], threads=2, listener=Listener(SILENT.say, never))
    assert again.networks == specialized.networks


def test_what_a_kill_left_out_is_made_the_same(specialized: Specialized, tmp_path: Path) -> None:
    shutil.copytree(specialized.run, tmp_path / "run")
    second = specialized.networks[1]
    folder = RunDirectory(tmp_path / "run").specialized / DEVICE / second.folder.name
    shutil.rmtree(folder / "model")
    (folder / "trials.jsonl").unlink()
    said: list[str] = []
    again = sculptnet.specialize(tmp_path / "run", [0.17, 0.24], threads=2, listener=Listener(said.append))
    assert not any("Measuring the space's blocks" in line for line in said)
    assert replace(again.networks[1], folder=second.folder, search_seconds=second.search_seconds) == second


def test_unreachable_budgets_name_the_fastest(specialized: Specialized) -> None:
    with pytest.raises(Infeasible) as caught:
        sculptnet.specialize(specialized.run, [0.001, 0.002, 0.2], threads=2, listener=SILENT)
    assert "0.001 ms and 0.002 ms: under the fastest network of this supernet on fake-2t, 0.1" in str(caught.value)
    assert "raise `latency_ms` above that" in str(caught.value)


def test_what_cannot_be_reached_leaves_nothing_behind(specialized: Specialized) -> None:
    folder = RunDirectory(specialized.run).specialized

    def files() -> set[Path]:
        return set(folder.rglob("*"))

    before = files()
    with pytest.raises(Infeasible):
        sculptnet.specialize(specialized.run, [0.001, 0.21], threads=2, listener=SILENT)
    with pytest.raises(Infeasible, match=r"no network of this space was found that meets .* and macs <= 1000"):
        sculptnet.specialize(specialized.run, 0.22, threads=2, limits=["macs=1e3"], listener=SILENT)
    assert files() == before


def test_a_fine_tuned_network_is_shipped_beside_the_one_that_was_cut_out(
    specialized: Specialized, tmp_path: Path
) -> None:
    shutil.copytree(specialized.run, tmp_path / "run")
    plain = specialized.networks[1]
    again = sculptnet.specialize(tmp_path / "run", 0.24, threads=2, fine_tune_epochs=2, listener=SILENT)
    (tuned,) = again.networks
    assert (tuned.folder.name, tuned.asked) == ("0.24ms-2epochs", "0.24 ms, 2 epochs")
    assert (tuned.network, tuned.held_out_top1) == (plain.network, plain.held_out_top1)
    events = RunDirectory(tuned.folder).events(print)
    assert [event.epoch for event in of_kind(events, TrainEpoch)] == [1, 2]
    weights = [load_network(network.folder / "model").state_dict() for network in (plain, tuned)]
    assert not all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    recipe = json.loads((tuned.folder / "model" / "recipe.json").read_text())
    assert recipe["epochs"] == 2
    assert recipe["optimizer"]["learning_rate"] == pytest.approx(0.01)
    assert "3 networks for 1 device, cut out of one supernet, some fine-tuned" in again.report.read_text()


@pytest.mark.slow
def test_one_page_shows_all_devices(specialized: Specialized, tmp_path: Path) -> None:
    shutil.copytree(specialized.run, tmp_path / "run")
    folder, said = RunDirectory(tmp_path / "run").specialized, list[str]()
    with pytest.raises(Infeasible):
        sculptnet.specialize(tmp_path / "run", 0.08, threads=1, listener=Listener(said.append))
    assert {path.name for path in (folder / "fake-1t").iterdir()} == {
        "table.json",
        "measurements.jsonl",
        "metrics.jsonl",
    }
    again = sculptnet.specialize(tmp_path / "run", 0.2, threads=1, listener=Listener(said.append))
    assert sum("Measuring the space's blocks on fake-1t" in line for line in said) == 1
    page = again.report.read_text()
    assert "3 networks for 2 devices, cut out of one supernet, without training" in page
    for network in (*specialized.networks, *again.networks):
        assert f'<th scope="row">{network.device}</th><td class="number">{network.asked}</td>' in page
        assert f"{network.device}, {network.asked}: " in page, "in the one figure"


@pytest.mark.slow
def test_power_is_measured_once_for_all_budgets_of_a_device(supernet_run: FitResult, tmp_path: Path) -> None:
    shutil.copytree(supernet_run.folder, tmp_path / "run")
    machine, said = Machine(tmp_path / "powercap"), list[str]()
    listener = Listener(said.append, machine.progress)
    for budgets in ((0.2, 0.24), (0.22,)):
        options = SpecializeOptions(tmp_path / "run", budgets, limits=("energy_mj=2.5",), listener=listener)
        found = run_specialize(options, machine.clock, machine.powercap)
    assert said.count("Measuring the power of fake-1t") == 1
    assert RunDirectory(RunDirectory(tmp_path / "run").specialized / "fake-1t").energy.exists()
    assert found.networks[0].asked == "0.22 ms, predicted_energy_mj 2.5"


def test_a_run_without_a_supernet_is_refused(supernet_run: FitResult, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run directory"):
        run_specialize(SpecializeOptions(tmp_path, (1.0,), listener=SILENT))
    shutil.copytree(supernet_run.folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "supernet")
    with pytest.raises(
        RunError, match=r"has no supernet \(a run of `fit`\); `fit\(DATA, latency_ms=X, method='ofa'\)` trains"
    ):
        run_specialize(SpecializeOptions(tmp_path / "run", (1.0,), listener=SILENT))


def test_wrong_requests_are_refused_with_all_that_is_wrong(supernet_run: FitResult) -> None:
    with pytest.raises(InvalidValue, match="the budgets are missing; give `latency_ms`"):
        run_specialize(SpecializeOptions(supernet_run.folder, ()))
    with pytest.raises(InvalidValue, match="`fine_tune_epochs` must be at least 0, got -1"):
        run_specialize(SpecializeOptions(supernet_run.folder, (1.0,), fine_tune_epochs=-1))
    with pytest.raises(InvalidValue, match="`latency_ms` 2 is given twice"):
        run_specialize(SpecializeOptions(supernet_run.folder, (2.0, 1.0, 2.0)))
    with pytest.raises(InvalidValue, match="unknown device 'onnxruntim'; did you mean onnxruntime"):
        run_specialize(SpecializeOptions(supernet_run.folder, (1.0,), device="onnxruntim", listener=SILENT))
    with pytest.raises(InvalidValue, match="`latency_ms` must be above 0, got -1"):
        run_specialize(SpecializeOptions(supernet_run.folder, (-1.0,), listener=SILENT))
    with pytest.raises(InvalidValue) as caught:
        sculptnet.specialize(
            supernet_run.folder, [0.0, 0.2], device="onnxruntim", limits=["macz=1"], fine_tune_epochs=-1
        )
    for part in (
        "`latency_ms` must be above 0, got 0",
        "`fine_tune_epochs` must be at least 0, got -1",
        "unknown device 'onnxruntim'; did you mean onnxruntime",
        "unknown limit 'macz'; did you mean macs?",
    ):
        assert str(caught.value).count(part) == 1, part


def test_a_budget_names_its_folder() -> None:
    assert budget_name(5.0, ()) == "5ms"
    assert budget_name(0.25, ("parameters=1e6", "macs=2e7")) == "0.25ms-macs-2e7-parameters-1e6"


def test_the_command_line_says_the_same_and_tells_of_a_budget_that_is_missed(
    specialized: Specialized, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(folder: Path, *options: str) -> tuple[int, str]:
        words = ["sculptnet", "specialize", str(folder), "--threads", "2", *options]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().out

    code, out = run(specialized.run, "--latency-ms", "0.17", "--latency-ms", "0.24", "--json")
    assert code == 0
    assert json.loads(out)["networks"] == json.loads(json.dumps(specialized.to_json()["networks"]))
    shutil.copytree(specialized.run, tmp_path / "run")
    card = RunDirectory(RunDirectory(tmp_path / "run").specialized / DEVICE / "0.17ms").card
    card.write_text(card.read_text().replace('"within_budget": true', '"within_budget": false'))
    code, out = run(tmp_path / "run", "--latency-ms", "0.17")
    assert code == 3
    assert "OVER the budget" in out
    assert run(tmp_path / "run", "--latency-ms", "0.0001")[0] == 2


def test_specialising_says_first_what_is_wrong_with_images_and_supernet(
    supernet_run: FitResult, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(supernet_run.folder, tmp_path / "run"))
    origin = RunDirectory(folder)
    saved = origin.supernet.load()
    assert saved is not None
    tensors, state = saved
    origin.supernet.save(dict(tensors), {**state, "decisions": {"another": 1}})
    with pytest.raises(InvalidValue, match="another"):
        run_specialize(SpecializeOptions(folder, (0.2,), device="tests.flow.test_order:untouchable", listener=SILENT))
    info = origin.info()
    write_record(origin.record("run"), replace(info, identity={**info.identity, "data_fingerprint": "other"}))
    with pytest.raises(RunError, match="have changed"):
        run_specialize(SpecializeOptions(folder, (0.2,), device="tests.flow.test_order:untouchable", listener=SILENT))
