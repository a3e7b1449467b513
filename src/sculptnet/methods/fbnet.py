"""FBNet (Wu et al., CVPR 2019, arXiv 1812.03443): the latency table in the loss of a supernet of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sculptnet.arch import SearchSpace
from sculptnet.methods.dnas import Differentiable
from sculptnet.nets import MixedSupernet, RelaxedSupernet


@final
@dataclass(frozen=True, kw_only=True)
class FBNet(Differentiable):
    """Differentiable search over candidates that stand side by side."""

    name: ClassVar[str] = "fbnet"

    def supernet(self, space: SearchSpace) -> RelaxedSupernet:
        return MixedSupernet(space)
