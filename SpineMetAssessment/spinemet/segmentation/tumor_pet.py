"""Outline a focus of uptake in PET by one of the named cuts, from a click, a stroke or a box.

The cuts are those by which uptake is measured; volumes by different cuts differ by a factor of two and more, so every
outline says which it was made with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.image import Image, Region
from spinemet.segmentation.tumor_grid import box_of
from spinemet.segmentation.tumor_strokes import Mark, boxes_of, check_marks, distance_mm, painted, strokes_of

CLIMB_MM = 10.0
"""How far from the marks the hottest voxel of a focus is sought: a click need not hit it."""
SEARCH_MM = 80.0
"""How far from the marks a focus may reach."""
STANDS_OUT = 1.5
"""Least ratio of a focus's maximum to its surroundings: cuts at a share of it run over otherwise [D]."""
PERCIST_FACTOR, PERCIST_SD = 1.5, 2.0
"""PERCIST 1.0: measurable from 1.5 × mean of the liver + 2 SD (Wahl 2009)."""

Bools = NDArray[np.bool_]


class PetCut(str, Enum):
    """The named cuts."""

    SHARE_41 = "41 % of the maximum"
    """EANM 1.0 guideline, Boellaard 2010."""
    SHARE_50 = "50 % of the maximum"
    FIXED_2_5 = "fixed 2.5"
    FIXED_4_0 = "fixed 4.0"
    PERCIST_LIVER = "PERCIST liver"

    @property
    def share(self) -> float | None:
        """Share of the focus's maximum, None for other cuts."""
        return {PetCut.SHARE_41: 0.41, PetCut.SHARE_50: 0.50}.get(self)

    @property
    def fixed(self) -> float | None:
        """The fixed SUV, None for other cuts."""
        return {PetCut.FIXED_2_5: 2.5, PetCut.FIXED_4_0: 4.0}.get(self)


@dataclass(frozen=True)
class PetValues:
    """What the values of a PET are.

    :param quantity: "SUVbw", "SUVlbm (Janmahasatian)", …; "" when they are no SUV.
    :param is_fdg: whether the tracer is fluorodeoxyglucose; None when unknown.
    :param liver: boolean region of healthy liver on the PET's grid, for PERCIST.
    """

    quantity: str = "SUVbw"
    is_fdg: bool | None = None
    liver: Image | None = None


SUV_BY_WEIGHT = PetValues()


@dataclass(frozen=True, eq=False)
class UptakeOutline:
    """A proposed outline of a focus.

    :param mask: boolean, on a crop of the PET's grid.
    :param cut_at: lowest value in the mask's unit.
    :param maximum: of the focus.
    :param text: which cut, in words.
    :param notes: sentences for the reader.
    """

    mask: Image
    cut: PetCut
    cut_at: float
    maximum: float
    text: str
    notes: tuple[str, ...]

    @property
    def volume_ml(self) -> float:
        """Volume of the mask, milliliters."""
        return float(np.count_nonzero(self.mask.array)) * self.mask.voxel_volume / 1000


def outline_uptake(
    pet: Image,
    marks: Iterable[Mark],
    cut: PetCut = PetCut.SHARE_41,
    *,
    values: PetValues = SUV_BY_WEIGHT,
    limit: Image | None = None,
) -> UptakeOutline:
    """Outline the focus at the marks: what is connected with its hottest voxel and not below the cut.

    Strokes outside part it from what it runs into, such as the bladder, along the valley between both.

    :param limit: boolean, on the PET's grid: the focus lies within.
    :raises BadInput: a mark lies outside; the cut needs what is not known; no uptake stands out at the marks.
    :raises GridMismatch: the limit or the liver lies on another grid.
    """
    marks = tuple(marks)
    check_marks(pet, marks, Role.PET)
    strokes, boxes = strokes_of(marks), boxes_of(marks)
    points = np.array([p for stroke in strokes if stroke.foreground for p in stroke.points]).reshape(-1, 3)
    corners = np.array([corner for box in boxes for corner in box.corners]).reshape(-1, 3)
    region = pet.grid.region_around(np.concatenate([points, corners]), SEARCH_MM if not boxes else 2 * CLIMB_MM)
    crop = pet.crop(region)
    uptake = np.nan_to_num(crop.array.astype(np.float32), posinf=0.0, neginf=0.0)
    allowed = np.ones(crop.shape, bool)
    for box in boxes:
        low, high = box.bounds_in(crop.grid)
        starts, stops = np.ceil(low)[::-1].astype(int), np.floor(high)[::-1].astype(int) + 1
        inner = np.zeros(crop.shape, bool)
        inner[tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))] = True
        allowed &= inner
    if limit is not None:
        pet.require_grid(limit)
        allowed &= limit.array[region] > 0
    outside = painted(strokes, crop.grid, foreground=False)
    inside = painted(strokes, crop.grid, foreground=True) & ~outside
    near = allowed & ~outside
    if inside.any():
        near &= distance_mm(inside, crop.grid) <= CLIMB_MM
    if not near.any():
        raise BadInput(f"The marks lie outside of the region to which the focus is limited in {pet.name}; widen it.")
    hottest = np.unravel_index(int(np.argmax(np.where(near, uptake, -np.inf))), uptake.shape)
    maximum = float(uptake[hottest])
    cut_at, text = _cut_at(pet, cut, values, maximum)
    _require_focus(pet, uptake, near, maximum, cut, cut_at)
    above = allowed & (uptake >= cut_at)
    above[outside] = False
    if outside.any():
        above = _parted(uptake, above, hottest, outside)
    labels, _ = ndimage.label(above)
    mask = np.asarray(labels == labels[hottest])
    notes = _notes(uptake, mask, maximum, cut, region, pet)
    tight = box_of(mask, (2, 2, 2))
    return UptakeOutline(crop.crop(tight).with_array(mask[tight]), cut, cut_at, maximum, text, notes)


