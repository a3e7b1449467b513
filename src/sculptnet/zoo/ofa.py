"""Networks of Once-for-All (Cai et al., ICLR 2020, arXiv 1908.09791): corners of the supernets, and specialised ones.

All are members of the spaces in `spaces.ofa_spaces`, at their own resolution; specialised ones go beyond the 224 px
that the supernets were trained at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sculptnet.arch import Architecture, SearchSpace
from sculptnet.errors import InvalidValue, collected
from sculptnet.spaces import ofa_mobilenet_v3, ofa_proxyless, ofa_resnet50
from sculptnet.zoo.published import Published

_LAYER = re.compile(r"k(\d+)_e(\d+)")
PAPER = "Cai et al., Once-for-All, ICLR 2020 (arXiv 1908.09791)"


def member(space: SearchSpace, table: str) -> Architecture:
    """The network of `space` whose searched units `table` writes down: kernel and expansion of each layer, `k5_e4`.

    Raises:
        InvalidValue: another number of units or layers, a kernel or an expansion that the space does not have; with
            everything that is wrong.
    """
    rows = [unit.split() for unit in table.split("|")]
    units = len(space.architecture.stages) - 1
    problems = [] if len(rows) == units else [f"it has {len(rows)} units, the space {units}"]
    wanted: dict[str, int] = {}
    for unit, row in enumerate(rows, start=1):
        wanted[f"stages.{unit}.depth"] = len(row)
        for index, word in enumerate(row):
            match = _LAYER.fullmatch(word)
            if match is None:
                problems.append(f"{word!r} must read like k5_e4")
                continue
            wanted[f"stages.{unit}.{index}.kernel_size"] = int(match[1])
            wanted[f"stages.{unit}.{index}.expansion"] = int(match[2])
    if not problems:
        problems = [f"{path} is {value}" for path, value in wanted.items() if value not in _options(space, path)]
    if problems:
        raise InvalidValue(collected(problems, "the table is no network of the space"))
    return _decoded(space, [node.options.index(wanted.get(p, node.options[0])) for p, node in space.decisions.items()])


def _options(space: SearchSpace, path: str) -> tuple[int, ...]:
    """What may stand at `path`; a unit of decided depth has one."""
    if path in space.decisions:
        return space.decisions[path].options
    _, unit, name = path.split(".", 2)
    return (len(space.architecture.stages[int(unit)]),) if name == "depth" else ()


def corner(space: SearchSpace, pick: Callable[[Any], Any]) -> Architecture:
    """The network of `space` whose every decision is the largest (`max`) or smallest (`min`) of its options."""
    return _decoded(space, [node.options.index(pick(node.options)) for node in space.decisions.values()])


def _decoded(space: SearchSpace, row: list[int]) -> Architecture:
    return space.decode(space.canonical([row])[0]).architecture


def _specialised(
    name: str,
    table: str,
    space: SearchSpace,
    resolution: int,
    million_macs: float,
    top1: float,
    latency: tuple[float, str] | None = None,
) -> Published:
    latency_ms, device = latency or (None, None)
    return Published(
        f"ofa_{name}",
        replace(member(space, table), resolution=resolution),
        f"{PAPER}, published specialised networks",
        million_macs * 1e6,
        top1,
        "layers, resolution and all numbers from the authors' published list of specialised networks",
        latency_ms=latency_ms,
        latency_device=device,
    )


def _supernet(name: str, space: SearchSpace) -> tuple[Published, ...]:
    """Its largest and its smallest network."""
    return tuple(
        Published(
            f"ofa_{name}_{pick.__name__}",
            corner(space, pick),
            f"{PAPER}, published code",
            None,
            None,
            "a corner of the supernet; no published numbers",
        )
        for pick in (max, min)
    )


_V3, _V3_WIDE, _PROXYLESS = ofa_mobilenet_v3(), ofa_mobilenet_v3(width=1.2), ofa_proxyless()
_PIXEL, _NOTE, _LG = "Google Pixel 1", "Samsung Note10", "LG G8"
_1080TI, _V100, _CPU = "NVIDIA 1080 Ti, batch 64", "NVIDIA V100, batch 64", "Intel Xeon CPU with MKL-DNN"
FLOPS_389M = """
    k3_e3 k3_e3 | k5_e3 k5_e6 k3_e3 | k5_e4 k5_e4 k3_e3 | k5_e6 k5_e4 k3_e4 k3_e4 | k3_e6 k3_e6 k7_e6 k3_e3
