"""Registration on real images: known motions recovered, PET left where it is, other patients refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration import RigidMotion, register
from spinemet.study import read_image

STARTS = ((10.0, 8.0), (8.0, 20.0), (6.0, 12.0), (4.0, 16.0), (2.0, 18.0))
"""Degrees and millimeters that the MR is moved by: the headers are off by as much."""
BLOCKS = {Level.L4: (-580.0, -545.0), Level.L5: (-622.0, -587.0), Level.S1: (-660.0, -629.0)}
"""RAS heights (mm) of three slabs of STS_018 in place of vertebrae: its MR shows the flank and the ilium only."""
PIECE_DEG, PIECE_MM = 3.0, 2.5
BODY_HU, INSET_MM = -300, 14.0
TOLERANCE_MM, TOLERANCE_DEG = 1.0, 0.7


@pytest.fixture(scope="module")
def pelvis(shared_data) -> dict[str, Image]:
    folder = shared_data / "sts" / "STS_018"
    return {name: read_image(folder / name / "image").image for name in ("CT", "MR_T1", "PET")}


def known_motion(n: int, center: np.ndarray) -> RigidMotion:
    rng = np.random.default_rng([18, n])
    axis, way = rng.normal(size=3), rng.normal(size=3)
    degrees, millimeters = STARTS[n]
    turn = axis / np.linalg.norm(axis) * np.radians(degrees)
    return RigidMotion.about(center, turn, way / np.linalg.norm(way) * millimeters)


def lattice(image: Image) -> np.ndarray:
    steps = [np.linspace(0, n - 1, 9) for n in image.shape[::-1]]
    return image.to_world(np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3))


def test_known_rigid_motions_of_a_real_mr_are_recovered_from_five_starts(pelvis):
    ct, mr = pelvis["CT"], replace(pelvis["MR_T1"], frame="")
    before = register(ct, mr)
    errors = []
    for n in range(len(STARTS)):
        known = known_motion(n, mr.grid.center)
        after = register(ct, replace(mr, ijk_to_ras=known.matrix @ mr.ijk_to_ras))
        assert after.usable
        found = after.spine.after(before.spine.inverse)
        errors.append((found.distance(known, lattice(mr)), found.after(known.inverse).angle_deg))
    print("rigid: mm, degrees", np.round(errors, 2).tolist())
    assert np.max(errors, axis=0)[0] <= TOLERANCE_MM
    assert np.max(errors, axis=0)[1] <= TOLERANCE_DEG


def pieces(ct: Image, mr: Image) -> LabelMap:
    """Three slabs of the body (without skin and table) where the MR sees it, each in the place of a vertebra."""
    k, j, i = np.indices(ct.shape)
    world = ct.to_world(np.stack([i, j, k], axis=-1))
    inside, _ = ndimage.label(ndimage.binary_erosion(ct.array > BODY_HU, iterations=5))
    body = inside == np.argmax(np.bincount(inside.ravel())[1:]) + 1
    for way in np.concatenate([np.eye(3)[:2], -np.eye(3)[:2]]):
        body &= mr.grid.contains(world + INSET_MM * way)
    labels = np.zeros(ct.shape, np.uint8)
    for n, (low, high) in enumerate(BLOCKS.values()):
        labels[body & (world[..., 2] > low) & (world[..., 2] < high)] = n + 1
    outlines = {n + 1: Outline(Structure.VERTEBRA, level) for n, level in enumerate(BLOCKS)}
    return LabelMap(Image(labels, ct.ijk_to_ras, name="pieces"), outlines)


def bent(mr: Image, known: dict[Level, RigidMotion]) -> Image:
    """The MR with every slab moved on its own, the rest in between."""
    k, j, i = np.indices(mr.shape)
    world = mr.to_world(np.stack([i, j, k], axis=-1))
    ends = sorted((z, level) for level, limits in BLOCKS.items() for z in (limits[0] - 3.0, limits[1] + 3.0))
    heights = [z for z, _ in ends]
    source = np.zeros_like(world)
    for level, motion in known.items():
        weight = np.interp(world[..., 2], heights, [float(one is level) for _, one in ends])
        source += weight[..., None] * motion.inverse.apply(world)
    return mr.with_array(mr.sample(source, order=3, outside=0.0))


def piecewise(fixed: Image, mr: Image, labels: LabelMap) -> list[tuple[bool, float, float]]:
    """Whether it is marked, mm and degrees of error of every piece, after the MR was bent by known motions."""
    rng = np.random.default_rng(3)
    before = register(fixed, mr, labels)
    known = {
        level: RigidMotion.about(
            item.motion.apply(item.center),
            np.radians(rng.uniform(-PIECE_DEG, PIECE_DEG, 3)),
            rng.uniform(-PIECE_MM, PIECE_MM, 3),
        )
        for level, item in before.vertebrae.items()
    }
    after = register(fixed, bent(mr, known), labels)
    rows = []
    for level, value in labels.levels.items():
        mask = labels.mask(value)
        inside = mask.to_world(np.argwhere(mask.array)[:, ::-1])
        here, there = before.vertebrae[level], after.vertebrae[level]
        truth = known[level].after(here.motion)
        error = there.motion.distance(truth, inside), there.motion.after(truth.inverse).angle_deg
        rows.append((here.marked or there.marked, *error))
    print("pieces: marked, mm, degrees", [(m, round(e, 2), round(d, 2)) for m, e, d in rows])
    return rows


def test_known_motions_of_pieces_of_a_real_mr_are_recovered(pelvis):
    mr = replace(pelvis["MR_T1"], frame="")
    rows = piecewise(mr, mr, pieces(pelvis["CT"], mr))
    assert max(row[1] for row in rows) <= TOLERANCE_MM
    assert max(row[2] for row in rows) <= TOLERANCE_DEG


def test_pieces_that_ct_and_mr_do_not_tell_are_marked(pelvis):
    """Soft tissue of the flank bends between CT and MR: no piece that is off by 2 mm may look sure."""
    mr = replace(pelvis["MR_T1"], frame="")
    rows = piecewise(pelvis["CT"], mr, pieces(pelvis["CT"], mr))
    assert not [row for row in rows if row[1] > 2.0 and not row[0]]


@pytest.mark.parametrize("patient", ["STS_018", "STS_002"])
def test_a_pet_stays_in_the_frame_of_its_ct(shared_data, patient):
    ct, pet = (read_image(shared_data / "sts" / patient / name / "image").image for name in ("CT", "PET"))
    result = register(ct, pet)
    assert result.kept_header and result.usable
    assert np.array_equal(result.spine.matrix, np.eye(4))


def test_crops_of_different_patients_are_refused(tptbox_files):
    def read(name: str) -> Image:
        return Image.from_sitk(sitk.ReadImage(str(tptbox_files / name)), name=name.split("/")[0])

    outlined = read("sample_ct/sub-ct_seg-vert_label-22_msk.nii.gz")
    outlined = outlined.with_array(outlined.array.astype(np.uint8))
    levels = {19 + n: Outline(Structure.VERTEBRA, Level(f"L{n}")) for n in (2, 3, 4)}
    ct, mri = read("sample_ct/sub-ct_label-22_ct.nii.gz"), read("sample_mri/sub-mri_label-6_T2w.nii.gz")
    result = register(ct, mri, LabelMap(outlined, levels))
    print(result.problems, result.level_margin)
    assert not result.usable
