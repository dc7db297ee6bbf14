"""A synthetic T2 in the scene: three thoracic vertebrae, an epidural tumor of grade 2 at the middle one, outlines."""

from __future__ import annotations

from functools import cache
from typing import Any

from spinemet.case import ImageRef, Outline, Role, Structure
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
    from spinemet.scene import segmentation_from_labelmaps, volume_from_image

    patient = segment()
    ref = ImageRef("t2", Role.T2, "segment", description="T2", date="2026-03-02")
    volume = volume_from_image(scene, patient.images[Role.T2], ref, "T2")
    names = {1: Structure.CANAL, 2: Structure.THECAL_SAC, 3: Structure.CORD}
    canal = LabelMap(patient.structures.image, {value: Outline(name) for value, name in names.items()})
    tumor = LabelMap(patient.lesions.image, {1: Outline(Structure.LESION, lesion_id="lesion-1")})
    maps = [canal, tumor, patient.vertebrae] if vertebrae else [canal, tumor]
    return volume, segmentation_from_labelmaps(scene, maps, volume, "MR outlines")
