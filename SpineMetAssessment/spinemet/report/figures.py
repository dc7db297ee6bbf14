"""Pictures of the spine: the sagittal overview, and axial and sagittal cuts through a level.

Key functions: `overview`, `axial_cut`, `sagittal_cut`. Every picture carries level, directions, date, series, slice
position and a scale bar, and its outlines are lines, not voxels. Directions come from RAS, however the patient lay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.assessment import LevelAssessment, Status
from spinemet.colors import GRADE_COLORS, LESION, RGB, VERTEBRA, hexadecimal
from spinemet.evidence import Measurement
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.report import planes, wording
from spinemet.report.contours import contours
from spinemet.report.drawing import Drawing, Figure, shortened
from spinemet.report.heights import body_heights
from spinemet.report.markup import tag
from spinemet.report.planes import Plane
from spinemet.report.sources import Sources, extent

OVERVIEW_PIXEL_MM = 0.6
CUT_PIXEL_MM = 0.4
CUT_WIDTH = 346.0
"""Width of a cut on the page, in CSS pixels: three stand side by side."""

PLANAR_WITHIN_MM = 2.0
"""A spine whose body centers leave a plane by less than this is shown on that plane."""

HEIGHT_SHOWN_WITHIN_MM = 4.0
"""A height is drawn on a cut that passes its position within this distance."""

_OVERVIEW_SIZE = (430.0, 640.0)
_LABEL_STEP = 17.0


def overview(sources: Sources) -> Figure:
    """The spine from the side with every outlined level named, grades and lesions drawn in."""
    plane, curved = _overview_plane(sources)
    width = min(_OVERVIEW_SIZE[0], _OVERVIEW_SIZE[1] * plane.shape[1] / plane.shape[0])
    drawing, outside = _draw_image(sources, plane, width)
    _draw_outlines(drawing, sources)
    _draw_level_names(drawing, sources)
    drawing.corners((), (sources.ref.date, _series(sources, 26)))
    drawing.letters()
    drawing.scale_bar()
    surface = (
        "Sagittal surface bent sideways along the body centers (curved reformat; heights as on a straight plane)"
        if curved
        else "Sagittal plane through the body centers"
    )
    caption = f"{surface}. {_provenance(sources)}{outside}"
    return Figure(drawing.svg(f"Overview of the spine. {caption}"), caption, width)


def axial_cut(sources: Sources, item: LevelAssessment) -> Figure | None:
    """The axial cut of a level in its own frame where the lesion is largest; None without a place."""
    frame = sources.frame_of(item)
    if frame is None:
        return None
    height = _where(sources, item, frame, axis=2)
    plane = planes.axial(frame, height, sources.box_of(item, frame), margin=12.0, pixel=CUT_PIXEL_MM)
    place = _beside(height, "above", "below", "body center" if item.frame else "center of the outline")
    return _cut(sources, item, plane, "axial", (place, _scanner_position(plane, 2)))


def sagittal_cut(sources: Sources, item: LevelAssessment) -> Figure | None:
    """The sagittal cut of a level in its own frame where the lesion is largest; None without a place."""
    frame = sources.frame_of(item)
    if frame is None:
        return None
    return _sagittal(sources, item, frame, _where(sources, item, frame, axis=0))


def heights_cut(sources: Sources, item: LevelAssessment) -> Figure | None:
    """The sagittal cut on which the heights were measured; None when `sagittal_cut` shows them, or without heights."""
    if item.frame is None:
        return None
    places = [float(item.frame.to_local(row.own.position)[0]) for row in body_heights(item) if row.own.position]
    if not places:
        return None
    shown = _where(sources, item, item.frame, axis=0)
    if min(abs(place - shown) for place in places) <= HEIGHT_SHOWN_WITHIN_MM:
        return None
    return _sagittal(sources, item, item.frame, float(np.median(places)))


def _sagittal(sources: Sources, item: LevelAssessment, frame: VertebraFrame, right: float) -> Figure:
    plane = planes.sagittal(frame, right, sources.box_of(item, frame), margin=16.0, pixel=CUT_PIXEL_MM)
    place = _beside(right, "right", "left", "midline" if item.frame else "center of the outline", "of ")
    return _cut(sources, item, plane, "sagittal", (place, _scanner_position(plane, 0)))


def _cut(sources: Sources, item: LevelAssessment, plane: Plane, kind: str, place: tuple[str, str]) -> Figure:
    drawing, outside = _draw_image(sources, plane, CUT_WIDTH)
    _draw_outlines(drawing, sources, only=item.level if kind == "axial" else None)
    if kind == "sagittal":
        _draw_heights(drawing, item)
        _draw_neighbor_names(drawing, sources, item)
    drawing.corners((f"{item.level} {kind}", *place), (sources.ref.date, _series(sources, 28)))
    drawing.letters()
    drawing.scale_bar()
    tilt = plane.tilt()
    own = f", {tilt:.0f}° from the scanner's" if tilt >= 1 else ""
    caption = (
        f"{item.level}, {kind} plane of the {'vertebra' if item.frame else 'spine'}{own}; {', '.join(place)}.{outside}"
    )
    return Figure(drawing.svg(f"{caption} {_provenance(sources)}"), caption)


def _overview_plane(sources: Sources) -> tuple[Plane, bool]:
    """The surface of the overview, and whether it is curved."""
    spine = sources.spine
    by_level = {item.level: item for item in sources.assessment.levels}
    boxes, centers = [], []
    for level, mask in sources.vertebra_masks.items():
        box = extent(mask, spine)
        boxes.append(box)
        item = by_level.get(level)
        own = item.frame if item is not None else None
        centers.append(np.array(own.origin) if own else spine.to_ras(box.mean(axis=0)))
    if not boxes:
        corners = spine.to_local(sources.image.grid.corners)
        boxes, centers = [np.stack([corners.min(axis=0), corners.max(axis=0)])], [sources.image.grid.center]
    low = np.min([box[0] for box in boxes], axis=0) - np.array([0.0, 15.0, 12.0])
    high = np.max([box[1] for box in boxes], axis=0) + np.array([0.0, 45.0, 12.0])
    corners = spine.to_local(sources.image.grid.corners)
    low[2], high[2] = max(low[2], corners[:, 2].min()), min(high[2], corners[:, 2].max())
    _at_least(low, high, 2, 0.6 * (high[1] - low[1]), 0.5)
    _at_least(low, high, 1, 0.5 * (high[2] - low[2]), 0.85)
    box = np.stack([low, high])
    curved = planes.along_spine(spine, np.array(centers), box, pixel=OVERVIEW_PIXEL_MM)
    if curved.depth is None or np.ptp(curved.depth) > 2 * PLANAR_WITHIN_MM:
        return curved, True
    flat = Plane(curved.center, curved.across, curved.down, curved.shape, curved.pixel)
    return flat, False


def _at_least(low: NDArray[np.float64], high: NDArray[np.float64], axis: int, size: float, upward: float) -> None:
    missing = max(0.0, size - (high[axis] - low[axis]))
    low[axis] -= missing * (1 - upward)
    high[axis] += missing * upward


def _where(sources: Sources, item: LevelAssessment, frame: VertebraFrame, *, axis: int) -> float:
    """Where along an axis of the frame the lesion's cut is largest; without lesion voxels, the level's position."""
    points = sources.lesion_points(item)
    if len(points):
        return densest(frame.to_local(points)[:, axis])
    return float(frame.to_local(item.position)[axis]) if item.position is not None else 0.0


def densest(values: NDArray[np.float64], bin_mm: float = 1.0, width_mm: float = 3.0) -> float:
    """Middle of the window of `width_mm` that holds most of the values (n ≥ 1), near their median among equals."""
    start = np.floor(values.min()) - width_mm
    counts = np.bincount(((values - start) / bin_mm).astype(int), minlength=int(2 * width_mm / bin_mm) + 1)
    bins = max(1, round(width_mm / bin_mm))
    smooth = np.convolve(counts, np.ones(bins), mode="same")
    centers = start + (np.arange(len(smooth)) + 0.5) * bin_mm
    best = centers[smooth >= 0.97 * smooth.max()]
    return float(best[np.argmin(np.abs(best - np.median(values)))])


def _draw_outlines(drawing: Drawing, sources: Sources, only: Level | None = None) -> None:
    for level, mask in sources.vertebra_masks.items():
        if only is None or level is only:
            color, scored = _color_of(sources, level)
            if scored:
                _draw_mask(drawing, mask, (0.0, 0.0, 0.0), stroke=3.4)
            # Undecided is gray as bone is: its broken line tells it apart.
            dash = "6 3" if color == GRADE_COLORS[None] else None
            _draw_mask(drawing, mask, color, stroke=2.0 if scored else 1.0, dash=dash)
    for mask in sources.lesion_masks:
        _draw_mask(drawing, mask, (1.0, 1.0, 1.0), stroke=3.0)
        _draw_mask(drawing, mask, LESION, stroke=1.8, fill=0.22)


def _draw_mask(
    drawing: Drawing, mask: Image, color: RGB, *, stroke: float, fill: float = 0.0, dash: str | None = None
) -> None:
    share, start = drawing.plane.sample_mask(mask)
    if share.size:
        drawing.outline(contours(share), start, color, stroke=stroke, fill=fill, dash=dash)


def _draw_level_names(drawing: Drawing, sources: Sources) -> None:
    """Names in front of the bodies; scored levels with their total on the color of their grade."""
    by_level = {item.level: item for item in sources.assessment.levels}
    lowest = -np.inf
    for level, mask in sources.vertebra_masks.items():
        item = by_level.get(level)
        frame = (item and sources.frame_of(item)) or sources.spine
        box = extent(mask, frame)
        middle = frame.to_local(frame.origin) if item and item.frame else box.mean(axis=0)
        x, y = drawing.place(frame.to_ras([middle[0], box[1][1] + 4.0, middle[2]]))
        ends = [drawing.place(frame.to_ras(np.append(middle[:2], side)))[1] for side in box[:, 2]]
        if max(ends) < 0 or min(ends) > drawing.height:
            continue
        y = max(min(max(y, 34.0), drawing.height - 34.0), lowest + _LABEL_STEP)
        lowest = y
        if item is not None and item.sins is not None:
            _pill(drawing, x, y, f"{level}  SINS {wording.totals(item.sins)}", GRADE_COLORS[item.sins.category])
        else:
            cut = item is not None and item.cut
            drawing.text(x, y + 4, f"{level} (cut)" if cut else str(level), anchor="end")


def _draw_neighbor_names(drawing: Drawing, sources: Sources, shown: LevelAssessment) -> None:
    """Names on the other bodies; the level itself stands in the corner, so that nothing covers its lesion."""
    for item in sources.assessment.levels:
        if item is not shown and item.frame is not None and item.level in sources.vertebra_masks:
            x, y = drawing.place(np.array(item.frame.origin))
            if 20 < x < drawing.width - 20 and 50 < y < drawing.height - 20:
                drawing.text(x, y + 4, str(item.level), size=12, anchor="middle", weight="bold")


def _pill(drawing: Drawing, right: float, middle: float, words: str, color: RGB) -> None:
    width = 6.6 * len(words) + 10
    left = max(22.0, right - width)
    drawing.add(
        tag("rect", x=left, y=middle - 8, width=width, height=16, rx=3, fill=hexadecimal(color), stroke="#fff",
            stroke_width=0.8),
        tag("text", words, x=left + width / 2, y=middle + 4, font_size=12, font_weight="bold",
            text_anchor="middle", fill="#000"),
    )  # fmt: skip


def _draw_heights(drawing: Drawing, item: LevelAssessment) -> None:
    """A line of each height's length through its position, where the cut passes it."""
    if item.frame is None:
        return
    up = np.array(item.frame.superior)
    for row in body_heights(item):
        own: Measurement = row.own
        if own.position is None or own.value is None:
            continue
        middle = np.array(own.position)
        if abs(float(drawing.plane.project(middle)[1])) > HEIGHT_SHOWN_WITHIN_MM:
            continue
        start, stop = (drawing.place(middle + sign * own.value / 2 * up) for sign in (1, -1))
        drawing.line(start, stop, "#000", stroke_width=3.2, stroke_opacity=0.6)
        drawing.line(start, stop, "#fff", stroke_width=1.6)
        for x, y in (start, stop):
            drawing.line((x - 4, y), (x + 4, y), "#fff", stroke_width=1.6)
        drawing.text(stop[0], stop[1] + 14, f"{own.value:.1f}", size=10, anchor="middle")


