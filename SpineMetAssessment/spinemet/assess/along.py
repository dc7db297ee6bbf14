"""The spine as a whole: its alignment and the quality of its bone."""

from __future__ import annotations

from spinemet.assess.measured import MeasuredStudy
from spinemet.details import Segment, SpineDetails


def assess_spine(study: MeasuredStudy) -> SpineDetails:
    """Segments, curves, regions and bone quality of a measured study."""
    alignment = study.alignment
    segments = tuple(
        Segment(
            *pair,
            alignment.kyphosis[pair],
            slip.sagittal,
            slip.lateral,
            slip.percent,
            alignment.rotations[pair],
            slip.direction,
            slip.grade,
        )
        for pair, slip in alignment.slips.items()
    )
    curves = (alignment.coronal, alignment.largest_kyphosis, alignment.largest_lordosis)
    regions = (*alignment.regions, *alignment.pelvis.measurements)
    return SpineDetails(study.posture, segments, curves, regions, study.quality)
