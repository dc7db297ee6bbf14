"""Damaged and made-up bytes: the reader neither crashes nor hangs, and never gives other voxels without a word.

Hypothesis makes the damage; the number of examples bounds the time. `make bars` runs many more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from enhanced_dicom import write_enhanced
from small_dicom import write_slice
from spinemet.errors import BadInput
from spinemet.study import read_study
from spinemet.study.index import index

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

EXAMPLES = int(os.environ.get("SPINEMET_FUZZ_EXAMPLES", "150"))
SLOWEST_S = 5.0
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PLACES = [(0.0, 0.0, 2.0 * k) for k in range(4)]


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, list[bytes]]:
    """Files of a plain series and of an enhanced object, as bytes."""
    folder = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(1)
    volume = rng.integers(0, 2000, (4, 7, 9)).astype(np.uint16)
    plain = [
        write_slice(folder / f"f{k}", volume[k], PLACES[k], SOPInstanceUID=f"1.2.{k}").read_bytes() for k in range(4)
    ]
    enhanced = write_enhanced(folder / "e", volume.astype(np.int16), PLACES).read_bytes()
    return {"plain": plain, "enhanced": [enhanced]}


def outcome(files: list[bytes]) -> list[tuple[np.ndarray, np.ndarray, str, bool]]:
    """Voxels, matrix and notes of what loads; nothing when all is refused. Anything but a sentence is a failure."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    start = time.monotonic()
    try:
        for n, data in enumerate(files):
            (folder / f"f{n}").write_bytes(data)
        index(folder).to_json()
        try:
            study = read_study(folder)
        except BadInput as error:
            assert str(error).endswith((".", ")"))
            return []
        found = []
        for series in study.series:
            if not series.usable:
                continue
            try:
                image = series.image
            except BadInput as error:
                assert str(error).endswith((".", ")"))
                continue
            notes = " ".join([*study.notes, *series.notes])
            found.append((image.array, image.ijk_to_ras, notes, len(study.series) == 1))
        return found
    finally:
        assert time.monotonic() - start < SLOWEST_S
        shutil.rmtree(folder)


def change(data: bytes, edits: list[tuple[float, int]], header: int) -> bytes:
    """Bytes with some set anew within the first `header` ones."""
    changed = bytearray(data)
    for place, value in edits:
        changed[132 + int(place * (header - 132))] = value
    return bytes(changed)


EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


@bounded
@given(edits=EDITS, which=st.integers(0, 3))
def test_changed_bytes_of_a_slice_end_in_a_sentence_or_in_an_image(originals, edits, which):
    files = list(originals["plain"])
    files[which] = change(files[which], edits, len(files[which]))
    for array, matrix, _, _ in outcome(files):
        assert np.isfinite(array).all()
        assert np.isfinite(matrix).all()


@bounded
@given(edits=EDITS)
def test_changed_bytes_of_an_enhanced_object_end_in_a_sentence_or_in_an_image(originals, edits):
    data = originals["enhanced"][0]
    for array, matrix, _, _ in outcome([change(data, edits, len(data))]):
        assert np.isfinite(array).all()
        assert np.isfinite(matrix).all()


@bounded
@given(cut=st.floats(0, 1), which=st.integers(0, 3))
def test_a_file_cut_anywhere_is_never_taken_for_whole(originals, cut, which):
    files = list(originals["plain"])
    length = int(cut * (len(files[which]) - 1))
    files[which] = files[which][:length]
    for array, _, notes, _ in outcome(files):
        # The series may go on without a slice at its end, which is then named or counted as passed over.
        assert len(array) == 3
        assert f"f{which}" in notes or "1 other files" in notes


@bounded
@given(cut=st.floats(0, 1))
def test_an_enhanced_object_cut_anywhere_is_refused(originals, cut):
    data = originals["enhanced"][0]
    assert outcome([data[: int(cut * (len(data) - 1))]]) == []


@bounded
@given(
    lost=st.sets(st.integers(0, 9), max_size=4),
    shift=st.lists(st.floats(-0.4, 0.4), min_size=10, max_size=10),
    spacing=st.floats(0.5, 6.0),
)
def test_slices_lost_or_shifted_are_refused_or_lie_within_a_quarter_of_a_slice(originals, lost, shift, spacing):
    kept = [k for k in range(10) if k not in lost]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        depths = {k: round(spacing * (k + shift[k]), 4) for k in kept}
        for k in kept:
            write_slice(
                folder / f"f{k}", np.full((4, 5), 1000 + k, np.uint16), (0.0, 0.0, depths[k]), RescaleIntercept="0",
                SOPInstanceUID=f"1.2.{k}",
            )  # fmt: skip
        try:
            image = read_study(folder).series[0].image
        except BadInput:
            return
        for n, plane in enumerate(image.array):
            place = image.to_world([0, 0, n])[2]
            assert abs(place - depths[int(plane[0, 0]) - 1000]) <= 0.26 * image.spacing[2]
    finally:
        shutil.rmtree(folder)


@bounded
@given(data=st.binary(max_size=400), preamble=st.booleans())
def test_bytes_of_no_kind_are_no_image(data, preamble):
    assert outcome([bytes(128) + b"DICM" + data if preamble else b"\x08\x00\x05\x00" + data]) == []
