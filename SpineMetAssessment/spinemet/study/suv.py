"""Standardized uptake values: the factor from a PET's stored values to SUV, or the reason why there is none.

Key functions: `suv_factor` judges the headers of a series, `to_suv` applies the factor to its image (`pet.pet_values`
does both).
Clinical rules, section 7; the order of decisions follows the QIBA vendor-neutral pseudocode. Nothing that is missing
is guessed: without a weight the values stay what they are, and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from spinemet.errors import NotMeasurable
from spinemet.image import Image
from spinemet.study.dicom_object import text_of
from spinemet.study.frames import number
from spinemet.study.pet_times import decay_seconds

PHILIPS_CREATOR, PHILIPS_SUV, PHILIPS_ACTIVITY = "Philips PET Private Group", 0x00, 0x09
"""Private creator and elements of (7053,1000), counts to SUVbw, and (7053,1009), counts to Bq/mL."""
DOSE_BQ = (1e6, 2e10)
"""Injected activity outside this is in another unit (MBq, mCi) than the Bq that DICOM asks for (ours)."""
HEIGHT_M = (0.3, 2.6)
"""Patient size outside this is in another unit than the meter that DICOM asks for (ours)."""
WEIGHT_KG = (0.5, 400.0)
"""Patient weight outside this is in another unit than the kilogram that DICOM asks for (ours)."""
HALF_LIFE_S = {"F-18": 6586.2, "Ga-68": 4057.7, "C-11": 1221.8}
"""Half-lives against which a header is checked (Decay Data Evaluation Project)."""
HALF_LIFE_TOLERANCE = 0.02
"""Relative; headers hold 6584 to 6588 s for fluorine-18 (ours)."""
_NUCLIDE_CODES = {
    "C-111A1": "F-18", "77004003": "F-18", "C-131A3": "Ga-68", "35337001": "Ga-68", "C-105A1": "C-11",
    "40565003": "C-11",
}  # fmt: skip
_FDG_CODES = {"C-B1031", "35321007"}

SUV_TAGS: list[str | int] = [
    "SOPClassUID", "Modality", "Units", "SUVType", "CorrectedImage", "DecayCorrection", "PatientWeight", "PatientSize",
    "PatientSex", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "TimezoneOffsetFromUTC", "RadiopharmaceuticalInformationSequence", 0x00090010, 0x0009100D, 0x70530010, 0x70531000,
    0x70531009,
]  # fmt: skip
"""What `suv_factor` looks at, for reading no more of each file."""


class SuvKind(str, Enum):
    """What the uptake is divided by."""

    BW = "SUVbw"
    LBM = "SUVlbm (Janmahasatian)"
    BSA = "SUVbsa"
    LBM_JAMES = "SUVlbm (James)"
    LBM_UNSAID = "SUVlbm (formula not given)"
    IBW = "SUVibw"

    @property
    def unit(self) -> str:
        return "cm²/mL" if self is SuvKind.BSA else "g/mL"


_SUV_TYPES = {
    "": SuvKind.BW,
    "BW": SuvKind.BW,
    "LBM": SuvKind.LBM_UNSAID,
    "LBMJAMES128": SuvKind.LBM_JAMES,
    "LBMJANMA": SuvKind.LBM,
    "BSA": SuvKind.BSA,
    "IBW": SuvKind.IBW,
}


@dataclass(frozen=True)
class SuvFactor:
    """The factor from a series' rescaled values to SUV.

    :param factor: None when SUV cannot be had; `reasons` say why.
    :param kind: the SUV that was asked for.
    :param stored_unit: unit of the rescaled values as they are in the files ("Bq/mL", "counts", "g/mL", "cm²/mL").
    :param activity_factor: factor to Bq/mL; None when that cannot be had either.
    :param is_fdg: whether the tracer is fluorodeoxyglucose; None when the header does not say.
    :param limits: what a reader must know before using the values.
    """

    factor: float | None
    kind: SuvKind
    stored_unit: str
    activity_factor: float | None = None
    is_fdg: bool | None = None
    reasons: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """One sentence for the reader of the study."""
        if self.factor is None:
            stay = "Bq/mL" if self.activity_factor is not None else self.stored_unit
            return f"The PET values stay {stay}, being no {self.kind.value}: {'; '.join(self.reasons)}."
        limits = f" ({'; '.join(self.limits)})" if self.limits else ""
        return f"The PET values are {self.kind.value} in {self.kind.unit}{limits}."


@dataclass(frozen=True, eq=False)
class PetValues:
    """A PET image and what its values mean.

    :param unit: "g/mL", "cm²/mL", "Bq/mL", or what the files have.
    :param kind: which SUV the values are; None when they are none.
    :param notes: why there is no SUV, or what limits it.
    """

    image: Image
    unit: str
    kind: SuvKind | None
    is_fdg: bool | None = None
    notes: tuple[str, ...] = ()


def lean_body_mass(weight_kg: float, height_m: float, sex: str) -> float:
    """Lean body mass in kg (Janmahasatian 2005). :param sex: "M" or "F"."""
    index = weight_kg / height_m**2
    slope, offset = {"M": (216.0, 6680.0), "F": (244.0, 8780.0)}[sex]
    return 9270.0 * weight_kg / (offset + slope * index)


def body_surface(weight_kg: float, height_m: float) -> float:
    """Body surface in m² (DuBois 1916)."""
    return float(0.007184 * weight_kg**0.425 * (100 * height_m) ** 0.725)


def suv_factor(headers: Any, kind: SuvKind = SuvKind.BW) -> SuvFactor:
    """The factor from a series' rescaled values (rescale slope and intercept applied slice by slice) to SUV.

    :param headers: pydicom datasets of all slices of one series (or of one slice, if it stands for all).
    :param kind: SUV by body weight, lean body mass (Janmahasatian) or body surface.
    """
    series: Sequence[Any] = [headers] if hasattr(headers, "get") else list(headers)
    if not series:
        raise ValueError("suv_factor needs the header of at least one slice")
    units = text_of(series[0], "Units").upper()
    result = SuvFactor(None, kind, _STORED_UNITS.get(units, units or "without a unit"), is_fdg=_is_fdg(series[0]))
    reasons = _contradictions(series) + _uncorrected(series)
    if units in ("GML", "CM2ML"):
        return _from_suv(series[0], result, units, reasons)
    if units == "BQML":
        return _from_activity(series, replace(result, activity_factor=1.0), reasons)
    if units == "CNTS":
        return _from_counts(series, result, reasons)
    return replace(result, reasons=(*reasons, f"SUV is not defined for the unit {units or '(none given)'}"))


def to_suv(image: Image, suv: SuvFactor) -> PetValues:
    """The image in SUV; where that cannot be had in Bq/mL, and else as it is, with the reasons.

    :param image: rescaled values of the series that `suv` was found for.
    """
    if suv.factor is None:
        if suv.activity_factor is None:
            return PetValues(image, suv.stored_unit, None, suv.is_fdg, suv.reasons)
        return PetValues(_scaled(image, suv.activity_factor), "Bq/mL", None, suv.is_fdg, suv.reasons)
    return PetValues(_scaled(image, suv.factor), suv.kind.unit, suv.kind, suv.is_fdg, suv.limits)


def _scaled(image: Image, factor: float) -> Image:
    if factor == 1.0:
        return image
    return image.with_array(np.multiply(image.array, factor, dtype=np.float32, casting="unsafe"))


_STORED_UNITS = {"BQML": "Bq/mL", "CNTS": "counts", "GML": "g/mL", "CM2ML": "cm²/mL"}
_SAME_IN_ALL = (
    "Units", "SUVType", "DecayCorrection", "CorrectedImage", "PatientWeight", "PatientSize", "PatientSex",
    "SeriesDate", "SeriesTime",
)  # fmt: skip


def _contradictions(series: Sequence[Any]) -> list[str]:
    """What the slices of one series disagree on, though it decides the factor."""
    wrong = [name for name in _SAME_IN_ALL if len({text_of(header, name) for header in series}) > 1]
    doses = {tuple(text_of(drug, name) for name in _OF_DRUG) for header in series for drug in _drugs(header)[:1]}
    wrong += ["Radiopharmaceutical"] if len(doses) > 1 else []
    return [f"the slices disagree on {', '.join(wrong)}"] if wrong else []


_OF_DRUG = ("RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime")


def _uncorrected(series: Sequence[Any]) -> list[str]:
    """Corrections without which the values are no activity concentration."""
    value = series[0].get("CorrectedImage")
    done = {str(item).strip().upper() for item in ([value] if isinstance(value, str) else value or [])}
    reasons = []
    if "ATTN" not in done:
        reasons.append("the images are not corrected for attenuation")
    # The standard's term is DECY; DECAY is what several scanners write.
    if not done & {"DECY", "DECAY"} or text_of(series[0], "DecayCorrection").upper() == "NONE":
        reasons.append("the images are not corrected for decay")
    return reasons


def _from_suv(header: Any, result: SuvFactor, units: str, reasons: list[str]) -> SuvFactor:
    """Values that the scanner has made SUV already."""
    named = text_of(header, "SUVType").upper()
    stored = SuvKind.BSA if units == "CM2ML" and named in ("", "BSA") else _SUV_TYPES.get(named)
    if stored is None or (units == "CM2ML") != (stored is SuvKind.BSA):
        reasons = [*reasons, f"the header calls its values SUV by {named}, which does not fit their unit"]
        return replace(result, reasons=tuple(reasons))
    limits = ("as stored by the scanner",)
    if stored is result.kind:
        return replace(result, factor=None if reasons else 1.0, reasons=tuple(reasons), limits=limits)
    sizes = [_size(header, result.kind), _size(header, stored)]
    reasons = [*reasons, *dict.fromkeys(reason for _, missing in sizes for reason in missing)]
    factor = None if reasons else sizes[0][0] / sizes[1][0]
    return replace(result, factor=factor, reasons=tuple(reasons), limits=(f"from {stored.value} as stored",))


def _from_counts(series: Sequence[Any], result: SuvFactor, reasons: list[str]) -> SuvFactor:
    """Philips' counts: its own factor to SUVbw, else its own factor to Bq/mL."""
    direct = _philips(series, PHILIPS_SUV)
    activity = _philips(series, PHILIPS_ACTIVITY)
    result = replace(result, activity_factor=activity)
    if direct is None and activity is None:
        return replace(result, reasons=(*reasons, "the values are counts without Philips' private scale factors"))
    if direct is None:
        return _from_activity(series, result, reasons)
    factor, limits = direct, ("by Philips' private scale factor (7053,1000)",)
    if result.kind is not SuvKind.BW:
        sizes = [_size(series[0], result.kind), _size(series[0], SuvKind.BW)]
        reasons = [*reasons, *dict.fromkeys(reason for _, missing in sizes for reason in missing)]
        factor = direct * sizes[0][0] / sizes[1][0] if not reasons else direct
    return replace(result, factor=None if reasons else factor, reasons=tuple(reasons), limits=limits)


