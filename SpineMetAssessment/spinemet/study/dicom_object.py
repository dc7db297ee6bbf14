"""Objects of one file (structure sets, doses, segmentations) as pydicom datasets, read or refused with a sentence."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from spinemet.errors import BadInput
from spinemet.study.dicom_files import DicomFile

Source = str | os.PathLike[str] | DicomFile
"""A file's path, or a file that the index found (it may lie in an archive)."""
_T = TypeVar("_T")


def read_object(
    source: Source, modality: str, classes: tuple[str, ...], called: str, parse: Callable[[Any, str], _T]
) -> _T:
    """Read a file of one kind and parse it.

    :param called: the kind in words ("RT dose").
    :param parse: takes the dataset and how to call it in sentences.
    :raises BadInput: it cannot be read, is of another kind, or is damaged; or `parse` refuses it.
    """
    import pydicom

    name = f'"{source.name}"' if isinstance(source, DicomFile) else f'"{Path(source).name}"'
    with warnings.catch_warnings():
        # Odd values are judged here, in sentences; pydicom's warnings would print them beside.
        warnings.simplefilter("ignore")
        try:
            if isinstance(source, DicomFile):
                dataset = source.dataset(pixels=True)
            else:
                dataset = pydicom.dcmread(Path(source), force=True)
            kind, given = str(dataset.get("SOPClassUID") or ""), str(dataset.get("Modality") or "")
        except Exception as error:  # pydicom raises many kinds of errors on damaged files
            raise BadInput(f"{name} cannot be read as DICOM; copy it again from where it came.") from error
        if given != modality and kind not in classes:
            raise BadInput(f"{name} is no {called}; choose the {modality} object.")
        try:
            return parse(dataset, name)
        except BadInput:
            raise
        except Exception as error:  # elements are decoded when they are asked for, with errors of any kind
            raise BadInput(f"{name} is damaged: what it holds cannot be read; export it again.") from error


def text_of(item: Any, keyword: str) -> str:
    """An element as text without padding; "" when it is absent or empty."""
    value = item.get(keyword)
    return "" if value is None else str(value).strip()


def capital(text: str) -> str:
    """Text that begins a sentence."""
    return text[:1].upper() + text[1:]
