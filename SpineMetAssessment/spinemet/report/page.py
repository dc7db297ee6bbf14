"""report.html: one self-contained page for the screen and for paper."""

from __future__ import annotations

import datetime
from pathlib import Path

from spinemet.assessment import RESEARCH_USE, Assessment
from spinemet.case import ImageRef
from spinemet.errors import MissingDependency
from spinemet.files import written_file
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, silent
from spinemet.report.alignment_section import alignment, bone_quality
from spinemet.report.body_block import pedicles_table
from spinemet.report.charts import height_chart
from spinemet.report.drawing import Figure
from spinemet.report.epidural_section import epidural
from spinemet.report.figures import axial_cut, heights_cut, overview, sagittal_cut
from spinemet.report.level_section import level_section
from spinemet.report.limits_section import limits
from spinemet.report.markup import Markup, join, tag
from spinemet.report.pieces import figure
from spinemet.report.sources import CanalSources, Sources
from spinemet.report.summary_section import answer, header, legend, levels_table, warnings
from spinemet.report.surfaces import Rendering

REPORT_NAME = "report.html"
STYLE_FILE = Path(__file__).with_name("report.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is loaded and nothing runs, whatever the names in the files hold."""


def write_report(
    assessment: Assessment,
    folder: Path,
    *,
    image: Image,
    ref: ImageRef,
    vertebrae: LabelMap,
    lesions: LabelMap | None,
    canal: CanalSources | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write `folder`/report.html, whole or not at all, and return its path.

    :param image: the reference image that the pictures show; `ref` names it.
    :param vertebrae: outlines of the vertebrae; `lesions` of the lesions, None when there are none.
    :param canal: image and outlines that epidural disease was graded on, None when it was not.
    :raises OutputError: the folder cannot be written, or the disk is full.
    """
    sources = Sources(assessment, image, ref, vertebrae, lesions, canal)
    target = Path(folder) / REPORT_NAME
    with written_file(target) as temporary:
        temporary.write_text(render(sources, progress), encoding="utf-8")
    return target


def render(sources: Sources, progress: Progress | None = None) -> str:
    """The whole page as text."""
    report = progress or silent
    assessment = sources.assessment
    scored = assessment.scored
    steps = len(scored) + 2
    with Rendering(sources) as rendering:
        report(0.0, "Report: overview")
        overall = overview(sources)
        levels = []
        for number, item in enumerate(scored):
            report((number + 1) / steps, f"Report: pictures of {item.level}")
            pictures = (axial_cut(sources, item), sagittal_cut(sources, item), heights_cut(sources, item))
            levels.append(level_section(item, [picture for picture in pictures if picture is not None], assessment))
        report((steps - 1) / steps, "Report: 3D picture")
        surfaces, missing = _surfaces(rendering)
    body = join(
        header(assessment),
        tag(
            "main",
            warnings(assessment),
            answer(assessment),
            tag(
                "section",
                tag("h2", "Overview"),
                tag("div", tag("div", figure(overall), legend()), levels_table(assessment),
                    class_="overview", style=f"--picture:{max(260, round(overall.width))}px"),
            ),
            _spine(surfaces, missing, height_chart(assessment)),
            epidural(sources),
            *levels,
            alignment(assessment),
            bone_quality(assessment),
            _pedicles(assessment),
            limits(assessment, sources.window.title, missing),
        ),
        tag("footer", f"SpineMet. {RESEARCH_USE} Written {_now()}."),
    )  # fmt: skip
    report(1.0, "Report: done")
    return _page(assessment, body)


def _surfaces(rendering: Rendering) -> tuple[list[Figure], list[str]]:
    try:
        return rendering.figures(), []
    except MissingDependency as error:
        return [], [str(error)]


def _spine(surfaces: list[Figure], missing: list[str], chart: Figure | None) -> Markup | None:
    parts = [
        tag("div", *(figure(picture) for picture in surfaces), class_="figures") if surfaces else None,
        *(tag("p", words, class_="note") for words in missing),
        figure(chart, "chart") if chart else None,
    ]
    return tag("section", tag("h2", "The spine as a whole"), *parts, class_="spine")


def _pedicles(assessment: Assessment) -> Markup | None:
    table = pedicles_table(assessment.levels)
    if table is None:
        return None
    return tag("details", tag("summary", "Pedicles of all levels, for the surgeon"), table)


def _page(assessment: Assessment, body: Markup) -> str:
    patient = assessment.patient
    running = " · ".join(
        word
        for word in ("SpineMet, research use only", patient.name, patient.patient_id, assessment.time_point.date)
        if word
    )
    style = STYLE_FILE.read_text(encoding="utf-8")
    # Margin boxes are the only place where a page number can stand; they take their text from the style sheet.
    style += f"@page{{@bottom-left{{content:{_css_string(running)};font:8pt Helvetica,Arial,sans-serif;color:#555}}}}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "SpineMet assessment"),
        tag("style", Markup(style)),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{body}</body></html>\n'


def _css_string(words: str) -> str:
    """`words` as a CSS string that can end neither itself nor the style element."""
    return '"' + "".join(c if c.isalnum() or c in " ,.-·^" else f"\\{ord(c):x} " for c in words) + '"'


def _now() -> str:
    return datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
