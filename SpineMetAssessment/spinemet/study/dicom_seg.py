"""DICOM segmentation objects: binary, fractional and label-map ones, as masks on any image.

Key functions: `read_segmentation` reads the file; `Segmentation.mask` gives one segment on an image, cropped to where
it lies, `Segmentation.label_maps` several. Frames are decoded when a segment is asked for; planes that the file
leaves out are empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Outline, Structure
from spinemet.codes import outline_of
from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, silent
from spinemet.study.dicom_object import Source, capital, read_object, text_of
from spinemet.study.layers import label_layers
from spinemet.study.reference_frames import require_frame
from spinemet.study.segments import outline_of_name

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
INSIDE = 0.5
"""Share from which a voxel of a fractional segment counts as inside (ours)."""
# Tolerances of ours.
LATTICE_MM = 0.02
"""How far a plane may lie from its place on the grid."""
PERPENDICULAR = 1e-3
MOST_EMPTY = 1000
"""More empty planes than this for each plane of the file are damage."""
_ALTERED = {"49755003", "M-01000"}
"""Codes of the category "morphologically altered structure" (SNOMED CT and RT)."""
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")


@dataclass(frozen=True)
class CodedSegment:
    """One segment as the file describes it.

    :param category: coding scheme, value and meaning of its category; `kind` of its type.
    :param tracking: its identity over time (tracking ID), or "".
    :param frames: numbers of its frames in the file, from 0.
    """

    number: int
    label: str
    category: tuple[str, str, str]
    kind: tuple[str, str, str]
    tracking: str = ""
    frames: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        return f'segment {self.number} "{self.label}"' if self.label else f"segment {self.number}"

    @property
    def outline(self) -> Outline:
        """What it encloses: by its code, else by its label, else by its category."""
        coded = outline_of(f"~{'^'.join(self.category)}~{'^'.join(self.kind)}~~~~")
        found = coded or outline_of_name(self.label)
        lesion = found is not None and found.structure is Structure.LESION
        if lesion or (found is None and self.category[1] in _ALTERED):
            level = found.level if found is not None else None
            return Outline(Structure.LESION, level, self.tracking or f"segment-{self.number}", name=self.label)
        if found is None:
            return Outline(Structure.OTHER, name=self.label)
        return Outline(found.structure, found.level, name=self.label)


@dataclass(frozen=True, eq=False)
class _Planes:
    """Stored values of frames, unpacked one at a time.

    :param coded: the pydicom dataset of compressed frames, which are decoded all at once.
    """

    data: bytes
    bits: int
    shape: tuple[int, int]
    coded: Any = None

    def plane(self, frame: int) -> NDArray[Any]:
        """Values (rows, columns) of one frame. :raises BadInput: it cannot be decoded."""
        count = self.shape[0] * self.shape[1]
        if self.coded is not None:
            return self._decoded.reshape(-1, *self.shape)[frame]
        start = frame * count
        if self.bits > 1:
            dtype = np.dtype(f"<u{self.bits // 8}")
            values = np.frombuffer(self.data, dtype=dtype, count=count, offset=start * dtype.itemsize)
            return values.reshape(self.shape)
        # Single bits run on from frame to frame, whose first need not begin a byte.
        first, last = start // 8, (start + count + 7) // 8
        bits = np.unpackbits(np.frombuffer(self.data[first:last], dtype=np.uint8), bitorder="little")
        return bits[start - 8 * first :][:count].reshape(self.shape)

    @cached_property
    def _decoded(self) -> NDArray[Any]:
        try:
            values = np.asarray(self.coded.pixel_array)
        except Exception as error:  # pydicom raises many kinds of errors on damaged files
            raise BadInput("The planes of the segmentation cannot be decoded; export it uncompressed.") from error
        if values.size % (self.shape[0] * self.shape[1]):
            raise BadInput("The planes of the segmentation are of another size than its header says.")
        return values


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A segmentation object.

    :param grid: the regular grid on which all its planes lie.
    :param frame: frame-of-reference UID, or "".
    :param kind: "BINARY", "FRACTIONAL" or "LABELMAP".
    :param places: slice index in `grid` of each frame of the file.
    :param most: stored value of a fractional segment that means wholly inside.
    :param stored: the frames' values.
    """

    grid: Grid
    frame: str
    kind: str
    segments: tuple[CodedSegment, ...]
    places: tuple[int, ...]
    most: float
    stored: _Planes = field(repr=False)
    notes: tuple[str, ...] = ()

    def segment(self, key: int | str) -> CodedSegment:
        """The segment with a number or an exact label (case does not matter).

        :raises BadInput: there is none, or several have the label.
        """
        wanted = key if isinstance(key, int) else key.casefold()
        found = [item for item in self.segments if wanted in (item.number, item.label.casefold())]
        if len(found) != 1:
            names = ", ".join(item.title for item in self.segments) or "none"
            what = "has no segment" if not found else f"has {len(found)} segments called"
            raise BadInput(f'The segmentation {what} "{key}"; it holds: {names}.')
        return found[0]

    def share(self, key: int | str) -> Image:
        """One segment on the file's own grid, cropped to its planes: float32 from 0 (outside) to 1 (inside).

        :raises BadInput: there is no such segment, it is empty, or it cannot be decoded.
        """
        segment = self.segment(key)
        if not segment.frames:
            raise BadInput(f"{capital(segment.title)} is empty.")
        places = [self.places[frame] for frame in segment.frames]
        first, last = min(places), max(places)
        array = np.zeros((last - first + 1, *self.grid.shape[1:]), dtype=np.float32)
        for frame, place in zip(segment.frames, places, strict=True):
            array[place - first] = self._plane(frame, segment.number)
        crop = self.grid.crop((slice(first, last + 1), slice(None), slice(None)))
        return Image(array, crop.ijk_to_ras, frame=self.frame, name=segment.title)

    def mask(
        self,
        key: int | str,
        on: Image | None = None,
        *,
        threshold: float = INSIDE,
        moved_by: NDArray[np.float64] | None = None,
    ) -> Image:
        """One segment as a boolean image on the grid of `on` (else the file's own), cropped to where it lies.

        Binary segments are taken by the nearest voxel, fractional ones interpolated and cut at `threshold`.

        :param moved_by: 4×4 RAS matrix from the segmentation's frame of reference to that of `on`, where they differ.
        :raises BadInput: see `share`; or it lies outside `on`, or in another frame of reference without a transform.
        """
        share = self.share(key)
        if on is None:
            return share.with_array(share.array >= threshold)
        if moved_by is None:
            require_frame(self.frame, on, capital(share.name))
        fractional = self.kind == "FRACTIONAL"
        share = _padded(share) if fractional else share.with_array((share.array >= threshold).astype(np.uint8))
        matrix = share.ijk_to_ras if moved_by is None else moved_by @ share.ijk_to_ras
        faces = np.array(list(np.ndindex(2, 2, 2))) * np.array(share.shape[::-1]) - 0.5
        try:
            region = on.grid.region_around(Grid(share.shape, matrix).to_world(faces))
        except BadInput as error:
            raise BadInput(f"{capital(share.name)} lies outside the image.") from error
        crop = on.grid.crop(region)
        found = share.resample(crop, nearest=not fractional, moved_by=moved_by)
        array = found.array >= threshold if fractional else found.array > 0
        return replace(found, array=array, frame=on.frame)

    def label_maps(
        self,
        on: Image,
        keys: Iterable[int | str] | None = None,
        *,
        threshold: float = INSIDE,
        progress: Progress | None = None,
    ) -> list[LabelMap]:
        """Segments on the grid of `on`, in as few label maps as their overlaps allow; values are segment numbers.

        :param keys: numbers or labels; None takes all that are not empty and lie in `on`.
        :raises BadInput: see `mask`; with `keys` None, only when no segment is left.
        """
        report = progress or silent
        wanted = self.segments if keys is None else [self.segment(key) for key in keys]
        masks: dict[int, tuple[Image, Outline]] = {}
        notes = list(self.notes)
        for index, segment in enumerate(wanted):
            report(index / len(wanted), f"reading {segment.title}")
            try:
                mask = self.mask(segment.number, on, threshold=threshold)
            except BadInput as error:
                if keys is not None:
                    raise
                notes.append(str(error))
            else:
                masks[segment.number] = (mask, replace(segment.outline, frame=on.frame))
        if not masks:
            raise BadInput(notes[-1] if notes else "The segmentation has no segments.")
        return label_layers(masks, on, tuple(notes))

    def _plane(self, frame: int, number: int) -> NDArray[np.float32]:
        stored = self.stored.plane(frame)
        if self.kind == "LABELMAP":
            return (stored == number).astype(np.float32)
        if self.kind == "BINARY":
            return (stored > 0).astype(np.float32)
        return np.minimum(stored / np.float32(self.most), np.float32(1.0))


