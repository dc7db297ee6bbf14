"""Posterolateral involvement: sides and shares against planted lesions, and the rule's edges."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from anatomy_solids import Solid, voxelize
from spinemet import phantom
from spinemet.anatomy.arch.costal import costovertebral
from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts, partition
from spinemet.anatomy.lesions.cortex import CorticalBreak, CorticalBreaks
from spinemet.anatomy.lesions.involvement import lesion_mask
from spinemet.anatomy.lesions.posterolateral import Posterolateral, broken_parts, posterolateral
from spinemet.anatomy.spine import measure_spine
from spinemet.anatomy.spine_line import LevelHint
from spinemet.anatomy.vertebra import Vertebra, measure_vertebra
from spinemet.case import Role
from spinemet.errors import GridMismatch
from spinemet.evidence import Measurement
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.scores import sins


@cache
def solid() -> tuple[Vertebra, Parts]:
    vertebra = measure_vertebra(voxelize(Solid(), spacing=0.8), Level.L3, hint=LevelHint())
    return vertebra, partition(vertebra)


def judged(array: np.ndarray, **options) -> Posterolateral:
    vertebra, parts = solid()
    return posterolateral(parts, vertebra, vertebra.mask.with_array(array), **options)


def sides(result: Posterolateral) -> sins.Sides:
    return sins.involved_sides(
        {side.value: shares for side, shares in result.shares.items()},
        broken={side.value: [part.title for part in parts] for side, parts in result.broken.items()},
        doubtful={side.value: [part.title for part in parts] for side, parts in result.doubtful.items()},
    )


def filled(part: Part, share: float) -> np.ndarray:
    """The lateral share of a part's voxels."""
    vertebra, parts = solid()
    mask = parts.mask(part)
    k, j, i = np.nonzero(mask)
    outward = np.abs(vertebra.frame.to_local(vertebra.mask.to_world(np.stack([i, j, k], axis=-1)))[:, 0])
    chosen = np.argsort(-outward)[: round(share * outward.size)]
    array = np.zeros_like(mask)
    array[k[chosen], j[chosen], i[chosen]] = True
    return array


def test_no_lesion_involves_nothing():
    result = judged(np.zeros_like(solid()[1].map.array, dtype=bool))
    assert sides(result) == sins.Sides({"left": False, "right": False})


def test_a_filled_pedicle_involves_its_side_only():
    result = judged(filled(Part.PEDICLE_RIGHT, 0.8))
    assert sides(result).involved == {"left": False, "right": True}
    assert sins.posterolateral(sides(result).involved, result.measurements).points == 1


def test_lamina_transverse_and_spinous_process_alone_do_not_count():
    _, parts = solid()
    alone = [part for part in Part if part.name.startswith(("LAMINA", "TRANSVERSE", "SPINOUS"))]
    result = judged(parts.mask(*alone))
    assert True not in sides(result).involved.values()
    full = [item for item in result.others if item.value is not None]
    assert full
    assert min(item.value for item in full) == pytest.approx(100.0)


def test_a_share_near_fifteen_percent_is_left_open_and_says_so():
    found = sides(judged(filled(Part.PEDICLE_LEFT, 0.15)))
    assert found.involved["left"] is None
    assert found.near == ("left",)
    assert "near the threshold" in found.reason
    finding = sins.posterolateral(found.involved, near=bool(found.near), reason=found.reason)
    assert finding.possible == (0, 1)
    assert finding.near_threshold


def test_the_threshold_of_a_part_can_be_overridden():
    shares = {"left": (Measurement("lesion in left pedicle", 20.0, "%", "given", uncertainty=2.0),), "right": ()}
    assert sins.involved_sides(shares).involved["left"] is True
    strict = sins.Thresholds(part_involved=30.0)
    assert sins.involved_sides(shares, thresholds=strict).involved["left"] is False
    assert "30 %" in sins.posterolateral({"left": False, "right": False}, thresholds=strict).threshold


def test_in_the_streaks_of_metal_no_side_is_known():
    found = sides(judged(filled(Part.PEDICLE_RIGHT, 0.8), streaks="metal beside the bone"))
    assert found.involved == {"left": None, "right": None}
    assert "metal beside the bone" in found.reason


def test_a_cortical_break_decides():
    nothing = np.zeros_like(solid()[1].map.array, dtype=bool)
    broken = sides(judged(nothing, broken=[Part.PEDICLE_LEFT]))
    assert broken.involved == {"left": True, "right": False}
    assert broken.notes == ("cortex broken: left pedicle",)
    assert sides(judged(nothing, broken=[Part.LAMINA_LEFT])).involved["left"] is False


def beside(part: Part, neighbor: Part, share: float, *, far: bool = False) -> np.ndarray:
    """The share of a part's voxels nearest to another part, with all of that, or farthest from it alone."""
    _, parts = solid()
    own, other = parts.mask(part), parts.mask(neighbor)
    away = ndimage.distance_transform_edt(~other)[own]
    chosen = np.zeros(away.size, dtype=bool)
    chosen[np.argsort(-away if far else away)[: round(share * away.size)]] = True
    array = np.zeros_like(own) if far else other.copy()
    array[own] = chosen
    return array


