"""Registration of CT and MR beside SimpleITK and itk-elastix: seconds, and how far every vertebra is from the truth.

    python Testing/bench/bench_registration.py [--patients 12] [--json out/registration.json]

`make bench` times one patient. The peers start from the true centroids of the vertebrae, a start they need and rarely
get; ours finds its own. itk-elastix is no dependency: without it (pip install itk-elastix) it is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

# The cases are shared with the tests, whose folder is not on the path of a script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from registration_cases import SEEDS, Case, case
from spinemet.image import LPS_RAS
from spinemet.levels import Level
from spinemet.registration import register
from spinemet.registration.field import polyrigid

IN_VIEW = 0.5
"""Share of a vertebra that the MR must show to count as in the field of view."""
TIMED_SEED = 8

Carried = dict[Level, np.ndarray]
"""Where each vertebra's points (n, 3) end up in the MR, RAS mm."""


def ours(item: Case) -> Carried:
    """Our registration with its field, from the headers."""
    result = register(item.ct, item.mr, item.vertebrae)
    polyrigid(result.spine, {level: found.motion for level, found in result.vertebrae.items()}, item.vertebrae)
    return {level: motion.motion.apply(item.points[level]) for level, motion in result.vertebrae.items()}


def _centroid_start(item: Case) -> np.ndarray:
    """Shift in LPS that carries the mean of the visible vertebrae's centers to where it truly lies."""
    seen = [level for level in item.motions if item.in_view[level] >= IN_VIEW]
    centers = np.array([item.points[level].mean(axis=0) for level in seen])
    matrices = [item.motions[level] for level in seen]
    truly = np.array([m[:3, :3] @ c + m[:3, 3] for m, c in zip(matrices, centers, strict=True)])
    return (truly - centers).mean(axis=0) * np.diag(LPS_RAS)[:3]


def _carried(item: Case, transform: sitk.Transform) -> Carried:
    flip = np.diag(LPS_RAS)[:3]
    return {
        level: np.array([transform.TransformPoint((p * flip).tolist()) for p in points]) * flip
        for level, points in item.points.items()
    }


