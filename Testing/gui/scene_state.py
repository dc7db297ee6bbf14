"""What a scene holds, in comparable form: a step that fails must leave it as it was."""

from __future__ import annotations

from typing import Any

import vtk

_PASSING = ("Slice", "View", "Layout", "Selection", "Interaction", "Crosshair", "SegmentEditor", "Camera", "Clip")
"""Kinds of nodes that say what is looked at, not what there is."""
_REFERENCE_HOLDERS = "vtkMRMLSubjectHierarchyNode"


def state_of(scene: Any, *, answers: bool = True) -> dict[str, Any]:
    """Nodes by ID with their data, attributes, parameters and references, and the subject hierarchy's items.

    :param answers: also compare the parameters of the time points, where what a person said is kept.
    """
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    kept = [node for node in nodes if not any(word in node.GetClassName() for word in _PASSING)]
    found = {node.GetID(): _node(node, answers) for node in kept if node.GetClassName() != _REFERENCE_HOLDERS}
    return {**found, "subject hierarchy": _items(scene)}


def _node(node: Any, answers: bool) -> tuple[Any, ...]:
    attributes = {name: node.GetAttribute(name) for name in node.GetAttributeNames() or ()}
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    references = {
        role: [node.GetNthNodeReferenceID(role, index) for index in range(node.GetNumberOfNodeReferences(role))]
        for role in roles
        if node.GetNumberOfNodeReferences(role)
    }
    return (node.GetClassName(), node.GetName(), tuple(sorted(attributes.items())), references, _data(node, answers))


def _data(node: Any, answers: bool) -> Any:
    kind = node.GetClassName()
    if kind == "vtkMRMLScriptedModuleNode":
        names = node.GetParameterNames() if answers else ()
        return {name: node.GetParameter(name) for name in names}
    if node.IsA("vtkMRMLVolumeNode"):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        numbers = [matrix.GetElement(row, column) for row in range(4) for column in range(4)]
        return (node.GetImageData() and node.GetImageData().GetMTime(), numbers)
    if kind == "vtkMRMLSegmentationNode":
        return _segments(node.GetSegmentation())
    if node.IsA("vtkMRMLMarkupsNode"):
        return [node.GetNthControlPointPosition(index) for index in range(node.GetNumberOfControlPoints())]
    if kind == "vtkMRMLTextNode":
        return node.GetText()
    if kind == "vtkMRMLTableNode":
        table = node.GetTable()
        columns = range(table.GetNumberOfColumns())
        return [[str(table.GetValue(row, column)) for column in columns] for row in range(table.GetNumberOfRows())]
    if node.IsA("vtkMRMLDisplayNode"):
        return (node.GetVisibility(), node.GetOpacity(), node.GetColor())
    return None


def _segments(segmentation: Any) -> list[tuple[Any, ...]]:
    found = []
    for key in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(key)
        names: list[str] = []
        segment.GetContainedRepresentationNames(names)
        voxels = segment.GetRepresentation(segmentation.GetSourceRepresentationName())
        found.append((key, segment.GetName(), segment.GetTerminology(), names, voxels and voxels.GetMTime()))
    return found


def _items(scene: Any) -> list[tuple[int, str, int]]:
    node = scene.GetSubjectHierarchyNode()
    items = vtk.vtkIdList()
    node.GetItemChildren(node.GetSceneItemID(), items, True)
    keys = [items.GetId(index) for index in range(items.GetNumberOfIds())]
    return [(key, node.GetItemName(key), node.GetItemParent(key)) for key in keys]
