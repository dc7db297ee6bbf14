"""What a person leaves behind by deleting nodes: displays and storages of marks, results of a time point that is gone.

Slicer deletes the one node that was asked for. `servants_of` tells, from the node that was just removed, what served
it alone; `remove_servants` and `remove_result_orphans` take the rest away. Nodes of the user are never touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from spinemet.scene.mark_nodes import KEY, remove_displayed
from spinemet.scene.roles import RESULT

_OURS = (RESULT, KEY, "SpineMet.Level", "SpineMet.Clipping")
"""Attributes of the nodes that we made."""
_KINDS = ("Text", "Table", "MarkupsFiducial", "MarkupsCurve", "MarkupsLine", "PlotSeries", "PlotChart", "ScalarVolume")


def servants_of(node: Any) -> tuple[str, ...]:
    """IDs of the display and storage nodes that serve a node of ours; none for a node of the user.

    :param node: in the scene, or just removed from it.
    """
    if not any(node.GetAttribute(name) for name in _OURS):
        return ()
    count = node.GetNumberOfDisplayNodes() if node.IsA("vtkMRMLDisplayableNode") else 0
    found = [node.GetNthDisplayNodeID(index) for index in range(count)]
    if node.IsA("vtkMRMLStorableNode"):
        found += [node.GetNthStorageNodeID(index) for index in range(node.GetNumberOfStorageNodes())]
    return tuple(filter(None, found))


def remove_servants(scene: Any, keys: Iterable[str]) -> None:
    """Remove what served a node that is gone; what another node refers to stays.

    :param keys: IDs of `servants_of`.
    """
    for key in keys:
        node = scene.GetNodeByID(key)
        if node is not None and not _is_used(scene, key):
            scene.RemoveNode(node)


def remove_result_orphans(scene: Any, parameters: Collection[Any]) -> None:
    """Remove tables, texts, plots and marks of ours that no time point refers to.

    A plot whose table was deleted goes, too.

    :param parameters: the parameter nodes of all time points.
    """
    held = {key for parameter in parameters for key in _referred(parameter)}
    for node in _results(scene):
        if node.GetID() not in held or _shows_nothing(node):
            remove_displayed(scene, node)


def _results(scene: Any) -> list[Any]:
    # Charts come after their series, so that a chart without any is seen.
    return [node for kind in _KINDS for node in _nodes(scene, f"vtkMRML{kind}Node") if node.GetAttribute(RESULT)]


def _shows_nothing(node: Any) -> bool:
    if node.IsA("vtkMRMLPlotSeriesNode"):
        return node.GetTableNode() is None
    return node.IsA("vtkMRMLPlotChartNode") and not any(
        node.GetNthPlotSeriesNode(index) is not None for index in range(node.GetNumberOfPlotSeriesNodes())
    )


def _referred(parameter: Any) -> set[str]:
    roles: list[str] = []
    parameter.GetNodeReferenceRoles(roles)
    return {
        parameter.GetNthNodeReferenceID(role, index)
        for role in roles
        for index in range(parameter.GetNumberOfNodeReferences(role))
    }


def _is_used(scene: Any, key: str) -> bool:
    """Whether a node that is in the scene refers to the node of this ID."""
    for index in range(scene.GetNumberOfNodeReferences()):
        user = scene.GetNthReferencingNode(index)
        if scene.GetNthReferencedID(index) == key and user is not None and user.GetScene() is scene:
            return True
    return False


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
