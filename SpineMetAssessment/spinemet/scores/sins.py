"""SINS, the Spinal Instability Neoplastic Score (Fisher 2010, Spine 35:E1221).

Each affected vertebra is scored on its own: six findings give a total, or the set of totals still possible
while a component is unknown. Levels are never summed.

Key functions: `location`, `pain`, `bone_lesion`, `alignment`, `collapse`, `posterolateral` turn levels, answers
and measurements into findings; `score` adds them up; `worst` picks the highest of several levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product

from spinemet.errors import BadInput
from spinemet.evidence import Finding, Measurement, Source
from spinemet.levels import Level, Region

COMPONENTS = ("location", "pain", "bone_lesion", "alignment", "collapse", "posterolateral")

OPTIONS: Mapping[str, Mapping[str, int]] = {
    "location": {"junctional": 3, "mobile": 2, "semirigid": 1, "rigid": 0},
    "pain": {"mechanical": 3, "occasional": 1, "none": 0},
    "bone_lesion": {"lytic": 2, "mixed": 1, "blastic": 0},
    "alignment": {"subluxation": 4, "de novo deformity": 2, "normal": 0, "degenerative / old": 0},
    "collapse": {">50 %": 3, "<50 %": 2, ">50 % of body involved": 1, "none": 0},
    "posterolateral": {"bilateral": 3, "unilateral": 1, "none": 0},
}
"""Pick-list of every component with its points (Fisher 2010, table 1; "degenerative / old" is our own answer)."""


class Category(str, Enum):
    """What a total means (Fisher 2010)."""

    STABLE = "stable"
    POTENTIALLY_UNSTABLE = "potentially unstable"
    UNSTABLE = "unstable"


SURGICAL_CONSULTATION = 7
"""Total from which the authors advise surgical consultation."""


@dataclass(frozen=True)
class Thresholds:
    """Our own operational choices where the source gives none; every one can be overridden.

    Percentages. `collapse_none` and `collapse_sure`: height loss below the first is no collapse, from the second
    on it is; between them it is uncertain. `half` is the published 50 %. `part_involved`: share of a pedicle, facet or
    costovertebral joint from which on it counts as involved.
    """

    collapse_none: float = 15.0
    collapse_sure: float = 20.0
    half: float = 50.0
    lytic_share: float = 75.0
    blastic_share: float = 25.0
    part_involved: float = 15.0


DEFAULT = Thresholds()


@dataclass(frozen=True)
class SinsResult:
    """SINS of one vertebra.

    :param components: the six findings by name, in the order of `COMPONENTS`.
    :param total: the sum, None while any component is unknown.
    :param possible_totals: all totals that the unknown and near-threshold components leave open, ascending.
    :param category: None ("undecided") unless every possible total agrees.
    :param limits: what a reader must know ("levels unconfirmed", "after treatment, unvalidated").
    """

    components: dict[str, Finding]
    total: int | None
    possible_totals: tuple[int, ...]
    category: Category | None
    limits: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the components without points."""
        return tuple(name for name, finding in self.components.items() if not finding.known)

    @property
    def consultation_advised(self) -> bool | None:
        """Whether the total reaches 7; None while undecided."""
        low, high = self.possible_totals[0], self.possible_totals[-1]
        if low >= SURGICAL_CONSULTATION:
            return True
        return False if high < SURGICAL_CONSULTATION else None


def category_of(total: int) -> Category:
    """0–6 stable, 7–12 potentially unstable, 13–18 unstable."""
    if not 0 <= total <= 18:
        raise ValueError(f"a SINS total lies between 0 and 18, not {total}")
    if total <= 6:
        return Category.STABLE
    return Category.POTENTIALLY_UNSTABLE if total <= 12 else Category.UNSTABLE


def location_class(level: Level) -> str:
    """Junctional, mobile, semirigid or rigid (Fisher 2010). L6 counts as lumbosacral, T13 as thoracolumbar."""
    if level in (Level.OCC, Level.C1, Level.C2, Level.C7, Level.T1, Level.T2):
        return "junctional"
    if level in (Level.T11, Level.T12, Level.T13, Level.L1, Level.L5, Level.L6, Level.S1):
        return "junctional"
    return {Region.CERVICAL: "mobile", Region.LUMBAR: "mobile", Region.THORACIC: "semirigid", Region.SACRAL: "rigid"}[
        level.region
    ]