def _color_of(sources: Sources, level: Level) -> tuple[RGB, bool]:
    for item in sources.assessment.levels:
        if item.level is level and item.status is Status.SCORED and item.sins is not None:
            return GRADE_COLORS[item.sins.category], True
    return VERTEBRA, False


def _beside(offset: float, positive: str, negative: str, origin: str, joint: str = "") -> str:
    if round(abs(offset)) == 0:
        return f"at {origin}"
    return f"{abs(offset):.0f} mm {positive if offset > 0 else negative} {joint}{origin}"


def _scanner_position(plane: Plane, axis: int) -> str:
    """Where the picture's middle lies in the scanner, as a workstation writes it: "I 178 mm"."""
    value = float(plane.center[axis])
    return f"{('RL', 'AP', 'SI')[axis][0 if value >= 0 else 1]} {abs(value):.0f} mm"


def _draw_image(sources: Sources, plane: Plane, width: float) -> tuple[Drawing, str]:
    """The image on a plane, and a sentence when the plane leaves the image."""
    values = sources.image.sample(plane.points())
    outside = " Dark gray lies outside the image." if np.isnan(values).any() else ""
    return Drawing(plane, sources.window.gray(values), width=width), outside


def _series(sources: Sources, length: int) -> str:
    return shortened(_series_name(sources), length)


def _series_name(sources: Sources) -> str:
    role, description = sources.ref.role.value, sources.ref.description
    return description if description.upper().startswith(role.upper()) else f"{role} {description}".strip()


def _provenance(sources: Sources) -> str:
    ref = sources.ref
    words = [_series_name(sources), ref.date or "date unknown", sources.window.title]
    return f"{', '.join(word for word in words if word)}."