def _cut_at(pet: Image, cut: PetCut, values: PetValues, maximum: float) -> tuple[float, str]:
    name = values.quantity or "activity"
    if cut.share is not None:
        return cut.share * maximum, f"{100 * cut.share:.0f} % of {name}max {maximum:.2f}"
    if cut.fixed is not None:
        if not values.quantity:
            raise BadInput(f"A fixed cut needs SUV, and {pet.name} holds activity; choose a share of the maximum.")
        return cut.fixed, f"{name} ≥ {cut.fixed:g} (fixed)"
    if not values.quantity.startswith("SUVlbm") or not values.is_fdg:
        raise BadInput(
            "PERCIST's cut is defined for FDG and SUV by lean body mass, which this PET is not known to be; choose"
            " another cut."
        )
    if values.liver is None:
        raise BadInput("PERCIST's cut needs a region of healthy liver; outline a sphere of 3 cm in its right lobe.")
    pet.require_grid(values.liver)
    liver = pet.array[values.liver.array > 0]
    if not liver.size:
        raise BadInput("The region of the liver is empty; outline a sphere of 3 cm in its right lobe.")
    mean, deviation = float(liver.mean(dtype=float)), float(liver.std(dtype=float))
    cut_at = PERCIST_FACTOR * mean + PERCIST_SD * deviation
    return cut_at, f"{name} ≥ {cut_at:.2f} (PERCIST: 1.5 × liver mean {mean:.2f} + 2 × SD {deviation:.2f})"


def _require_focus(pet: Image, uptake: NDArray, near: Bools, maximum: float, cut: PetCut, cut_at: float) -> None:
    if maximum < cut_at or maximum <= 0:
        raise BadInput(
            f"Uptake at the marks reaches {maximum:.2f} only in {pet.name}, below the cut of {cut_at:.2f}; set the"
            " marks on the focus, or choose another cut."
        )
    around = ndimage.binary_dilation(near, iterations=3) & ~near
    if cut.share is not None and around.any() and maximum < STANDS_OUT * float(np.median(uptake[around])):
        raise BadInput(f"No uptake stands out at the marks in {pet.name}; set them on the focus.")


def _parted(uptake: NDArray, above: Bools, hottest: tuple[np.intp, ...], outside: Bools) -> Bools:
    """What flows to the focus rather than to the strokes outside, by a watershed of the uptake turned over."""
    markers = np.zeros(uptake.shape, np.uint8)
    markers[outside] = 2
    markers[hottest] = 1
    basins = sitk.MorphologicalWatershedFromMarkers(
        sitk.GetImageFromArray(-uptake), sitk.GetImageFromArray(markers), markWatershedLine=False
    )
    return np.asarray(above & (sitk.GetArrayFromImage(basins) == 1))


def _notes(uptake: NDArray, mask: Bools, maximum: float, cut: PetCut, region: Region, pet: Image) -> tuple[str, ...]:
    notes = []
    if cut.share is not None and float(uptake[mask].max()) > 1.001 * maximum:
        notes.append("a hotter focus is connected with this one: mark it with a stroke outside, or outline it first")
    parts = tuple(zip(region, pet.shape, strict=True))
    at_image, at_search = False, False
    for axis, (part, size) in enumerate(parts):
        for end, is_image in ((0, part.start == 0), (-1, part.stop == size)):
            touches = bool(np.take(mask, end, axis=axis).any())
            at_image |= touches and is_image
            at_search |= touches and not is_image
    if at_image:
        notes.append("the outline is cut off by the image's edge")
    if at_search:
        notes.append(
            "the outline reaches far from the marks and takes in other organs: mark them with a stroke outside"
        )
    return tuple(notes)
