"""What was cut where: the event that a run logs of it, and the section of its page."""

from __future__ import annotations

from sculptnet.arch import Block
from sculptnet.blocks import MBPool, PooledConv
from sculptnet.inherit import Library
from sculptnet.inherit.anatomy import hidden_width
from sculptnet.nets import Network
from sculptnet.records.run_events import Carved, CarvedBlock
from sculptnet.report import Absent, Paragraph, Part, ReportData, Section, Table, columns
from sculptnet.report.facts import last_event
from sculptnet.report.text import significant
from sculptnet.words import several


def described(library: Library, network: Network) -> Carved:
    """The event that tells what was cut where, and what that does to answers."""
    before, after = library.network.architecture, dict(network.architecture.named())
    blocks = tuple(
        CarvedBlock(
            path, _shown(block, width), _shown(after[path], width), library.scores.block(path, after[path], shape)
        )
        for path, block, shape in before.blocks()
        for width in [shape.channels]
        if after[path] != block
    )
    kept = sum(after[path] == block for path, block, _ in before.blocks())
    return Carved(blocks, kept, library.divergence(network))


def _shown(block: Block, in_channels: int) -> str:
    """A block with the width that carving changes."""
    width = block.out_channels if isinstance(block, (PooledConv, MBPool)) else hidden_width(block, in_channels)
    return block.label() if width is None else f"{block.label()}, {several(width, 'channel')}"


def carved(source: ReportData) -> Part:
    """The section of the page that tells what was cut where."""
    event = last_event(source, Carved)
    if event is None:
        return Absent("Carved", "nothing was put together yet")
    if not event.blocks:
        return Section("carved", "Carved", (Paragraph("The whole start fits: nothing was cut."),))
    caption = (
        f"What was cut where; {several(event.kept, 'block')} of the start stayed as they are. A score says how far "
        "the start's answers move if this block alone is replaced (mean divergence over images). Channels are those "
        "inside a block, which its projection reads."
    )
    rows = [(one.path, one.start, one.carved, significant(one.kl_nats)) for one in event.blocks]
    measured = (
        f"Scores add up to {significant(sum(one.kl_nats for one in event.blocks))} nats; put together, before any "
        f"training, the network's answers differ from the start's by {significant(event.kl_nats)}. Among the "
        "trainings, `start` is that of the network that this one was carved out of."
    )
    heads = columns("Block", "Of the start", "Carved", "Score, nats", words=3)
    return Section("carved", "Carved", (Table(caption, heads, rows), Paragraph(measured)))
