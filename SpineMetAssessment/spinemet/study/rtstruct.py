"""RT structure sets: what is contoured, and masks of it on any image.

Key functions: `read_structures` reads the file; `StructureSet.mask` gives one region on an image, cropped to where it
lies, `StructureSet.label_maps` several.

A contour stands for the slab halfway to its neighbors; the outermost reach half the usual distance beyond. A voxel
belongs to a region when its center lies within an odd number of the slab's contours: rings are holes, drawn either
as a second contour (XOR) or through a keyhole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.evidence import Measurement, unknown
from spinemet.image import LPS_RAS, Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.study.dicom_object import Source, capital, read_object, text_of
from spinemet.study.layers import label_layers
from spinemet.study.polygons import area
from spinemet.study.reference_frames import require_frame
from spinemet.study.segments import outline_of_name
from spinemet.study.slabs import Slab, build_slabs, fill_slabs

STRUCTURE_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
# Tolerances of ours. Planning systems round coordinates to a hundredth of a millimeter or better.
PLANAR_MM = 0.2
"""A contour's points may lie this far off the plane."""
LEAST_AREA_MM2 = 1e-3
"""Contours with less enclose nothing."""
_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_WORDS = {"POINT": "points", "OPEN_PLANAR": "open lines", "OPEN_NONPLANAR": "open lines"}


@dataclass(frozen=True, eq=False)
class Roi:
    """One region of interest of a structure set.

    :param interpreted_type: "GTV", "CTV", "PTV", "ORGAN", "EXTERNAL", …, or "".
    :param frame: frame-of-reference UID in which it was drawn, or "".
    :param axes: 3×3, rows are the RAS unit vectors along x and y of the contours' planes, and their normal.
    :param slabs: from low to high along the normal; a single contour has no thickness (low equals high).
    :param notes: sentences on what was left out or bridged.
    :param refusal: why it is no region; "" when it is one.
    """

    number: int
    name: str
    interpreted_type: str
    frame: str
    axes: NDArray[np.float64]
    slabs: tuple[Slab, ...]
    notes: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def title(self) -> str:
        return f'region {self.number} "{self.name}"' if self.name else f"region {self.number}"

    @property
    def outline(self) -> Outline:
        """What the region encloses, as far as its name and type tell."""
        named = outline_of_name(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name))
        if self.interpreted_type == "GTV" or (named is not None and named.structure is Structure.LESION):
            level = named.level if named is not None else None
            # "GTV_MR_T1" names the images on which it was drawn, not a vertebra.
            level = None if level in (Level.T1, Level.T2) else level
            return Outline(Structure.LESION, level, f"roi-{self.number}", self.frame, self.name)
        if named is None:
            return Outline(Structure.OTHER, frame=self.frame, name=self.name)
        return Outline(named.structure, named.level, frame=self.frame, name=self.name)

    @cached_property
    def volume(self) -> Measurement:
        """Area of the contours times the slabs' thickness, without any voxels (mL)."""
        name, method = "volume", "area of the contours times their distance"
        if self.refusal:
            return unknown(name, "mL", self.refusal, method)
        if self.slabs[0].low == self.slabs[0].high:
            return unknown(name, "mL", "one contour alone has no thickness", method)
        value = sum(area(slab.polygons) * (slab.high - slab.low) for slab in self.slabs) / 1000
        return Measurement(name, value, "mL", method, limits=self.notes)

    def points(self) -> NDArray[np.float64]:
        """RAS positions (n, 3) of all corners at both faces of their slabs."""
        flat = [np.concatenate(slab.polygons) for slab in self.slabs for _ in range(2)]
        depths = [depth for slab in self.slabs for depth in (slab.low, slab.high)]
        columns = [
            np.column_stack([part, np.full(len(part), depth)]) for part, depth in zip(flat, depths, strict=True)
        ]
        return np.concatenate(columns) @ self.axes

    def mask(self, grid: Grid, *, moved_by: NDArray[np.float64] | None = None) -> tuple[Grid, NDArray[np.bool_]]:
        """The region's voxels on a grid, cropped to where it lies: the crop's grid and a boolean array (k, j, i).

        :param moved_by: 4×4 RAS matrix that moves the region in the world first.
        :raises BadInput: it is no region, or lies outside the grid.
        """
        if self.refusal:
            raise BadInput(self.refusal)
        here = grid if moved_by is None else Grid(grid.shape, np.linalg.inv(moved_by) @ grid.ijk_to_ras)
        slabs = self._thick(here)
        low, high = slabs[0].low, slabs[-1].high
        points = self.points()
        if low < self.slabs[0].low:
            points = np.concatenate([points - side * self.axes[2] for side in ((high - low) / 2, (low - high) / 2)])
        try:
            region = here.region_around(points)
        except BadInput as error:
            raise BadInput(f"{capital(self.title)} lies outside the image.") from error
        crop = here.crop(region)
        return grid.crop(region), fill_slabs(crop, slabs, self.axes)

    def _thick(self, grid: Grid) -> tuple[Slab, ...]:
        """The slabs; that of a single contour gets the thickness of the grid's voxels along the normal."""
        first = self.slabs[0]
        if first.high > first.low:
            return self.slabs
        half = 0.5 * float(np.max(np.abs(self.axes[2] @ grid.ijk_to_ras[:3, :3])))
        return (Slab(first.depth, first.depth - half, first.depth + half, first.polygons),)


