"""The grid of synthetic patients: what each is asked to be, and how far what is measured is from its construction.

Every factor (levels, lesion, collapse, posture, turned CT, resolution, noise) is drawn from a case's own seed, so a
case can be rebuilt alone; the resolution cycles so that each class has its share. Cases 1 to `CASES` are the bar;
cases from `TUNING` on are for whoever fits an uncertainty, and are never asserted on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from part_overlap import overlaps
from spinemet import phantom
from spinemet.anatomy import Column, Plane, Spine, measure_spine
from spinemet.anatomy.alignment.whole import measure_alignment
from spinemet.anatomy.arch.parts import partition
from spinemet.anatomy.arch.pedicle import pedicles
from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.assessment import Assessment
from spinemet.case import ImageRef, Role
from spinemet.evidence import Finding, Measurement
from spinemet.levels import Level
from spinemet.phantom import AnswerSpec, CollapseSpec, LesionSpec, ListhesisSpec, PatientSpec

CASES = 72
"""In `make bars`."""
SAMPLE = (1, 2, 6)
"""In `make test`."""
TUNING = 1001
"""First case that may be used to fit an uncertainty."""
FINE, TWO, THREE = "≤1 mm", "2 mm", "3 mm"
RESOLUTIONS = (
    (FINE, (0.8, 0.8, 1.0)), (FINE, (1.0, 1.0, 1.0)), (TWO, (0.8, 0.8, 2.0)), (FINE, (0.8, 0.8, 0.8)),
    (FINE, (0.6, 0.6, 0.6)), (THREE, (0.9, 0.9, 3.0)), (FINE, (0.7, 0.7, 1.0)), (TWO, (2.0, 2.0, 2.0)),
    (FINE, (0.9, 0.9, 0.9)), (FINE, (0.5, 0.5, 0.5)), (THREE, (0.8, 0.8, 2.5)), (FINE, (0.5, 0.5, 1.0)),
)  # fmt: skip
"""Class and spacing (mm along i, j, k) of case 1, 2, …, then again from the first."""
SMALL_MM = 0.75
"""Slices thinner than this are made of three levels only: they cost the most."""
CLASSES = (FINE, TWO, THREE)
PLANES = {Plane.LEFT: "left", Plane.MIDDLE: "mid", Plane.RIGHT: "right"}
LEVELS = phantom.PatientSpec().levels
POSTURES = ("straight", "kyphosis", "lordosis", "flat back", "scoliosis", "slip")
COLLAPSES = ("none", "wedge", "crush", "biconcave")
PART_SETS = (
    (), ("pedicle_left",), ("pedicle_left", "pedicle_right"), ("pedicle_right", "facet_right"), ("facet_left",),
    ("lamina_left", "spinous"), (), ("transverse_right",),
)  # fmt: skip
CT = ImageRef("ct", Role.CT, "synthetic", date="2026-03-02", patient_position="HFS")


@dataclass(frozen=True)
class Row:
    """One quantity of one case against its truth.

    :param margin: the stated ± (95 %) in the quantity's unit.
    """

    quantity: str
    case: int
    place: str
    truth: float
    value: float
    margin: float

    @property
    def error(self) -> float:
        return self.value - self.truth

    @property
    def held(self) -> bool:
        """Whether the stated interval holds the truth."""
        return abs(self.error) <= self.margin


@dataclass(frozen=True)
class Scored:
    """One SINS component of one case against its truth.

    :param near: whether the truth lies within the stated ± of a threshold of this component.
    """

    case: int
    level: Level
    finding: Finding
    truth: int
    near: bool

    @property
    def flagged(self) -> bool:
        """Whether more than one score is said to be possible."""
        return len(self.finding.possible) > 1 or self.finding.near_threshold

    @property
    def wrong(self) -> bool:
        """Other points than the truth's, said or as the only ones possible."""
        points = self.finding.points
        said_wrong = points is not None and points != self.truth and not self.near
        return said_wrong or self.truth not in self.finding.possible


@dataclass(frozen=True)
class Case:
    """What one case gave.

    :param overlaps: kind and Dice of every part of every vertebra that was parted.
    """

    number: int
    resolution: str
    rows: tuple[Row, ...]
    scored: tuple[Scored, ...]
    unknown: tuple[str, ...]
    overlaps: tuple[tuple[str, float], ...] = ()


def resolution_of(number: int) -> tuple[str, tuple[float, float, float]]:
    """Class and spacing of a case."""
    return RESOLUTIONS[(number - 1) % len(RESOLUTIONS)]


