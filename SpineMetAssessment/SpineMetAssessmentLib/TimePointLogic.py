"""TimePointLogic: one parameter node for each time point of the patient, and which of them is shown; no widget."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart

CURRENT = "SpineMet.Current"
"""Attribute of the parameter node that is shown."""


class TimePointLogic(LogicPart):
    """Lists time points, starts new ones and switches between them."""

    def timePoints(self) -> list[tuple[Any, str]]:
        """The parameter nodes of all time points with a title for each, in the order of their dates."""
        found = [(node, self.timePoint(self.wrap(node))) for node in self.getAllParameterNodes()]
        found.sort(key=lambda pair: pair[1].date or "9")
        return [(node, f"{when.date or _('date unknown')}, {when.label}") for node, when in found]

    def currentNode(self) -> Any:
        """The parameter node to show: the current one, else one with an assessment, else with an image, else any."""
        nodes = self.getAllParameterNodes()
        marked = [node for node in nodes if node.GetAttribute(CURRENT)]
        assessed = [node for node in nodes if self._textNode(node) is not None]
        filled = [node for node in nodes if self.wrap(node).referenceVolume]
        return next(iter(marked or assessed or filled or nodes), None)

    def dropEmptyTimePoints(self) -> None:
        """Take away what stood for an empty scene, once a scene with time points of its own was opened."""
        nodes = self.getAllParameterNodes()
        empty = [node for node in nodes if not self.wrap(node).referenceVolume and not self.wrap(node).answers]
        if len(empty) < len(nodes):
            for node in empty:
                slicer.mrmlScene.RemoveNode(node)

    def setCurrent(self, node: Any) -> None:
        """Mark a parameter node as the one that is shown."""
        for other in self.getAllParameterNodes():
            other.SetAttribute(CURRENT, "1" if other is node else None)

    def addTimePoint(self) -> Any:
        """Start a new time point and make it the current one; returns its parameter node, wrapped."""
        number = len(self.getAllParameterNodes())
        parameterNode = self.wrap(slicer.mrmlScene.AddNode(self.createParameterNode()))
        parameterNode.timePoint = f"follow-up {number}" if number else "baseline"
        self.setCurrent(parameterNode.parameterNode)
        return parameterNode

    def parameterNodeForStudy(self, parameterNode: Any) -> Any:
        """Where a study that is about to be loaded belongs: here, or in a new time point if here is one already."""
        return self.addTimePoint() if parameterNode.referenceVolume else parameterNode
