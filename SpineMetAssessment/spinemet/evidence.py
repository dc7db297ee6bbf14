"""Evidence: a value with its unit, how it came about, how sure it is, and where to look.

A `Measurement` is one quantity. A `Finding` is one scored component: its points, or the points still
possible while it is unknown. Unknown is never zero: a Finding without points keeps every option open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

Point = tuple[float, float, float]


class Source(str, Enum):
    """Where the points of a finding come from."""

    MEASURED = "measured"
    ENTERED = "entered"
    OVERRIDDEN = "overridden"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Measurement:
    """One measured quantity, or the reason why it could not be measured.

    :param name: what was measured, in the field's words ("anterior height").
    :param value: the number in `unit`; None when unknown.
    :param unit: "mm", "mL", "HU", "%", "deg"; "" for a pure number.
    :param method: how it was obtained, in a few words.
    :param position: where to look, RAS millimeters.
    :param uncertainty: half-width (±) in `unit`, where known.
    :param reason: why the value is unknown; empty when it is known.
    :param limits: what a reader must know before using the value.
    """

    name: str
    value: float | None
    unit: str
    method: str
    position: Point | None = None
    uncertainty: float | None = None
    reason: str = ""
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            raise ValueError(f"the unknown measurement '{self.name}' must say why it is unknown")
        if self.value is not None and self.value != self.value:
            raise ValueError(f"'{self.name}' is NaN; an unknown value is None with a reason")

    @property
    def known(self) -> bool:
        return self.value is not None

    def text(self, digits: int = 1) -> str:
        """Value, ± and unit for people, or "unknown (reason)"."""
        if self.value is None:
            return f"unknown ({self.reason})"
        uncertainty = f" ± {self.uncertainty:.{digits}f}" if self.uncertainty is not None else ""
        return f"{self.value:.{digits}f}{uncertainty} {self.unit}".rstrip()


def unknown(name: str, unit: str, reason: str, method: str = "not measured") -> Measurement:
    """Return a Measurement that says why there is no value."""
    return Measurement(name, None, unit, method, reason=reason)


OUTDATED = "as before the last edit; being measured again"
"""What a finding's limits say while its measuring waits."""


@dataclass(frozen=True)
class Finding:
    """One scored component.

    :param component: name of the component ("collapse").
    :param points: the points, or None while unknown.
    :param possible: all points that are still possible, ascending; equals (points,) when known and sure.
        A known value near a threshold keeps its neighbor here, too.
    :param source: who said so.
    :param label: the category in words ("lytic", ">50 % collapse").
    :param measurements: the evidence, most decisive first.
    :param threshold: what the measurement was compared with, in words.
    :param near_threshold: a threshold lies within the measurement's uncertainty.
    :param limits: what a reader must know.
    :param reason: why unknown, or why overridden.
    :param reader: who entered or overrode it.
    :param suggested: the computed finding that an override replaced.
    """

    component: str
    points: int | None
    possible: tuple[int, ...]
    source: Source
    label: str = ""
    measurements: tuple[Measurement, ...] = ()
    threshold: str = ""
    near_threshold: bool = False
    limits: tuple[str, ...] = ()
    reason: str = ""
    reader: str = ""
    suggested: Finding | None = None

    def __post_init__(self) -> None:
        if not self.possible:
            raise ValueError(f"the finding '{self.component}' has no possible points")
        if tuple(sorted(set(self.possible))) != self.possible:
            raise ValueError(f"the possible points of '{self.component}' are not ascending and unique")
        if self.points is not None and self.points not in self.possible:
            raise ValueError(f"the points of '{self.component}' are not among its possible points")
        if (self.points is None) != (self.source is Source.UNKNOWN):
            raise ValueError(f"'{self.component}' must have points exactly when its source is not unknown")

    @property
    def outdated(self) -> bool:
        """Whether it was not measured again since the last edit."""
        return OUTDATED in self.limits

    @property
    def known(self) -> bool:
        return self.points is not None

    @property
    def position(self) -> Point | None:
        """Where to look: the position of the first measurement that has one."""
        return next((item.position for item in self.measurements if item.position is not None), None)

    def overridden(self, points: int, *, reason: str, reader: str, label: str = "") -> Finding:
        """Return this finding with a person's points; the computed suggestion stays visible."""
        computed = self.suggested or self
        return replace(
            computed,
            points=points,
            possible=(points,),
            source=Source.OVERRIDDEN,
            label=label,
            near_threshold=False,
            reason=reason,
            reader=reader,
            suggested=computed,
        )
