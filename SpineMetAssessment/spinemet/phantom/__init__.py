"""Synthetic patients of known truth.

Key functions: `random_spec` thinks up a patient for a seed, `create` builds its images, masks and truth, `write`
puts them into a folder as DICOM and NIfTI, `plant` puts a lesion into any CT, real or synthetic.

The truth comes from how the patient was constructed; nothing here uses what measures or scores.
"""

from spinemet.phantom.patient import SyntheticPatient, create
from spinemet.phantom.plant import plant
from spinemet.phantom.spec import (
    AnswerSpec,
    CollapseSpec,
    EpiduralSpec,
    LesionSpec,
    ListhesisSpec,
    PatientSpec,
    PostureSpec,
    random_spec,
)
from spinemet.phantom.writing import write

__all__ = [
    "AnswerSpec",
    "CollapseSpec",
    "EpiduralSpec",
    "LesionSpec",
    "ListhesisSpec",
    "PatientSpec",
    "PostureSpec",
    "SyntheticPatient",
    "create",
    "plant",
    "random_spec",
    "write",
]
