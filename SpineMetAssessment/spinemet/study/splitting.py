"""Frames of one series to stacks: parted by plane, and by echo, b-value, time and so on where positions repeat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from spinemet.study.frames import Frame, number

ORIENTATION_TOLERANCE = 1e-3
"""How far direction cosines and pixel spacings in mm of one stack may differ (ours)."""
SAME_POSITION_MM = 0.01
DIMENSIONS = 6
"""Dimensions of an enhanced object that are looked at; none in use has more (ours)."""
LONGEST_GAP = 1.5
"""A gap wider than this many times the usual gap lacks a slice (ours)."""


@dataclass(frozen=True, eq=False)
class Part:
    """Frames that may form one stack.

    :param traits: what they share and the rest of the series does not: ("echo time", "30 ms").
    """

    frames: list[Frame]
    traits: tuple[tuple[str, str], ...] = ()


def split(frames: Sequence[Frame]) -> list[Part]:
    """The stacks of one series, the largest first."""
    parts: list[Part] = []
    for group in _by_plane(frames):
        parts += _split_repeated(Part(group))
    done: list[Part] = []
    for part in parts:
        done += _split_stations(part)
    return sorted(done, key=lambda part: len(part.frames), reverse=True)


def _by_plane(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of equal matrix, pixel spacing and orientation; localizers apart from the rest."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            if _same_plane(group[0], frame):
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _same_plane(one: Frame, other: Frame) -> bool:
    return (
        one.shape == other.shape
        and _alike(one.orientation, other.orientation)
        and _alike(one.pitch, other.pitch)
        and ("LOCALIZER" in one.image_type) == ("LOCALIZER" in other.image_type)
    )


def _alike(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None or one == other:
        return one == other
    return all(abs(a - b) <= ORIENTATION_TOLERANCE for a, b in zip(one, other, strict=True))


def depths(frames: Sequence[Frame]) -> np.ndarray | None:
    """Positions along the normal in mm; None when a frame does not say where it lies."""
    first = frames[0].orientation
    if first is None or any(frame.position is None for frame in frames):
        return None
    normal = np.cross(first[:3], first[3:])
    return np.asarray(np.array([frame.position for frame in frames]) @ normal)


def _repeats(frames: Sequence[Frame]) -> int:
    """How many frames lie where another one lies."""
    depth = depths(frames)
    return 0 if depth is None else int(np.sum(np.diff(np.sort(depth)) < SAME_POSITION_MM))


Trait = Callable[[Frame], Hashable]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _direction(frame: Frame) -> Hashable:
    found = frame.diffusion_direction
    return None if found is None else tuple(round(x, 3) for x in found)


def _text(keyword: str, *sequences: str) -> Trait:
    return lambda frame: None if frame.get(keyword, *sequences) is None else str(frame.get(keyword, *sequences))


def _dimension(n: int) -> Trait:
    def value(frame: Frame) -> Hashable:
        found = frame.get("DimensionIndexValues", "FrameContentSequence")
        return found[n] if isinstance(found, list) and n < len(found) else None

    return value


TRAITS: tuple[tuple[str, str, Trait], ...] = (
    ("stack", "", _text("StackID", "FrameContentSequence")),
    ("image type", "", lambda frame: "\\".join(frame.image_type[2:])),
    ("complex component", "", _text("ComplexImageComponent", "MRImageFrameTypeSequence")),
    ("echo time", " ms", lambda frame: _rounded(frame.echo_time)),
    ("b-value", " s/mm²", lambda frame: _rounded(frame.b_value)),
    ("gradient direction", "", _direction),
    ("inversion time", " ms", lambda frame: _rounded(frame.inversion_time)),
    ("time point", "", _text("TemporalPositionIdentifier")),
    ("time point", "", _text("TemporalPositionIndex", "FrameContentSequence")),
    ("trigger time", " ms", lambda frame: _rounded(number(frame.get("TriggerTime")))),
    ("flip angle", "°", lambda frame: _rounded(number(frame.get("FlipAngle")))),
    ("acquisition", "", _text("AcquisitionNumber")),
    ("acquisition", "", _text("FrameAcquisitionNumber", "FrameContentSequence")),
    ("kernel", "", _text("ConvolutionKernel", "CTReconstructionSequence")),
    ("frame of reference", "", _text("FrameOfReferenceUID")),
    ("date", "", _text("AcquisitionDate")),
    ("acquisition time", "", _text("AcquisitionTime")),
    ("series time", "", _text("SeriesTime")),
    *((f"dimension {n + 1}", "", _dimension(n)) for n in range(DIMENSIONS)),
)


def _split_repeated(part: Part) -> list[Part]:
    """Part at the first trait that leaves fewer frames at the place of another."""
    before = _repeats(part.frames)
    if not before:
        return [part]
    for name, unit, trait in TRAITS:
        groups = _grouped(part.frames, trait)
        if len(groups) < 2 or _splinters(part.frames, groups.values()):
            continue
        if sum(_repeats(group) for group in groups.values()) < before:
            return [
                piece
                for value, group in groups.items()
                for piece in _split_repeated(Part(group, (*part.traits, (name, _shown(value, unit)))))
            ]
    return [part]


def _shown(value: Hashable, unit: str) -> str:
    if value is None:
        return "not given"
    return f"{value:g}{unit}" if isinstance(value, float) else f"{value}{unit}"


def _grouped(frames: Sequence[Frame], trait: Trait) -> dict[Hashable, list[Frame]]:
    groups: dict[Hashable, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[trait(frame)].append(frame)
    return dict(groups)


def _splinters(frames: Sequence[Frame], groups: object) -> bool:
    """Whether a trait only tears a volume into single slices, as times that differ slice by slice do."""
    depth = depths(frames)
    places = 1 if depth is None else 1 + int(np.sum(np.diff(np.sort(depth)) >= SAME_POSITION_MM))
    return places > 1 and all(len(group) < 2 for group in groups)  # type: ignore[attr-defined]


def _split_stations(part: Part) -> list[Part]:
    """Part a stack with gaps where its acquisitions or stacks are each without one (slabs on several levels)."""
    if _even(part.frames):
        return [part]
    for name, keywords in (
        ("stack", ("StackID", "FrameContentSequence")),
        ("acquisition", ("AcquisitionNumber",)),
        ("acquisition", ("FrameAcquisitionNumber", "FrameContentSequence")),
    ):
        groups = _grouped(part.frames, _text(*keywords))
        if len(groups) > 1 and all(len(group) > 1 and _even(group) for group in groups.values()):
            return [Part(group, (*part.traits, (name, _shown(value, "")))) for value, group in groups.items()]
    return [part]


def _even(frames: Sequence[Frame]) -> bool:
    depth = depths(frames)
    if depth is None or len(depth) < 3:
        return True
    gaps = np.diff(np.sort(depth))
    return bool(gaps.max() <= LONGEST_GAP * max(usual_gap(gaps), SAME_POSITION_MM))


def usual_gap(gaps: np.ndarray) -> float:
    """The lower median: of gaps of 2 and 4 mm the usual one is 2, since slices get lost and never added."""
    return float(np.sort(gaps)[(len(gaps) - 1) // 2])
