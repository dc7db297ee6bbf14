"""A lesion within one vertebra: how much of the body, where, and lytic or blastic.

No HU threshold is accepted for lytic and blastic bone. Here the patient's own uninvolved bone is the measure
(clinical rules, section 1): lytic below mean − 2 SD, blastic above mean + 3 SD and 250 HU, on HU smoothed to 3 mm,
inside the lesion, in the body, deeper than 2 mm. What cannot be told apart stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.bone.density import BoneReference, smoothed_inside
from spinemet.anatomy.heights import Column, Plane
from spinemet.anatomy.sampling import crop_like, local_coordinates
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import GridMismatch
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image

LYTIC_SD = 2.0
BLASTIC_SD = 3.0
"""Bone is lytic this many SD below, blastic this many above the reference mean [D]."""
BLASTIC_HU = 250.0
"""Bone is not blastic below this density, whatever the reference [D]."""
SOFT_TISSUE_HU = 80.0
"""A lytic cut below this lies among soft tissue: density alone cannot show the loss of bone [D]."""
DEEPER_THAN_MM = 2.0
"""Only what lies deeper below the bone's surface is judged: cortex and partial volume are not [D]."""
MIN_JUDGED_ML = 0.1
"""Less deep lesion than this is not judged [D]."""
MIN_ABNORMAL = 0.1
"""Share of the judged voxels that must be lytic or blastic for their ratio to mean something [D]."""
CUT_ERROR_SD = 0.5
"""How far the cuts are moved, in SD of the reference, for the ± of the lytic share [D]."""
SMALLEST_ERROR = 1.0
"""Smallest half-width given for the lytic share, points [D]: the outline's own voxels are not surer than that."""
BORDER_VOXELS = 0.7
"""Half-width (95 %) of the place of a face between voxels in and out of the lesion, in voxels; faces err on their own.
From phantoms (seeds from 1001 on), as are the next three."""
PARTING_MM = 0.25
"""How well the plane that parts body and arch is known (95 %), mm."""
PLATES_SHARE = 0.34
"""Share of the heights' ± that reaches the body's volume: over the whole plate part of it evens out."""
SHARE_POINTS = 0.05
"""Half-width (95 %) of a share of the body that is left at fine voxels, points."""
JUNCTION_MM = 1.0
"""Lesion this close behind the plane that parts body and arch counts as the body's [D]: the plane's own error."""


@dataclass(frozen=True)
class LesionMeasures:
    """What was measured of the lesions in one vertebra.

    :param volume: inside the vertebra's outline, mL.
    :param body_involvement: share of the body's volume, %.
    :param body_part: share of the lesion (inside the vertebra) that lies in the body, %.
    :param mean_hu: of the lesion inside the vertebra, unsmoothed.
    :param lytic_fraction: share of the judged voxels, %; `blastic_fraction` likewise.
    :param lytic_share: share of lytic voxels among the abnormal ones, %: what SINS' bone lesion takes.
    :param arch_volumes: lesion in the left and right half of the arch, mL.
    :param position: center of the lesion in the vertebra, RAS.
    """

    volume: Measurement
    body_involvement: Measurement
    body_part: Measurement
    mean_hu: Measurement
    lytic_fraction: Measurement
    blastic_fraction: Measurement
    lytic_share: Measurement
    arch_volumes: dict[str, Measurement]
    position: Point

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (
            self.volume, self.body_involvement, self.body_part, self.mean_hu,
            self.lytic_share, self.lytic_fraction, self.blastic_fraction, *self.arch_volumes.values(),
        )  # fmt: skip


def measure_lesion(
    ct: Image | None,
    vertebra: Vertebra,
    lesion: Image,
    reference: BoneReference,
    *,
    body: NDArray[np.bool_] | None = None,
) -> LesionMeasures:
    """Measure the lesions outlined in one vertebra.

    :param ct: HU on the outlines' grid; None without a CT.
    :param lesion: boolean crop on the grid of `vertebra.mask` (see `involvement.lesion_mask`).
    :param reference: from `bone_reference`.
    :param body: voxels (k, j, i) of the body where the parts are known; `vertebra.body`, which is taken without, ends
        at a plane and leaves the corners beside a hollow posterior wall behind it.
    :raises GridMismatch: the lesion or the CT lies on another grid.
    """
    if not vertebra.mask.grid.matches(lesion.grid):
        raise GridMismatch("The lesion and the vertebra lie on different grids; resample one onto the other's.")
    inside = lesion.array & vertebra.mask.array
    voxel_ml = lesion.voxel_volume / 1000
    total = int(np.count_nonzero(inside))
    position = _center(lesion, inside if total else lesion.array, vertebra)
    beside = int(np.count_nonzero(lesion.array)) - total
    limits: tuple[str, ...] = ()
    if beside * voxel_ml > 0.05 and beside > 0.1 * total:
        limits = (f"{beside * voxel_ml:.1f} mL of the lesion lie near the vertebra but outside its outline",)
    volume = Measurement(
        "lesion volume", total * voxel_ml, "mL", "outlined voxels inside the vertebra", position, limits=limits
    )
    arch_volumes = _arch(vertebra, inside, position)
    lytic, blastic, share = _kind(ct, vertebra, inside, reference, position)
    return LesionMeasures(
        volume,
        _body_involvement(vertebra, inside, position, limits, body),
        _body_part(vertebra, inside, position),
        _mean_hu(ct, vertebra, inside, position),
        lytic,
        blastic,
        share,
        arch_volumes,
        position,
    )


