"""Rollback: what a step added to the scene, so that a step that fails leaves the scene as it was."""

from typing import Any

import slicer
import vtk


class Rollback:
    """Remembers the scene's nodes and subject-hierarchy items; `undo` removes what came since."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        # The items first: asking for the subject hierarchy makes its node, which must stay.
        self._items = set(_items(scene))
        self._nodes = set(_nodeIDs(scene))

    def undo(self) -> None:
        """Remove all nodes and items that were added since."""
        for key in reversed([key for key in _nodeIDs(self._scene) if key not in self._nodes]):
            node = self._scene.GetNodeByID(key)
            if node is not None:
                self._scene.RemoveNode(node)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        # From the leaves up, each alone.
        for item in reversed([item for item in _items(self._scene) if item not in self._items]):
            hierarchy.RemoveItem(item, False, False)


def _nodeIDs(scene: Any) -> list[str]:
    nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    return [node.GetID() for node in nodes]


def _items(scene: Any) -> list[int]:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    found = vtk.vtkIdList()
    if hierarchy is not None:
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), found, True)
    return [found.GetId(index) for index in range(found.GetNumberOfIds())]
