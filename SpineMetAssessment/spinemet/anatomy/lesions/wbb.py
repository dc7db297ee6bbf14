"""Weinstein–Boriani–Biagini zones: twelve sectors round the canal's centroid, five layers.

Sectors are numbered as in the original, clockwise seen from above, from the left half of the spinous process (1)
over the left pedicle, the body (4 to 9) and the right side back to the right half of the spinous process (12).
Layers (Boriani 1997): A extraosseous soft tissue, B superficial and C deep bone, D epidural, E intradural.
Deep is the half of the bone that is nearer to the canal, along each ray from its centroid [D].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.anatomy.lesions.canal_room import CanalRoom, canal_room
from spinemet.anatomy.lesions.extent import LesionExtent
from spinemet.anatomy.sampling import voxel_centers
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import NotMeasurable
from spinemet.evidence import Point
from spinemet.image import Image

SECTORS = 12
NUMBERING = "sectors clockwise seen from above, 1 at the left half of the spinous process"
LEAST_ZONE_ML = 0.05
LEAST_ZONE_SHARE = 20.0
"""A zone with less lesion than this (mL), and less than this share (%) of the lesion, is grazed, not involved [D]."""
RAYS = 72
"""Directions in which the inner and outer border of the bone are read."""


class Layer(str, Enum):
    """Depth of a zone, from the outside in; `words` says it."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"

    @property
    def words(self) -> str:
        return _TITLES[self.value]


_TITLES = {
    "A": "extraosseous soft tissue",
    "B": "superficial bone",
    "C": "deep bone",
    "D": "epidural",
    "E": "intradural",
}


@dataclass(frozen=True)
class Zone:
    """Lesion in one sector of one layer.

    :param volume: mL.
    :param share: share of the whole lesion, %.
    :param filled: share of the zone's bone that is lesion, %; None for layers that are not bone.
    :param position: middle of the lesion there, RAS.
    """

    sector: int
    layer: Layer
    volume: float
    share: float
    filled: float | None
    position: Point

    @property
    def involved(self) -> bool:
        """Whether it holds enough lesion to count."""
        return self.volume >= LEAST_ZONE_ML or self.share >= LEAST_ZONE_SHARE


@dataclass(frozen=True)
class WbbZones:
    """All zones that hold lesion.

    :param zones: by sector, then layer; the grazed ones too.
    :param involved: (sector, layer) of the zones that hold enough lesion to count.
    :param reason: why there is no answer; empty when there is one.
    """

    zones: tuple[Zone, ...] = ()
    reason: str = ""
    limits: tuple[str, ...] = ()
    numbering: str = NUMBERING

    @property
    def known(self) -> bool:
        return not self.reason

    @property
    def involved(self) -> frozenset[tuple[int, Layer]]:
        return frozenset((zone.sector, zone.layer) for zone in self.zones if zone.involved)

    @property
    def sectors(self) -> tuple[int, ...]:
        return tuple(sorted({sector for sector, _ in self.involved}))

    def text(self) -> str:
        """ "sectors 4–6, layers B–D" as surgeons write it; the reason when unknown."""
        if self.reason:
            return f"unknown ({self.reason})"
        if not self.involved:
            return "no zone involved"
        layers = sorted({layer.value for _, layer in self.involved})
        return f"sectors {_runs(self.sectors)}, layers {', '.join(layers)}"


