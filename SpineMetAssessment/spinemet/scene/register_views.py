"""A registration as it is kept and looked at in the scene: its record, its motions by level, two images compared.

Key functions: `keep_record` and `kept_record`; `level_motions` for whoever carries levels over; `unregistered_image`;
`snapshot` and `restore` for undo; `Comparison` shows two images over each other in the slice views. Whatever is shown
here beside the user's volumes is derived, hidden from lists and not saved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.levels import Level
from spinemet.scene.cuts import slice_nodes
from spinemet.scene.roles import ROLE_TABLE
from spinemet.scene.transforms import ROLE_EARLIER, registration_of, remove_registration, show_registration
from spinemet.scene.volumes import array_of, image_data, ref_from_volume, voxels, vtk_matrix

ROLE_RECORD, ROLE_FIXED = "SpineMet.RegistrationRecord", "SpineMet.RegistrationFixed"
"""Reference roles of the linear transform: the text node with the record, and the fixed volume."""
DERIVED = "SpineMet.Comparison"
"""Attribute of volumes that exist only to be looked at."""
EDGE_COLOR = (1.0, 0.55, 0.0)
CHANGED_MM = 0.01
VIEWS = ("Red", "Yellow", "Green")

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A registration as it stood, to be put back.

    :param fixed: ID of the fixed volume.
    :param text: the record as JSON.
    """

    fixed: str
    text: str
    spine: Matrix
    grid: Grid | None
    displacements: NDArray[np.float32] | None


def keep_record(scene: Any, moving: Any, fixed: Any, record: dict[str, Any]) -> None:
    """Keep the record of the registration that `moving` lies under; it is saved with the scene.

    :param record: `RegistrationRecord.to_json`.
    """
    nodes = registration_of(moving)
    if nodes is None:
        raise BadInput(f"{moving.GetName()} is not registered; register it first.")
    text = nodes.linear.GetNodeReference(ROLE_RECORD)
    if text is None:
        text = scene.AddNewNodeByClass("vtkMRMLTextNode", f"{nodes.linear.GetName()} record")
        text.SetHideFromEditors(True)
        nodes.linear.SetNodeReferenceID(ROLE_RECORD, text.GetID())
    text.SetText(json.dumps(record, ensure_ascii=False))
    nodes.linear.SetNodeReferenceID(ROLE_FIXED, fixed.GetID())


def kept_record(moving: Any) -> dict[str, Any] | None:
    """The record of the registration that a volume lies under, as JSON values; None without one.

    :raises BadInput: the record is damaged.
    """
    text = _record_node(moving)
    if text is None:
        return None
    try:
        plain = json.loads(text.GetText() or "")
    except ValueError as error:
        raise BadInput(f"The registration of {moving.GetName()} is damaged; undo it and register again.") from error
    return plain if isinstance(plain, dict) else None


def fixed_of(moving: Any) -> Any:
    """The volume onto which a volume is registered, None without a registration."""
    nodes = registration_of(moving)
    return nodes.linear.GetNodeReference(ROLE_FIXED) if nodes is not None else None


def level_motions(scene: Any, parameter_node: Any, moving_volume: Any) -> dict[Level, Matrix]:
    """The 4×4 motion of every vertebra from the time point's reference image to a moving volume, RAS mm.

    Both as the images lie without the registration, so that what is measured in the moving image's own voxels can be
    told in the reference image. Empty where the volume is not registered onto the reference image of the time point.

    :param parameter_node: of the time point, wrapped or not.
    :raises BadInput: the transform was changed by hand since.
    """
    node = getattr(parameter_node, "parameterNode", parameter_node)
    plain = kept_record(moving_volume)
    if plain is None or fixed_of(moving_volume) is not node.GetNodeReference("referenceVolume"):
        return {}
    require_unchanged(moving_volume)
    return {Level.parse(row["level"]): np.array(row["matrix"], dtype=float) for row in plain.get("vertebrae", ())}


def require_unchanged(moving: Any) -> None:
    """:raises BadInput: the linear transform no longer is what the record says."""
    nodes, plain = registration_of(moving), kept_record(moving)
    if nodes is None or plain is None:
        return
    expected = np.linalg.inv(np.array(plain["spine"], dtype=float)) @ lies(moving)
    now = vtk.vtkMatrix4x4()
    nodes.linear.GetMatrixTransformToParent(now)
    if np.abs(array_of(now) - expected).max() > CHANGED_MM:
        raise BadInput(
            f"The transform {nodes.linear.GetName()} was changed since the registration; undo or register again."
        )


