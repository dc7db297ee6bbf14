"""A registration in the scene: a linear transform and a grid transform above the moving series, never hardened.

The moving volume goes under the linear transform, that one under the grid transform, so that each can be looked at,
switched off and corrected by itself. `show_registration` puts them there, `remove_registration` takes them away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from spinemet.errors import BadInput
from spinemet.image import Grid
from spinemet.scene.volumes import array_of, vtk_matrix

_KIND = "SpineMet.Registration"
_MOVED = "SpineMet.Moves"
"""Reference role: what the transform carries."""
ROLE_EARLIER = "SpineMet.EarlierTransform"
"""Reference role of the linear transform: the user's own transform that the volume lay under before."""


@dataclass(frozen=True)
class RegistrationNodes:
    """The nodes that show one registration.

    :param linear: vtkMRMLLinearTransformNode with the motion of the whole spine.
    :param grid: vtkMRMLGridTransformNode with the bend; None where there is none.
    """

    linear: Any
    grid: Any = None


def show_registration(
    scene: Any,
    moving: Any,
    spine: NDArray[np.float64],
    *,
    grid: Grid | None = None,
    displacements: NDArray[np.float32] | None = None,
    also: Iterable[Any] = (),
    folder: int = 0,
) -> RegistrationNodes:
    """Put a registration above a moving volume, in the nodes of an earlier one where there is one.

    A transform that the user had put above the volume stays in the scene as it is; its effect is part of the new one.

    :param spine: 4×4, from the fixed to the moving image, RAS mm (both as they lie in the world).
    :param grid: nodes of the bend, RAS of the fixed image; `displacements` (k, j, i, 3) RAS mm there.
    :param also: nodes that belong to the moving volume and go with it (its segmentation, its landmarks).
    :param folder: subject-hierarchy item under which the transforms are filed; 0 files them beside the volume.
    :raises BadInput: the volume lies under a non-linear transform that is not ours.
    """
    earlier = registration_of(moving)
    own = earlier.linear.GetNodeReference(ROLE_EARLIER) if earlier is not None else moving.GetParentTransformNode()
    lies = np.eye(4)
    if own is not None:
        if not own.IsTransformToWorldLinear():
            raise BadInput(
                f"{moving.GetName()} lies under a non-linear transform; take it out of that transform, then register."
            )
        to_world = vtk.vtkMatrix4x4()
        own.GetMatrixTransformToWorld(to_world)
        lies = array_of(to_world)
    name = moving.GetName() or "moving image"
    linear = earlier.linear if earlier is not None else _new(scene, "vtkMRMLLinearTransformNode", f"{name} to CT")
    linear.SetMatrixTransformToParent(vtk_matrix(np.linalg.inv(spine) @ lies))
    linear.SetNodeReferenceID(ROLE_EARLIER, own.GetID() if own is not None else None)
    bend = earlier.grid if earlier is not None else None
    if displacements is None or grid is None:
        if bend is not None:
            linear.SetAndObserveTransformNodeID(None)
            scene.RemoveNode(bend)
        bend = None
    else:
        bend = bend or _new(scene, "vtkMRMLGridTransformNode", f"{name} bend")
        bend.SetAndObserveTransformFromParent(_grid_transform(grid, displacements))
        linear.SetAndObserveTransformNodeID(bend.GetID())
    for node in (moving, *also):
        _carry(node, linear, own)
    _file(scene, folder, moving, [item for item in (linear, bend) if item is not None])
    return RegistrationNodes(linear, bend)


def registration_of(moving: Any) -> RegistrationNodes | None:
    """The registration that a volume lies under; None when it lies under none of ours."""
    linear = moving.GetParentTransformNode()
    if linear is None or linear.GetAttribute(_KIND) is None:
        return None
    grid = linear.GetParentTransformNode()
    return RegistrationNodes(linear, grid if grid is not None and grid.GetAttribute(_KIND) is not None else None)


def remove_registration(scene: Any, moving: Any) -> None:
    """Take a registration away: everything it carried lies again as it did before."""
    nodes = registration_of(moving)
    if nodes is None:
        return
    own = nodes.linear.GetNodeReference(ROLE_EARLIER)
    count = nodes.linear.GetNumberOfNodeReferences(_MOVED)
    for node in [nodes.linear.GetNthNodeReference(_MOVED, n) for n in range(count)]:
        if node is not None and node.GetParentTransformNode() is nodes.linear:
            node.SetAndObserveTransformNodeID(own.GetID() if own is not None else None)
    for node in (nodes.linear, nodes.grid):
        if node is not None:
            scene.RemoveNode(node)


def _new(scene: Any, kind: str, name: str) -> Any:
    node = scene.AddNewNodeByClass(kind, name)
    node.SetAttribute(_KIND, "1")
    return node


def _carry(node: Any, linear: Any, own: Any) -> None:
    parent = node.GetParentTransformNode()
    if parent is linear:
        return
    if parent is not own:
        raise BadInput(
            f"{node.GetName()} does not lie under the same transform as the moving image; put it there first."
        )
    node.SetAndObserveTransformNodeID(linear.GetID())
    linear.AddNodeReferenceID(_MOVED, node.GetID())


def _grid_transform(grid: Grid, displacements: NDArray[np.float32]) -> Any:
    """vtkOrientedGridTransform in RAS: where the point of the parent's space comes from."""
    image = vtk.vtkImageData()
    image.SetDimensions(*grid.shape[::-1])
    image.SetOrigin(*grid.ijk_to_ras[:3, 3])
    image.SetSpacing(*grid.spacing)
    vectors = numpy_to_vtk(np.ascontiguousarray(displacements, dtype=np.float32).reshape(-1, 3), deep=True)
    vectors.SetName("displacement")
    image.GetPointData().SetScalars(vectors)
    directions = np.eye(4)
    directions[:3, :3] = grid.directions
    result = slicer.vtkOrientedGridTransform()
    result.SetDisplacementGridData(image)
    result.SetGridDirectionMatrix(vtk_matrix(directions))
    result.SetInterpolationModeToLinear()
    return result


def _file(scene: Any, folder: int, moving: Any, nodes: list[Any]) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    beside = hierarchy.GetItemByDataNode(moving)
    parent = folder or (hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID())
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, parent)
        else:
            hierarchy.CreateItem(parent, node)
