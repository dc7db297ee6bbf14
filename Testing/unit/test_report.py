"""report.html: complete, self-contained, safe against names, honest about what is unknown."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from report_study import Study, make_sins, make_study
from spinemet.assessment import Assessment, LevelAssessment, Status
from spinemet.case import Patient, Role
from spinemet.errors import Cancelled, MissingDependency, OutputError
from spinemet.evidence import Measurement, unknown
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.report import surfaces, wording, write_report
from spinemet.report.markup import Markup, tag
from spinemet.scores import sins

VOID = {"br", "img", "meta"}


@pytest.fixture(autouse=True)
def no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """3D pictures have a test file of their own."""
    monkeypatch.setattr(surfaces, "_unavailable", "not in this test")


class Page(HTMLParser):
    """Text, attributes and unclosed elements of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.pieces: list[str] = []
        self.feed(source)
        self.text = re.sub(r"\s+", " ", " ".join(self.pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.pieces.append(data)


def write(study: Study, folder: Path) -> Page:
    path = write_report(study.assessment, folder, **study.arguments())
    assert path == folder / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_is_well_formed_and_loads_nothing(tmp_path: Path) -> None:
    report = write(make_study(), tmp_path)
    assert not report.open and not report.wrong
    links = [value for _, name, value in report.attributes if name in ("src", "href", "xlink:href", "action", "data")]
    assert links and all(value.startswith(("data:image/png;base64,", "#")) for value in links)
    assert not {"script", "link", "iframe", "object"} & set(report.tags)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "url(" not in source and "@import" not in source and "default-src &#x27;none&#x27;" in source


def test_links_inside_the_page_have_their_targets(tmp_path: Path) -> None:
    report = write(make_study(lesions=(Level.L2, Level.L3)), tmp_path)
    targets = {value for _, name, value in report.attributes if name == "id"}
    links = {value[1:] for _, name, value in report.attributes if name == "href" and value.startswith("#")}
    assert links == {"L2", "L3"} <= targets


def test_nothing_is_left_beside_the_report(tmp_path: Path) -> None:
    write(make_study(), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_the_answer_is_in_sight_with_what_decides_it(tmp_path: Path) -> None:
    text = write(make_study(), tmp_path).text
    assert "SINS 7, 8 or 10 pain decides" in text
    assert "potentially unstable" in text
    assert "Surgical consultation advised (SINS ≥ 7)" in text
    assert "Research use only" in text
    assert "Levels unconfirmed." in text and "The names rest on: sacrum" in text


def test_a_confirmed_numbering_is_not_warned_about(tmp_path: Path) -> None:
    study = make_study()
    study = study.with_assessment(numbering=replace(study.assessment.numbering, confirmed=True))
    assert "Levels unconfirmed." not in write(study, tmp_path).text


def test_every_level_from_c1_to_s5_has_a_status(tmp_path: Path) -> None:
    text = write(make_study(), tmp_path).text
    assert "C1–T12 not imaged: outside the image" in text
    assert "S1–S5 not imaged: outside the image" in text
    for level in (Level.L1, Level.L2, Level.L4, Level.L5):
        assert f"{level} no lesion outlined" in text


def test_no_level_is_lost_in_grouping() -> None:
    study = make_study()
    groups = wording.grouped(study.assessment)
    assert [item.level for group in groups for item in group.levels] == list(Level.ordinary())
    assert [group.name for group in groups] == ["C1–T12", "L1", "L2", "L3", "L4", "L5", "S1–S5"]


def test_losses_print_their_uncertainty_and_thresholds(tmp_path: Path) -> None:
    text = write(make_study(), tmp_path).text
    assert "anterior height loss 31.0 ± 4.0 %" in text
    assert "collapse ≥ 20 % (uncertain from 15 %)" in text
    assert "25.0 ± 1.1 mm" in text


def test_a_value_near_its_threshold_is_flagged_and_both_scores_shown(tmp_path: Path) -> None:
    study = make_study()
    item = replace(study.assessment[Level.L3], sins=make_sins(Level.L3, pain="none", loss=48.0))
    text = write(study.with_level(item), tmp_path).text
    assert "≈ 2 2 or 3 possible" in text
    assert "7 or 8 possible: body collapse near a threshold" in text


def test_an_unknown_component_is_never_printed_as_zero(tmp_path: Path) -> None:
    text = write(make_study(), tmp_path).text
    assert "Pain unknown ? 0, 1 or 3 possible unknown" in text
    assert "ask the patient: pain at this level was not entered" in text
    assert "Pain is unknown at every scored level" in text


def test_an_override_shows_what_it_replaced_who_and_why(tmp_path: Path) -> None:
    study = make_study()
    result = make_sins(Level.L3)
    bone = result.components["bone_lesion"].overridden(1, reason="sclerotic rim", reader="Reader 2", label="mixed")
    item = replace(study.assessment[Level.L3], sins=sins.score((result.components | {"bone_lesion": bone}).values()))
    text = write(study.with_level(item), tmp_path).text
    assert "mixed replaced: lytic (2) – sclerotic rim 1 overridden Reader 2" in text


def test_an_undecided_category_names_both(tmp_path: Path) -> None:
    study = make_study()
    item = replace(study.assessment[Level.L3], sins=make_sins(Level.L3, loss=2.0))
    text = write(study.with_level(item), tmp_path).text
    assert "SINS 5, 6 or 8" in text and "undecided: stable or potentially unstable" in text
    assert "this score is undecided" in text


@pytest.mark.parametrize("where", ["name", "description", "warning", "reader"])
def test_names_from_files_cannot_become_markup(where: str, tmp_path: Path) -> None:
    evil = '</style></title><script>alert("1")</script><img src=x onerror=alert(2)>\\\'"}'
    study = make_study()
    if where == "name":
        study = study.with_assessment(patient=Patient(evil, evil))
    elif where == "description":
        ref = replace(study.ref, description=evil)
        study = replace(study.with_assessment(images=(ref,)), ref=ref)
    elif where == "warning":
        study = study.with_assessment(warnings=(evil,), inputs={evil: evil}, parameters={evil: evil})
    else:
        item = study.assessment[Level.L3]
        assert item.sins is not None
        changed = item.sins.components["collapse"].overridden(0, reason=evil, reader=evil, label=evil)
        score = sins.score((item.sins.components | {"collapse": changed}).values())
        study = study.with_level(replace(item, sins=score, measurements=(Measurement(evil, 1.0, evil, evil),)))
    report = write(study, tmp_path)
    assert not report.open and not report.wrong
    assert "script" not in report.tags and "img" not in report.tags
    assert not any(name.startswith("on") for _, name, _ in report.attributes)
    if where != "description":
        assert "alert" in report.text


def test_a_patients_name_cannot_end_the_style_sheet(tmp_path: Path) -> None:
    study = make_study().with_assessment(patient=Patient("x", '"}</style><b>Müller^Jürgen'))
    source = write_report(study.assessment, tmp_path, **study.arguments()).read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
    assert "counter(pages)" in style and "Müller^Jürgen" in style


def test_pictures_say_what_they_show_to_those_who_cannot_see(tmp_path: Path) -> None:
    report = write(make_study(), tmp_path)
    labels = [value for element, name, value in report.attributes if element == "svg" and name == "aria-label"]
    assert report.tags.count("svg") == len(labels)
    assert any("L3, axial" in label and "CT spine" in label and "2026-03-02" in label for label in labels)
    assert report.tags.count("th") > 20 and ("th", "scope", "row") in report.attributes


def everything_unknown(study: Study) -> Study:
    loss, share = unknown("height loss", "%", "no reference"), unknown("body involved", "%", "no body")
    findings = (
        sins.location(Level.L3), sins.pain(None), sins.bone_lesion(unknown("lytic share", "%", "no reference")),
        sins.alignment(None), sins.collapse(loss, share), sins.posterolateral({"left": None, "right": None}),
    )  # fmt: skip
    item = LevelAssessment(Level.L3, Status.SCORED, sins=sins.score(findings), measurements=(loss,))
    return study.with_level(item)


def without_outlines(study: Study) -> Study:
    empty = study.image.with_array(np.zeros(study.image.shape, np.uint8))
    return replace(study, vertebrae=LabelMap(empty, study.vertebrae.outlines), lesions=None)


def with_gaps(study: Study) -> Study:
    array = study.image.array.astype(np.float32)
    array[:5] = np.nan
    return replace(study, image=study.image.with_array(array))


STUDIES = {
    "no lesion at all": lambda: make_study(lesions=()),
    "two lesions": lambda: make_study(lesions=(Level.L2, Level.L4)),
    "everything unknown": lambda: everything_unknown(make_study()),
    "everything unknown without an outline": lambda: everything_unknown(without_outlines(make_study())),
    "no outline and nothing scored": lambda: without_outlines(make_study(lesions=())),
    "a slab of a few slices": lambda: make_study(slab=(-16.0, 22.0)),
    "an MR": lambda: make_study(role=Role.T2),
    "voxels that are not numbers": lambda: with_gaps(make_study()),
    "a scoliosis": lambda: make_study(scoliosis_mm=20.0),
    "feet first and prone": lambda: make_study(axes="head last"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_report_is_written_for(name: str, tmp_path: Path) -> None:
    report = write(STUDIES[name](), tmp_path)
    assert not report.open and not report.wrong
    assert "Research use only" in report.text and "nan" not in report.text.split()


def test_without_a_scored_level_the_report_does_not_call_the_spine_stable(tmp_path: Path) -> None:
    text = write(make_study(lesions=()), tmp_path).text
    assert "No level was scored" in text and "does not mean that the spine is stable" in text


def test_a_missing_3d_picture_is_said_in_one_sentence(tmp_path: Path) -> None:
    text = write(make_study(), tmp_path).text
    assert text.count("The 3D picture is missing: not in this test.") >= 1


def test_a_crash_of_the_renderer_costs_only_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -ABRT $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(surfaces, "_unavailable", "")
    monkeypatch.setattr(surfaces, "_python", lambda: str(crash))
    text = write(make_study(), tmp_path / "out").text
    assert "The 3D picture is missing: VTK cannot render without a screen here" in text
    assert surfaces._unavailable


def test_without_an_interpreter_the_3d_picture_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surfaces.shutil, "which", lambda name: None)
    monkeypatch.setattr(surfaces.sys, "executable", "/opt/Slicer/bin/SlicerApp-real")
    with pytest.raises(MissingDependency):
        surfaces._python()


def test_progress_rises_to_one(tmp_path: Path) -> None:
    seen: list[float] = []
    study = make_study()
    write_report(study.assessment, tmp_path, progress=lambda f, _: seen.append(f), **study.arguments())
    assert seen == sorted(seen) and seen[0] == 0.0 and seen[-1] == 1.0


def test_a_cancelled_report_leaves_nothing(tmp_path: Path) -> None:
    def stop(fraction: float, text: str) -> None:
        raise Cancelled("stopped")

    study = make_study()
    with pytest.raises(Cancelled):
        write_report(study.assessment, tmp_path, progress=stop, **study.arguments())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    study = make_study()
    with pytest.raises(OutputError):
        write_report(study.assessment, tmp_path / "out", **study.arguments())


def test_the_report_reads_the_same_from_a_reopened_assessment(tmp_path: Path) -> None:
    study = make_study()
    study.assessment.save(tmp_path / "assessment.json")
    again = replace(study, assessment=Assessment.load(tmp_path / "assessment.json"))
    texts = [write(item, tmp_path / name).text for item, name in ((study, "a"), (again, "b"))]
    first, second = (re.sub(r"Written [\d: -]+", "", text) for text in texts)
    assert first == second


def test_markup_escapes_text_and_keeps_markup() -> None:
    assert tag("p", "a < b", Markup("<b>c</b>"), None, 3, class_='x"y') == (
        '<p class="x&quot;y">a &lt; b<b>c</b>3</p>'
    )


def test_long_lists_of_totals_are_named_by_their_ends() -> None:
    assert wording.possible((10, 11, 13)) == "10, 11 or 13"
    assert wording.possible(tuple(range(2, 19))) == "2 to 18"
