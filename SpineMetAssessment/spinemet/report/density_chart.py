"""Trabecular density along the spine, with the cut-offs that hold at L1."""

from __future__ import annotations

from spinemet.anatomy.bone.quality import SENSITIVE_HU, SPECIFIC_HU, BoneQuality
from spinemet.levels import Level
from spinemet.report.drawing import Figure, svg
from spinemet.report.markup import Markup, tag

WIDTH, HEIGHT = 720.0, 180.0
_INK, _GRID, _CUT, _DOT = "#1b2530", "#d5dce2", "#a33a00", "#1f5673"
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 64.0, 12.0, 26.0


def density_chart(quality: BoneQuality) -> Figure | None:
    """Dots with ± by level; None with fewer than two known densities."""
    known = {level: m for level, m in quality.densities.items() if m.value is not None}
    if len(known) < 2:
        return None
    levels = list(quality.densities)
    values = [m.value or 0.0 for m in known.values()]
    high = 50.0 * (int(max(*values, SENSITIVE_HU) / 50.0) + 1)
    low = min(0.0, 50.0 * (int(min(values) / 50.0) - 1))
    base, unit = HEIGHT - _BOTTOM, (HEIGHT - _TOP - _BOTTOM) / (high - low)
    step = (WIDTH - _LEFT - _RIGHT) / len(levels)
    parts: list[Markup] = []
    for tick in range(int(low), int(high) + 1, 50):
        y = base - (tick - low) * unit
        parts.append(tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, stroke=_GRID, stroke_width=1))
        words = f"{tick} HU" if tick == int(high) else tick
        parts.append(tag("text", words, x=_LEFT - 6, y=y + 4, font_size=11, text_anchor="end", fill=_INK))
    for cut in (SPECIFIC_HU, SENSITIVE_HU):
        y = base - (cut - low) * unit
        parts.append(
            tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, stroke=_CUT, stroke_width=1.2, stroke_dasharray="5 4")
        )
        parts.append(tag("text", f"{cut:g} at L1", x=WIDTH - _RIGHT + 5, y=y + 4, font_size=11, fill=_CUT))
    for number, level in enumerate(levels):
        x = _LEFT + (number + 0.5) * step
        weight = "bold" if level is Level.L1 else None
        parts.append(
            tag("text", level, x=x, y=base + 16, font_size=12, text_anchor="middle", fill=_INK, font_weight=weight)
        )
        if level not in known:
            parts.append(tag("text", "–", x=x, y=base - 6, font_size=12, text_anchor="middle", fill=_INK))
            continue
        m = known[level]
        y, reach = base - ((m.value or 0.0) - low) * unit, (m.uncertainty or 0.0) * unit
        data = f"M{x - 3:.1f} {y - reach:.1f}h6m-3 0v{2 * reach:.1f}m-3 0h6"
        parts.append(tag("path", d=data, stroke=_DOT, stroke_width=1, fill="none"))
        parts.append(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4.2, fill=_DOT))
    caption = (
        f"Trabecular density of uninvolved bodies with ±, not calibrated. At L1, ≤{SENSITIVE_HU:g} HU is sensitive and"
        f" ≤{SPECIFIC_HU:g} HU specific for osteoporosis (Pickhardt 2013); – was left out."
    )
    spoken = "; ".join(f"{level} {m.text(0)}" for level, m in quality.densities.items())
    return Figure(svg(WIDTH, HEIGHT, f"{caption} {spoken}", *parts), caption)
