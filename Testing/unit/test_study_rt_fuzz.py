"""Damaged structure sets, doses and segmentations: read or refused with a sentence, never a crash."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

from small_rt import item, write_dose, write_segmentation, write_structures
from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Image
from spinemet.study import read_dose, read_segmentation, read_structures

MATRIX = np.diag([1.5, 2.0, 3.0, 1.0])
IMAGE = Image(np.zeros((5, 7, 9), np.int16), LPS_RAS @ MATRIX, frame="1.2.3.9")
RECTANGLE = [[1.0, 1.0], [9.0, 1.0], [9.0, 8.0], [1.0, 8.0]]
DIGITS = b"0123456789-.eE\\"


def structures(path):
    contours = [[[*corner, z] for corner in RECTANGLE] for z in (0.0, 3.0, 6.0)]
    return write_structures(path, {"A": contours, "P": [("POINT", [[0.0, 0.0, 0.0]])]})


def dose(path):
    return write_dose(path, np.arange(60).reshape(3, 4, 5))


def segmentation(path):
    planes = [(1, (0.0, 0.0, 3.0 * k), np.eye(7, 9)) for k in range(3)]
    code = [item(CodeValue="85756007", CodingSchemeDesignator="SCT", CodeMeaning="Tissue")]
    return write_segmentation(path, [{"SegmentLabel": "A", "SegmentedPropertyTypeCodeSequence": code}], planes)


@pytest.mark.parametrize(
    ("write", "use"),
    [
        (structures, lambda path: [read_structures(path).label_maps(IMAGE), read_structures(path).rois[0].volume]),
        (dose, lambda path: read_dose(path).on(IMAGE)),
        (segmentation, lambda path: read_segmentation(path).label_maps(IMAGE)),
    ],
)
def test_damaged_objects_are_read_or_refused(tmp_path, write, use) -> None:
    whole = write(tmp_path / "whole.dcm").read_bytes()
    use(tmp_path / "whole.dcm")
    choose = random.Random(1)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(choose.choice((1, 2, 5, 20))):
            place = choose.randrange(132, len(data))
            data[place] = choose.choice((0, 255, choose.randrange(256), choose.choice(DIGITS)))
        if choose.random() < 0.2:
            data = data[: choose.randrange(len(data))]
        (tmp_path / "damaged.dcm").write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                use(tmp_path / "damaged.dcm")
            except BadInput as error:
                refused += 1
                assert str(error).endswith(".") and "Doe" not in str(error)
    assert 0 < refused < 300