def read_segmentation(source: Source) -> Segmentation:
    """Read a DICOM segmentation.

    :raises BadInput: it cannot be read or is no segmentation; it is of a microscope slide; its planes differ in
        orientation or size, or lie on no regular grid.
    """
    return read_object(source, "SEG", SEGMENTATION_CLASSES, "DICOM segmentation", segmentation_of)


def segmentation_of(dataset: Any, name: str = "the segmentation") -> Segmentation:
    """The segments of a pydicom dataset; see `read_segmentation`. :param name: how to call it in sentences."""
    kind = text_of(dataset, "SegmentationType").upper()
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise BadInput(f"{name} is a segmentation of the unknown type {kind or '(none)'}; export it as a binary one.")
    if dataset.get("TotalPixelMatrixColumns") is not None:
        raise BadInput(f"{name} is the segmentation of a microscope slide, not of a body.")
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not frames or len(frames) != int(dataset.get("NumberOfFrames") or 0):
        raise BadInput(f"{name} does not describe each of its frames; export it again.")
    grid, places = _grid(dataset, frames, name)
    if kind == "LABELMAP":
        owners: list[list[int]] = [[int(item.SegmentNumber) for item in dataset.SegmentSequence]] * len(frames)
    else:
        owners = [[_owner(dataset, frame)] for frame in frames]
    by_segment: dict[int, list[int]] = {}
    for frame, numbers in enumerate(owners):
        for number in numbers:
            by_segment.setdefault(number, []).append(frame)
    for numbers in by_segment.values():
        repeated = [count for count in Counter(places[frame] for frame in numbers).values() if count > 1]
        if repeated:
            raise BadInput(f"{name} holds several frames of one segment at the same place; export it again.")
    segments = tuple(_segment(item, by_segment) for item in dataset.SegmentSequence)
    notes = []
    if kind == "FRACTIONAL":
        what = "probability" if "PROB" in text_of(dataset, "SegmentationFractionalType").upper() else "occupancy"
        notes.append(f"The segments are given as {what}; voxels with at least half are taken as inside.")
    frame_uid = text_of(dataset, "FrameOfReferenceUID")
    most = float(dataset.get("MaximumFractionalValue") or 255)
    if kind == "FRACTIONAL" and not 0 < most <= 255:
        raise BadInput(f"{name} does not say which value means wholly inside; export it again.")
    stored = _planes(dataset, len(frames), grid.shape[1:], name)
    return Segmentation(grid, frame_uid, kind, segments, tuple(places), most, stored, tuple(notes))