def _center(lesion: Image, inside: NDArray[np.bool_], vertebra: Vertebra) -> Point:
    if not inside.any():
        return vertebra.frame.origin
    k, j, i = np.nonzero(inside)
    x, y, z = lesion.to_world([i.mean(), j.mean(), k.mean()])
    return (float(x), float(y), float(z))


def _body_involvement(
    vertebra: Vertebra,
    inside: NDArray[np.bool_],
    position: Point,
    limits: tuple[str, ...],
    parted: NDArray[np.bool_] | None = None,
) -> Measurement:
    name, method = "body involvement", "lesion in the body / body volume"
    if vertebra.body is None:
        return unknown(name, "%", vertebra.reason, method)
    body = vertebra.body if parted is None else parted
    within = inside & body
    count = int(np.count_nonzero(body))
    share = 100 * np.count_nonzero(within) / count
    # The border of the lesion is known to half a voxel at best, evenly on both sides.
    border = 100 * BORDER_VOXELS * np.sqrt(_border(within)) / count
    margins = (border, _parting_error(vertebra, inside, share), share * _plates_error(vertebra), SHARE_POINTS)
    return Measurement(name, float(share), "%", method, position, float(np.linalg.norm(margins)), limits=limits)


def _parting_error(vertebra: Vertebra, inside: NDArray[np.bool_], share: float) -> float:
    """Points by which the share changes when the plane that parts body and arch moves: none where the lesion fills
    as much of what changes sides as of the body."""
    assert vertebra.body is not None
    _, anterior, superior = local_coordinates(vertebra.mask.grid, vertebra.frame)
    # A band wide enough for voxels of any size tells how much bone lies at the plane, and how much of it is lesion.
    band = max(1.0, float(vertebra.mask.spacing.max()))
    near = np.abs(anterior - (vertebra.wall[0] + vertebra.wall[1] * superior)) <= band
    near &= vertebra.mask.array
    count = np.count_nonzero(near)
    if count == 0:
        return 0.0
    there = 100 * np.count_nonzero(inside & near) / count
    moved = PARTING_MM * count / (2 * band)
    return float(abs(there - share) * moved / np.count_nonzero(vertebra.body))


def _plates_error(vertebra: Vertebra) -> float:
    """Relative error of the body's volume from how well its plates are known, 95 %."""
    heights = [vertebra.height(column, plane) for plane in Plane for column in Column]
    known = [item.uncertainty / item.value for item in heights if item.value and item.uncertainty]
    return PLATES_SHARE * float(np.mean(known)) if known else 0.0


def _border(array: NDArray[np.bool_]) -> int:
    """Number of voxel faces between inside and outside."""
    return sum(int(np.count_nonzero(np.diff(array.view(np.int8), axis=axis))) for axis in range(3))


def _body_part(vertebra: Vertebra, inside: NDArray[np.bool_], position: Point) -> Measurement:
    name, method = "lesion in the body", "share of the lesion's volume in the vertebra"
    total = np.count_nonzero(inside)
    if vertebra.body is None:
        return unknown(name, "%", vertebra.reason, method)
    if total == 0:
        return unknown(name, "%", "no lesion lies inside the vertebra's outline", method)
    return Measurement(name, float(100 * np.count_nonzero(inside & vertebra.body) / total), "%", method, position)


def _mean_hu(ct: Image | None, vertebra: Vertebra, inside: NDArray[np.bool_], position: Point) -> Measurement:
    if ct is None:
        return unknown("mean HU", "HU", "no CT")
    if not inside.any():
        return unknown("mean HU", "HU", "no lesion lies inside the vertebra's outline")
    values = crop_like(ct, vertebra.mask.grid).array[inside]
    return Measurement("mean HU", float(values.mean(dtype=float)), "HU", "lesion inside the vertebra", position)


