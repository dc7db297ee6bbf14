"""Limits of the report, how to read it, where its rules come from, images and method."""

from __future__ import annotations

from collections.abc import Iterable

from spinemet import __version__
from spinemet.assessment import Assessment
from spinemet.report import wording
from spinemet.report.level_section import measurements_table
from spinemet.report.markup import Markup, join, tag
from spinemet.report.pieces import (
    position_words,
    sentence,
)
from spinemet.scores.sins import COMPONENTS

SINS_CITATION = (
    "Fisher CG, DiPaola CP, Ryken TC, et al. A novel classification system for spinal instability in neoplastic "
    "disease: an evidence-based approach and expert consensus from the Spine Oncology Study Group. "
    "Spine 2010;35(22):E1221–E1229."
)
_CATEGORIES = (
    "0–6 stable, 7–12 potentially unstable, 13–18 unstable; surgical consultation is advised from 7 points on."
)


def limits(assessment: Assessment, window: str, missing: Iterable[str]) -> Markup:
    """What the report does not say, how to read it, and where its rules come from."""
    points = [
        *(sentence(words) for words in missing),
        *_never_measured(assessment),
        "A level without an outlined lesion was not scored; that does not make it stable.",
        "Images taken lying down underestimate deformity and slip.",
        "Each level is scored on its own; scores are never added up.",
    ]
    return tag(
        "section",
        tag("h2", "Limits, and how to read this"),
        tag("ul", *(tag("li", words) for words in points)),
        tag(
            "dl",
            tag("dt", "?"),
            tag("dd", "Not known. It keeps every score open that it could have; it is never counted as zero."),
            tag("dt", "±"),
            tag("dd", "How far the value may be off, mostly from the size of the voxels."),
            tag("dt", "≈"),
            tag("dd", "A threshold lies within the ±: the score beyond it is possible, too, and kept in the totals."),
            tag("dt", "measured · entered · overridden"),
            tag("dd", "Computed from the images · said by a person · replaced by a person; the suggestion stays."),
            class_="reading",
        ),
        tag("p", "SINS: ", SINS_CITATION, f" {_CATEGORIES}"),
        images_table(assessment),
        *(measurements_table(item) for item in assessment.levels),
        method(assessment, window),
        class_="limits",
    )  # fmt: skip


def images_table(assessment: Assessment) -> Markup:
    """The images and when they were taken."""
    titles = ("Image", "Series", "Date", "Position", "kVp", "Contrast", "Used for")
    contrast = {True: "yes", False: "no", None: "unknown"}
    return tag(
        "table",
        tag("caption", "Images"),
        tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles))),
        tag(
            "tbody",
            *(
                tag("tr", tag("th", ref.role.value, scope="row"), tag("td", ref.description or "–"),
                    tag("td", ref.date or "unknown"), tag("td", position_words(ref.patient_position) or "unknown"),
                    tag("td", f"{ref.kvp:g}" if ref.kvp else "–"), tag("td", contrast[ref.contrast]),
                    tag("td", "measuring" if ref.key == assessment.reference else "–"))
                for ref in assessment.images
            ),
        ),
    )  # fmt: skip


def method(assessment: Assessment, window: str) -> Markup:
    """How values came about and from what, folded away."""
    measured = [m for item in assessment.levels for m in item.measurements]
    measured += [
        m for item in assessment.scored if item.sins for f in item.sins.components.values() for m in f.measurements
    ]
    methods: dict[str, dict[str, None]] = {}
    for measurement in measured:
        if measurement.known:
            methods.setdefault(measurement.method, {})[measurement.name] = None
    numbering = assessment.numbering
    state = "confirmed" if numbering.confirmed else "unconfirmed"
    facts = [
        ("Software", f"SpineMet {__version__}"),
        ("Made", assessment.created or "time not recorded"),
        (
            "Levels",
            " ".join([f"{numbering.basis}; {state}.", *numbering.notes]),
        ),
        (
            "Pictures",
            f"sampled linearly on planes of each vertebra's own frame; {window}; dark gray is outside the image",
        ),
        *((f"Input “{name}”", digest) for name, digest in assessment.inputs.items()),
        *((f"Setting “{name}”", value) for name, value in assessment.parameters.items()),
        *((sentence(how), ", ".join(names)) for how, names in methods.items()),
    ]
    return tag(
        "details",
        tag("summary", "Method, settings and fingerprints of the inputs"),
        tag("dl", *(join(tag("dt", name), tag("dd", words)) for name, words in facts), class_="method"),
    )


def _never_measured(assessment: Assessment) -> list[str]:
    """Components that no scored level has a measurement or an answer for, with the reasons given."""
    words = []
    for name in COMPONENTS:
        findings = [item.sins.components[name] for item in assessment.scored if item.sins]
        if findings and not any(finding.known for finding in findings):
            reasons = "; ".join(dict.fromkeys(finding.reason for finding in findings if finding.reason))
            words.append(
                f"{wording.COMPONENT_TITLES[name]} is unknown at every scored level: {reasons or 'not assessed'}."
            )
    return words
