"""The sections on the course of a search: over epochs, over batches of a controller, over rounds of a predictor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sculptnet.arch import SearchSpace
from sculptnet.records import newest_of
from sculptnet.records.search_events import (
    SearchBatch,
    SearchDraws,
    SearchPretrained,
    SearchRefined,
    SearchRound,
    SearchStop,
)
from sculptnet.report.choices import option_name
from sculptnet.report.facts import (
    Course,
    budget,
    columns_of,
    course,
    events_of,
    fields_of,
    last_event,
    shipped_choices,
)
from sculptnet.report.figures import distribution, latencies_around, reward, search
from sculptnet.report.render import figure
from sculptnet.report.source import ReportData
from sculptnet.report.text import MISSING, Numbers, cost_name, duration, number, percent, rounded, significant
from sculptnet.report.values import Absent, Block, Column, Figure, Paragraph, Part, Section, Table, Text, columns
from sculptnet.words import several

LEARNED, ROUNDS = "What the search learned", "Rounds of the search"
NOTHING_LEARNED = Absent(LEARNED, "no course of a search was logged; methods without epochs show in their trials alone")
NEAR = 0.1  # of the target
FEWEST_CANDIDATES = 4  # whose distribution says something
FEWEST_PAIRS = 3  # of a rank correlation


# ---------------------------------------------------------------------- gradients
def search_over_epochs(data: ReportData) -> Part:
    """The learned distribution and the curves of the search, over epochs."""
    found = course(data)
    if found is None:
        return NOTHING_LEARNED
    body: list[Block] = _distribution(data, found)
    sizes = [len(row) for row in found.probabilities[-1].values()]
    uniform = sum(map(math.log, sizes)) / len(sizes) if sizes else None
    asked = budget(data)
    at_most = asked.at_most if asked is not None and found.cost.startswith("latency_ms") else None
    caption = "The course of the search."
    if found.warm_up:
        caption += " Shaded: the warm-up, in which only weights are trained."
    title = "The search over epochs"
    body.append(figure("search", title, _described(found), caption, lambda: search.draw(found, at_most, uniform)))
    draws = last_event(data, SearchDraws)
    if draws is not None:
        rate = f"{percent(draws.pass_rate)} of the networks in the final distribution keep the budget; "
        body.append(Paragraph(f"{rate}trials are drawn from these alone."))
    return Section("search", LEARNED, body)


def _described(found: Course) -> str:
    parts = [f"Line charts over {len(found.epochs)} epochs"]
    for key, name in (("entropy", "entropy"), ("expected_cost", "expected latency"), ("tau", "temperature")):
        values = found.columns.get(key)
        if values is not None:
            parts.append(f"{name} from {_first(values)} to {_first(values[::-1])}")
    return "; ".join(parts) + "."


def _first(values: Numbers) -> str:
    known = values[np.isfinite(values)]
    return significant(float(known[0])) if len(known) else "unknown"


def _distribution(data: ReportData, found: Course) -> list[Block]:
    last = found.probabilities[-1]
    decisions = tuple(path for path in last if not path.startswith("recipe."))
    panels = distribution.snapshots(found.epochs.tolist(), found.probabilities, decisions, found.warm_up)
    if not decisions or not panels:
        return []
    names = _candidates(data.space, decisions, max(len(last[path]) for path in decisions))
    row = shipped_choices(data)
    chosen = [row[path] for path in decisions] if row is not None and all(path in row for path in decisions) else None
    sure = sum(max(last[path]) >= 0.9 for path in decisions)
    description = (
        f"Heat maps of {len(decisions)} decisions and up to {len(names)} candidates at {len(panels)} epochs. At the "
        f"end {sure} decisions give one candidate at least 90 %."
    )
    caption = "Probability of each candidate (columns, in the order of the space) in each decision (rows)."
    if row is not None:
        caption += " Rings: the network that is shipped; it need not be the likeliest one."
    title = "The learned distribution over epochs"

    return [
        figure("distribution", title, description, caption, lambda: distribution.draw(panels, decisions, names, chosen))
    ]


def _candidates(space: SearchSpace | None, decisions: tuple[str, ...], size: int) -> tuple[str, ...]:
    """The names of the candidates where all decisions have the same; else their numbers."""
    nodes = [space.decisions.get(path) if space is not None else None for path in decisions]
    first, *others = {tuple(map(option_name, node.options)) if node is not None else () for node in nodes}
    return first if not others and len(first) == size else tuple(f"{index + 1}" for index in range(size))


# ---------------------------------------------------------------------- reinforcement learning
def batches_of(data: ReportData) -> tuple[SearchBatch, ...]:
    """The batches of reinforcement learning in order, a batch that was logged twice as it was the last time."""
    return tuple(sorted(newest_of(data.events, SearchBatch, lambda event: event.batch), key=lambda event: event.batch))


def search_over_batches(data: ReportData) -> Part:
    """The reward curve, the latencies of what was drawn, the controller's entropy."""
    events = batches_of(data)
    if not events:
        return NOTHING_LEARNED
    _, known = columns_of({event.batch: fields_of(event) for event in events})
    rewards, entropies = (known.get(name, np.array([math.nan])) for name in ("reward", "entropy"))
    description = (
        f"Line charts over {len(events)} batches: mean reward from {_first(rewards)} to {_first(rewards[::-1])}, "
        f"entropy of the controller from {_first(entropies)} to {_first(entropies[::-1])} nats a decision."
    )
    # of a decision, where every option is equally likely
    uniform = None if data.space is None else float(np.log(data.space.num_options).mean())
    text = f"Accuracy times a power of latency over the target, over {events[-1].candidates:,} candidates drawn. "
    failed = sum(event.failed for event in events)
    text += f"{failed} of them failed and taught nothing. " if failed else ""
    text += "Entropy: 0 is a controller that always draws the same network."
    curves = figure("reward", "Reward over batches", description, text, lambda: reward.draw(known, uniform))
    return Section("search", LEARNED, (curves, *_around(events)))


