"""What the bars of ESCC compare with: a segment's construction by the measures' definitions, outlines stored anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from escc_cases import Trial, along_the_axis
from spinemet.epidural import EpiduralOutlines
from spinemet.image import Image
from spinemet.phantom.segment_tube import Tube

STORED = ("flipped", "permuted", "cropped", "other orientation")
CROPPED_MM = 4.0


def changed(outlines: EpiduralOutlines, change: Callable[[Image], Image]) -> EpiduralOutlines:
    """Every outline after the same change."""
    return EpiduralOutlines(**{name: change(mask) for name, mask in outlines.given.items()})


def stored(mask: Image, order: str) -> Image:
    """The same outline as another program might store it: see `STORED`."""
    matrix = mask.ijk_to_ras.copy()
    if order == "flipped":
        matrix[:3, 3] = mask.to_world(np.array(mask.shape[::-1]) - 1)
        matrix[:3, :3] *= -1
        return Image(mask.array[::-1, ::-1, ::-1], matrix)
    if order == "permuted":
        return Image(np.ascontiguousarray(mask.array.transpose(2, 0, 1)), matrix[:, [1, 2, 0, 3]])
    if order == "cropped":
        off = np.rint(CROPPED_MM / mask.spacing[::-1]).astype(int)
        k, j, i = (slice(int(o), int(n - o)) for o, n in zip(off, mask.shape, strict=True))
        return mask.crop((k, j, i))
    # Sagittal slices of 0.7 mm over the same field of view.
    sampled = mask.resample(mask.grid.with_spacing(0.7), nearest=True)
    return Image(np.ascontiguousarray(sampled.array.transpose(2, 1, 0)), sampled.ijk_to_ras[:, [2, 1, 0, 3]])


@cache
def construction(trial: Trial, step: float = 0.05) -> dict[str, float]:
    """What the cut that was found worst holds by construction, in mm, by the definitions of the measures.

    "thickness" is the largest circle in the epidural tumor, "indentation" how far the sac's edge gave way toward the
    tumor's middle: the greater of what its farthest point draws back and the deepest dent among rays that meet tumor.
    Points `step` apart in the closed form: no voxel, no outline, none of the measuring code.
    """
    spec = trial.segment.spec
    tube, cut = Tube(spec), trial.disease.levels[spec.level].cut
    assert cut is not None
    place = along_the_axis(trial.segment, trial.disease.cuts.position(cut))
    a, b = tube.canal_half
    u, v = np.meshgrid(np.arange(-a - 1, a + 1, step), np.arange(-b - 1, b + 1, step), indexing="ij")
    here, far = (tube.cut(np.full_like(u, s), u, v) for s in (place, spec.half_length_mm + 8.0))
    tumor = (here.presser < 0) & (here.canal < 0) & (here.sac >= 0) & (here.cord >= 0)
    if not tumor.any():
        return {"thickness": 0.0, "indentation": 0.0}
    # The rim lies between the last point within and the first one outside.
    thickness = (2 * ndimage.distance_transform_edt(tumor).max() - 0.5) * step
    toward = np.array([u[tumor].mean(), v[tumor].mean()])
    toward /= np.linalg.norm(toward)
    turns = np.linspace(0.0, 2 * np.pi, 360, endpoint=False)
    reach, usual = (_reach((item.sac < 0) | (item.cord < 0), u, v, turns, step) for item in (here, far))
    facing = np.cos(turns) * toward[0] + np.sin(turns) * toward[1]
    drawn_back = (usual * facing).max() - (reach * facing).max()
    met = np.unique(np.rint(np.degrees(np.arctan2(v[tumor], u[tumor]))).astype(int) % 360)
    given = ndimage.uniform_filter1d(usual - reach, 15, mode="wrap") * facing
    dents = given[np.isin(np.arange(360), met) & (facing >= np.sqrt(0.5)) & (reach > 0)]
    return {"thickness": float(thickness), "indentation": float(max(drawn_back, dents.max(initial=0.0)))}


def _reach(
    inside: NDArray[np.bool_], u: NDArray[np.float64], v: NDArray[np.float64], turns: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    """Distance of the outermost point inside, along every direction from the middle."""
    radii = np.arange(0.0, max(u.max(), v.max()), step / 2)[:, None]
    i, j = (
        np.clip(np.rint((radii * way - axis.min()) / step).astype(int), 0, n - 1)
        for way, axis, n in ((np.cos(turns), u, u.shape[0]), (np.sin(turns), v, u.shape[1]))
    )
    ray = inside[i, j]
    return np.where(ray.any(axis=0), radii[len(radii) - 1 - ray[::-1].argmax(axis=0), 0], 0.0)
