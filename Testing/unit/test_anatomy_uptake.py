"""Uptake against closed forms: spheres, gradients and blobs of known value, and the spread of disease."""

from __future__ import annotations

from dataclasses import replace
from math import erf, exp, pi, sqrt

import numpy as np
import pytest

from spinemet.anatomy.uptake.lesions import Spread, find_lesions
from spinemet.anatomy.uptake.region import (
    Cut,
    Uptake,
    fixed_threshold,
    measure_uptake,
    percist_threshold,
    share_threshold,
    sphere_weights,
)
from spinemet.case import Outline, Role, Structure
from spinemet.errors import BadInput, GridMismatch, NotMeasurable
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom import create, random_spec

PEAK_RADIUS = (3000 / (4 * pi)) ** (1 / 3)


def pet(function, shape=(40, 40, 40), spacing=(2.0, 2.0, 2.0), turn=None, frame="1.2.3") -> Image:
    """An image centered on the world's origin with values from RAS positions (…, 3)."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if turn is None else turn) * np.array(spacing)
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    grid = Grid(shape, matrix)
    k, j, i = np.indices(shape)
    values = function(grid.to_world(np.stack([i, j, k], axis=-1)))
    return Image(np.asarray(values, dtype=np.float32), matrix, frame=frame, name="PET")


def sphere(center, radius, value, outside=0.0):
    return lambda p: np.where(np.linalg.norm(p - np.array(center), axis=-1) <= radius, value, outside)


def spheres(*parts, outside=0.5):
    """(center, radius, value) of each; the hottest wins where they meet."""
    return lambda p: np.max([np.full(p.shape[:-1], outside), *(sphere(*part)(p) for part in parts)], axis=0)


def all_of(image: Image) -> Image:
    return image.with_array(np.ones(image.shape, dtype=bool))


def test_a_sphere_has_its_volume_mean_and_glycolysis() -> None:
    image = pet(sphere((0.3, -0.7, 0.4), 21.0, 6.0, 0.8))
    uptake = Uptake(image, is_fdg=True)
    for threshold in (
        share_threshold(uptake),
        fixed_threshold(uptake, Cut.FIXED_2_5),
        fixed_threshold(uptake, Cut.FIXED_4_0),
    ):
        found = measure_uptake(uptake, all_of(image), threshold)
        exact = 4 / 3 * pi * 21**3 / 1000
        assert found.volume.value == pytest.approx(exact, rel=0.01)
        assert abs(found.volume.value - exact) < 3 * found.volume.uncertainty
        assert found.maximum.value == found.mean.value == pytest.approx(6.0)
        assert found.peak.value == pytest.approx(6.0)
        assert found.glycolysis.value == pytest.approx(6.0 * found.volume.value)
        assert (found.glycolysis.name, found.glycolysis.unit) == ("total lesion glycolysis", "g")
        assert threshold.text in found.volume.method and threshold.text in found.glycolysis.method
        assert found.maximum.uncertainty == pytest.approx(0.72)


def test_the_cuts_are_named_and_cut_where_they_say() -> None:
    # A blob 10·exp(−r²/2s²): above a cut c lies a sphere of radius s·sqrt(2 ln(10/c)).
    width = 12.0
    middle = np.array([0.31, -0.22, 0.4])
    image = pet(lambda p: 10 * np.exp(-np.sum((p - middle) ** 2, axis=-1) / (2 * width**2)), (65,) * 3, (1.0,) * 3)
    uptake = Uptake(image)
    cuts = {
        share_threshold(uptake): 4.1,
        fixed_threshold(uptake, Cut.FIXED_2_5): 2.5,
        fixed_threshold(uptake, Cut.FIXED_4_0): 4.0,
    }
    for threshold, cut in cuts.items():
        exact = 4 / 3 * pi * (width * sqrt(2 * np.log(10 / cut))) ** 3 / 1000
        assert measure_uptake(uptake, all_of(image), threshold).volume.value == pytest.approx(exact, rel=0.005)
    texts = [threshold.text for threshold in cuts]
    assert texts == ["41 % of the region's SUVbwmax", "SUVbw ≥ 2.5 (fixed)", "SUVbw ≥ 4 (fixed)"]


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (4.0, 4.0, 4.0), (1.5, 2.5, 3.5), (5.5, 5.5, 3.3)])
def test_the_peak_of_a_blob_is_the_mean_of_a_sphere_of_one_milliliter(spacing) -> None:
    # Mean of exp(−r²/2s²) over a ball of radius R: 3/R³ · (s³·sqrt(π/2)·erf(R/(s·√2)) − s²·R·exp(−R²/2s²)).
    s, r = 15.0, PEAK_RADIUS
    exact = 8 * 3 / r**3 * (s**3 * sqrt(pi / 2) * erf(r / (s * sqrt(2))) - s**2 * r * exp(-(r**2) / (2 * s**2)))
    image = pet(lambda p: 8 * np.exp(-np.sum(p**2, axis=-1) / (2 * s**2)), (31, 31, 31), spacing)
    uptake = Uptake(image)
    found = measure_uptake(uptake, all_of(image), fixed_threshold(uptake, Cut.FIXED_4_0))
    # Coarse voxels flatten the blob within the sphere.
    assert found.peak.value == pytest.approx(exact, rel=0.01 if max(spacing) < 5 else 0.02)
    assert found.peak.value < found.maximum.value == pytest.approx(8.0)
    np.testing.assert_allclose(found.peak.position, (0, 0, 0), atol=1e-6)


def test_the_peak_of_a_gradient_on_an_oblique_grid_is_its_value_in_the_middle() -> None:
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    image = pet(lambda p: 20 + 0.1 * p[..., 0] - 0.2 * p[..., 2], (30, 30, 30), (2.0, 2.5, 3.0), turn)
    region = image.with_array(
        np.linalg.norm(image.to_world(np.moveaxis(np.indices(image.shape)[::-1], 0, -1)), axis=-1) < 9
    )
    uptake = Uptake(image)
    found = measure_uptake(uptake, region, share_threshold(uptake))
    assert found.peak.value == pytest.approx(found.maximum.value, rel=1e-6)


def test_the_weights_of_the_sphere_are_its_volume_in_voxels() -> None:
    for spacing in ((1.0, 1.0, 1.0), (4.0, 4.0, 3.0), (12.0, 12.0, 14.0)):
        weights = sphere_weights(Grid((5, 5, 5), np.diag([*spacing, 1.0])))
        assert weights.sum() == pytest.approx(1.0)
        middle = weights[tuple(n // 2 for n in weights.shape)]
        # Voxels that lie wholly inside weigh their volume in mL, those that hold the sphere all of it.
        inside = np.linalg.norm(spacing) / 2 < PEAK_RADIUS
        assert middle == pytest.approx(min(1.0, np.prod(spacing) / 1000), rel=0.05 if inside else 0.2)


def test_a_sphere_that_reaches_beyond_the_image_is_said() -> None:
    image = pet(sphere((39, 0, 0), 8, 9.0))
    uptake = Uptake(image)
    found = measure_uptake(uptake, all_of(image), share_threshold(uptake))
    assert found.peak.value == pytest.approx(9.0, rel=0.05)
    inner = pet(sphere((0, 0, 0), 12, 9.0))
    assert measure_uptake(Uptake(inner), all_of(inner), share_threshold(Uptake(inner))).peak.limits == ()


def test_percist_takes_the_liver_that_the_reader_gives() -> None:
    rng = np.random.default_rng(1)
    noisy = pet(lambda p: 2.0 + 0.25 * rng.standard_normal(p.shape[:-1]))
    liver = pet(lambda p: np.linalg.norm(p - [10, 0, 0], axis=-1) < 15)
    liver = liver.with_array(liver.array > 0)
    uptake = Uptake(noisy, "SUVlbm (Janmahasatian)", is_fdg=True)
    threshold = percist_threshold(uptake, liver)
    assert threshold.value == pytest.approx(1.5 * 2.0 + 2 * 0.25, rel=0.02)
    assert "PERCIST" in threshold.text and threshold.limits == ("the liver's region was given by the reader",)
    small = liver.with_array(liver.array & (np.indices(liver.shape)[0] == 20))
    assert "3 cm" in percist_threshold(uptake, small).limits[1]


def test_percist_needs_lean_body_mass_fdg_and_a_liver() -> None:
    image = pet(sphere((0, 0, 0), 10, 5.0))
    liver = all_of(image)
    lean = "SUVlbm (Janmahasatian)"
    with pytest.raises(NotMeasurable, match="lean body mass"):
        percist_threshold(Uptake(image, is_fdg=True), liver)
    for tracer in (False, None):
        with pytest.raises(NotMeasurable, match="FDG"):
            percist_threshold(Uptake(image, lean, is_fdg=tracer), liver)
    with pytest.raises(NotMeasurable, match="empty"):
        percist_threshold(Uptake(image, lean, is_fdg=True), liver.with_array(~liver.array))


def test_without_suv_fixed_cuts_and_glycolysis_are_unknown() -> None:
    image = pet(sphere((0, 0, 0), 12, 30_000.0, 1000.0))
    uptake = Uptake(image, "", "Bq/mL")
    with pytest.raises(NotMeasurable, match="Bq/mL"):
        fixed_threshold(uptake, Cut.FIXED_4_0)
    found = measure_uptake(uptake, all_of(image), share_threshold(uptake))
    assert found.volume.known and not found.glycolysis.known
    assert found.maximum.unit == "Bq/mL"
    with pytest.raises(NotMeasurable):
        find_lesions(uptake, share_threshold(uptake))


def test_glycolysis_is_so_called_for_fdg_only() -> None:
    image = pet(sphere((0, 0, 0), 12, 9.0))
    for tracer, name, limited in ((False, "total lesion uptake", False), (None, "total lesion uptake", True)):
        uptake = Uptake(image, is_fdg=tracer)
        found = measure_uptake(uptake, all_of(image), share_threshold(uptake)).glycolysis
        assert found.name == name
        assert ("the tracer is not known" in found.limits) is limited


def test_nothing_above_the_cut_is_unknown_with_its_reason() -> None:
    image = pet(sphere((0, 0, 0), 12, 2.0))
    uptake = Uptake(image)
    found = measure_uptake(uptake, all_of(image), fixed_threshold(uptake, Cut.FIXED_4_0))
    assert not found.volume.known and "reaches" in found.volume.reason
    assert found.maximum.value == pytest.approx(2.0)
    empty = all_of(image).with_array(np.zeros(image.shape, dtype=bool))
    assert measure_uptake(uptake, empty, share_threshold(uptake)).maximum.reason == "the region is empty"


def test_a_region_on_another_grid_is_refused() -> None:
    image = pet(sphere((0, 0, 0), 12, 6.0))
    other = pet(sphere((0, 0, 0), 12, 6.0), spacing=(2.0, 2.0, 2.2))
    with pytest.raises(GridMismatch):
        measure_uptake(Uptake(image), all_of(other), share_threshold(Uptake(image)))
    # A crop of the PET's own grid is not another grid.
    crop = all_of(image).crop((slice(5, 35), slice(3, 37), slice(0, 40)))
    assert measure_uptake(Uptake(image), crop, share_threshold(Uptake(image))).volume.known


def vertebrae(frame="1.2.3") -> LabelMap:
    """Three cubes of 24 mm along z (T11 above, T12, L1 below) on a finer, shifted grid."""
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    matrix[:3, 3] = (-20.3, -20.3, -45.3)
    array = np.zeros((90, 40, 40), dtype=np.uint8)
    for value, low in ((3, 5), (2, 33), (1, 61)):
        array[low : low + 24, 8:32, 8:32] = value
    outlines = {
        value: Outline(Structure.VERTEBRA, level) for value, level in ((1, Level.T11), (2, Level.T12), (3, Level.L1))
    }
    return LabelMap(Image(array, matrix, frame=frame, name="vertebrae"), outlines)


CENTERS = {Level.L1: (0, 0, -28.8), Level.T12: (0, 0, -0.8), Level.T11: (0, 0, 27.2)}


def test_lesions_are_listed_by_vertebra_and_outside() -> None:
    image = pet(
        spheres((CENTERS[Level.T12], 9, 7.0), (CENTERS[Level.L1], 8, 12.0), ((60, 10, 0), 10, 9.0), outside=0.6),
        (60, 60, 90),
    )
    found = find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0), vertebrae())
    assert [lesion.lesion_id for lesion in found.lesions] == ["uptake-1", "uptake-2", "uptake-3"]
    assert [list(lesion.levels) for lesion in found.lesions] == [[Level.L1], [], [Level.T12]]
    assert [len(found.spinal), len(found.outside)] == [2, 1]
    assert found.lesions[0].measures.maximum.value == pytest.approx(12.0)
    assert found.lesions[0].levels[Level.L1].value == pytest.approx(4 / 3 * pi * 8**3 / 1000, rel=0.05)
    assert "SUVbw ≥ 4" in found.method
    assert "T11 to L1" in found.notes[0]


def test_a_lesion_over_two_vertebrae_has_its_volume_in_each() -> None:
    # A ball of radius 14 mm around the middle of the gap of 4 mm between T12 and L1, inside both cubes' width.
    middle = (0, 0, -14.8)
    image = pet(spheres((middle, 11, 8.0)), (60, 40, 40))
    found = find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0), vertebrae())
    # Spherical cap of height h = 11 − 2: π h² (3R − h) / 3.
    cap = pi * 9**2 * (33 - 9) / 3 / 1000
    (lesion,) = found.lesions
    assert list(lesion.levels) == [Level.T12, Level.L1]
    for part in lesion.levels.values():
        assert part.value == pytest.approx(cap, rel=0.1)
    assert found.count().value == 1 and "several vertebrae" in found.count().limits[-1]


def test_spots_in_one_vertebra_are_one_lesion() -> None:
    x, y, z = CENTERS[Level.T12]
    spots = [((x + side, y, z), 5, 8.0) for side in (-7, 7)]
    image = pet(spheres(*spots, (CENTERS[Level.L1], 7, 6.0), ((60, 0, 0), 8, 6.0)), (60, 40, 80))
    found = find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0), vertebrae())
    assert [list(lesion.levels) for lesion in found.lesions].count([Level.T12]) == 2
    assert len(found.lesions) == 4 and found.count().value == 3
    assert found.spread(3) is Spread.OLIGOMETASTATIC
    assert "same vertebra" in found.count().limits[-1]


def test_uptake_beside_the_spine_does_not_count_to_a_level_it_brushes() -> None:
    image = pet(spheres(((39, 0, 0), 29.5, 8.0)), (60, 60, 90))
    found = find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0), vertebrae())
    assert not found.lesions[0].spinal
    assert "only; not counted" in found.lesions[0].notes[0]


def test_a_share_of_the_maximum_reaches_beyond_the_cut_that_found_the_lesion() -> None:
    # 6·exp(−r²/2s²) is found above 4 (a small ball) and outlined at 41 % of 6.
    width = 10.0
    image = pet(lambda p: 6 * np.exp(-np.sum(p**2, axis=-1) / (2 * width**2)), (51, 51, 51))
    found = find_lesions(Uptake(image), share_threshold(Uptake(image)))
    exact = 4 / 3 * pi * (width * sqrt(-2 * np.log(0.41))) ** 3 / 1000
    assert found.lesions[0].measures.volume.value == pytest.approx(exact, rel=0.02)
    assert "found at SUVbw ≥ 4" in found.method and "41 %" in found.method


def test_two_lesions_at_their_own_share_do_not_take_each_other() -> None:
    image = pet(spheres(((-20, 0, 0), 9, 20.0), ((20, 0, 0), 9, 5.0), outside=1.0), (30, 30, 60))
    found = find_lesions(Uptake(image), share_threshold(Uptake(image)))
    exact = 4 / 3 * pi * 9**3 / 1000
    assert [lesion.measures.volume.value for lesion in found.lesions] == pytest.approx([exact, exact], rel=0.08)


def test_physiological_uptake_is_excluded_by_its_number_and_numbers_stay() -> None:
    image = pet(spheres(((-20, 0, 0), 9, 20.0), ((20, 0, 0), 9, 5.0), outside=1.0), (30, 30, 60))
    found = find_lesions(Uptake(image, is_fdg=True), fixed_threshold(Uptake(image), Cut.FIXED_4_0), excluded=[1])
    assert [(lesion.number, lesion.excluded) for lesion in found.lesions] == [(1, True), (2, False)]
    assert found.count().value == 1 and found.spread() is Spread.SOLITARY
    volume, product = found.total()
    assert volume.value == found.lesions[1].measures.volume.value
    assert product.value == pytest.approx(5 * volume.value) and product.name == "total lesion glycolysis"
    assert not any(lesion.excluded for lesion in found.excluding([]).lesions)
    with pytest.raises(BadInput, match="no uptake 7"):
        found.excluding([7])


@pytest.mark.parametrize(
    ("count", "at_most", "spread"),
    [
        (0, 5, Spread.NONE),
        (1, 3, Spread.SOLITARY),
        (2, 3, Spread.OLIGOMETASTATIC),
        (3, 3, Spread.OLIGOMETASTATIC),
        (4, 3, Spread.DISSEMINATED),
        (4, 5, Spread.OLIGOMETASTATIC),
        (5, 5, Spread.OLIGOMETASTATIC),
        (6, 5, Spread.DISSEMINATED),
    ],
)
def test_the_spread_follows_the_number_of_lesions_and_the_setting(count, at_most, spread) -> None:
    parts = [((-75 + 30 * n, 0, 0), 7, 5.0 + n) for n in range(count)]
    image = pet(spheres(*parts), (14, 14, 90))
    found = find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0))
    assert len(found.lesions) == count
    assert found.spread(at_most) is spread


def test_other_settings_of_oligometastatic_are_no_settings() -> None:
    image = pet(sphere((0, 0, 0), 9, 5.0))
    with pytest.raises(ValueError, match="3 or up to 5"):
        find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0)).spread(4)


def test_specks_are_left_out_and_said() -> None:
    image = pet(spheres(((0, 0, 0), 9, 5.0), ((30, 0, 0), 2.5, 9.0)))
    found = find_lesions(Uptake(image), fixed_threshold(Uptake(image), Cut.FIXED_4_0))
    assert len(found.lesions) == 1
    assert "1 spots" in found.notes[0]


def test_other_frames_of_reference_need_a_transform() -> None:
    image = pet(spheres(((10, 0, -0.8), 9, 7.0)), (60, 60, 60), frame="1.2.4")
    threshold = fixed_threshold(Uptake(image), Cut.FIXED_4_0)
    with pytest.raises(BadInput, match="different frames of reference"):
        find_lesions(Uptake(image), threshold, vertebrae())
    moved = np.eye(4)
    moved[:3, 3] = (-10, 0, 28)
    found = find_lesions(Uptake(image), threshold, vertebrae(), pet_to_labels=moved)
    assert list(found.lesions[0].levels) == [Level.T11]


def test_the_lesions_of_a_synthetic_patient_light_up_in_their_vertebrae() -> None:
    patient = create(replace(random_spec(3), modalities=(Role.CT, Role.PET)))
    uptake = Uptake(patient.images[Role.PET], is_fdg=True)
    planted = {lesion.level for lesion in patient.spec.lesions}
    for cut in (Cut.FIXED_2_5, Cut.FIXED_4_0):
        found = find_lesions(uptake, fixed_threshold(uptake, cut), patient.vertebrae)
        assert {level for lesion in found.spinal for level in lesion.levels} == planted
        assert found.count().value == len(planted) == 4
        assert not found.outside
