"""Parts of a vertebra against the synthetic patient's construction, and on masks that are hardly vertebrae."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import part_overlap
from anatomy_solids import Solid, turned, voxelize
from spinemet import phantom
from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts, partition
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.spine import measure_spine
from spinemet.anatomy.spine_line import LevelHint
from spinemet.anatomy.vertebra import Vertebra, measure_vertebra
from spinemet.case import Role
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.phantom.model import Model

SEED = 2
AXIAL = LevelHint()


@cache
def patient(spacing: float) -> tuple[Model, dict[Level, tuple[Vertebra, Parts]]]:
    size = round(205 / spacing)
    spec = replace(
        phantom.random_spec(SEED),
        modalities=(Role.CT,),
        ct_size=(size, size),
        ct_spacing=(spacing, spacing, max(spacing, 1.0)),
    )
    made = phantom.create(spec)
    spine = measure_spine(made.vertebrae)
    return made.model, {level: (item, partition(item)) for level, item in spine.vertebrae.items()}


def overlaps(spacing: float) -> dict[str, list[float]]:
    """Dice of each of the phantom's parts, by kind."""
    model, measured = patient(spacing)
    found: dict[str, list[float]] = {}
    for vertebra, parts in measured.values():
        for kind, value in part_overlap.overlaps(model, vertebra, parts) if parts.parted else ():
            found.setdefault(kind, []).append(value)
    return found


def test_parts_agree_with_the_construction_at_fine_voxels():
    found = overlaps(1.0)
    print({name: (round(float(np.mean(row)), 3), round(min(row), 2)) for name, row in found.items()})
    assert np.mean([value for row in found.values() for value in row]) >= 0.90
    assert min(found["body"]) >= 0.98
    assert np.mean(found["spinous"]) >= 0.94
    assert np.mean(found["transverse"]) >= 0.90


@pytest.mark.parametrize(("spacing", "least"), [(2.0, 0.88), (3.0, 0.86)])
def test_coarse_voxels_lose_some_of_the_agreement_but_not_the_parts(spacing, least):
    found = overlaps(spacing)
    assert np.mean([value for row in found.values() for value in row]) >= least


def test_every_voxel_of_a_parted_vertebra_has_one_part_and_no_other_voxel_has_any():
    _, measured = patient(1.0)
    for vertebra, parts in measured.values():
        if parts.parted:
            assert np.array_equal(parts.map.array > 0, vertebra.mask.array)


def test_the_body_of_the_parts_is_that_of_its_own_outline_alone():
    _, measured = patient(1.0)
    vertebra, parts = measured[Level.L3]
    body = parts.body_of(vertebra.mask)
    assert body is not None
    assert np.count_nonzero(body) == parts.counts[Part.BODY]
    edited = vertebra.mask.array.copy()
    edited[tuple(np.argwhere(edited)[0])] = False
    assert parts.body_of(vertebra.mask.with_array(edited)) is None
    assert parts.body_of(vertebra.mask.crop((slice(1, None),) * 3)) is None


def test_left_parts_lie_to_the_left():
    _, measured = patient(1.0)
    for vertebra, parts in measured.values():
        for part in Part:
            if parts.parted and part.side is not None and (place := parts.position(part)) is not None:
                assert part.side.sign * vertebra.frame.to_local(place)[0] > 0


def test_the_sacrum_is_not_parted_and_says_so():
    _, measured = patient(1.0)
    _, parts = measured[Level.S1]
    assert not parts.parted
    assert "sacrum" in parts.reason
    assert all(not parts.volume(part).known for part in Part)


def test_a_flipped_grid_gives_the_same_parts():
    solid = voxelize(Solid(), spacing=1.0)
    flipped = solid.ijk_to_ras.copy()
    flipped[:3, 3] = solid.to_world([solid.shape[2] - 1, 0, 0])
    flipped[:3, 0] *= -1
    first = partition(measure_vertebra(solid, Level.L3, hint=AXIAL))
    mirror = Image(np.ascontiguousarray(solid.array[:, :, ::-1]), flipped, name="flipped")
    second = partition(measure_vertebra(mirror, Level.L3, hint=AXIAL))
    assert first.parted
    assert second.parted
    differing = np.count_nonzero(first.map.array[:, :, ::-1] != second.map.array)
    assert differing <= 0.01 * np.count_nonzero(first.map.array)


def test_an_oblique_grid_changes_no_part_by_more_than_two_percent_of_the_vertebra():
    straight = partition(measure_vertebra(voxelize(Solid(), spacing=0.8), Level.L3, hint=AXIAL))
    tilted = partition(
        measure_vertebra(voxelize(Solid(), spacing=0.8, axes=turned(pitch=12, roll=8, yaw=-15)), Level.L3, hint=AXIAL)
    )
    whole = straight.counts[1:].sum()
    assert np.abs(straight.counts - tilted.counts)[1:].max() <= 0.02 * whole


MIRROR = np.diag([-1.0, 1.0, 1.0])


