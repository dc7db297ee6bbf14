"""OutlinePanel: outlines by click, by engine, from files and by hand; mended, and the vertebrae named."""

from collections.abc import Callable
from functools import partial
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib.CellCombos import CellCombos
from SpineMetAssessmentLib.OutlineClicks import OutlineClicks
from SpineMetAssessmentLib.OutlineEngines import OutlineEngines
from SpineMetAssessmentLib.OutlineLogic import LESIONS
from SpineMetAssessmentLib.OutlineMending import OutlineMending
from SpineMetAssessmentLib.Panel import Panel, enable

EDITOR = "SpineMetSegmentEditor"
"""Singleton tag of our own segment editor node; the Segment Editor module has another."""
_SEGMENT, _LEVEL = range(2)
_ROWS_IN_SIGHT = 6


@parameterNodeWrapper
class OutlinePanelState:
    """What the panel remembers with the scene.

    labelFile - The label map that was imported last.
    numbering - Its numbering: empty to find it out, a name, or "lesions".
    presetLevel - The level of the next new vertebra.
    clickImage - ID of the image that is clicked into; empty for the reference image.
    """

    labelFile: str = ""
    numbering: str = ""
    presetLevel: str = "L3"
    clickImage: str = ""


class OutlinePanel(Panel):
    """Click, run, import, mend, name, paint; the tabs are in files of their own.

    Public for the tabs: `clicks`, `saveForUndo`, `fill`.
    """

    title = _("Outline")
    help = _(
        "Click into a vertebra, a tumor or the ends of the canal, let an engine outline, import a label map, or paint."
        " Every step is one undo in the editor below. Check the level names once against C2, the ribs, the sacrum or a"
        " prior; one click moves all names by one level, and the answers with them."
    )
    StateClass = OutlinePanelState

    def setup(self) -> None:
        import ctk

        self._filling = False
        ui = self.ui
        ui.labelFileEdit.filters = ctk.ctkPathLineEdit.Files
        ui.labelFileEdit.currentPathChanged.connect(self.onLabelFile)
        ui.numberingComboBox.addItem(_("find out the numbering"), "")
        for name in self.logic.numberings():
            ui.numberingComboBox.addItem(name, name)
        ui.numberingComboBox.addItem(_("every label is a lesion"), LESIONS)
        ui.numberingComboBox.activated.connect(self.onNumbering)
        ui.importButton.clicked.connect(self.onImport)
        ui.headwardButton.clicked.connect(partial(self.onShift, -1))
        ui.tailwardButton.clicked.connect(partial(self.onShift, 1))
        ui.undoNamesButton.clicked.connect(self.onUndoNames)
        ui.presetLevelComboBox.addItems(self.logic.levelNames())
        ui.presetLevelComboBox.activated.connect(self.onPresetLevel)
        ui.vertebraButton.clicked.connect(partial(self.onAdd, "vertebra"))
        ui.tumorButton.clicked.connect(partial(self.onAdd, "lesion"))
        ui.canalButton.clicked.connect(partial(self.onAdd, "spinal canal"))
        tip = _("The level of this vertebra; change it if it was counted wrong.")
        self._levels = CellCombos(ui.levelTable, _LEVEL, self.logic.levelNames(), self.onLevel, tip)
        ui.levelTable.setColumnWidth(_SEGMENT, 220)
        ui.levelTable.cellClicked.connect(self.onRow)
        for combo in (ui.numberingComboBox, ui.presetLevelComboBox):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
        self.clicks = OutlineClicks(self)
        self._engines = OutlineEngines(self)
        self._mending = OutlineMending(self)
        ui.segmentEditor.currentSegmentIDChanged.connect(self.onSegment)

    def connectShared(self, parameterNode: Any) -> dict[str, Any]:
        return {"segmentation": self.ui.segmentationSelector}

    def setParameterNode(self, parameterNode: Any) -> None:
        super().setParameterNode(parameterNode)
        if parameterNode is None:
            self.clicks.stop()
            self.ui.segmentEditor.setActiveEffectByName("")
            self.ui.segmentEditor.setSegmentationNode(None)
            self.ui.segmentEditor.setMRMLSegmentEditorNode(None)

    def enter(self) -> None:
        editor = self.ui.segmentEditor
        editor.setupViewObservations()
        editor.installKeyboardShortcuts()

    def exit(self) -> None:
        self.clicks.stop()
        editor = self.ui.segmentEditor
        editor.setActiveEffectByName("")
        editor.uninstallKeyboardShortcuts()
        editor.removeViewObservations()

    def cleanup(self) -> None:
        self.clicks.close()
        self._engines.close()
        super().cleanup()

    def shortcuts(self) -> list[tuple[str, str, Callable[[], None]]]:
        return [("Alt+N", _("take the last renaming back"), self.onUndoNames)]

    def state(self) -> str:
        node = self.parameterNode.segmentation if self.parameterNode else None
        if not node:
            return ""
        levels = list(self.logic.levelsOf(node).values())
        lesions = len(list(self.parameterNode.lesionSegmentIDs))
        span = f"{levels[0]}–{levels[-1]}" if len(levels) > 1 else "".join(levels)
        counted = {0: _("no lesion"), 1: _("1 lesion")}.get(lesions, _("{n} lesions").format(n=lesions))
        return f"{span or _('no vertebra')} · {counted}"

    def refresh(self) -> None:
        if self._filling:
            return
        self._filling = True
        try:
            self._showEditor()
            self._showImport()
            self._showNames()
            self.clicks.show()
            self._engines.show()
            self._mending.show()
        finally:
            self._filling = False

    def editAt(self, segmentID: str, position: tuple[float, float, float] | None = None) -> None:
        """Open the editor at a segment, ready to paint, with all views at `position` (RAS, mm)."""
        self.host.openPanel(type(self).__name__)
        self.ui.segmentEditor.setCurrentSegmentID(segmentID)
        self.ui.segmentEditor.setActiveEffectByName("Paint")
        if position is not None:
            self.logic.jumpTo(position)

    # What the user does

    def onLabelFile(self, path: str) -> None:
        if not self._filling and self.panelState:
            self.panelState.labelFile = path

    def onNumbering(self, *_index: Any) -> None:
        combo = self.ui.numberingComboBox
        self.panelState.numbering = str(combo.itemData(combo.currentIndex) or "")

    def onImport(self) -> None:
        with self.host.running(_("The label map could not be imported.")) as progress:
            self.saveForUndo()
            state = self.panelState
            notes = self.logic.importLabels(self.parameterNode, state.labelFile, state.numbering, progress)
            self.host.showMessage(" ".join((_("Imported."), *notes)))
        self.host.refresh()

    def onShift(self, step: int, *_clicked: Any) -> None:
        with self.host.running(_("The levels could not be renamed.")):
            self.logic.shiftLevels(self.parameterNode, step)
            self.host.showMessage(_("All levels were renamed; check them and confirm."))
        self.host.refresh()

    def onUndoNames(self, *_clicked: Any) -> None:
        if self.logic.canUndoNames():
            with self.host.running(_("The renaming could not be taken back.")):
                self.logic.undoNames(self.parameterNode)
            self.host.refresh()

    def onLevel(self, segmentID: str, level: str) -> None:
        with self.host.running(_("The level could not be renamed.")):
            self.logic.setLevel(self.parameterNode, segmentID, level)
        self.host.refresh()

    def onPresetLevel(self, *_index: Any) -> None:
        self.panelState.presetLevel = self.ui.presetLevelComboBox.itemText(self.ui.presetLevelComboBox.currentIndex)

    def onAdd(self, structure: str, *_clicked: Any) -> None:
        segmentID = None
        with self.host.running(_("The segment could not be added.")):
            self.saveForUndo()
            segmentID = self.logic.addSegment(self.parameterNode, structure, self.panelState.presetLevel)
        self.host.refresh()
        if segmentID is not None:
            self.editAt(segmentID)

    def onRow(self, row: int, _column: int) -> None:
        segmentID = list(self.logic.levelsOf(self.parameterNode.segmentation))[row]
        self.ui.segmentEditor.setCurrentSegmentID(segmentID)
        self.logic.jumpTo(self.parameterNode.segmentation.GetSegmentCenterRAS(segmentID))

    # What is shown

    def saveForUndo(self, volume: Any = None) -> None:
        """Keep the segmentation of an image (the reference image's by default) as it is, for the editor's undo."""
        node = self.logic.segmentationOn(self.parameterNode, volume or self.parameterNode.referenceVolume)
        if node:
            self._edit(node, volume or self.parameterNode.referenceVolume)
            self.ui.segmentEditor.saveStateForUndo()

    @staticmethod
    def fill(combo: Any, entries: list[tuple[str, str]], chosen: str) -> None:
        """Let a combo box offer these texts and data; the choice stays where it is still offered."""
        held = [(combo.itemText(n), combo.itemData(n)) for n in range(combo.count)]
        if held != entries:
            combo.clear()
            for text, data in entries:
                combo.addItem(text, data)
        combo.currentIndex = max(0, combo.findData(chosen or ""))

    def onSegment(self, *_segmentID: Any) -> None:
        if not self._filling:
            self._mending.show()

    def _showEditor(self) -> None:
        editor, node = self.ui.segmentEditor, self.parameterNode
        if node is None:
            return
        volume = self.clicks.volume
        segmentation = self.logic.segmentationOn(node, volume) if volume else node.segmentation
        self._edit(segmentation or None, volume)
        editor.visible = bool(segmentation)

    def _edit(self, segmentation: Any, volume: Any) -> None:
        """Let the editor hold a segmentation and its image."""
        editor = self.ui.segmentEditor
        if editor.mrmlSegmentEditorNode() is None:
            editor.setMRMLSegmentEditorNode(_editorNode())
        if editor.segmentationNode() is not segmentation:
            editor.setSegmentationNode(segmentation)
        if segmentation and editor.sourceVolumeNode() is not volume:
            editor.setSourceVolumeNode(volume)

    def _showImport(self) -> None:
        ui, state, node = self.ui, self.panelState, self.parameterNode
        path = state.labelFile if state else ""
        if ui.labelFileEdit.currentPath != path:
            ui.labelFileEdit.currentPath = path
        if state:
            ui.numberingComboBox.currentIndex = max(0, ui.numberingComboBox.findData(state.numbering))
            ui.presetLevelComboBox.currentIndex = max(0, ui.presetLevelComboBox.findText(state.presetLevel))
        image = bool(node and node.referenceVolume)
        waits = _("Choose the image in Study first.") if not image else ""
        for button, tip in (
            (ui.vertebraButton, _("Add the vertebra of this level and paint it.")),
            (ui.tumorButton, _("Add a lesion and paint it.")),
            (ui.canalButton, _("Add the spinal canal and paint it.")),
        ):
            enable(button, waits, tip)
        waits = waits or ("" if path else _("Choose the file with the label map first."))
        enable(ui.importButton, waits, _("Add the outlines of this file, on the grid of the image."))

    def _showNames(self) -> None:
        import qt

        ui, node = self.ui, self.parameterNode
        segmentation = node.segmentation if node is not None else None
        levels = self.logic.levelsOf(segmentation) if segmentation else {}
        self._levels.show(levels, _ROWS_IN_SIGHT)
        for row, segmentID in enumerate(levels):
            name = segmentation.GetSegmentation().GetSegment(segmentID).GetName()
            ui.levelTable.setItem(row, _SEGMENT, qt.QTableWidgetItem(name))
        waits = "" if levels else _("Waits for an outlined vertebra.")
        for button, tip in (
            (ui.headwardButton, _("Every vertebra takes the name of the one above: L4 becomes L3.")),
            (ui.tailwardButton, _("Every vertebra takes the name of the one below: L3 becomes L4.")),
        ):
            enable(button, waits, tip)
        ui.undoNamesButton.enabled = self.logic.canUndoNames()
        ui.undoNamesButton.toolTip = (
            _("Take the last renaming back, with its answers.")
            if ui.undoNamesButton.enabled
            else _("Nothing was renamed yet.")
        )


def _editorNode() -> Any:
    node = slicer.mrmlScene.GetSingletonNode(EDITOR, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        # The scene keeps its own reference from AddNode on.
        node.UnRegister(None)
        node.SetSingletonTag(EDITOR)
        node = slicer.mrmlScene.AddNode(node)
    return node
