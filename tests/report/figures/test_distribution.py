from __future__ import annotations

from sculptnet.report.figures.distribution import PANELS, draw, snapshots
from sculptnet.report.style import styled

DECISIONS = ("stages.0.0", "stages.1.0")


def test_snapshots_run_from_the_last_epoch_without_learning_to_the_last() -> None:
    found = [{"stages.0.0": [0.5, 0.5], "stages.1.0": [1 - epoch / 100, epoch / 100]} for epoch in range(1, 31)]
    panels = snapshots(list(range(1, 31)), found, DECISIONS, first_learned=10)
    assert len(panels) == PANELS
    assert (panels[0].title, panels[-1].title) == ("epoch 10", "epoch 30")
    assert panels[-1].rows == ((0.5, 0.5), (0.7, 0.3))


def test_few_epochs_give_few_snapshots_and_epochs_without_probabilities_none() -> None:
    row = {"stages.0.0": [1.0], "stages.1.0": [1.0]}
    assert [panel.title for panel in snapshots([1, 2, 3], [{}, row, row], DECISIONS, 0)] == ["epoch 2", "epoch 3"]
    assert snapshots([1], [{}], DECISIONS, 0) == ()


def test_decisions_may_have_different_numbers_of_candidates() -> None:
    panels = snapshots([1], [{"stages.0.0": [0.2, 0.3, 0.5], "stages.1.0": [0.4, 0.6]}], DECISIONS, 0)
    with styled():
        figure = draw(panels, DECISIONS, ("1", "2", "3"), chosen=(2, 0))
    values = figure.axes[0].collections[0].get_array()
    assert values is not None
    assert values.reshape(2, 3)[1].tolist() == [0.4, 0.6, None]
