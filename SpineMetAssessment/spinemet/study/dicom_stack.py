"""Frames to a stack: sorted by position along the normal, on a grid that the positions really have.

SliceThickness and InstanceNumber are never used for geometry. What cannot be put on a regular grid is
refused with the reason; it can still be laid out for viewing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Grid
from spinemet.study.frames import Frame, number
from spinemet.study.splitting import LONGEST_GAP, SAME_POSITION_MM, depths, usual_gap

# Tolerances of ours. Positions in files are rounded to a hundredth of a millimeter or better.
UNEVEN_REFUSED = 0.25
UNEVEN_NOTED = 0.02
"""Distance of a slice from its even place, in slice distances."""
SIDEWAYS_REFUSED = 0.5
"""Distance of a slice from the stack's straight axis, in pixels."""
TILT_NOTED_DEG = 0.1
STEEPEST_TILT_DEG = 45.0
"""No gantry tilts further; beyond, the positions contradict the orientation."""
PLAUSIBLE_PITCH_MM = (0.01, 20.0)
PLAUSIBLE_STEP_MM = (0.02, 100.0)
LARGEST_VOLUME = 1 << 32
"""Voxels; more are a damaged header, not an image."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in order along the normal and the grid that they form."""

    frames: tuple[Frame, ...]
    grid: Grid
    notes: tuple[str, ...]


def without_copies(frames: Sequence[Frame]) -> tuple[list[Frame], list[str]]:
    """One frame of each object, and how many copies were left out."""
    seen: dict[tuple[str, int], Frame] = {}
    for frame in frames:
        seen.setdefault((frame.file.sop_instance, frame.index), frame)
    copies = len(frames) - len(seen)
    return list(seen.values()), [f"Left out: {copies} copies of files of the series."] if copies else []


def stack_slices(frames: Sequence[Frame], title: str) -> Stack:
    """Put the frames of one part of a series in order.

    :param title: how to name the series in a sentence ("CT series 3").
    :raises BadInput: one slice only; position, orientation or spacing missing or impossible; a slice lacks;
        slices lie at the same position, unevenly or shifted sideways.
    """
    if len(frames) == 1:
        raise BadInput(f"{capital(title)} has only one slice; a volume is needed, so export the whole series.")
    row, column, pitch = _plane(frames[0], title)
    normal = np.cross(row, column)
    positions = np.array([_position(frame, title) for frame in frames])
    order = np.argsort(positions @ normal, kind="stable")
    frames, positions = [frames[n] for n in order], positions[order]
    _require_distinct(positions @ normal, frames, title)
    _require_complete(positions @ normal, frames, title)
    step, origin, deviation = _fit(positions)
    _require_plausible(step, normal, pitch, len(frames), frames[0], title)
    notes = _evenness(deviation, normal, float(step @ normal), pitch, title)
    notes += _remarks(frames[0], step, normal)
    matrix = np.eye(4)
    # Columns advance along a row (spacing between columns), rows along a column.
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = row * pitch[1], column * pitch[0], step, origin
    return Stack(tuple(frames), Grid((len(frames), *frames[0].shape), LPS_RAS @ matrix), tuple(notes))


def lay_out_for_viewing(frames: Sequence[Frame]) -> Stack:
    """Put frames in order as well as can be, on a grid that is good for looking at and for nothing else."""
    depth = depths(frames)
    if depth is not None:
        frames = [frames[n] for n in np.argsort(depth, kind="stable")]
    else:
        frames = sorted(frames, key=lambda frame: number(frame.get("InstanceNumber")) or 0.0)
    matrix = np.eye(4)
    try:
        row, column, pitch = _plane(frames[0], "the series")
    except BadInput:
        row, column, pitch = np.eye(3)[0], np.eye(3)[1], np.ones(2)
    step = 1.0
    if depth is not None and len(frames) > 1:
        gaps = np.diff(np.sort(depth))
        step = float(np.median(gaps[gaps >= SAME_POSITION_MM])) if np.any(gaps >= SAME_POSITION_MM) else 1.0
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = row * pitch[1], column * pitch[0], np.cross(row, column) * step
    if frames[0].position is not None:
        matrix[:3, 3] = frames[0].position
    grid = Grid((len(frames), *frames[0].shape), LPS_RAS @ matrix)
    return Stack(tuple(frames), grid, ("For viewing only: the slices' places are not those in the patient.",))


