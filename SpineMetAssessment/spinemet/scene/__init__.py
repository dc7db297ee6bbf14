"""MRML in and out: the only room that imports `slicer`, in the application and headless on slicer-core.

Key functions: `headless_session` and `current_scene`; `volume_from_image` and `image_from_volume`;
`segmentation_from_labelmaps` and `labelmaps_from_segmentation`; `show_assessment`, `read_assessment` and
`stale_inputs`; `marks_from` and `moved_measurements`; `jump_to`; `register_layouts`; `save_scene` and `open_scene`;
`render_3d` and `render_slice`. Importing this room does not import `slicer`; the first
use of one of these names does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spinemet.errors import MissingDependency

if TYPE_CHECKING:
    from spinemet.scene.archive import open_scene, save_scene
    from spinemet.scene.bone_look import Look, remove_clipping_plane, set_look, show_clipping_plane
    from spinemet.scene.cuts import cut_to_frame, jump_to, slice_nodes, to_standard
    from spinemet.scene.layouts import Layout, Shown, fill_views, register_layouts
    from spinemet.scene.legend import show_legend
    from spinemet.scene.mark_nodes import (
        MovedMeasurement,
        focus_on,
        moved_measurements,
        put_back,
        show_group,
        shown_groups,
    )
    from spinemet.scene.marks import Group, Mark, marks_from, marks_of
    from spinemet.scene.render import render_3d, render_slice
    from spinemet.scene.result import SceneResult, read_assessment, remove_assessment, show_assessment, stale_inputs
    from spinemet.scene.sample import add_synthetic_patient
    from spinemet.scene.segmentations import (
        labelmap_from_segmentation,
        labelmaps_from_segmentation,
        outlines_of,
        segmentation_from_labelmaps,
    )
    from spinemet.scene.session import Session, current_scene, headless_session
    from spinemet.scene.side_by_side import LinkedByVertebra, frames_of
    from spinemet.scene.terminology import load_terminology
    from spinemet.scene.transforms import RegistrationNodes, registration_of, remove_registration, show_registration
    from spinemet.scene.volumes import image_from_volume, ref_from_volume, volume_from_image

__all__ = [
    "Group",
    "Layout",
    "LinkedByVertebra",
    "Look",
    "Mark",
    "MovedMeasurement",
    "RegistrationNodes",
    "SceneResult",
    "Session",
    "Shown",
    "add_synthetic_patient",
    "current_scene",
    "cut_to_frame",
    "fill_views",
    "focus_on",
    "frames_of",
    "headless_session",
    "image_from_volume",
    "jump_to",
    "labelmap_from_segmentation",
    "labelmaps_from_segmentation",
    "load_terminology",
    "marks_from",
    "marks_of",
    "moved_measurements",
    "open_scene",
    "outlines_of",
    "put_back",
    "read_assessment",
    "ref_from_volume",
    "register_layouts",
    "registration_of",
    "remove_assessment",
    "remove_clipping_plane",
    "remove_registration",
    "render_3d",
    "render_slice",
    "save_scene",
    "segmentation_from_labelmaps",
    "set_look",
    "show_assessment",
    "show_clipping_plane",
    "show_group",
    "show_legend",
    "show_registration",
    "shown_groups",
    "slice_nodes",
    "stale_inputs",
    "to_standard",
    "volume_from_image",
]

_HOMES = {
    "archive": ("open_scene", "save_scene"),
    "bone_look": ("Look", "remove_clipping_plane", "set_look", "show_clipping_plane"),
    "cuts": ("cut_to_frame", "jump_to", "slice_nodes", "to_standard"),
    "layouts": ("Layout", "Shown", "fill_views", "register_layouts"),
    "legend": ("show_legend",),
    "mark_nodes": ("MovedMeasurement", "focus_on", "moved_measurements", "put_back", "show_group", "shown_groups"),
    "marks": ("Group", "Mark", "marks_from", "marks_of"),
    "sample": ("add_synthetic_patient",),
    "side_by_side": ("LinkedByVertebra", "frames_of"),
    "render": ("render_3d", "render_slice"),
    "result": ("SceneResult", "read_assessment", "remove_assessment", "show_assessment", "stale_inputs"),
    "segmentations": (
        "labelmap_from_segmentation",
        "labelmaps_from_segmentation",
        "outlines_of",
        "segmentation_from_labelmaps",
    ),
    "session": ("Session", "current_scene", "headless_session"),
    "terminology": ("load_terminology",),
    "transforms": ("RegistrationNodes", "registration_of", "remove_registration", "show_registration"),
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
