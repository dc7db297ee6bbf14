"""Voxels of NIfTI files, read to the last byte and checked.

ITK's NIfTI reader returns zeros where a file is cut short, and its writer says nothing on a full disk. So the
voxels are read here, through gzip with its checksum; ITK still gives the geometry.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_CHUNK = 1 << 24
_DAMAGE = (gzip.BadGzipFile, zlib.error, EOFError, struct.error)


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    slope: float
    intercept: float


def is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def require_valid_header(path: Path) -> None:
    """Check what ITK lets pass: a voxel size of zero becomes one millimeter there.

    :raises BadInput: not a NIfTI file, damaged, no scalar numbers, or a voxel size of zero.
    """
    try:
        with _opened(path) as stream:
            _header(stream, path)
    except _DAMAGE as error:
        raise _damaged(path) from error


def read_voxels(path: Path) -> NDArray[Any]:
    """Voxels (k, j, i) of a NIfTI file with one volume, with its scale factors applied.

    :raises BadInput: damaged, cut short, no scalar numbers, or not one volume of three dimensions.
    """
    try:
        with _opened(path) as stream:
            header = _header(stream, path)
            if len(header.shape) != 3:
                size = "×".join(str(n) for n in header.shape)
                raise BadInput(f"{path.name} holds {size} values; choose a file with one volume of three dimensions.")
            array = np.empty(header.shape[::-1], dtype=header.dtype)
            stream.seek(header.start)
            _fill(stream, array, path)
            # The checksum of gzip is only compared at the end of the file.
            while stream.read(_CHUNK):
                pass
    except _DAMAGE as error:
        raise _damaged(path) from error
    if (header.slope, header.intercept) != (1.0, 0.0):
        return np.asarray(array * header.slope + header.intercept)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _header(stream: BinaryIO, path: Path) -> _Header:
    start = stream.read(4)
    for order in "<>":
        size = struct.unpack(order + "i", start)[0]
        if size == 348:
            raw = start + stream.read(344)
            dims = struct.unpack_from(order + "8h", raw, 40)
            kind = struct.unpack_from(order + "h", raw, 70)[0]
            offset, slope, intercept = struct.unpack_from(order + "3f", raw, 108)
            spacing = struct.unpack_from(order + "3f", raw, 80)
            break
        if size == 540:
            raw = start + stream.read(536)
            kind = struct.unpack_from(order + "h", raw, 12)[0]
            dims = struct.unpack_from(order + "8q", raw, 16)
            offset, slope, intercept = struct.unpack_from(order + "q2d", raw, 168)
            spacing = struct.unpack_from(order + "3d", raw, 112)
            break
    else:
        raise BadInput(f"{path.name} is not a NIfTI file, whatever its name says.")
    if kind not in _TYPES or not 1 <= dims[0] <= 7:
        raise BadInput(
            f"{path.name} holds colors, vectors or complex numbers; choose an image with one value a voxel."
        )
    if not all(np.isfinite(size) and size != 0 for size in spacing):
        raise BadInput(f"{path.name} has a voxel size of zero; nothing can be measured in it.")
    shape = [int(n) for n in dims[1 : dims[0] + 1]]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if any(n < 1 for n in shape) or not np.isfinite(offset):
        raise _damaged(path)
    used = bool(np.isfinite(slope) and np.isfinite(intercept) and slope != 0)
    return _Header(
        np.dtype(order + _TYPES[kind]),
        tuple(shape),
        int(offset),
        float(slope) if used else 1.0,
        float(intercept) if used else 0.0,
    )


def _fill(stream: BinaryIO, array: NDArray[Any], path: Path) -> None:
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    done = 0
    while done < len(view):
        count = stream.readinto(view[done : done + _CHUNK])  # type: ignore[attr-defined]
        if not count:
            raise BadInput(f"{path.name} is cut short: it holds {done} of {len(view)} bytes of voxels; copy it again.")
        done += count


def _damaged(path: Path) -> BadInput:
    return BadInput(f"{path.name} is damaged or cut short; copy it again from where it came.")
