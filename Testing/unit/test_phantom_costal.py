"""Where the synthetic vertebrae would carry ribs: closed bounds of the joints, and the lesions planted beside them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from spinemet.levels import Level
from spinemet.phantom.costal import DEEP_MM, rib_joint
from spinemet.phantom.lesion import PART_INDEX, Samples, make_lesion, sample_bone
from spinemet.phantom.shape import VertebraShape, make_shape
from spinemet.phantom.spec import LesionSpec
from spinemet.phantom.truth import lesion_in_joints


@cache
def bone(level: Level) -> tuple[VertebraShape, Samples]:
    shape = make_shape(level, 1.0, None, np.random.default_rng(0))
    return shape, sample_bone(shape, 0.8)


@pytest.mark.parametrize("level", [Level.T8, Level.T10, Level.T12])
def test_both_sides_are_mirror_images_just_under_the_surface(level):
    shape, samples = bone(level)
    left, right = (rib_joint(shape, samples, side) for side in ("left", "right"))
    # The flat side of a pedicle lies between two layers of points as it happens.
    assert left.sum() == pytest.approx(right.sum(), rel=0.15)
    assert not (left & right).any()
    assert samples.x[left].max() < -shape.size.canal_width / 2
    assert 0.1 <= left.sum() * samples.volume / 1000 <= 1.5
    assert shape.bone(samples.x[left], samples.y[left], samples.z[left]).min() >= -DEEP_MM


def test_the_tubercle_ends_at_the_tenth_rib():
    for level, has in ((Level.T10, True), (Level.T11, False)):
        shape, samples = bone(level)
        joint = rib_joint(shape, samples, "right")
        assert (samples.part[joint] == PART_INDEX["transverse_right"]).any() == has


def test_lumbar_vertebrae_have_no_ribs():
    shape, samples = bone(Level.L1)
    assert not rib_joint(shape, samples, "left").any()
    lesion = make_lesion(LesionSpec(Level.L1, "lytic", 0.5), 1, shape, 3)
    assert lesion_in_joints(shape, samples, samples.inside(lesion)) == {}


def test_a_lesion_of_one_pedicle_reaches_the_joint_of_that_side_only():
    shape, samples = bone(Level.T9)
    lesion = make_lesion(LesionSpec(Level.T9, "lytic", 0.0, ("pedicle_left",), 0.9), 1, shape, 3)
    shares = lesion_in_joints(shape, samples, samples.inside(lesion))
    assert shares["left"] > 10.0
    assert shares["right"] == pytest.approx(0.0)