def lies(moving: Any) -> Matrix:
    """4×4: how the user's own transforms place a volume in the world, without our registration.

    :raises BadInput: they are not linear.
    """
    nodes = registration_of(moving)
    own = moving.GetParentTransformNode() if nodes is None else nodes.linear.GetNodeReference(ROLE_EARLIER)
    if own is None:
        return np.eye(4)
    if not own.IsTransformToWorldLinear():
        raise BadInput(f"{moving.GetName()} lies under a non-linear transform; take it out of it, then register.")
    matrix = vtk.vtkMatrix4x4()
    own.GetMatrixTransformToWorld(matrix)
    return array_of(matrix)


def unregistered_image(moving: Any) -> Image:
    """A volume as it lies without our registration; the array is the node's own.

    :raises BadInput: no voxels, several components, or a non-linear transform of the user's.
    """
    data = moving.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None or data.GetNumberOfScalarComponents() != 1:
        raise BadInput(f"{moving.GetName()} holds no image with one value in each voxel; choose another series.")
    matrix = vtk.vtkMatrix4x4()
    moving.GetIJKToRASMatrix(matrix)
    ref = ref_from_volume(moving)
    return Image(
        voxels(data),
        lies(moving) @ array_of(matrix),
        frame=ref.frame if ref is not None else "",
        name=moving.GetName() or "The moving image",
    )


def bend_of(moving: Any) -> tuple[Grid, NDArray[np.float32]] | None:
    """Grid and displacements (k, j, i, 3) RAS mm of the registration's bend; None where there is none."""
    nodes = registration_of(moving)
    if nodes is None or nodes.grid is None:
        return None
    transform = nodes.grid.GetTransformFromParent()
    data = transform.GetDisplacementGrid()
    matrix = array_of(transform.GetGridDirectionMatrix())
    matrix[:3, :3] = matrix[:3, :3] * np.array(data.GetSpacing())
    matrix[:3, 3] = data.GetOrigin()
    shape = data.GetDimensions()[::-1]
    vectors = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(*shape, 3)
    return Grid(shape, matrix), vectors


def snapshot(moving: Any) -> Snapshot | None:
    """The registration of a volume as it stands, None without one."""
    plain, fixed = kept_record(moving), fixed_of(moving)
    if plain is None or fixed is None:
        return None
    grid, displacements = bend_of(moving) or (None, None)
    return Snapshot(fixed.GetID(), json.dumps(plain), np.array(plain["spine"], dtype=float), grid, displacements)


def restore(scene: Any, moving: Any, before: Snapshot | None, also: Iterable[Any] = ()) -> None:
    """Put a registration back as it stood; None takes it away."""
    fixed = scene.GetNodeByID(before.fixed) if before is not None else None
    if before is None or fixed is None:
        text = _record_node(moving)
        remove_registration(scene, moving)
        if text is not None:
            scene.RemoveNode(text)
        return
    show_registration(scene, moving, before.spine, grid=before.grid, displacements=before.displacements, also=also)
    keep_record(scene, moving, fixed, json.loads(before.text))


