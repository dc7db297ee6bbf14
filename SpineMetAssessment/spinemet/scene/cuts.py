"""Slice views through a vertebra: cuts in its own frame, centered and zoomed on the evidence, and back.

Key functions: `cut_to_frame` and `to_standard` for the slice views of a view group, `jump_to` for one piece of
evidence. What a view looked like before is kept in its attributes, so that it survives saving the scene.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.evidence import Point
from spinemet.scene.volumes import array_of, vtk_matrix

CLOSE_UP_MM = 110.0
"""Width of a view zoomed on one vertebra: it with most of both neighbors."""
_ORIENTATION = "SpineMet.Orientation"
_FIELD = "SpineMet.FieldOfView"


def slice_nodes(scene: Any, group: int | None = 0) -> list[Any]:
    """The slice views of a view group, all groups' when it is None."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    nodes = (scene.GetNthNodeByClass(index, "vtkMRMLSliceNode") for index in range(count))
    return [node for node in nodes if group is None or node.GetViewGroup() == group]


def cut_to_frame(
    nodes: Iterable[Any], frame: VertebraFrame, center: Point | None = None, width_mm: float | None = None
) -> None:
    """Turn slice views onto the axial, sagittal and coronal plane of a vertebra's own frame.

    Each view keeps its kind of plane; the patient's right stays on the picture's left, as in Slicer's own planes.

    :param center: middle of the views (RAS); by default the frame's origin.
    :param width_mm: width of what is seen; by default as it is.
    """
    middle = frame.origin if center is None else center
    turn = frame.axes.T
    for node in nodes:
        orientation = _kept_orientation(node)
        preset = node.GetSliceOrientationPreset(orientation)
        if preset is None:
            continue
        axes = turn @ _axes_of(preset)
        _set(node, axes, middle, width_mm)


def to_standard(nodes: Iterable[Any], center: Point | None = None) -> None:
    """Turn slice views back to the orientation and the zoom that they had before.

    :param center: middle of the views (RAS); by default where they are.
    """
    for node in nodes:
        orientation = node.GetAttribute(_ORIENTATION)
        if orientation is None:
            continue
        middle = array_of(node.GetSliceToRAS())[:3, 3] if center is None else np.array(center)
        width = node.GetAttribute(_FIELD)
        preset = node.GetSliceOrientationPreset(orientation)
        node.RemoveAttribute(_ORIENTATION)
        node.RemoveAttribute(_FIELD)
        if preset is not None:
            _set(node, _axes_of(preset), middle, float(width) if width else None)


def jump_to(
    scene: Any,
    position: Point,
    *,
    frame: VertebraFrame | None = None,
    group: int = 0,
    width_mm: float | None = CLOSE_UP_MM,
) -> None:
    """Show a place in all slice views of a group, cut in the vertebra's frame where there is one.

    :param position: RAS; a measurement's position, or a level's.
    :param frame: of the vertebra there; without one the views keep their orientation.
    :param width_mm: width of what is seen; None keeps the zoom.
    """
    nodes = slice_nodes(scene, group)
    if frame is not None:
        cut_to_frame(nodes, frame, position, width_mm)
        return
    for node in nodes:
        _set(node, array_of(node.GetSliceToRAS())[:3, :3], position, width_mm)


def is_cut(node: Any) -> bool:
    """Whether a slice view was turned into a vertebra's frame."""
    return node.GetAttribute(_ORIENTATION) is not None


def _kept_orientation(node: Any) -> str:
    """The view's own plane ("Axial"), remembered at its first turn."""
    kept = node.GetAttribute(_ORIENTATION)
    if kept is None:
        kept = node.GetOrientation()
        if kept not in _presets(node):
            kept = node.GetDefaultOrientation() or _nearest_preset(node)
        node.SetAttribute(_ORIENTATION, kept)
        node.SetAttribute(_FIELD, f"{node.GetFieldOfView()[0]:.6g}")
    return str(kept)


def _presets(node: Any) -> list[str]:
    names = vtk.vtkStringArray()
    node.GetSliceOrientationPresetNames(names)
    return [names.GetValue(index) for index in range(names.GetNumberOfValues())]


def _nearest_preset(node: Any) -> str:
    """The preset whose normal is nearest to the view's."""
    normal = array_of(node.GetSliceToRAS())[:3, 2]

    def along(name: str) -> float:
        return abs(float(_axes_of(node.GetSliceOrientationPreset(name))[:, 2] @ normal))

    return max((name for name in _presets(node) if name in ("Axial", "Sagittal", "Coronal")), key=along)


def _axes_of(matrix: Any) -> NDArray[np.float64]:
    """The three axes of a vtkMatrix3x3 as columns, RAS."""
    return np.array([[matrix.GetElement(row, column) for column in range(3)] for row in range(3)])


def _set(node: Any, axes: NDArray[np.float64], center: Any, width_mm: float | None) -> None:
    was_modifying = node.StartModify()
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = axes, center
    node.SetSliceOrigin(0.0, 0.0, 0.0)
    node.SetXYZOrigin(0.0, 0.0, 0.0)
    node.GetSliceToRAS().DeepCopy(vtk_matrix(place))
    if width_mm is not None:
        width, height, _ = node.GetDimensions()
        node.SetFieldOfView(width_mm, width_mm * height / max(width, 1), node.GetFieldOfView()[2])
    node.UpdateMatrices()
    node.EndModify(was_modifying)
