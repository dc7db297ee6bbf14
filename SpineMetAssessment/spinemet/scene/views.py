"""What is seen first when a scene that was made without the application is opened in it: the volume at the evidence.

Inside the application the views are the user's, and nothing here is called.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinemet.evidence import Point

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
"""Slicer's standard slice views by their layout name."""
PICTURE, AXIAL_PICTURE = "SpineMetPicture", "SpineMetPictureAxial"
"""Tags of the view nodes that draw pictures."""
_IN_PLANE = {"Axial": (0, 1), "Sagittal": (1, 2), "Coronal": (0, 2)}
_VIEW_3D = "1"
_VIEW_PIXELS = 256
VIEW_FROM: Point = (-0.8, 0.55, 0.15)
"""Direction (RAS) from the spine to the viewer of a 3D picture: from the left and somewhat in front."""
_DISTANCE = 2.5
"""Camera's distance in lengths of the volume; with Slicer's view angle of 30° the whole spine is in sight."""


def prepare_views(scene: Any, volume: Any, look_at: Point) -> None:
    """Set up Slicer's standard views in the scene: the volume in all slices, through the point `look_at` (RAS)."""
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds).reshape(3, 2).T
    for name, orientation in SLICE_VIEWS.items():
        view = _singleton(scene, "vtkMRMLSliceNode", name)
        view.SetLayoutName(name)
        view.SetOrientation(orientation)
        extent = float(max((high - low)[list(_IN_PLANE[orientation])]))
        view.SetDimensions(_VIEW_PIXELS, _VIEW_PIXELS, 1)
        view.SetFieldOfView(extent, extent, 1.0)
        view.JumpSliceByCentering(*look_at)
        layers = _singleton(scene, "vtkMRMLSliceCompositeNode", name)
        layers.SetLayoutName(name)
        layers.SetBackgroundVolumeID(volume.GetID())
    view = _singleton(scene, "vtkMRMLViewNode", _VIEW_3D)
    view.SetLayoutName(_VIEW_3D)
    camera = _singleton(scene, "vtkMRMLCameraNode", _VIEW_3D)
    camera.SetLayoutName(_VIEW_3D)
    center = (low + high) / 2
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + np.array(VIEW_FROM) * _DISTANCE * np.max(high - low)))
    camera.SetViewUp(0.0, 0.0, 1.0)
    camera.ResetClippingRange()


def _singleton(scene: Any, kind: str, tag: str) -> Any:
    node = scene.GetSingletonNode(tag, kind)
    if node is None:
        node = scene.CreateNodeByClass(kind)
        # The scene keeps its own reference from AddNode on.
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node.SetName(tag)
        node = scene.AddNode(node)
    return node
