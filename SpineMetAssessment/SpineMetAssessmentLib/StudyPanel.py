"""StudyPanel: from a folder, the DICOM database or loaded volumes to images that stand for something."""

from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib.CellCombos import CellCombos
from SpineMetAssessmentLib.Panel import Panel, enable

_IMAGE, _ROLE, _WHY = range(3)
_ROWS_IN_SIGHT = 6


@parameterNodeWrapper
class StudyPanelState:
    """What the panel remembers with the scene.

    folder - Where images were last looked for.
    """

    folder: str = ""


class StudyPanel(Panel):
    """Load, say what each image stands for, choose the time point and the reader."""

    title = _("Study")
    help = _(
        "Load a patient from a folder or the DICOM database, or use the volumes that are loaded already. The table"
        " says what each image stands for, and why; change it where it is wrong. A second reader enters another name,"
        " and checks Blinded to start without the answers of the first."
    )
    StateClass = StudyPanelState

    def setup(self) -> None:
        import ctk

        self._filling = False
        self._choices: list[Any] = []
        ui = self.ui
        ui.folderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.folderEdit.currentPathChanged.connect(self.onFolder)
        ui.folderButton.clicked.connect(self.onLookIntoFolder)
        ui.databaseButton.clicked.connect(self.onLookIntoDatabase)
        ui.loadButton.clicked.connect(self.onLoad)
        ui.timePointComboBox.activated.connect(self.onTimePoint)
        ui.newTimePointButton.clicked.connect(self.onNewTimePoint)
        ui.readerEdit.editingFinished.connect(self.onReader)
        tip = _("What this image stands for.")
        self._roles = CellCombos(ui.roleTable, _ROLE, self.logic.roles(), self.onRole, tip)
        ui.roleTable.setColumnWidth(_IMAGE, 130)
        ui.roleTable.setColumnWidth(_ROLE, 112)
        self._showChoices([])

    def connectShared(self, parameterNode: Any) -> dict[str, Any]:
        return {
            "referenceVolume": self.ui.referenceVolumeSelector,
            "blinded": self.ui.blindedCheckBox,
        }

    def setParameterNode(self, parameterNode: Any) -> None:
        super().setParameterNode(parameterNode)
        if parameterNode is None:
            self._showChoices([])

    def state(self) -> str:
        if self.parameterNode is None:
            return ""
        roles = [self.logic.roleOf(node).role.value for node in self.logic.studyVolumes(self.parameterNode)]
        if not roles:
            return _("no image yet")
        unknown = roles.count("unknown")
        if unknown:
            return _("{n} of {all} images unknown").format(n=unknown, all=len(roles))
        return _("1 image ✓") if len(roles) == 1 else _("{n} images ✓").format(n=len(roles))

    def refresh(self) -> None:
        if self._filling:
            return
        self._filling = True
        try:
            self._showLoading()
            self._showWho()
            self._showRoles()
            self._showTimePoints()
        finally:
            self._filling = False

    # What the user does

    def onFolder(self, path: str) -> None:
        if not self._filling and self.panelState:
            self.panelState.folder = path
            self._showChoices([])

    def onLookIntoFolder(self) -> None:
        with self.host.running(_("The folder could not be read.")) as progress:
            self._showChoices(self.logic.studiesIn(self.panelState.folder, progress))
        self._loadIfOnlyOne()

    def onLookIntoDatabase(self) -> None:
        with self.host.running(_("The DICOM database could not be read.")):
            self._showChoices(self.logic.databaseStudies())
        self._loadIfOnlyOne()

    def onLoad(self) -> None:
        choice = self._choices[self.ui.studyComboBox.currentIndex]
        node = self.parameterNode
        with self.host.running(_("The study could not be loaded.")) as progress:
            node = self.logic.parameterNodeForStudy(self.parameterNode)
            said = self.logic.loadStudy(node, choice, progress)
            self._showChoices([])
            self.host.showMessage(said)
        self.host.initializeParameterNode()

    def onRole(self, nodeID: str, role: str) -> None:
        volume = slicer.mrmlScene.GetNodeByID(nodeID)
        if volume is not None:
            self.logic.setRole(volume, role)
            self.host.refresh()

    def onTimePoint(self, index: int) -> None:
        nodes = [node for node, _title in self.logic.timePoints()]
        if 0 <= index < len(nodes):
            self.host.useTimePoint(nodes[index])

    def onNewTimePoint(self) -> None:
        self.logic.addTimePoint()
        self.host.initializeParameterNode()

    def onReader(self) -> None:
        if self._filling or self.parameterNode is None or self.ui.readerEdit.text.strip() == self.parameterNode.reader:
            return
        from spinemet.errors import Cancelled

        node, before = self.parameterNode, self.parameterNode.reader
        with self.host.running(_("The reader could not be changed.")) as progress:
            self.logic.setReader(node, self.ui.readerEdit.text, node.blinded)
            try:
                if self.logic.assessment(node) is not None and not self.logic.stale(node):
                    self.logic.regrade(node, progress)
            except Cancelled:
                self.logic.setReader(node, before)
                raise
        self.host.refresh()

    # What is shown

    def _loadIfOnlyOne(self) -> None:
        if len(self._choices) == 1:
            self.onLoad()

    def _showChoices(self, choices: list[Any]) -> None:
        self._choices = choices
        self.ui.choiceFrame.visible = len(choices) > 1
        self.ui.studyComboBox.clear()
        for choice in choices:
            self.ui.studyComboBox.addItem(choice.title)

    def _showLoading(self) -> None:
        ui = self.ui
        folder = self.panelState.folder if self.panelState else ""
        if ui.folderEdit.currentPath != folder:
            ui.folderEdit.currentPath = folder
        ui.folderButton.enabled = bool(folder)
        ui.folderButton.toolTip = (
            _("Find out what is in this folder, and load it.") if folder else _("Choose a folder or file first.")
        )
        database = getattr(slicer, "dicomDatabase", None)
        ui.databaseButton.enabled = database is not None and bool(database.isOpen)
        ui.databaseButton.toolTip = (
            _("List the studies of Slicer's DICOM database, and load one.")
            if ui.databaseButton.enabled
            else _("Waits for Slicer's DICOM database: open the DICOM module once.")
        )

    def _showWho(self) -> None:
        ui, node = self.ui, self.parameterNode
        who = self.logic.patient(node.referenceVolume) if node is not None and node.referenceVolume else None
        words = [who.name, who.patient_id, who.sex, who.birth_date] if who is not None else []
        ui.patientLabel.text = ", ".join(filter(None, words)) or _("unknown")
        reader = node.reader if node is not None else ""
        if ui.readerEdit.text != reader:
            ui.readerEdit.text = reader
        others = list(self.logic.readings(node)) if node is not None and not node.blinded else []
        ui.otherReadersLabel.text = _("Also read by {names}.").format(names=", ".join(others)) if others else ""
        ui.otherReadersLabel.visible = bool(others)
        warnings = self.logic.warnings(node) if node is not None else []
        ui.warningLabel.text = "\n".join(warnings)
        ui.warningLabel.visible = bool(warnings)

    def _showRoles(self) -> None:
        import qt

        table = self.ui.roleTable
        volumes = self.logic.volumes() if self.parameterNode is not None else []
        found = {volume.GetID(): self.logic.roleOf(volume) for volume in volumes}
        self._roles.show({key: item.role.value for key, item in found.items()}, _ROWS_IN_SIGHT)
        for row, volume in enumerate(volumes):
            item = found[volume.GetID()]
            for column, text in ((_IMAGE, volume.GetName()), (_WHY, item.refusal or item.reason)):
                cell = qt.QTableWidgetItem(text)
                cell.setToolTip(text)
                font = cell.font()
                font.setBold(volume is self.parameterNode.referenceVolume and column == _IMAGE)
                cell.setFont(font)
                table.setItem(row, column, cell)

    def _showTimePoints(self) -> None:
        combo = self.ui.timePointComboBox
        combo.clear()
        if self.parameterNode is None:
            return
        for row, (node, title) in enumerate(self.logic.timePoints()):
            combo.addItem(title)
            if node is self.parameterNode.parameterNode:
                combo.currentIndex = row
        waits = "" if self.parameterNode.referenceVolume else _("This time point has no image yet.")
        enable(self.ui.newTimePointButton, waits, _("Start another time point; this one stays as it is."))
