"""Tumor in an outlined canal on an MR: what lies between cord and canal wall and is neither fluid nor fat.

Canal, sac and cord are outlined before anybody says where tumor is. A stroke then tells what tumor looks like, and
settles what the walls left open: where it lies against the cord, and what of the sac's outline is tumor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role, Structure
from spinemet.errors import BadInput
from spinemet.image import Image, Region
from spinemet.segmentation.canal_mr import CANAL, CORD, DARK_FLUID, SAC, CanalOutline
from spinemet.segmentation.tumor_canal_mixes import (
    FEWEST,
    fat_in_sac,
    mixed_voxels,
    shared_with_fluid,
    without_fluid,
    without_mixes,
)
from spinemet.segmentation.tumor_cut import CutProblem, best_solver
from spinemet.segmentation.tumor_grid import box_of
from spinemet.segmentation.tumor_model import noise_of
from spinemet.segmentation.tumor_outline import outline_tumor
from spinemet.segmentation.tumor_strokes import Mark, Stroke, check_marks, painted, strokes_of
from spinemet.segmentation.tumor_turns import face_costs, solved, tidied, with_certain

LEAST_SHARE = 0.15
"""Share of the strokes that must run in the canal, or beyond its wall, before tumor is sought there [D]; at least
`FEWEST` voxels, or all that they cover."""
REACH_MM = 45.0
"""How far along the canal from the strokes tumor is sought [D]."""
BORDER_MM = 1.5
"""Price of a border (`Tuning.border_mm`): epidural tumor is thin."""
RIM_PIXELS = 1.2
"""Thickness of the cord's blurred rim, in pixels: between fluid and cord it may look like tumor [D]."""
LOOK_MM = (0.9, 1.4, 1.9)
"""How far outward from the rim fluid is looked for [D]."""
TELLABLE = 5.0
"""Least difference between tumor and cord, in standard deviations of the noise, that parts them by value [D]."""
RIM_VOXELS = 3
"""How deep in the cord's outline tumor may lie."""
OVER_MM = 1.0
"""How far beyond the canal's outline tumor may end that ate its wall [D]."""
ALIKE = 2.0
"""How many spreads off a value looks like tumor there [D]."""
WHOLE = 0.85
"""Share of the outlined canal's length from which tumor is taken for fat along it [D]."""
_STRONGEST = 3.0
"""Most that one voxel's value may cost."""
_UNSEEN = 0.02
"""Share of the canal's values that is spread over all values."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EpiduralTumor:
    """Tumor, and the canal's outlines as it leaves them.

    :param tumor: boolean, on the image's grid: in the canal and beyond its wall.
    :param canal: the outlines, sac and cord without what is tumor or fat, the canal with tumor that ate its wall.
    """

    tumor: Image
    canal: CanalOutline

    @property
    def masks(self) -> dict[str, Image]:
        """Boolean masks by the names that ESCC asks for: canal, sac, cord, tumor."""
        named = {"canal": Structure.CANAL, "sac": Structure.THECAL_SAC, "cord": Structure.CORD}
        return {**{name: self.canal.mask(item) for name, item in named.items()}, "tumor": self.tumor}


def outline_epidural_tumor(image: Image, canal: CanalOutline, marks: Iterable[Mark], role: Role) -> EpiduralTumor:
    """Tumor from strokes through it, in the canal, in the bone, or through both.

    It is sought where a stroke says that there is some: in the canal only if one runs within it.

    :param canal: outlined on the same image.
    :param marks: strokes and clicks inside, and outside of the tumor.
    :raises BadInput: as `first_outline`, or nothing is outlined as canal, a box was set, a stroke runs along the
        canal's outline, or what looks like it runs along the whole canal or is hardly more than the stroke.
    :raises GridMismatch: the canal was outlined on another grid.
    """
    marks = tuple(marks)
    strokes = strokes_of(marks)
    image.require_grid(canal.labels.image)
    labels = canal.labels.image.array
    if not (labels > 0).any():
        raise BadInput("No canal is outlined; set two clicks in it first.")
    if len(strokes) < len(marks):
        raise BadInput("Epidural tumor is outlined with strokes or clicks; draw one through it instead of a box.")
    check_marks(image, marks, role)
    # A hand's brush is as wide as epidural tumor is thick: only its middle tells what tumor looks like.
    thin = [replace(item, radius_mm=min(item.radius_mm, 0.6 * float(image.spacing.min()))) for item in strokes]
    inside = painted(thin, image.grid, foreground=True)
    outside = painted(thin, image.grid, foreground=False) & ~inside
    tumor, left = np.zeros(image.shape, bool), labels.copy()
    within = without_fluid(image.array, labels, inside & (labels > 0) & (labels != CORD))
    marked = int(np.count_nonzero(inside))
    fewest = max(min(FEWEST, marked), LEAST_SHARE * marked)
    if np.count_nonzero(within) >= fewest:
        region = _round_canal(image, labels, thin)
        part = _Canal.of(image.crop(region), labels[region], within[region], role)
        tumor[region] = _cut(part, within[region], outside[region])
        if np.count_nonzero(tumor) < 2 * np.count_nonzero(within) + FEWEST:
            raise BadInput("Hardly anything round the stroke looks like it; draw one along the middle of the tumor.")
        if _runs_all_along(image, canal, tumor):
            raise BadInput(
                "What looks like the stroke runs along the whole outlined canal, as epidural fat does; add a stroke"
                " outside of the tumor, or outline more of the canal."
            )
        left[tumor] = CANAL
        left[region][fat_in_sac(part.image, labels[region], tumor[region], part.fluid)] = CANAL
    elif within.any():
        raise BadInput(
            "The stroke runs along the canal's outline, neither within nor beyond it; draw one in the canal's"
            " tumor, or correct the canal's outline there."
        )
    if np.count_nonzero(inside & (labels == 0)) >= fewest:
        limit = image.with_array(labels == 0)
        tumor |= outline_tumor(image, marks, role=role, limit=limit).on(image.grid) & (labels == 0)
    outlined = replace(canal.labels, image=canal.labels.image.with_array(left))
    mask = Image(tumor, image.ijk_to_ras, frame=image.frame, name="tumor")
    return EpiduralTumor(mask, replace(canal, labels=outlined))


def _runs_all_along(image: Image, canal: CanalOutline, tumor: Bools) -> bool:
    """Whether hardly a cut of the outlined canal is without tumor: no disease known by one stroke is that long."""
    whole, found = (image.to_world(np.argwhere(mask)[:, ::-1]) for mask in (canal.labels.image.array > 0, tumor))
    # The canal is so much longer than wide that its bends do not matter here.
    along = np.linalg.svd(whole - whole.mean(axis=0), full_matrices=False)[2][0]
    cut = float(image.spacing.max())
    reached, all_cuts = (np.unique(np.floor(points @ along / cut)) for points in (found, whole))
    return np.intersect1d(reached, all_cuts).size > WHOLE * all_cuts.size


def _round_canal(image: Image, labels: NDArray[np.uint8], strokes: Sequence[Stroke]) -> Region:
    """The stretch of canal round the strokes."""
    points = np.concatenate([np.array(stroke.points) for stroke in strokes if stroke.foreground])
    near = image.grid.region_around(points, REACH_MM)
    box = box_of(labels[near] > 0, (2, 2, 2))
    k, j, i = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(near, box, strict=True))
    return (k, j, i)


@dataclass(frozen=True, eq=False)
class _Canal:
    """A stretch of the canal.

    :param room: where tumor may lie: not in the cord, nor in its rim where fluid lies beside it.
    :param outside: beyond the canal's outline.
    :param fluid: its value.
    """

    image: Image
    values: Floats
    room: Bools
    cord: Bools
    outside: Bools
    fluid: float

    @classmethod
    def of(cls, image: Image, labels: NDArray[np.uint8], inside: Bools, role: Role) -> _Canal:
        values = np.nan_to_num(image.array.astype(np.float32), posinf=0.0, neginf=0.0)
        cord, sac = labels == CORD, labels == SAC
        fluid = float(np.median(values[sac])) if sac.any() else float(values.max())
        room = (labels > 0) & ~cord
        if cord.any() and sac.any():
            room &= ~_rim_beside_fluid(image, values, cord, inside, fluid, -1 if role in DARK_FLUID else 1)
        return cls(image, values, room | inside, cord, labels == 0, fluid)


def _rim_beside_fluid(image: Image, values: Floats, cord: Bools, inside: Bools, fluid: float, sign: int) -> Bools:
    """The cord's rim where fluid is seen outward of it.

    :param sign: 1 where fluid is the brightest, −1 where it is darker than the cord.
    """
    spacing = image.spacing[::-1]
    away, depth = (ndimage.distance_transform_edt(mask, sampling=spacing) for mask in (~cord, cord))
    rim = np.argwhere((away > 0) & (away <= RIM_PIXELS * float(spacing.min())))
    smooth = ndimage.gaussian_filter(away - depth, 0.8 / spacing)
    outward = np.stack([part[tuple(rim.T)] for part in np.gradient(smooth, *spacing)], axis=1)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    bright, dark, tumor = sign * fluid, sign * float(np.median(values[cord])), sign * float(np.median(values[inside]))
    # Tumor as bright as fluid would leave nothing to tell them apart by.
    least = (bright + float(np.clip(tumor, min(dark, bright), 0.3 * dark + 0.7 * bright))) / 2
    seen = [
        ndimage.map_coordinates(sign * values, (rim + reach * outward / spacing).T, order=1, mode="nearest")
        for reach in LOOK_MM
    ]
    found = np.zeros(cord.shape, bool)
    found[tuple(rim[np.max(seen, axis=0) > least].T)] = True
    return found


def _cut(canal: _Canal, inside: Bools, outside: Bools) -> Bools:
    """What in the canal looks like the voxels under the strokes, and hangs together with them."""
    values, closed = canal.values, ~canal.room | outside
    noise = noise_of(values)
    look, spread = _most_alike(values[inside], 1.3 * noise)
    cost = _costs(values, (look, spread), values[canal.room & ~inside])
    faces = face_costs(values, canal.image.grid, noise, BORDER_MM)
    soft = solved(CutProblem(with_certain(cost, inside, closed), faces), best_solver(), None)
    mixed = mixed_voxels(canal.image, values, (look, spread))
    mask = without_mixes(soft > 0.5, inside, mixed)
    mask = tidied(mask, inside, closed)
    mask |= shared_with_fluid(values, mask, look, canal.fluid) & ~closed
    mask |= _up_to_cord(canal, mask, look, noise, ~closed)
    mask |= _out_of_cord(canal, mask, look, noise) & ~outside
    return mask | _over_wall(canal, mask, (look, spread), mixed) & ~outside


def _over_wall(canal: _Canal, mask: Bools, look: tuple[float, float], mixed: Bools) -> Bools:
    """Tumor that ends soon beyond the canal's outline: where it ate the wall, the outline is a guess.

    Where what looks like tumor goes on into the bone, the outline stands.
    """
    values, spacing = canal.values, canal.image.spacing[::-1]
    alike = canal.outside & (np.abs(values - look[0]) < ALIKE * look[1]) & ~mixed
    away = ndimage.distance_transform_edt(canal.outside, sampling=spacing)
    reach = max(OVER_MM, 1.01 * float(spacing.min()))
    near, deep = alike & (away <= reach), alike & (away > reach) & (away <= 2 * reach)
    goes_on = ndimage.distance_transform_edt(~deep, sampling=spacing) <= reach if deep.any() else deep
    layers = int(np.ceil(reach / float(spacing.min())))
    return np.asarray(ndimage.binary_dilation(mask, iterations=layers, mask=near & ~goes_on | mask))


def _most_alike(values: Floats, least: float) -> tuple[float, float]:
    """Middle and standard deviation of the half of the values that lie closest together: a hand shakes."""
    ordered = np.sort(values)
    half = (len(ordered) + 1) // 2
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    start = int(np.argmin(widths))
    return float(np.mean(ordered[start : start + half])), max(least, float(widths[start]) / 1.349)


def _costs(values: Floats, look: tuple[float, float], others: Floats) -> Floats:
    """Cost of calling a voxel tumor: how much likelier its value is among all of the canal's than in tumor."""
    middle, spread = look
    tumor = np.exp(-0.5 * np.minimum(np.abs(values - middle) / spread, 9) ** 2) / (spread * np.sqrt(2 * np.pi))
    others = others if others.size else values.ravel()
    low, high = (float(value) for value in np.percentile(others, [0.5, 99.5]))
    step = max(0.5 * spread, (high - low) / 2000)
    edges = np.arange(low - 8 * step, high + 9 * step, step)
    counts = np.histogram(np.clip(others, edges[0], edges[-1]), edges)[0].astype(float)
    share = ndimage.gaussian_filter1d(counts, 1.0) / (counts.sum() * step)
    canal = np.interp(values, 0.5 * (edges[1:] + edges[:-1]), share)
    unseen = _UNSEEN / max(high - low, spread)
    return np.clip(np.log((canal + unseen) / (tumor + unseen)), -_STRONGEST, _STRONGEST).astype(np.float32)


