"""Breaks of the cortex: where the cortical shell over a lesion is lost.

The CT is read along short lines through the bone's surface, and the densest point of each line is taken for the
cortex. Over a lesion it is compared with intact cortex nearby that faces the same way, of this vertebra and of the
same place on sound neighbors: the posterior wall is thinner than the anterior one, and how dense a shell of a
millimeter appears depends on the scanner. Lost is what is nearer to the lesion's own density than to that of intact
cortex. Where more than a tenth of comparable intact cortex would be called lost, the image does not resolve it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from spinemet.anatomy.heights import Column
from spinemet.anatomy.lesions.bone_surface import BoneSurface, bone_surface
from spinemet.anatomy.sampling import crop_like
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image, Region

INWARD_MM, OUTWARD_MM, STEP_MM = 3.0, 1.5, 0.5
"""The cortex is sought from this far below to this far above the outline [D]."""
UNDER_MM = 3.0
"""Cortex lies over a lesion when the lesion comes this close below it [D]."""
LOST_SHARE = 0.5
"""Cortex is lost where less than this share of the contrast between intact cortex and lesion is left [D]: the edge
of a hole lies at half the contrast, however much the image blurs it."""
LYTIC_PERCENTILE = 25.0
"""Percentile of the lesion's HU that stands for its own density: in a mixed lesion, that of its lytic half [D]."""
INTACT_AWAY_MM = 4.0
"""Reference cortex lies at least this far from the lesion [D]."""
FACING_MM = 15.0
"""In the search for reference cortex, a normal turned by 60° counts as this much distance [D]."""
REFERENCE_PIECES = 120
REFERENCE_THINNED = 6000
FEW_PIECES = 500
"""Fewer pieces than this are compared faster by one thread than by two."""
SMOOTHED_PIECES = 6
SEARCHED_MM = 12.0
"""Reference cortex is sought this far away first, facing included; farther away where that is not enough."""
FARTHEST_REFERENCE_MM = 30.0
"""Reference cortex farther away than this (facing included) is flagged [D]."""
MIN_CONTRAST_HU = 120.0
"""Cortex that stands out from the lesion by less than this is not resolved by the image [D]."""
WEAKEST_PERCENTILE = 10.0
"""Percentile of comparable intact cortex that must lie above the cut, else the image does not resolve it [D]."""
LEAST_RESOLVED = 0.5
"""Share of the cortex over a lesion that must be resolved for any statement [D]."""
DENSE_SHARE = 0.15
"""Share of the lesion that must be denser than the cut before it is said to hide breaks [D]."""
EDGE_VOXELS = 0.55
"""How well the edge of a break is known (95 %), in voxels, all round; from phantoms, where lesions graze the shell."""
MIN_BREAK_MM2 = 12.0
"""Smaller breaks are not told from vessel holes and noise [D]; a hole 4 mm wide."""
MIN_BREAK_VOXELS = 4.0
"""… nor breaks smaller than this many of the largest voxel faces [D]."""
WALL_DEPTH_MM = 4.0
"""The posterior wall lies within this distance of the plane that parts body and arch [D]: it is hollowed."""
WALL_FACING = 0.5
"""Least cosine between the posterior wall's normal and the way to the back [D]."""
METHOD = "cortex over the lesion against intact cortex nearby, CT"
METHOD_OUTLINES = "lesion outlined on both sides of the bone's surface; the cortex itself was not seen"


@dataclass(frozen=True)
class CorticalBreak:
    """One connected break.

    :param area: mm² of the bone's surface; its position is the middle of the break, on the surface.
    :param part: the part of the vertebra it lies on; "" when parts were not given.
    :param wall: whether it lies on the posterior wall.
    :param points: (n, 3) RAS, the pieces of the surface that are lost.
    """

    area: Measurement
    part: str
    wall: bool
    points: NDArray[np.float64]