def mirrored(item: Vertebra) -> Vertebra:
    """The mirror image of a measured vertebra, its frame and plates with it."""
    matrix = item.mask.ijk_to_ras.copy()
    matrix[0] *= -1
    frame = VertebraFrame.from_directions(
        MIRROR @ item.frame.origin, MIRROR @ item.frame.superior, MIRROR @ item.frame.anterior
    )
    plates = {
        name: replace(plate, center=tuple(MIRROR @ plate.center), normal=tuple(MIRROR @ plate.normal))
        for name in ("superior_endplate", "inferior_endplate")
        if (plate := getattr(item, name)) is not None
    }
    return replace(item, mask=Image(item.mask.array, matrix, name="mirrored"), frame=frame, **plates)


def test_a_mirrored_vertebra_has_its_sides_exchanged():
    exchanged = [part.on(Side.LEFT if part.side is Side.RIGHT else Side.RIGHT) for part in Part]
    table = np.array([0, *exchanged], dtype=np.uint8)
    first = measure_vertebra(voxelize(Solid(wedge=6.0, lateral=4.0), spacing=0.8), Level.L3, hint=AXIAL)
    second = mirrored(first)
    expected = table[partition(first).map.array]
    whole = np.count_nonzero(expected)
    assert np.count_nonzero(partition(second).map.array != expected) <= 1e-4 * whole
    # Measured anew, the frame itself may lie off by a hair.
    anew = partition(measure_vertebra(second.mask, Level.L3, hint=AXIAL))
    assert np.count_nonzero(anew.map.array != expected) <= 0.005 * whole


def test_a_laminectomy_leaves_no_spinous_process_and_keeps_the_pedicles():
    model, measured = patient(1.0)
    vertebra, before = measured[Level.L3]
    k, j, i = np.indices(vertebra.mask.shape)
    local = vertebra.frame.to_local(vertebra.mask.to_world(np.stack([i, j, k], axis=-1)))
    ring = before.ring
    assert ring is not None
    taken = (local[..., 1] < ring.back + 3.0) & (np.abs(local[..., 0] - ring.middle) < ring.half_width)
    parts = partition(measure_vertebra(without(vertebra.mask, ~taken), Level.L3, hint=AXIAL))
    assert parts.parted
    assert not parts.volume(Part.SPINOUS).known
    for side in Side:
        width = parts.pedicles[side].width
        assert width.value is not None
        assert abs(width.value - model.shapes[Level.L3].size.pedicle_width) <= 1.0


def without(vertebra_mask: Image, keep: np.ndarray) -> Image:
    return vertebra_mask.with_array(vertebra_mask.array & keep)


def test_a_body_without_arch_is_not_parted():
    mask = voxelize(Solid())
    k, j, i = np.indices(mask.shape)
    front = mask.to_world(np.stack([i, j, k], axis=-1))[..., 1] > -17.0
    parts = partition(measure_vertebra(without(mask, front), Level.L3, hint=AXIAL))
    assert not parts.parted
    assert all(not parts.volume(part).known for part in Part if part is not Part.BODY)


def test_a_missing_side_is_unknown_and_the_other_is_not():
    mask = voxelize(Solid())
    k, j, i = np.indices(mask.shape)
    place = mask.to_world(np.stack([i, j, k], axis=-1))
    keep = (place[..., 1] > -17.0) | (place[..., 0] < 3.0)
    parts = partition(measure_vertebra(without(mask, keep), Level.L3, hint=AXIAL))
    assert parts.why_not(Part.PEDICLE_RIGHT)
    assert not parts.volume(Part.PEDICLE_RIGHT).known


@pytest.mark.parametrize("kind", ["one voxel", "slab", "two pieces", "hole", "noise", "ball"])
def test_odd_masks_never_crash(kind):
    mask = voxelize(Solid())
    array = mask.array.copy()
    k, j, i = np.indices(array.shape)
    middle = np.array(array.shape) // 2
    if kind == "one voxel":
        array[:] = False
        array[tuple(middle)] = True
    elif kind == "slab":
        array &= k == middle[0]
    elif kind == "two pieces":
        array &= np.abs(j - middle[1]) > 3
    elif kind == "hole":
        array &= (k - middle[0]) ** 2 + (j - middle[1]) ** 2 + (i - middle[2]) ** 2 > 100
    elif kind == "noise":
        array &= np.random.default_rng(1).random(array.shape) > 0.4
    else:
        array = (k - middle[0]) ** 2 + (j - middle[1]) ** 2 + (i - middle[2]) ** 2 < 300
    parts = partition(measure_vertebra(mask.with_array(array), Level.L3, hint=AXIAL))
    assert parts.parted or parts.reason
    assert len(parts.measurements) >= len(Part)
    for side in Side:
        width = parts.pedicles[side].width if side in parts.pedicles else None
        assert width is None or width.value is None or 1.5 <= width.value <= 22.0


def test_parts_at_an_image_edge_are_cut():
    whole = voxelize(Solid())
    behind = whole.array.any(axis=(0, 2))
    first = int(np.flatnonzero(behind)[0]) + 6
    crop = whole.crop((slice(None), slice(first, None), slice(None)))
    hint = LevelHint(cut=("posterior image edge",))
    parts = partition(measure_vertebra(crop, Level.L3, hint=hint))
    assert parts.cut == {Part.SPINOUS}
    assert "cut" in parts.volume(Part.SPINOUS).reason
    assert parts.volume(Part.PEDICLE_LEFT).known
