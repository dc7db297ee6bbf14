"""Parts of real vertebrae: against an expert's subregions, and unmoved by the grid."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts, partition
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.sampling import crop_like
from spinemet.anatomy.spine import measure_spine
from spinemet.case import Outline, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

LEFT_RIGHT = ("LEFT", "RIGHT")


def read(path: Path) -> Image:
    image = Image.from_sitk(sitk.ReadImage(str(path)))
    return image.with_array(image.array.astype(np.int16))


def verse_labels(image: Image) -> LabelMap:
    names = Level.ordinary()
    present = [int(value) for value in np.unique(image.array) if 0 < value < 25]
    return LabelMap(image, {value: Outline(Structure.VERTEBRA, names[value - 1]) for value in present})


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def named(*names: str) -> list[Part]:
    return [part for part in Part if part.name.startswith(names)]


def test_parts_agree_with_the_experts_subregions(tptbox_files):
    folder = tptbox_files / "sample_ct"
    labels = verse_labels(read(folder / "sub-ct_seg-vert_label-22_msk.nii.gz"))
    regions = read(folder / "sub-ct_seg-subreg_label-22_msk.nii.gz")
    vertebra = measure_spine(labels)[Level.L3]
    parts = partition(vertebra)
    truth = crop_like(regions, parts.map.grid).array * vertebra.mask.array
    arch, inferior = named("PEDICLE", "LAMINA", "PARS"), named("INFERIOR")
    found = {
        "body": dice(parts.mask(Part.BODY), np.isin(truth, (49, 50))),
        "posterior elements": dice(parts.map.array > Part.BODY, (truth >= 41) & (truth <= 48)),
        "arch": dice(parts.mask(*arch), truth == 41),
        "arch and inferior articular": dice(parts.mask(*arch, *inferior), np.isin(truth, (41, 47, 48))),
        "spinous": dice(parts.mask(Part.SPINOUS), truth == 42),
        "transverse": dice(parts.mask(*named("TRANSVERSE")), np.isin(truth, (43, 44))),
        "superior articular": dice(parts.mask(*named("SUPERIOR")), np.isin(truth, (45, 46))),
        "inferior articular": dice(parts.mask(*inferior), np.isin(truth, (47, 48))),
    }
    print({name: round(value, 3) for name, value in found.items()})
    assert found["body"] >= 0.92
    assert found["posterior elements"] >= 0.88
    assert found["spinous"] >= 0.85
    assert min(found["transverse"], found["superior articular"], found["inferior articular"]) >= 0.75
    # The bar of 0.88 for the arch is met where both definitions agree. The expert lets the inferior process begin
    # right below the pars, over the whole thickness; here the lamina goes on in front of it, along the canal. So a
    # fifth of a lamina is the expert's inferior process, and the arch alone, a thin strut at 1.5 mm, stays below.
    assert found["arch and inferior articular"] >= 0.88
    assert found["arch"] >= 0.79


@cache
def verse(folder: Path, name: str) -> LabelMap:
    return verse_labels(read(folder / "verse" / name))


def parted(labels: LabelMap) -> dict[Level, Parts]:
    return {level: partition(item) for level, item in measure_spine(labels).vertebrae.items()}


LUMBAR = "sub-verse010_seg-vert_msk.nii.gz"
CERVICAL = "sub-gl003_dir-ax_seg-vert_msk.nii.gz"


@pytest.mark.parametrize("name", [LUMBAR, CERVICAL])
def test_every_ordinary_vertebra_is_parted_into_plausible_parts(shared_data, name):
    for level, parts in parted(verse(shared_data, name)).items():
        if level in (Level.C1, Level.C2):
            assert not parts.parted
            continue
        assert parts.parted, (level, parts.reason)
        whole = parts.counts[1:].sum()
        assert 0.4 <= parts.counts[Part.BODY] / whole <= 0.85
        for kind in ("LAMINA", "SUPERIOR_ARTICULAR", "TRANSVERSE"):
            left, right = (parts.counts[Part[f"{kind}_{side}"]] for side in LEFT_RIGHT)
            assert min(left, right) >= 0.25 * max(left, right), (level, kind)


def turned(grid: Grid, spacing: float, degrees: tuple[float, float, float]) -> Grid:
    """A grid that covers another one, turned and of equal spacing."""
    axes = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ grid.directions
    ends = [[x * (n - 1) for x, n in zip(corner, grid.shape[::-1], strict=True)] for corner in np.ndindex(2, 2, 2)]
    corners = grid.to_world(np.array(ends, float)) @ axes
    low = corners.min(axis=0)
    count = np.ceil((corners.max(axis=0) - low) / spacing).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes * spacing, axes @ (low + 0.3 * spacing)
    return Grid((int(count[2]), int(count[1]), int(count[0])), matrix)


@cache
def lumbar(folder: Path) -> dict[Level, Parts]:
    return parted(verse(folder, LUMBAR))


RESAMPLINGS = ((0.5, (0, 0, 0)), (0.8, (0, 0, 0)), (1.25, (0, 0, 0)), (1.0, (12, 8, -15)), (1.0, (-20, 10, 25)))


@cache
def resampled(folder: Path, spacing: float, degrees: tuple[float, float, float]) -> dict[Level, Parts]:
    labels = verse(folder, LUMBAR)
    image = labels.image.resample(turned(labels.image.grid, spacing, degrees), nearest=True)
    return parted(LabelMap(image, labels.outlines))


def changes(before: dict[Level, Parts], after: dict[Level, Parts], order: list[Part]) -> np.ndarray:
    """How much the volume of each part changes in each vertebra: (of the vertebra, of the part itself) in %.

    :param order: the part of `after` that each part of `before` has become.
    """
    rows = []
    for level, one in before.items():
        old, new = (item.counts * item.map.voxel_volume for item in (one, after[level]))
        change = np.abs(new[order] - old[1:])
        rows.append(100 * change / np.stack([np.full_like(change, old[1:].sum()), old[1:]]))
    return np.array(rows).transpose(1, 0, 2)


@pytest.mark.parametrize(("spacing", "degrees"), RESAMPLINGS)
def test_resampling_and_turning_move_no_part_by_more_than_one_percent_of_the_vertebra(shared_data, spacing, degrees):
    """Of a part itself it is more: parts meet over wide borders, which voxels show to half a millimeter at best."""
    of_all, of_itself = changes(lumbar(shared_data), resampled(shared_data, spacing, degrees), list(Part))
    print(f"of the vertebra: most {of_all.max():.2f} %; of the part: median {np.median(of_itself):.1f},", end=" ")
    print(f"p95 {np.percentile(of_itself, 95):.1f}, most {of_itself.max():.1f} %")
    assert of_all.max() <= 1.0
    assert of_itself[:, 0].max() <= 2.0, "body"
    assert np.median(of_itself) <= 6.0
    assert np.percentile(of_itself, 95) <= 20.0


def test_the_stated_width_of_a_real_pedicle_holds_what_resampling_changes(shared_data):
    """What resampling changes is only a part of the error: the outline's own is in both. It must be held the more."""
    pairs = [
        (one.width, resampled(shared_data, *how)[level].pedicles[side].width)
        for how in RESAMPLINGS
        for level, parts in lumbar(shared_data).items()
        for side, one in parts.pedicles.items()
    ]
    known = [(one, other) for one, other in pairs if one.known and other.known]
    change = np.array([abs(one.value - other.value) for one, other in known])
    margin = np.array([np.hypot(one.uncertainty, other.uncertainty) for one, other in known])
    print(f"n={len(known)} median {np.median(change):.2f} p95 {np.percentile(change, 95):.2f} mm")
    print(f"± of one {np.median(margin) / np.sqrt(2):.2f} mm, held {np.mean(change <= margin):.1%}")
    assert len(known) >= 0.9 * len(pairs)
    assert np.mean(change <= margin) >= 0.9


