"""How the beam passed and how the spine was bent, from a radiograph's header: attributes first, then words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from spinemet.radiograph import Bending, View

_POSITIONS = {
    "AP": View.AP,
    "PA": View.PA,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LAT": View.LATERAL,
    "LATERAL": View.LATERAL,
    "RLO": View.OBLIQUE,
    "LLO": View.OBLIQUE,
    "LAO": View.OBLIQUE,
    "RAO": View.OBLIQUE,
    "LPO": View.OBLIQUE,
    "RPO": View.OBLIQUE,
}
"""ViewPosition (0018,5101). RLD and LLD are left out: decubitus says how the patient lay, not how the beam ran."""
_CODES = {
    "399348003": View.AP,
    "R-10206": View.AP,
    "272479007": View.PA,
    "R-10214": View.PA,
    "R-40888": View.PA,
    "399033003": View.FRONTAL,
    "399067008": View.LATERAL,
    "R-102CD": View.LATERAL,
    "399173006": View.LATERAL,
    "R-10236": View.LATERAL,
    "399198007": View.LATERAL,
    "R-10232": View.LATERAL,
    "30730003": View.LATERAL,
    "399182000": View.OBLIQUE,
    "399184004": View.OBLIQUE,
    "399236003": View.OBLIQUE,
}
"""DICOM context group 4010, SNOMED CT and the older SNOMED RT."""
_WORDS = {
    **dict.fromkeys(("ap", "antero", "anteroposterior"), View.AP),
    **dict.fromkeys(("pa", "postero", "posteroanterior"), View.PA),
    **dict.fromkeys(("frontal", "coronal"), View.FRONTAL),
    **dict.fromkeys(("lat", "lateral", "seitlich", "seitl", "profil", "sagittal", "ll", "rl"), View.LATERAL),
    **dict.fromkeys(("oblique", "obl", "schraeg", "schräg"), View.OBLIQUE),
}
_FLEXION = {"flexion", "flex", "flexed", "inklination", "anteflexion"}
_EXTENSION = {"extension", "extend", "extended", "ext", "reklination", "retroflexion"}
# Side bending is frontal though it says "lateral"; "external rotation" is no extension.
_SIDE_BENDING = {"bending", "bend", "lateroflexion", "sidebending"}
_ROTATION = {"rotation", "rot", "rotated"}
# Not the study's description: it names all images of the study.
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


def view_of(header: Any) -> tuple[View, tuple[str, ...]]:
    """How the beam passed, and sentences that say how this was found and what contradicts it.

    In order: ViewPosition, PatientOrientation, the view's code, the descriptions.
    """
    found = list(_views(header))
    if not found:
        return View.UNKNOWN, ("The file does not say from which side the radiograph was taken.",)
    view, basis = found[0]
    if view is View.FRONTAL:
        # A later source may know which of the two.
        view = next((other for other, _ in found if other in (View.AP, View.PA)), view)
    against = [where for other, where in found[1:] if _contradicts(view, other)]
    notes = [f"Taken as {view.value} view from {basis}."]
    if against:
        notes.append(f"Confirm the view: {' and '.join(against)} says otherwise.")
    return view, tuple(notes)


def _contradicts(view: View, other: View) -> bool:
    if View.FRONTAL in (view, other):
        return view.is_frontal != other.is_frontal
    return view is not other


def _views(header: Any) -> Iterator[tuple[View, str]]:
    position = _text(header, "ViewPosition").upper()
    if position in _POSITIONS:
        yield _POSITIONS[position], "its view position"
    oriented = _view_of_orientation(header.get("PatientOrientation"))
    if oriented is not None:
        yield oriented, "the patient orientation"
    for item in _items(header, "ViewCodeSequence"):
        coded = _CODES.get(_text(item, "CodeValue")) or _view_of_words(_words(_text(item, "CodeMeaning")))
        if coded is not None:
            yield coded, "the view's code"
            break
    for keyword in _DESCRIPTIONS:
        described = _view_of_words(_words(_text(header, keyword)))
        if described is not None:
            yield described, "the description"
            break


def _view_of_orientation(value: Any) -> View | None:
    """Rows that run toward the left or right are a frontal view, toward the front or back a lateral one."""
    if value is None or isinstance(value, str) or len(value) != 2:
        return None
    row, column = (str(item).strip().upper() for item in value)
    if column[:1] not in ("F", "H"):
        return None
    if len(row) > 1 and {row[0], row[1]} & {"A", "P"} and {row[0], row[1]} & {"L", "R"}:
        return View.OBLIQUE
    return {"L": View.FRONTAL, "R": View.FRONTAL, "A": View.LATERAL, "P": View.LATERAL}.get(row[:1])


def _view_of_words(words: list[str]) -> View | None:
    if _SIDE_BENDING & set(words):
        return View.FRONTAL
    found = {_WORDS[word] for word in words if word in _WORDS}
    if View.OBLIQUE in found:
        return View.OBLIQUE
    # "AP and lateral" names a study, not this image.
    return found.pop() if len(found) == 1 else None


def bending_of(header: Any) -> Bending:
    """Flexion or extension, from the view's modifier codes, then the descriptions; unknown when both are named."""
    texts = [
        _text(modifier, "CodeMeaning")
        for item in _items(header, "ViewCodeSequence")
        for modifier in _items(item, "ViewModifierCodeSequence")
    ]
    for text in (*texts, *(_text(header, keyword) for keyword in _DESCRIPTIONS)):
        words = set(_words(text))
        if words & _ROTATION or words & _SIDE_BENDING:
            continue
        bent = [
            kind for kind, names in ((Bending.FLEXION, _FLEXION), (Bending.EXTENSION, _EXTENSION)) if words & names
        ]
        if len(bent) == 1:
            return bent[0]
    return Bending.UNKNOWN


def laterality_of(header: Any) -> str:
    """ "L", "R" or "B", "" when the file does not say or the part is unpaired.

    For a lateral view without it, the side nearest to the detector that ViewPosition names.
    """
    for keyword in ("ImageLaterality", "Laterality"):
        side = _text(header, keyword).upper()
        if side in ("L", "R", "B"):
            return side
    return {"LL": "L", "RL": "R"}.get(_text(header, "ViewPosition").upper(), "")


def _items(header: Any, keyword: str) -> list[Any]:
    value = header.get(keyword)
    return [] if value is None or isinstance(value, str) else list(value)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-zäöü0-9]+", text.lower()) if word]


def _text(header: Any, keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else str(value).strip()
