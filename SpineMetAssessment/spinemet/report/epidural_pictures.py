"""Pictures of the canal: the worst cut perpendicular to it, a reformat along it, and the profile of measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Structure
from spinemet.colors import LESION, RGB, STRUCTURE_COLORS, hexadecimal
from spinemet.details import EpiduralDetails
from spinemet.image import Image
from spinemet.report.contours import contours
from spinemet.report.drawing import Drawing, Figure, svg
from spinemet.report.markup import Markup, tag
from spinemet.report.planes import Plane, fitted
from spinemet.report.sources import CanalSources, Sources
from spinemet.report.windows import window_for

CUT_MM, CUT_PIXEL_MM = 44.0, 0.25
REFORMAT_MM, REFORMAT_PIXEL_MM = 70.0, 0.5
PICTURE_WIDTH = 420.0

COLORS: dict[str, RGB] = {
    # On MR the canal's and the sac's blue would be alike; white tells the canal apart.
    "canal": (1.0, 1.0, 1.0),
    "sac": STRUCTURE_COLORS[Structure.CANAL],
    "cord": STRUCTURE_COLORS[Structure.CORD],
    "tumor": LESION,
}


def worst_cut(sources: Sources) -> Figure | None:
    """The worst cut with canal, sac, cord and tumor outlined; None without one."""
    details, canal = sources.assessment.epidural, sources.canal
    worst = details.worst if details is not None else None
    if canal is None or worst is None or worst.cut is None:
        return None
    right, anterior = np.array(worst.cut.right), np.array(worst.cut.anterior)
    plane = fitted(worst.cut.center, -right, -anterior, width=CUT_MM, height=CUT_MM, pixel=CUT_PIXEL_MM)
    drawing = _drawn(canal, plane)
    grade = worst.escc.grade.value if worst.escc.grade else "?"
    drawing.corners((f"{worst.escc.level} ESCC {grade}", "perpendicular to the canal"), _source(canal))
    drawing.letters()
    drawing.scale_bar()
    caption = f"Worst cut at {worst.escc.level}, perpendicular to the canal: {_names(canal)}."
    return Figure(drawing.svg(caption), caption, PICTURE_WIDTH)


def reformat_picture(sources: Sources) -> Figure | None:
    """The sagittal surface that follows the canal from side to side; None without a profile."""
    details, canal = sources.assessment.epidural, sources.canal
    if canal is None or details is None or len(details.profile.centers) < 2:
        return None
    centers = np.array(details.profile.centers)
    order = np.argsort(-centers[:, 2])
    centers = centers[order]
    height = float(np.ptp(centers[:, 2])) + 20.0
    middle = np.array([centers[:, 0].mean(), centers[:, 1].mean(), (centers[0, 2] + centers[-1, 2]) / 2])
    width = REFORMAT_MM + float(np.ptp(centers[:, 1]))
    across, down = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, -1.0])
    flat = fitted(middle, across, down, width=width, height=height, pixel=REFORMAT_PIXEL_MM)
    superior = middle[2] - (np.arange(flat.shape[0]) - (flat.shape[0] - 1) / 2) * REFORMAT_PIXEL_MM
    side = np.interp(superior, centers[::-1, 2], centers[::-1, 0] - middle[0])
    plane = Plane(flat.center, across, down, flat.shape, flat.pixel, side * float(flat.normal[0]))
    drawing = _drawn(canal, plane, width=min(PICTURE_WIDTH, 620.0 * flat.shape[1] / flat.shape[0]))
    for level, place in _level_places(details):
        x, y = drawing.place(place)
        drawing.text(x + 0.17 * drawing.width, y + 4, str(level), size=12)
    worst = details.worst
    if worst is not None and worst.position is not None:
        x, y = drawing.place(worst.position)
        drawing.line((x - 34, y), (x - 14, y), "#fff", stroke_width=2)
    drawing.corners((), _source(canal))
    drawing.letters()
    drawing.scale_bar()
    caption = f"Along the canal, its sideways bend taken out: {_names(canal)}. The white tick marks the worst cut."
    return Figure(drawing.svg(caption), caption, drawing.width)


def profile_chart(details: EpiduralDetails) -> Figure | None:
    """Share of the canal that tumor takes, and the cord's depth beside the expected one, along the canal."""
    profile = details.profile
    if len(profile.places) < 2:
        return None
    rows: tuple[tuple[str, tuple[tuple[float | None, ...], ...], tuple[str, ...], float], ...] = (
        ("Tumor, % of the canal", (profile.canal_share,), (_TUMOR_INK,), 100.0),
        ("Fluid left, %", (profile.fluid,), ("#1f5673",), 120.0),
        (
            "Cord depth, mm (dashed: expected)",
            (profile.cord_depth, profile.expected_depth),
            ("#2c7a3f", "#2c7a3f"),
            10.0,
        ),
    )
    rows = tuple(row for row in rows if any(value is not None for line in row[1] for value in line))
    if not rows:
        return None
    height = _TOP + len(rows) * (_ROW + _GAP) + 12.0
    low, high = profile.places[0], profile.places[-1]
    unit = (_WIDTH - _LEFT - _RIGHT) / max(high - low, 1e-6)
    parts: list[Markup] = []
    spans = _spans(details)
    for number, (level, start, stop) in enumerate(spans):
        x, wide = _LEFT + (start - low) * unit, (stop - start) * unit
        if number % 2 == 0:
            parts.append(tag("rect", x=x, y=_TOP, width=wide, height=height - _TOP - 12, fill="#f1f4f7"))
        parts.append(tag("text", level, x=x + wide / 2, y=_TOP - 5, font_size=12, text_anchor="middle", fill=_INK))
    for row, (title, lines, colors, most) in enumerate(rows):
        top = _TOP + row * (_ROW + _GAP) + 16.0
        base = top + _ROW - 16.0
        parts.append(tag("text", title, x=_LEFT, y=top - 3, font_size=11.5, fill=_INK, font_weight="bold"))
        peak = max(most, *(value for line in lines for value in line if value is not None))
        for tick in (0.0, peak / 2, peak):
            y = base - tick / peak * (base - top)
            parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, stroke="#d5dce2", stroke_width=1))
            parts.append(tag("text", f"{tick:g}", x=_LEFT - 6, y=y + 4, font_size=10.5, text_anchor="end", fill=_INK))
        for index, (line, color) in enumerate(zip(lines, colors, strict=True)):
            data = _path([(_LEFT + (s - low) * unit, base - v / peak * (base - top) if v is not None else None)
                          for s, v in zip(profile.places, line, strict=True)])  # fmt: skip
            dash = "5 4" if index else None
            parts.append(
                tag(
                    "path",
                    d=data,
                    fill="none",
                    stroke=color,
                    stroke_width=1.3 if index else 2.0,
                    stroke_dasharray=dash,
                )
            )
    worst = details.worst
    if worst is not None and worst.cut is not None:
        centers = np.array(profile.centers)
        nearest = int(np.argmin(np.linalg.norm(centers - np.array(worst.cut.center), axis=1)))
        x = _LEFT + (profile.places[nearest] - low) * unit
        parts.append(
            tag("line", x1=x, x2=x, y1=_TOP, y2=height - 12, stroke=_INK, stroke_width=1.2, stroke_dasharray="2 3")
        )
    caption = "Along the canal from head (left) to feet; the dotted line is the worst cut. Gaps are not outlined."
    return Figure(svg(_WIDTH, height, caption, *parts), caption)


