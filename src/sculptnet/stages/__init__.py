"""Stages of a run that every method shares: data, table, feasibility, plan, training, shipping, comparing, page.

Names are loaded when they are first used: modules of this package are imported in many places that need only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sculptnet.lazily import loaded_lazily

if TYPE_CHECKING:
    from sculptnet.stages.batches import training_batches
    from sculptnet.stages.plan import Plan, SearchPlan, Speed, most_epochs, note_if_early, planned, warn_if_late
    from sculptnet.stages.short_training import by_training
    from sculptnet.stages.speed import measure_training
    from sculptnet.stages.train import final_parts, train_candidate, train_module

_WHERE = {
    "Plan": "sculptnet.stages.plan",
    "SearchPlan": "sculptnet.stages.plan",
    "Speed": "sculptnet.stages.plan",
    "by_training": "sculptnet.stages.short_training",
    "final_parts": "sculptnet.stages.train",
    "measure_training": "sculptnet.stages.speed",
    "most_epochs": "sculptnet.stages.plan",
    "note_if_early": "sculptnet.stages.plan",
    "planned": "sculptnet.stages.plan",
    "train_candidate": "sculptnet.stages.train",
    "train_module": "sculptnet.stages.train",
    "training_batches": "sculptnet.stages.batches",
    "warn_if_late": "sculptnet.stages.plan",
}

__all__ = [
    "Plan",
    "SearchPlan",
    "Speed",
    "by_training",
    "final_parts",
    "measure_training",
    "most_epochs",
    "note_if_early",
    "planned",
    "train_candidate",
    "train_module",
    "training_batches",
    "warn_if_late",
]

__getattr__, __dir__ = loaded_lazily(__name__, _WHERE)