def _up_to_cord(canal: _Canal, mask: Bools, look: float, noise: float, room: Bools) -> Bools:
    """Voxels that tumor shares with the cord that it touches: they lie between both, and less than half is fluid."""
    if not canal.cord.any():
        return np.zeros_like(mask)
    ends = float(np.median(canal.values[canal.cord])), look
    low, high = min(ends) - 2 * noise, max(ends) + 2 * noise
    half_way = (look + canal.fluid) / 2
    low, high = min(low, half_way), max(high, half_way)
    near = ndimage.binary_dilation(canal.cord, iterations=2) & room & (canal.values > low) & (canal.values < high)
    return np.asarray(ndimage.binary_dilation(mask, iterations=2, mask=near | mask))


def _out_of_cord(canal: _Canal, mask: Bools, look: float, noise: float) -> Bools:
    """Voxels at the rim of the cord's outline that look like the tumor beside them: nothing showed the wall there."""
    dark = float(np.median(canal.values[canal.cord])) if canal.cord.any() else look
    if abs(look - dark) < TELLABLE * noise:
        return np.zeros_like(mask)
    alike = canal.cord & ((canal.values - dark) / (look - dark) > 0.5)
    return np.asarray(ndimage.binary_dilation(mask, iterations=RIM_VOXELS, mask=alike | mask)) & canal.cord
