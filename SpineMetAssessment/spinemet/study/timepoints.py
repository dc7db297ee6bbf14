"""Time points: the studies of one patient in the order of their dates, as a baseline and its follow-ups.

Images of different modalities that were made within a few days describe one state of the disease and are one time
point; the same modality on another day is the next one. A date is never guessed: a study without one is set aside.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from spinemet.case import Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.study.dicom_files import plain_words
from spinemet.study.series import Series, Study

MERGE_WINDOW_DAYS = 14
"""Days within which studies of different modalities are one time point (ours)."""
PAIR_WARNING_DAYS = 14
"""Days between a CT and an MRI beyond which they may show different states of the disease (ours)."""
EARLIEST_DATE = datetime.date(1971, 10, 1)
"""The first CT of a patient; earlier dates are stand-ins that de-identification left."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """A patient's studies in the order of time.

    :param points: one merged study per time point; its `time_point` holds the date and the label.
    :param undated: studies whose date must be asked for; they are in no time point. See `with_date`.
    :param notes: sentences on merging and on what to mind.
    """

    patient: Patient
    points: tuple[Study, ...]
    undated: tuple[Study, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def baseline(self) -> Study:
        """The first time point. :raises BadInput: no study has a date."""
        if not self.points:
            raise BadInput("No study has a date; give the dates before comparing.")
        return self.points[0]

    @property
    def follow_ups(self) -> tuple[Study, ...]:
        return self.points[1:]

    @property
    def questions(self) -> tuple[str, ...]:
        """What must be answered before the order is complete."""
        return tuple(
            f"On which day was study {n} without a date made? It holds {_contents(study)}."
            for n, study in enumerate(self.undated, start=1)
        )


def time_points(studies: Iterable[Study], *, window_days: int = MERGE_WINDOW_DAYS) -> Timeline:
    """Order the studies of one patient into a baseline and follow-ups.

    A study that holds several sessions (a folder with a whole history) is split by their dates first.

    :param window_days: days within which different modalities are one time point; 0 keeps all days apart.
    :raises BadInput: there is no study, or they may be of two patients. The sentence names no one.
    """
    given = list(studies)
    if not given:
        raise BadInput("There is no study to order; choose at least one.")
    if window_days < 0:
        raise BadInput("The window for merging studies cannot be negative.")
    patient, notes = _one_patient([study.patient for study in given])
    given, repeated = _without_repeats(given)
    if repeated:
        notes.append(f"{repeated} series {'was' if repeated == 1 else 'were'} given twice and counted once.")
    dated, undated = _sessions(given)
    if not dated and len(undated) == 1:
        only = replace(undated[0], time_point=TimePoint("", "baseline"))
        return Timeline(patient, (only,), (), (*notes, "The files do not say when the images were made."))
    groups = _grouped(dated, window_days)
    points = tuple(_merged(group, n) for n, group in enumerate(groups))
    notes += [note for group, point in zip(groups, points, strict=True) for note in _group_notes(group, point)]
    notes += _lonely(points)
    if undated:
        notes.append("Studies without a date are set aside; with their dates, the labels may change.")
    if patient.birth_date and any(point.time_point.date < patient.birth_date for point in points):
        notes.append("A study is dated before the patient's birth; check the dates.")
    return Timeline(patient, points, tuple(undated), tuple(notes))


def with_date(study: Study, date: str) -> Study:
    """The study with a date that a person gave; series that have one keep it.

    :param date: ISO date (YYYY-MM-DD).
    :raises BadInput: `date` is none.
    """
    if _day(date) is None:
        raise BadInput("A date is needed as year, month and day, such as 2024-03-05.")
    series = tuple(
        item if _day(item.ref.date) else replace(item, ref=replace(item.ref, date=date)) for item in study.series
    )
    return replace(study, series=series, time_point=replace(study.time_point, date=date))


def _one_patient(patients: Sequence[Patient]) -> tuple[Patient, list[str]]:
    """The patient whom all studies agree on. Spellings of a name that differ in case and separators are one.

    :raises BadInput: IDs, sexes or birth dates differ; without any ID, the names.
    """
    with_id = any(patient.patient_id for patient in patients)
    telling = {
        "patient ID": [plain_words(patient.patient_id) for patient in patients],
        "sex": [patient.sex for patient in patients],
        "birth date": [patient.birth_date for patient in patients],
    }
    if not with_id:
        telling["patient's name"] = [plain_words(patient.name) for patient in patients]
    for first, second in itertools.combinations(range(len(patients)), 2):
        differing = [name for name, v in telling.items() if v[first] and v[second] and v[first] != v[second]]
        if differing:
            raise BadInput(
                f"Studies {first + 1} and {second + 1} (in the order given) differ in {' and '.join(differing)}, so "
                "they may be of two patients; nothing was paired: choose the studies of one patient."
            )
    notes = []
    if len(patients) > 1:
        anonymous = [n for n in range(len(patients)) if not patients[n].patient_id and not patients[n].name]
        if anonymous:
            notes.append(
                f"{len(anonymous)} of {len(patients)} studies do not say whose they are; "
                "confirm that all are of one patient."
            )
    fields = ("patient_id", "name", "sex", "birth_date")
    known = {field: next((getattr(item, field) for item in patients if getattr(item, field)), "") for field in fields}
    return Patient(**known), notes


def _without_repeats(studies: Sequence[Study]) -> tuple[list[Study], int]:
    """The studies without series that an earlier one holds, too (overlapping folders), and how many those were."""
    seen: set[tuple[str, str]] = set()
    kept, repeated = [], 0
    for study in studies:
        series, objects = (
            tuple(item for item in members if not item.ref.series_uid or _identity(item) not in seen)
            for members in (study.series, study.objects)
        )
        repeated += len(study.series) - len(series) + len(study.objects) - len(objects)
        seen |= {_identity(item) for item in (*study.series, *study.objects)}
        if series or objects or study.label_files or not study.series:
            kept.append(replace(study, series=series, objects=objects))
    return kept, repeated


def _identity(series: Series) -> tuple[str, str]:
    return series.ref.series_uid, series.ref.key


@dataclass(frozen=True, eq=False)
class _Session:
    """Images that were made together: the first and last day, and the study cut down to them."""

    first: datetime.date
    last: datetime.date
    study: Study

    @property
    def modalities(self) -> set[str]:
        return {_modality(item.ref.role) for item in self.study.series if item.usable} - {""}


def _sessions(studies: Sequence[Study]) -> tuple[list[_Session], list[Study]]:
    """All sessions in the order of their dates, and the studies, or parts of studies, without a date."""
    sessions: list[_Session] = []
    undated: list[Study] = []
    for study in studies:
        groups, without = _by_visit(study)
        if not groups:
            day = _day(study.time_point.date)
            if day is None:
                undated.append(study)
            else:
                sessions.append(_Session(day, day, study))
            continue
        if len(groups) == 1:
            # Its folder already says that what has no date belongs to what has one; the reader is warned.
            first, last, _ = groups[0]
            sessions.append(_Session(first, last, study))
            continue
        objects: dict[int | None, list[Series]] = defaultdict(list)
        for item in study.objects:
            objects[_visit_of(item, groups)].append(item)
        for n, (first, last, series) in enumerate(groups):
            visit = replace(study, series=tuple(series), objects=tuple(objects[n]), label_files=())
            sessions.append(_Session(first, last, visit))
        if without or objects[None] or study.label_files:
            rest = replace(study, series=tuple(without), objects=tuple(objects[None]), time_point=TimePoint(""))
            undated.append(rest)
    return sorted(sessions, key=lambda item: (item.first, item.last)), undated


_Visit = tuple[datetime.date, datetime.date, list[Series]]
"""First day, last day, and the series made on them."""


def _by_visit(study: Study) -> tuple[list[_Visit], list[Series]]:
    """Series by visit (first day, last day, series), and those without a date.

    Days of one DICOM study that follow each other are one visit: a session may run past midnight.
    """
    by_study: dict[str, list[tuple[datetime.date, Series]]] = defaultdict(list)
    without = []
    for item in study.series:
        day = _day(item.ref.date)
        if day is None:
            without.append(item)
        else:
            by_study[item.ref.study_uid or day.isoformat()].append((day, item))
    runs = []
    for members in by_study.values():
        members.sort(key=lambda pair: pair[0])
        run = [members[0]]
        for pair in members[1:]:
            if (pair[0] - run[-1][0]).days > 1:
                runs.append(run)
                run = []
            run.append(pair)
        runs.append(run)
    runs.sort(key=lambda run: run[0][0])
    joined: list[_Visit] = []
    for run in runs:
        first, last, series = run[0][0], run[-1][0], [item for _, item in run]
        if joined and joined[-1][0] == first:
            joined[-1] = (first, max(joined[-1][1], last), [*joined[-1][2], *series])
        else:
            joined.append((first, last, series))
    return joined, without


def _visit_of(item: Series, visits: Sequence[_Visit]) -> int | None:
    """Which visit structures, doses or reports belong to; None when nothing says so.

    That of their DICOM study, else the last before them: they were made from images.
    """
    day, study_uid = _day(item.ref.date), item.ref.study_uid
    same = [n for n, visit in enumerate(visits) if study_uid and any(s.ref.study_uid == study_uid for s in visit[2])]
    candidates = same or list(range(len(visits)))
    earlier = [n for n in candidates if day is not None and visits[n][0] <= day]
    return earlier[-1] if earlier else same[0] if same else None


def _grouped(sessions: Sequence[_Session], window_days: int) -> list[list[_Session]]:
    """Sessions of one day together; of different days, where the window and their modalities allow it."""
    groups: list[list[_Session]] = []
    for session in sessions:
        group = groups[-1] if groups else None
        if group is not None:
            same_day = session.first == group[-1].first
            near = (session.first - group[0].first).days <= window_days
            others = set().union(*(item.modalities for item in group))
            if same_day or (near and not others & session.modalities):
                group.append(session)
                continue
        groups.append([session])
    return groups


def _merged(group: Sequence[_Session], index: int) -> Study:
    label = "baseline" if index == 0 else f"follow-up {index}"
    first = group[0].study
    return replace(
        first,
        time_point=TimePoint(group[0].first.isoformat(), label),
        series=tuple(item for session in group for item in session.study.series),
        objects=tuple(item for session in group for item in session.study.objects),
        notes=tuple(dict.fromkeys(note for session in group for note in session.study.notes)),
        label_files=tuple(dict.fromkeys(path for session in group for path in session.study.label_files)),
    )


def _group_notes(group: Sequence[_Session], point: Study) -> list[str]:
    label = point.time_point.label
    label = label[0].upper() + label[1:]
    notes = []
    days = (group[-1].first - group[0].first).days
    if days:
        notes.append(
            f"{label} joins images of {days + 1} days ({group[0].first} to {group[-1].first}); "
            "keep them apart if the patient was treated in between."
        )
    gap = _gap(point)
    if gap is not None and gap > PAIR_WARNING_DAYS:
        notes.append(f"{label}: CT and MRI are {gap} days apart and may show different states of the disease.")
    if any(not _day(item.ref.date) for item in point.series if item.usable):
        notes.append(f"{label} holds an image without a date; confirm that it belongs there.")
    return notes


def _gap(study: Study) -> int | None:
    """Days between the nearest CT and MRI of a study."""
    days = {
        kind: [day for item in study.series if _modality(item.ref.role) == kind and (day := _day(item.ref.date))]
        for kind in ("CT", "MR")
    }
    return min((abs((a - b).days) for a in days["CT"] for b in days["MR"]), default=None)


def _lonely(points: Sequence[Study]) -> list[str]:
    """A note for a time point with CT only whose nearest MRI is another time point, and the other way round."""
    notes = []
    for point in points:
        own = {_modality(item.ref.role) for item in point.series if item.usable}
        for have, lack in (("CT", "MR"), ("MR", "CT")):
            if have not in own or lack in own:
                continue
            day = _day(point.time_point.date)
            days = [
                abs((other_day - day).days)
                for other in points
                if day and any(_modality(item.ref.role) == lack for item in other.series if item.usable)
                and (other_day := _day(other.time_point.date))
            ]  # fmt: skip
            if days:
                names = {"CT": "CT", "MR": "MRI"}
                label = point.time_point.label
                notes.append(
                    f"{label[0].upper() + label[1:]} has no {names[lack]}; the nearest is {min(days)} days away, "
                    "at another time point."
                )
    return notes


def _modality(role: Role) -> str:
    """What counts as the same kind of image when two days are joined; "" for what is no image or a localizer."""
    if role.is_mr:
        return "MR"
    if not role.is_image or role is Role.LOCALIZER:
        return ""
    return "PET" if role is Role.PET_NAC else role.value


def _day(text: str) -> datetime.date | None:
    """The day of an ISO date; None when it is none, or a stand-in."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return None
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return day if day >= EARLIEST_DATE else None


def _contents(study: Study) -> str:
    found = sorted({item.ref.role.value for item in (*study.series, *study.objects)})
    if study.label_files:
        found.append("label maps")
    return ", ".join(found) or "no image"
