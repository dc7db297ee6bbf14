"""Registration of CT and MR beside SimpleITK and itk-elastix: seconds, and how far every vertebra is from the truth.

    python Testing/bench/bench_registration.py [--patients 12] [--only ours] [--json out/registration.json]

`make bench` times one patient. The peers start from the true centroids of the vertebrae, a start they need and rarely
get; ours finds its own. All may use two threads; processor seconds are those of all threads, so that a busy machine
does not change them. Reading the result off (points through transforms) is not timed. What is in the JSON file is
kept and not run again. itk-elastix is no dependency: without it (pip install itk-elastix) it is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
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
THREADS = 2
OURS = "ours"
RIGID_PEERS = ("SimpleITK rigid", "itk-elastix rigid")

Carried = dict[Level, np.ndarray]
"""Where each vertebra's points (n, 3) end up in the MR, RAS mm."""
Registered = Callable[[], Carried]
"""A registration that is done: reads off where it carries the points, which is not timed."""
Method = Callable[[Case], Registered]


@dataclass(frozen=True)
class Row:
    """One method on one patient.

    :param seconds: on the clock, which a busy machine makes longer; `cpu` are those of all threads.
    :param errors: mean error in mm over each vertebra that the MR shows.
    """

    patient: int
    role: str
    method: str
    seconds: float
    cpu: float
    errors: dict[str, float]


def ours(item: Case) -> Registered:
    """Our registration with its field, from the headers."""
    result = register(item.ct, item.mr, item.vertebrae)
    polyrigid(result.spine, {level: found.motion for level, found in result.vertebrae.items()}, item.vertebrae)
    return lambda: {level: motion.motion.apply(item.points[level]) for level, motion in result.vertebrae.items()}


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


