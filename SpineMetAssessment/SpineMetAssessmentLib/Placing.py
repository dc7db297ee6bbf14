"""Placing: a list of points that the mouse sets in the views, taken off as they are finished."""

from typing import Any

import slicer
import vtk

_GLYPH_MM = 2.5


class Placing:
    """One markups node of a tool, out of the scene's lists and files.

    :param className: its class.
    :param kind: "point" (every point is a mark), "stroke" (a mark when placement ends), "box" (two corners).
    :param color: red, green, blue from 0 to 1.
    """

    def __init__(self, className: str, kind: str, color: tuple[float, float, float]) -> None:
        self.kind = kind
        self._taken = 0
        node = slicer.mrmlScene.CreateNodeByClass(className)
        # The scene keeps its own reference from AddNode on.
        node.UnRegister(None)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetName("SpineMet marks")
        self.node = slicer.mrmlScene.AddNode(node)
        self.node.CreateDefaultDisplayNodes()
        display = self.node.GetDisplayNode()
        display.SetColor(*color)
        display.SetSelectedColor(*color)
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.UseGlyphScaleOff()
        display.SetGlyphSize(_GLYPH_MM)

    @property
    def waiting(self) -> int:
        """Points that are set and belong to no finished mark yet."""
        return len(self._points()) - self._taken

    def start(self) -> None:
        """Let the mouse place points until `end`."""
        selection, interaction = _modes()
        if selection is None or interaction is None:
            return
        selection.SetReferenceActivePlaceNodeClassName(self.node.GetClassName())
        selection.SetActivePlaceNodeID(self.node.GetID())
        interaction.SetPlaceModePersistence(1 if self.kind == "point" else 0)
        interaction.SetCurrentInteractionMode(interaction.Place)

    def finished(self, size: int) -> list[list[Any]]:
        """Marks that were finished since: lists of RAS points; a stroke or box only when its placement has ended.

        :param size: how many points make a mark of points.
        """
        if self.kind == "point":
            points = self._points()
            marks = []
            while len(points) - self._taken >= size:
                marks.append(points[self._taken : self._taken + size])
                self._taken += size
            return marks
        if self.isPlacing:
            return []
        mark = self._corners() if self.kind == "box" else self._points()
        if len(mark) < 2:
            return []
        self.clear()
        self.start()
        return [mark]

    def drop(self) -> None:
        """Take the last finished mark of points away."""
        if self.kind == "point" and self._taken:
            self._taken -= 1
            self.node.RemoveNthControlPoint(self._taken)

    def clear(self) -> None:
        """Take all points away."""
        self._taken = 0
        self.node.RemoveAllControlPoints()

    def end(self) -> None:
        """Give the mouse back, and remove the points."""
        _selection, interaction = _modes()
        if interaction is not None and self.isPlacing:
            interaction.SetPlaceModePersistence(0)
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        if slicer.mrmlScene.IsNodePresent(self.node):
            slicer.mrmlScene.RemoveNode(self.node)

    @property
    def isPlacing(self) -> bool:
        """Whether the mouse places points of this tool now."""
        selection, interaction = _modes()
        if selection is None or interaction is None:
            return False
        mine = selection.GetActivePlaceNodeID() == self.node.GetID()
        return bool(mine and interaction.GetCurrentInteractionMode() == interaction.Place)

    def _points(self) -> list[Any]:
        found = []
        for index in range(self.node.GetNumberOfControlPoints()):
            if self.node.GetNthControlPointPositionStatus(index) == self.node.PositionDefined:
                place = [0.0, 0.0, 0.0]
                self.node.GetNthControlPointPositionWorld(index, place)
                found.append(tuple(place))
        return found

    def _corners(self) -> list[Any]:
        """Two opposite corners of a box, along the world's axes."""
        if self.node.GetNumberOfControlPoints() == 0:
            return []
        bounds = [0.0] * 6
        self.node.GetRASBounds(bounds)
        box = vtk.vtkBoundingBox(bounds)
        if not box.IsValid() or box.GetMaxLength() <= 0:
            return []
        return [tuple(bounds[::2]), tuple(bounds[1::2])]


def _modes() -> tuple[Any, Any]:
    scene = slicer.mrmlScene
    return scene.GetFirstNodeByClass("vtkMRMLSelectionNode"), scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
