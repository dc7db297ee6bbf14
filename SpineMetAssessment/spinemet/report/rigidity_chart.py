"""A small chart of axial and bending rigidity, slice by slice, against the neighbors."""

from __future__ import annotations

from collections.abc import Sequence

from spinemet.colors import hexadecimal
from spinemet.details import RigidityCurve
from spinemet.report.drawing import Figure, svg
from spinemet.report.markup import Markup, tag

WIDTH, HEIGHT = 560.0, 250.0
_INK, _GRID, _OWN = "#1b2530", "#d5dce2", hexadecimal((0.72, 0.11, 0.11))
_OTHERS = (("#3b6ea5", "6 3"), ("#4d4d4d", "2 3"))
_TOP, _BOTTOM, _PANEL = 34.0, 44.0, 232.0


def rigidity_chart(curves: Sequence[RigidityCurve]) -> Figure | None:
    """Head up: heights upward, rigidity to the right; the level itself drawn through, its neighbors broken."""
    if not curves or len(curves[0].heights) < 2:
        return None
    heights = [value for curve in curves for value in curve.heights]
    low, high = min(heights), max(heights)
    parts: list[Markup] = []
    for left, title, unit, values in (
        (46.0, "Axial rigidity EA", "kN", [curve.axial for curve in curves]),
        (46.0 + _PANEL + 40, "Bending rigidity EI", "N·m²", [curve.bending for curve in curves]),
    ):
        parts += _panel(left, title, unit, curves, values, low, high)
    parts += _legend(curves)
    own = curves[0].level
    others = " and ".join(curve.level.value for curve in curves[1:]) or "no neighbor"
    caption = (
        f"{own} against {others}, each slice across the body; the weakest slice governs. From uncalibrated densities:"
        " compare with the neighbors only, no strength follows."
    )
    return Figure(svg(WIDTH, HEIGHT, caption, *parts), caption, WIDTH)


def _panel(
    left: float,
    title: str,
    unit: str,
    curves: Sequence[RigidityCurve],
    values: Sequence[Sequence[float]],
    low: float,
    high: float,
) -> list[Markup]:
    most = max(max(line) for line in values) * 1.08 or 1.0
    base, tall = HEIGHT - _BOTTOM, HEIGHT - _TOP - _BOTTOM
    parts = [tag("text", f"{title}, {unit}", x=left, y=20, font_size=12, font_weight="bold", fill=_INK)]
    step = _round_step(most)
    for n in range(int(most / step) + 1):
        x = left + n * step / most * _PANEL
        parts.append(tag("line", x1=x, x2=x, y1=_TOP, y2=base, stroke=_GRID, stroke_width=1))
        parts.append(tag("text", f"{n * step:g}", x=x, y=base + 14, font_size=11, text_anchor="middle", fill=_INK))
    for height in (low, 0.0, high):
        y = base - (height - low) / max(high - low, 1e-9) * tall
        parts.append(tag("text", _signed(height), x=left - 6, y=y + 4, font_size=11, text_anchor="end", fill=_INK))
    for number, (curve, line) in enumerate(zip(curves, values, strict=True)):
        points = [
            (left + value / most * _PANEL, base - (height - low) / max(high - low, 1e-9) * tall)
            for height, value in zip(curve.heights, line, strict=True)
        ]
        color, dash, width = _look(number)
        data = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(tag("path", d=data, fill="none", stroke=color, stroke_width=width, stroke_dasharray=dash))
        if number == 0:
            x, y = min(points)
            parts.append(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4, fill=color))
    return parts


def _legend(curves: Sequence[RigidityCurve]) -> list[Markup]:
    parts, left, y = [], 46.0, HEIGHT - 8
    for number, curve in enumerate(curves):
        color, dash, width = _look(number)
        parts.append(
            tag("line", x1=left, x2=left + 26, y1=y - 4, y2=y - 4, stroke=color, stroke_width=width,
                stroke_dasharray=dash)
        )  # fmt: skip
        words = f"{curve.level} (● weakest slice)" if number == 0 else curve.level.value
        parts.append(tag("text", words, x=left + 32, y=y, font_size=11, fill=_INK))
        left += 60 + 6.2 * len(words)
    parts.append(
        tag("text", "mm from the body’s middle, head up", x=WIDTH - 6, y=y, font_size=11, text_anchor="end", fill=_INK)
    )
    return parts


def _signed(height: float) -> str:
    """ "+12", "0", "−12"."""
    return f"{height:+.0f}".replace("-", "\N{MINUS SIGN}") if round(height) else "0"


def _look(number: int) -> tuple[str, str | None, float]:
    if number == 0:
        return _OWN, None, 2.2
    color, dash = _OTHERS[(number - 1) % len(_OTHERS)]
    return color, dash, 1.6


def _round_step(most: float) -> float:
    """A round distance of ticks: at most five of them."""
    step = 10.0 ** (len(str(int(most))) - 2) if most >= 1 else 0.1
    for factor in (1, 2, 5, 10, 20, 50, 100):
        if most / (factor * step) <= 5:
            return factor * step
    return most
