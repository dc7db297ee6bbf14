"""MRML in and out: the only room that imports `slicer`, in the application and headless on slicer-core.

Key functions: `headless_session` and `current_scene`; `volume_from_image` and `image_from_volume`;
`segmentation_from_labelmaps` and `labelmaps_from_segmentation`; `show_assessment`, `read_assessment` and
`stale_inputs`; `save_scene` and `open_scene`; `render_3d`. Importing this room does not import `slicer`; the first
use of one of these names does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spinemet.errors import MissingDependency

if TYPE_CHECKING:
    from spinemet.scene.archive import open_scene, save_scene
    from spinemet.scene.render import render_3d
    from spinemet.scene.result import SceneResult, read_assessment, show_assessment, stale_inputs
    from spinemet.scene.segmentations import (
        labelmap_from_segmentation,
        labelmaps_from_segmentation,
        outlines_of,
        segmentation_from_labelmaps,
    )
    from spinemet.scene.session import Session, current_scene, headless_session
    from spinemet.scene.terminology import load_terminology
    from spinemet.scene.volumes import image_from_volume, ref_from_volume, volume_from_image

__all__ = [
    "SceneResult",
    "Session",
    "current_scene",
    "headless_session",
    "image_from_volume",
    "labelmap_from_segmentation",
    "labelmaps_from_segmentation",
    "load_terminology",
    "open_scene",
    "outlines_of",
    "read_assessment",
    "ref_from_volume",
    "render_3d",
    "save_scene",
    "segmentation_from_labelmaps",
    "show_assessment",
    "stale_inputs",
    "volume_from_image",
]

_HOMES = {
    "archive": ("open_scene", "save_scene"),
    "render": ("render_3d",),
    "result": ("SceneResult", "read_assessment", "show_assessment", "stale_inputs"),
    "segmentations": (
        "labelmap_from_segmentation",
        "labelmaps_from_segmentation",
        "outlines_of",
        "segmentation_from_labelmaps",
    ),
    "session": ("Session", "current_scene", "headless_session"),
    "terminology": ("load_terminology",),
    "volumes": ("image_from_volume", "ref_from_volume", "volume_from_image"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """:raises MissingDependency: slicer-core is not installed, or a system library that it needs is missing."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("slicer", "slicer_core", "vtk", "vtkmodules"):
            raise
        raise MissingDependency(
            'Scenes need the package slicer-core; install it with: pip install "spinemet[headless]".'
        ) from error
    except ImportError as error:
        raise MissingDependency(
            f"slicer-core cannot start, since a system library is missing ({error});"
            " install OpenGL (on Debian: libegl1 libgl1 libglx-mesa0) and run again."
        ) from error
