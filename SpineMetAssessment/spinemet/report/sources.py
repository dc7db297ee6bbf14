"""What pictures are made from: the image, its outlines, and the frames they are seen in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.assessment import Assessment, LevelAssessment
from spinemet.case import ImageRef, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.report.windows import Window, window_for

_BOX_WITHOUT_OUTLINE_MM = np.array([[-45.0, -55.0, -25.0], [45.0, 30.0, 25.0]])


@dataclass(frozen=True, eq=False)
class CanalSources:
    """What the pictures of the canal are made from: the image that was graded, with its outlines.

    :param labels: canal, thecal sac and cord, nested; `tumor` every number a lesion; both on the image's grid.
    """

    image: Image
    ref: ImageRef
    labels: LabelMap
    tumor: LabelMap


@dataclass(frozen=True, eq=False)
class Sources:
    """One study, ready to be looked at.

    :param image: the reference image; `ref` names it.
    :param vertebrae: outlines of vertebrae.
    :param lesions: outlines of lesions, None when there are none.
    :param canal: where epidural disease was graded, None when it was not.
    """

    assessment: Assessment
    image: Image
    ref: ImageRef
    vertebrae: LabelMap
    lesions: LabelMap | None
    canal: CanalSources | None = None

    @cached_property
    def window(self) -> Window:
        return window_for(self.image, self.ref)

    @cached_property
    def vertebra_masks(self) -> dict[Level, Image]:
        """Outlined vertebrae on crops, from head to tail."""
        return {level: self.vertebrae.mask(value) for level, value in self.vertebrae.levels.items()}

    @cached_property
    def lesion_masks(self) -> list[Image]:
        if self.lesions is None:
            return []
        return [self.lesions.mask(value) for value in self.lesions.values(Structure.LESION)]

    @cached_property
    def _lesion_voxels(self) -> list[NDArray[np.float64]]:
        return [mask_points(mask) for mask in self.lesion_masks]

    @cached_property
    def spine(self) -> VertebraFrame:
        """Axes of the whole spine: right as the vertebrae have it on average, up as near to the scanner's as can be.

        Without measured frames these are the patient's own axes.
        """
        frames = [item.frame for item in self.assessment.levels if item.frame is not None]
        if not frames:
            centers = [centroid(mask) for mask in self.vertebra_masks.values()]
            origin = np.mean(centers, axis=0) if centers else self.image.grid.center
            return VertebraFrame.from_directions(origin, (0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
        right = np.mean([frame.right for frame in frames], axis=0)
        right /= np.linalg.norm(right)
        up = np.array([0.0, 0.0, 1.0])
        if abs(right[2]) > 0.7:
            up = np.mean([frame.superior for frame in frames], axis=0)
        up = up - right * (up @ right)
        origin = np.mean([frame.origin for frame in frames], axis=0)
        return VertebraFrame.from_directions(origin, up, np.cross(up, right))

    def frame_of(self, item: LevelAssessment) -> VertebraFrame | None:
        """The vertebra's own frame; without one, the spine's axes at its outline or position; None without a place."""
        if item.frame is not None:
            return item.frame
        mask = self.vertebra_masks.get(item.level)
        origin = centroid(mask) if mask is not None else item.position
        if origin is None:
            return None
        return VertebraFrame.from_directions(origin, self.spine.superior, self.spine.anterior)

    def box_of(self, item: LevelAssessment, frame: VertebraFrame) -> NDArray[np.float64]:
        """(2, 3) lowest and highest (right, anterior, superior) mm of the outlined vertebra in `frame`."""
        mask = self.vertebra_masks.get(item.level)
        return _BOX_WITHOUT_OUTLINE_MM if mask is None else extent(mask, frame)

    def lesion_points(self, item: LevelAssessment) -> NDArray[np.float64]:
        """RAS centers (n, 3) of the lesion voxels inside the vertebra; (0, 3) when there are none."""
        vertebra = self.vertebra_masks.get(item.level)
        found = [np.zeros((0, 3))]
        for points in self._lesion_voxels:
            if vertebra is not None:
                points = points[vertebra.sample(points, order=0, outside=0.0) > 0]
            elif item.position is not None:
                points = points[np.linalg.norm(points - np.array(item.position), axis=1) < 25.0]
            found.append(points)
        return np.concatenate(found)


def mask_points(mask: Image) -> NDArray[np.float64]:
    """RAS centers (n, 3) of a mask's voxels."""
    return mask.to_world(np.argwhere(mask.array)[:, ::-1])


def centroid(mask: Image) -> NDArray[np.float64]:
    """RAS center of a mask."""
    return mask.to_world(np.argwhere(mask.array).mean(axis=0)[::-1])


def extent(mask: Image, frame: VertebraFrame) -> NDArray[np.float64]:
    """(2, 3) lowest and highest (right, anterior, superior) mm of a mask's voxel centers in `frame`."""
    # The farthest voxel in any direction is the first or the last of its column: the others need not be looked at.
    j, i = np.nonzero(mask.array.any(axis=0))
    columns = mask.array[:, j, i]
    first = columns.argmax(axis=0)
    last = len(columns) - 1 - columns[::-1].argmax(axis=0)
    ends = np.concatenate([np.stack([i, j, first], axis=-1), np.stack([i, j, last], axis=-1)])
    local = frame.to_local(mask.to_world(ends))
    return np.stack([local.min(axis=0), local.max(axis=0)])