def test_a_mirrored_spine_has_its_sides_exchanged(shared_data):
    labels = verse(shared_data, LUMBAR)
    image = Image(labels.image.array, np.diag([-1.0, 1.0, 1.0, 1.0]) @ labels.image.ijk_to_ras, name="mirrored")
    after = parted(LabelMap(image, labels.outlines))
    other = [part.on(Side.LEFT if part.side is Side.RIGHT else Side.RIGHT) for part in Part]
    of_all, of_itself = changes(lumbar(shared_data), after, other)
    assert of_all.max() <= 0.5
    assert np.percentile(of_itself, 95) <= 5.0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_voxels_stored_in_the_other_direction_give_the_same_parts(shared_data, axis):
    image = verse(shared_data, LUMBAR).image
    matrix, last = image.ijk_to_ras.copy(), np.zeros(3)
    last[2 - axis] = image.shape[axis] - 1
    matrix[:3, 3] = image.to_world(last)
    matrix[:3, 2 - axis] *= -1
    flipped = Image(np.ascontiguousarray(np.flip(image.array, axis)), matrix, name="flipped")
    after = parted(LabelMap(flipped, verse(shared_data, LUMBAR).outlines))
    of_all, of_itself = changes(lumbar(shared_data), after, list(Part))
    print(f"of the vertebra: most {of_all.max():.2f} %; of the part: p95 {np.percentile(of_itself, 95):.1f} %")
    assert of_all.max() <= 0.5
    assert np.percentile(of_itself, 95) <= 5.0


def test_neck_pedicles_have_published_sizes(shared_data):
    parts = parted(verse(shared_data, CERVICAL))
    widths = {level: [item.width.value for item in found.pedicles.values()] for level, found in parts.items()}
    print({str(level): [value and round(value, 1) for value in row] for level, row in widths.items()})
    neck = [np.mean(widths[level]) for level in (Level.C3, Level.C4, Level.C5, Level.C6, Level.C7)]
    # Means of 338 pedicles: 4.9 mm at C3 to 6.6 mm at C7, none under 3.2 mm (Woodward et al. 2008).
    assert min(neck) >= 3.2
    assert max(neck) <= 8.0
    assert abs(np.mean(neck) - 5.75) <= 0.75
    assert neck[0] < neck[-1]
    thoracic = [np.mean(widths[level]) for level in (Level.T1, Level.T2, Level.T3, Level.T4, Level.T5)]
    assert max(thoracic) == thoracic[0]
    assert thoracic[0] <= 10.0
    assert max(thoracic[2:]) <= 6.0


def test_lumbar_pedicles_grow_wider_downward(shared_data):
    widths = [[item.width.value for item in found.pedicles.values()] for found in lumbar(shared_data).values()]
    means = np.mean(np.array(widths, dtype=float), axis=1)
    print(means.round(1))
    assert (np.diff(means) > 0).all()
    assert 12.0 <= means[-1] <= 20.0
