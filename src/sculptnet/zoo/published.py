"""What the zoo holds: a published network as a value, with what its authors say about it."""

from __future__ import annotations

from dataclasses import dataclass

from sculptnet.arch import Architecture


@dataclass(frozen=True)
class Published:
    """A published network.

    Attributes:
        name: in lower case, as the command line takes it.
        architecture: counted by `cost.macs` and its neighbours, never by the numbers below.
        paper: authors, title, place, and the table or figure the layers were read from.
        macs: multiply-adds that the authors state, rounded as they round; None where they state none.
        top1: ImageNet accuracy in percent that the authors state; None where they state none.
        evidence: where the two numbers were read, and what does not fit.
        timm, torchvision: what they call the same network; None where they have none.
    """

    name: str
    architecture: Architecture
    paper: str
    macs: float | None
    top1: float | None
    evidence: str
    timm: str | None = None
    torchvision: str | None = None
