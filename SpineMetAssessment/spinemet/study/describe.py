"""An index as text: patients, dates, series with role, geometry and the reason for each judgment."""

from __future__ import annotations

from spinemet.study.index import Index, IndexedPatient
from spinemet.study.roles import AGAINST, RoleJudgment
from spinemet.study.series import Series, Study

_INDENT = "    "


def describe(index: Index, *, show_identity: bool = False) -> str:
    """What an index holds, for reading; patients are numbered unless their identity is asked for."""
    if not index.patients and not index.volumes:
        return "\n".join([f"No image was found among {index.files} files.", *index.notes])
    lines = [f"{index.objects} DICOM objects of {_count(len(index.patients), 'patient')} among {index.files} files."]
    for item in index.patients:
        lines += ["", _patient(item, show_identity)]
        for study in item.studies:
            lines += _study(study)
    if index.volumes:
        lines += ["", f"{_count(len(index.volumes), 'image')} of other formats, which name no patient."]
        lines += [f"  {path}" for path in index.volumes] if show_identity else []
    return "\n".join([*lines, *([""] if index.notes else []), *index.notes])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _patient(item: IndexedPatient, show_identity: bool) -> str:
    if not show_identity:
        return f"Patient {item.number}"
    who = item.patient
    return ", ".join(filter(None, [f"Patient {item.number}: {who.name}", who.patient_id, who.birth_date, who.sex]))


def _study(study: Study) -> list[str]:
    lines = [f"  {study.time_point.date or 'no date'}"]
    for item in (*study.series, *study.objects):
        lines += _series(item)
    return lines


def _series(item: Series) -> list[str]:
    role = ", ".join([item.ref.role.value, *(_trait(name, value) for name, value in item.traits.items())])
    lines = [f"{_INDENT}{role:<28} {_geometry(item)}".rstrip(), f"{_INDENT}  {item.source}"]
    if item.refusal:
        lines.append(f"{_INDENT}  not for measuring: {item.refusal}")
    lines += [f"{_INDENT}  {note}" for note in item.notes]
    for judgment in item.judgments[1:]:
        lines.append(f"{_INDENT}  not {judgment.role.value}, {_why_not(judgment)}")
    return lines


def _why_not(judgment: RoleJudgment) -> str:
    against = [reason.removeprefix(AGAINST) for reason in judgment.reasons if reason.startswith(AGAINST)]
    if against:
        return "since " + " and ".join(against) + " speaks against it"
    return "for which only " + " and ".join(judgment.reasons) + " would speak"


def _trait(name: str, value: object) -> str:
    if value is True:
        return name
    return f"{value} kernel" if name == "kernel" else f"{name} {value:g}" if isinstance(value, float) else str(value)


def _geometry(item: Series) -> str:
    if item.grid is None:
        return ""
    size = "×".join(str(n) for n in item.grid.shape[::-1])
    spacing = "×".join(f"{value:.2f}" for value in item.grid.spacing)
    return f"{item.plane} {size}, {spacing} mm"
