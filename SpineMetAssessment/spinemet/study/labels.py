"""Label maps in and out: vertebrae, canal, cord and lesions outlined by people or other programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, Region
from spinemet.study.lattice import on_grid
from spinemet.study.numbering import (
    WHOLE_SACRUM,
    WIDE_RATIO,
    Numbering,
    detect,
    distance_ratio,
    numbering_named,
    possible_numberings,
    require_fit,
)
from spinemet.study.segments import Segment, read_segments, segment_metadata
from spinemet.study.unedited import header_of, marks_of_labels
from spinemet.study.volumes import VolumeInfo, is_volume_name, read_array, read_info, write_sitk

# A second piece of a vertebra is a doubled label, not a splinter or a detached arch, when it has this share of the
# largest piece and lies this far from it (ours).
DOUBLED_SHARE = 0.2
DOUBLED_GAP_MM = 20.0
FRAGMENT_SHARE = 0.01
MOST_LABELS = 300
"""No numbering has this many structures; a file with more values is an image (ours)."""


def read_labels(
    path: str | os.PathLike[str],
    reference: Image | None = None,
    numbering: str | None = None,
    structure: Structure | None = None,
) -> LabelMap:
    """Outlined vertebrae (and canal, cord, discs, as far as the file has them).

    :param path: NIfTI, NRRD, MetaImage or .seg.nrrd.
    :param reference: image on whose grid the labels must lie; axes in another order or direction are turned.
    :param numbering: "TotalSegmentator", "VerSe" or "TotalSpineSeg"; None finds it and says so.
    :param structure: read every value as this structure instead (a cord or canal mask); no numbering is needed.
    :raises GridMismatch: the labels lie on another grid than `reference`.
    :raises BadInput: unreadable, no label map, unknown numbers, more than one possible numbering, or a level twice.
    """
    file = _existing(path)
    info = read_info(file, components=True)
    segments = read_segments(info.metadata, file.name)
    if segments:
        picked = [item for item in segments if item.outline and item.outline.structure is not Structure.LESION]
        if structure is not None:
            matching = [item for item in picked if item.outline and item.outline.structure is structure]
            picked = matching or [_as(item, structure) for item in segments]
        return _from_segments(info, segments, picked, reference, require_levels=structure is None)
    image = _plain_labels(info, reference)
    values = _values(image.array)
    if not values:
        raise BadInput(f"{file.name} is an empty label map; choose the file with the outlines.")
    if structure is not None:
        outlines = {value: _numbered(structure, value, len(values), image.frame) for value in values}
        return LabelMap(image, outlines, f"every number is {structure.value}")
    if len(values) > MOST_LABELS:
        raise BadInput(f"{file.name} holds {len(values)} different values; it is an image, not a label map.")
    centers = _centers(image, values)
    chosen = numbering_named(numbering) if numbering is not None else None
    try:
        if chosen is not None:
            require_fit(chosen, centers, file.name)
        convention = chosen or detect(centers, file.name)
    except BadInput:
        # A doubled label has its center between its pieces, which looks like a wrong order: name the real reason.
        _require_single(image, possible_numberings(set(values)) if chosen is None else [chosen])
        raise
    outlines = {v: replace(convention.outlines[v], frame=image.frame) for v in values if v in convention.outlines}
    notes = []
    passed = len(values) - len(outlines)
    if passed:
        notes.append(
            f"{passed} structures of {file.name} that are not outlined vertebrae, canal or cord were passed over."
        )
    ratio = distance_ratio(convention.levels(set(values)), centers)
    if ratio is not None and not WIDE_RATIO[0] <= ratio <= WIDE_RATIO[1]:
        notes.append(
            f"The vertebrae of {file.name} lie {ratio:.1f} times as far apart as their levels do in an adult: "
            "check the numbering."
        )
    return _checked(image, outlines, f"{convention.name} ({'detected' if chosen is None else 'chosen'})", notes)


def read_lesions(path: str | os.PathLike[str], reference: Image | None = None) -> LabelMap:
    """Outlined lesions: every value of a plain label map, or the lesion segments of a .seg.nrrd.

    :raises GridMismatch: the labels lie on another grid than `reference`.
    :raises BadInput: unreadable, not a label map, or no segment that can be a lesion.
    """
    file = _existing(path)
    info = read_info(file, components=True)
    segments = read_segments(info.metadata, file.name)
    if segments:
        tagged = [item for item in segments if item.outline and item.outline.structure is Structure.LESION]
        picked = tagged or [item for item in segments if item.outline is None]
        if not picked:
            raise BadInput(f"{file.name} has no segment that is a lesion; name one so, or choose another file.")
        return _from_segments(info, segments, _with_ids(picked), reference, require_levels=False)
    image = _plain_labels(info, reference)
    values = _values(image.array)
    outlines = {v: Outline(Structure.LESION, None, f"lesion-{v}", image.frame, f"Lesion {v}") for v in values}
    notes = () if values else (f"{file.name} holds no outlined lesion.",)
    return LabelMap(image, outlines, "every number is a lesion", notes)


def write_labels(labels: LabelMap, path: str | os.PathLike[str], *, unedited: bool = False) -> None:
    """Write a label map: numbers alone as NIfTI, NRRD or MetaImage; names, levels and lesions too as .seg.nrrd.

    :param unedited: a program made the outlines; the file says so for as long as nobody edits them.
    :raises OutputError: the folder cannot be written, or the disk is full.
    :raises BadInput: the grid is sheared, which these files cannot hold.
    """
    target = Path(path)
    volume = labels.image.to_sitk()
    marks = marks_of_labels(labels) if unedited else {}
    if target.name.lower().endswith(".seg.nrrd"):
        extents = {
            value: tuple(n for part in labels.region(value)[::-1] for n in (part.start, part.stop - 1))
            for value in labels.present
        }
        for key, text in segment_metadata(labels.outlines, extents, labels.image.shape[::-1], marks).items():
            volume.SetMetaData(key, text)
    else:
        for key, text in header_of(marks).items():
            volume.SetMetaData(key, text)
    write_sitk(volume, target)


def _existing(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.exists():
        raise BadInput(f"{file} does not exist.")
    if file.is_dir() or not is_volume_name(file):
        raise BadInput(f"{file.name} is no label map file; choose NIfTI (.nii.gz), NRRD (.seg.nrrd) or MetaImage.")
    return file


def _plain_labels(info: VolumeInfo, reference: Image | None) -> Image:
    if info.components != 1:
        raise BadInput(f"{info.path.name} has {info.components} values a voxel; choose a label map with one.")
    array = _whole_numbers(read_array(info), info.path.name)
    return on_grid(Image(array, info.grid.ijk_to_ras, name=info.path.name), reference, crop_allowed=False)


def _whole_numbers(array: NDArray[Any], where: str) -> NDArray[Any]:
    """The array in the smallest unsigned type. :raises BadInput: fractions, negative or very large values."""
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise BadInput(f"{where} holds voxels that are not numbers (NaN or infinite); it is no label map.")
    if low < 0 or high > 65535:
        raise BadInput(
            f"{where} holds values from {low:g} to {high:g}; a label map holds whole numbers from 0 to 65535."
        )
    dtype = np.uint8 if high <= 255 else np.uint16
    whole = array.astype(dtype, copy=False)
    if array.dtype.kind == "f" and not np.array_equal(whole, array):
        raise BadInput(f"{where} holds fractions (probabilities?); a label map holds whole numbers.")
    return whole


def _values(array: NDArray[Any]) -> list[int]:
    return [int(value) for value in np.flatnonzero(np.bincount(array[array != 0])) if value]


def _centers(image: Image, values: Sequence[int]) -> dict[int, Point]:
    """RAS center of each value."""
    flat = np.flatnonzero(image.array)
    labels = image.array.reshape(-1)[flat]
    counts = np.bincount(labels)
    indices = np.unravel_index(flat, image.array.shape)
    sums = [np.bincount(labels, weights=axis) for axis in indices]
    result = {}
    for value in values:
        k, j, i = (float(total[value]) / float(counts[value]) for total in sums)
        x, y, z = (float(c) for c in image.to_world([i, j, k]))
        result[value] = (x, y, z)
    return result


def _numbered(structure: Structure, value: int, count: int, frame: str) -> Outline:
    lesion = f"lesion-{value}" if structure is Structure.LESION else ""
    name = structure.value if count == 1 else f"{structure.value} {value}"
    return Outline(structure, None, lesion, frame, name)


def _as(segment: Segment, structure: Structure) -> Segment:
    return replace(segment, outline=Outline(structure, name=segment.name))


def _with_ids(segments: Sequence[Segment]) -> list[Segment]:
    """Segments as lesions, each with an identity; identities in the file are kept."""
    taken = {item.outline.lesion_id for item in segments if item.outline}
    free = (f"lesion-{n}" for n in range(1, len(segments) + len(taken) + 1) if f"lesion-{n}" not in taken)
    result = []
    for item in segments:
        outline = item.outline or Outline(Structure.LESION, name=item.name)
        result.append(replace(item, outline=replace(outline, lesion_id=outline.lesion_id or next(free))))
    return result


def _from_segments(
    info: VolumeInfo,
    segments: Sequence[Segment],
    picked: Sequence[Segment],
    reference: Image | None,
    *,
    require_levels: bool,
) -> LabelMap:
    where = info.path.name
    known = [item.outline for item in picked if item.outline]
    if require_levels and not any(outline.level for outline in known):
        names = ", ".join(f'"{item.name}"' for item in segments[:6])
        raise BadInput(f"No segment of {where} is named as a vertebra ({names}); use names such as L3 or T12.")
    array = _merged(info, picked)
    image = on_grid(Image(array, info.grid.ijk_to_ras, name=where), reference, crop_allowed=True)
    outlines = {
        value: replace(outline, frame=image.frame or outline.frame) for value, outline in enumerate(known, start=1)
    }
    if info.components == 1 and len({item.value for item in picked}) == len(picked):
        outlines = {item.value: outlines[n] for n, item in enumerate(picked, start=1)}
    passed = len(segments) - len(picked)
    notes = [f"{passed} segments of {where} were passed over."] if passed else []
    return _checked(image, outlines, "segment names", notes)


def _merged(info: VolumeInfo, picked: Sequence[Segment]) -> NDArray[Any]:
    """One label map of the picked segments. :raises BadInput: two of them overlap."""
    array = _whole_numbers(read_array(info), info.path.name)
    if info.components == 1:
        values = [item.value for item in picked]
        if len(set(values)) < len(values):
            raise BadInput(f"Two segments of {info.path.name} share one number; save the segmentation again.")
        table = np.zeros(int(array.max()) + 1, dtype=array.dtype)
        kept = [value for value in values if value < len(table)]
        table[kept] = kept
        return np.asarray(table[array])
    merged = np.zeros(array.shape[:3], dtype=np.uint8 if len(picked) < 256 else np.uint16)
    for value, item in enumerate(picked, start=1):
        if item.layer >= info.components:
            raise BadInput(f"{info.path.name} lacks the layer of segment {value}; save the segmentation again.")
        mask = array[..., item.layer] == item.value
        other = merged[mask]
        if other.any():
            first = picked[int(other.max()) - 1]
            raise BadInput(
                f'The segments "{first.name}" and "{item.name}" of {info.path.name} overlap; part them first.'
            )
        merged[mask] = value
    return merged


def _checked(image: Image, outlines: Mapping[int, Outline], numbering: str, notes: Sequence[str]) -> LabelMap:
    """The label map after looking for levels that occur twice, fragments and variants."""
    bones = {v: o for v, o in outlines.items() if o.structure in (Structure.VERTEBRA, Structure.SACRUM)}
    by_level: dict[Level, int] = {}
    for value, outline in bones.items():
        if outline.level is None:
            continue
        if outline.level in by_level:
            raise BadInput(f"{image.name} holds {outline.level} twice (as two labels); correct the levels.")
        by_level[outline.level] = value
    labels = LabelMap(image, dict(outlines), numbering, tuple(notes))
    states = {level: _pieces(labels, value) for level, value in by_level.items() if value in labels.present}
    doubled = [level for level, state in states.items() if state is Pieces.DOUBLED]
    if doubled:
        raise BadInput(_twice(image.name, str(doubled[0])))
    fragmented = [level for level, state in states.items() if state is Pieces.FRAGMENTED]
    found = list(notes)
    if fragmented:
        listed = ", ".join(str(level) for level in sorted(fragmented))
        found.append(f"In {image.name}, these levels are in separate pieces: {listed}.")
    whole = [o for o in bones.values() if o.level is Level.S1 and WHOLE_SACRUM in o.name.lower()]
    if whole and not any(level.region is Region.SACRAL and level is not Level.S1 for level in states):
        found.append(f"{image.name} holds the sacrum as one outline: S1 to S5 cannot be told apart in it.")
    variants = [level for level in sorted(by_level) if level.is_variant and by_level[level] in labels.present]
    found += [f"{image.name} holds {level}, a numbering variant: confirm the levels." for level in variants]
    return replace(labels, notes=tuple(found))


def _require_single(image: Image, numberings: Sequence[Numbering]) -> None:
    """:raises BadInput: one of several vertebrae is in two pieces, as two vertebrae with one number are."""
    for convention in numberings:
        labels = LabelMap(image, dict(convention.outlines))
        doubled = [(level, v) for level, v in labels.levels.items() if _pieces(labels, v) is Pieces.DOUBLED]
        # Where many labels are in pieces, the numbers do not mean vertebrae.
        if doubled and 3 * len(doubled) <= len(labels.levels):
            level, value = doubled[0]
            raise BadInput(_twice(image.name, str(level) if len(numberings) == 1 else f"the level of number {value}"))


def _twice(where: str, what: str) -> str:
    return f"{where} holds {what} twice: it has two separate pieces far apart; correct the levels."


class Pieces(Enum):
    """How the voxels of one label hang together."""

    ONE = "one piece"
    FRAGMENTED = "with fragments"
    DOUBLED = "two vertebrae"


def _pieces(labels: LabelMap, value: int) -> Pieces:
    mask = labels.mask(value, margin_voxels=0)
    pieces, count = ndimage.label(mask.array, structure=np.ones((3, 3, 3)))
    if count < 2:
        return Pieces.ONE
    sizes = np.bincount(pieces.ravel())[1:]
    boxes = ndimage.find_objects(pieces)
    largest = int(np.argmax(sizes))
    for piece in np.flatnonzero(sizes >= DOUBLED_SHARE * sizes.max()):
        if piece != largest and _apart(mask.grid, boxes[largest], boxes[piece]) > DOUBLED_GAP_MM:
            return Pieces.DOUBLED
    return Pieces.FRAGMENTED if sizes.sum() - sizes.max() > FRAGMENT_SHARE * sizes.sum() else Pieces.ONE


def _apart(grid: Grid, one: tuple[slice, ...], other: tuple[slice, ...]) -> float:
    """How far two boxes of indices lie apart in mm: their gap, or along the spine the distance of their centers."""
    gaps = [max(a.start - b.stop, b.start - a.stop, 0) for a, b in zip(one, other, strict=True)][::-1]
    gap = float(np.linalg.norm(np.array(gaps) * grid.spacing))
    centers = [grid.to_world([(part.start + part.stop - 1) / 2 for part in box[::-1]]) for box in (one, other)]
    height = [np.abs(grid.directions[2]) @ (_sizes(box) * grid.spacing) / 2 for box in (one, other)]
    rise = abs(float(centers[0][2] - centers[1][2]))
    # An arch broken off its body lies behind it at the same height; a second vertebra lies above or below.
    return max(gap, rise if rise >= sum(height) else 0.0)


def _sizes(box: tuple[slice, ...]) -> NDArray[np.float64]:
    return np.array([part.stop - part.start for part in box[::-1]], dtype=float)