def _philips(series: Sequence[Any], element: int) -> float | None:
    found = {_private_number(header, element) for header in series}
    value = found.pop() if len(found) == 1 else None
    return value if value is not None and value > 0 else None


def _private_number(header: Any, element: int) -> float | None:
    try:
        value = header.private_block(0x7053, PHILIPS_CREATOR)[element].value
    except (KeyError, AttributeError):
        return None
    return number(value.decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else value)


def _from_activity(series: Sequence[Any], result: SuvFactor, reasons: list[str]) -> SuvFactor:
    """Bq/mL: divided by the activity left at the time that the values were decayed to, times the patient's size."""
    size, missing = _size(series[0], result.kind)
    dose, half_life, drug, wrong = _injected(series[0])
    reasons = [*reasons, *missing, *wrong]
    limits: tuple[str, ...] = ()
    waited = 0.0
    correction = text_of(series[0], "DecayCorrection").upper()
    if correction == "START":
        if drug is not None and half_life is not None:
            try:
                waited, limits = decay_seconds(series, drug, half_life)
            except NotMeasurable as error:
                reasons.append(str(error))
    elif correction not in ("ADMIN", "NONE"):
        reasons.append("the header does not say to which time the values were corrected for decay")
    if reasons or dose is None or half_life is None or result.activity_factor is None:
        return replace(result, reasons=tuple(dict.fromkeys(reasons)))
    factor = result.activity_factor * size / (dose * 2 ** (-waited / half_life))
    return replace(result, factor=factor, limits=limits)