def _plane(frame: Frame, title: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors along a row and a column (LPS), and the spacing between rows and between columns in mm."""
    if frame.orientation is None:
        raise BadInput(f"{capital(title)} does not say how its slices are oriented; export the original series again.")
    row, column = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > 0.01:
        raise BadInput(f"The orientation in the header of {title} is not a pair of perpendicular unit vectors.")
    row = row / lengths[0]
    column = column - row * (row @ column)
    if frame.pitch is None or min(frame.pitch) <= 0:
        raise BadInput(f"{capital(title)} has no pixel size, or one of zero; nothing can be measured in it.")
    if min(frame.pitch) < PLAUSIBLE_PITCH_MM[0] or max(frame.pitch) > PLAUSIBLE_PITCH_MM[1]:
        raise BadInput(
            f"{capital(title)} has a pixel size of {frame.pitch[0]:g}×{frame.pitch[1]:g} mm, which no scanner has; "
            "nothing can be measured in it."
        )
    return row, column / np.linalg.norm(column), np.array(frame.pitch)


def _position(frame: Frame, title: str) -> tuple[float, ...]:
    if frame.position is None:
        raise BadInput(f"{capital(frame.where)} in {title} does not say where its slice lies; export it again.")
    return frame.position


def _require_plausible(
    step: NDArray[np.float64],
    normal: NDArray[np.float64],
    pitch: NDArray[np.float64],
    count: int,
    frame: Frame,
    title: str,
) -> None:
    distance = float(step @ normal)
    if not PLAUSIBLE_STEP_MM[0] <= distance <= PLAUSIBLE_STEP_MM[1]:
        raise BadInput(f"The slices of {title} lie {distance:g} mm apart, which no scan has; export the series again.")
    if _tilt(step, normal) > STEEPEST_TILT_DEG:
        raise BadInput(f"The slices of {title} do not advance across their plane; export it again as original DICOM.")
    if count * frame.shape[0] * frame.shape[1] > LARGEST_VOLUME:
        raise BadInput(f"{capital(title)} claims more voxels than any scan has; its header is damaged: copy it again.")


def _require_distinct(depth: NDArray[np.float64], frames: Sequence[Frame], title: str) -> None:
    same = np.flatnonzero(np.diff(depth) < SAME_POSITION_MM)
    if not len(same):
        return
    places = len(depth) - len(same)
    if places == 1:
        raise BadInput(
            f"All {len(depth)} slices of {title} lie at the same position, so it is no volume; "
            "export it again as original DICOM."
        )
    counts = np.diff(np.flatnonzero(np.r_[True, np.diff(depth) >= SAME_POSITION_MM, True]))
    if np.all(counts == counts[0]):
        raise BadInput(
            f"{capital(title)} holds {counts[0]} images at each position (echoes, phases or time points); "
            "export one of them as its own series."
        )
    first = same[0]
    raise BadInput(
        f"In {title}, {frames[first].where} and {frames[first + 1].where} are different images at the same "
        "position; export the series again."
    )


def _require_complete(depth: NDArray[np.float64], frames: Sequence[Frame], title: str) -> None:
    gaps = np.diff(depth)
    usual = usual_gap(gaps)
    wide = np.flatnonzero(gaps > LONGEST_GAP * usual)
    if len(wide):
        first = wide[0]
        more = f", and {len(wide) - 1} more gaps" if len(wide) > 1 else ""
        raise BadInput(
            f"{capital(title)} lacks a slice between {frames[first].where} and {frames[first + 1].where} "
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


def _tilt(step: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Angle in degrees between the direction in which the slices advance and their normal."""
    return float(np.degrees(np.arccos(np.clip(float(step @ normal) / np.linalg.norm(step), -1, 1))))


def _remarks(frame: Frame, step: NDArray[np.float64], normal: NDArray[np.float64]) -> list[str]:
    notes = []
    distance = float(step @ normal)
    tilt = _tilt(step, normal)
    if tilt > TILT_NOTED_DEG:
        notes.append(f"Gantry tilt of {tilt:.1f}°: the voxel grid is sheared.")
    thickness = number(frame.get("SliceThickness", "PixelMeasuresSequence"))
    if thickness and abs(thickness - distance) > 0.05 * distance:
        notes.append(f"The slices lie {distance:.2f} mm apart, though SliceThickness says {thickness:.2f} mm.")
    if frame.file.text("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("The header asks to show the image inverted (MONOCHROME1); the values are taken as stored.")
    return notes


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