class CorticalShell:
    """The cortex of a whole vertebra; depends on it and the CT alone, whatever lesion it holds.

    Only the pieces of the surface that somebody asks for are read, each once.
    """

    def __init__(self, surface: BoneSurface, near: Image | None) -> None:
        """:param near: HU round the vertebra; None without a CT."""
        self.surface = surface
        self._near = near
        self._tree = cKDTree(surface.points) if near is not None and len(surface) else None
        self._density = np.full(len(surface), np.nan)
        self._read = np.full(len(surface), self._tree is None)

    def density(self, pieces: NDArray[np.intp]) -> NDArray[np.float64]:
        """Densest HU on a short line through pieces of the surface, NaN outside the image.

        :param pieces: numbers of the pieces.
        """
        missing = pieces[~self._read[pieces]]
        if missing.size:
            self._density[missing] = self._densest(missing)
            self._read[missing] = True
        return self._density[pieces]

    def _densest(self, pieces: NDArray[np.intp]) -> NDArray[np.float64]:
        assert self._near is not None and self._tree is not None
        # Averaged over the neighbors first, else the largest of several noisy values is too large.
        _, neighbors = self._tree.query(self.surface.points[pieces], k=SMOOTHED_PIECES)
        looked_at, place = np.unique(neighbors, return_inverse=True)
        depths = np.arange(-OUTWARD_MM, INWARD_MM + STEP_MM / 2, STEP_MM)
        points, normals = self.surface.points[looked_at], self.surface.normals[looked_at]
        lines = self._near.sample(points[:, None] - depths[None, :, None] * normals[:, None])
        smooth = lines[place.reshape(neighbors.shape)].mean(axis=1)
        return np.asarray(smooth.max(axis=1), dtype=float)


@dataclass(frozen=True)
class CorticalBreaks:
    """What was found of the cortex over the lesions of one vertebra.

    :param breaks: the largest first.
    :param area: of all breaks, mm²; 0 when the cortex is intact.
    :param wall_area: of the breaks of the posterior wall, mm²; unknown where the body was not found.
    :param covered: surface under which the lesion lies, mm².
    :param by_part: area of the breaks on each part that has any, mm², by the name it was given.
    """

    breaks: tuple[CorticalBreak, ...]
    area: Measurement
    wall_area: Measurement
    covered: Measurement
    by_part: Mapping[str, Measurement] = field(default_factory=dict)

    @property
    def broken(self) -> tuple[str, ...]:
        """Parts that surely have a break: even the least area within the ± is one."""
        least = [(name, (item.value or 0.0) - (item.uncertainty or 0.0)) for name, item in self.by_part.items()]
        return tuple(name for name, area in least if area >= MIN_BREAK_MM2)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.area, self.wall_area, self.covered, *(item.area for item in self.breaks))


def cortical_breaks(
    ct: Image | None,
    vertebra: Vertebra,
    lesion: Image,
    *,
    neighbors: Sequence[Vertebra] = (),
    parts: Mapping[str, NDArray[np.bool_]] | None = None,
    streaks: str = "",
    shell_of: Callable[[Vertebra], CorticalShell] | None = None,
) -> CorticalBreaks:
    """Breaks of the cortex over the lesions of a vertebra.

    :param ct: HU; only its grid must hold the vertebra. None: read from the outlines, and flagged.
    :param lesion: boolean crop on the grid of `vertebra.mask`, the part outside the bone included.
    :param neighbors: sound vertebrae to compare with, best the one above and the one below.
    :param parts: masks of the vertebra's parts on the same grid, to name where a break lies.
    :param streaks: why the CT cannot be read here (metal); everything is then unknown.
    :param shell_of: `cortical_shell` of a vertebra in `ct`, where the caller keeps them.
    :raises GridMismatch: the lesion lies on another grid.
    """
    vertebra.mask.require_grid(lesion)
    if streaks:
        return _unknown(streaks)
    if not (lesion.array & vertebra.mask.array).any():
        return _unknown("no lesion lies inside the vertebra's outline")
    shell_of = shell_of or partial(cortical_shell, ct)
    surface = shell_of(vertebra).surface
    if not len(surface):
        return _unknown("no lesion lies inside the vertebra's outline")
    under = _under(surface, lesion)
    limits: tuple[str, ...] = ()
    if vertebra.cut:
        limits = (f"the vertebra is cut by the {' and the '.join(vertebra.cut)}",)
    covered = _area("cortex over the lesion", surface, under, "surface of the outline", vertebra.mask)
    if ct is None:
        lost = under & _outside_too(surface, lesion)
        limits = (*limits, "no CT: from the outlines only, the cortex itself was not seen")
        return _collect(vertebra, surface, lost, covered, parts, METHOD_OUTLINES, limits)
    if not under.any():
        return _collect(vertebra, surface, under, covered, parts, METHOD, limits)
    judged = _judge(ct, vertebra, lesion, under, neighbors, shell_of)
    if isinstance(judged, str):
        return replace(_unknown(judged), covered=covered)
    limits = (*limits, *judged.limits)
    return _collect(
        vertebra, surface, judged.lost, covered, parts, METHOD, limits, judged.hidden, under & ~judged.resolved
    )


