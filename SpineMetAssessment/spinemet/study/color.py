"""Color pictures (screen captures, ultrasound) as gray ones, for looking at."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.study.dicom_files import DicomFile
from spinemet.study.frames import whole

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
MOST_BYTES = 1 << 30
"""A color picture that claims more than this is damaged (ours)."""


def is_color(file: DicomFile) -> bool:
    """Whether the pixels are colors."""
    palette = file.text("PhotometricInterpretation") == "PALETTE COLOR"
    return palette or whole(file.header.get("SamplesPerPixel")) > 1


def read_gray(file: DicomFile, title: str) -> NDArray[Any]:
    """Frames (k, j, i) of a color picture as brightness, 8 bits.

    :raises BadInput: damaged, or compressed in a way that nothing installed decodes.
    """
    from pydicom.pixels import apply_color_lut, pixel_array

    claimed = whole(file.header.get("Rows")) * whole(file.header.get("Columns"))
    claimed *= 3 * (whole(file.header.get("NumberOfFrames")) or 1)
    try:
        if claimed > MOST_BYTES:
            raise ValueError("too large")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = file.dataset(pixels=True)
            array = np.asarray(pixel_array(dataset))
            if file.text("PhotometricInterpretation") == "PALETTE COLOR":
                array = np.asarray(apply_color_lut(array, dataset))
    except Exception as error:  # pydicom raises many kinds of errors on damaged files
        raise BadInput(
            f'The pixels of "{file.name}" in {title} cannot be decoded; the file may be damaged, or a package for its '
            'way of compressing is missing ("pip install spinemet[dicom]").'
        ) from error
    if array.dtype.itemsize > 1:
        array = array >> (8 * (array.dtype.itemsize - 1))
    gray = np.rint(array[..., :3] @ np.array(LUMA)).astype(np.uint8)
    return gray.reshape(-1, *gray.shape[-2:])