def simpleitk_rigid(item: Case) -> Carried:
    """SimpleITK: Mattes mutual information on three resolutions, from the true centroids."""
    fixed, moving = (sitk.Cast(image.to_sitk(), sitk.sitkFloat32) for image in (item.ct, item.mr))
    start = sitk.Euler3DTransform()
    start.SetCenter((item.ct.grid.center * np.diag(LPS_RAS)[:3]).tolist())
    start.SetTranslation(_centroid_start(item).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel([0.1, 0.03, 0.01], seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 200, gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    return _carried(item, method.Execute(fixed, moving))


def _elastix(names: tuple[str, ...]) -> Callable[[Case], Carried]:
    def run(item: Case) -> Carried:
        import itk

        fixed, moving = (_to_itk(itk, image) for image in (item.ct, item.mr))
        parameters = itk.ParameterObject.New()
        for name in names:
            table = parameters.GetDefaultParameterMap(name, 4 if name == "rigid" else 3, 20.0)
            table["AutomaticTransformInitialization"] = ["false"]
            table["ResultImagePixelType"] = ["float"]
            table["WriteResultImage"] = ["false"]
            # The MR is narrower than the CT: with the default of a quarter, elastix stops at once.
            table["RequiredRatioOfValidSamples"] = ["0.05"]
            parameters.AddParameterMap(table)
        # The start is a shift of the moving image itself, taken back from the points afterward.
        shift = _centroid_start(item)
        moving.SetOrigin([o - s for o, s in zip(moving.GetOrigin(), shift, strict=True)])
        method = itk.ElastixRegistrationMethod.New(fixed, moving)
        method.SetParameterObject(parameters)
        method.SetLogToConsole(False)
        method.UpdateLargestPossibleRegion()
        with tempfile.TemporaryDirectory() as folder:
            return _points_through(itk, item, moving, method.GetTransformParameterObject(), shift, Path(folder))

    return run


def _to_itk(itk, image):
    array = np.ascontiguousarray(image.array, dtype=np.float32)
    result = itk.image_from_array(array)
    like = image.to_sitk()
    result.SetOrigin(like.GetOrigin())
    result.SetSpacing(like.GetSpacing())
    result.SetDirection(itk.matrix_from_array(np.reshape(like.GetDirection(), (3, 3))))
    return result


def _points_through(itk, item: Case, moving, transforms, shift: np.ndarray, folder: Path) -> Carried:
    flip = np.diag(LPS_RAS)[:3]
    levels = list(item.points)
    together = np.concatenate([item.points[level] for level in levels]) * flip
    listed = folder / "points.txt"
    rows = "\n".join(" ".join(f"{v:.5f}" for v in p) for p in together)
    listed.write_text(f"point\n{len(together)}\n{rows}\n", encoding="utf-8")
    method = itk.TransformixFilter.New(moving)
    method.SetFixedPointSetFileName(str(listed))
    method.SetTransformParameterObject(transforms)
    method.SetOutputDirectory(str(folder))
    method.SetLogToConsole(False)
    method.UpdateLargestPossibleRegion()
    moved = [
        [float(v) for v in line.split("OutputPoint = [")[1].split("]")[0].split()]
        for line in (folder / "outputpoints.txt").read_text(encoding="utf-8").splitlines()
    ]
    ends = np.cumsum([len(item.points[level]) for level in levels])[:-1]
    return dict(zip(levels, np.split((np.array(moved) + shift) * flip, ends), strict=True))


def peers() -> dict[str, Callable[[Case], Carried]]:
    """Every method that can run here, ours first."""
    methods = {"ours": ours, "SimpleITK rigid": simpleitk_rigid}
    if importlib.util.find_spec("itk") is None:
        print("itk-elastix is left out: it is not installed (pip install itk-elastix).", file=sys.stderr)
        return methods
    return {
        **methods,
        "itk-elastix rigid": _elastix(("rigid",)),
        "itk-elastix rigid+B-spline": _elastix(("rigid", "bspline")),
    }


def errors(item: Case, carried: Carried) -> dict[Level, np.ndarray]:
    """Distance in mm from the truth at every point of every vertebra."""
    found = {}
    for level, points in item.points.items():
        truth = points @ item.motions[level][:3, :3].T + item.motions[level][:3, 3]
        found[level] = np.linalg.norm(carried[level] - truth, axis=1)
    return found


def main() -> None:
    """Run every method on every patient and print what it took and how far off it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=len(SEEDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table: dict[str, dict[str, list[float]]] = {name: {"error": [], "seconds": [], "cpu": []} for name in peers()}
    for seed in SEEDS[: options.patients]:
        item = case(seed)
        for name, method in peers().items():
            start, busy = time.perf_counter(), time.process_time()
            carried = method(item)
            table[name]["seconds"].append(time.perf_counter() - start)
            table[name]["cpu"].append(time.process_time() - busy)
            found = errors(item, carried)
            own = [float(found[level].mean()) for level in found if item.in_view[level] >= IN_VIEW]
            table[name]["error"] += own
            spent = f"{table[name]['seconds'][-1]:6.1f} s  {table[name]['cpu'][-1]:6.1f} s CPU"
            print(f"{seed:3d} {item.role.value:5s} {name:28s} {spent}  "
                  f"TRE mean {np.mean(own):6.2f}  worst vertebra {max(own):6.2f} mm", flush=True)  # fmt: skip
        case.cache_clear()
    print(f"\n{'':28s} {'mean':>7} {'p95':>7} {'max':>7} {'median s':>9} {'CPU s':>7}")
    for name, row in table.items():
        e = np.array(row["error"])
        print(
            f"{name:28s} {e.mean():7.2f} {np.percentile(e, 95):7.2f} {e.max():7.2f} {np.median(row['seconds']):9.1f} "
            f"{np.median(row['cpu']):7.1f}"
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _prepare(method: Callable[[Case], Carried]) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        item = case(TIMED_SEED)
        return lambda: method(item)

    return prepare


BENCHMARKS = (
    ("registration: whole spine, CT–T1, ours", _prepare(ours)),
    ("registration: whole spine, CT–T1, SimpleITK rigid", _prepare(simpleitk_rigid)),
)

if __name__ == "__main__":
    main()
