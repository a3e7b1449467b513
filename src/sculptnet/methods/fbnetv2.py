"""FBNetV2 (Wan et al., CVPR 2020, arXiv 2004.05565): widths and resolutions as masks over one set of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sculptnet.arch import SearchSpace
from sculptnet.methods.dnas import Differentiable
from sculptnet.nets import MaskedSupernet, RelaxedSupernet


@final
@dataclass(frozen=True, kw_only=True)
class FBNetV2(Differentiable):
    """Differentiable search over widths and resolutions, at the price of one width."""

    name: ClassVar[str] = "fbnetv2"
    default_space: ClassVar[str] = "fbnetv2"

    def supernet(self, space: SearchSpace) -> RelaxedSupernet:
        return MaskedSupernet(space)
