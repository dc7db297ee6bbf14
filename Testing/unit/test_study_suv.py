"""SUV from headers: the rule book's numbers, each vendor's path, and each refusal."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from small_dicom import PET_CLASS, write_series
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.study import read_image
from spinemet.study.pet import pet_values
from spinemet.study.pet_times import parse_date_time
from spinemet.study.suv import (
    SuvKind,
    body_surface,
    lean_body_mass,
    suv_factor,
    to_suv,
)

START_FACTOR = 2.76337e-4
"""Clinical rules, section 7: 370 MBq, 70 kg, half-life 6586.2 s, 3600 s after injection."""
DRUG = {
    "RadionuclideTotalDose": "370000000",
    "RadionuclideHalfLife": "6586.2",
    "RadiopharmaceuticalStartTime": "090000",
    "Radiopharmaceutical": "FDG",
}


def header(*, drug=None, drop=(), **elements) -> Dataset:
    """A PET slice's header, by default the rule book's example."""
    values = {
        "Units": "BQML", "DecayCorrection": "START", "CorrectedImage": ["ATTN", "DECY", "SCAT"], "PatientWeight": "70",
        "PatientSize": "1.75", "PatientSex": "M", "SeriesDate": "20240305", "SeriesTime": "100000",
        "AcquisitionDate": "20240305", "AcquisitionTime": "100000",
    } | elements  # fmt: skip
    dataset = Dataset()
    for keyword, value in values.items():
        if keyword not in drop:
            setattr(dataset, keyword, value)
    item = Dataset()
    for keyword, value in (DRUG | (drug or {})).items():
        if value is not None:
            setattr(item, keyword, value)
    dataset.RadiopharmaceuticalInformationSequence = [item]
    return dataset


def with_private(dataset: Dataset, group: int, creator: str, element: int, vr: str, value) -> Dataset:
    dataset.private_block(group, creator, create=True).add_new(element, vr, value)
    return dataset


def reason(*headers: Dataset, kind=SuvKind.BW) -> str:
    suv = suv_factor(list(headers), kind)
    assert suv.factor is None
    return "; ".join(suv.reasons)


def test_start_corrected_values_follow_the_rule_book() -> None:
    suv = suv_factor(header())
    assert suv.factor == pytest.approx(START_FACTOR, rel=1e-4)
    assert 10_000 * suv.factor == pytest.approx(2.7634, rel=1e-4)
    assert (suv.kind, suv.kind.unit, suv.is_fdg, suv.limits) == (SuvKind.BW, "g/mL", True, ())


def test_values_corrected_to_the_injection_need_no_time() -> None:
    suv = suv_factor(header(DecayCorrection="ADMIN", drop=("SeriesTime", "AcquisitionTime")))
    assert 10_000 * suv.factor == pytest.approx(1.8919, rel=1e-4)


def test_lean_body_mass_and_body_surface_by_their_published_formulas() -> None:
    # Janmahasatian 2005: 9270 W / (6680 + 216 BMI), by hand for 70 kg, 1.75 m: BMI 22.857143.
    assert lean_body_mass(70, 1.75, "M") == pytest.approx(648900 / 11617.142857, rel=1e-9)
    assert lean_body_mass(70, 1.75, "F") == pytest.approx(648900 / 14357.142857, rel=1e-9)
    # DuBois 1916: a man of 70 kg and 1.70 m has 1.81 m² in the original table.
    assert body_surface(70, 1.70) == pytest.approx(1.81, abs=0.005)


def test_suv_by_lean_mass_and_by_surface_scale_with_their_size() -> None:
    by_weight = suv_factor(header()).factor
    by_lean = suv_factor(header(), SuvKind.LBM)
    by_surface = suv_factor(header(), SuvKind.BSA)
    assert by_lean.factor / by_weight == pytest.approx(55.857106 / 70, rel=1e-5)
    assert by_surface.factor / by_weight == pytest.approx(10000 * body_surface(70, 1.75) / 70000, rel=1e-9)
    assert by_surface.kind.unit == "cm²/mL"


def test_the_first_bed_is_the_start_of_the_scan() -> None:
    beds = [header(AcquisitionTime=time) for time in ("100600", "100300", "100000")]
    assert suv_factor(beds).factor == pytest.approx(START_FACTOR, rel=1e-4)


def test_a_series_time_before_the_acquisition_is_the_scan_start() -> None:
    assert suv_factor(header(AcquisitionTime="100500")).factor == pytest.approx(START_FACTOR, rel=1e-4)


@pytest.mark.parametrize("value", ["20240305100000.00", b"20240305100000.00 "])
def test_processed_images_of_ge_use_the_private_scan_time(value) -> None:
    vr = "DT" if isinstance(value, str) else "UN"
    late = with_private(header(SeriesTime="143000"), 0x0009, "GEMS_PETD_01", 0x0D, vr, value)
    suv = suv_factor(late)
    assert suv.factor == pytest.approx(START_FACTOR, rel=1e-4)
    assert "0009,100d" in suv.note


def test_processed_images_of_others_are_refused() -> None:
    assert "processed afterwards" in reason(header(SeriesTime="143000"))


def test_a_private_scan_time_after_the_acquisition_is_refused() -> None:
    late = with_private(header(SeriesTime="143000"), 0x0009, "GEMS_PETD_01", 0x0D, "DT", "20240305120000")
    assert "later than the acquisition" in reason(late)


def test_a_scan_after_midnight_counts_from_the_evening_before() -> None:
    late = header(
        SeriesDate="20240306", SeriesTime="002000", AcquisitionDate="20240306", AcquisitionTime="002000",
        drug={"RadiopharmaceuticalStartTime": "232000"},
    )  # fmt: skip
    suv = suv_factor(late)
    assert suv.factor == pytest.approx(START_FACTOR, rel=1e-4)
    assert "last such time before the scan" in suv.limits[0]
    late.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20240305232000"
    assert suv_factor(late).limits == ()
    assert suv_factor(late).factor == pytest.approx(START_FACTOR, rel=1e-4)


def test_beds_on_both_sides_of_midnight_without_dates_are_in_order() -> None:
    beds = [
        header(
            SeriesTime="235500",
            AcquisitionTime=time,
            drug={"RadiopharmaceuticalStartTime": "225500"},
            drop=("AcquisitionDate",),
        )
        for time in ("235500", "000100")
    ]
    assert suv_factor(beds).factor == pytest.approx(START_FACTOR, rel=1e-4)


def test_an_injection_in_universal_time_is_turned_into_local_time() -> None:
    drug = {"RadiopharmaceuticalStartDateTime": "20240305080000.00+0000", "RadiopharmaceuticalStartTime": None}
    assert suv_factor(header(drug=drug, TimezoneOffsetFromUTC="+0100")).factor == pytest.approx(START_FACTOR, rel=1e-4)
    assert "time of injection is missing" in reason(header(drug=drug))


def test_counts_of_philips_use_its_own_factors() -> None:
    counts = with_private(header(Units="CNTS"), 0x7053, "Philips PET Private Group", 0x00, "DS", "0.000381")
    assert suv_factor(counts).factor == pytest.approx(0.000381)
    activity = with_private(header(Units="CNTS"), 0x7053, "Philips PET Private Group", 0x09, "DS", "1.5")
    assert suv_factor(activity).factor == pytest.approx(1.5 * START_FACTOR, rel=1e-4)
    # A direct factor of zero stands for none.
    with_private(activity, 0x7053, "Philips PET Private Group", 0x00, "UN", b"0 ")
    assert suv_factor(activity).factor == pytest.approx(1.5 * START_FACTOR, rel=1e-4)


def test_counts_without_private_factors_are_refused() -> None:
    assert "without Philips' private scale factors" in reason(header(Units="CNTS"))
    foreign = with_private(header(Units="CNTS"), 0x7053, "Somebody else", 0x00, "DS", "0.1")
    assert "without Philips'" in reason(foreign)


@pytest.mark.parametrize("named", ["BW", None])
def test_values_in_grams_per_milliliter_are_suv_by_weight_already(named) -> None:
    stored = header(Units="GML", SUVType=named, DecayCorrection="ADMIN", drop=("PatientWeight",))
    assert suv_factor(stored).factor == 1.0


def test_suv_by_another_size_is_never_called_suv_by_weight() -> None:
    assert "James" in reason(header(Units="GML", SUVType="LBMJAMES128"))
    assert "formula not given" in reason(header(Units="GML", SUVType="LBM"))
    assert "SUVibw" in reason(header(Units="GML", SUVType="IBW"))
    assert "does not fit" in reason(header(Units="GML", SUVType="BSA"))
    janmahasatian = header(Units="GML", SUVType="LBMJANMA")
    assert suv_factor(janmahasatian, SuvKind.LBM).factor == 1.0
    assert suv_factor(janmahasatian).factor == pytest.approx(70 / 55.857106, rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"drop": ("PatientWeight",)}, "weight is missing"),
        ({"PatientWeight": "0"}, "weight is missing"),
        ({"PatientWeight": "70000"}, "cannot be in kg"),
        ({"drug": {"RadionuclideTotalDose": None}}, "dose is missing"),
        ({"drug": {"RadionuclideTotalDose": "370"}}, "cannot be in Bq"),
        ({"drug": {"RadionuclideHalfLife": None}}, "half-life is missing"),
        ({"CorrectedImage": ["DECY"]}, "attenuation"),
        ({"CorrectedImage": "ATTN"}, "decay"),
        ({"DecayCorrection": "NONE"}, "decay"),
        ({"drop": ("DecayCorrection",)}, "to which time"),
        ({"drop": ("CorrectedImage",)}, "attenuation"),
        ({"drop": ("SeriesTime",)}, "series time is missing"),
        ({"drop": ("AcquisitionTime",)}, "acquisition time is missing"),
        ({"drug": {"RadiopharmaceuticalStartTime": None}}, "time of injection is missing"),
        ({"drug": {"RadiopharmaceuticalStartTime": "110000"}}, "half-lives"),
        ({"drug": {"RadiopharmaceuticalStartDateTime": "20240305080000"}}, "two different times"),
        ({"drug": {"RadiopharmaceuticalStartDateTime": "20240401090000"}}, "after the start of the scan"),
        ({"drug": {"RadiopharmaceuticalStartDateTime": "20230305090000"}}, "half-lives"),
        ({"Units": "PROPCPS"}, "PROPCPS"),
        ({"drop": ("Units",)}, "(none given)"),
    ],
)
def test_what_is_missing_or_wrong_is_refused_with_its_reason(changed, why) -> None:
    assert why in reason(header(**changed))


def test_height_and_sex_are_needed_only_where_the_formula_has_them() -> None:
    assert "height is missing" in reason(header(drop=("PatientSize",)), kind=SuvKind.LBM)
    assert "cannot be in m" in reason(header(PatientSize="175"), kind=SuvKind.BSA)
    assert "sex is missing" in reason(header(PatientSex="O"), kind=SuvKind.LBM)
    assert suv_factor(header(PatientSex="O", drop=("PatientSize",))).factor is not None


def test_a_half_life_of_another_nuclide_is_refused() -> None:
    wrong = header(drug={"RadionuclideHalfLife": "4057.7"})
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "^18^Fluorine"
    wrong.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence = [code]
    assert "not that of F-18" in reason(wrong)


def test_slices_that_disagree_and_several_injections_are_refused() -> None:
    assert "disagree on PatientWeight" in reason(header(), header(PatientWeight="71"))
    assert "disagree on Radiopharmaceutical" in reason(header(), header(drug={"RadionuclideTotalDose": "360000000"}))
    twice = header()
    twice.RadiopharmaceuticalInformationSequence = [*twice.RadiopharmaceuticalInformationSequence] * 2
    assert "several injections" in reason(twice)
    none = header()
    none.RadiopharmaceuticalInformationSequence = []
    assert "nothing of the injected tracer" in reason(none)


def test_without_a_weight_the_image_stays_in_becquerels_and_says_so() -> None:
    image = Image(np.full((2, 3, 4), 10_000.0, np.float32), np.eye(4))
    suv = suv_factor(header(drop=("PatientWeight",)))
    values = to_suv(image, suv)
    assert (values.unit, values.kind) == ("Bq/mL", None)
    assert np.all(values.image.array == 10_000)
    assert "stay Bq/mL" in suv.note and "weight is missing" in suv.note


def test_an_image_in_becquerels_becomes_suv() -> None:
    image = Image(np.full((2, 3, 4), 10_000, np.int16), np.eye(4))
    values = to_suv(image, suv_factor(header()))
    assert (values.unit, values.kind) == ("g/mL", SuvKind.BW)
    assert values.image.array.dtype == np.float32
    np.testing.assert_allclose(values.image.array, 2.7634, rtol=1e-4)


def write_pet(folder, **elements):
    """A PET series of random values in Bq/mL whose header is the rule book's example."""
    drug = header().RadiopharmaceuticalInformationSequence
    described = {
        "SOPClassUID": PET_CLASS, "Modality": "PT", "Units": "BQML", "DecayCorrection": "START",
        "CorrectedImage": ["ATTN", "DECY"], "PatientWeight": "70", "SeriesDate": "20240305", "SeriesTime": "100000",
        "AcquisitionDate": "20240305", "AcquisitionTime": "100000", "RadiopharmaceuticalInformationSequence": drug,
        "RescaleIntercept": "0", "RescaleSlope": "3.5",
    }  # fmt: skip
    return write_series(folder, **(described | elements))


