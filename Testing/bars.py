"""Synthetic patients for the bars: seeds, the assessment of each, and how far it is from the patient's truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from spinemet import phantom
from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.assessment import Assessment
from spinemet.case import ImageRef, Role
from spinemet.evidence import Finding
from spinemet.levels import Level

SAMPLE_SEEDS = (2,)
"""In `make test`."""
ALL_SEEDS = tuple(range(1, 21))
"""In `make bars`."""
CT = ImageRef("ct", Role.CT, "synthetic", date="2026-03-02")


@dataclass(frozen=True)
class Trial:
    """One synthetic patient, assessed from its true outlines."""

    seed: int
    truth: dict
    result: Assessment

    def height_errors(self) -> dict[tuple[Level, str], float]:
        """Measured minus true mid-sagittal heights in mm, of all levels that are not sacral."""
        errors = {}
        for name, truth in self.truth["levels"].items():
            level = Level(name)
            if name.startswith("S"):
                continue
            for column, height in truth["heights_mm"]["mid"].items():
                measured = self.result[level].measurement(f"{column} height")
                assert measured is not None and measured.value is not None, (self.seed, name, column)
                errors[level, column] = measured.value - height
        return errors

    def height_uncertainty(self, level: Level, column: str) -> float:
        """The ± in mm that the result states for a height."""
        measured = self.result[level].measurement(f"{column} height")
        assert measured is not None and measured.uncertainty is not None
        return measured.uncertainty

    def share_errors(self) -> dict[Level, float]:
        """Measured minus true share of the body, in percentage points, of every planted level."""
        errors = {}
        for item in self.truth["lesions"].values():
            level = Level(item["level"])
            measured = self.result[level].measurement("body involvement")
            assert measured is not None and measured.value is not None, (self.seed, level)
            errors[level] = measured.value - item["body_share_percent"]
        return errors

    def components(self) -> list[tuple[Level, Finding, int]]:
        """(level, finding, true points) of every component of every planted level."""
        rows = []
        for name, truth in self.truth["sins"].items():
            result = self.result[Level(name)].sins
            assert result is not None, f"seed {self.seed}: {name} was not scored"
            for component, finding in result.components.items():
                rows.append((Level(name), finding, truth["components"][component]["points"]))
        return rows


@cache
def trial(seed: int, spacing: float = 0.8) -> Trial:
    """The patient of a seed in a CT of `spacing` mm in plane and 1 mm or `spacing` between slices."""
    size = round(256 * 0.8 / spacing)
    spec = replace(
        phantom.random_spec(seed),
        modalities=(Role.CT,),
        ct_size=(size, size),
        ct_spacing=(spacing, spacing, max(spacing, 1.0)),
    )
    patient = phantom.create(spec)
    result = assess(
        patient.images[Role.CT], CT, patient.vertebrae, patient.lesions, answers=Answers.from_json(patient.answers)
    )
    return Trial(seed, patient.truth, result)
