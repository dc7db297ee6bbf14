"""A synthetic T2 in the scene: three thoracic vertebrae, an epidural tumor of grade 2 at the middle one, outlines."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from spinemet.case import ImageRef, Outline, Role, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom import Segment, SegmentSpec, create_segment

LEVEL = Level.T8


@cache
def segment() -> Segment:
    """The patient: grade 2 at T8 by construction."""
    return create_segment(SegmentSpec(level=LEVEL, grade="2", spacing=(0.8, 3.0), noise=10.0, seed=4))


def add_to(scene: Any, *, vertebrae: bool = True) -> tuple[Any, Any]:
    """Put the T2 and its outlines into a scene; the volume and the segmentation node."""
    return _add(scene, segment(), vertebrae)


LARGE = {"sagittal 512 × 512 × 60": ("sagittal", (0.6, 4.0), (60, 512, 512)),
         "isotropic 320 × 320 × 320": ("axial", (0.8, 0.8), (320, 320, 320))}  # fmt: skip
"""Clinical sizes: plane, spacing in plane and of slices in mm, and shape (k, j, i)."""


def add_large(scene: Any, name: str) -> tuple[Any, Any]:
    """Put eleven levels on an image of a clinical size into a scene; the volume and the segmentation node."""
    plane, spacing, shape = LARGE[name]
    patient = create_segment(SegmentSpec(level=LEVEL, neighbors=5, grade="2", spacing=spacing, plane=plane, seed=4))
    return _add(scene, padded(patient, shape), True)


def padded(patient: Segment, shape: tuple[int, int, int]) -> Segment:
    """The same patient in a larger field of view; what does not fit is cut off."""

    def wide(image: Image) -> Image:
        before = [(n - own) // 2 for n, own in zip(shape, image.shape, strict=True)]
        array = np.zeros(shape, image.array.dtype)
        kept = tuple(slice(max(0, -b), min(own, n - b)) for b, own, n in zip(before, image.shape, shape, strict=True))
        array[tuple(slice(k.start + b, k.stop + b) for k, b in zip(kept, before, strict=True))] = image.array[kept]
        matrix = image.ijk_to_ras.copy()
        matrix[:3, 3] = image.to_world(-np.array(before[::-1], dtype=float))
        return replace(image, array=array, ijk_to_ras=matrix)

    def widened(labels: LabelMap) -> LabelMap:
        return replace(labels, image=wide(labels.image))

    return replace(
        patient, images={role: wide(image) for role, image in patient.images.items()},
        vertebrae=widened(patient.vertebrae), lesions=widened(patient.lesions), structures=widened(patient.structures),
    )  # fmt: skip


def _add(scene: Any, patient: Segment, vertebrae: bool) -> tuple[Any, Any]:
    from spinemet.scene import segmentation_from_labelmaps, volume_from_image

    ref = ImageRef("t2", Role.T2, "segment", description="T2", date="2026-03-02")
    volume = volume_from_image(scene, patient.images[Role.T2], ref, "T2")
    names = {1: Structure.CANAL, 2: Structure.THECAL_SAC, 3: Structure.CORD}
    canal = LabelMap(patient.structures.image, {value: Outline(name) for value, name in names.items()})
    tumor = LabelMap(patient.lesions.image, {1: Outline(Structure.LESION, lesion_id="lesion-1")})
    maps = [canal, tumor, patient.vertebrae] if vertebrae else [canal, tumor]
    return volume, segmentation_from_labelmaps(scene, maps, volume, "MR outlines")


def paint(opened: Any, part: str, change: Any) -> None:
    """Edit a segment's voxels in place, as the segment editor does.

    :param change: called with the voxels (k, j, i) and the segment's label value.
    """
    from spinemet.scene.volumes import voxels

    segments = opened.segmentation.GetSegmentation()
    segment = segments.GetSegment(opened.panel.choice().of(part)[0])
    data = segment.GetRepresentation("Binary labelmap")
    change(voxels(data), segment.GetLabelValue())
    data.GetPointData().GetScalars().Modified()
    data.Modified()
    segments.InvokeEvent(segments.SourceRepresentationModified)
