"""Time points: order and merging of studies, and what stops them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinemet.case import ImageRef, Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.study.series import Series, Study
from spinemet.study.timepoints import time_points, with_date

JANE = Patient("SECRET-7", "Doe^Jane", "F", "1950-01-02")
_IMAGE = Image(np.zeros((2, 2, 2), dtype=np.int16), np.eye(4))


def series(role: Role, date: str, key: str = "", study_uid: str = "") -> Series:
    key = key or f"{role.value} {date}"
    return Series.of(ImageRef(key, role, key, series_uid=key, study_uid=study_uid, date=date), _IMAGE)


def study(*items: tuple[Role, str] | Series, patient: Patient = JANE, date: str = "") -> Study:
    members = tuple(item if isinstance(item, Series) else series(*item) for item in items)
    return Study(patient, TimePoint(date), members)


def summary(timeline) -> list[tuple[str, str, set[Role]]]:
    return [
        (point.time_point.label, point.time_point.date, {item.ref.role for item in point.series})
        for point in timeline.points
    ]


def test_studies_are_ordered_by_date_into_a_baseline_and_follow_ups() -> None:
    given = [study((Role.CT, "2024-09-01")), study((Role.CT, "2024-03-05")), study((Role.CT, "2024-06-01"))]
    timeline = time_points(given)
    assert [row[:2] for row in summary(timeline)] == [
        ("baseline", "2024-03-05"), ("follow-up 1", "2024-06-01"), ("follow-up 2", "2024-09-01"),
    ]  # fmt: skip
    assert timeline.baseline is timeline.points[0] and timeline.follow_ups == timeline.points[1:]
    assert timeline.patient == JANE and not timeline.questions


def test_different_modalities_within_the_window_are_one_time_point_and_this_is_said() -> None:
    timeline = time_points([study((Role.CT, "2024-03-05")), study((Role.T2, "2024-03-12"), (Role.T1, "2024-03-12"))])
    assert summary(timeline) == [("baseline", "2024-03-05", {Role.CT, Role.T1, Role.T2})]
    assert any("8 days" in note and "treated" in note for note in timeline.notes)


def test_the_same_modality_on_another_day_is_another_time_point() -> None:
    timeline = time_points([study((Role.CT, "2024-03-05")), study((Role.CT, "2024-03-08"), (Role.T2, "2024-03-08"))])
    assert len(timeline.points) == 2
    assert any(note.startswith("Baseline has no MRI") and "3 days" in note for note in timeline.notes)


def test_the_same_modality_twice_on_one_day_is_one_time_point() -> None:
    first, second = series(Role.CT, "2024-03-05", "a", "1.1"), series(Role.CT, "2024-03-05", "b", "1.2")
    assert len(time_points([study(first), study(second)]).points) == 1


@pytest.mark.parametrize(("day", "window", "count"), [
    ("2024-03-19", 14, 1), ("2024-03-20", 14, 2), ("2024-03-06", 0, 2), ("2024-04-20", 60, 1),
])  # fmt: skip
def test_the_window_is_the_callers(day, window, count) -> None:
    timeline = time_points([study((Role.CT, "2024-03-05")), study((Role.T2, day))], window_days=window)
    assert len(timeline.points) == count
    far = any("may show different states" in note for note in timeline.notes)
    assert far == (window == 60)


def test_a_folder_with_a_whole_history_is_split_by_its_dates() -> None:
    dump = study((Role.CT, "2023-01-01"), (Role.T2, "2023-01-03"), (Role.CT, "2024-01-01"), (Role.PET, "2024-01-01"))
    assert summary(time_points([dump])) == [
        ("baseline", "2023-01-01", {Role.CT, Role.T2}), ("follow-up 1", "2024-01-01", {Role.CT, Role.PET}),
    ]  # fmt: skip


def test_a_session_past_midnight_is_one_visit() -> None:
    night = study(series(Role.CT, "2024-03-05", "a", "1.1"), series(Role.CT, "2024-03-06", "b", "1.1"))
    assert len(time_points([night]).points) == 1


def test_structures_belong_to_the_images_they_were_made_from() -> None:
    own = series(Role.RTSTRUCT, "2024-06-25", "own", "1.1")
    later, dose, lost = (
        series(Role.SR, "2024-04-01", "sr"),
        series(Role.RTDOSE, "", "d"),
        series(Role.SR, "2020-01-01"),
    )
    first, second = series(Role.CT, "2024-03-05", "a", "1.1"), series(Role.CT, "2024-06-05", "b", "1.2")
    dump = replace(study(first, second), objects=(own, later, dose, lost))
    timeline = time_points([dump])
    assert [point.objects for point in timeline.points] == [(own, later), ()]
    assert [item.objects for item in timeline.undated] == [(dose, lost)]


def test_a_date_is_asked_for_and_never_guessed() -> None:
    given = [study((Role.CT, "2024-03-05")), study((Role.T2, "")), study((Role.CT, "1900-01-01"))]
    timeline = time_points(given)
    assert len(timeline.points) == 1 and len(timeline.undated) == 2
    assert len(timeline.questions) == 2 and all("On which day" in question for question in timeline.questions)
    answered = time_points([given[0], with_date(given[1], "2024-03-06"), with_date(given[2], "2024-07-01")])
    assert [row[1] for row in summary(answered)] == ["2024-03-05", "2024-07-01"]
    assert not answered.questions


def test_an_image_without_a_date_stays_with_its_folder_and_this_is_said() -> None:
    timeline = time_points([study((Role.CT, "2024-03-05"), (Role.T2, ""))])
    assert len(timeline.points) == 1 and not timeline.undated
    assert any("without a date" in note for note in timeline.notes)


def test_a_single_study_without_a_date_is_the_baseline() -> None:
    timeline = time_points([study((Role.CT, ""))])
    assert summary(timeline) == [("baseline", "", {Role.CT})]
    assert any("do not say when" in note for note in timeline.notes)


def test_nothing_dated_leaves_no_baseline() -> None:
    timeline = time_points([study((Role.CT, "")), study((Role.CT, "", "other"))])
    assert not timeline.points and len(timeline.undated) == 2
    with pytest.raises(BadInput, match="give the dates"):
        _ = timeline.baseline


@pytest.mark.parametrize(("other", "said"), [
    (Patient("SECRET-8", "Doe^Jane", "F", "1950-01-02"), "patient ID"),
    (Patient("SECRET-7", "Doe^Jane", "M", "1950-01-02"), "sex"),
    (Patient("SECRET-7", "Doe^Jane", "F", "1950-02-01"), "birth date"),
    (Patient("SECRET-8", "Roe^Rita", "M", "1960-02-01"), "patient ID and sex and birth date"),
])  # fmt: skip
def test_a_patient_mix_up_stops_the_pairing_without_naming_anyone(other, said) -> None:
    given = [study((Role.CT, "2024-03-05")), study((Role.CT, "2024-06-01"), patient=other)]
    with pytest.raises(BadInput) as caught:
        time_points(given)
    text = str(caught.value)
    assert f"differ in {said}," in text and "Studies 1 and 2" in text
    assert not any(secret in text for secret in ("SECRET", "Doe", "Roe", "1950", "1960"))


@pytest.mark.parametrize("name", ["DOE^JANE", "Doe Jane ", "doe^^jane", "Smith^Jane"])
def test_spellings_of_a_name_do_not_matter_beside_an_id(name) -> None:
    other = Patient("secret-7 ", name, "F", "1950-01-02")
    assert (
        len(time_points([study((Role.CT, "2024-03-05")), study((Role.T2, "2024-03-05"), patient=other)]).points) == 1
    )


@pytest.mark.parametrize(("name", "fits"), [("DOE^JANE", True), ("Doe Jane", True), ("Smith^Jane", False)])
def test_without_any_id_the_names_must_agree(name, fits) -> None:
    given = [
        study((Role.CT, "2024-03-05"), patient=Patient("", "Doe^Jane")),
        study((Role.T2, "2024-03-05"), patient=Patient("", name)),
    ]
    if fits:
        assert len(time_points(given).points) == 1
    else:
        with pytest.raises(BadInput, match="name"):
            time_points(given)


def test_studies_that_do_not_say_whose_they_are_are_said() -> None:
    timeline = time_points([study((Role.CT, "2024-03-05")), study((Role.T2, "2024-03-06"), patient=Patient())])
    assert any("confirm that all are of one patient" in note for note in timeline.notes)
    assert timeline.patient == JANE


def test_a_series_given_twice_counts_once() -> None:
    ct = series(Role.CT, "2024-03-05")
    timeline = time_points([study(ct), study(ct, (Role.T2, "2024-03-05"))])
    assert len(timeline.points) == 1 and len(timeline.points[0].series) == 2
    assert any("given twice" in note for note in timeline.notes)


def test_a_study_before_the_birth_is_said() -> None:
    old = Patient("SECRET-7", "", "F", "2024-04-01")
    assert any(
        "before the patient's birth" in n for n in time_points([study((Role.CT, "2024-03-05"), patient=old)]).notes
    )


def test_no_study_and_bad_dates_are_refused() -> None:
    with pytest.raises(BadInput, match="no study"):
        time_points([])
    for text in ("", "05.03.2024", "2024-13-01", "20240305", "1900-01-01"):
        with pytest.raises(BadInput, match="2024-03-05"):
            with_date(study((Role.CT, "")), text)
