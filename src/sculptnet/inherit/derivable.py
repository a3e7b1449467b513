"""Which blocks can be made of a trained one in closed form, and why others cannot."""

from __future__ import annotations

from dataclasses import replace

from sculptnet.arch import Block
from sculptnet.blocks import Bottleneck, Classifier, InvertedResidual, MBPool, PooledConv, Shortcut, Skip
from sculptnet.inherit.anatomy import hidden_width, inverted_form, shortcut_of
from sculptnet.inherit.channels import fits_groups

CLOSED_FORMS = (
    "closed forms are known for inverted residuals, MnasNet's layers of them, bottlenecks and the heads PooledConv and "
    "MBPool"
)


def has_closed_form(block: Block) -> bool:
    """Whether anything smaller can be made of `block` but leaving it out."""
    return isinstance(block, (Bottleneck, PooledConv, MBPool)) or inverted_form(block) is not None


def can_be_left_out(block: Block, in_channels: int) -> bool:
    """Whether the input can stand in for the output: there is a shortcut that hands it on."""
    return shortcut_of(block, in_channels) is Shortcut.IDENTITY


def why_not(whole: Block, part: Block, in_channels: int) -> str | None:
    """What keeps `part` from being made of the trained `whole` at the same place; None where nothing does."""
    if part == whole or isinstance(whole, Classifier):
        return None
    if isinstance(part, Skip) and part.is_identity(in_channels):
        return None if can_be_left_out(whole, in_channels) else "there is no shortcut, so it cannot be left out"
    if isinstance(whole, (PooledConv, MBPool)):
        same = type(whole) is type(part) and replace(part, out_channels=whole.out_channels) == whole
        fits = same and part.out_channels <= whole.out_channels
        return None if fits else f"a head may only be narrower than {whole}"
    if isinstance(whole, Bottleneck):
        return _why_not_bottleneck(whole, part)
    form, wanted = inverted_form(whole), inverted_form(part)
    if form is None or wanted is None:
        return f"{type(part).__name__} is not made of {type(whole).__name__}: {CLOSED_FORMS}"
    return _why_not_inverted(form, wanted, in_channels) or _why_not_shortcut(whole, part, in_channels)


def _why_not_bottleneck(whole: Bottleneck, part: Block) -> str | None:
    if not isinstance(part, Bottleneck):
        return f"{type(part).__name__} is not made of a Bottleneck: {CLOSED_FORMS}"
    larger = [
        name
        for name, own, given in (
            ("kernel_size", part.kernel_size, whole.kernel_size),
            ("hidden width", part.hidden_channels(), whole.hidden_channels()),
        )
        if own > given
    ]
    if larger:
        return f"its {' and '.join(larger)} must not be above those of {whole}"
    same = replace(part, kernel_size=whole.kernel_size, expansion=whole.expansion, hidden_divisor=whole.hidden_divisor)
    return None if same == whole else f"only kernel and expansion may differ from {whole}"


def _why_not_inverted(whole: InvertedResidual, part: InvertedResidual, in_channels: int) -> str | None:
    width, hidden = whole.hidden_channels(in_channels), part.hidden_channels(in_channels)
    if part.kernel_size > whole.kernel_size or hidden > width:
        return f"kernel {part.kernel_size} and hidden width {hidden} must not be above {whole.kernel_size} and {width}"
    if part.squeeze is not None and part.squeeze != whole.squeeze:
        return f"squeeze must be {whole.squeeze} or None"
    if _expands(whole, in_channels) != _expands(part, in_channels):
        return (
            f"a hidden width of {hidden} leaves out the first convolution, on which the others rest; take another "
            "width, or expand_at_1"
        )
    if not fits_groups(width, hidden, whole.groups):
        return (
            f"hidden width {hidden} of {width} does not fit {whole.groups} groups; take a multiple of {whole.groups**2}"
        )
    same = replace(
        part,
        kernel_size=whole.kernel_size,
        expansion=whole.expansion,
        squeeze=whole.squeeze,
        expand_at_1=whole.expand_at_1,
        hidden_divisor=whole.hidden_divisor,
        hidden_floor=whole.hidden_floor,
    )
    return None if same == whole else f"only kernel, expansion and squeeze may differ from {whole}"


def _expands(form: InvertedResidual, in_channels: int) -> bool:
    return form.expand_at_1 or form.hidden_channels(in_channels) != in_channels


def _why_not_shortcut(whole: Block, part: Block, in_channels: int) -> str | None:
    own, given = shortcut_of(part, in_channels), shortcut_of(whole, in_channels)
    return None if own is given else f"its shortcut must be {given.value}, got {own.value}"


def narrower_widths(block: Block, in_channels: int, factors: tuple[float, ...], step: int) -> tuple[int, ...]:
    """Hidden widths below the block's own: `factors` of it, rounded to multiples of `step`, in rising order."""
    own = hidden_width(block, in_channels)
    assert own is not None
    widths = {max(step, round(factor * own / step) * step) for factor in factors}
    return tuple(sorted(width for width in widths if width < own))
