"""Write a picture of the module's panel, 420 pixels wide, with the small spine assessed and answered.

python Testing/gui/screenshot.py OUT.png [--dark]
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SpineMetAssessment")]

from gui import small_spine  # noqa: E402
from gui.host import click, open_application, pick, type_text  # noqa: E402
from gui.host.application import dark_palette  # noqa: E402


def take(path: Path, dark: bool = False) -> None:
    """Assess the small spine as a user would, then grab the panel."""
    with open_application() as application, dark_palette(dark):
        small_spine.add_to(application.scene)
        ui = application.open_module().panels[0].ui
        click(ui.levelsConfirmedCheckBox)
        click(ui.assessButton)
        type_text(ui.readerEdit, "AB")
        pick(ui.painComboBox, "mechanical")
        pick(ui.alignmentComboBox, "normal")
        click(ui.collapseEvidenceButton)
        application.grab(path)


if __name__ == "__main__":
    take(Path(sys.argv[1]), "--dark" in sys.argv)
