"""RegistrationRecord: what a registration found, as plain values, to JSON and back.

The JSON has a schema (`registration.schema.json` beside this file) and a version; a newer major version is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinemet import __version__
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.files import read_json
from spinemet.levels import Level
from spinemet.registration.field import Field
from spinemet.registration.landmarks import LandmarkError
from spinemet.registration.motion import Array, RigidMotion
from spinemet.registration.quality import Check, Outcome, Verdict, verdict_of
from spinemet.registration.result import Registration
from spinemet.registration.trust import Trust, VertebraMotion
from spinemet.serialize import from_plain, to_plain

KIND, SCHEMA_VERSION = "spinemet-registration", "1.0"
SCHEMA_FILE = Path(__file__).with_name("registration.schema.json")

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class VertebraRow:
    """One vertebra.

    :param matrix: 4×4, fixed to moving, RAS mm.
    :param shift_mm: how far its center goes beyond where the motion of the whole spine carries it.
    :param turn_deg: how far it turns beyond that.
    :param in_view: share of the bone that the moving image shows.
    :param agreement, agreement_before: nats per point of its own motion, and of that of the whole spine.
    :param spread_mm: expected error; None where the motion is not its own.
    """

    level: Level
    trust: Trust
    marked: bool
    reason: str
    center: Point
    matrix: Matrix
    shift_mm: float
    turn_deg: float
    in_view: float
    agreement: float | None
    agreement_before: float | None
    spread_mm: float | None


@dataclass(frozen=True)
class StartRow:
    """A start that was tried, and how well it fits after its descent."""

    origin: str
    agreement: float
    overlap: float


@dataclass(frozen=True)
class LevelRow:
    """The spine one level up (−1) or down (+1): nats per point there, None where it could not be tried."""

    step: int
    agreement: float | None


@dataclass(frozen=True)
class FieldRow:
    """The grid of the field: voxels (i, j, k), spacing in mm, and how many nodes had to be evened out."""

    size: tuple[int, int, int]
    spacing_mm: float
    smoothed_nodes: int


@dataclass(frozen=True)
class RegistrationRecord:
    """The result as it is written.

    :param fixed, moving: keys of the images.
    :param spine: motion of the whole spine, 4×4, fixed to moving, RAS mm.
    :param before, after: agreement of the headers' place and of `spine`, nats per point, and their overlap.
    :param landmarks: pairs that the registration did not use: their distance is its error.
    :param used_landmarks: pairs that it started from: their distance is no measure of its error.
    """

    fixed: str
    moving: str
    verdict: Verdict
    checks: tuple[Check, ...]
    start: str
    kept_header: bool
    spine: Matrix
    before: StartRow
    after: StartRow
    alternatives: tuple[StartRow, ...]
    levels_off: tuple[LevelRow, ...]
    vertebrae: tuple[VertebraRow, ...]
    field: FieldRow | None
    landmarks: tuple[LandmarkError, ...] = ()
    used_landmarks: tuple[LandmarkError, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, valid under `registration.schema.json` once the caller adds "use"."""
        head = {
            "schema": KIND, "version": SCHEMA_VERSION, "software": {"name": "SpineMet", "version": __version__}
        }  # fmt: skip
        return {**head, **to_plain(self)}

    def summary(self) -> str:
        """Verdict, what asks for a look, and the vertebrae, in lines."""
        lines = [f"{self.verdict.value.upper()}, started from {self.start}."]
        lines += [item.sentence for item in self.checks if item.outcome is not Outcome.PASSED]
        for row in self.vertebrae:
            beyond = f"{row.shift_mm:4.1f} mm {row.turn_deg:4.1f}°"
            lines.append(f"{row.level.value:4s} {beyond}  {row.trust.value}  {row.reason}".rstrip())
        lines += [f"{item.label}: {item.after_mm:.1f} mm off (by the headers {item.before_mm:.1f})"
                  for item in self.landmarks]  # fmt: skip
        return "\n".join(lines)

    @classmethod
    def from_json(cls, plain: Any) -> RegistrationRecord:
        """Read back what `to_json` wrote. :raises BadInput: another file, a newer version, or damaged."""
        if not isinstance(plain, dict) or plain.get("schema") != KIND:
            raise BadInput("This is not a SpineMet registration; choose a registration.json that SpineMet wrote.")
        if str(plain.get("version", "")).split(".")[0] != SCHEMA_VERSION.split(".")[0]:
            raise BadInput(
                f"This registration has version {plain.get('version')}, this program reads {SCHEMA_VERSION};"
                " open it with the program that wrote it, or register again."
            )
        extra = {"schema", "version", "software", "use"}
        return from_plain(cls, {key: value for key, value in plain.items() if key not in extra}, "registration")

    @classmethod
    def load(cls, path: str | Path) -> RegistrationRecord:
        """Read a registration file. :raises BadInput: missing, damaged or of another version."""
        return cls.from_json(read_json(path, "a registration.json that SpineMet wrote"))


def record_of(
    result: Registration,
    made: Sequence[Check],
    field: Field | None,
    *,
    fixed: str,
    moving: str,
    landmarks: Sequence[LandmarkError] = (),
    used_landmarks: Sequence[LandmarkError] = (),
) -> RegistrationRecord:
    """A registration with its tests as plain values.

    :param fixed, moving: keys of the images.
    """
    return RegistrationRecord(
        fixed=fixed,
        moving=moving,
        verdict=verdict_of(result, made),
        checks=tuple(made),
        start=result.start,
        kept_header=result.kept_header,
        spine=_rows(result.spine.matrix),
        before=StartRow("the headers", result.before.information, result.before.overlap),
        after=StartRow(result.start, result.after.information, result.after.overlap),
        alternatives=tuple(
            StartRow(item.origin, item.agreement.information, item.agreement.overlap) for item in result.alternatives
        ),
        levels_off=tuple(LevelRow(item.step, item.information) for item in result.level_tests),
        vertebrae=tuple(_vertebra(item, result.spine) for item in result.vertebrae.values()),
        field=None if field is None else _field(field),
        landmarks=tuple(landmarks),
        used_landmarks=tuple(used_landmarks),
        problems=result.problems,
        notes=result.notes,
    )


def _vertebra(item: VertebraMotion, spine: RigidMotion) -> VertebraRow:
    own = spine.inverse.after(item.motion)
    x, y, z = (float(v) for v in item.center)
    return VertebraRow(
        item.level,
        item.trust,
        item.marked,
        item.reason,
        (x, y, z),
        _rows(item.motion.matrix),
        float(np.linalg.norm(own.displacement(item.center))),
        own.angle_deg,
        item.in_view,
        None if item.after is None else item.after.information,
        None if item.before is None else item.before.information,
        item.spread_mm,
    )


def _field(field: Field) -> FieldRow:
    k, j, i = field.grid.shape
    return FieldRow((i, j, k), float(field.grid.spacing[0]), field.smoothed_nodes)


def _rows(matrix: Array) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in matrix)
