"""The ring of the Weinstein–Boriani–Biagini zones: twelve sectors, five layers, the involved ones filled."""

from __future__ import annotations

import numpy as np

from spinemet.anatomy.lesions.wbb import LEAST_ZONE_ML, SECTORS, Layer, WbbZones, Zone
from spinemet.colors import LESION, hexadecimal
from spinemet.report.drawing import Figure, svg
from spinemet.report.markup import Markup, tag

WIDTH = 346.0
_HEIGHT, _MIDDLE, _OUTER = 400.0, (173.0, 196.0), 128.0
_RADII = {
    Layer.A: (1.0, 0.82),
    Layer.B: (0.82, 0.60),
    Layer.C: (0.60, 0.38),
    Layer.D: (0.38, 0.22),
    Layer.E: (0.22, 0.0),
}
"""Outer and inner radius of every layer, as shares of the ring's."""
_FILLS = {
    Layer.A: "#f3ece4",
    Layer.B: "#fbf3dd",
    Layer.C: "#f1e3bb",
    Layer.D: "#dcecf5",
    Layer.E: "#c3dcee",
}
_INK, _LINE = "#1b2530", "#8a96a1"
_FULL = 50.0
"""A zone with this share of its bone filled has the darkest color."""


def wbb_ring(zones: WbbZones, level: str, *, from_above: bool = True) -> Figure | None:
    """The ring with the involved zones; None when the zones are unknown.

    :param level: the vertebra's name, for the title.
    :param from_above: as in the original, the patient's left on the left; else as axial CT cuts are shown.
    """
    if not zones.known:
        return None
    parts: list[Markup] = []
    found = {(zone.sector, zone.layer): zone for zone in zones.zones}
    for layer in Layer:
        for sector in range(1, SECTORS + 1):
            zone = found.get((sector, layer))
            parts.append(_cell(sector, layer, zone, from_above))
    for sector in range(1, SECTORS + 1):
        x, y = _place((sector - 0.5) * 360 / SECTORS, 1.10, from_above)
        held = any(number == sector for number, _ in zones.involved)
        parts.append(_text(x, y + 5, str(sector), 14, bold=held))
    for layer, (outer, inner) in _RADII.items():
        x, y = _place(359.9, (outer + inner) / 2, from_above)
        parts.append(_text(x, y + 4, layer.value, 11, bold=True, halo=True))
    parts += _words(level, zones, from_above)
    view = "seen from above, patient's left on the left" if from_above else "seen from below, as axial cuts are shown"
    limits = f" {'; '.join(zones.limits)}." if zones.limits else ""
    caption = (
        f"{level}, WBB zones: {zones.text()}; {view}. {zones.numbering[0].upper()}{zones.numbering[1:]}; "
        f"{', '.join(f'{layer.value} {layer.words}' for layer in Layer)}. Pale: less than {LEAST_ZONE_ML:g} mL."
        f"{limits}"
    )
    return Figure(svg(WIDTH, _HEIGHT, caption, *parts), caption, WIDTH)


def _cell(sector: int, layer: Layer, zone: Zone | None, from_above: bool) -> Markup:
    outer, inner = _RADII[layer]
    start, stop = (sector - 1) * 360 / SECTORS, sector * 360 / SECTORS
    ahead, back = (np.linspace(a, b, 9) for a, b in ((start, stop), (stop, start)))
    points = [_place(angle, outer, from_above) for angle in ahead]
    points += [_place(angle, inner, from_above) for angle in back] if inner else [_MIDDLE]
    data = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"
    title = f"sector {sector}, layer {layer.value}"
    cell = tag("path", d=data, fill=_FILLS[layer], stroke=_LINE, stroke_width=0.8)
    if zone is None:
        return cell
    title += f": {zone.volume:.2f} mL, {zone.share:.0f} % of the lesion"
    title += f", {zone.filled:.0f} % of the bone here" if zone.filled is not None else ""
    return tag(
        "g", tag("title", title), cell, tag("path", d=data, fill=hexadecimal(LESION), fill_opacity=_depth(zone))
    )


def _depth(zone: Zone) -> float:
    if not zone.involved:
        return 0.12
    share = zone.share * 4 if zone.filled is None else zone.filled
    return round(0.4 + 0.5 * min(1.0, share / _FULL), 2)


def _place(angle: float, radius: float, from_above: bool) -> tuple[float, float]:
    """Where an angle (degrees, clockwise from above, 0 at the back) and a share of the radius lie on the picture."""
    turn = np.radians(angle) * (1 if from_above else -1)
    x, y = _MIDDLE
    return float(x - radius * _OUTER * np.sin(turn)), float(y + radius * _OUTER * np.cos(turn))


def _words(level: str, zones: WbbZones, from_above: bool) -> list[Markup]:
    left, right = ("L", "R") if from_above else ("R", "L")
    x, y = _MIDDLE
    view = "seen from above" if from_above else "seen from below"
    return [
        tag("text", f"{level} WBB", x=6, y=17, font_size=14, font_weight="bold", fill=_INK),
        tag("text", view, x=WIDTH - 6, y=17, font_size=11.5, text_anchor="end", fill=_INK),
        _text(9, y + 5, left, 15, bold=True),
        _text(WIDTH - 9, y + 5, right, 15, bold=True),
        _text(x, 44, "A", 15, bold=True),
        _text(x, 362, "P", 15, bold=True),
        _text(x, 380, zones.text(), 12),
        _text(x, 395, zones.numbering, 10),
    ]


def _text(x: float, y: float, words: str, size: float, *, bold: bool = False, halo: bool = False) -> Markup:
    rim = {"stroke": "#ffffff", "stroke_width": 2.5, "paint_order": "stroke"} if halo else {}
    weight = "bold" if bold else None
    return tag(
        "text", words, x=x, y=y, font_size=size, text_anchor="middle", font_weight=weight, fill=_INK, **rim
    )  # fmt: skip