def _segment(item: Any, by_segment: dict[int, list[int]]) -> CodedSegment:
    number = int(item.SegmentNumber)
    return CodedSegment(
        number,
        text_of(item, "SegmentLabel"),
        _code(item, "SegmentedPropertyCategoryCodeSequence"),
        _code(item, "SegmentedPropertyTypeCodeSequence"),
        text_of(item, "TrackingID"),
        tuple(by_segment.get(number, ())),
    )


def _code(item: Any, keyword: str) -> tuple[str, str, str]:
    codes = item.get(keyword) or []
    if not codes:
        return ("", "", "")
    found = [text_of(codes[0], name) for name in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")]
    return (found[0], found[1], found[2])


def _owner(dataset: Any, frame: Any) -> int:
    group = _group(dataset, frame, "SegmentIdentificationSequence")
    if group is None:
        raise ValueError("a frame without a segment")
    return int(group.ReferencedSegmentNumber)


def _group(dataset: Any, frame: Any, keyword: str) -> Any:
    """Item of a functional group: of the frame, else the one that all frames share."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for source in (frame, *shared[:1]):
        items = source.get(keyword) or []
        if items:
            return items[0]
    return None


def _grid(dataset: Any, frames: list[Any], name: str) -> tuple[Grid, list[int]]:
    """The regular grid of all planes, and each frame's slice in it."""
    orientations, pitches, positions = [], [], []
    for frame in frames:
        plane = _group(dataset, frame, "PlaneOrientationSequence")
        measures = _group(dataset, frame, "PixelMeasuresSequence")
        place = _group(dataset, frame, "PlanePositionSequence")
        if plane is None or measures is None or place is None:
            raise BadInput(f"{name} does not say where its planes lie; export it again.")
        orientations.append([float(value) for value in plane.ImageOrientationPatient])
        pitches.append([float(value) for value in measures.PixelSpacing])
        positions.append([float(value) for value in place.ImagePositionPatient])
    if np.ptp(orientations, axis=0).max() > PERPENDICULAR or np.ptp(pitches, axis=0).max() > PERPENDICULAR:
        raise BadInput(f"The planes of {name} differ in orientation or pixel size; export it as one regular volume.")
    row, column = np.array(orientations[0][:3]), np.array(orientations[0][3:])
    wrong = max(abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column))
    if wrong > PERPENDICULAR or min(pitches[0]) <= 0:
        raise BadInput(f"The orientation or pixel size in the header of {name} is impossible; export it again.")
    normal = np.cross(row, column)
    corners = np.array(positions)
    depths = corners @ normal
    first = corners[int(np.argmin(depths))]
    step = _plane_distance(dataset, frames[0], depths)
    places = np.rint((depths - depths.min()) / step)
    if places.max() > MOST_EMPTY * len(frames):
        raise BadInput(f"The planes of {name} lie far apart on no common grid; export it as one regular volume.")
    off = np.abs(corners - first - np.outer(places * step, normal)).max()
    if off > max(LATTICE_MM, 0.01 * step):
        raise BadInput(f"The planes of {name} lie on no regular grid ({off:.2f} mm off); export it again.")
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = row * pitches[0][1], column * pitches[0][0]
    matrix[:3, 2], matrix[:3, 3] = normal * step, first
    shape = (int(places.max()) + 1, int(dataset.Rows), int(dataset.Columns))
    return Grid(shape, LPS_RAS @ matrix), [int(place) for place in places]


