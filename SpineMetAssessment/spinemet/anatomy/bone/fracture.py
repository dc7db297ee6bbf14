"""Fracture of a body: Genant's grade, its shape, and whether one side gave way more than the other.

Genant 1993, J Bone Miner Res 8:1137: grade 1 from 20 to 25 % height loss, 2 to 40 %, 3 beyond; wedge, biconcave or
crush. The edges between grades are ours: [20, 25) 1, [25, 40] 2, above 40 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.anatomy.bone.collapse import CollapseMeasurement
from spinemet.anatomy.heights import Column, Plane
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Finding, Measurement, Source, unknown

FRACTURED, MODERATE, SEVERE = 20.0, 25.0, 40.0
"""Height loss in percent at which grade 1 and 2 begin, and that grade 3 exceeds."""
SHAPE_POINTS = 5.0
"""Columns whose losses differ by less than this (percentage points) are taken for equally low [D]."""
CRUSHED_SHARE = 0.5
CRUSHED_POINTS = 15.0
"""A body is crushed when its back has lost this share of what its lowest column has lost, and this many points [D]."""
ASYMMETRIC_PERCENT = 15.0
"""Difference of the two sides' heights, in percent of their mean, from which a body has given way to one side [D]."""
CHRONIC_SCOLIOSIS_DEG = 20.0
"""Above this coronal Cobb angle a lateral wedge may be as old as the curve (clinical rules, section 1) [D]."""
GRADES = {0: "no fracture", 1: "mild", 2: "moderate", 3: "severe"}
THRESHOLD = "20 % mild, 25 % moderate, above 40 % severe"


@dataclass(frozen=True)
class Fracture:
    """What the heights say about a fracture of one body.

    :param grade: Genant's grade as a finding with 0 to 3 points; its label names grade and shape.
    :param shape: "wedge", "biconcave", "crush", "posterior wedge"; two where they cannot be told apart; "" without.
    :param asymmetry: right minus left heights in percent of their mean; negative when the right side is lower.
    :param side: "left" or "right", the lower side, or "" when both are alike.
    :param limits: what a reader must know.
    """

    grade: Finding
    shape: str
    asymmetry: Measurement
    side: str = ""
    limits: tuple[str, ...] = ()


def fracture(vertebra: Vertebra, loss: CollapseMeasurement, *, scoliosis: Measurement | None = None) -> Fracture:
    """Grade, shape and asymmetry of one body.

    :param loss: its height loss against neighbors or prior.
    :param scoliosis: the coronal Cobb angle, where it was measured.
    """
    asymmetry = lateral_asymmetry(vertebra)
    side, limits = _side(asymmetry, scoliosis)
    shape = fracture_shape(loss) if loss.loss.value is not None and loss.loss.value >= FRACTURED else ""
    return Fracture(_grade(loss, shape), shape, asymmetry, side, limits)


def genant(percent: float) -> int:
    """Genant's grade of a height loss in percent."""
    if percent < FRACTURED:
        return 0
    if percent < MODERATE:
        return 1
    return 2 if percent <= SEVERE else 3


def fracture_shape(loss: CollapseMeasurement) -> str:
    """Shape by which column is lowest; the alternatives joined by "or" where their losses are alike."""
    known = {column: item.value for column, item in loss.columns.items() if item.value is not None}
    front, middle, back = (known.get(column) for column in (Column.ANTERIOR, Column.MIDDLE, Column.POSTERIOR))
    if front is None or middle is None:
        return ""
    most = max(known.values())
    if back is None:
        shape = _front_or_middle(front, middle)
        return f"{shape} (or crush: the posterior loss is unknown)"
    if back >= max(CRUSHED_POINTS, CRUSHED_SHARE * most):
        return "posterior wedge" if back > front + SHAPE_POINTS and back > middle + SHAPE_POINTS else "crush"
    return _front_or_middle(front, middle)


def lateral_asymmetry(vertebra: Vertebra) -> Measurement:
    """Heights of the right against those of the left parasagittal plane, in percent of their mean."""
    name, method = "lateral asymmetry", "right minus left parasagittal heights / their mean"
    pairs = [(vertebra.height(column, Plane.RIGHT), vertebra.height(column, Plane.LEFT)) for column in Column]
    known = [
        (right.value, left.value, float(np.hypot(right.uncertainty or 0.0, left.uncertainty or 0.0)))
        for right, left in pairs
        if right.value is not None and left.value is not None
    ]
    if not known:
        return unknown(name, "%", vertebra.reason or pairs[0][0].reason or pairs[0][1].reason, method)
    right_mean, left_mean = (float(np.mean([item[n] for item in known])) for n in (0, 1))
    mean = (right_mean + left_mean) / 2
    # The columns of one side share their voxel layers; their errors do not average out.
    margin = float(np.mean([item[2] for item in known]))
    return Measurement(
        name, 100 * (right_mean - left_mean) / mean, "%", method, vertebra.frame.origin, 100 * margin / mean
    )


def _grade(loss: CollapseMeasurement, shape: str) -> Finding:
    evidence = (loss.loss, *loss.columns.values())
    if loss.loss.value is None:
        return Finding(
            "Genant grade", None, (0, 1, 2, 3), Source.UNKNOWN,
            measurements=evidence, threshold=THRESHOLD, reason=loss.loss.reason,
        )  # fmt: skip
    value, margin = loss.loss.value, loss.loss.uncertainty or 0.0
    grade = genant(value)
    possible = tuple(range(genant(value - margin), genant(value + margin) + 1))
    label = f"{GRADES[grade]} ({shape})" if grade and shape else GRADES[grade]
    return Finding(
        "Genant grade", grade, possible, Source.MEASURED, label, evidence, THRESHOLD,
        near_threshold=len(possible) > 1, limits=loss.loss.limits,
    )  # fmt: skip


def _front_or_middle(front: float, middle: float) -> str:
    if abs(front - middle) < SHAPE_POINTS:
        return "wedge or biconcave"
    return "wedge" if front > middle else "biconcave"


def _side(asymmetry: Measurement, scoliosis: Measurement | None) -> tuple[str, tuple[str, ...]]:
    if asymmetry.value is None or abs(asymmetry.value) < ASYMMETRIC_PERCENT:
        return "", ()
    side = "right" if asymmetry.value < 0 else "left"
    limits = [f"the {side} side is lower"]
    if abs(asymmetry.value) - ASYMMETRIC_PERCENT <= (asymmetry.uncertainty or 0.0):
        limits.append("near the threshold: within the ±")
    if scoliosis is not None and scoliosis.value is not None and scoliosis.value > CHRONIC_SCOLIOSIS_DEG:
        limits.append(f"chronic? the spine has a scoliosis of {scoliosis.value:.0f}°")
    return side, tuple(limits)
