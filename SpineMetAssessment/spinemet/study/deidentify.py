"""De-identification by the basic profile of DICOM PS3.15, annex E, through the package dicom-anonymizer.

The package knows the profile's table; here it is applied to every level of nesting, and patients get numbers.
Pixels are not looked into: text burned into them stays.
"""

from __future__ import annotations

from typing import Any

from spinemet.errors import MissingDependency

METHOD = "DICOM PS3.15 basic profile by dicom-anonymizer"


def deidentify(dataset: Any, pseudonym: str) -> None:
    """Take away in place who a pydicom dataset's patient is; UIDs are replaced alike in all files of one run.

    :param pseudonym: patient name and number instead of the real ones.
    :raises MissingDependency: the package is not installed.
    """
    try:
        from dicomanonymizer.simpledicomanonymizer import anonymize_dataset
    except ImportError as error:
        raise MissingDependency(
            'De-identifying needs a package that is missing; install it with "pip install spinemet[dicom]".'
        ) from error
    _apply(dataset, anonymize_dataset)
    dataset.PatientName = pseudonym
    dataset.PatientID = pseudonym
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD


def _apply(dataset: Any, anonymize: Any) -> None:
    """The profile's table on the innermost items first: the package looks at one level only."""
    for element in list(dataset):
        if element.VR == "SQ" and not element.tag.is_private:
            for item in element.value:
                _apply(item, anonymize)
    anonymize(dataset)