def _deeper(vertebra: Vertebra, voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of some voxels of a vertebra that lie deeper than `DEEPER_THAN_MM`; only their surroundings are looked at.

    :param voxels: on the crop of `vertebra.mask`, at least one.
    """
    spacing = vertebra.mask.spacing[::-1]
    # The surface runs half a voxel before the nearest voxel outside.
    least = DEEPER_THAN_MM + 0.5 * float(spacing.min())
    box = tuple(
        slice(max(0, part.start - room), part.stop + room)
        for part, room in zip(
            ndimage.find_objects(voxels.view(np.uint8))[0], np.ceil(least / spacing).astype(int) + 1, strict=True
        )
    )
    bone = vertebra.mask.array[box]
    if bone.all():
        return voxels
    found = np.zeros_like(voxels)
    depth = ndimage.distance_transform_edt(bone, sampling=spacing).astype(np.float32) - np.float32(
        least - DEEPER_THAN_MM
    )
    found[box] = voxels[box] & (depth > DEEPER_THAN_MM)
    return found


def _kind(
    ct: Image | None, vertebra: Vertebra, inside: NDArray[np.bool_], reference: BoneReference, position: Point
) -> tuple[Measurement, Measurement, Measurement]:
    """Lytic fraction, blastic fraction and lytic share, each unknown with the same reason where it must be."""
    method = "against the patient's own bone, smoothed 3 mm, deeper than 2 mm"

    def nothing(reason: str) -> tuple[Measurement, Measurement, Measurement]:
        names = ("lytic fraction", "blastic fraction", "lytic share")
        first, second, third = (unknown(name, "%", reason, method) for name in names)
        return first, second, third

    if ct is None:
        return nothing("no CT: lytic and blastic are told apart by density")
    if vertebra.body is None:
        return nothing(vertebra.reason)
    if not (inside & vertebra.body).any():
        return nothing("the lesion lies in the arch only; a clinician judges its type")
    mean, deviation = reference.mean.value, reference.deviation.value
    if mean is None or deviation is None:
        return nothing(reference.mean.reason)
    judged = _deeper(vertebra, inside & vertebra.body)
    count = int(np.count_nonzero(judged))
    if count * ct.voxel_volume / 1000 < MIN_JUDGED_ML:
        return nothing(f"too little of the lesion lies deeper than {DEEPER_THAN_MM:g} mm in the body")
    values = smoothed_inside(crop_like(ct, vertebra.mask.grid).array, judged, vertebra.mask.grid)
    low, high = mean - LYTIC_SD * deviation, max(mean + BLASTIC_SD * deviation, BLASTIC_HU)
    blastic = float((values > high).mean())
    cuts = f"lytic below {low:.0f} HU, blastic above {high:.0f} HU"
    dense = Measurement("blastic fraction", 100 * blastic, "%", f"above {high:.0f} HU, {method}", position)
    if low < SOFT_TISSUE_HU:
        return _osteoporotic(low, blastic, dense, cuts, position)
    lytic = float((values < low).mean())
    thin = Measurement("lytic fraction", 100 * lytic, "%", f"below {low:.0f} HU, {method}", position)
    if lytic + blastic < MIN_ABNORMAL:
        reason = "the lesion's density lies within the range of the patient's normal bone"
        return thin, dense, unknown("lytic share", "%", reason, cuts)
    move = CUT_ERROR_SD * deviation
    shares = [_share(values, low + a, high + b) for a in (-move, move) for b in (-move, move)]
    share = lytic / (lytic + blastic)
    margin = max(SMALLEST_ERROR, *(100 * abs(other - share) for other in shares))
    return thin, dense, Measurement("lytic share", 100 * share, "%", cuts, position, margin)


def _osteoporotic(
    low: float, blastic: float, dense: Measurement, cuts: str, position: Point
) -> tuple[Measurement, Measurement, Measurement]:
    """Below soft tissue the lytic cut says nothing; a lesion is still blastic if nearly all of it is dense."""
    reason = (
        f"bone would count as lytic only below {low:.0f} HU here (reference mean - {LYTIC_SD:g} SD), among soft"
        " tissue; look for lost trabeculae or cortex"
    )
    lytic = unknown("lytic fraction", "%", reason, cuts)
    most = 100 * (1 - blastic)
    if most > 25.0:
        return lytic, dense, unknown("lytic share", "%", reason, cuts)
    limit = "lytic share is at most this: everything that is not dense counted as lytic"
    return lytic, dense, Measurement("lytic share", most, "%", cuts, position, limits=(limit,))


def _share(values: NDArray[np.float32], low: float, high: float) -> float:
    lytic, blastic = float((values < low).mean()), float((values > high).mean())
    return lytic / (lytic + blastic) if lytic + blastic > 0 else 0.5


def _arch(vertebra: Vertebra, inside: NDArray[np.bool_], position: Point) -> dict[str, Measurement]:
    """Lesion in each half of the arch; `posterolateral` says which of its parts are involved."""
    names = {side: f"lesion in the {side} arch" for side in ("left", "right")}
    arch = vertebra.arch
    if arch is None:
        return {side: unknown(name, "mL", vertebra.reason) for side, name in names.items()}
    right, anterior, superior = local_coordinates(vertebra.mask.grid, vertebra.frame)
    wall = vertebra.wall
    behind = inside & arch & (anterior < wall[0] + wall[1] * superior - JUNCTION_MM)
    voxel_ml = vertebra.mask.voxel_volume / 1000
    volumes = {
        "left": voxel_ml * np.count_nonzero(behind & (right < 0)),
        "right": voxel_ml * np.count_nonzero(behind & (right >= 0)),
    }
    return {
        side: Measurement(names[side], volumes[side], "mL", "behind the posterior wall", position) for side in volumes
    }
