"""The legend of grades: which color stands for what, in words, in 3D and slice views.

One for the whole scene. It hangs on a model without a surface, since segmentations carry no scale of colors.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from spinemet.colors import GRADE_COLORS, RGB, VERTEBRA
from spinemet.scores.sins import Category

KIND = "SpineMet.Legend"
TITLE = "SINS"
ENTRIES: tuple[tuple[str, RGB], ...] = (
    ("not scored", VERTEBRA),
    ("undecided", GRADE_COLORS[None]),
    ("0–6 stable", GRADE_COLORS[Category.STABLE]),
    ("7–12 pot. unstable", GRADE_COLORS[Category.POTENTIALLY_UNSTABLE]),
    ("13–18 unstable", GRADE_COLORS[Category.UNSTABLE]),
)
"""From the bottom to the top."""
POSITION, SIZE = (0.97, 0.93), (0.2, 0.22)
"""Of the view: the upper right corner; width and height."""


def show_legend(scene: Any, shown: bool = True) -> Any:
    """Show the legend, made when it is missing, or hide it; returns its display node, None when there is none."""
    carrier = _carrier(scene)
    if carrier is None:
        if not shown:
            return None
        carrier = _make(scene)
    logic = slicer.vtkSlicerColorLogic
    legend = logic.GetColorLegendDisplayNode(carrier)
    if legend is None:
        legend = logic.AddDefaultColorLegendDisplayNode(carrier)
        _set_display(legend)
    if bool(legend.GetVisibility()) != shown:
        legend.SetVisibility(shown)
    return legend


def remove_legend(scene: Any) -> None:
    """Remove the legend with its colors."""
    carrier = _carrier(scene)
    if carrier is None:
        return
    colors = carrier.GetDisplayNode().GetColorNode() if carrier.GetDisplayNode() is not None else None
    displays = [carrier.GetNthDisplayNode(index) for index in range(carrier.GetNumberOfDisplayNodes())]
    for node in (*displays, carrier.GetStorageNode(), carrier, colors):
        if node is not None:
            scene.RemoveNode(node)


def _carrier(scene: Any) -> Any:
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLModelNode")):
        node = scene.GetNthNodeByClass(index, "vtkMRMLModelNode")
        if node.GetAttribute(KIND):
            return node
    return None


def _make(scene: Any) -> Any:
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetName("SpineMet grades")
    colors.SetTypeToUser()
    colors.SetNumberOfColors(len(ENTRIES))
    for index, (name, color) in enumerate(ENTRIES):
        colors.SetColor(index, name, *color, 1.0)
    colors.SetHideFromEditors(True)
    colors = scene.AddNode(colors)
    carrier = slicer.vtkMRMLModelNode()
    carrier.SetName("SpineMet legend")
    carrier.SetAttribute(KIND, "1")
    carrier.SetHideFromEditors(True)
    carrier.SetAndObservePolyData(vtk.vtkPolyData())
    carrier = scene.AddNode(carrier)
    carrier.CreateDefaultDisplayNodes()
    display = carrier.GetDisplayNode()
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetScalarVisibility(True)
    display.SetVisibility2D(True)
    return carrier


def _set_display(legend: Any) -> None:
    was_modifying = legend.StartModify()
    legend.SetTitleText(TITLE)
    legend.SetUseColorNamesForLabels(True)
    legend.SetMaxNumberOfColors(len(ENTRIES))
    legend.SetNumberOfLabels(len(ENTRIES))
    legend.SetPosition(*POSITION)
    legend.SetSize(*SIZE)
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetColor(1.0, 1.0, 1.0)
        text.SetFontFamilyToArial()
        # White on bone could not be read without it.
        text.SetShadow(True)
        text.SetBold(False)
        text.SetItalic(False)
    legend.EndModify(was_modifying)
