"""Assessment: the whole result of one patient at one time point, to JSON and back.

Reports, tables, scenes and DICOM objects are all written from this object. Its JSON has a schema
(`assessment.schema.json` beside this file) and a version; a newer major version is refused, not half read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from spinemet import __version__
from spinemet.anatomy.frame import VertebraFrame
from spinemet.answers import Answers
from spinemet.case import ImageRef, Patient, TimePoint
from spinemet.details import BodyDetails, EpiduralDetails, Hardware, LesionDetails, SpineDetails
from spinemet.errors import BadInput
from spinemet.evidence import Measurement, Point
from spinemet.files import read_json, written_file
from spinemet.levels import Level
from spinemet.scores import sins
from spinemet.scores.sins import SinsResult
from spinemet.serialize import from_plain, to_plain

SCHEMA_VERSION = "1.1"
SCHEMA_FILE = Path(__file__).with_name("assessment.schema.json")
RESEARCH_USE = "Research use only. The software suggests, a clinician confirms."


class Status(str, Enum):
    """How an assessment of a level ended. Uninvolved bone is not "stable": it was not scored."""

    SCORED = "scored"
    NO_LESION = "no lesion outlined"
    NOT_IMAGED = "not imaged"
    NOT_ASSESSABLE = "not assessable"


@dataclass(frozen=True)
class LevelAssessment:
    """One vertebral level.

    :param status: how it ended; only SCORED has a `sins`.
    :param reason: why, in a sentence ("cut by the upper image edge; not measured").
    :param frame: the vertebra's own frame, None when it could not be found.
    :param measurements: everything measured at this level, scored or not.
    :param position: where to look (RAS): the lesion's center, else the body's.
    :param lesion_ids: lesions that involve this level.
    :param notes: sentences for the reader.
    :param hardware: metal or cement that a person should confirm; None where the image shows none, or cannot.
    :param lesion: what the lesions do beside the score; None without a score.
    :param body: fracture, rigidity, pedicles; None without an outline.
    """

    level: Level
    status: Status
    reason: str = ""
    sins: SinsResult | None = None
    measurements: tuple[Measurement, ...] = ()
    frame: VertebraFrame | None = None
    position: Point | None = None
    lesion_ids: tuple[str, ...] = ()
    cut: bool = False
    notes: tuple[str, ...] = ()
    hardware: Hardware | None = None
    lesion: LesionDetails | None = None
    body: BodyDetails | None = None

    def measurement(self, name: str) -> Measurement | None:
        """The measurement of that name, or None."""
        return next((item for item in self.measurements if item.name == name), None)


@dataclass(frozen=True)
class Numbering:
    """What the level names rest on, and whether a person confirmed them."""

    basis: str
    confirmed: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assessment:
    """The whole result of a patient at a time point.

    :param images: the images it was made from; `reference` is the key of the one that was measured in.
    :param inputs: fingerprints of everything that went in ("ct", "vertebrae", "lesions", "answers").
    :param answers: what people said; an override lives here and survives every recompute.
    :param parameters: settings that differ from the defaults, by name.
    :param levels: C1 to S5, and T13 or L6 where present, from head to tail.
    :param warnings: sentences about the whole study.
    :param spine: alignment and bone quality of the whole spine; None in files of version 1.0.
    :param epidural: epidural disease and its ESCC grades; None where nobody outlined the canal on an MR.
    """

    patient: Patient
    time_point: TimePoint
    images: tuple[ImageRef, ...]
    reference: str
    numbering: Numbering
    levels: tuple[LevelAssessment, ...]
    inputs: dict[str, str]
    answers: Answers = field(default_factory=Answers)
    parameters: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    created: str = ""
    spine: SpineDetails | None = None
    epidural: EpiduralDetails | None = None

    @property
    def scored(self) -> tuple[LevelAssessment, ...]:
        """The levels with a SINS, from head to tail."""
        return tuple(item for item in self.levels if item.sins is not None)

    @property
    def worst(self) -> LevelAssessment | None:
        """The level with the highest SINS still possible."""
        results = {item.level: item.sins for item in self.levels if item.sins is not None}
        level = sins.worst(results)
        return None if level is None else self[level]

    def __getitem__(self, level: Level) -> LevelAssessment:
        for item in self.levels:
            if item.level is level:
                return item
        raise KeyError(level)

    def stale(self, inputs: dict[str, str]) -> tuple[str, ...]:
        """Names of the inputs whose fingerprints differ from those this result was made from."""
        names = sorted(set(self.inputs) | set(inputs))
        return tuple(name for name in names if self.inputs.get(name) != inputs.get(name))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, valid under `assessment.schema.json`."""
        worst = self.worst
        return {
            "schema": "spinemet-assessment",
            "version": SCHEMA_VERSION,
            "software": {"name": "SpineMet", "version": __version__},
            "use": RESEARCH_USE,
            "created": self.created,
            "patient": to_plain(self.patient),
            "time_point": to_plain(self.time_point),
            "images": to_plain(self.images),
            "reference": self.reference,
            "numbering": to_plain(self.numbering),
            "worst_level": worst.level.value if worst else None,
            "levels": [to_plain(item) for item in self.levels],
            "inputs": dict(self.inputs),
            "answers": self.answers.to_json(),
            "parameters": dict(self.parameters),
            "warnings": list(self.warnings),
            "spine": to_plain(self.spine),
            "epidural": to_plain(self.epidural),
        }

    @classmethod
    def from_json(cls, plain: Any) -> Assessment:
        """Read back what `to_json` wrote.

        :raises BadInput: not an assessment, of a newer major version, or damaged.
        """
        if not isinstance(plain, dict) or plain.get("schema") != "spinemet-assessment":
            raise BadInput("This is not a SpineMet assessment; choose an assessment.json that SpineMet wrote.")
        if str(plain.get("version", "")).split(".")[0] != SCHEMA_VERSION.split(".")[0]:
            raise BadInput(
                f"This assessment has version {plain.get('version')}, this program reads {SCHEMA_VERSION};"
                " open it with the program that wrote it, or assess again."
            )
        if plain["version"] == "1.0":
            plain = _from_1_0(plain)
        derived = {"schema", "version", "software", "use", "worst_level"}
        return from_plain(cls, {key: value for key, value in plain.items() if key not in derived}, "assessment")

    def save(self, path: str | Path) -> None:
        """Write the JSON, whole or not at all."""
        with written_file(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Assessment:
        """Read an assessment file. :raises BadInput: missing, damaged or of another version."""
        return cls.from_json(read_json(path, "an assessment.json that SpineMet wrote"))


def _from_1_0(plain: dict[str, Any]) -> dict[str, Any]:
    """Version 1.0 wrote "instrumented: false" where nobody had been asked."""
    answers = plain.get("answers")
    if not isinstance(answers, dict) or not isinstance(answers.get("levels"), dict):
        return plain
    asked = {
        level: {key: value for key, value in said.items() if key != "instrumented" or value}
        if isinstance(said, dict)
        else said
        for level, said in answers["levels"].items()
    }
    return {**plain, "answers": {**answers, "levels": asked}}
