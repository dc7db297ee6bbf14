"""Prior beside current: slice views of two time points that show the same vertebra, each cut in its own frame.

Where the spine bent or the patient lay otherwise, equal coordinates are not equal places: views are mapped from one
time point to the other through the vertebrae's frames, blended between neighbors, so that scrolling is smooth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.assessment import Assessment
from spinemet.levels import Level
from spinemet.scene.cuts import slice_nodes
from spinemet.scene.layouts import PRIOR_GROUP
from spinemet.scene.volumes import array_of, vtk_matrix

Frames = Mapping[Level, VertebraFrame]


def frames_of(assessment: Assessment) -> dict[Level, VertebraFrame]:
    """The frames of all outlined levels."""
    return {item.level: item.frame for item in assessment.levels if item.frame is not None}


def same_place(place: NDArray[np.float64], here: Frames, there: Frames) -> NDArray[np.float64] | None:
    """Where a slice of one time point lies in the other; None where they have no level in common.

    :param place: 4×4 slice-to-RAS matrix.
    :returns: the matrix in the other time point: the same place in the frame of the same vertebra, between two
        vertebrae a blend of both.
    """
    common = [level for level in here if level in there]
    if not common:
        return None
    result = np.zeros((4, 4))
    for level, weight in _weights(place[:3, 3], {level: here[level] for level in common}).items():
        result += weight * _matrix(there[level]) @ np.linalg.inv(_matrix(here[level])) @ place
    # The blend of two rotations is one again only after its columns are made perpendicular.
    u, _, v = np.linalg.svd(result[:3, :3])
    result[:3, :3] = u @ v
    result[3] = (0.0, 0.0, 0.0, 1.0)
    return result


class LinkedByVertebra:
    """Views of the prior that follow those of the current time point, and the other way round.

    Lives as long as both are shown: `close` it before the scene closes.

    :param here: frames of the current time point, in view group `group`; `there` those of the prior.
    """

    def __init__(
        self, scene: Any, here: Frames, there: Frames, *, group: int = 0, prior_group: int = PRIOR_GROUP
    ) -> None:
        self._frames = {group: here, prior_group: there}
        self._scene = scene
        self._other = {group: prior_group, prior_group: group}
        self._following = False
        self._observed: list[tuple[Any, int]] = []
        for own in (group, prior_group):
            for node in slice_nodes(scene, own):
                tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_modified)
                self._observed.append((node, tag))
        for node in slice_nodes(scene, group):
            self.follow(node)

    def follow(self, node: Any) -> None:
        """Bring the views of the other time point that show the same kind of plane to the place of this view."""
        own = node.GetViewGroup()
        if self._following or own not in self._frames:
            return
        self._following = True
        try:
            place = same_place(array_of(node.GetSliceToRAS()), self._frames[own], self._frames[self._other[own]])
            for other in slice_nodes(self._scene, self._other[own]):
                if place is not None and _kind(other) == _kind(node):
                    _put(other, place, node.GetFieldOfView()[0])
        finally:
            self._following = False

    def close(self) -> None:
        """Let go of all views."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []

    def _on_modified(self, caller: Any, event: str) -> None:
        self.follow(caller)


def _weights(point: NDArray[np.float64], frames: Frames) -> dict[Level, float]:
    """The vertebra at a place, or both between whose centers it lies, with their shares."""
    heights = {level: float(frame.to_local(point)[2]) for level, frame in frames.items()}
    below = [level for level, height in heights.items() if height >= 0]
    above = [level for level, height in heights.items() if height < 0]
    lower = min(below, key=lambda level: heights[level], default=None)
    upper = max(above, key=lambda level: heights[level], default=None)
    if lower is None or upper is None:
        nearest = min(frames, key=lambda level: float(np.linalg.norm(point - np.array(frames[level].origin))))
        return {nearest: 1.0}
    share = heights[lower] / (heights[lower] - heights[upper])
    return {lower: 1.0 - share, upper: share}


def _matrix(frame: VertebraFrame) -> NDArray[np.float64]:
    """4×4 matrix from the frame's coordinates to RAS."""
    matrix = np.eye(4)
    matrix[:3, :3] = frame.axes.T
    matrix[:3, 3] = frame.origin
    return matrix


def _kind(node: Any) -> int:
    """Which of right, anterior and superior a view's normal is nearest to: sagittal, coronal or axial."""
    return int(np.argmax(np.abs(array_of(node.GetSliceToRAS())[:3, 2])))


def _put(node: Any, place: NDArray[np.float64], width_mm: float) -> None:
    if np.allclose(array_of(node.GetSliceToRAS()), place, atol=1e-6) and node.GetFieldOfView()[0] == width_mm:
        return
    was_modifying = node.StartModify()
    node.GetSliceToRAS().DeepCopy(vtk_matrix(place))
    width, height, _ = node.GetDimensions()
    node.SetFieldOfView(width_mm, width_mm * height / max(width, 1), node.GetFieldOfView()[2])
    node.UpdateMatrices()
    node.EndModify(was_modifying)