def location(level: Level, *, confirmed: bool = True) -> Finding:
    """Points of the level itself. An unconfirmed numbering or a variant level is said in the limits."""
    name = location_class(level)
    points = OPTIONS["location"][name]
    limits: list[str] = []
    if level.is_variant:
        limits.append(f"{level} is a transitional level; confirm the numbering")
    if not confirmed:
        limits.append("levels unconfirmed")
    return Finding("location", points, (points,), Source.MEASURED, f"{name} ({level})", limits=tuple(limits))


def pain(answer: str | None, *, reader: str = "") -> Finding:
    """Pain at this level, as the patient says it; never measured, never copied from another level."""
    return _asked("pain", answer, reader, "ask the patient: pain at this level was not entered")


def alignment(answer: str | None, *, reader: str = "", candidates: tuple[Measurement, ...] = ()) -> Finding:
    """Alignment as a person judged it; measurements are only candidates that a person confirms."""
    finding = _asked("alignment", answer, reader, "alignment was not confirmed by a person")
    return replace(finding, measurements=candidates)


def bone_lesion(
    lytic_share: Measurement, *, thresholds: Thresholds = DEFAULT, evidence: Iterable[Measurement] = ()
) -> Finding:
    """Lytic, mixed or blastic from the lytic share (%) of a lesion's abnormal voxels.

    No accepted HU threshold exists; the shares are ours and shown with the result.
    """
    measurements = (lytic_share, *evidence)
    if lytic_share.value is None:
        return _unknown("bone_lesion", lytic_share.reason, measurements)

    def kind(share: float) -> str:
        if share >= thresholds.lytic_share:
            return "lytic"
        return "blastic" if share <= thresholds.blastic_share else "mixed"

    points = OPTIONS["bone_lesion"]
    share, margin = lytic_share.value, lytic_share.uncertainty or 0.0
    possible = tuple(sorted({points[kind(value)] for value in (share - margin, share, share + margin)}))
    return Finding(
        "bone_lesion",
        points[kind(share)],
        possible,
        Source.MEASURED,
        kind(share),
        measurements,
        f"lytic ≥ {thresholds.lytic_share:g} %, blastic ≤ {thresholds.blastic_share:g} % of the abnormal voxels",
        near_threshold=len(possible) > 1,
    )


def collapse(
    loss: Measurement,
    involvement: Measurement,
    *,
    thresholds: Thresholds = DEFAULT,
    evidence: Iterable[Measurement] = (),
) -> Finding:
    """Vertebral body collapse from the worst height loss (%) and the share of the body involved (%).

    Below 15 % loss there is no collapse, from 20 % on there is; 15–20 % is uncertain and keeps both scores.
    Exactly 50 % is undefined in the source: 2 points, flagged.
    """
    measurements = (loss, involvement, *evidence)
    threshold = (
        f"collapse ≥ {thresholds.collapse_sure:g} % (uncertain from {thresholds.collapse_none:g} %); "
        f"half {thresholds.half:g} %; involvement > {thresholds.half:g} % of the body"
    )
    without = _points_without_collapse(involvement, thresholds)
    if loss.value is None:
        possible = tuple(sorted(without | {2, 3}))
        return Finding(
            "collapse", None, possible, Source.UNKNOWN,
            measurements=measurements, threshold=threshold, reason=loss.reason,
        )  # fmt: skip

    value, margin = loss.value, loss.uncertainty or 0.0
    options: set[int] = set()
    if value - margin < thresholds.collapse_sure:
        options |= without
    if value + margin >= thresholds.collapse_none and value - margin <= thresholds.half:
        options.add(2)
    if value + margin > thresholds.half:
        options.add(3)
    possible = tuple(sorted(options))
    if value < thresholds.collapse_none and not involvement.known:
        return Finding(
            "collapse", None, possible, Source.UNKNOWN,
            measurements=measurements, threshold=threshold, reason=involvement.reason,
        )  # fmt: skip
    if value < thresholds.collapse_none:
        points = int(_value(involvement) > thresholds.half)
    else:
        # The band between "none" and "collapse" is ours; lean to the collapse and keep the other score in sight.
        points = 3 if value > thresholds.half else 2
    labels = {3: ">50 %", 2: "<50 %", 1: ">50 % of body involved", 0: "none"}
    limits = ("exactly 50 % is undefined in the source; scored 2",) if value == thresholds.half else ()
    if thresholds.collapse_none <= value < thresholds.collapse_sure:
        limits = (*limits, f"{thresholds.collapse_none:g}–{thresholds.collapse_sure:g} % height loss is uncertain")
    return Finding(
        "collapse", points, possible, Source.MEASURED, labels[points], measurements, threshold,
        near_threshold=len(possible) > 1 or value == thresholds.half, limits=limits,
    )  # fmt: skip


