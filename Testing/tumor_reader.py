"""A simulated reader who outlines tumors: he knows about where the tumor is, and sees errors that are large enough.

He never uses the truth voxel by voxel: strokes stay away from the border and shake, the outline of the bone to which
he limits the tumor is off by a wavy 0.7 mm, and errors thinner than two voxels in plane escape him.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.segmentation.tumor_correct import Setting
from spinemet.segmentation.tumor_limits import ROOMS, Within
from spinemet.segmentation.tumor_session import TumorSession
from spinemet.segmentation.tumor_strokes import Box, Stroke

MOST_INTERACTIONS = 3
INSET = 0.75
"""Share of the tumor's length that the first stroke covers."""
SHAKE_MM = 1.0
ACCEPTS = 0.25
"""He accepts an outline, and corrects it only locally, once less than this share of it is wrong."""
LIMIT_ERROR_MM = 0.7


@dataclass
class Reading:
    """What came of one tumor.

    :param dice: after each interaction.
    """

    dice: list[float] = field(default_factory=list)
    volume_ratio: float = 0.0
    refusals: list[str] = field(default_factory=list)


def read(
    image: Image, truth: np.ndarray, rng: np.random.Generator, *, role: Role, start: str = "stroke", limit=None
) -> Reading:
    """Outline one tumor in up to three interactions.

    :param truth: boolean (k, j, i).
    :param start: "stroke" along the tumor, "click" into it or a loose "box" round it.
    :param limit: boolean image to which the tumor is limited, None for no limit.
    """
    session = TumorSession(image, setting=Setting(role, limit))
    first = {"stroke": along, "click": into, "box": around}[start]
    mark, reading = first(truth, image, rng), Reading()
    for interaction in range(MOST_INTERACTIONS):
        try:
            session.add(mark)
            session.refine()
        except BadInput as refusal:
            reading.refusals.append(str(refusal))
        mask = session.mask_on_image()
        reading.dice.append(dice(mask, truth))
        reading.volume_ratio = float(mask.sum() / truth.sum())
        next_mark = correction(truth, mask, image, rng)
        if next_mark is None or interaction == MOST_INTERACTIONS - 1:
            break
        if session.state.proposal and np.count_nonzero(truth ^ mask) < ACCEPTS * np.count_nonzero(mask):
            session.accept()
        mark = next_mark
    return reading


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks, 0 to 1."""
    return float(2 * np.count_nonzero(first & second) / max(1, np.count_nonzero(first) + np.count_nonzero(second)))


def into(truth: np.ndarray, image: Image, rng: np.random.Generator) -> Stroke:
    """A click about in the middle, in the tumor at any rate."""
    voxels = np.argwhere(truth)
    middle = image.to_world(voxels.mean(axis=0)[::-1])
    for _ in range(50):
        point = middle + rng.normal(0, 2.0, 3)
        if _is_in(truth, np.rint(image.to_index(point)).astype(int)[::-1]):
            return Stroke((tuple(point),))
    return Stroke((tuple(image.to_world(voxels[len(voxels) // 2][::-1])),))


def along(truth: np.ndarray, image: Image, rng: np.random.Generator) -> Stroke:
    """A stroke along the tumor's longest extent in one of the slices where it is large."""
    areas = truth.sum(axis=(1, 2))
    large = np.argsort(areas)[::-1][: max(1, int(0.25 * np.count_nonzero(areas)))]
    k = int(rng.choice(large))
    return Stroke(_line(truth[k], k, image, rng, 1, INSET, SHAKE_MM, truth)) if areas[k] else into(truth, image, rng)


def around(truth: np.ndarray, image: Image, rng: np.random.Generator) -> Box:
    """A box that leaves 2 to 6 mm on each side."""
    ijk = np.argwhere(truth)[:, ::-1]
    low = ijk.min(axis=0) - rng.uniform(2, 6, 3) / image.spacing
    high = ijk.max(axis=0) + rng.uniform(2, 6, 3) / image.spacing
    low, high = np.maximum(low, 0), np.minimum(high, np.array(image.shape[::-1]) - 1)
    return Box((tuple(image.to_world(low)), tuple(image.to_world(high))))


