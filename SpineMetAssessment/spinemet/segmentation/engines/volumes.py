"""Images and label maps in the files that engines read and write: NIfTI, on one grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from spinemet.image import Image, storage_type
from spinemet.segmentation.engines.engine import EngineFailed


def write_input(image: Image, path: Path) -> None:
    """Write an image for an engine; its name and frame stay behind.

    :raises BadInput: the grid is sheared, which NIfTI cannot hold.
    """
    dtype = storage_type(image.array.dtype)
    if dtype.kind == "f":
        dtype = np.dtype(np.float32)
    plain = image.with_array(np.nan_to_num(image.array, posinf=0, neginf=0).astype(dtype, copy=False))
    sitk.WriteImage(plain.to_sitk(), str(path), useCompression=path.name.endswith(".gz"))


def read_output(path: Path, image: Image, title: str) -> NDArray[np.int32]:
    """The labels that an engine wrote, on the image's grid.

    :raises EngineFailed: no file, or none that is a label map of this image.
    """
    try:
        found = Image.from_sitk(sitk.ReadImage(str(path)), name="labels")
    except Exception as error:
        raise EngineFailed(f"{title} wrote no outlines; it may not have found a spine.") from error
    values = found.array
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise EngineFailed(f"{title} wrote something else than labels; check its version.")
    found = found.with_array(values.astype(np.int32))
    if not image.grid.matches(found.grid, tolerance_mm=0.5):
        found = found.resample(image.grid, nearest=True)
    return np.asarray(found.array, dtype=np.int32)
