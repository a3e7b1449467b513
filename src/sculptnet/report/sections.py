"""All sections that methods put their pages together from, and the order in which most of them do."""

from __future__ import annotations

from sculptnet.report.latency_sections import (
    accuracy_over_latency,
    baselines_compared,
    budget_in_space,
    nothing_compared,
    table_checked,
)
from sculptnet.report.network_sections import layer_diversity, network
from sculptnet.report.proxy_section import proxy_checked
from sculptnet.report.range_sections import numbers_are_open, numbers_chosen
from sculptnet.report.recipe_sections import recipe_is_open, recipes
from sculptnet.report.result_sections import classes_apart, training_curves, what_was_used
from sculptnet.report.search_sections import goes_in_rounds, joint_rounds, search_over_batches, search_over_epochs
from sculptnet.report.source import ReportData, SectionMaker
from sculptnet.report.supernet_sections import accuracies_predicted, fine_tuning, supernet_phases

__all__ = [
    "accuracies_predicted",
    "accuracy_over_latency",
    "baselines_compared",
    "budget_in_space",
    "classes_apart",
    "fine_tuning",
    "goes_in_rounds",
    "joint_rounds",
    "layer_diversity",
    "network",
    "nothing_compared",
    "numbers_are_open",
    "numbers_chosen",
    "proxy_checked",
    "recipe_is_open",
    "recipes",
    "search_over_batches",
    "search_over_epochs",
    "searched_from_scratch",
    "supernet_phases",
    "table_checked",
    "training_curves",
    "what_was_used",
]


def searched_from_scratch(source: ReportData, *course: SectionMaker) -> tuple[SectionMaker, ...]:
    """The sections of a search whose network is trained from scratch; `course` tells how the search went."""
    numbers = (numbers_chosen,) if numbers_are_open(source) else ()
    opened = (recipes,) if recipe_is_open(source) else ()
    return (
        accuracy_over_latency,
        baselines_compared,
        network,
        *numbers,
        *opened,
        classes_apart,
        budget_in_space,
        table_checked,
        *course,
        proxy_checked,
        training_curves,
        what_was_used,
    )