def simpleitk_rigid(item: Case) -> Registered:
    """SimpleITK: Mattes mutual information on three resolutions, from the true centroids."""
    fixed, moving = (sitk.Cast(image.to_sitk(), sitk.sitkFloat32) for image in (item.ct, item.mr))
    start = sitk.Euler3DTransform()
    start.SetCenter((item.ct.grid.center * np.diag(LPS_RAS)[:3]).tolist())
    start.SetTranslation(_centroid_start(item).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(THREADS)
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
    transform = method.Execute(fixed, moving)
    return lambda: _carried(item, transform)


def _elastix(names: tuple[str, ...]) -> Method:
    import itk

    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(THREADS)

    def run(item: Case) -> Registered:
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
        transforms = method.GetTransformParameterObject()
        return lambda: _points_through(itk, item, moving, transforms, shift)

    return run


def _to_itk(itk, image):
    array = np.ascontiguousarray(image.array, dtype=np.float32)
    result = itk.image_from_array(array)
    like = image.to_sitk()
    result.SetOrigin(like.GetOrigin())
    result.SetSpacing(like.GetSpacing())
    result.SetDirection(itk.matrix_from_array(np.reshape(like.GetDirection(), (3, 3))))
    return result


def _points_through(itk, item: Case, moving, transforms, shift: np.ndarray) -> Carried:
    flip = np.diag(LPS_RAS)[:3]
    levels = list(item.points)
    together = np.concatenate([item.points[level] for level in levels]) * flip
    rows = "\n".join(" ".join(f"{v:.5f}" for v in p) for p in together)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "points.txt"
        listed.write_text(f"point\n{len(together)}\n{rows}\n", encoding="utf-8")
        method = itk.TransformixFilter.New(moving)
        method.SetFixedPointSetFileName(str(listed))
        method.SetTransformParameterObject(transforms)
        method.SetOutputDirectory(folder)
        method.SetLogToConsole(False)
        method.UpdateLargestPossibleRegion()
        lines = (Path(folder) / "outputpoints.txt").read_text(encoding="utf-8").splitlines()
    moved = [[float(v) for v in line.split("OutputPoint = [")[1].split("]")[0].split()] for line in lines]
    ends = np.cumsum([len(item.points[level]) for level in levels])[:-1]
    return dict(zip(levels, np.split((np.array(moved) + shift) * flip, ends), strict=True))


def methods() -> dict[str, Method]:
    """Every method that can run here, ours first."""
    found: dict[str, Method] = {OURS: ours, "SimpleITK rigid": simpleitk_rigid}
    if importlib.util.find_spec("itk") is None:
        print("itk-elastix is left out: it is not installed (pip install itk-elastix).", file=sys.stderr)
        return found
    return {
        **found,
        "itk-elastix rigid": _elastix(("rigid",)),
        "itk-elastix rigid+B-spline": _elastix(("rigid", "bspline")),
    }


def errors(item: Case, carried: Carried) -> dict[str, float]:
    """Mean distance in mm from the truth over the points of every vertebra in view."""
    found = {}
    for level, points in item.points.items():
        if item.in_view[level] >= IN_VIEW:
            truth = points @ item.motions[level][:3, :3].T + item.motions[level][:3, 3]
            found[str(level)] = float(np.linalg.norm(carried[level] - truth, axis=1).mean())
    return found


def measured(item: Case, name: str, method: Method) -> Row:
    """Run one method on one patient."""
    start, busy = time.perf_counter(), time.process_time()
    registered = method(item)
    seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    return Row(item.seed, item.role.value, name, seconds, cpu, errors(item, registered()))


def summary(rows: Iterable[Row]) -> str:
    """A table of all methods, and ours beside the best rigid peer on the patients that both have."""
    table: dict[str, dict[int, Row]] = {}
    for row in rows:
        table.setdefault(row.method, {})[row.patient] = row
    lines = [f"{'':28s} patients {'mean':>6} {'p95':>6} {'max mm':>7} {'median s':>9} {'CPU s':>6} {'most':>6}"]
    for name, own in table.items():
        e, cpu = _pooled(own.values()), [row.cpu for row in own.values()]
        seconds = float(np.median([row.seconds for row in own.values()]))
        lines.append(
            f"{name:28s} {len(own):8d} {e.mean():6.2f} {np.percentile(e, 95):6.2f} {e.max():7.2f} {seconds:9.1f} "
            f"{np.median(cpu):6.1f} {max(cpu):6.1f}"
        )
    rigid = [name for name in RIGID_PEERS if name in table]
    if OURS in table and rigid:
        best = min(rigid, key=lambda name: _pooled(table[name].values()).mean())
        both = [seed for seed in table[OURS] if seed in table[best]]
        one, other = ([table[name][seed] for seed in both] for name in (OURS, best))
        cpu = np.array([mine.cpu / theirs.cpu for mine, theirs in zip(one, other, strict=True)])
        lines.append(
            f"ours over {best} on {len(both)} patients: error {_pooled(one).mean() / _pooled(other).mean():.2f}, "
            f"processor time in all {sum(r.cpu for r in one) / sum(r.cpu for r in other):.2f}, "
            f"of single patients median {np.median(cpu):.2f}, most {cpu.max():.2f}"
        )
    return "\n".join(lines)


def _pooled(rows: Iterable[Row]) -> np.ndarray:
    return np.array([error for row in rows for error in row.errors.values()])


def main() -> None:
    """Run every method on every patient and print what it took and how far off it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=len(SEEDS))
    parser.add_argument("--only", nargs="+", help="names of methods")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[Row] = []
    if options.json and options.json.exists():
        rows = [Row(**row) for row in json.loads(options.json.read_text(encoding="utf-8"))]
    done = {(row.patient, row.method) for row in rows}
    for seed in SEEDS[: options.patients]:
        for name, method in methods().items():
            if (seed, name) in done or (options.only and name not in options.only):
                continue
            row = measured(case(seed), name, method)
            rows.append(row)
            own = list(row.errors.values())
            print(f"{seed:3d} {row.role:5s} {name:28s} {row.seconds:6.1f} s  {row.cpu:6.1f} s CPU  "
                  f"TRE mean {np.mean(own):6.2f}  worst vertebra {max(own):6.2f} mm", flush=True)  # fmt: skip
            if options.json:
                options.json.parent.mkdir(parents=True, exist_ok=True)
                plain = [asdict(item) for item in rows]
                options.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        case.cache_clear()
    print(summary(rows))


def _prepare(method: Method) -> Callable[[], Callable[[], object]]:
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