def spec_of(number: int) -> PatientSpec:
    """The patient of a case: three to five levels, every other one with a lesion."""
    rng = np.random.default_rng([number, 4])
    spacing = resolution_of(number)[1]
    count = 3 if spacing[2] < SMALL_MM else 5
    first = int(rng.integers(len(LEVELS) - count + 1))
    levels = LEVELS[first : first + count]
    diseased = levels[1::2]
    lesions = tuple(_lesion(level, rng) for level in diseased)
    collapses = tuple(item for level in diseased if (item := _collapse(level, rng)) is not None)
    posture = POSTURES[rng.integers(len(POSTURES))]
    slipped = levels[int(rng.integers(count - 1))]
    slip = float(rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(2.0, 9.0))
    pains = ("mechanical", "occasional", "none")
    answers = tuple(AnswerSpec(level, pains[rng.integers(3)]) for level in diseased)
    turn = tuple(float(value) for value in rng.uniform(-20, 20, 3)) if rng.random() < 0.4 else (0.0, 0.0, 0.0)
    return PatientSpec(
        seed=number,
        levels=levels,
        ct_size=None,
        ct_spacing=spacing,
        ct_turn_deg=(turn[0], turn[1], turn[2]),
        lumbar_lordosis={"lordosis": 1.3, "flat back": 0.5}.get(posture, float(rng.uniform(0.85, 1.1))),
        kyphosis_deg=float(rng.uniform(8, 20)) if posture == "kyphosis" else float(rng.uniform(0, 5)),
        scoliosis_deg=float(rng.uniform(12, 32)) if posture == "scoliosis" else float(rng.uniform(0, 4)),
        size=float(rng.uniform(0.88, 1.08)),
        dose=float(rng.choice([0.35, 0.7, 1.0, 2.0])),
        trabecular_hu=float(rng.uniform(150, 215)),
        lesions=lesions,
        collapses=collapses,
        listhesis=(ListhesisSpec(slipped, slip),) if posture == "slip" else (),
        answers=answers,
        modalities=(Role.CT,),
    )


def _lesion(level: Level, rng: np.random.Generator) -> LesionSpec:
    kind = phantom.spec.KINDS[rng.integers(3)]
    parts = () if level is Level.S1 else PART_SETS[rng.integers(len(PART_SETS))]
    # A mixture of lumps needs room: in a small lesion there is one lump, which is lytic or blastic.
    share = float(rng.uniform(0.3, 0.6) if kind == "mixed" else rng.uniform(0.06, 0.8))
    x, y, z = rng.uniform(-0.3, 0.3, 3)
    return LesionSpec(level, kind, share, parts, float(rng.uniform(0.35, 0.9)), (float(x), float(y), float(z / 2)))


def _collapse(level: Level, rng: np.random.Generator) -> CollapseSpec | None:
    form, loss = COLLAPSES[rng.integers(len(COLLAPSES))], float(rng.uniform(0.05, 0.7))
    return None if form == "none" or level is Level.S1 else getattr(CollapseSpec, form)(level, loss)


@cache
def run(number: int) -> Case:
    """Build, measure and score a case; the images are let go, the numbers are kept."""
    patient = phantom.create(spec_of(number))
    answers = Answers.from_json(patient.answers)
    result = assess(patient.images[Role.CT], CT, patient.vertebrae, patient.lesions, answers=answers)
    spine = measure_spine(patient.vertebrae)
    rows: list[Row] = []
    unknown: list[str] = []

    def note(quantity: str, place: str, measured: Measurement | None, truth: float) -> None:
        if measured is None or measured.value is None or measured.uncertainty is None:
            unknown.append(f"{number}: {quantity} at {place}: {measured.reason if measured else 'missing'}")
            return
        rows.append(Row(quantity, number, place, truth, measured.value, measured.uncertainty))

    _heights(note, spine, patient.truth)
    _losses(note, result, patient.truth)
    _alignment(note, spine, patient.truth)
    _pedicles(note, spine, patient.model.shapes)
    scored = tuple(_scored(number, result, patient.truth))
    agreed = tuple(
        item
        for vertebra in spine.vertebrae.values()
        if (parts := partition(vertebra)).parted
        for item in overlaps(patient.model, vertebra, parts)
    )
    return Case(number, resolution_of(number)[0], tuple(rows), scored, tuple(unknown), agreed)


def run_all(numbers: Iterable[int]) -> list[Case]:
    """Cases in the order given, on two processes where there are two cores."""
    wanted = list(numbers)
    workers = min(2, os.cpu_count() or 1)
    if workers == 1 or len(wanted) < 2 * workers:
        return [run(number) for number in wanted]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(run, wanted))


def _heights(note, spine: Spine, truth: dict) -> None:
    for level, vertebra in spine.vertebrae.items():
        if level is Level.S1:
            continue
        known = truth["levels"][str(level)]["heights_mm"]
        for plane, name in PLANES.items():
            for column in Column:
                place = f"{level} {column.value} {name}"
                note("height", place, vertebra.height(column, plane), known[name][column.value])


