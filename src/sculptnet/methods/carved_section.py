"""What was cut where: the event that a run logs of it, and the section of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sculptnet.arch import Block
from sculptnet.blocks import MBPool, PooledConv
from sculptnet.inherit import Library
from sculptnet.inherit.anatomy import hidden_width
from sculptnet.nets import Network
from sculptnet.words import several

if TYPE_CHECKING:
    from sculptnet.report import ReportData
    from sculptnet.report.parts import Part

CARVED = "carved"  # the event


def described(library: Library, network: Network) -> Mapping[str, Any]:
    """The event that tells what was cut where, and what that does to answers."""
    before, after = library.network.architecture, dict(network.architecture.named())
    blocks = [
        {"path": path, "start": _shown(block, width), "carved": _shown(after[path], width)}
        | {"kl_nats": library.scores.block(path, after[path], shape)}
        for path, block, shape in before.blocks()
        for width in [shape.channels]
        if after[path] != block
    ]
    kept = sum(after[path] == block for path, block, _ in before.blocks())
    return {"event": CARVED, "blocks": blocks, "kept": kept, "kl_nats": library.divergence(network)}


def _shown(block: Block, in_channels: int) -> str:
    """A block with the width that carving changes."""
    width = block.out_channels if isinstance(block, (PooledConv, MBPool)) else hidden_width(block, in_channels)
    return block.label() if width is None else f"{block.label()}, {several(width, 'channel')}"


def carved(source: ReportData) -> Part:
    """The section of the page that tells what was cut where."""
    from sculptnet.report.facts import last_event
    from sculptnet.report.html import Column, paragraph, table
    from sculptnet.report.parts import Absent, Section
    from sculptnet.report.text import number, significant

    event = last_event(source, CARVED)
    if event is None:
        return Absent("Carved", "nothing was put together yet")
    scores = [number(one["kl_nats"]) for one in event["blocks"]]
    heads = ("Block", "Of the start", "Carved", "Score, nats")
    columns = [Column(head, numeric=index > 2) for index, head in enumerate(heads)]
    rows = [
        (one["path"], one["start"], one["carved"], significant(score))
        for one, score in zip(event["blocks"], scores, strict=True)
    ]
    caption = (
        f"What was cut where; {several(event['kept'], 'block')} of the start stayed as they are. A score says how far "
        "the start's answers move if this block alone is replaced (mean divergence over images). Channels are those "
        "inside a block, which its projection reads."
    )
    measured = paragraph(
        f"Scores add up to {significant(sum(scores))} nats; put together, before any training, the network's answers "
        f"differ from the start's by {significant(number(event['kl_nats']))}. Among the trainings, `start` is that of "
        "the network that this one was carved out of."
    )
    body = (table(caption, columns, rows), measured) if rows else (paragraph("The whole start fits: nothing was cut."),)
    return Section("carved", "Carved", body)
