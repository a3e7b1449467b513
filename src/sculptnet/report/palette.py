"""One palette for light and dark schemes.

Figures are drawn in the light colours. In the page every colour of the palette becomes a CSS variable, so the same
drawing follows the reader's scheme. Categories use blue and orange first, which all common kinds of colour vision
tell apart; what matters most is never told by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping

SURFACE, INK, MUTED, AXIS, GRID = "#ffffff", "#1d2126", "#5c6670", "#b9c1c9", "#e8ecef"
ACCENT, ALERT, FIXED, FAINT = "#0b62b5", "#b13b08", "#98a2ac", "#aab3bc"
HEAT = ("#f3f6f9", "#dee8f2", "#c4d8eb", "#a2c3e2", "#79a9d5", "#3a79b4", "#26649f", "#174d84", "#0b3765")
ON_LOW_HEAT, ON_HIGH_HEAT = "#1d2127", "#fffffe"
BLOCKS = (
    ("#b4d3f1", "#73abdd", "#3d81c0", "#1f5c9a"),  # blue
    ("#f6d0a4", "#eba75d", "#d07c1e", "#96530a"),  # orange
    ("#abddcd", "#63bea0", "#289575", "#106c53"),  # green
    ("#d7c4e9", "#b294d4", "#8b63b9", "#643d92"),  # purple
)
# Each light colour, the name of its CSS variable and what stands there in the dark scheme.
DARK: Mapping[str, tuple[str, str]] = {
    SURFACE: ("surface", "#14171a"),
    INK: ("ink", "#e7eaed"),
    MUTED: ("muted", "#9da7b1"),
    AXIS: ("axis", "#4a535c"),
    GRID: ("grid", "#262c32"),
    ACCENT: ("accent", "#63aff8"),
    ALERT: ("alert", "#f4956b"),
    FIXED: ("fixed", "#6b757f"),
    FAINT: ("faint", "#66707a"),
    ON_LOW_HEAT: ("on-low-heat", "#e7eaed"),
    ON_HIGH_HEAT: ("on-high-heat", "#0d1115"),
    **{
        light: (f"heat-{level}", dark)
        for level, (light, dark) in enumerate(
            zip(
                HEAT,
                ("#1c2229", "#20303f", "#254159", "#2b5577", "#356c98", "#4f8fc4", "#6fa6d8", "#98c3ea", "#d0e6fb"),
                strict=True,
            )
        )
    },
    **{
        light: (f"block-{hue}-{level}", dark)
        for hue, (ramp, dark_ramp) in enumerate(
            zip(
                BLOCKS,
                (
                    ("#2c4d70", "#3d73a8", "#5f9fdd", "#a9d1fb"),
                    ("#5d4324", "#8f6029", "#cc8c3c", "#f7ca8e"),
                    ("#204c40", "#2f7561", "#4da98b", "#a0e0ca"),
                    ("#423159", "#654b8a", "#9574c3", "#ceb6ee"),
                ),
                strict=True,
            )
        )
        for level, (light, dark) in enumerate(zip(ramp, dark_ramp, strict=True))
    },
}
