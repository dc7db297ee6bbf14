"""What an earlier assessment of the same patient tells: heights to compare bodies with, and how alignment changed.

Heights, angles and slips belong to the vertebrae themselves, so both images need no common place. Positions on the
prior mean nothing in the image of now and are left out.
"""

from __future__ import annotations

from dataclasses import replace

from spinemet.anatomy import Column, Plane
from spinemet.anatomy.alignment.change import MORE, AlignmentChange, compare
from spinemet.anatomy.alignment.deformity import CONFIRM, KYPHOSIS_DEG
from spinemet.anatomy.alignment.listhesis import SLIP_MM, Listhesis
from spinemet.anatomy.alignment.pelvis import Pelvis
from spinemet.anatomy.alignment.whole import Alignment
from spinemet.anatomy.by_hand import height_name
from spinemet.anatomy.heights import Height, Heights
from spinemet.assessment import Assessment
from spinemet.case import Patient, TimePoint
from spinemet.errors import BadInput
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level

ALREADY_LOST = 15.0
"""A body that had lost this much of its height (%) on the prior is no reference for itself [D]: what it lost until
then would be hidden. Below it there is no collapse (clinical rules, section 1)."""


def check_prior(prior: Assessment, patient: Patient, time_point: TimePoint) -> None:
    """:raises BadInput: the prior is of another patient, or not earlier; where files do not say, it is believed."""
    one, other = prior.patient.patient_id, patient.patient_id
    if one and other and one != other:
        raise BadInput("The prior assessment is of another patient; choose an earlier one of the same patient.")
    then, now = prior.time_point.date, time_point.date
    if then and now and then >= now:
        raise BadInput(f"The prior assessment is of {then}, not before {now}; choose an earlier one.")


def prior_heights(prior: Assessment, level: Level) -> tuple[Heights | None, str]:
    """Heights of the same vertebra on the prior, or None with the reason why they are no reference.

    The reason is "" where the prior does not show the vertebra at all.
    """
    item = next((item for item in prior.levels if item.level is level), None)
    if item is None or item.measurement(height_name(Column.MIDDLE)) is None:
        return None, ""
    if item.hardware is not None or prior.answers.at(level).instrumented:
        return None, f"{level} is no reference on the prior: metal or cement"
    loss = item.measurement("height loss")
    if loss is not None and loss.value is not None and loss.value >= ALREADY_LOST:
        return None, f"{level} is no reference on the prior: it had lost {loss.value:.0f} % of its height there"
    known = {measured.name: measured for measured in item.measurements}
    heights: Heights = {plane: {} for plane in Plane}
    for plane in Plane:
        for column in Column:
            name = height_name(column) if plane is Plane.MIDDLE else f"{height_name(column)}, {plane.value}"
            found = known.get(name) or unknown(name, "mm", "not measured on the prior")
            limits = found.limits
            if loss is None or loss.value is None:
                limits = (*limits, "the prior had nothing to compare this body with: an old loss stays hidden")
            heights[plane][column] = Height(replace(found, position=None, limits=limits))
    missing = [item for item in heights[Plane.MIDDLE].values() if not item.measurement.known]
    if missing:
        return None, f"{level} is no reference on the prior: {missing[0].measurement.reason}"
    return heights, ""


def alignment_change(now: Alignment, posture: str, prior: Assessment) -> AlignmentChange | None:
    """Change of alignment since the prior; None where the prior was assessed without it.

    :param posture: how the patient lay now.
    """
    then = _alignment(prior)
    if then is None or prior.spine is None:
        return None
    return compare(now, then, postures=(posture, prior.spine.posture))


def change_at(level: Level, change: AlignmentChange) -> tuple[Measurement, ...]:
    """Known changes of kyphosis and slip between a level and its neighbors; what a person should judge says so."""
    found = []
    for measured, least in ((change.kyphosis, KYPHOSIS_DEG), (change.slips, SLIP_MM)):
        for pair, item in measured.items():
            if level in pair and item.value is not None:
                judged = item.value if least is KYPHOSIS_DEG else abs(item.value)
                ask = MORE in item.limits and judged >= least
                found.append(replace(item, limits=(*item.limits, CONFIRM)) if ask else item)
    return tuple(found)


def _alignment(prior: Assessment) -> Alignment | None:
    spine = prior.spine
    if spine is None:
        return None
    pairs = {(item.above, item.below): item for item in spine.segments}
    *regions, incidence, slope, tilt, axis = spine.regions
    coronal, kyphosis, lordosis = spine.curves
    return Alignment(
        {pair: item.kyphosis for pair, item in pairs.items()},
        {},
        {
            pair: Listhesis(*pair, item.slip, item.lateral, item.share, item.direction, item.meyerding)
            for pair, item in pairs.items()
        },
        {pair: item.rotation for pair, item in pairs.items()},
        coronal,
        kyphosis,
        lordosis,
        tuple(regions),
        Pelvis(incidence, slope, tilt, axis),
    )