def correction(truth: np.ndarray, mask: np.ndarray, image: Image, rng: np.random.Generator) -> Stroke | None:
    """A stroke through the largest error of one of the worst slices; None when he sees nothing wrong."""
    wrong = truth ^ mask
    thick = 2 if image.spacing[2] < 2 else 1
    seen = ndimage.binary_erosion(wrong, np.ones((thick, 2, 2)))
    if not seen.any():
        return None
    areas = seen.sum(axis=(1, 2))
    worst = [k for k in np.argsort(areas)[::-1][:3] if areas[k]]
    k = int(rng.choice(worst))
    labels, _ = ndimage.label(seen[k])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    part = labels == sizes.argmax()
    inside = bool(truth[k][part].mean() > 0.5)
    allowed = truth == inside
    points = _line(part & allowed[k], k, image, rng, 10, 1.0, 0.7, allowed)
    return Stroke(points, inside) if points else None


def shaky_limit(bone: np.ndarray, image: Image, rng: np.random.Generator) -> Image:
    """The outline of the bone, or bone and canal, as it would be had: its border off by a wavy 0.7 mm."""
    voxels = np.argwhere(bone)
    low, high = np.maximum(voxels.min(axis=0) - 6, 0), voxels.max(axis=0) + 7
    region = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    sampling = tuple(image.spacing[::-1])
    inner = ndimage.distance_transform_edt(bone[region], sampling=sampling)
    outer = ndimage.distance_transform_edt(~bone[region], sampling=sampling)
    waves = ndimage.gaussian_filter(rng.standard_normal(inner.shape), 4.0 / np.array(sampling))
    result = np.zeros(bone.shape, bool)
    result[region] = inner - outer + LIMIT_ERROR_MM / waves.std() * waves > 0
    return image.with_array(result)


def shaky_rooms(bone: np.ndarray, canal: np.ndarray, beyond: np.ndarray, image: Image, rng) -> Image:
    """Outlines of bone, canal and what lies beyond both, each as it would be had, as rooms of a limit."""
    rooms = np.zeros(bone.shape, np.uint8)
    for part, name in ((beyond, Within.PARASPINAL), (canal, Within.CANAL), (bone, Within.BONE)):
        if part.any():
            rooms[shaky_limit(part, image, rng).array] = ROOMS[name]
    return image.with_array(rooms)


def _line(
    area: np.ndarray,
    k: int,
    image: Image,
    rng: np.random.Generator,
    cut_percent: float,
    inset: float,
    shake_mm: float,
    allowed: np.ndarray,
) -> tuple:
    """Points along an area's longest axis in slice k, shaken, those outside of what is allowed left out."""
    pixels = np.argwhere(area).astype(float)
    if not len(pixels):
        return ()
    spacing = image.spacing[[1, 0]]
    center = pixels.mean(axis=0)
    offsets = (pixels - center) * spacing
    axis = np.linalg.svd(offsets, full_matrices=False)[2][0] if len(pixels) > 3 else np.array([1.0, 0.0])
    place = offsets @ axis
    low, high = np.percentile(place, [cut_percent, 100 - cut_percent])
    points = []
    for target in np.linspace(inset * low, inset * high, 5 if high - low > 4 else 2):
        near = np.abs(place - target) < 1.5
        if not near.any():
            continue
        middle = offsets[near].mean(axis=0)
        pixel = pixels[near][np.argmin(np.linalg.norm(offsets[near] - middle, axis=1))]
        j, i = pixel + rng.normal(0, shake_mm, 2) / spacing
        if _is_in(allowed, np.array([k, round(j), round(i)])):
            points.append(tuple(image.to_world([i, j, k])))
    return tuple(points) or (tuple(image.to_world([pixels[0][1], pixels[0][0], k])),)


def _is_in(mask: np.ndarray, index: np.ndarray) -> bool:
    return bool(np.all(index >= 0) and np.all(index < mask.shape) and mask[tuple(index)])
