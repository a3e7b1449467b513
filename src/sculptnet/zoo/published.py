"""What the zoo holds: a published network as a value, with what its authors say about it."""

from __future__ import annotations

from dataclasses import dataclass

from sculptnet.arch import Architecture
from sculptnet.errors import InvalidValue


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
        latency_ms, latency_device: what the authors measured, and on what, one image at a time unless the device says
            more; None where they state none, both or neither.
    """

    name: str
    architecture: Architecture
    paper: str
    macs: float | None
    top1: float | None
    evidence: str
    timm: str | None = None
    torchvision: str | None = None
    latency_ms: float | None = None
    latency_device: str | None = None

    def __post_init__(self) -> None:
        if (self.latency_ms is None) != (self.latency_device is None):
            raise InvalidValue(
                f"{self.name}: latency_ms ({self.latency_ms}) and latency_device ({self.latency_device!r}) belong "
                "together; give both or neither"
            )
