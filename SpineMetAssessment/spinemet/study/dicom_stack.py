"""Slices to a stack: sorted by position along the normal, on a grid that the positions really have.

SliceThickness and InstanceNumber are never used for geometry. What cannot be put on a regular grid is
refused with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Grid
from spinemet.study.dicom_files import DicomFile
from spinemet.study.roles import number

# Tolerances of ours. Positions in files are rounded to a hundredth of a millimeter or better.
SAME_POSITION_MM = 0.01
MISSING_SLICE_GAP = 1.5
"""A gap wider than this many times the median gap lacks a slice."""
UNEVEN_REFUSED = 0.25
UNEVEN_NOTED = 0.02
"""Distance of a slice from its even place, in slice distances."""
SIDEWAYS_REFUSED = 0.5
"""Distance of a slice from the stack's straight axis, in pixels."""
TILT_NOTED_DEG = 0.1
ORIENTATION_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order along the normal and the grid that they form."""

    files: tuple[DicomFile, ...]
    grid: Grid
    notes: tuple[str, ...]


def split_by_plane(files: Sequence[DicomFile]) -> list[list[DicomFile]]:
    """Files of one series in groups of equal matrix, pixel spacing and orientation."""
    groups: list[list[DicomFile]] = []
    for file in files:
        for group in groups:
            if _same_plane(group[0], file):
                group.append(file)
                break
        else:
            groups.append([file])
    return groups


def _same_plane(one: DicomFile, other: DicomFile) -> bool:
    if any(one.header.get(key) != other.header.get(key) for key in ("Rows", "Columns")):
        return False
    for keyword, count in (("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        a, b = _vector(one, keyword, count), _vector(other, keyword, count)
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None and not np.allclose(a, b, atol=ORIENTATION_TOLERANCE):
            return False
    return True


def stack_slices(files: Sequence[DicomFile], title: str) -> Stack:
    """Put the slices of one plane group in order.

    :param title: how to name the series in a sentence ("CT series 3").
    :raises BadInput: one slice only; position, orientation or spacing missing or impossible; a slice lacks;
        slices lie at the same position, unevenly or shifted sideways.
    """
    files, notes = _without_copies(files, title)
    if len(files) == 1:
        raise BadInput(f"{_capital(title)} has only one slice; a volume is needed, so export the whole series.")
    row, column, pitch = _plane(files[0], title)
    normal = np.cross(row, column)
    positions = np.array([_position(file, title) for file in files])
    order = np.argsort(positions @ normal, kind="stable")
    files, positions = [files[n] for n in order], positions[order]
    _require_distinct(positions @ normal, files, title)
    _require_complete(positions @ normal, files, title)
    step, origin, deviation = _fit(positions)
    notes += _evenness(deviation, normal, float(step @ normal), pitch, title)
    notes += _remarks(files[0], step, normal)
    matrix = np.eye(4)
    # Columns advance along a row (spacing between columns), rows along a column.
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = row * pitch[1], column * pitch[0], step, origin
    shape = (len(files), int(files[0].header.Rows), int(files[0].header.Columns))
    return Stack(tuple(files), Grid(shape, LPS_RAS @ matrix), tuple(notes))


def _without_copies(files: Sequence[DicomFile], title: str) -> tuple[list[DicomFile], list[str]]:
    seen: dict[str, DicomFile] = {}
    for file in files:
        seen.setdefault(file.sop_instance, file)
    copies = len(files) - len(seen)
    notes = [f"Left out: {copies} copies of files of the series."] if copies else []
    return list(seen.values()), notes


def _vector(file: DicomFile, keyword: str, count: int) -> NDArray[np.float64] | None:
    value = file.header.get(keyword)
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != count:
        return None
    numbers = [number(item) for item in value]
    return None if any(item is None for item in numbers) else np.array(numbers, dtype=float)


def _plane(file: DicomFile, title: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors along a row and a column (LPS), and the spacing between rows and between columns in mm."""
    cosines = _vector(file, "ImageOrientationPatient", 6)
    if cosines is None:
        raise BadInput(
            f"{_capital(title)} does not say how its slices are oriented; export it again as original DICOM."
        )
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > 0.01:
        raise BadInput(f"The orientation in the header of {title} is not a pair of perpendicular unit vectors.")
    row = row / lengths[0]
    column = column - row * (row @ column)
    pitch = _vector(file, "PixelSpacing", 2)
    if pitch is None or np.any(pitch <= 0):
        raise BadInput(f"{_capital(title)} has no pixel size, or one of zero; nothing can be measured in it.")
    return row, column / np.linalg.norm(column), pitch


