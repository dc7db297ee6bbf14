"""pydicom's own test files, odd and damaged ones too: each is read as pydicom reads it, or refused in a sentence.

The files come with pydicom's wheel; nothing is downloaded.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

from spinemet.errors import BadInput
from spinemet.study.index import index

FOLDER = Path(pydicom.__file__).parent / "data"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
DIFFERS = {
    "JPEG-lossy.dcm": "12-bit lossy JPEG decodes a little differently in every library",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_each_file_is_read_as_pydicom_reads_it_or_refused_in_a_sentence(path):
    found = index(path)
    series = [item for patient in found.patients for study in patient.studies for item in study.series]
    objects = [item for patient in found.patients for study in patient.studies for item in study.objects]
    assert series or objects or found.notes or found.volumes
    for item in (*series, *objects):
        try:
            image = item.view()
        except BadInput as error:
            assert str(error).endswith((".", ")"))
            continue
        if path.name in DIFFERS:
            continue
        assert np.allclose(image.array, expected(path), rtol=1e-5, atol=1e-4)


def expected(path: Path) -> np.ndarray:
    """Pixels by pydicom, with the rescale of the header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        try:
            stored = dataset.pixel_array.astype(float)
        except (RuntimeError, NotImplementedError, ValueError, AttributeError) as error:
            pytest.skip(f"pydicom itself cannot decode it: {type(error).__name__}")
    if dataset.SamplesPerPixel == 3:
        # Brightness by ITU-R BT.601 of what pydicom gives as RGB.
        stored = np.floor(stored / 2 ** (dataset.BitsAllocated - 8))
        return np.rint(stored @ np.array([0.299, 0.587, 0.114])).reshape(-1, dataset.Rows, dataset.Columns)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colors = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset) >> 8
        return np.rint(colors[..., :3] @ np.array([0.299, 0.587, 0.114]))[None]
    return stored * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))


def test_known_files_are_among_them():
    names = {path.name for path in FILES}
    assert {"CT_small.dcm", "MR_small_jpeg_ls_lossless.dcm", "J2K_pixelrep_mismatch.dcm", "image_dfl.dcm"} <= names


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("CT_small.dcm", (1, 128, 128)),
        ("MR_small.dcm", (1, 64, 64)),
        ("MR_small_RLE.dcm", (1, 64, 64)),
        ("MR_small_bigendian.dcm", (1, 64, 64)),
        ("MR_small_expb.dcm", (1, 64, 64)),
        ("MR_small_jp2klossless.dcm", (1, 64, 64)),
        ("MR_small_jpeg_ls_lossless.dcm", (1, 64, 64)),
        ("693_J2KI.dcm", (1, 512, 512)),
        ("J2K_pixelrep_mismatch.dcm", (1, 512, 512)),
        ("image_dfl.dcm", (1, 512, 512)),
    ],
)
def test_images_that_must_load_for_viewing_do(name, shape):
    path = next(path for path in FILES if path.name == name)
    study = index(path).patients[0].studies[0]
    assert (*study.series, *study.objects)[0].view().shape == shape
