"""Write pictures of the module's panels, 420 pixels wide, over the small spine assessed and answered.

python Testing/gui/screenshot.py FOLDER [--dark] [--only NAME,NAME]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SpineMetAssessment")]

from gui import epidural_spine, small_pair, small_spine  # noqa: E402
from gui.host import click, open_application, pick, select_row  # noqa: E402
from gui.host.application import dark_palette  # noqa: E402
from spinemet.case import Role  # noqa: E402
from spinemet.scene import (  # noqa: E402
    add_synthetic_patient,
    headless_session,
    jump_to,
    open_scene,
    render_3d,
    render_slice,
    save_scene,
)

PICTURES = {
    "start": "StudyPanel",
    "study": "StudyPanel",
    "outline": "OutlinePanel",
    "panel": "AssessPanel",
    "view": "",
    "report": "ReportPanel",
    "whole": "StudyPanel OutlinePanel AssessPanel ReportPanel",
}
"""Which panels are unfolded in each picture; "start" is the empty scene, "view" the head with View unfolded."""
OTHERS = ("epidural", "register", "workspace")
"""Pictures over patients of their own."""


def take(folder: Path, dark: bool = False, only: Collection[str] = ()) -> None:
    """Write all pictures, or those of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = set(only or (*PICTURES, *OTHERS))
    if wanted & set(PICTURES):
        _panels(folder, dark, wanted)
    for name, draw in zip(OTHERS, (_epidural, _register, _workspace), strict=True):
        if name in wanted:
            draw(folder, dark)


def _panels(folder: Path, dark: bool, wanted: Collection[str]) -> None:
    """Assess the small spine as a user would, and grab every panel."""
    with open_application() as application, dark_palette(dark):
        widget = application.open_module()
        if "start" in wanted:
            application.grab(folder / "start.png")
        small_spine.add_to(application.scene)
        widget.initializeParameterNode()
        widget._parameterNode.reader = "AB"
        ui = widget.panel("AssessPanel").ui
        click(ui.levelsConfirmedCheckBox)
        click(ui.assessButton)
        pick(ui.painComboBox, "mechanical")
        pick(ui.alignmentComboBox, "normal")
        click(ui.collapseEvidenceButton)
        for name, panels in list(PICTURES.items())[1:]:
            if name not in wanted:
                continue
            widget._parameterNode.openPanels = panels
            widget.ui.viewButton.checked = name == "view"
            application.settle()
            application.grab(folder / f"{name}.png")


def _epidural(folder: Path, dark: bool) -> None:
    """The Epidural panel over a patient of its own, graded."""
    with open_application() as application, dark_palette(dark):
        widget = application.open_module()
        epidural_spine.add_to(application.scene)
        widget.initializeParameterNode()
        widget._parameterNode.openPanels = "EpiduralPanel"
        application.settle()
        click(widget.panel("EpiduralPanel").ui.gradeButton)
        application.grab(folder / "epidural.png")


def _register(folder: Path, dark: bool) -> None:
    """The Register panel over CT and T2 of a synthetic patient, registered, with a level chosen."""
    with open_application() as application, dark_palette(dark):
        widget = application.open_module()
        small_pair.add_to(application.scene)
        widget.initializeParameterNode()
        widget._parameterNode.openPanels = "RegisterPanel"
        application.settle()
        ui = widget.panel("RegisterPanel").ui
        click(ui.registerButton)
        select_row(ui.levelTable, ui.levelTable.item(0, 0).text())
        application.grab(folder / "register.png")


def _workspace(folder: Path, dark: bool) -> None:
    """The panel beside what the slice and 3D views show of the same scene: the synthetic patient, assessed."""
    panel = folder / "workspace.png"
    with tempfile.TemporaryDirectory() as temporary:
        saved = Path(temporary) / "scene.mrb"
        with open_application() as application, dark_palette(dark):
            widget = application.open_module()
            # All views of the host are axial; from now on this one keeps to its kind of plane.
            application.scene.GetSingletonNode(VIEWS[0], "vtkMRMLSliceNode").SetOrientation("Sagittal")
            add_synthetic_patient(application.scene, roles=(Role.CT,))
            widget.initializeParameterNode()
            widget._parameterNode.reader = "AB"
            widget._parameterNode.openPanels = "AssessPanel"
            ui = widget.panel("AssessPanel").ui
            click(ui.levelsConfirmedCheckBox)
            click(ui.assessButton)
            pick(ui.painComboBox, "mechanical")
            pick(ui.alignmentComboBox, "de novo")
            click(ui.collapseEvidenceButton)
            size = application.grab(panel)
            frame = widget.panel("AssessPanel").level().frame
            save_scene(application.scene, saved)
        # The host's views have no windows; those of a session without an application are drawn by Slicer's managers.
        with headless_session() as session:
            scene = open_scene(saved, session.scene)
            height, side = size[1], (size[1] - GAP) // 2
            volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            jump_to(scene, frame.origin, frame=frame, width_mm=WIDTH_MM)
            slices = [scene.GetSingletonNode(name, "vtkMRMLSliceNode") for name in VIEWS]
            cuts = [render_slice(scene, node, (side, side), background=volume) for node in slices]
            whole = render_3d(scene, (height * 4 // 9, height), evidence=True, background=BACKGROUND)
    _beside(panel, whole, cuts, size)


WIDTH_MM = 120.0
BACKGROUND = (0.1, 0.1, 0.12)
VIEWS = ("Yellow", "Red")
"""Sagittal above axial."""
GAP = 4


def _beside(panel: Path, whole: Any, cuts: list[Any], size: tuple[int, int]) -> None:
    """Draw the panel, the 3D view and the cuts beside each other into the panel's file."""
    from PySide6 import QtCore, QtGui

    width, height = size
    pictures = [_picture(array) for array in (whole, *cuts)]
    sheet = QtGui.QImage(
        width + pictures[0].width() + pictures[1].width() + 2 * GAP, height, QtGui.QImage.Format_RGB888
    )
    sheet.fill(QtCore.Qt.white)
    painter = QtGui.QPainter(sheet)
    painter.drawImage(0, 0, QtGui.QImage(str(panel)))
    painter.drawImage(width + GAP, 0, pictures[0])
    right = width + pictures[0].width() + 2 * GAP
    for number, picture in enumerate(pictures[1:]):
        painter.drawImage(right, number * (picture.height() + GAP), picture)
    painter.end()
    sheet.save(str(panel))


def _picture(array: Any) -> Any:
    from PySide6 import QtGui

    data = np.ascontiguousarray(array)
    height, width, _ = data.shape
    return QtGui.QImage(data.tobytes(), width, height, 3 * width, QtGui.QImage.Format_RGB888).copy()


if __name__ == "__main__":
    chosen = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else []
    take(Path(sys.argv[1]), "--dark" in sys.argv, chosen)
