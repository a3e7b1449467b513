"""Tables of trained networks answer like trainings would."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sculptnet.arch import Architecture, Choices, SearchSpace, choice
from sculptnet.blocks import Classifier, Conv, PooledConv
from sculptnet.errors import InvalidValue, NotInSpace, NotMeasured
from sculptnet.evaluate import FromTable, read_nas_bench_macro
from sculptnet.search import Job, Objective, Problem, RandomSearch, Results, TrialRecord, drive, run
from sculptnet.spaces import nas_bench_macro

SPACE = SearchSpace(
    Architecture(8, Conv(4), ((Conv(4, choice(1, 3, 5)), Conv(4, choice(1, 3))),), PooledConv(8), Classifier(2))
)
TABLE = FromTable(SPACE, {(i, j): (0.5 + i / 10, 0.6 + i / 10, 0.7 + j / 10) for i in range(3) for j in range(2)})
SHARED = Path(__file__).parents[3] / "shared/data/tables/nas-bench-macro_cifar10.json"


def said(table: FromTable, row: Choices, replicate: int = 0) -> float:
    return table(SPACE.decode(row), Job(trial=0, replicate=replicate))["top1"]


def test_without_a_seed_the_mean_of_the_trainings_is_said() -> None:
    assert said(TABLE, (1, 1)) == pytest.approx((0.6 + 0.7 + 0.8) / 3, abs=1e-15)
    assert TABLE.score(np.array([[1, 1]]))["top1"].tolist() == TABLE.means(np.array([[1, 1]])).tolist()


def test_every_replicate_is_another_training() -> None:
    for row, trainings in TABLE.accuracies.items():
        assert sorted(said(replace(TABLE, seed=3), row, number) for number in range(3)) == sorted(trainings)


def test_the_training_is_drawn_for_each_candidate_by_the_seed() -> None:
    rows = np.array(list(TABLE.accuracies))
    columns = [replace(TABLE, seed=seed).score(rows)["top1"] for seed in range(30)]
    again = [said(replace(TABLE, seed=0), row) for row in TABLE.accuracies]
    assert columns[0].tolist() == again
    for number, trainings in enumerate(TABLE.accuracies.values()):
        assert {column[number] for column in columns} == set(trainings)


def test_run_and_drive_say_the_same_and_it_can_be_sent_elsewhere() -> None:
    table, problem = pickle.loads(pickle.dumps(replace(TABLE, seed=1))), Problem(SPACE, (Objective("top1"),))
    records: tuple[TrialRecord, ...] = run(RandomSearch().search(problem, 0), problem, table, 6)
    results: Results = drive(RandomSearch().search(problem, 0), table.score)
    assert [record.metrics["top1"] for record in records] == results.column("top1").tolist()


def test_what_the_table_lacks_is_listed() -> None:
    part = replace(TABLE, accuracies={(0, 0): (0.5,)})
    with pytest.raises(NotMeasured, match=r"the table of 1 networks lacks \(2, 1\), \(1, 1\); search the part"):
        part.score(np.array([[2, 1], [0, 0], [1, 1], [2, 1]]))
    with pytest.raises(NotMeasured, match=r"lacks \(2, 1\)"):
        said(part, (2, 1))
    with pytest.raises(NotMeasured, match=r"has 1 trainings of \(0, 0\), replicate 1 is none of 0\.\.0"):
        said(replace(part, seed=0), (0, 0), 1)
    with pytest.raises(NotInSpace, match="resolution is 32"):
        TABLE(nas_bench_macro().decode([0] * 8), Job(trial=0))


def test_everything_that_is_wrong_in_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"00000003": {}, "00000000": {"test_acc": [101.0]}, "00000001": {"test_acc": [9.5]}}))
    with pytest.raises(InvalidValue) as caught:
        read_nas_bench_macro(path)
    for text in ("00000003: names are", "lacks 00000002, 00000010, ", " and 6554 more, of 6561", "00000000: test_acc"):
        assert text in str(caught.value)
    path.write_text("[")
    with pytest.raises(InvalidValue, match=r"table\.json cannot be read as JSON"):
        read_nas_bench_macro(path)
    with pytest.raises(InvalidValue, match=r"missing\.json cannot be read"):
        read_nas_bench_macro(tmp_path / "missing.json")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_file(), reason="the tables beside the repository are absent")
def test_the_published_table_is_read_whole() -> None:
    table, published = read_nas_bench_macro(SHARED), json.loads(SHARED.read_text())
    rows = np.array([[int(digit) for digit in key] for key in published])
    np.testing.assert_allclose(table.means(rows), [one["mean_acc"] / 100 for one in published.values()], rtol=1e-12)
    assert {len(trainings) for trainings in table.accuracies.values()} == {3}
    best = rows[table.means(rows).argmax()]
    assert 100 * table.means(best)[0] == pytest.approx(93.127, abs=5e-4)
