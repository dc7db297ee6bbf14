"""ReportPanel: choose what to write, see the text for the RIS, copy it, export."""

from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib.Panel import Panel, enable


@parameterNodeWrapper
class ReportPanelState:
    """What the panel remembers with the scene.

    folder - Where results were last written.
    report, data, scene - What is written.
    """

    folder: str = ""
    report: bool = True
    data: bool = True
    scene: bool = False


class ReportPanel(Panel):
    """Preview, copy, export."""

    title = _("Report")
    help = _(
        "The preview is the text for the RIS; Copy puts it on the clipboard. Export writes the checked files to the"
        " folder: the report with pictures (HTML), the data (JSON), and the scene with images and outlines (MRB)."
    )
    StateClass = ReportPanelState

    def setup(self) -> None:
        import ctk

        self._filling = False
        self._written: Any = None
        ui = self.ui
        ui.folderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.folderEdit.currentPathChanged.connect(self.onFolder)
        ui.copyButton.clicked.connect(self.onCopy)
        ui.exportButton.clicked.connect(self.onExport)
        ui.openButton.clicked.connect(self.onOpen)

    def setParameterNode(self, parameterNode: Any) -> None:
        self._written = None
        super().setParameterNode(parameterNode)

    def state(self) -> str:
        if self._written is not None:
            return _("written")
        return _("ready") if self.ui.copyButton.enabled else ""

    def refresh(self) -> None:
        if self._filling:
            return
        self._filling = True
        try:
            self._show()
        finally:
            self._filling = False

    # What the user does

    def onFolder(self, path: str) -> None:
        if not self._filling and self.panelState:
            self.panelState.folder = path

    def onCopy(self) -> None:
        with self.host.running(_("The text could not be copied.")):
            slicer.app.clipboard().setText(self.logic.risText(self.parameterNode))
            self.host.showMessage(_("The text for the RIS is on the clipboard."))

    def onExport(self) -> None:
        folder = self.panelState.folder
        with self.host.running(_("The report could not be written.")) as progress:
            files = self.logic.exportReport(self.parameterNode, folder, progress, self._content())
            names = ", ".join(path.name for path in files.values())
            self.host.showMessage(_("Written to {folder}: {names}").format(folder=folder, names=names))
            self._written = files
        self.host.refresh()

    def onOpen(self) -> None:
        import qt

        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._written["report"])))

    # What is shown

    def _content(self) -> list[str]:
        state = self.panelState
        chosen = {"assessment": state.data, "report": state.report, "scene": state.scene}
        return [name for name, wanted in chosen.items() if wanted]

    def _show(self) -> None:
        ui, state = self.ui, self.panelState
        waits = self.logic.whyNoReport(self.parameterNode)
        text = waits or self.logic.risText(self.parameterNode, preview=True)
        if ui.previewText.plainText != text:
            ui.previewText.plainText = text
        enable(ui.copyButton, waits, _("Put this text on the clipboard."))
        folder = state.folder if state else ""
        if ui.folderEdit.currentPath != folder:
            ui.folderEdit.currentPath = folder
        if not waits and not (state and self._content()):
            waits = _("Choose what to write first.")
        if not waits and not folder:
            waits = _("Choose the folder to write to first.")
        enable(ui.exportButton, waits, _("Write the checked files; files of the same name are replaced."))
        written = self._written is not None and "report" in self._written
        ui.openButton.enabled = written
        ui.openButton.toolTip = _("Open the report in the browser.") if written else _("Waits for an exported report.")
