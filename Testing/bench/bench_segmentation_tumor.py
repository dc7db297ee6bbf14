"""Tumor outlines beside SimpleITK's watershed, GrowCut and random walks: CPU seconds, and overlap with the truth.

    python Testing/bench/bench_segmentation_tumor.py [--seeds 1 2 3] [--json out/tumor.json] [--real FOLDER]

All get the same strokes in the same region of 140³ voxels: one along the tumor, one round it. GrowCut is written here
(Vezhnevets 2005) since no package has it; random_walker needs scikit-image, our maximum flow PyMaxflow: without them
they are left out with a sentence. `--real` outlines the sarcomas of the data beside the repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

# The reader is shared with the tests, whose folder is not on the path of a script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from spinemet import phantom
from spinemet.case import Role
from spinemet.image import Image
from spinemet.segmentation.tumor_cut import Solver
from spinemet.segmentation.tumor_outline import first_outline, refined_outline
from spinemet.segmentation.tumor_strokes import Stroke, painted
from spinemet.study import read_image
from tumor_reader import along, dice, read

SIDE = 140
RING_MM = 5.0


@dataclass(frozen=True, eq=False)
class Case:
    """One lesion in its region, with a stroke along it and one round it in the same slice."""

    name: str
    image: Image
    truth: np.ndarray
    strokes: tuple[Stroke, ...]

    @property
    def seeds(self) -> np.ndarray:
        """1 inside, 2 outside and on the region's faces, 0 open."""
        seeds = np.zeros(self.truth.shape, np.uint8)
        for axis in range(3):
            face = np.moveaxis(seeds, axis, 0)
            face[0] = face[-1] = 2
        seeds[painted(self.strokes, self.image.grid, foreground=False)] = 2
        seeds[painted(self.strokes, self.image.grid, foreground=True)] = 1
        return seeds