_TUMOR_INK = hexadecimal(LESION)
_INK = "#1b2530"
_WIDTH, _ROW, _GAP, _TOP, _LEFT, _RIGHT = 720.0, 84.0, 10.0, 24.0, 44.0, 14.0


def _drawn(canal: CanalSources, plane: Plane, width: float = PICTURE_WIDTH) -> Drawing:
    window = window_for(canal.image, canal.ref)
    values = canal.image.sample(plane.points(), order=1, outside=float(canal.image.array.min()))
    drawing = Drawing(plane, window.gray(values), width=width)
    for name, mask in _masks(canal).items():
        share, start = plane.sample_mask(mask)
        if share.size:
            drawing.outline(contours(share), start, COLORS[name], stroke=2.0 if name == "tumor" else 1.5)
    return drawing


def _masks(canal: CanalSources) -> dict[str, Image]:
    array = canal.labels.image.array
    names = {Structure.CANAL: "canal", Structure.THECAL_SAC: "sac", Structure.CORD: "cord"}
    masks = {}
    for value, outline in canal.labels.outlines.items():
        name = names.get(outline.structure)
        inside = (array >= value) & (array <= 3)
        if name is not None and inside.any():
            masks[name] = canal.labels.image.with_array(inside)
    tumor = canal.tumor.image.array > 0
    if tumor.any():
        masks["tumor"] = canal.tumor.image.with_array(tumor)
    return masks


def _names(canal: CanalSources) -> str:
    words = {"canal": "canal white", "sac": "thecal sac blue", "cord": "cord yellow", "tumor": "tumor purple"}
    return ", ".join(words[name] for name in _masks(canal))


def _source(canal: CanalSources) -> tuple[str, str]:
    return canal.ref.date, canal.ref.role.value


def _spans(details: EpiduralDetails) -> list[tuple[str, float, float]]:
    spans: dict[str, list[float]] = {}
    for place, level in zip(details.profile.places, details.profile.levels, strict=True):
        if level is not None:
            spans.setdefault(str(level), []).append(place)
    return [(name, places[0], places[-1]) for name, places in spans.items()]


def _level_places(details: EpiduralDetails) -> list[tuple[str, NDArray[np.float64]]]:
    places: dict[str, list[Sequence[float]]] = {}
    for center, level in zip(details.profile.centers, details.profile.levels, strict=True):
        if level is not None:
            places.setdefault(str(level), []).append(center)
    return [(name, np.mean(np.array(found), axis=0)) for name, found in places.items()]


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    data, pen = [], "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        data.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(data)
