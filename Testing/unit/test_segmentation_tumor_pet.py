"""Foci of uptake whose isocontours are known by formula, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.tumor_pet import PetCut, PetValues, outline_uptake
from spinemet.segmentation.tumor_strokes import Box, Stroke

SIGMA_MM = 12.0
PEAK = 10.0
SPACING = (2.0, 2.0, 2.5)


def foci(*centers: tuple[float, float, float], peaks: tuple[float, ...] = (PEAK,), floor: float = 0.0) -> Image:
    """A PET with a normal distribution of uptake round each center, RAS mm."""
    matrix = np.diag([*SPACING, 1.0])
    image = Image(np.zeros((60, 70, 90), np.float32), matrix, name="PET")
    k, j, i = np.indices(image.shape)
    points = image.to_world(np.stack([i, j, k], axis=-1))
    values = np.full(image.shape, floor)
    for center, peak in zip(centers, peaks, strict=True):
        values = np.maximum(values, peak * np.exp(-np.sum((points - center) ** 2, axis=-1) / (2 * SIGMA_MM**2)))
    return image.with_array(values.astype(np.float32))


def ball_ml(value: float, peak: float = PEAK) -> float:
    """Volume within the isocontour of a normal distribution."""
    return float(4 / 3 * np.pi * (SIGMA_MM * np.sqrt(2 * np.log(peak / value))) ** 3 / 1000)


ONE = (90.0, 70.0, 75.0)
LIVER = (40.0, 40.0, 40.0)


@pytest.mark.parametrize(
    ("cut", "value"),
    [(PetCut.SHARE_41, 4.1), (PetCut.SHARE_50, 5.0), (PetCut.FIXED_2_5, 2.5), (PetCut.FIXED_4_0, 4.0)],
)
def test_the_outline_is_the_isocontour(cut, value) -> None:
    pet = foci(ONE)
    beside = Click((ONE[0] + 7, ONE[1] - 4, ONE[2]))
    outline = outline_uptake(pet, [beside], cut)
    assert outline.cut_at == pytest.approx(value, rel=0.01)
    assert outline.volume_ml == pytest.approx(ball_ml(value), rel=0.04)
    assert outline.maximum == pytest.approx(PEAK, rel=0.01)
    assert not outline.notes and str(int(value)) in outline.text


def test_percist_cuts_at_the_livers_mean_and_spread() -> None:
    pet = foci(ONE)
    k, j, i = np.indices(pet.shape)
    points = pet.to_world(np.stack([i, j, k], axis=-1))
    liver = np.linalg.norm(points - LIVER, axis=-1) < 15
    pet.array[liver] = np.random.default_rng(0).normal(2.0, 0.25, np.count_nonzero(liver))
    values = PetValues("SUVlbm (Janmahasatian)", True, pet.with_array(liver))
    outline = outline_uptake(pet, [Click(ONE)], PetCut.PERCIST_LIVER, values=values)
    assert outline.cut_at == pytest.approx(1.5 * 2.0 + 2 * 0.25, rel=0.03)
    assert outline.volume_ml == pytest.approx(ball_ml(outline.cut_at), rel=0.04)


def test_a_stroke_outside_parts_the_focus_from_a_hotter_neighbor() -> None:
    bladder = (130.0, 70.0, 75.0)
    pet = foci(ONE, bladder, peaks=(PEAK, 30.0))
    together = outline_uptake(pet, [Click(ONE)])
    assert any("hotter focus" in note for note in together.notes)
    apart = outline_uptake(pet, [Click(ONE), Stroke((bladder,), False)])
    assert apart.volume_ml < 0.5 * together.volume_ml and not apart.notes
    far_half = apart.mask.to_world(np.argwhere(apart.mask.array)[:, ::-1])[:, 0] < ONE[0]
    # Half of the focus lies on the side away from the neighbor, untouched by it.
    assert 2 * far_half.sum() * pet.voxel_volume / 1000 == pytest.approx(ball_ml(4.1), rel=0.12)


def test_nothing_lies_outside_of_the_box_or_the_limit() -> None:
    pet = foci(ONE)
    box = Box(((ONE[0] - 30, ONE[1] - 30, ONE[2] - 30), (ONE[0] + 5, ONE[1] + 30, ONE[2] + 30)))
    points = outline_uptake(pet, [box]).mask
    assert points.to_world(np.argwhere(points.array)[:, ::-1])[:, 0].max() <= ONE[0] + 5
    limit = np.zeros(pet.shape, bool)
    limit[:30] = True
    inside = outline_uptake(pet, [Click((ONE[0], ONE[1], ONE[2] - 6))], limit=pet.with_array(limit)).mask
    assert inside.to_world(np.argwhere(inside.array)[:, ::-1])[:, 2].max() <= 29 * SPACING[2] + 1e-6


@pytest.mark.parametrize(
    ("marks", "cut", "values", "sentence"),
    [
        ([Click((900.0, 0.0, 0.0))], PetCut.SHARE_41, PetValues(), "lies outside"),
        ([Click((20.0, 20.0, 20.0))], PetCut.FIXED_4_0, PetValues(), "below the cut"),
        ([Click((20.0, 20.0, 20.0))], PetCut.SHARE_41, PetValues(), "No uptake stands out"),
        ([Click(ONE)], PetCut.FIXED_2_5, PetValues(""), "needs SUV"),
        ([Click(ONE)], PetCut.PERCIST_LIVER, PetValues(), "lean body mass"),
        ([Click(ONE)], PetCut.PERCIST_LIVER, PetValues("SUVlbm (Janmahasatian)", True), "healthy liver"),
        ([Click(ONE, foreground=False)], PetCut.SHARE_41, PetValues(), "Nothing marks"),
    ],
)
def test_what_cannot_be_outlined_is_refused_with_a_sentence(marks, cut, values, sentence) -> None:
    with pytest.raises(BadInput, match=sentence):
        outline_uptake(foci(ONE, floor=0.5), marks, cut, values=values)


def test_an_outline_at_the_images_edge_says_so() -> None:
    outline = outline_uptake(foci((4.0, 70.0, 75.0)), [Click((4.0, 70.0, 75.0))])
    assert outline.notes == ("the outline is cut off by the image's edge",)