def _losses(note, result: Assessment, truth: dict) -> None:
    for item in truth["lesions"].values():
        level = Level(item["level"])
        note("share", str(level), result[level].measurement("body involvement"), item["body_share_percent"])
        if level is Level.S1:
            continue
        losses = truth["levels"][str(level)]["height_loss_percent"]
        for column in Column:
            if level is Level.L5 and column is Column.POSTERIOR:
                continue
            measured = result[level].measurement(f"{column.value} height loss")
            worst = max(row[column.value] for row in losses.values())
            note("loss", f"{level} {column.value}", measured, worst)


def _alignment(note, spine: Spine, truth: dict) -> None:
    measured = measure_alignment(spine)
    for (above, below), angle in measured.kyphosis.items():
        known = truth["angles"]["segmental_kyphosis"].get(f"{above}/{below}")
        if known is not None and below is not Level.S1:
            note("angle", f"{above}/{below}", angle, known)
    for (above, below), slip in measured.slips.items():
        note("slip", f"{above}/{below}", slip.sagittal, truth["listhesis"].get(str(above), {}).get("slip_mm", 0.0))


def _pedicles(note, spine: Spine, shapes) -> None:
    for level, vertebra in spine.vertebrae.items():
        if level is Level.S1:
            continue
        for side, pedicle in pedicles(vertebra).items():
            note("pedicle", f"{level} {side.value}", pedicle.width, shapes[level].size.pedicle_width)


def _scored(number: int, result: Assessment, truth: dict) -> list[Scored]:
    rows = []
    for name, known in truth["sins"].items():
        level = Level(name)
        sins = result[level].sins
        assert sins is not None, f"case {number}: {name} was not scored"
        for component, finding in sins.components.items():
            near = _near(component, result, level, truth["levels"][name])
            rows.append(Scored(number, level, finding, known["components"][component]["points"], near))
    return rows


def _near(component: str, result: Assessment, level: Level, truth: dict) -> bool:
    """Whether the truth lies within the stated ± of a threshold of a component."""

    def within(name: str, value: float, *thresholds: float) -> bool:
        measured = result[level].measurement(name)
        margin = measured.uncertainty if measured is not None and measured.uncertainty is not None else 0.0
        return any(abs(value - threshold) <= margin for threshold in thresholds)

    if component == "collapse":
        loss = max(max(row.values()) for row in truth["height_loss_percent"].values())
        share = truth["lesion"]["body_share_percent"]
        return (
            15.0 <= loss < 20.0
            or within("height loss", loss, 15.0, 20.0, 50.0)
            or (loss < 20.0 and within("body involvement", share, 50.0))
        )
    if component == "bone_lesion":
        return within("lytic share", truth["lesion"]["lytic_share_percent"], 25.0, 75.0)
    if component == "posterolateral":
        shares, joints = truth["lesion"]["part_shares_percent"], truth["lesion"]["costovertebral_shares_percent"]
        return any(
            within(f"lesion in {side} {part}", shares[f"{part}_{side}"], 15.0)
            for side in ("left", "right")
            for part in ("pedicle", "facet")
        ) or any(within(f"lesion in {side} costovertebral joint", share, 15.0) for side, share in joints.items())
    return False


def table(cases: Sequence[Case], quantity: str) -> str:
    """Median, p95, max, mean absolute error and coverage of a quantity by resolution, as a line of text each."""
    lines = []
    for name in CLASSES:
        rows = [row for case in cases if case.resolution == name for row in case.rows if row.quantity == quantity]
        if not rows:
            continue
        size = np.abs([row.error for row in rows])
        lines.append(
            f"{quantity:8} {name:5} n={size.size:4} mean={size.mean():.2f} median={np.median(size):.2f}"
            f" p95={np.percentile(size, 95):.2f} max={size.max():.2f}"
            f" ±={np.median([row.margin for row in rows]):.2f} holds={coverage(rows):.1%}"
        )
    return "\n".join(lines)


def part_table(cases: Sequence[Case]) -> str:
    """Mean, 5th percentile and least Dice of the parts by resolution, as a line of text each; means by kind."""
    lines = []
    for name in CLASSES:
        found = [item for case in cases if case.resolution == name for item in case.overlaps]
        if not found:
            continue
        values = np.array([value for _, value in found])
        kinds = {kind: np.mean([value for other, value in found if other == kind]) for kind, _ in found}
        lines.append(
            f"Dice     {name:5} n={values.size:4} mean={values.mean():.3f} p5={np.percentile(values, 5):.3f}"
            f" least={values.min():.2f} " + " ".join(f"{kind}={value:.3f}" for kind, value in kinds.items())
        )
    return "\n".join(lines)


def coverage(rows: Sequence[Row]) -> float:
    """Share of rows whose stated interval holds the truth."""
    return float(np.mean([row.held for row in rows]))
