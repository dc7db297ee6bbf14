"""What was acquired: images and label maps in, from DICOM, NIfTI, NRRD and MetaImage.

Key functions: `index.index` and `describe.describe` (what a disc or folder holds), `read_study` and `read_image`
(images), `pet_values` (PET in SUV), `read_structures`, `read_dose` and `read_segmentation` (what was drawn or computed
on images), `read_labels` and `read_lesions` (outlines), `write_image` and `write_labels` (files for other programs).
"""

from spinemet.study.dicom_seg import read_segmentation
from spinemet.study.labels import read_labels, read_lesions, write_labels
from spinemet.study.numbering import NUMBERINGS
from spinemet.study.pet import pet_values
from spinemet.study.radiograph import read_radiograph
from spinemet.study.reader import read_image, read_study
from spinemet.study.rtdose import read_dose
from spinemet.study.rtstruct import read_structures
from spinemet.study.series import Series, Study
from spinemet.study.timepoints import Timeline, time_points, with_date
from spinemet.study.volumes import write_image

__all__ = [
    "NUMBERINGS",
    "Series",
    "Study",
    "Timeline",
    "pet_values",
    "read_dose",
    "read_image",
    "read_labels",
    "read_lesions",
    "read_radiograph",
    "read_segmentation",
    "read_structures",
    "read_study",
    "time_points",
    "with_date",
    "write_image",
    "write_labels",
]