def _injected(header: Any) -> tuple[float | None, float | None, Any, list[str]]:
    """Injected activity (Bq), half-life (s), the sequence's item, and what is wrong with them."""
    drugs = _drugs(header)
    if len(drugs) != 1:
        what = "says nothing of the injected tracer" if not drugs else "lists several injections"
        return None, None, None, [f"the header {what}"]
    drug = drugs[0]
    reasons = []
    dose, half_life = number(drug.get("RadionuclideTotalDose")), number(drug.get("RadionuclideHalfLife"))
    if dose is None or dose <= 0:
        reasons.append("the injected dose is missing")
    elif not DOSE_BQ[0] <= dose <= DOSE_BQ[1]:
        reasons.append(f"the injected dose of {dose:g} Bq cannot be in Bq")
    if half_life is None or half_life <= 0:
        return dose, None, drug, [*reasons, "the half-life is missing"]
    nuclides = [_NUCLIDE_CODES.get(code, "") for code in _codes(drug, "RadionuclideCodeSequence")]
    nuclide = nuclides[0] if nuclides else ""
    known = HALF_LIFE_S.get(nuclide, half_life)
    if abs(half_life - known) > HALF_LIFE_TOLERANCE * known:
        reasons.append(f"the half-life of {half_life:g} s is not that of {nuclide} ({known:g} s)")
    return dose, half_life, drug, reasons