def _position(file: DicomFile, title: str) -> NDArray[np.float64]:
    position = _vector(file, "ImagePositionPatient", 3)
    if position is None:
        raise BadInput(f'"{file.path.name}" in {title} does not say where its slice lies; export the series again.')
    return position


def _require_distinct(depth: NDArray[np.float64], files: Sequence[DicomFile], title: str) -> None:
    same = np.flatnonzero(np.diff(depth) < SAME_POSITION_MM)
    if not len(same):
        return
    places = len(depth) - len(same)
    if len(depth) % places == 0 and len(same) == len(depth) - places and places > 1:
        counts = np.diff(np.flatnonzero(np.r_[True, np.diff(depth) >= SAME_POSITION_MM, True]))
        if np.all(counts == counts[0]):
            raise BadInput(
                f"{_capital(title)} holds {counts[0]} images at each position (echoes, phases or time points); "
                "export one of them as its own series."
            )
    first = same[0]
    raise BadInput(
        f'In {title}, "{files[first].path.name}" and "{files[first + 1].path.name}" are different images at the same '
        "position; export the series again."
    )


def _require_complete(depth: NDArray[np.float64], files: Sequence[DicomFile], title: str) -> None:
    gaps = np.diff(depth)
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > MISSING_SLICE_GAP * usual)
    if len(wide):
        first = wide[0]
        more = f", and {len(wide) - 1} more gaps" if len(wide) > 1 else ""
        raise BadInput(
            f'{_capital(title)} lacks a slice between "{files[first].path.name}" and "{files[first + 1].path.name}" '
            f"({gaps[first]:.2f} mm apart instead of {usual:.2f} mm{more}); export the whole series again."
        )


def _fit(positions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Step and origin of the evenly spaced line through the positions (least squares), and the deviations."""
    index = np.arange(len(positions)) - (len(positions) - 1) / 2
    step = index @ positions / (index @ index)
    line = positions.mean(axis=0) + index[:, None] * step
    return step, line[0], positions - line


def _evenness(
    deviation: NDArray[np.float64],
    normal: NDArray[np.float64],
    distance: float,
    pitch: NDArray[np.float64],
    title: str,
) -> list[str]:
    along = np.abs(deviation @ normal)
    sideways = np.linalg.norm(deviation - np.outer(deviation @ normal, normal), axis=1)
    if along.max() > UNEVEN_REFUSED * distance:
        raise BadInput(
            f"The slices of {title} are unevenly spaced (up to {along.max():.2f} mm off at a distance of "
            f"{distance:.2f} mm); export it again as one regular volume."
        )
    if sideways.max() > SIDEWAYS_REFUSED * float(pitch.min()):
        raise BadInput(
            f"The slices of {title} are shifted sideways against each other by up to {sideways.max():.2f} mm; "
            "export it again as one regular volume."
        )
    if along.max() > max(UNEVEN_NOTED * distance, SAME_POSITION_MM):
        return [f"The slices are unevenly spaced: up to {along.max():.2f} mm off at {distance:.2f} mm."]
    return []


def _remarks(file: DicomFile, step: NDArray[np.float64], normal: NDArray[np.float64]) -> list[str]:
    notes = []
    distance = float(step @ normal)
    tilt = float(np.degrees(np.arccos(np.clip(distance / np.linalg.norm(step), -1, 1))))
    if tilt > TILT_NOTED_DEG:
        notes.append(f"Gantry tilt of {tilt:.1f}°: the voxel grid is sheared.")
    thickness = number(file.header.get("SliceThickness"))
    if thickness and abs(thickness - distance) > 0.05 * distance:
        notes.append(f"The slices lie {distance:.2f} mm apart, though SliceThickness says {thickness:.2f} mm.")
    if file.text("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("The header asks to show the image inverted (MONOCHROME1); the values are taken as stored.")
    return notes


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]
