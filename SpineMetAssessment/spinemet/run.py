"""One study from files to files: read, assess, and write assessment.json, report.html and scene.mrb.

The command line, batch scripts and cohorts run a study through this one function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.assessment import Assessment
from spinemet.case import Role
from spinemet.epidural_files import EpiduralFiles, read_epidural, with_epidural
from spinemet.errors import BadInput, MissingDependency
from spinemet.files import written_folder
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, part, silent
from spinemet.report import write_report
from spinemet.report.sources import CanalSources
from spinemet.study import Series, Study, read_labels, read_lesions, read_study

ASSESSMENT, REPORT, SCENE = "assessment.json", "report.html", "scene.mrb"


@dataclass(frozen=True)
class Results:
    """What a run wrote.

    :param files: paths by name: "assessment", "report" and, where it could be written, "scene".
    :param notes: sentences for the user about what was found or left out.
    """

    assessment: Assessment
    files: dict[str, Path]
    notes: tuple[str, ...]


def assess_study(
    study_path: Path,
    out: Path,
    *,
    labels: Path | None = None,
    lesions: Path | None = None,
    numbering: str | None = None,
    answers: Answers | None = None,
    previous: Assessment | None = None,
    prior: Assessment | None = None,
    shift_levels: int = 0,
    roles: Mapping[str, Role] | None = None,
    epidural: EpiduralFiles | None = None,
    with_scene: bool = True,
    progress: Progress | None = None,
) -> Results:
    """Assess the study at `study_path` and write the results to the folder `out`, all of them or none.

    :param labels: vertebra outlines; without it the study's folder is searched for a label map.
    :param lesions: lesion outlines; without it no level is scored.
    :param prior: an assessment of the same patient at an earlier date, to compare heights and alignment with.
    :param shift_levels: how many levels farther down (toward the feet) every vertebra is to be named than the outlines
        name it, where they were counted wrong; negative toward the head.
    :param roles: what series stand for, by their key, where the user knows better than their headers.
    :param epidural: outlines of canal, sac, cord and tumor on an MR of the study; without them no level gets an ESCC
        grade.
    :raises SpineMetError: one sentence on what is wrong and what to do.
    """
    report = progress or silent
    # The folder is opened first, so that an unwritable place is found before the work and not after it.
    with written_folder(out) as folder:
        study = read_study(study_path, part(report, 0.0, 0.3), roles=roles or {})
        series = study.reference()
        report(0.3, "reading outlines")
        vertebrae, lesion_map = _outlines(study, series.image, labels, lesions, numbering)
        if shift_levels:
            spine = vertebrae.levels
            vertebrae = vertebrae.shifted(shift_levels)
            lesion_map = lesion_map.shifted(shift_levels, spine=spine) if lesion_map is not None else None
        assessment = assess(
            series.image,
            series.ref,
            vertebrae,
            lesion_map,
            patient=study.patient,
            time_point=study.time_point,
            answers=answers or Answers(),
            previous=previous,
            prior=prior,
            progress=part(report, 0.35, 0.55),
        )
        canal = None
        if epidural is not None:
            report(0.55, "measuring along the canal")
            canal = read_epidural(epidural, study, assessment, lesion_map)
            assessment = with_epidural(assessment, canal, part(report, 0.55, 0.6))
        assessment.save(folder / ASSESSMENT)
        write_report(
            assessment,
            folder,
            image=series.image,
            ref=series.ref,
            vertebrae=vertebrae,
            lesions=lesion_map,
            canal=None
            if canal is None
            else CanalSources(canal.series.image, canal.series.ref, canal.labels, canal.tumor),
            progress=part(report, 0.6, 0.8),
        )
        notes = [*study.notes, *series.notes, *vertebrae.notes]
        names = {"assessment": ASSESSMENT, "report": REPORT}
        if with_scene:
            report(0.8, "writing the scene")
            if series.image.grid.is_sheared:
                notes.append("No scene was written: the CT was taken with a tilted gantry, which a scene cannot hold.")
            else:
                try:
                    _write_scene(folder / SCENE, assessment, series, vertebrae, lesion_map)
                    names["scene"] = SCENE
                except MissingDependency as error:
                    notes.append(str(error))
        report(1.0, "done")
    return Results(assessment, {name: out / file for name, file in names.items()}, tuple(notes))


def _outlines(
    study: Study, image: Image, labels: Path | None, lesions: Path | None, numbering: str | None
) -> tuple[LabelMap, LabelMap | None]:
    if labels is None:
        if len(study.label_files) != 1:
            found = ", ".join(path.name for path in study.label_files) or "none"
            raise BadInput(
                f"The outlines of the vertebrae are needed; name the file with --labels (label maps found: {found})."
            )
        labels = study.label_files[0]
    vertebrae = read_labels(labels, image, numbering)
    return vertebrae, read_lesions(lesions, image) if lesions is not None else None


def _write_scene(
    path: Path, assessment: Assessment, series: Series, vertebrae: LabelMap, lesions: LabelMap | None
) -> None:
    from spinemet import scene

    with scene.headless_session() as session:
        mrml = session.scene
        volume = scene.volume_from_image(mrml, series.image, series.ref)
        label_maps = [vertebrae] if lesions is None else [vertebrae, lesions]
        segmentation = scene.segmentation_from_labelmaps(mrml, label_maps, volume)
        scene.show_assessment(
            mrml, assessment, volumes={series.ref.key: volume}, segmentation=segmentation, surfaces=True
        )
        scene.save_scene(mrml, path)