def test_a_series_is_read_in_suv_slice_by_slice(tmp_path) -> None:
    volume = write_pet(tmp_path)
    values = pet_values(read_image(tmp_path))
    np.testing.assert_allclose(values.image.array, volume * 3.5 * START_FACTOR, rtol=1e-4)
    assert (values.unit, values.kind, values.is_fdg) == ("g/mL", SuvKind.BW, True)


def test_a_series_without_a_weight_is_read_in_becquerels(tmp_path) -> None:
    volume = write_pet(tmp_path, PatientWeight=None)
    values = pet_values(read_image(tmp_path))
    np.testing.assert_allclose(values.image.array, volume * 3.5, rtol=1e-6)
    assert values.unit == "Bq/mL" and "weight is missing" in values.notes[0]


def test_private_elements_of_a_series_are_found(tmp_path) -> None:
    volume = write_pet(tmp_path, Units="CNTS")
    for path in tmp_path.iterdir():
        dataset = dcmread(path)
        with_private(dataset, 0x7053, "Philips PET Private Group", 0x00, "DS", "0.002")
        dataset.save_as(path)
    values = pet_values(read_image(tmp_path))
    np.testing.assert_allclose(values.image.array, volume * 3.5 * 0.002, rtol=1e-5)


def test_other_images_have_no_suv(tmp_path) -> None:
    write_series(tmp_path)
    with pytest.raises(BadInput, match="PET only"):
        pet_values(read_image(tmp_path))


def test_times_of_dicom_are_parsed_exactly() -> None:
    found = parse_date_time("20240305093015.25")
    assert found is not None and found.isoformat() == "2024-03-05T09:30:15.250000"
    assert parse_date_time("2024030509") is not None
    for wrong in ("", "20241305093000", "yesterday", "202403050930xx"):
        assert parse_date_time(wrong) is None
