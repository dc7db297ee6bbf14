"""Scenes as .mrb files: written whole or not at all, opened with a sentence when they cannot be."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import slicer

from spinemet.errors import BadInput, OutputError
from spinemet.files import written_file
from spinemet.scene.session import current_scene, in_application, warnings_hidden
from spinemet.scene.terminology import load_terminology

SUFFIX = ".mrb"


def save_scene(scene: Any, path: str | os.PathLike[str]) -> Path:
    """Write the scene with all its data to a .mrb file, and return its path.

    The names inside the archive are the nodes' names; SpineMet's own nodes carry none of the patient.

    :raises OutputError: not a .mrb name, the folder cannot be written, or the disk is full.
    """
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise OutputError(f"{target.name} is not the name of a scene; choose a name that ends in {SUFFIX}.")
    with written_file(target) as temporary, warnings_hidden():
        if in_application() and scene is slicer.mrmlScene:
            written = slicer.util.saveScene(str(temporary))
        else:
            written = scene.WriteToMRB(str(temporary))
        if not written or not zipfile.is_zipfile(temporary):
            raise OutputError(f"The scene could not be written to {target}; free disk space and try again.")
    return target


def open_scene(path: str | os.PathLike[str], scene: Any = None) -> Any:
    """Replace the content of the scene (by default the current one) with that of a .mrb file, and return the scene.

    :raises BadInput: missing, not a scene archive, or damaged.
    """
    source = Path(path)
    scene = current_scene() if scene is None else scene
    _require_archive(source)
    load_terminology()
    with warnings_hidden():
        if in_application() and scene is slicer.mrmlScene:
            scene.Clear(0)
            opened = slicer.util.loadScene(str(source))
        else:
            opened = scene.ReadFromMRB(str(source), True)
    if not opened:
        raise BadInput(f"{source.name} could not be opened as a scene; save it again in Slicer or assess again.")
    return scene


def _require_archive(source: Path) -> None:
    if not source.is_file():
        raise BadInput(f"{source.name} is not there; choose a scene that ends in {SUFFIX}.")
    try:
        with zipfile.ZipFile(source) as archive:
            whole = archive.testzip() is None
            holds_scene = any(name.endswith(".mrml") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise BadInput(f"{source.name} is damaged or not a scene archive; save it again.") from error
    if not whole or not holds_scene:
        raise BadInput(f"{source.name} is damaged or holds no scene; save it again.")
