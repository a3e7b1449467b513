"""Spaces by name: what the command line offers."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sculptnet.arch import SearchSpace
from sculptnet.spaces.fbnet_space import fbnet
from sculptnet.spaces.fbnetv2_space import fbnetv2
from sculptnet.spaces.fbnetv3_space import fbnetv3
from sculptnet.spaces.mnasnet_space import mnasnet
from sculptnet.spaces.nas_bench_macro_space import nas_bench_macro
from sculptnet.spaces.ofa_spaces import ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50

BY_NAME: Mapping[str, Callable[..., SearchSpace]] = MappingProxyType(
    {
        "fbnet": fbnet,
        "fbnetv2": fbnetv2,
        "fbnetv3": fbnetv3,
        "mnasnet": mnasnet,
        "nas_bench_macro": nas_bench_macro,
        "ofa_mobilenet_v3": ofa_mobilenet_v3,
        "ofa_proxyless": ofa_proxyless,
        "ofa_resnet50": ofa_resnet50,
    }
)