def _plane_distance(dataset: Any, frame: Any, depths: NDArray[np.float64]) -> float:
    """Distance of the grid's slices: as the file says where the planes agree, else the smallest between planes."""
    measures = _group(dataset, frame, "PixelMeasuresSequence")
    stated = [float(measures.get(name) or 0) for name in ("SpacingBetweenSlices", "SliceThickness")]
    gaps = np.diff(np.unique(np.round(depths, 3)))
    gaps = gaps[gaps > LATTICE_MM]
    if not len(gaps):
        return next((value for value in stated if value > 0), 1.0)
    for distance in (stated[0], float(gaps.min())):
        counts = np.rint(gaps / distance) if distance > 0 else np.zeros(1)
        if counts.min() >= 1 and np.abs(gaps - counts * distance).max() < max(LATTICE_MM, 0.02 * distance):
            # Positions are rounded: the whole span tells the distance best.
            return float(gaps.sum() / counts.sum())
    return float(gaps.min())


def _planes(dataset: Any, count: int, shape: tuple[int, int], name: str) -> _Planes:
    """The stored values of all frames. :raises BadInput: there are fewer than the header promises."""
    bits = int(dataset.BitsAllocated)
    if bits not in (1, 8, 16) or "PixelData" not in dataset:
        raise BadInput(f"{name} holds no planes that can be read ({bits} bits a voxel); export it again.")
    data = dataset.PixelData
    meta = getattr(dataset, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID", "") or "") if meta is not None else ""
    if syntax not in _NATIVE:
        return _Planes(b"", bits, shape, dataset)
    if 8 * len(data) < bits * count * shape[0] * shape[1]:
        raise BadInput(f"{name} is cut short: planes are missing at its end; copy it again.")
    return _Planes(data, bits, shape)


def _padded(image: Image) -> Image:
    """The image with a rim of zeros, so that interpolation fades out beyond its faces."""
    matrix = image.ijk_to_ras.copy()
    matrix[:3, 3] = image.to_world(np.array([-1.0, -1.0, -1.0]))
    return replace(image, array=np.pad(image.array, 1), ijk_to_ras=matrix)
