"""What the registration does with odd input, a person's help, shared frames and other modalities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from registration_cases import bone_points, distances
from spinemet import phantom
from spinemet.case import Role
from spinemet.errors import BadInput, Cancelled
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration import Hand, Landmark, RigidMotion, Trust, register
from spinemet.registration.field import polyrigid
from spinemet.registration.verdict import LEAST_INFORMATION

LEVELS = (Level.L1, Level.L2, Level.L3, Level.L4)


@pytest.fixture(scope="module")
def patient() -> phantom.SyntheticPatient:
    spec = phantom.PatientSpec(
        seed=301,
        levels=LEVELS,
        ct_size=(140, 140),
        ct_spacing=(1.2, 1.2, 1.5),
        modalities=(Role.CT, Role.T1, Role.T2, Role.PET),
        posture=phantom.PostureSpec(-4.0, 2.0, 1.0, (4.0, -8.0, 9.0), (1.0, 1.0, -1.0)),
        mr=phantom.MrSpec((1.2, 1.2, 4.0), (140.0, 0.0)),
    )
    return phantom.create(spec)


def error(patient: phantom.SyntheticPatient, level: Level, motion: RigidMotion) -> float:
    points = bone_points(patient.vertebrae, patient.vertebrae.levels[level], 1)
    return float(distances(points, motion.matrix, patient.model.ct_to_mr(level)).mean())


def truth(patient: phantom.SyntheticPatient, level: Level) -> RigidMotion:
    return RigidMotion(patient.model.ct_to_mr(level))


def test_every_vertebra_is_found_and_the_same_input_gives_the_same_result(patient):
    ct, mr = patient.images[Role.CT], patient.images[Role.T1]
    steps: list[float] = []
    one = register(ct, mr, patient.vertebrae, progress=lambda fraction, text: steps.append(fraction))
    assert one.usable and not one.kept_header
    assert max(error(patient, level, one.vertebrae[level].motion) for level in LEVELS) < 1.0
    assert steps == sorted(steps) and steps[0] == 0.0 and steps[-1] == 1.0 and len(steps) > 10
    other = register(ct, mr, patient.vertebrae)
    assert np.array_equal(one.spine.matrix, other.spine.matrix)
    for level in LEVELS:
        assert np.array_equal(one.vertebrae[level].motion.matrix, other.vertebrae[level].motion.matrix)
        assert one.vertebrae[level].spread_mm == other.vertebrae[level].spread_mm
    fields = [
        polyrigid(item.spine, {level: found.motion for level, found in item.vertebrae.items()}, patient.vertebrae)
        for item in (one, other)
    ]
    assert np.array_equal(fields[0].displacements, fields[1].displacements)


@pytest.mark.bars
def test_the_roles_of_the_images_can_be_swapped(patient):
    outlines, _, _ = patient.masks_on(Role.T1)
    result = register(patient.images[Role.T1], patient.images[Role.CT], outlines)
    assert result.usable
    assert max(error(patient, level, result.vertebrae[level].motion.inverse) for level in LEVELS) < 1.0


def test_a_start_one_level_off_is_noticed_and_corrected(patient):
    ct, mr = patient.images[Role.CT], patient.images[Role.T1]
    off = truth(patient, Level.L2).after(RigidMotion.shift([0.0, 3.0, -36.0]))
    result = register(ct, mr, patient.vertebrae, hand=Hand(start=off))
    assert "one level" in result.start
    assert max(error(patient, level, result.vertebrae[level].motion) for level in LEVELS) < 1.0


def test_landmarks_start_the_registration(patient):
    ct, mr = patient.images[Role.CT], patient.images[Role.T2]
    away = replace(mr, ijk_to_ras=RigidMotion.about(mr.grid.center, [0, 0, 0.5], [300, 0, 0]).matrix @ mr.ijk_to_ras)
    moved = RigidMotion.about(mr.grid.center, [0, 0, 0.5], [300, 0, 0])
    places = {level: bone_points(patient.vertebrae, value, 2)[0] for level, value in patient.vertebrae.levels.items()}
    noise = np.random.default_rng(4).normal(0, 1.0, (len(places), 3))
    pairs = tuple(
        Landmark(tuple(place), tuple(moved.apply(truth(patient, level).apply(place)) + noise[n]), level)
        for n, (level, place) in enumerate(places.items())
    )
    result = register(ct, away, patient.vertebrae, hand=Hand(landmarks=pairs))
    assert result.start == "landmarks"
    for level in LEVELS:
        assert error(patient, level, moved.inverse.after(result.vertebrae[level].motion)) < 1.0


def test_lines_along_the_canal_start_the_registration_wherever_they_begin(patient):
    ct, mr = patient.images[Role.CT], patient.images[Role.T2]
    away = RigidMotion.about(mr.grid.center, [0.3, 0.0, 0.4], [300.0, 100.0, -400.0])
    centers = {
        level: bone_points(patient.vertebrae, value, 2).mean(axis=0)
        for level, value in patient.vertebrae.levels.items()
    }
    fixed = np.array(list(centers.values()))
    moving = np.array([away.apply(truth(patient, level).apply(place)) for level, place in centers.items()])[1:]
    moving = np.concatenate([moving, moving[-1:] + 1.4 * (moving[-1:] - moving[-2:-1])])
    lines = (fixed, moving + np.random.default_rng(4).normal(0, 1.5, moving.shape))
    moved = replace(mr, ijk_to_ras=away.matrix @ mr.ijk_to_ras)
    result = register(ct, moved, patient.vertebrae, hand=Hand(lines=lines))
    assert "line" in result.start
    for level in LEVELS:
        assert error(patient, level, away.inverse.after(result.vertebrae[level].motion)) < 1.0


def test_lines_that_are_too_short_are_refused(patient):
    short = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -30.0]])
    with pytest.raises(BadInput, match="longer"):
        register(patient.images[Role.CT], patient.images[Role.T2], patient.vertebrae, hand=Hand(lines=(short, short)))


@pytest.mark.bars
def test_a_nudge_starts_its_vertebra(patient):
    ct, mr = patient.images[Role.CT], patient.images[Role.T1]
    nudged = RigidMotion.shift([1.5, -1.5, 1.0]).after(truth(patient, Level.L3))
    result = register(ct, mr, patient.vertebrae, hand=Hand(nudges={Level.L3: nudged}))
    assert error(patient, Level.L3, result.vertebrae[Level.L3].motion) < 1.0


@pytest.mark.bars
def test_outlines_in_both_images_give_the_start(patient):
    outlines, _, _ = patient.masks_on(Role.T1)
    mr = patient.images[Role.T1]
    away = RigidMotion.shift([500.0, -300.0, 900.0])
    moved, moved_outlines = (
        replace(image, ijk_to_ras=away.matrix @ image.ijk_to_ras) for image in (mr, outlines.image)
    )
    result = register(
        patient.images[Role.CT], moved, patient.vertebrae, moving_vertebrae=replace(outlines, image=moved_outlines)
    )
    assert result.start == "vertebrae outlined in both images"
    assert max(error(patient, level, away.inverse.after(result.vertebrae[level].motion)) for level in LEVELS) < 1.0


@pytest.mark.bars
def test_a_pet_in_the_frame_of_its_ct_stays_there(patient):
    ct, pet = (replace(patient.images[role], frame="1.2.3") for role in (Role.CT, Role.PET))
    result = register(ct, pet, patient.vertebrae)
    assert result.kept_header
    assert all(np.array_equal(item.motion.matrix, np.eye(4)) for item in result.vertebrae.values())
    assert {item.trust for item in result.vertebrae.values()} == {Trust.SPINE}


def test_mr_series_of_one_session_stay_where_they_are(patient):
    one, other = (replace(patient.images[role], frame="1.2.3") for role in (Role.T1, Role.T2))
    result = register(one, other, patient.masks_on(Role.T1)[0])
    assert result.kept_header and np.array_equal(result.spine.matrix, np.eye(4))


@pytest.mark.bars
def test_a_patient_who_moved_between_two_mr_series_is_noticed(patient):
    one, other = (replace(patient.images[role], frame="1.2.3") for role in (Role.T1, Role.T2))
    away = RigidMotion.about(other.grid.center, [0.0, 0.05, 0.03], [4.0, -3.0, 6.0])
    moved = replace(other, ijk_to_ras=away.matrix @ other.ijk_to_ras)
    result = register(one, moved, patient.masks_on(Role.T1)[0])
    assert not result.kept_header
    assert result.spine.distance(away, one.grid.center + 60 * np.eye(3)) < 1.0


@pytest.mark.bars
def test_a_follow_up_ct_is_aligned(patient):
    ct = patient.images[Role.CT]
    away = RigidMotion.about(ct.grid.center, [0.08, 0.0, -0.05], [7.0, 12.0, -15.0])
    later = Image(
        ct.array + np.random.default_rng(5).normal(0, 20, ct.shape), away.matrix @ ct.ijk_to_ras, "", "later CT"
    )
    result = register(ct, later, patient.vertebrae)
    assert result.usable
    for level, value in patient.vertebrae.levels.items():
        points = bone_points(patient.vertebrae, value, 1)
        assert distances(points, result.vertebrae[level].motion.matrix, away.matrix).mean() < 0.3


def test_without_outlines_one_motion_is_found_and_said_to_be_untested(patient):
    result = register(patient.images[Role.CT], patient.images[Role.T1])
    assert not result.vertebrae and result.level_margin is None
    assert any("outlines" in note for note in result.notes)
    assert error(patient, Level.L2, result.spine) < 5.0


@pytest.mark.parametrize("seed", [6, *(pytest.param(n, marks=pytest.mark.bars) for n in range(20, 28))])
def test_an_image_of_nothing_but_noise_is_refused(patient, seed):
    mr = patient.images[Role.T1]
    noise = mr.with_array(np.random.default_rng(seed).normal(300, 80, mr.shape))
    result = register(patient.images[Role.CT], noise, patient.vertebrae)
    assert not result.usable
    assert result.after.information < LEAST_INFORMATION
    with pytest.raises(BadInput):
        result.require_usable()


@pytest.mark.parametrize("at", [0.0, 0.05, 0.3, 0.5, 0.7, 0.9])
def test_registering_can_be_canceled_at_any_step(patient, at):
    later: list[float] = []

    def stop(fraction: float, text: str) -> None:
        if fraction >= at:
            later.append(fraction)
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        register(patient.images[Role.CT], patient.images[Role.T1], patient.vertebrae, progress=stop)
    # It is heard within a seventh of the way.
    assert len(later) == 1 and later[0] <= at + 0.15


def test_blending_can_be_canceled(patient):
    def stop(fraction: float, text: str) -> None:
        if fraction > 0.3:
            raise Cancelled("stopped")

    motions = {level: truth(patient, level) for level in LEVELS}
    with pytest.raises(Cancelled):
        polyrigid(motions[Level.L2], motions, patient.vertebrae, progress=stop)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda image: image.with_array(np.zeros(image.shape, np.int16)), "empty"),
        (lambda image: image.crop((slice(0, 1), slice(None), slice(None))), "single slice"),
        (lambda image: image.with_array(np.full(image.shape, np.nan, np.float32)), "empty"),
    ],
)
def test_images_without_content_are_refused_with_a_sentence(patient, change, sentence):
    with pytest.raises(BadInput, match=sentence):
        register(patient.images[Role.CT], change(patient.images[Role.T1]), patient.vertebrae)


def test_outlines_without_a_vertebra_are_refused(patient):
    empty = LabelMap(patient.vertebrae.image.with_array(np.zeros_like(patient.vertebrae.image.array)), {})
    with pytest.raises(BadInput, match="no vertebra"):
        register(patient.images[Role.CT], patient.images[Role.T1], empty)