@dataclass(frozen=True, eq=False)
class StructureSet:
    """A structure set's regions, usable or not.

    :param series_uids: the series on which it was drawn, as far as the file says.
    """

    rois: tuple[Roi, ...]
    label: str = ""
    series_uids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def roi(self, key: int | str) -> Roi:
        """The region with a number or an exact name (case does not matter).

        :raises BadInput: there is none, or several regions have the name.
        """
        wanted = key if isinstance(key, int) else key.casefold()
        found = [item for item in self.rois if wanted in (item.number, item.name.casefold())]
        if len(found) != 1:
            names = ", ".join(item.title for item in self.rois) or "none"
            what = "has no" if not found else f"has {len(found)} regions of the name or number"
            raise BadInput(f'The structure set {what} "{key}"; it holds: {names}.')
        return found[0]

    def mask(self, key: int | str | Roi, on: Image, *, moved_by: NDArray[np.float64] | None = None) -> Image:
        """One region as a boolean image on the grid of `on`, cropped to where the region lies.

        :param moved_by: 4×4 RAS matrix from the region's frame of reference to that of `on`, where they differ.
        :raises BadInput: no such region; it is no region but points or lines; it lies outside `on`; or it was drawn in
            another frame of reference and there is no transform.
        """
        roi = key if isinstance(key, Roi) else self.roi(key)
        if moved_by is None:
            require_frame(roi.frame, on, capital(roi.title))
        grid, array = roi.mask(on.grid, moved_by=moved_by)
        return Image(array, grid.ijk_to_ras, frame=on.frame, name=roi.title)

    def label_maps(
        self,
        on: Image,
        keys: Iterable[int | str] | None = None,
        *,
        moved_by: NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> list[LabelMap]:
        """Regions on the grid of `on`, in as few label maps as their overlaps allow; values are the ROI numbers.

        :param keys: numbers or names; None takes all that are regions and lie in `on`.
        :raises BadInput: see `mask`; with `keys` None, only when no region is left.
        """
        report = progress or silent
        wanted = self.rois if keys is None else [self.roi(key) for key in keys]
        masks: dict[int, tuple[Image, Outline]] = {}
        notes: list[str] = []
        for index, roi in enumerate(wanted):
            report(index / len(wanted), f"filling {roi.title}")
            try:
                masks[roi.number] = (self.mask(roi, on, moved_by=moved_by), roi.outline)
            except BadInput as error:
                if keys is not None:
                    raise
                notes.append(str(error))
            else:
                notes += roi.notes
        if not masks:
            raise BadInput(notes[0] if notes else "The structure set has no regions.")
        return label_layers(masks, on, tuple(notes))


def read_structures(source: Source) -> StructureSet:
    """Read an RT structure set; regions that cannot be used are in it with their refusal.

    :raises BadInput: it cannot be read, or is no RT structure set.
    """
    return read_object(source, "RTSTRUCT", (STRUCTURE_CLASS,), "RT structure set", structures_of)


def structures_of(dataset: Any, name: str = "the structure set") -> StructureSet:
    """The regions of a pydicom dataset; see `read_structures`. :param name: how to call it in sentences."""
    frames = [text_of(item, "FrameOfReferenceUID") for item in dataset.get("ReferencedFrameOfReferenceSequence") or []]
    only = frames[0] if len(set(frames)) == 1 else ""
    types = {
        int(item.ReferencedROINumber): text_of(item, "RTROIInterpretedType").upper()
        for item in dataset.get("RTROIObservationsSequence") or []
        if item.get("ReferencedROINumber") is not None
    }
    contours = {
        int(item.ReferencedROINumber): list(item.get("ContourSequence") or [])
        for item in dataset.get("ROIContourSequence") or []
        if item.get("ReferencedROINumber") is not None
    }
    rois, seen = [], set()
    for item in dataset.get("StructureSetROISequence") or []:
        number = int(item.ROINumber)
        if number in seen:
            raise BadInput(f"{name} gives two regions the same number; export it again.")
        seen.add(number)
        frame = text_of(item, "ReferencedFrameOfReferenceUID") or only
        rois.append(_roi(number, text_of(item, "ROIName"), types.get(number, ""), frame, contours.get(number, [])))
    lost = sorted(set(contours) - seen)
    notes = [f"Contours of {len(lost)} regions without a name or entry were left out."] if lost else []
    series = {text_of(item, "SeriesInstanceUID") for item in _referenced_series(dataset)}
    return StructureSet(tuple(rois), text_of(dataset, "StructureSetLabel"), tuple(sorted(series)), tuple(notes))


def _referenced_series(dataset: Any) -> Iterable[Any]:
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            yield from study.get("RTReferencedSeriesSequence") or []


def _roi(number: int, name: str, interpreted: str, frame: str, contours: Sequence[Any]) -> Roi:
    title = capital(Roi(number, name, "", "", np.eye(3), ()).title)
    closed, others, notes = [], set(), []
    for contour in contours:
        kind = text_of(contour, "ContourGeometricType").upper()
        if kind in _CLOSED:
            closed.append(_corners(contour))
        else:
            others.add(_WORDS.get(kind, f"contours of type {kind or '(none)'}"))
    if others and closed:
        notes.append(f"{title}: {' and '.join(sorted(others))} were left out.")

    def refused(why: str) -> Roi:
        return Roi(number, name, interpreted, frame, np.eye(3), (), tuple(notes), f"{title} {why}")

    if not closed:
        what = f"consists of {' and '.join(sorted(others))}, not of closed contours" if others else "has no contour"
        return refused(f"{what}; it encloses nothing, so there is no mask of it.")
    if not all(np.isfinite(points).all() for points in closed):
        return refused("has contours with coordinates that are not numbers; export it again.")
    vectors = [_area_vector(points) for points in closed]
    sizes = [float(np.linalg.norm(vector)) for vector in vectors]
    if max(sizes) < LEAST_AREA_MM2:
        return refused("has contours without an area; it encloses nothing, so there is no mask of it.")
    largest = vectors[int(np.argmax(sizes))]
    normal = sum((vector * np.sign(vector @ largest) for vector in vectors), np.zeros(3))
    axes = _plane_axes(normal / np.linalg.norm(normal))
    kept, empty = [], 0
    for points, size in zip(closed, sizes, strict=True):
        if size < LEAST_AREA_MM2:
            empty += 1
            continue
        local = points @ axes.T
        if np.ptp(local[:, 2]) > 2 * PLANAR_MM:
            return refused(
                "has contours that are not flat or lie in planes of different orientation; "
                "export it with contours on the slices of one image."
            )
        kept.append(local)
    if empty:
        notes.append(f"{title}: {empty} contours without an area were left out.")
    slabs, more = build_slabs(kept, title)
    return Roi(number, name, interpreted, frame, axes, slabs, (*notes, *more))


def _corners(contour: Any) -> NDArray[np.float64]:
    """RAS positions (n, 3) of a contour's corners."""
    element = contour.get_item("ContourData") if "ContourData" in contour else None
    value = element.value if element is not None else None
    if isinstance(value, bytes):
        # Straight from the bytes: pydicom's decimal strings take long for a hundred thousand points.
        text = value.decode("ascii").strip(" \0")
        numbers = np.array(text.split("\\") if text else [], dtype=float)
    else:
        numbers = np.array([] if value is None else np.atleast_1d(value), dtype=float)
    if numbers.size % 3 or not numbers.size:
        raise ValueError("contour data is not made of points")
    return np.asarray(numbers.reshape(-1, 3) @ LPS_RAS[:3, :3])


def _area_vector(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal of a polygon in space with its area as length (Newell)."""
    arms = points - points[0]
    return np.asarray(0.5 * np.cross(arms, np.roll(arms, -1, axis=0)).sum(axis=0))


def _plane_axes(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows: two unit vectors in the plane, and the normal pointing along its main axis."""
    main = int(np.argmax(np.abs(normal)))
    normal = normal * np.sign(normal[main])
    x = np.roll(np.eye(3), 1, axis=0)[main]
    x = x - normal * (x @ normal)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(normal, x), normal])
