"""Volume files: NIfTI, NRRD and MetaImage to Images and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput, OutputError
from spinemet.files import written_file
from spinemet.image import LPS_RAS, Grid, Image
from spinemet.study.nifti import is_nifti, read_voxels, require_valid_header

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


def is_volume_name(path: Path) -> bool:
    """Whether a file's name ends as that of a volume does."""
    return path.name.lower().endswith(SUFFIXES)


@dataclass(frozen=True, eq=False)
class VolumeInfo:
    """What a volume file says before its voxels are read.

    :param components: values a voxel; the layers of a .seg.nrrd.
    :param metadata: the file's own keys and values.
    """

    path: Path
    grid: Grid
    components: int
    metadata: dict[str, str]


def read_info(path: Path, *, components: bool = False) -> VolumeInfo:
    """Grid and metadata of a volume file.

    :param components: accept several values a voxel.
    :raises BadInput: unreadable, damaged, or not one volume of three dimensions.
    """
    reader = _reader(path)
    with _quiet():
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise _sentence(path, str(error)) from error
    size, spacing = list(reader.GetSize()), list(reader.GetSpacing())
    count = int(reader.GetNumberOfComponents())
    if len(size) == 4 and size[3] == 1:
        size, spacing = size[:3], spacing[:3]
    if len(size) != 3:
        shape = "×".join(str(n) for n in size)
        what = "a series of volumes" if len(size) > 3 else "a flat picture"
        raise BadInput(f"{path.name} is {what} ({shape}); choose a file with one volume of three dimensions.")
    if count != 1 and not components:
        raise BadInput(f"{path.name} has {count} values a voxel (colors or vectors); choose an image with one.")
    if min(size) < 2:
        raise BadInput(f"{path.name} has only one slice ({'×'.join(str(n) for n in size)}); a volume is needed.")
    if min(spacing) <= 0 or not np.all(np.isfinite(spacing)):
        raise BadInput(f"{path.name} has a voxel size of zero; nothing can be measured in it.")
    if is_nifti(path):
        require_valid_header(path)
    dimension = reader.GetDimension()
    direction = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    matrix = np.eye(4)
    matrix[:3, :3] = direction * np.array(spacing)
    matrix[:3, 3] = reader.GetOrigin()[:3]
    grid = Grid((size[2], size[1], size[0]), LPS_RAS @ matrix)
    return VolumeInfo(path, grid, count, {key: _text(reader.GetMetaData(key)) for key in reader.GetMetaDataKeys()})


def read_array(info: VolumeInfo) -> NDArray[Any]:
    """Voxels (k, j, i), or (k, j, i, component) when there are several values a voxel.

    :raises BadInput: damaged or cut short.
    """
    import SimpleITK as sitk

    if is_nifti(info.path):
        array = read_voxels(info.path)
        if array.shape != info.grid.shape:
            raise BadInput(f"{info.path.name} is damaged: its header contradicts itself.")
        return array
    reader = _reader(info.path)
    with _quiet():
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise _sentence(info.path, str(error)) from error
    array = np.asarray(sitk.GetArrayFromImage(image))
    return array[0] if array.ndim == 4 and info.components == 1 else array


def read_volume(info: VolumeInfo, *, frame: str = "", name: str = "") -> Image:
    """A scalar volume as an Image: whole numbers as int16 where they fit, else as stored; float32 for fractions.

    :raises BadInput: damaged, cut short, or with voxels that are not numbers.
    """
    array = read_array(info)
    if array.dtype.kind == "f":
        if not _all_finite(array):
            raise BadInput(
                f"{info.path.name} holds voxels that are not numbers (NaN or infinite); "
                "replace them (for CT by −1024) and save the file again."
            )
        array = array.astype(np.float32, copy=False)
    elif array.dtype.itemsize > 2 or array.dtype == np.uint16:
        low, high = int(array.min()), int(array.max())
        if low >= -32768 and high <= 32767:
            array = array.astype(np.int16)
        elif low >= -(2**31) and high < 2**31:
            array = array.astype(np.int32)
        else:
            raise BadInput(f"{info.path.name} holds values up to {high}, which no image of the body has.")
    return Image(array, info.grid.ijk_to_ras, frame=frame, name=name or info.path.name)


def _all_finite(array: NDArray[Any]) -> bool:
    return all(bool(np.isfinite(plane).all()) for plane in array)


def write_image(image: Image, path: str | os.PathLike[str]) -> None:
    """Write an image as .nii, .nii.gz, .nrrd or .mha; whole or not at all.

    :raises OutputError: the folder cannot be written, or the disk is full.
    :raises BadInput: the image's grid is sheared, which these files cannot hold.
    """
    write_sitk(image.to_sitk(), Path(path))


def write_sitk(volume: Any, path: Path) -> None:
    """Write a SimpleITK image by its file's suffix; whole or not at all. :raises OutputError: see `write_image`."""
    import SimpleITK as sitk

    if not path.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha")):
        raise OutputError(f'"{path.name}" has no suffix of an image; choose .nii.gz, .nrrd or .mha.')
    with written_file(path) as temporary, _quiet():
        try:
            sitk.WriteImage(volume, str(temporary), useCompression=not path.name.lower().endswith(".nii"))
            if is_nifti(path):
                read_voxels(temporary)
        except (RuntimeError, BadInput) as error:
            raise OutputError(
                f"{path} could not be written whole; the disk may be full: free space and run again."
            ) from error


def _reader(path: Path) -> Any:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    return reader


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ITK's warnings on the console; what matters is said in a sentence."""
    import SimpleITK as sitk

    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _sentence(path: Path, cause: str) -> BadInput:
    lowered = cause.lower()
    if not path.exists():
        return BadInput(f"{path} does not exist.")
    if "spacing" in lowered and "zero" in lowered:
        return BadInput(f"{path.name} has a voxel size of zero; nothing can be measured in it.")
    if "orthonormal" in lowered or "orthogonal" in lowered or "determinant" in lowered or "direction" in lowered:
        return BadInput(
            f"{path.name} has axes that are not perpendicular (a sheared matrix); resample it onto a straight grid."
        )
    return BadInput(f"{path.name} cannot be read as an image; it is damaged, cut short or of another kind.")
