"""NIfTI-1 files (.nii.gz), compressed fast and the same byte for byte every time."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from spinemet.image import Image
from spinemet.phantom.solids import Array

_CODES = {"u1": 2, "i2": 4, "f4": 16, "u2": 512}
_SCANNER = 1


def write_nifti(image: Image, path: Path) -> None:
    """Write an image; SimpleITK's writer compresses harder, takes several times as long, and puts in the time.

    :raises KeyError: voxels that are not uint8, int16, uint16 or float32.
    """
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as file:
        file.write(_header(image) + bytes(4))
        for plane in image.array:
            file.write(np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("<")).data)


def _header(image: Image) -> bytes:
    dtype = image.array.dtype
    matrix = image.ijk_to_ras
    sign, (b, c, d) = _quaternion(image.grid.directions)
    size = image.shape[::-1]
    fields = struct.pack("<i36x", 348)
    fields += struct.pack("<8h", 3, *size, 1, 1, 1, 1)
    fields += struct.pack("<3f4h", 0, 0, 0, 0, _CODES[f"{dtype.kind}{dtype.itemsize}"], dtype.itemsize * 8, 0)
    fields += struct.pack("<8f", sign, *image.spacing, 0, 0, 0, 0)
    fields += struct.pack("<3fhBB4f2i", 352, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)
    fields += struct.pack("<80s24s2h", b"SpineMet phantom", b"", _SCANNER, _SCANNER)
    fields += struct.pack("<6f", b, c, d, *matrix[:3, 3])
    fields += struct.pack("<12f16s4s", *matrix[:3].ravel(), b"", b"n+1\0")
    assert len(fields) == 348, "a NIfTI-1 header has 348 bytes"
    return fields


def _quaternion(directions: Array) -> tuple[float, tuple[float, float, float]]:
    """NIfTI's qfac and quaternion (b, c, d) of a rotation, perhaps mirrored along k."""
    rotation = directions.copy()
    sign = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    rotation[:, 2] *= sign
    b, c, d, a = Rotation.from_matrix(rotation).as_quat()
    flip = -1.0 if a < 0 else 1.0
    return sign, (float(b * flip), float(c * flip), float(d * flip))
