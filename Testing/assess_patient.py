"""A synthetic patient at coarse resolution for tests of the whole assessment, and odd outlines made from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from spinemet import phantom
from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.assessment import SCHEMA_FILE, Assessment
from spinemet.case import ImageRef, Role
from spinemet.image import Image
from spinemet.increment import Increment
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SEED, SPACING_MM = 2, 1.8
CT = ImageRef("ct", Role.CT, "f", description="synthetic", patient_position="HFS", kvp=120.0, contrast=False)
T2 = ImageRef("t2", Role.T2, "f", description="synthetic", patient_position="HFS")
METAL_HU = 3071.0


@dataclass(frozen=True, eq=False)
class Given:
    """What `assess` takes."""

    image: Image
    vertebrae: LabelMap
    lesions: LabelMap | None
    ref: ImageRef
    answers: Answers

    def assessed(self, store: Increment | None = None) -> Assessment:
        return assess(self.image, self.ref, self.vertebrae, self.lesions, answers=self.answers, store=store)

    def bone(self, level: Level) -> NDArray[np.bool_]:
        return self.vertebrae.binary(self.vertebrae.levels[level])

    def with_bone(self, level: Level, bone: NDArray[np.bool_]) -> Given:
        """The vertebra's outline replaced; other vertebrae give way where it overlaps them."""
        value, array = self.vertebrae.levels[level], self.vertebrae.image.array.copy()
        array[array == value] = 0
        array[bone] = value
        return replace(self, vertebrae=replace(self.vertebrae, image=self.vertebrae.image.with_array(array)))

    def cropped(self, low: int, high: int) -> Given:
        """Axial slices from `low` to before `high` alone."""
        region = (slice(low, high), slice(None), slice(None))
        vertebrae = replace(self.vertebrae, image=self.vertebrae.image.crop(region))
        lesions = self.lesions and replace(self.lesions, image=self.lesions.image.crop(region))
        return replace(self, image=self.image.crop(region), vertebrae=vertebrae, lesions=lesions)


@cache
def patient() -> phantom.SyntheticPatient:
    """T8 blastic, T11 lytic, L1 crushed, L4 mixed with a slip; T9, T10, T12, L2, L3, L5 sound."""
    size = round(205 / SPACING_MM)
    spec = replace(
        phantom.random_spec(SEED), modalities=(Role.CT, Role.T2), ct_size=(size, size),
        ct_spacing=(SPACING_MM, SPACING_MM, SPACING_MM),
    )  # fmt: skip
    return phantom.create(spec)


@cache
def whole() -> Given:
    made = patient()
    return Given(made.images[Role.CT], made.vertebrae, made.lesions, CT, Answers.from_json(made.answers))


@cache
def result() -> Assessment:
    """What the whole patient's assessment says."""
    return whole().assessed()


def read_back(assessment: Assessment) -> Any:
    """The assessment's JSON, after it was found valid under the schema and equal when read back."""
    jsonschema = pytest.importorskip("jsonschema")
    plain = json.loads(json.dumps(assessment.to_json(), allow_nan=False))
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))).validate(plain)
    assert json.loads(json.dumps(Assessment.from_json(plain).to_json())) == plain
    return plain


@cache
def mr_only() -> Given:
    made = patient()
    vertebrae, lesions, _ = made.masks_on(Role.T2)
    return Given(made.images[Role.T2], vertebrae, lesions, T2, Answers.from_json(made.answers))


def halved(given: Given, level: Level) -> Given:
    """The vertebra without its left half, as a network loses it."""
    bone = given.bone(level)
    _, _, i = np.nonzero(bone)
    side = np.zeros_like(bone)
    side[..., : int(np.median(i))] = True
    return given.with_bone(level, bone & side)


def in_two_pieces(given: Given, level: Level) -> Given:
    """A gap of three slices through the middle."""
    bone = given.bone(level).copy()
    middle = int(np.median(np.nonzero(bone)[0]))
    bone[middle - 1 : middle + 2] = False
    return given.with_bone(level, bone)


def with_hole(given: Given, level: Level) -> Given:
    """A ball of 12 mm left out of the middle of the bone."""
    bone = given.bone(level)
    deep = ndimage.distance_transform_edt(bone)
    center = np.array(np.unravel_index(int(deep.argmax()), bone.shape))
    ball = np.linalg.norm(np.indices(bone.shape) - center[:, None, None, None], axis=0) * SPACING_MM <= 6.0
    return given.with_bone(level, bone & ~ball)


def fused(given: Given, level: Level, other: Level) -> Given:
    """Two vertebrae under the label of one, the disc between them filled."""
    both = given.bone(level) | given.bone(other)
    return given.with_bone(other, np.zeros_like(both)).with_bone(
        level, ndimage.binary_closing(both, iterations=round(8 / SPACING_MM)) | both
    )


def one_voxel(given: Given, level: Level) -> Given:
    bone = given.bone(level)
    k, j, i = (int(np.median(axis)) for axis in np.nonzero(bone))
    single = np.zeros_like(bone)
    single[k, j, i] = True
    return given.with_bone(level, single)


def with_screws(given: Given, level: Level) -> Given:
    """Two pedicle screws of 6 mm from behind into the body, and dark streaks beside them."""
    frame = result()[level].frame
    assert frame is not None
    world = given.image.to_world(np.moveaxis(np.indices(given.image.shape)[::-1], 0, -1))
    right, front, up = np.moveaxis(frame.to_local(world), -1, 0)
    screws = (np.hypot(np.abs(right) - 12.0, up - 3.0) <= 3.0) & (front > -45.0) & (front < 5.0)
    streaks = (np.abs(right) < 8.0) & (np.abs(up - 3.0) <= 2.0) & (np.abs(front) < 15.0)
    array = given.image.array.astype(np.float32)
    array = np.where(screws, METAL_HU, np.where(streaks, -400.0, array)).astype(given.image.array.dtype)
    return replace(given, image=given.image.with_array(array))