def share_of(result: Posterolateral, name: str) -> Measurement:
    return next(item for item in result.measurements if item.name == f"lesion in {name}")


def test_a_lesion_that_reaches_over_from_the_neighbor_is_less_sure_than_one_away_from_it():
    over, within = (
        share_of(judged(beside(Part.PARS_LEFT, Part.LAMINA_LEFT, 0.25, far=far)), "left facet")
        for far in (False, True)
    )
    assert over.value == pytest.approx(within.value, abs=0.5)
    assert over.value > 15.0
    assert over.uncertainty > 2 * within.uncertainty


def test_a_full_or_an_empty_part_is_sure():
    _, parts = solid()
    full = share_of(judged(parts.map.array > 0), "left pedicle")
    assert full.value == pytest.approx(100.0)
    assert full.uncertainty < 1.5
    assert share_of(judged(parts.mask(Part.BODY)), "right facet").value == pytest.approx(0.0)


def broken_at(part: Part, chosen: np.ndarray) -> CorticalBreaks:
    """A break of the surface voxels (k, j, i) of a part that are chosen."""
    mask = solid()[0].mask
    surface = chosen & mask.array & ~ndimage.binary_erosion(mask.array)
    k, j, i = np.nonzero(surface)
    area = Measurement("cortical break", k.size * float(mask.spacing[0]) ** 2, "mm²", "given", uncertainty=1.0)
    points = mask.to_world(np.stack([i, j, k], axis=-1))
    whole = CorticalBreak(area, part.title, False, points)
    return CorticalBreaks((whole,), area, area, area, {part.title: area})


def test_a_break_in_the_middle_of_a_pedicle_full_of_lesion_is_the_pedicles():
    _, parts = solid()
    lesion = parts.map.with_array(parts.mask(Part.PEDICLE_LEFT))
    sure, doubtful = broken_parts(parts, lesion, broken_at(Part.PEDICLE_LEFT, parts.mask(Part.PEDICLE_LEFT)))
    assert (sure, doubtful) == ((Part.PEDICLE_LEFT,), ())


def test_a_break_beside_the_border_to_a_lamina_full_of_lesion_leaves_the_facet_open():
    _, parts = solid()
    facet = Part.PARS_LEFT
    reach = beside(facet, Part.LAMINA_LEFT, 0.16)
    lesion = parts.map.with_array(reach)
    sure, doubtful = broken_parts(parts, lesion, broken_at(facet, reach & parts.mask(facet)))
    assert (sure, doubtful) == ((), (facet,))
    arch = judged(reach, doubtful=doubtful)
    found = sides(arch)
    assert found.involved["left"] is None
    assert sins.posterolateral(found.involved, near=True, reason=found.reason).possible == (0, 1)


def test_a_break_of_the_lamina_alone_is_nobody_elses():
    _, parts = solid()
    lesion = parts.map.with_array(parts.mask(Part.LAMINA_LEFT))
    assert broken_parts(parts, lesion, broken_at(Part.LAMINA_LEFT, parts.mask(Part.LAMINA_LEFT))) == ((), ())


def test_another_grid_is_refused():
    vertebra, parts = solid()
    other = Image(np.zeros((3, 3, 3), bool), np.eye(4))
    with pytest.raises(GridMismatch):
        posterolateral(parts, vertebra, other)


def test_ribs_are_only_at_thoracic_levels():
    vertebra, parts = solid()
    assert costovertebral(parts, vertebra) == {}


@cache
def patient(spacing: float) -> tuple[phantom.SyntheticPatient, dict[str, Posterolateral]]:
    size = round(205 / spacing)
    spec = replace(
        phantom.random_spec(5), modalities=(Role.CT,), ct_size=(size, size), ct_spacing=(spacing, spacing, spacing)
    )
    made = phantom.create(spec)
    spine = measure_spine(made.vertebrae)
    found = {}
    for item in made.truth["lesions"].values():
        vertebra = spine[Level(item["level"])]
        mask = lesion_mask(vertebra, made.lesions, [item["label"]])
        found[item["level"]] = posterolateral(partition(vertebra), vertebra, mask)
    return made, found


@pytest.mark.parametrize("spacing", [1.0, 3.0])
def test_planted_lesions_involve_the_planted_sides(spacing):
    made, found = patient(spacing)
    for item in made.truth["lesions"].values():
        for side, state in sides(found[item["level"]]).involved.items():
            assert state in (None, side in item["posterolateral_sides"]), (item["level"], side)


def test_thoracic_levels_show_the_costovertebral_joint():
    _, found = patient(1.0)
    names = [item.name for level, result in found.items() if level[0] == "T" for item in result.measurements]
    assert any("costovertebral" in name for name in names)
    assert not any("costovertebral" in item.name for item in found_lumbar(found))


def found_lumbar(found: dict[str, Posterolateral]) -> list:
    return [item for level, result in found.items() if level[0] == "L" for item in result.measurements]