@dataclass(frozen=True)
class Sides:
    """Posterolateral involvement of both sides.

    :param involved: "left" and "right": True, False, or None where it could not be decided or is near the threshold.
    :param near: sides on which the threshold lies within the ± of the part that decides.
    :param reason: why a side is None; empty when both are known.
    :param notes: what decided beside the shares.
    """

    involved: dict[str, bool | None]
    near: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


def involved_sides(
    shares: Mapping[str, Sequence[Measurement]],
    *,
    broken: Mapping[str, Sequence[str]] | None = None,
    doubtful: Mapping[str, Sequence[str]] | None = None,
    thresholds: Thresholds = DEFAULT,
) -> Sides:
    """Which sides count as involved: one part from 15 % of its volume on, or with a broken cortex, is enough.

    :param shares: "left" and "right": lesion share (%) of each pedicle, facet and costovertebral joint.
    :param broken: parts whose cortex the lesion broke, by side.
    :param doubtful: parts at whose border the cortex is broken, so that the break may be another part's, by side.
    """
    involved: dict[str, bool | None] = {}
    near, reasons, notes = [], [], []
    for side, parts in shares.items():
        breaks = (broken or {}).get(side, ())
        states = [_part_state(part, thresholds.part_involved) for part in parts]
        if breaks or "yes" in states:
            involved[side] = True
            notes += [f"cortex broken: {', '.join(breaks)}"] if breaks else []
        elif "unknown" in states:
            involved[side] = None
            reasons.append(f"{side}: {parts[states.index('unknown')].reason}")
        elif "near" in states:
            involved[side] = None
            near.append(side)
            part = parts[states.index("near")]
            reasons.append(f"{part.name} is near the threshold of {thresholds.part_involved:g} % ({part.text(0)})")
        elif at_border := (doubtful or {}).get(side, ()):
            involved[side] = None
            near.append(side)
            reasons.append(f"the cortex is broken at the border of the {' and the '.join(at_border)}")
        else:
            involved[side] = False
    return Sides(involved, tuple(near), "; ".join(reasons), tuple(notes))


def _part_state(share: Measurement, threshold: float) -> str:
    if share.value is None:
        return "unknown"
    margin = share.uncertainty or 0.0
    if share.value - margin >= threshold:
        return "yes"
    return "near" if share.value + margin >= threshold else "no"


def posterolateral(
    involved: Mapping[str, bool | None],
    measurements: Iterable[Measurement] = (),
    *,
    thresholds: Thresholds = DEFAULT,
    near: bool = False,
    limits: tuple[str, ...] = (),
    reason: str = "",
) -> Finding:
    """Facet, pedicle or costovertebral joint involvement per side.

    :param involved: "left" and "right", from `involved_sides`: True, False, or None where it could not be decided.
    :param near: what could not be decided lies near the threshold.
    """
    left, right = involved["left"], involved["right"]
    evidence = tuple(measurements)
    threshold = (
        f"pedicle, facet or costovertebral joint involved from {thresholds.part_involved:g} % of its volume,"
        " or with a broken cortex"
    )
    sides = [(left,) if left is not None else (False, True), (right,) if right is not None else (False, True)]
    possible = tuple(sorted({(0, 1, 3)[int(a) + int(b)] for a, b in product(*sides)}))
    if len(possible) > 1:
        return Finding(
            "posterolateral", None, possible, Source.UNKNOWN, measurements=evidence, threshold=threshold,
            near_threshold=near, limits=limits, reason=reason or "posterolateral parts could not be told apart",
        )  # fmt: skip
    label = {0: "none", 1: f"unilateral ({'left' if left else 'right'})", 3: "bilateral"}[possible[0]]
    return Finding("posterolateral", possible[0], possible, Source.MEASURED, label, evidence, threshold, limits=limits)


