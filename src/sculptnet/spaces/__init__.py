"""Published search spaces, one file each, `BY_NAME`: what the command line offers, and spaces around a network."""

from sculptnet.spaces.around_space import around
from sculptnet.spaces.catalogue import BY_NAME
from sculptnet.spaces.fbnet_space import fbnet
from sculptnet.spaces.fbnetv2_space import fbnetv2
from sculptnet.spaces.fbnetv3_space import fbnetv3
from sculptnet.spaces.mnasnet_space import mnasnet
from sculptnet.spaces.named import NamedSpace, SpaceSettings
from sculptnet.spaces.nas_bench_macro_space import nas_bench_macro
from sculptnet.spaces.ofa_spaces import ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50
from sculptnet.spaces.recipes import fbnetv3_recipe, with_recipe

__all__ = [
    "BY_NAME",
    "NamedSpace",
    "SpaceSettings",
    "around",
    "fbnet",
    "fbnetv2",
    "fbnetv3",
    "fbnetv3_recipe",
    "mnasnet",
    "nas_bench_macro",
    "ofa_mobilenet_v3",
    "ofa_proxyless",
    "ofa_resnet50",
    "with_recipe",
]