def wbb_zones(
    vertebra: Vertebra, extent: LesionExtent, *, canal: Image | None = None, sac: Image | None = None
) -> WbbZones:
    """Zones of the lesions of one vertebra.

    :param extent: from `measure_extent`, with the same canal.
    :param sac: boolean image of the thecal sac with the cord, any grid; without it D and E are not told apart.
    """
    try:
        room = canal_room(vertebra, canal)
    except NotMeasurable as error:
        return WbbZones((), str(error).rstrip("."))
    limits = list(room.limits)
    points = {"bone": extent.inside, Layer.A: extent.beside_points}
    within = np.zeros(len(extent.canal_points), dtype=bool)
    if sac is not None and len(extent.canal_points):
        within = sac.sample(extent.canal_points, order=0, outside=0.0) > 0
    elif len(extent.canal_points):
        limits.append("no thecal sac outlined: everything in the canal counts as epidural (D)")
    points[Layer.D], points[Layer.E] = extent.canal_points[~within], extent.canal_points[within]
    bone = voxel_centers(vertebra.mask, at_most=200_000)
    ml = float(np.count_nonzero(vertebra.mask.array)) * vertebra.mask.voxel_volume / 1000 / max(1, len(bone))
    inner, outer = _borders(room, bone)
    deep_bone = _deep(room, bone, inner, outer)
    deep = _deep(room, points["bone"], inner, outer)
    points[Layer.B], points[Layer.C] = points["bone"][~deep], points["bone"][deep]
    capacity = {Layer.B: bone[~deep_bone], Layer.C: bone[deep_bone]}
    total = sum(len(points[layer]) for layer in Layer) * extent.voxel_ml
    zones = []
    for layer in Layer:
        found = sector_of(room, points[layer])
        room_of = sector_of(room, capacity[layer]) if layer in capacity else None
        for sector in np.unique(found):
            here = points[layer][found == sector]
            volume = len(here) * extent.voxel_ml
            filled = None
            if room_of is not None:
                filled = min(100.0, 100 * volume / max(ml * float(np.count_nonzero(room_of == sector)), 1e-9))
            x, y, z = here.mean(axis=0).tolist()
            zones.append(Zone(int(sector), layer, volume, 100 * volume / total, filled, (x, y, z)))
    return WbbZones(tuple(sorted(zones, key=lambda zone: (zone.sector, zone.layer))), "", tuple(limits))


def sector_of(room: CanalRoom, ras: ArrayLike) -> NDArray[np.int64]:
    """Sector (1 to 12) of RAS points (n, 3)."""
    _, angle = _polar(room, ras)
    return np.asarray(np.minimum((angle // (360 / SECTORS)).astype(np.int64), SECTORS - 1) + 1)


def _polar(room: CanalRoom, ras: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance from the centroid, and angle in degrees from the back over the patient's left: clockwise from above."""
    across = room.across(ras)
    right, anterior = across[..., 0], across[..., 1]
    return np.hypot(right, anterior), np.degrees(np.arctan2(-right, -anterior)) % 360.0


def _borders(room: CanalRoom, bone: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner and outer radius of the bone in each of `RAYS` directions, over the vertebra's whole height."""
    radius, angle = _polar(room, bone)
    ray = (angle / 360 * RAYS).astype(int) % RAYS
    inner, outer = np.full(RAYS, np.nan), np.full(RAYS, np.nan)
    order = np.argsort(ray, kind="stable")
    starts = np.searchsorted(ray[order], np.arange(RAYS + 1))
    for n in range(RAYS):
        here = radius[order[starts[n] : starts[n + 1]]]
        if here.size:
            inner[n], outer[n] = np.percentile(here, (2, 98))
    return _filled(inner), _filled(outer)


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions without bone (an open arch) take the nearest direction's border."""
    known = np.flatnonzero(~np.isnan(values))
    gap = np.abs(np.arange(RAYS)[:, None] - known)
    return np.asarray(values[known[np.argmin(np.minimum(gap, RAYS - gap), axis=1)]])


def _deep(
    room: CanalRoom, points: NDArray[np.float64], inner: NDArray[np.float64], outer: NDArray[np.float64]
) -> NDArray[np.bool_]:
    radius, angle = _polar(room, points)
    ray = (angle / 360 * RAYS).astype(int) % RAYS
    return np.asarray(radius < (inner[ray] + outer[ray]) / 2)


def _runs(sectors: tuple[int, ...]) -> str:
    """Sectors as runs round the clock: (1, 2, 5, 12) is "12–2, 5"."""
    present = set(sectors)
    if len(present) == SECTORS:
        return "1–12"
    words = []
    for first in sectors:
        if (first - 2) % SECTORS + 1 in present:
            continue
        last = first
        while last % SECTORS + 1 in present:
            last = last % SECTORS + 1
        words.append(str(first) if first == last else f"{first}–{last}")
    return ", ".join(words)