def entered(component: str, option: str, *, reader: str = "", reason: str = "") -> Finding:
    """A component picked from the list by a person. :raises BadInput: no such option."""
    points = points_of(component, option)
    return Finding(component, points, (points,), Source.ENTERED, option, reason=reason, reader=reader)


def points_of(component: str, option: str) -> int:
    """Points of a pick-list option. :raises BadInput: no such component or option."""
    if component not in OPTIONS:
        raise BadInput(f'"{component}" is not a SINS component; use one of {", ".join(COMPONENTS)}.')
    if option not in OPTIONS[component]:
        raise BadInput(f'"{option}" is not an answer for {component}; use one of {", ".join(OPTIONS[component])}.')
    return OPTIONS[component][option]


def score(findings: Iterable[Finding], *, limits: tuple[str, ...] = ()) -> SinsResult:
    """Add up six findings, one for each component.

    With an unknown component there is no total, only the totals still possible. A component near its threshold
    has points and so gives a total, but its other score stays among the possible totals and can leave the
    category undecided.

    :raises ValueError: a component is missing, doubled or unknown to SINS, or has impossible points.
    """
    by_name: dict[str, Finding] = {}
    for finding in findings:
        if finding.component not in OPTIONS or finding.component in by_name:
            raise ValueError(f"'{finding.component}' is not one of the six components, or came twice")
        allowed = set(OPTIONS[finding.component].values())
        if not set(finding.possible) <= allowed:
            raise ValueError(f"{finding.possible} are not possible points of '{finding.component}'")
        by_name[finding.component] = finding
    missing = [name for name in COMPONENTS if name not in by_name]
    if missing:
        raise ValueError(f"missing components: {', '.join(missing)}")
    ordered = {name: by_name[name] for name in COMPONENTS}

    possible = tuple(sorted({sum(points) for points in product(*(f.possible for f in ordered.values()))}))
    known = [finding.points for finding in ordered.values()]
    total = None if None in known else sum(points for points in known if points is not None)
    categories = {category_of(value) for value in possible}
    category = categories.pop() if len(categories) == 1 else None
    return SinsResult(ordered, total, possible, category, limits)


def worst(results: Mapping[Level, SinsResult]) -> Level | None:
    """The level with the highest score: by the highest total that is still possible, then by the highest lowest.

    None when nothing was scored. Undecided levels count with their worst case, so they are not passed over.
    """
    if not results:
        return None
    return max(
        results,
        key=lambda level: (results[level].possible_totals[-1], results[level].possible_totals[0], -level.order),
    )


def _asked(component: str, answer: str | None, reader: str, reason: str) -> Finding:
    if answer is None or answer == "unknown":
        return _unknown(component, reason, ())
    return entered(component, answer, reader=reader)


def _unknown(component: str, reason: str, measurements: tuple[Measurement, ...]) -> Finding:
    possible = tuple(sorted(set(OPTIONS[component].values())))
    return Finding(component, None, possible, Source.UNKNOWN, measurements=measurements, reason=reason)


def _points_without_collapse(involvement: Measurement, thresholds: Thresholds) -> set[int]:
    """1 when more than half of the body is involved, else 0; both while that is uncertain or unknown."""
    if not involvement.known:
        return {0, 1}
    value, margin = _value(involvement), involvement.uncertainty or 0.0
    return {int(value - margin > thresholds.half), int(value + margin > thresholds.half)}


def _value(measurement: Measurement) -> float:
    assert measurement.value is not None
    return measurement.value