@cache
def cases(seed: int) -> tuple[Case, ...]:
    """The lytic and blastic lesions of a synthetic patient's CT."""
    patient = phantom.create(replace(phantom.random_spec(seed), modalities=(Role.CT,)))
    image, found = patient.images[Role.CT], []
    for number, spec in enumerate(patient.spec.lesions, start=1):
        if spec.kind == "mixed":
            continue
        whole = patient.lesions.image.array == number
        middle = np.argwhere(whole).mean(axis=0).astype(int)
        starts = [int(np.clip(m - SIDE // 2, 0, max(0, n - SIDE))) for m, n in zip(middle, whole.shape, strict=True)]
        region = tuple(slice(a, min(a + SIDE, n)) for a, n in zip(starts, whole.shape, strict=True))
        crop, truth = image.crop(region), whole[region]
        inside = along(truth, crop, np.random.default_rng([seed, number]))
        found.append(Case(f"{seed} {spec.level} {spec.kind}", crop, truth, (inside, _round(truth, crop, inside))))
    return tuple(found)


def _round(truth: np.ndarray, image: Image, inside: Stroke) -> Stroke:
    """A closed stroke about 5 mm outside of the tumor, an ellipse as a hand draws it, in the inside stroke's slice."""
    k = round(float(image.to_index(inside.points[0])[2]))
    pixels = np.argwhere(truth[k])
    center, half = pixels.mean(axis=0), np.ptp(pixels, axis=0) / 2
    reach = half * 1.1 + RING_MM / image.spacing[[1, 0]]
    points = []
    for angle in np.linspace(0, 2 * np.pi, 24):
        j, i = center + reach * (np.sin(angle), np.cos(angle))
        i, j = np.clip([i, j], 0, np.array(image.shape)[[2, 1]] - 1)
        points.append(tuple(image.to_world([i, j, k])))
    return Stroke(tuple(points), False)


def ours_first(case: Case) -> np.ndarray:
    """Our first outline."""
    return first_outline(case.image, case.strokes, role=Role.CT, solver=Solver.RELAXATION).on(case.image.grid)


def ours(case: Case) -> np.ndarray:
    """Our refined outline, by numpy alone."""
    first = first_outline(case.image, case.strokes, role=Role.CT, solver=Solver.RELAXATION)
    return refined_outline(first).on(case.image.grid)


def ours_by_max_flow(case: Case) -> np.ndarray:
    """Our refined outline, by PyMaxflow."""
    first = first_outline(case.image, case.strokes, role=Role.CT, solver=Solver.MAX_FLOW)
    return refined_outline(first).on(case.image.grid)


def watershed(case: Case) -> np.ndarray:
    """SimpleITK's watershed from markers on the gradient."""
    gradient = sitk.GradientMagnitudeRecursiveGaussian(case.image.to_sitk(), 1.0)
    markers = sitk.GetImageFromArray(case.seeds)
    markers.CopyInformation(gradient)
    basins = sitk.MorphologicalWatershedFromMarkers(gradient, markers, markWatershedLine=False)
    return sitk.GetArrayFromImage(basins) == 1


def grow_cut(case: Case, most_rounds: int = 300) -> np.ndarray:
    """GrowCut as a cellular automaton: neighbors attack with their strength, less across edges."""
    values = case.image.array.astype(np.float32)
    range_of_values = float(np.ptp(np.clip(values, -200, 1200)))
    values = np.clip(values, -200, 1200)
    labels, strength = case.seeds.copy(), (case.seeds > 0).astype(np.float32)
    for _ in range(most_rounds):
        changed = 0
        for axis in range(3):
            for near, far in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
                own = tuple(near if other == axis else slice(None) for other in range(3))
                foe = tuple(far if other == axis else slice(None) for other in range(3))
                attack = (1 - np.abs(values[own] - values[foe]) / range_of_values) * strength[foe]
                won = attack > strength[own]
                labels[own][won] = labels[foe][won]
                strength[own][won] = attack[won]
                changed += int(np.count_nonzero(won))
        if changed < 1e-4 * labels.size:
            break
    return labels == 1


def random_walk(case: Case) -> np.ndarray:
    """scikit-image's random_walker."""
    from skimage.segmentation import random_walker

    values = np.clip(case.image.array.astype(np.float32), -200, 1200)
    found = random_walker(values, case.seeds.astype(np.int32), beta=130, mode="cg_j", spacing=case.image.spacing[::-1])
    return found == 1


def methods() -> dict[str, Callable[[Case], np.ndarray]]:
    """Every method that can run here, ours first."""
    found = {"ours, first": ours_first, "ours, refined": ours}
    if importlib.util.find_spec("maxflow"):
        found["ours, refined, maximum flow"] = ours_by_max_flow
    else:
        print("Maximum flow is left out: PyMaxflow is not installed (pip install PyMaxflow).", file=sys.stderr)
    found |= {"SimpleITK watershed": watershed, "GrowCut": grow_cut}
    if importlib.util.find_spec("skimage"):
        found["scikit-image random_walker"] = random_walk
    else:
        print("random_walker is left out: scikit-image is not installed.", file=sys.stderr)
    return found


def real(folder: Path) -> None:
    """The sarcomas: what three interactions make of masses outlined by others, without any limit."""
    for patient in ("STS_018", "STS_002"):
        for name, role in (("CT", Role.CT), ("PET", Role.PET), ("MR_T1", Role.T1)):
            image = read_image(folder / patient / name / "image").image
            published = Image.from_sitk(sitk.ReadImage(str(folder / patient / "nifti_masks" / f"{name}_mask.nii.gz")))
            truth = published.resample(image.grid, nearest=True).array > 0
            for start in ("click", "stroke", "box"):
                begun = time.perf_counter()
                reading = read(image, truth, np.random.default_rng(1), role=role, start=start)
                steps = " ".join(f"{value:.3f}" for value in reading.dice)
                print(f"{patient} {name:6s} {start:7s} Dice {steps}  {time.perf_counter() - begun:5.1f} s", flush=True)


def main() -> None:
    """Run every method on every lesion and print what it took and how well it did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="the folder sts of the data beside the repository")
    options = parser.parse_args()
    if options.real:
        real(options.real)
        return
    present = methods()
    table: dict[str, dict[str, list[float]]] = {name: {"dice": [], "seconds": []} for name in present}
    for seed in options.seeds:
        for case in cases(seed):
            for name, method in present.items():
                start = time.process_time()
                mask = method(case)
                table[name]["seconds"].append(time.process_time() - start)
                table[name]["dice"].append(dice(mask, case.truth))
                row = table[name]
                print(
                    f"{case.name:16s} {name:28s} {row['seconds'][-1]:6.2f} s  Dice {row['dice'][-1]:.3f}", flush=True
                )
    print(f"\n{'':28s} {'mean Dice':>9} {'min':>6} {'median s':>9} {'max s':>6}  (CPU)")
    for name, row in table.items():
        d, s = np.array(row["dice"]), np.array(row["seconds"])
        print(f"{name:28s} {d.mean():9.3f} {d.min():6.3f} {np.median(s):9.2f} {s.max():6.2f}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _prepare(method: Callable[[Case], np.ndarray]) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        case = cases(1)[0]
        return lambda: method(case)

    return prepare


BENCHMARKS = (
    ("tumor: first outline, strokes in and out, 140³", _prepare(ours_first)),
    ("tumor: refined outline, strokes in and out, 140³", _prepare(ours)),
    ("tumor: SimpleITK watershed, 140³", _prepare(watershed)),
    ("tumor: GrowCut in numpy, 140³", _prepare(grow_cut)),
)

if __name__ == "__main__":
    main()
