"""AssessPanel: graded levels, the evidence behind every component, and what a person answers and confirms."""

from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib import AssessWords
from SpineMetAssessmentLib.AnswerLogic import ASKED
from SpineMetAssessmentLib.AssessQuestions import AssessQuestions
from SpineMetAssessmentLib.ComponentRows import COMPONENTS, ComponentRows
from SpineMetAssessmentLib.LevelTable import LEVEL, LevelTable, fitRows, swatch
from SpineMetAssessmentLib.Panel import Panel, enable

_LESIONS_IN_SIGHT = 4


@parameterNodeWrapper
class AssessPanelState:
    """What the panel remembers with the scene.

    level - The level whose components are shown.
    showAll - Levels outside the image are listed, too.
    live - Every edit is graded at once.
    """

    level: str = ""
    showAll: bool = False
    live: bool = True


class AssessPanel(Panel):
    """Choose image and outlines, assess, read the table, answer, override, confirm."""

    title = _("Assess")
    help = _(
        "Press Assess, then click a level: all views go there. ◎ shows the evidence behind a component; pick another"
        " value from its list to override it, the suggestion stays in sight. Pain, alignment and earlier treatment are"
        " asked level by level. A level without outline is scored by pick-lists. Live grades again after every edit."
    )
    StateClass = AssessPanelState

    def setup(self) -> None:
        self._assessment: Any = None
        self._stale: tuple[str, ...] = ()
        self._component = ""
        self._filling = False
        self._liveSaid = ""
        ui = self.ui
        self._table = LevelTable(ui.levelTable)
        self._rows = ComponentRows(ui, self.onPicked, self.onEvidence)
        self._questions = AssessQuestions(self)
        ui.assessButton.clicked.connect(self.onAssess)
        ui.lesionList.itemChanged.connect(self.onLesionChecked)
        ui.levelsConfirmedCheckBox.toggled.connect(self.onLevelsConfirmed)
        ui.levelTable.currentCellChanged.connect(self.onLevelChosen)
        ui.levelTable.cellClicked.connect(self.onLevelChosen)
        ui.reasonEdit.editingFinished.connect(self.onReason)
        ui.confirmButton.clicked.connect(self.onConfirm)
        ui.undoButton.clicked.connect(self.onUndo)
        ui.redoButton.clicked.connect(self.onRedo)
        ui.addLevelComboBox.activated.connect(self.onAddLevel)
        ui.removeLevelButton.clicked.connect(self.onRemoveLevel)
        ui.editOutlineButton.clicked.connect(self.onEditOutline)
        ui.copyTextButton.clicked.connect(self.onCopyText)
        ui.copyTableButton.clicked.connect(self.onCopyTable)
        ui.saveTableButton.clicked.connect(self.onSaveTable)
        self.logic.regraded = self.onRegraded
        self.logic.failed = self.onLiveFailed
        self.logic.outdated = self.onOutdated

    def connectShared(self, parameterNode: Any) -> dict[str, Any]:
        return {
            "referenceVolume": self.ui.referenceVolumeSelector,
            "segmentation": self.ui.segmentationSelector,
        }

    def setParameterNode(self, parameterNode: Any) -> None:
        self._liveSaid = ""
        super().setParameterNode(parameterNode)

    def cleanup(self) -> None:
        super().cleanup()
        self.logic.regraded = self.logic.failed = self.logic.outdated = None

    def state(self) -> str:
        if self._assessment is None:
            return ""
        if self._stale:
            return _("outdated")
        return _("scored: {n}").format(n=len(self._assessment.scored))

    def shortcuts(self) -> list[Any]:
        return [
            ("Alt+Down", _("next level"), self.onNextLevel),
            ("Alt+Up", _("previous level"), self.onPreviousLevel),
            ("Alt+E", _("evidence of the component touched last"), self.onShowEvidence),
            ("Alt+Z", _("take the last answer back"), self.onUndo),
            ("Alt+Shift+Z", _("make it again"), self.onRedo),
        ]

    def refresh(self) -> None:
        from spinemet.errors import SpineMetError

        if self._filling:
            return
        self._filling = True
        try:
            self._readAssessment()
            self._showInputs()
            self._showResult()
            self._showLevel()
            self._questions.show()
        except SpineMetError as error:
            self.host.complain(error)
        finally:
            self._filling = False

    # What the user does

    def onAssess(self) -> None:
        with self.host.running(_("The assessment failed.")) as progress:
            self.logic.assess(self.parameterNode, progress)
            self._liveSaid = ""
            self._chooseWorst()
        self.host.refresh()

    def onLesionChecked(self, item: Any) -> None:
        import qt

        if self._filling:
            return
        items = [self.ui.lesionList.item(row) for row in range(self.ui.lesionList.count)]
        chosen = [str(entry.data(qt.Qt.UserRole)) for entry in items if entry.checkState() == qt.Qt.Checked]
        with slicer.util.NodeModify(self.parameterNode):
            self.parameterNode.lesionsChosen = True
            self.parameterNode.lesionSegmentIDs = chosen

    def onLevelsConfirmed(self, checked: bool) -> None:
        if not self._filling:
            self.answer(self.logic.setLevelsConfirmed, checked)

    def onLevelChosen(self, row: int, *_cell: int) -> None:
        item = self.ui.levelTable.item(row, LEVEL)
        if not self._filling and item is not None:
            self._goTo(item.text())

    def onNextLevel(self) -> None:
        self._step(+1)

    def onPreviousLevel(self) -> None:
        self._step(-1)

    def onEvidence(self, component: str, *_clicked: bool) -> None:
        self._component = component
        finding = self._finding(component)
        position = (finding.position if finding else None) or self._place()
        if position is not None:
            self.logic.jumpTo(position, self.parameterNode, self.panelState.level)
        self.refresh()

    def onShowEvidence(self) -> None:
        if self.level() is not None:
            self.onEvidence(self._component or "collapse")

    def onPicked(self, component: str, option: str) -> None:
        self._component = component
        self.answer(self.logic.setAnswer, self.panelState.level, component, option)

    def onReason(self) -> None:
        reason = self.ui.reasonEdit.text
        override = self._override()
        if not self._filling and override is not None and override.reason != reason:
            self.answer(self.logic.setReason, self.panelState.level, self._component, reason)

    def onConfirm(self, *_clicked: bool) -> None:
        level = self.level()
        if not self._filling and level is not None:
            self.answer(self.logic.confirm, level, self.logic.mark(self.parameterNode, level) != "✓")

    def onUndo(self) -> None:
        if self.parameterNode is not None:
            self.answer(self.logic.undo)

    def onRedo(self) -> None:
        if self.parameterNode is not None:
            self.answer(self.logic.redo)

    def onAddLevel(self, index: int) -> None:
        name = str(self.ui.addLevelComboBox.itemData(index) or "")
        if not self._filling and name:
            self._component = ""
            self.answer(self.logic.setInvolved, name, True, first=True)
            self._goTo(name)

    def onRemoveLevel(self) -> None:
        if self.level() is not None:
            self.answer(self.logic.setInvolved, self.panelState.level, False)

    def onEditOutline(self) -> None:
        """To the segment editor, at the place that is seen."""
        outline = self.host.panel("OutlinePanel")
        segmentID = self._segment()
        if outline is not None and segmentID:
            self.host.openPanel("OutlinePanel")
            finding = self._finding(self._component) if self._component else None
            outline.editAt(segmentID, (finding.position if finding else None) or self._place())

    def onCopyText(self) -> None:
        with self.host.running(_("The text could not be copied.")):
            slicer.app.clipboard().setText(self.logic.risText(self.parameterNode))
            self.host.showMessage(_("The result was copied as text."))

    def onCopyTable(self) -> None:
        with self.host.running(_("The table could not be copied.")):
            slicer.app.clipboard().setText(self.logic.tableText(self.parameterNode))
            self.host.showMessage(_("The table was copied."))

    def onSaveTable(self) -> None:
        import qt

        path = qt.QFileDialog.getSaveFileName(None, _("Save the table"), "spinemet.csv", _("Tables (*.csv)"))
        # Qt for Python gives the filter, too.
        path = path if isinstance(path, str) else path[0]
        if path:
            with self.host.running(_("The table could not be saved.")):
                self.logic.writeTable(self.parameterNode, path)
                self.host.showMessage(_("The table is in {path}").format(path=path))

    # What the logic tells

    def onRegraded(self) -> None:
        """The new scores at once; what else hangs on them, in this panel and the others, right after."""
        self._liveSaid = ""
        if self.parameterNode is not None:
            self.refresh()
            self.host.refreshSoon()

    def onLiveFailed(self, sentence: str) -> None:
        self._liveSaid = sentence
        if self.parameterNode is not None:
            self.host.refresh()

    def onOutdated(self) -> None:
        if self.parameterNode is not None:
            self.logic.updateLesionSegments(self.parameterNode)
            self.host.refresh()

    def answer(self, change: Any, *arguments: Any, first: bool = False, **named: Any) -> None:
        """Keep an answer, then grade again with it, unless the inputs changed: then the user decides when.

        :param first: grade also where nothing was assessed so far.
        """
        from spinemet.errors import Cancelled

        before = self.parameterNode.answers
        with self.host.running(_("The answer could not be kept.")) as progress:
            change(self.parameterNode, *arguments, **named)
            try:
                if first or (self._assessment is not None and not self._stale):
                    self.logic.regrade(self.parameterNode, progress)
            except Cancelled:
                if self.parameterNode.answers != before:
                    self.logic.undo(self.parameterNode)
                raise
        self.host.refresh()

    # What the scene holds

    def level(self) -> Any:
        """The level that is shown, None before any was chosen."""
        name = self.panelState.level if self.panelState else ""
        levels = self._assessment.levels if self._assessment is not None else ()
        return next((item for item in levels if item.level.value == name), None)

    def _readAssessment(self) -> None:
        from spinemet.errors import SpineMetError

        self._assessment, self._stale = None, ()
        node = self.parameterNode
        if node is None:
            return
        try:
            self._assessment = self.logic.assessment(node)
            self._stale = self.logic.stale(node)
            if self._assessment is not None and self._assessment.answers != self.logic.answers(node):
                # Another reader, or undo from elsewhere: what is shown is never another's.
                if self._stale:
                    self._assessment = None
                else:
                    self._assessment = self.logic.regrade(node)
        except SpineMetError as error:
            self.host.complain(error)
        self.logic.follow(node)

    def _finding(self, component: str) -> Any:
        level = self.level()
        return level.sins.components[component] if level is not None and level.sins is not None else None

    def _override(self) -> Any:
        """The override of the component that was touched last, None when it has none."""
        level = self.level()
        if level is None or not self._component:
            return None
        return self.logic.answers(self.parameterNode).at(level.level).overrides.get(self._component)

    def _place(self) -> Any:
        level = self.level()
        if level is None:
            return None
        findings = level.sins.components.values() if level.sins is not None else ()
        return level.position or next((item.position for item in findings if item.position), None)

    def _segment(self) -> str:
        """The segment that stands for the level's lesion, else for its bone."""
        from spinemet.scene import outlines_of

        level, node = self.level(), self.parameterNode
        if level is None or not node.segmentation:
            return ""
        outlines = outlines_of(node.segmentation, self.logic.presentLesions(node))
        lesions = [key for key, item in outlines.items() if item.lesion_id and item.lesion_id in level.lesion_ids]
        bones = [key for key, item in outlines.items() if item.level is level.level]
        return next(iter([*lesions, *bones]), "")

    def _chooseWorst(self) -> None:
        assessment = self.logic.assessment(self.parameterNode)
        levels = {item.level.value for item in assessment.scored}
        if self.panelState.level not in levels and assessment.worst is not None:
            self.panelState.level = assessment.worst.level.value

    def _goTo(self, name: str) -> None:
        """Show a level here and in all views."""
        self._component = ""
        if self.panelState.level == name:
            self.refresh()
        else:
            # The host refreshes, since the parameter node changed.
            self.panelState.level = name
        self.logic.focus(self.parameterNode, name)
        position = self._place()
        if position is not None:
            self.logic.jumpTo(position, self.parameterNode, name)

    def _step(self, by: int) -> None:
        names = self._table.levels if self._assessment is not None else []
        if names:
            at = names.index(self.panelState.level) + by if self.panelState.level in names else 0
            self._goTo(names[max(0, min(at, len(names) - 1))])

    # What is shown

    def _showInputs(self) -> None:
        import qt

        ui, node = self.ui, self.parameterNode
        missing = self.logic.whatIsMissing(node)
        enable(ui.assessButton, missing, _("Measure every vertebra and score every one that a lesion involves."))
        ui.assessButton.text = _("Assess again") if self._assessment is not None else _("Assess")
        ui.hintLabel.text = self._hint(missing)
        ui.hintLabel.visible = bool(ui.hintLabel.text)
        ui.lesionList.clear()
        ui.liveCheckBox.enabled = node is not None
        ui.levelsConfirmedCheckBox.enabled = node is not None
        ui.levelsConfirmedCheckBox.checked = node is not None and self.logic.answers(node).levels_confirmed
        self._showUndo()
        ui.lesionList.visible = ui.lesionsLabel.visible = node is not None and bool(node.segmentation)
        if node is None or not node.segmentation:
            return
        segmentation = node.segmentation.GetSegmentation()
        candidates = self.logic.lesionCandidates(node.segmentation)
        for segmentID in sorted(candidates, key=lambda key: not candidates[key]):
            segment = segmentation.GetSegment(segmentID)
            color = [int(255 * channel) for channel in segment.GetColor()]
            item = qt.QListWidgetItem(swatch(color), segment.GetName())
            item.setData(qt.Qt.UserRole, segmentID)
            item.setCheckState(qt.Qt.Checked if segmentID in node.lesionSegmentIDs else qt.Qt.Unchecked)
            ui.lesionList.addItem(item)
        fitRows(ui.lesionList, ui.lesionList.count, _LESIONS_IN_SIGHT)

    def _showUndo(self) -> None:
        for button, why, does in (
            (self.ui.undoButton, self.logic.undoWhat(self.parameterNode), _("Take the last answer back.")),
            (self.ui.redoButton, self.logic.redoWhat(self.parameterNode), _("Make the answer again.")),
        ):
            enable(button, why, does)

    def _hint(self, missing: str) -> str:
        if missing and not (self._assessment is not None and not self._assessment.inputs):
            return missing
        lines = [self._liveSaid]
        if self._assessment is not None and self._stale and self.logic.grading:
            lines.append(_("An outline changed; grading again …"))
        elif self._assessment is not None and self._stale:
            inputs = ", ".join(self._stale)
            lines.append(
                _("Outdated: {inputs} changed since. Your answers are kept; press Assess again.").format(inputs=inputs)
            )
        elif not missing and not list(self.parameterNode.lesionSegmentIDs):
            lines.append(_("No lesion is checked: levels will be measured, and none scored."))
        lines += self.logic.warnings(self.parameterNode) if self._assessment is not None else []
        return "\n".join(filter(None, lines))

    def _showResult(self) -> None:
        ui, assessment = self.ui, self._assessment
        ui.resultFrame.visible = assessment is not None
        self._showAddLevel()
        if assessment is None:
            return
        ui.summaryLabel.text = AssessWords.summary(assessment)
        self._table.show(
            assessment,
            lambda item: self.logic.mark(self.parameterNode, item),
            all_=self.panelState.showAll,
            chosen=self.panelState.level,
        )

    def _showAddLevel(self) -> None:
        from spinemet.levels import Level

        combo, node = self.ui.addLevelComboBox, self.parameterNode
        why = self.logic.whyNotByHand(node)
        enable(combo, why, _("A level with a lesion that is not outlined: it is scored by pick-lists."))
        scored = {item.level for item in self._assessment.scored} if self._assessment is not None else set()
        wanted = [level.value for level in Level if level is not Level.OCC and level not in scored]
        if combo.count != len(wanted) + 1 or [combo.itemData(n) for n in range(1, combo.count)] != wanted:
            combo.clear()
            combo.addItem(_("Score another level by pick-list …"), "")
            for name in wanted:
                combo.addItem(name, name)
        combo.currentIndex = 0

    def _showLevel(self) -> None:
        ui, level = self.ui, self.level()
        scored = level is not None and level.sins is not None
        ui.detailFrame.visible = level is not None
        self._rows.setVisible(scored)
        for widget in (ui.reasonLabel, ui.reasonEdit, ui.confirmButton):
            widget.visible = scored
        if level is None:
            return
        said = self.logic.answers(self.parameterNode).at(level.level)
        status = AssessWords.category(level.sins) if scored else level.status.value
        total = _(", SINS {total}").format(total=AssessWords.totals(level.sins)) if scored else ""
        open_ = (
            f" – {AssessWords.openQuestions(level.sins)}" if scored and AssessWords.openQuestions(level.sins) else ""
        )
        ui.detailTitle.text = f"{level.level.value}{total}: {status}{open_}"
        ui.removeLevelButton.visible = scored and said.involved and not level.lesion_ids
        ui.editOutlineButton.enabled = bool(self._segment()) and self.host.panel("OutlinePanel") is not None
        ui.editOutlineButton.toolTip = (
            _("Mend the outline here, in the segment editor.")
            if ui.editOutlineButton.enabled
            else _("Nothing is outlined at this level.")
        )
        self._showPrior(level)
        if scored:
            self._rows.show(level, said, self._image(), self.logic.isConfirmed)
            self._showConfirm(level)
            self._showReason()
        ui.evidenceLabel.text = self._evidenceText(level)
        ui.evidenceLabel.visible = bool(ui.evidenceLabel.text)

    def _image(self) -> str:
        """Name and date of the image that was measured in."""
        ref = next((item for item in self._assessment.images if item.key == self._assessment.reference), None)
        return " ".join(filter(None, (ref.role.value, ref.date or _("date unknown")))) if ref is not None else ""

    def _showPrior(self, level: Any) -> None:
        prior = self.logic.prior(self.parameterNode)
        label = self.ui.priorLabel
        label.visible = prior is not None
        if prior is not None:
            before = next((item for item in prior.levels if item.level is level.level), None)
            label.text = _("Prior {date}: {what}").format(
                date=prior.time_point.date, what=AssessWords.change(level, before)
            )

    def _showConfirm(self, level: Any) -> None:
        button = self.ui.confirmButton
        mark = self.logic.mark(self.parameterNode, level)
        button.checked = mark == "✓"
        button.text = _("Confirmed ✓") if mark == "✓" else _("Confirm all")
        button.enabled = any(item.known for item in level.sins.components.values())
        button.toolTip = (
            _("Say that you agree with every component that has points; what changes later is open again.")
            if button.enabled
            else _("Nothing is scored yet.")
        )

    def _showReason(self) -> None:
        override, edit = self._override(), self.ui.reasonEdit
        edit.enabled = override is not None
        edit.text = override.reason if override is not None else ""
        if override is not None:
            name = self._rows.widget(self._component, "Label").text
            tip = _("Why {component} was changed; optional.").format(component=name.lower())
        else:
            tip = _("Pick another value for a measured component first; then the reason can be given here.")
        edit.toolTip = tip
        edit.placeholderText = tip if override is not None else _("for a changed component")

    def _evidenceText(self, level: Any) -> str:
        finding = self._finding(self._component) if self._component else None
        if finding is None:
            if level.sins is not None:
                return level.reason
            lines = [level.reason, *(f"{item.name}: {item.text()}" for item in level.measurements)]
        else:
            lines = [f"{item.name}: {item.text()}" for item in finding.measurements]
            lines += [finding.threshold, *finding.limits, finding.reason]
            if finding.suggested is not None:
                lines.append(_("Suggested: {what}").format(what=AssessWords.suggestion(finding.suggested)))
            if self._component in ASKED and not finding.known:
                lines.append(_("Nobody answered yet."))
        return "\n".join(filter(None, lines))


__all__ = ["COMPONENTS", "AssessPanel", "AssessPanelState"]
