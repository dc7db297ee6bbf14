"""Synthetic patients of known truth.

Key functions: `random_spec` thinks up a patient for a seed, `create` builds its images, masks and truth, `write`
puts them into a folder as DICOM and NIfTI, `plant` puts a lesion into any CT, real or synthetic. `create_segment`
builds a few vertebrae round one epidural tumor of a known ESCC grade.

The truth comes from how the patient was constructed; nothing here uses what measures or scores.
"""

from spinemet.phantom.patient import SyntheticPatient, create
from spinemet.phantom.plant import plant
from spinemet.phantom.segment import Segment, create_segment
from spinemet.phantom.segment_spec import ForamenSpec, SegmentSpec
from spinemet.phantom.spec import (
    AnswerSpec,
    CollapseSpec,
    EpiduralSpec,
    LesionSpec,
    ListhesisSpec,
    MrSpec,
    PatientSpec,
    PostureSpec,
    random_spec,
)
from spinemet.phantom.writing import write

__all__ = [
    "AnswerSpec",
    "CollapseSpec",
    "EpiduralSpec",
    "ForamenSpec",
    "LesionSpec",
    "ListhesisSpec",
    "MrSpec",
    "PatientSpec",
    "PostureSpec",
    "Segment",
    "SegmentSpec",
    "SyntheticPatient",
    "create",
    "create_segment",
    "plant",
    "random_spec",
    "write",
]
