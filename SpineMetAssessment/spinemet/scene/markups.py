"""Markups at the evidence: for each scored level a locked list of points where its measurements were taken."""

from __future__ import annotations

from typing import Any

from spinemet.assessment import LevelAssessment
from spinemet.colors import EVIDENCE
from spinemet.evidence import Measurement, Point

SHOWS = "SpineMet.Display"
"""Attribute of the display nodes that serve our markups alone: whoever deletes a markup leaves them behind."""
GLYPH_MM = 1.6
TEXT_SCALE = 2.5
"""Percent of the view's height, as Slicer scales labels."""


def evidence_of(item: LevelAssessment) -> list[Measurement]:
    """Every known measurement of a level with a place, scored ones first, each once."""
    findings = item.sins.components.values() if item.sins else ()
    scored = [measurement for finding in findings for measurement in (finding.suggested or finding).measurements]
    located: dict[tuple[str, Point], Measurement] = {}
    for measurement in (*scored, *item.measurements):
        if measurement.known and measurement.position is not None:
            located.setdefault((measurement.name, measurement.position), measurement)
    return list(located.values())


def fill_markups(node: Any, item: LevelAssessment) -> None:
    """Write a level's evidence into a vtkMRMLMarkupsFiducialNode, replacing what it held; points are RAS."""
    was_modifying = node.StartModify()
    node.SetLocked(False)
    node.RemoveAllControlPoints()
    for measurement in evidence_of(item):
        assert measurement.position is not None
        index = node.AddControlPoint(*measurement.position, f"{item.level} {measurement.name} {measurement.text()}")
        node.SetNthControlPointDescription(index, "; ".join([measurement.method, *measurement.limits]))
        node.SetNthControlPointLocked(index, True)
    node.SetLocked(True)
    node.EndModify(was_modifying)


def set_display(node: Any) -> None:
    """How points look until the user changes it: hidden; small and without names, which would cover each other."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAttribute(SHOWS, "1")
    display.SetColor(*EVIDENCE)
    display.SetSelectedColor(*EVIDENCE)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(GLYPH_MM)
    display.SetTextScale(TEXT_SCALE)
    display.SetPointLabelsVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    # Lines and planes show the same with less clutter; the list is there to be switched on.
    display.SetVisibility(False)


def serves_nothing(display: Any) -> bool:
    """Whether the node that a display node serves was removed from the scene."""
    served = display.GetDisplayableNode()
    return served is None or served.GetScene() is None
