"""Write pictures of the module's panels, 420 pixels wide, over the small spine assessed and answered.

python Testing/gui/screenshot.py FOLDER [--dark] [--only NAME]
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SpineMetAssessment")]

from gui import epidural_spine, small_spine  # noqa: E402
from gui.host import click, open_application, pick  # noqa: E402
from gui.host.application import dark_palette  # noqa: E402

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


def take(folder: Path, dark: bool = False, only: str = "") -> None:
    """Assess the small spine as a user would, and grab every panel, or the one of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_application() as application, dark_palette(dark):
        widget = application.open_module()
        if only in ("", "start"):
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
            if only not in ("", name):
                continue
            widget._parameterNode.openPanels = panels
            widget.ui.viewButton.checked = name == "view"
            application.settle()
            application.grab(folder / f"{name}.png")
    if only in ("", "epidural"):
        _epidural(folder, dark)


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


if __name__ == "__main__":
    chosen = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    take(Path(sys.argv[1]), "--dark" in sys.argv, chosen)