def cortical_shell(ct: Image | None, vertebra: Vertebra) -> CorticalShell:
    """Surface of a vertebra and the density of its cortex; NaN everywhere without a CT.

    :param ct: HU; only its grid must hold the vertebra.
    """
    surface = bone_surface(vertebra.mask)
    near = ct.crop_around(vertebra.mask.grid.corners, 2.0) if ct is not None and len(surface) else None
    return CorticalShell(surface, near)


@dataclass(frozen=True)
class _Judged:
    """Which pieces of the surface are lost, on which that can be told, and what is in doubt.

    :param hidden: area (mm²) that may be called lost or intact wrongly.
    """

    lost: NDArray[np.bool_]
    resolved: NDArray[np.bool_]
    hidden: float
    limits: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Reference:
    """Intact cortex of one vertebra: pieces of its shell, and their places with directions in one metric (n, 6)."""

    shell: CorticalShell
    features: NDArray[np.float64]
    pieces: NDArray[np.intp]

    def within(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places and densities of what lies in a box and in the image."""
        chosen = np.flatnonzero(((self.features >= low) & (self.features <= high)).all(axis=1))
        density = self.shell.density(self.pieces[chosen])
        seen = ~np.isnan(density)
        return self.features[chosen[seen]], density[seen]


def _judge(
    ct: Image,
    vertebra: Vertebra,
    lesion: Image,
    under: NDArray[np.bool_],
    neighbors: Sequence[Vertebra],
    shell_of: Callable[[Vertebra], CorticalShell],
) -> _Judged | str:
    """Compare the cortex over the lesion with intact cortex; a sentence where that cannot be done."""
    own = shell_of(vertebra)
    surface = own.surface
    features = _features(vertebra, surface, vertebra)
    judged = np.flatnonzero(under)
    cortex = own.density(judged)
    judged, cortex = judged[~np.isnan(cortex)], cortex[~np.isnan(cortex)]
    intact = np.flatnonzero(~_near_lesion(surface, lesion))
    sources = [_thinned(own, features, intact)]
    for other in neighbors:
        shell = shell_of(other)
        sources.append(_thinned(shell, _features(other, shell.surface, vertebra), np.arange(len(shell.surface))))
    distance, comparable = _nearest(sources, features[judged])
    if distance.shape[1] < REFERENCE_PIECES:
        return "the lesion leaves too little intact cortex of this vertebra to compare with"
    weakest, reference = _percentiles(comparable, (WEAKEST_PERCENTILE, 50.0))
    inside = crop_like(ct, vertebra.mask.grid).array[lesion.array & vertebra.mask.array]
    floor = float(np.percentile(inside, LYTIC_PERCENTILE))
    cut = floor + LOST_SHARE * (reference - floor)
    resolved, lost = np.zeros(len(surface), dtype=bool), np.zeros(len(surface), dtype=bool)
    resolved[judged] = (reference - floor >= MIN_CONTRAST_HU) & (weakest > cut)
    if surface.areas[resolved].sum() < LEAST_RESOLVED * surface.areas[under].sum():
        if float(np.median(reference)) - floor < MIN_CONTRAST_HU:
            return "the lesion is nearly as dense as the cortex in this image; a break cannot be seen"
        return "the cortex here is too thin for this image; a break cannot be seen"
    lost[judged] = cortex < cut
    lost &= resolved
    area = float(surface.areas[lost].sum())
    wrong = float(surface.areas[resolved].sum()) * float(np.mean(comparable < cut[:, None]))
    limits = []
    if np.median(distance[:, 0]) > FARTHEST_REFERENCE_MM:
        limits.append("no intact cortex near the lesion; compared with cortex farther away")
    unresolved = float(surface.areas[under & ~resolved].sum())
    if unresolved >= MIN_BREAK_MM2:
        limits.append(f"over {unresolved:.0f} mm² the cortex is too thin for this image; breaks there cannot be seen")
        # It is probably lost there as often as where that can be seen.
        wrong += unresolved * area / max(float(surface.areas[resolved].sum()), 1e-9)
    # Sclerosis under lost cortex looks like cortex.
    dense = float(np.mean(inside > float(np.median(cut))))
    if dense > DENSE_SHARE:
        limits.append("part of the lesion is as dense as cortex; breaks over it cannot be seen")
        wrong = float(np.hypot(wrong, area * dense / max(1 - dense, 0.1)))
    return _Judged(lost, resolved, wrong, tuple(limits))


def _percentiles(values: NDArray[np.float64], wanted: tuple[float, ...]) -> list[NDArray[np.float64]]:
    """Percentiles of every row (n, m), between neighbors linearly; one partial sort serves them all."""
    places = [share / 100 * (values.shape[1] - 1) for share in wanted]
    around = [(int(np.floor(place)), int(np.ceil(place))) for place in places]
    ordered = np.partition(values, sorted({n for pair in around for n in pair}), axis=1)
    return [
        ordered[:, low] + (place - low) * (ordered[:, high] - ordered[:, low])
        for place, (low, high) in zip(places, around, strict=True)
    ]


def _features(vertebra: Vertebra, surface: BoneSurface, to: Vertebra) -> NDArray[np.float64]:
    """Places and directions in the vertebra's own frame, scaled to the size of another: (n, 6)."""
    sizes = [(one.value, other.value) for one, other in zip(_sizes(vertebra), _sizes(to), strict=True)]
    scale = np.array([b / a if a and b else 1.0 for a, b in sizes])
    turned = surface.normals @ vertebra.frame.axes.T
    return np.hstack([vertebra.frame.to_local(surface.points) * scale, turned * FACING_MM])


def _sizes(vertebra: Vertebra) -> tuple[Measurement, Measurement, Measurement]:
    return vertebra.width, vertebra.depth, vertebra.height(Column.POSTERIOR)


def _thinned(shell: CorticalShell, features: NDArray[np.float64], pieces: NDArray[np.intp]) -> _Reference:
    kept = pieces[:: max(1, len(pieces) // REFERENCE_THINNED)]
    return _Reference(shell, features[kept], kept)


def _nearest(
    sources: Sequence[_Reference], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance and density of the `REFERENCE_PIECES` pieces nearest to each wanted place: (n, pieces), fewer when
    there are not as many.

    :param wanted: (n, 6) places and directions. Only what lies near all of them is read and searched.
    """
    distance = np.full((len(wanted), REFERENCE_PIECES), np.inf)
    density = np.empty_like(distance)
    left, reach = np.arange(len(wanted)), SEARCHED_MM
    while True:
        places = wanted[left]
        low, high = places.min(axis=0, initial=np.inf) - reach, places.max(axis=0, initial=-np.inf) + reach
        found = [item.within(low, high) for item in sources]
        pool, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if len(pool) >= REFERENCE_PIECES and len(places):
            tree = cKDTree(pool, leafsize=32, balanced_tree=False)
            distance[left], nearest = tree.query(
                places, k=REFERENCE_PIECES, distance_upper_bound=reach, workers=2 if len(places) > FEW_PIECES else 1
            )
            complete = np.isfinite(distance[left, -1])
            density[left[complete]] = values[nearest[complete]]
            # What lies near the others is sought once more, farther away.
            left = left[~complete]
            if not len(left):
                return distance, density
        elif not np.isfinite(reach):
            return np.zeros((len(wanted), len(pool))), np.zeros((len(wanted), len(pool)))
        reach = FARTHEST_REFERENCE_MM if reach < FARTHEST_REFERENCE_MM else np.inf


def _under(surface: BoneSurface, lesion: Image) -> NDArray[np.bool_]:
    """Pieces of the surface with lesion right below them."""
    depths = np.arange(0.5, UNDER_MM + 0.1, 0.5)
    found = np.zeros(len(surface), dtype=bool)
    box = _lesion_box(lesion, UNDER_MM + float(lesion.spacing.max()))
    close = np.flatnonzero(_in_box(surface, box))
    lines = surface.points[close, None] - depths[None, :, None] * surface.normals[close, None]
    found[close] = (lesion.sample(lines, order=0, outside=0.0) > 0).any(axis=1)
    return found


def _near_lesion(surface: BoneSurface, lesion: Image) -> NDArray[np.bool_]:
    """Pieces of the surface that lie within `INTACT_AWAY_MM` of the lesion."""
    box = _lesion_box(lesion, INTACT_AWAY_MM)
    away = ndimage.distance_transform_edt(~lesion.array[box], sampling=lesion.spacing[::-1])
    close = np.flatnonzero(_in_box(surface, box))
    found = np.zeros(len(surface), dtype=bool)
    found[close] = away[tuple((surface.voxels[close] - [part.start for part in box]).T)] <= INTACT_AWAY_MM
    return found


def _lesion_box(lesion: Image, margin_mm: float) -> Region:
    """Bounding region of a lesion and what lies within a margin in mm, in indices; the crop's edges cut it."""
    found = ndimage.find_objects(lesion.array.view(np.uint8))[0]
    margin = np.ceil(margin_mm * np.linalg.norm(lesion.grid.ras_to_ijk[:3, :3], axis=1)[::-1]).astype(int) + 1
    k, j, i = (
        slice(max(0, part.start - int(more)), min(size, part.stop + int(more)))
        for part, more, size in zip(found, margin, lesion.shape, strict=True)
    )
    return (k, j, i)


def _in_box(surface: BoneSurface, box: Region) -> NDArray[np.bool_]:
    low, high = (np.array([getattr(part, end) for part in box]) for end in ("start", "stop"))
    return np.asarray(((surface.voxels >= low) & (surface.voxels < high)).all(axis=1))


def _outside_too(surface: BoneSurface, lesion: Image) -> NDArray[np.bool_]:
    """Pieces with lesion right above them, deeper than a voxel."""
    reach = float(lesion.spacing.max())
    lines = surface.points[:, None] + np.array([0.5, 1.0, 1.5])[None, :, None] * reach * surface.normals[:, None]
    return np.asarray((lesion.sample(lines, order=0, outside=0.0) > 0).all(axis=1))


def _collect(
    vertebra: Vertebra,
    surface: BoneSurface,
    lost: NDArray[np.bool_],
    covered: Measurement,
    parts: Mapping[str, NDArray[np.bool_]] | None,
    method: str,
    limits: tuple[str, ...],
    hidden: float = 0.0,
    unresolved: NDArray[np.bool_] | None = None,
) -> CorticalBreaks:
    mask = vertebra.mask
    voxels = np.zeros(mask.shape, dtype=bool)
    voxels[tuple(surface.voxels[lost].T)] = True
    labels, count = ndimage.label(voxels, structure=np.ones((3, 3, 3), dtype=bool))
    number = np.where(lost, labels[tuple(surface.voxels.T)], 0)
    sizes = np.bincount(number, weights=surface.areas, minlength=count + 1)
    spacing = np.sort(mask.spacing)
    least = max(MIN_BREAK_MM2, MIN_BREAK_VOXELS * float(spacing[1] * spacing[2]))
    kept = [int(n) for n in np.argsort(-sizes[1:]) + 1 if sizes[n] >= least]
    wall = _wall(vertebra, surface)
    breaks = []
    for n in kept:
        pieces = number == n
        on_wall = wall is not None and surface.areas[pieces & wall].sum() >= min(least, sizes[n] / 2)
        area = _area("cortical break", surface, pieces, method, mask, limits)
        breaks.append(CorticalBreak(area, _part_of(surface, pieces, parts), bool(on_wall), surface.points[pieces]))
    found = np.isin(number, kept) & lost
    # What lies in breaks too small to count may be noise or not.
    small = float(sizes[1:].sum() - sum(sizes[n] for n in kept)) / 2
    doubt = float(np.hypot(hidden, small)) + sum(item.area.uncertainty or 0.0 for item in breaks[1:])
    total = _area("cortical break area", surface, found, method, mask, limits, doubt)
    return CorticalBreaks(
        tuple(breaks),
        total,
        _wall_area(vertebra, surface, found, wall, method, limits, unresolved),
        covered,
        _by_part(surface, found, parts or {}, method, mask, limits),
    )


def _by_part(
    surface: BoneSurface,
    found: NDArray[np.bool_],
    parts: Mapping[str, NDArray[np.bool_]],
    method: str,
    mask: Image,
    limits: tuple[str, ...],
) -> dict[str, Measurement]:
    """Area of the breaks on each part that has any."""
    if not found.any():
        return {}
    place = tuple(surface.voxels.T)
    own = {name: found & part[place] for name, part in parts.items()}
    return {
        name: _area(f"cortical break of the {name}", surface, pieces, method, mask, limits)
        for name, pieces in own.items()
        if pieces.any()
    }


def _wall_area(
    vertebra: Vertebra,
    surface: BoneSurface,
    found: NDArray[np.bool_],
    wall: NDArray[np.bool_] | None,
    method: str,
    limits: tuple[str, ...],
    unresolved: NDArray[np.bool_] | None,
) -> Measurement:
    """Break of the posterior wall; unknown where the wall over the lesion is not resolved."""
    name = "posterior wall break area"
    if wall is None:
        return unknown(name, "mm²", vertebra.reason or "the body was not found", method)
    measured = _area(name, surface, found & wall, method, vertebra.mask, limits)
    blind = 0.0 if unresolved is None else float(surface.areas[unresolved & wall].sum())
    if blind >= MIN_BREAK_MM2 and not (found & wall).any():
        return unknown(name, "mm²", "the posterior wall over the lesion is too thin for this image", method)
    return measured


def _wall(vertebra: Vertebra, surface: BoneSurface) -> NDArray[np.bool_] | None:
    """Pieces of the posterior wall of the body: near the parting plane, facing the canal."""
    if vertebra.body is None:
        return None
    local = vertebra.frame.to_local(surface.points)
    gap = local[:, 1] - (vertebra.wall[0] + vertebra.wall[1] * local[:, 2])
    facing = -surface.normals @ np.array(vertebra.frame.anterior)
    on_body = ndimage.binary_dilation(vertebra.body)[tuple(surface.voxels.T)]
    return np.asarray(on_body & (np.abs(gap) <= WALL_DEPTH_MM) & (facing >= WALL_FACING))


def _part_of(surface: BoneSurface, pieces: NDArray[np.bool_], parts: Mapping[str, NDArray[np.bool_]] | None) -> str:
    if not parts:
        return ""
    voxels, areas = tuple(surface.voxels[pieces].T), surface.areas[pieces]
    return max(parts, key=lambda name: float(areas[parts[name][voxels]].sum()))


def _area(
    name: str,
    surface: BoneSurface,
    pieces: NDArray[np.bool_],
    method: str,
    mask: Image,
    limits: tuple[str, ...] = (),
    doubt: float = 0.0,
) -> Measurement:
    """Summed area with its middle; ± from the edge all round, and from `doubt`."""
    value = float(surface.areas[pieces].sum())
    edge = 2 * np.sqrt(np.pi * value) * EDGE_VOXELS * float(np.cbrt(mask.voxel_volume))
    return Measurement(
        name, value, "mm²", method, _middle(surface, pieces), float(np.hypot(edge, doubt)), limits=limits
    )


def _middle(surface: BoneSurface, pieces: NDArray[np.bool_]) -> Point | None:
    """The piece nearest to the middle of all: a place on the surface, also of a bent patch."""
    if not pieces.any():
        return None
    points = surface.points[pieces]
    middle = np.average(points, axis=0, weights=surface.areas[pieces] + 1e-9)
    x, y, z = points[np.argmin(np.linalg.norm(points - middle, axis=1))].tolist()
    return (x, y, z)


def _unknown(reason: str) -> CorticalBreaks:
    return CorticalBreaks(
        (),
        unknown("cortical break area", "mm²", reason, METHOD),
        unknown("posterior wall break area", "mm²", reason, METHOD),
        unknown("cortex over the lesion", "mm²", reason, METHOD),
    )
