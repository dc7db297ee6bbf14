"""Images to volume nodes and back; identity travels in node attributes `SpineMet.*`, never in names."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import get_vtk_array_type, numpy_to_vtk, vtk_to_numpy

from spinemet.case import ImageRef, Role
from spinemet.errors import BadInput
from spinemet.image import Grid, Image, storage_type
from spinemet.serialize import from_plain, to_plain

ATTRIBUTE_PREFIX = "SpineMet."
BONE_WINDOW_HU = (1800.0, 400.0)
"""Width and center of the display of CT; a common bone window, our own choice."""


def volume_from_image(scene: Any, image: Image, ref: ImageRef | None = None, name: str = "") -> Any:
    """Add a volume node with a copy of the image's voxels, under the image's own matrix.

    :param ref: what the image is; kept in the node's attributes.
    :param name: the node's name, free of PHI; by default the role and the date.
    :raises BadInput: the grid is sheared (gantry tilt), or MRML has no such voxel type.
    """
    if image.grid.is_sheared:
        raise BadInput(f"{image.name} has a sheared grid (gantry tilt); resample it onto a straight grid first.")
    data = image_data(_storable(image))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name or _default_name(ref))
    node.SetIJKToRASMatrix(vtk_matrix(image.ijk_to_ras))
    node.SetAndObserveImageData(data)
    set_ref(node, ref or ImageRef(key=image.name, role=Role.UNKNOWN, frame=image.frame or image.name))
    node.CreateDefaultDisplayNodes()
    if ref is not None and ref.role is Role.CT:
        display = node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(*BONE_WINDOW_HU)
    return node


def image_from_volume(node: Any, grid: Grid | None = None) -> Image:
    """The node's voxels as an Image in the world; the array is the node's own, not a copy.

    Linear parent transforms are composed into the matrix: what is measured is measured in the world.

    :param grid: onto which grid to resample; needed under a non-linear transform, and best a small crop.
    :raises BadInput: no voxels, several components, or a non-linear transform without a `grid`.
    """
    name = node.GetName() or "The volume"
    data = node.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None:
        raise BadInput(f"{name} holds no voxels; load it again or choose another volume.")
    if data.GetNumberOfScalarComponents() != 1:
        raise BadInput(f"{name} is a color or vector volume; choose a volume with one value in each voxel.")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ref = ref_from_volume(node)
    local = Image(voxels(data), array_of(matrix), frame=ref.frame if ref else "", name=name)
    parent = node.GetParentTransformNode()
    if parent is None or parent.IsTransformToWorldLinear():
        world = Image(local.array, matrix_to_world(node) @ local.ijk_to_ras, frame=local.frame, name=name)
        return world.resample(grid) if grid is not None else world
    if grid is None:
        raise BadInput(f"{name} lies under a non-linear transform; measure a region of it, or the volume without it.")
    return _resample_under(parent, local, grid)


def ref_from_volume(node: Any) -> ImageRef | None:
    """What the volume is, from its attributes; None when SpineMet has not named it."""
    if node.GetAttribute(_attribute("key")) is None:
        return None
    texts = tuple((name, node.GetAttribute(attribute)) for name, attribute in _ATTRIBUTES)
    return _ref_of(texts, node.GetName())


@lru_cache(maxsize=64)
def _ref_of(texts: tuple[tuple[str, str | None], ...], name: str) -> ImageRef:
    plain: dict[str, Any] = {key: text for key, text in texts if text is not None}
    if "kvp" in plain:
        plain["kvp"] = float(plain["kvp"])
    if "contrast" in plain:
        plain["contrast"] = plain["contrast"] == "True"
    return from_plain(ImageRef, plain, name)


def set_ref(node: Any, ref: ImageRef) -> None:
    """Write what the volume is into its attributes."""
    for name, value in to_plain(ref).items():
        if value is None:
            node.RemoveAttribute(_attribute(name))
        else:
            node.SetAttribute(_attribute(name), str(value))


def matrix_to_world(node: Any) -> NDArray[np.float64]:
    """4×4 RAS matrix from the node's own coordinates to the world, over all its parent transforms.

    :raises BadInput: a parent transform is not linear.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise BadInput(f"{node.GetName()} lies under a non-linear transform; take it out of that transform first.")
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return array_of(matrix)


def image_data(array: NDArray[Any], kind: Any = None) -> Any:
    """vtkImageData (or the `kind` given) with a copy of a (k, j, i) array, without geometry."""
    data = (kind or vtk.vtkImageData)()
    data.SetDimensions(*array.shape[::-1])
    scalars = numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    data.GetPointData().SetScalars(scalars)
    return data


def voxels(data: Any) -> NDArray[Any]:
    """The voxels of a vtkImageData as a (k, j, i) view."""
    return np.asarray(vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1]))


def vtk_matrix(array: NDArray[np.float64]) -> Any:
    """A 4×4 array as vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, dtype=float).ravel())
    return matrix


def array_of(matrix: Any) -> NDArray[np.float64]:
    """A vtkMatrix4x4 as a 4×4 array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _storable(image: Image) -> NDArray[Any]:
    """The voxels in a type that scene files hold."""
    dtype = storage_type(image.array.dtype)
    try:
        get_vtk_array_type(dtype)
    except TypeError as error:
        raise BadInput(f"{image.name} holds voxels of type {dtype}, which a scene cannot hold.") from error
    if dtype.kind in "iu" and dtype.itemsize < image.array.dtype.itemsize:
        limits = np.iinfo(dtype)
        if image.array.min() < limits.min or image.array.max() > limits.max:
            raise BadInput(f"{image.name} holds whole numbers beyond 32 bits; convert it to a smaller type first.")
    return image.array.astype(dtype, copy=False)


def _resample_under(parent: Any, local: Image, grid: Grid) -> Image:
    """Resample onto a world grid through the inverse of a transform of any kind."""
    from_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, parent, from_world)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    world = vtk.vtkPoints()
    world.SetData(numpy_to_vtk(grid.to_world(np.stack([i, j, k], axis=-1).reshape(-1, 3)), deep=True))
    inside = vtk.vtkPoints()
    inside.SetDataTypeToDouble()
    from_world.TransformPoints(world, inside)
    values = local.sample(vtk_to_numpy(inside.GetData()).reshape(*grid.shape, 3), outside=0.0)
    if local.array.dtype.kind in "iu":
        values = np.rint(values)
    return Image(values.astype(local.array.dtype), grid.ijk_to_ras, frame=local.frame, name=local.name)


def _attribute(field_name: str) -> str:
    """ "series_uid" as "SpineMet.SeriesUid"."""
    return ATTRIBUTE_PREFIX + "".join(word.capitalize() for word in field_name.split("_"))


_ATTRIBUTES = tuple((item.name, _attribute(item.name)) for item in fields(ImageRef))
"""Fields of an ImageRef, each with the attribute that holds it."""


def _default_name(ref: ImageRef | None) -> str:
    return "Image" if ref is None else " ".join(filter(None, (ref.role.value, ref.date)))
