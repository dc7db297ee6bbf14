"""Charts as SVG: body heights along the spine with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinemet.assessment import Assessment, LevelAssessment
from spinemet.colors import GRADE_COLORS, RGB, hexadecimal
from spinemet.report.drawing import Figure, svg
from spinemet.report.heights import PLACES, body_heights
from spinemet.report.markup import Markup, tag

_INK, _GRID = "#1b2530", "#d5dce2"
_LEFT, _TOP, _BOTTOM = 46.0, 10.0, 40.0
_HEIGHT = 210.0


@dataclass(frozen=True)
class _Look:
    """Color, line and marker of a place; any one of the three tells the places apart."""

    color: RGB
    dash: str | None
    marker: str


_LOOKS = {
    "anterior": _Look((0.0, 0.35, 0.70), None, "M-4 -4h8v8h-8Z"),
    "middle": _Look((0.35, 0.40, 0.45), "5 3", "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z"),
    "posterior": _Look((0.60, 0.20, 0.45), "1.5 3", "M0 -5.2L5 4H-5Z"),
}


def height_chart(assessment: Assessment, *, width: float = 720.0) -> Figure | None:
    """Anterior, middle and posterior body heights from head to tail; None with fewer than two measured levels."""
    items = [item for item in assessment.levels if any(row.own.known for row in body_heights(item))]
    if len(items) < 2:
        return None
    values = [row.own.value or 0.0 for item in items for row in body_heights(item) if row.own.known]
    low, high = 5.0 * int(min(values) / 5.0 - 0.4), 5.0 * int(max(values) / 5.0 + 1.4)
    low = max(0.0, low)
    step = (width - _LEFT - 12) / len(items)
    unit = (_HEIGHT - _TOP - _BOTTOM) / (high - low)
    x = [_LEFT + (n + 0.5) * step for n in range(len(items))]
    parts = [*_frame(items, x, step, low, high, unit, width)]
    for number, place in enumerate(PLACES):
        parts += _series(place, items, x, (number - 1) * min(7.0, step / 5), low, unit)
    caption = "Body heights in mm from head to tail, with ±; scored levels shaded in the color of their grade."
    return Figure(svg(width, _HEIGHT, _spoken(items), *parts), caption)


def _frame(
    items: Sequence[LevelAssessment],
    x: Sequence[float],
    step: float,
    low: float,
    high: float,
    unit: float,
    width: float,
) -> list[Markup]:
    base = _HEIGHT - _BOTTOM
    parts = []
    for item, middle in zip(items, x, strict=True):
        if item.sins is not None:
            shade = hexadecimal(GRADE_COLORS[item.sins.category])
            parts.append(
                tag("rect", x=middle - step / 2, y=_TOP, width=step, height=base - _TOP, fill=shade, fill_opacity=0.16)
            )
    for tick in range(int(low), int(high) + 1, 5):
        y = base - (tick - low) * unit
        parts.append(tag("line", x1=_LEFT, x2=width - 12, y1=y, y2=y, stroke=_GRID, stroke_width=1))
        words = f"{tick} mm" if tick == int(high) else tick
        parts.append(tag("text", words, x=_LEFT - 6, y=y + 4, font_size=11, text_anchor="end", fill=_INK))
    for item, middle in zip(items, x, strict=True):
        parts.append(
            tag("text", item.level, x=middle, y=base + 15, font_size=12, text_anchor="middle", fill=_INK,
                font_weight="bold" if item.sins is not None else None)
        )  # fmt: skip
    left = _LEFT
    for place in PLACES:
        look, y = _LOOKS[place], _HEIGHT - 7
        parts += [
            tag("line", x1=left, x2=left + 26, y1=y - 4, y2=y - 4, stroke=hexadecimal(look.color), stroke_width=1.5,
                stroke_dasharray=look.dash),
            tag("path", d=look.marker, transform=f"translate({left + 13:.1f} {y - 4:.1f})",
                fill=hexadecimal(look.color)),
            tag("text", place, x=left + 32, y=y, font_size=11, fill=_INK),
        ]  # fmt: skip
        left += 110
    return parts


def _series(
    place: str, items: Sequence[LevelAssessment], x: Sequence[float], shift: float, low: float, unit: float
) -> list[Markup]:
    look, base = _LOOKS[place], _HEIGHT - _BOTTOM
    color = hexadecimal(look.color)
    parts, points, run = [], [], ""
    for item, middle in zip(items, x, strict=True):
        own = next((row.own for row in body_heights(item) if row.place == place), None)
        if own is None or own.value is None:
            run = ""
            continue
        at, y = middle + shift, base - (own.value - low) * unit
        points.append(f"{'L' if run else 'M'}{at:.1f} {y:.1f}")
        run = "open"
        if own.uncertainty:
            reach = own.uncertainty * unit
            data = f"M{at - 3:.1f} {y - reach:.1f}h6m-3 0v{2 * reach:.1f}m-3 0h6"
            parts.append(tag("path", d=data, stroke=color, stroke_width=1, fill="none"))
        parts.append(tag("path", d=look.marker, transform=f"translate({at:.1f} {y:.1f})", fill=color))
    line = tag("path", d="".join(points), fill="none", stroke=color, stroke_width=1.5, stroke_dasharray=look.dash)
    return [line, *parts]


def _spoken(items: Sequence[LevelAssessment]) -> str:
    levels = [
        f"{item.level} " + ", ".join(f"{row.place} {row.own.text()}" for row in body_heights(item)) for item in items
    ]
    return f"Body heights along the spine: {'; '.join(levels)}."