def _around(events: Sequence[SearchBatch]) -> tuple[Figure, ...]:
    """The distribution of the costs of candidates around the target."""
    costs = np.array([cost for event in events for cost in event.costs or ()], dtype=np.float64)
    last = events[-1]
    if last.cost is None or last.at_most is None or len(costs) < FEWEST_CANDIDATES:
        return ()
    axis, target = cost_name(last.cost), last.at_most
    first, second = (_shares(part, target) for part in np.split(costs, [len(costs) // 2]))
    description = (
        f"Drawn candidates over {axis}, as in figure 6 of MnasNet. Of the first half {first[0]} are within the target "
        f"of {significant(target)} and {first[1]} near it (10\u00a0%); of the second half {second[0]} and {second[1]}. "
        "The reward weighs the target and does not enforce it; the network that is shipped is within the budget."
    )
    title = "Latencies around the target"
    draw = figure(
        "latencies_around", title, description, description, lambda: latencies_around.draw(costs, target, axis)
    )
    return (draw,)


def _shares(costs: Numbers, target: float) -> tuple[str, str]:
    near = np.abs(costs / target - 1) <= NEAR
    return percent(float((costs <= target).mean()), 0), percent(float(near.mean()), 0)


# ---------------------------------------------------------------------- rounds
def goes_in_rounds(data: ReportData) -> bool:
    """Whether the run searched with a predictor of trials, its own or that of another run."""
    return bool(events_of(data, SearchRound) or events_of(data, SearchRefined))


def rounds_of(data: ReportData) -> tuple[SearchRound, ...]:
    """The rounds of a joint search; the newest event of a round counts, since a resumed run logs it again."""
    return tuple(newest_of(data.events, SearchRound, lambda event: (event.stage, event.round)))


def joint_rounds(data: ReportData) -> Part:
    """The rounds, how long they were trained and why, what the predictor knew before."""
    rounds = rounds_of(data)
    if not rounds:
        return _reused(data)
    heads = ("Round", "Stage", "Trials", "Trained for", "Failed", "Best", "Mean", "Ranks predicted")
    caption = (
        "Best and mean: accuracy on held-back training images. Ranks predicted: Spearman's correlation of what the "
        "predictor had said before the round and what came out; 1 is perfect, 0 chance."
    )
    numeric = [Column(head, numeric=head not in ("Stage", "Trained for")) for head in heads]
    table = Table(caption, numeric, [_round(event) for event in rounds])
    return Section("rounds", ROUNDS, (table, *_stop(data), *_prepared(data)))


def _round(event: SearchRound) -> list[Text]:
    return [
        f"{event.round}",
        event.stage,
        f"{event.candidates}",
        "in full" if event.epochs is None else several(event.epochs, "epoch"),
        f"{event.failed}",
        percent(number(event.best)),
        percent(number(event.mean)),
        _correlation(event.pairs or ()),
    ]


def _correlation(pairs: Sequence[tuple[float, float]]) -> str:
    known = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    if len(known) < FEWEST_PAIRS or not np.isfinite(known).all() or (np.ptp(known, axis=0) == 0).any():
        return MISSING
    from scipy.stats import spearmanr  # two seconds to import, which few pages need

    return f"{float(spearmanr(known[:, 0], known[:, 1]).statistic):.2f}"


def _stop(data: ReportData) -> tuple[Block, ...]:
    """How the length of later trials was chosen."""
    event = last_event(data, SearchStop)
    if event is None:
        return ()
    found = {int(epoch): value for epoch, value in event.correlations.items()}
    told = ", ".join(f"{value:.2f} after {epoch}" for epoch, value in sorted(found.items()))
    if event.epochs is None:
        text = (
            f"No shorter training ranks the first round as its end does, with a correlation of {event.wanted:g} "
            f"({told}): all rounds were trained in full."
        )
    else:
        text = (
            f"After {event.epochs} of {max(found, default=event.epochs)} epochs the ranks of the first round correlate "
            f"by {rounded(found.get(event.epochs, math.nan))} with its last ({told}); {event.wanted:g} was asked for, "
            "so later rounds were trained for so long. Finalists were trained in full."
        )
    return (Paragraph(text),)


def _prepared(data: ReportData) -> tuple[Block, ...]:
    """What the predictor's encoder knew before any trial."""
    event = last_event(data, SearchPretrained)
    r2 = event.r2 if event is not None else {}
    told = ", ".join(f"{name} {value:.3f}" for name, value in r2.items() if math.isfinite(number(value)))
    text = f"Before any trial the predictor had learned free statistics; R\u00b2 on held-out networks: {told}."
    return (Paragraph(text),) if told else ()


def _reused(data: ReportData) -> Part:
    """The genetic searches on the predictor of another run."""
    found = newest_of(data.events, SearchRefined, lambda event: event.round)
    if not found:
        return Absent(ROUNDS, "no round was logged")
    rows = [[f"{one.round}", duration(one.seconds), f"{one.generations}", percent(one.predicted)] for one in found]
    caption = (
        "Genetic searches on the predictor of another run, which trained nothing. A second one keeps more distance "
        "from the budget, since nothing that the first one proposed ran within it. Predictions are of accuracies after "
        "trials of that run."
    )
    heads = columns("Search", "Took", "Generations", "Best prediction")
    return Section("rounds", ROUNDS, (Table(caption, heads, rows),))
