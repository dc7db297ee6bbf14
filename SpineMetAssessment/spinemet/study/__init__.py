"""What was acquired: images and label maps in, from DICOM, NIfTI, NRRD and MetaImage.

Key functions: `read_study` and `read_image` (images), `read_labels` and `read_lesions` (outlines),
`write_image` and `write_labels` (files for other programs).
"""

from spinemet.study.labels import read_labels, read_lesions, write_labels
from spinemet.study.numbering import NUMBERINGS
from spinemet.study.reader import read_image, read_study
from spinemet.study.series import Series, Study
from spinemet.study.volumes import write_image

__all__ = [
    "NUMBERINGS",
    "Series",
    "Study",
    "read_image",
    "read_labels",
    "read_lesions",
    "read_study",
    "write_image",
    "write_labels",
]