def _size(header: Any, kind: SuvKind) -> tuple[float, list[str]]:
    """What the dose is divided by: g (or cm² for SUVbsa), and why it is not known."""
    weight, height = number(header.get("PatientWeight")), number(header.get("PatientSize"))
    sex = text_of(header, "PatientSex").upper()
    if kind not in (SuvKind.BW, SuvKind.LBM, SuvKind.BSA):
        return 1.0, [f"{kind.value} cannot be turned into another SUV"]
    reasons = _outside(weight, WEIGHT_KG, "weight", "kg")
    if kind is not SuvKind.BW:
        reasons += _outside(height, HEIGHT_M, "height", "m")
    if kind is SuvKind.LBM and sex not in ("M", "F"):
        reasons.append("the patient's sex is missing")
    if reasons or weight is None:
        return 1.0, reasons
    if kind is SuvKind.BW:
        return 1000.0 * weight, []
    assert height is not None
    if kind is SuvKind.LBM:
        return 1000.0 * lean_body_mass(weight, height, sex), []
    return 1e4 * body_surface(weight, height), []


def _outside(value: float | None, span: tuple[float, float], what: str, unit: str) -> list[str]:
    if value is None or value <= 0:
        return [f"the patient's {what} is missing"]
    if not span[0] <= value <= span[1]:
        return [f"the patient's {what} of {value:g} {unit} cannot be in {unit}"]
    return []


def _drugs(header: Any) -> list[Any]:
    return list(header.get("RadiopharmaceuticalInformationSequence") or [])


def _codes(item: Any, keyword: str) -> list[str]:
    return [text_of(code, "CodeValue") for code in item.get(keyword) or []]


def _is_fdg(header: Any) -> bool | None:
    drugs = _drugs(header)
    if not drugs:
        return None
    codes = _codes(drugs[0], "RadiopharmaceuticalCodeSequence")
    if _FDG_CODES.intersection(codes):
        return True
    names = [text_of(drugs[0], "Radiopharmaceutical")]
    names += [text_of(code, "CodeMeaning") for code in drugs[0].get("RadiopharmaceuticalCodeSequence") or []]
    words = " ".join(names).casefold()
    if not words.strip():
        return None
    return "fdg" in words or "fluorodeoxyglucose" in words or "fludeoxyglucose" in words