def folder_of(scene: Any, parameter_node: Any) -> int:
    """The subject-hierarchy folder of a time point's results, 0 while there is none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    table = parameter_node.GetNodeReference(ROLE_TABLE)
    item = hierarchy.GetItemByDataNode(table) if hierarchy is not None and table is not None else 0
    parent = hierarchy.GetItemParent(item) if item else 0
    return int(parent) if parent and hierarchy.GetItemLevel(parent) == "Folder" else 0


class Comparison:
    """Two images over each other in the CT's slice views; `close` puts back what was there.

    Lives as long as it is shown: close it before the scene closes.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._before = {layers.GetID(): _layers(layers) for layers in _composites(scene)}
        self._derived: list[str] = []

    def show(self, fixed: Any, other: Any, opacity: float = 0.5, labels: Any = None) -> None:
        """Put `other` over the fixed image, and a label map over both."""
        for layers in _composites(self._scene):
            was_modifying = layers.StartModify()
            layers.SetBackgroundVolumeID(fixed.GetID())
            layers.SetForegroundVolumeID(other.GetID() if other is not None else None)
            layers.SetForegroundOpacity(opacity)
            layers.SetLabelVolumeID(labels.GetID() if labels is not None else None)
            layers.SetLabelOpacity(1.0)
            layers.EndModify(was_modifying)

    def set_opacity(self, opacity: float) -> None:
        """Of the upper image, 0 to 1."""
        for layers in _composites(self._scene):
            layers.SetForegroundOpacity(opacity)

    def unregistered(self, moving: Any) -> Any:
        """A second node on the same voxels as the moving volume, where the headers put it."""
        node = self._add("vtkMRMLScalarVolumeNode", f"{moving.GetName()} before")
        matrix = vtk.vtkMatrix4x4()
        moving.GetIJKToRASMatrix(matrix)
        node.SetIJKToRASMatrix(vtk_matrix(lies(moving) @ array_of(matrix)))
        node.SetAndObserveImageData(moving.GetImageData())
        display = moving.GetDisplayNode()
        if display is not None:
            node.GetDisplayNode().CopyContent(display)
        return node

    def volume(self, array: NDArray[Any], grid: Grid, name: str) -> Any:
        """A derived gray volume of 8 bits (k, j, i)."""
        node = self._add("vtkMRMLScalarVolumeNode", name)
        self._fill(node, array, grid)
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevel(255, 127.5)
        return node

    def label_volume(self, array: NDArray[Any], grid: Grid, name: str) -> Any:
        """A derived label map (k, j, i) whose 1 is shown in `EDGE_COLOR`."""
        node = self._add("vtkMRMLLabelMapVolumeNode", name)
        self._fill(node, array, grid)
        colors = self._add("vtkMRMLColorTableNode", f"{name} color")
        colors.SetTypeToUser()
        colors.SetNumberOfColors(2)
        colors.SetColor(0, "nothing", 0.0, 0.0, 0.0, 0.0)
        colors.SetColor(1, "edge", *EDGE_COLOR, 1.0)
        node.GetDisplayNode().SetAndObserveColorNodeID(colors.GetID())
        return node

    def close(self) -> None:
        """Put back what the views showed, and remove what was derived."""
        for key, (background, foreground, opacity, labels, label_opacity) in self._before.items():
            layers = self._scene.GetNodeByID(key)
            if layers is None:
                continue
            was_modifying = layers.StartModify()
            layers.SetBackgroundVolumeID(background)
            layers.SetForegroundVolumeID(foreground)
            layers.SetForegroundOpacity(opacity)
            layers.SetLabelVolumeID(labels)
            layers.SetLabelOpacity(label_opacity)
            layers.EndModify(was_modifying)
        self._before = {}
        for key in self._derived:
            node = self._scene.GetNodeByID(key)
            if node is not None:
                self._scene.RemoveNode(node)
        self._derived = []

    def _add(self, kind: str, name: str) -> Any:
        node = self._scene.CreateNodeByClass(kind)
        # The scene keeps its own reference from AddNode on.
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetAttribute(DERIVED, "1")
        node = self._scene.AddNode(node)
        self._derived.append(node.GetID())
        if node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
            display = node.GetDisplayNode()
            display.SetSaveWithScene(False)
            self._derived.append(display.GetID())
        return node

    def _fill(self, node: Any, array: NDArray[Any], grid: Grid) -> None:
        node.SetIJKToRASMatrix(vtk_matrix(grid.ijk_to_ras))
        node.SetAndObserveImageData(image_data(array))


def window_of(volume: Any) -> tuple[float, float]:
    """The values that the volume's display shows black and white."""
    display = volume.GetDisplayNode()
    if display is None:
        low, high = volume.GetImageData().GetScalarRange()
        return float(low), float(high)
    half = display.GetWindow() / 2
    return float(display.GetLevel() - half), float(display.GetLevel() + half)


def outside_value(moving: Any) -> float:
    """What lies outside an image: air in CT, nothing elsewhere."""
    ref = ref_from_volume(moving)
    return -1024.0 if ref is not None and ref.role is Role.CT else 0.0


def _record_node(moving: Any) -> Any:
    nodes = registration_of(moving)
    return nodes.linear.GetNodeReference(ROLE_RECORD) if nodes is not None else None


def _composites(scene: Any) -> list[Any]:
    """The layers of the CT's slice views that exist."""
    names = {node.GetLayoutName() for node in slice_nodes(scene, None)} & set(VIEWS)
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    found = [scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode") for index in range(count)]
    return [layers for layers in found if layers.GetLayoutName() in names]


def _layers(layers: Any) -> tuple[str | None, str | None, float, str | None, float]:
    return (
        layers.GetBackgroundVolumeID(),
        layers.GetForegroundVolumeID(),
        layers.GetForegroundOpacity(),
        layers.GetLabelVolumeID(),
        layers.GetLabelOpacity(),
    )