"""
FLOPS_482M = """
    k5_e3 k3_e3 k3_e3 | k5_e4 k3_e4 k5_e4 k3_e3 | k5_e4 k5_e6 k3_e3 k3_e3 | k5_e6 k7_e6 k3_e6 k5_e4
    | k7_e6 k3_e6 k3_e6 k3_e3
"""
FLOPS_595M = """
    k3_e3 k5_e4 k3_e3 | k5_e4 k5_e4 k3_e6 k5_e3 | k7_e6 k5_e6 k3_e3 k5_e4 | k3_e6 k5_e6 k7_e6 k3_e4
    | k3_e6 k3_e6 k5_e6 k3_e3
"""
PIXEL1_58MS = """
    k3_e3 k3_e3 | k7_e4 k5_e3 k3_e3 | k5_e6 k5_e4 k5_e3 | k3_e4 k7_e4 k5_e3 | k5_e6 k7_e6 k3_e6 k3_e4
"""
PIXEL1_143MS = """
    k5_e3 k3_e6 k3_e3 | k5_e6 k5_e6 k3_e6 k5_e3 | k7_e6 k5_e6 k3_e6 k3_e4 | k5_e6 k3_e6 k5_e6 k3_e4
    | k3_e6 k3_e6 k5_e6 k3_e3
"""
NOTE10_64MS = """
    k3_e3 k3_e6 k3_e3 | k5_e4 k3_e6 k3_e3 k5_e3 | k5_e6 k5_e6 k3_e4 k7_e4 | k5_e6 k3_e6 k3_e6 k3_e4
    | k3_e6 k3_e6 k5_e6 k3_e3
"""
LG_G8_11MS = "k3_e3 k3_e3 | k5_e3 k3_e4 k7_e4 | k5_e4 k3_e3 | k5_e4 k3_e4 k5_e3 | k5_e6 k7_e6 k5_e4"
GPU_1080TI_27MS = """
    k3_e3 k3_e3 | k3_e6 k5_e6 k3_e4 k3_e4 | k5_e6 k3_e3 k5_e4 | k5_e6 k3_e4 k5_e4 | k3_e6 k5_e6 k7_e3 k3_e6 | k7_e6
"""
CPU_17MS = "k3_e3 k3_e4 | k5_e3 k3_e4 | k3_e6 k7_e3 k3_e3 | k5_e3 k5_e4 k3_e6 | k3_e6 k5_e4 k3_e3 | k3_e4"
V100_5MS = "k3_e3 k3_e3 | k5_e3 k3_e6 | k3_e4 k5_e4 k3_e6 | k3_e4 k3_e6 k7_e4 | k3_e6 k5_e4 k5_e4 | k3_e4"

ENTRIES = (
    _specialised("389m", FLOPS_389M, _V3_WIDE, 224, 389.49, 79.1),
    _specialised("482m", FLOPS_482M, _V3_WIDE, 224, 482.41, 79.6),
    _specialised("595m", FLOPS_595M, _V3_WIDE, 236, 595.19, 80.0),
    _specialised("pixel1_58ms", PIXEL1_58MS, _V3, 220, 229.85, 76.9, (58, _PIXEL)),
    _specialised("pixel1_143ms", PIXEL1_143MS, _V3_WIDE, 240, 641.76, 80.1, (143, _PIXEL)),
    _specialised("note10_64ms", NOTE10_64MS, _V3_WIDE, 260, 743.13, 80.2, (64, _NOTE)),
    _specialised("lg_g8_11ms", LG_G8_11MS, _V3, 156, 103.37, 73.0, (11, _LG)),
    _specialised("1080ti_27ms", GPU_1080TI_27MS, _PROXYLESS, 188, 396.71, 76.4, (27, _1080TI)),
    _specialised("cpu_17ms", CPU_17MS, _PROXYLESS, 208, 364.49, 75.7, (17, _CPU)),
    _specialised("v100_5ms", V100_5MS, _PROXYLESS, 128, 141.20, 71.6, (5, _V100)),
    Published(
        "ofa_mobilenet_v3_d4_e3_k3",
        member(_V3, " | ".join(["k3_e3 k3_e3 k3_e3 k3_e3"] * 5)),
        f"{PAPER}, ablation of progressive shrinking",
        226e6,
        74.8,
        "both from the paper: depth 4, expansion 3, kernel 3, progressive shrinking without fine-tuning",
    ),
    *_supernet("mobilenet_v3", _V3),
    *_supernet("mobilenet_v3_w12", _V3_WIDE),
    *_supernet("proxyless_w13", _PROXYLESS),
    *_supernet("resnet50", ofa_resnet50()),
)
