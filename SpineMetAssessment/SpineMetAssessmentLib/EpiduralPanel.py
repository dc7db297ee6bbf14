"""EpiduralPanel: ESCC grades from outlines on an MR, the profile along the canal, cuts, and what a person picks."""

from functools import partial
from typing import Any

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib.EpiduralLogic import PARTS, EpiduralChoice
from SpineMetAssessmentLib.EpiduralPlot import EpiduralPlot, isDark, legend
from SpineMetAssessmentLib.LevelTable import fitRows
from SpineMetAssessmentLib.Panel import Panel, enable

_LEVEL, _GRADE, _SAID, _REASON = range(4)
_ROWS_IN_SIGHT = 7
_NONE = "-"
"""A person said that this part is not outlined."""
_ALL = "*"
"""Every segment that is a lesion."""
_SHOWN = (
    "epidural thickness", "epidural share of the canal", "tumor to cord", "contact with the cord", "cord depth",
    "expected cord depth", "fluid left", "clearance to the cord",
)  # fmt: skip


@parameterNodeWrapper
class EpiduralPanelState:
    """What the panel remembers with the scene.

    mrVolume - The image on which the canal is outlined.
    outlines - The segmentation with canal, sac, cord and tumor.
    canal, sac, cord, tumor - Segment IDs: empty as tags and names say, "-" for none, "*" for all lesions.
    conus - The last level with cord as a person says; empty as the outlined cord ends.
    level - The level whose measures are shown.
    live - Every edit is graded at once.
    """

    mrVolume: vtkMRMLScalarVolumeNode
    outlines: vtkMRMLSegmentationNode
    canal: str = ""
    sac: str = ""
    cord: str = ""
    tumor: str = ""
    conus: str = ""
    level: str = ""
    live: bool = True


class EpiduralPanel(Panel):
    """Choose image and outlines, grade, look at the cuts, override."""

    title = _("Epidural")
    help = _(
        "Grades epidural tumor (ESCC) from outlines of canal, sac, cord and tumor on an MR. Press Grade, then click a"
        " level: the views turn into its worst cut, perpendicular to the canal. The slider walks along the canal, and"
        " the line in the plot follows the cursor. A grade can be picked for any level, outlined or not. ≈ marks a"
        " grade whose neighbor lies within the error."
    )
    StateClass = EpiduralPanelState

    def setup(self) -> None:
        import ctk

        self._filling = False
        self._details: Any = None
        self._worst: Any = None
        # What is chosen, while everything is shown anew; outside of that it is asked for anew.
        self._chosen: EpiduralChoice | None = None
        self._said = ""
        self._place: float | None = None
        self._crosshair: Any = None
        ui = self.ui
        self._plot = EpiduralPlot(ui.plotLabel)
        self._parts = {part: getattr(ui, f"{part}ComboBox") for part in PARTS}
        for part, combo in self._parts.items():
            combo.activated.connect(partial(self.onSegment, part))
        for name in ("", *_CONUS):
            ui.conusComboBox.addItem(name or _("as outlined"), name)
        ui.conusComboBox.activated.connect(self.onConus)
        ui.confirmButton.clicked.connect(self.onConfirm)
        ui.gradeButton.clicked.connect(self.onGrade)
        ui.undoButton.clicked.connect(self.onUndo)
        ui.placeSlider.valueChanged.connect(self.onSlider)
        ui.levelTable.cellClicked.connect(self.onRow)
        ui.cutButton.clicked.connect(self.onCut)
        ui.gradeComboBox.activated.connect(self.onPicked)
        ui.reasonEdit.editingFinished.connect(self.onReason)
        ui.addLevelComboBox.activated.connect(self.onAddLevel)
        ui.straightenButton.clicked.connect(self.onStraighten)
        ui.plotButton.clicked.connect(self.onPlot)
        for combo in (*self._parts.values(), ui.conusComboBox, ui.gradeComboBox, ui.addLevelComboBox):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
        for column, width in {_LEVEL: 42, _GRADE: 62, _SAID: 76}.items():
            ui.levelTable.setColumnWidth(column, width)
        self.logic.canalRegraded = self.onRegraded
        self.logic.canalFailed = self.onLiveFailed

    def setParameterNode(self, parameterNode: Any) -> None:
        self._said, self._place, self._crosshair = "", None, None
        self.removeObservers()
        super().setParameterNode(parameterNode)
        if parameterNode is None:
            self.logic.unfollowCanal()
            return
        # The scene may bring another crosshair with it.
        self._crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if self._crosshair is not None:
            self.addObserver(self._crosshair, self._crosshair.CursorPositionModifiedEvent, self.onCursor)

    def cleanup(self) -> None:
        super().cleanup()
        self.logic.canalRegraded = self.logic.canalFailed = None

    def state(self) -> str:
        if self._details is None:
            return ""
        worst = self._worst
        if worst is None:
            return _("not graded")
        text = f"{worst.escc.level} ESCC {_gradeText(worst.escc)}"
        return f"{text} · {_('outdated')}" if self._stale() else text

    def headline(self) -> str:
        worst = self._worst
        if worst is None:
            return ""
        text = f"{worst.escc.level} ESCC {_gradeText(worst.escc)} {_gradeWord(worst.escc)}"
        return text + _(" (outdated)") if self._stale() else text

    def refresh(self) -> None:
        if self._filling:
            return
        self._filling = True
        try:
            self._details = self.logic.epidural(self.parameterNode)
            self._worst = self._details.worst if self._details is not None else None
            self._chooseDefaults()
            self._chosen = self.choice()
            self._showSegments()
            self._showInputs()
            self._showResult()
            self._showLevel()
            choice = self._chosen
        finally:
            self._filling, self._chosen = False, None
        if self.parameterNode is not None:
            if self.panelState.live:
                self.logic.followCanal(self.parameterNode, choice)
            else:
                self.logic.unfollowCanal()

    def choice(self) -> EpiduralChoice:
        """Image and outlines as they are chosen now."""
        if self._chosen is not None:
            return self._chosen
        state = self.panelState
        if state is None:
            return EpiduralChoice()
        segmentation = state.outlines or None
        if segmentation is None:
            return EpiduralChoice(state.mrVolume or None)
        guessed = self.logic.guessSegments(segmentation)
        there = set(segmentation.GetSegmentation().GetSegmentIDs())
        segments = []
        for part in PARTS:
            said = getattr(state, part)
            if said == _NONE:
                found: tuple[str, ...] = ()
            elif said in there:
                found = (said,)
            else:
                found = guessed[part] if part == "tumor" else guessed[part][:1]
            segments.append((part, found))
        return EpiduralChoice(state.mrVolume or None, segmentation, tuple(segments), state.conus)

    # What the user does

    def onSegment(self, part: str, *_index: Any) -> None:
        combo = self._parts[part]
        setattr(self.panelState, part, str(combo.itemData(combo.currentIndex) or ""))
        self.refresh()

    def onConus(self, *_index: Any) -> None:
        combo = self.ui.conusComboBox
        self.panelState.conus = str(combo.itemData(combo.currentIndex) or "")
        self._again()

    def onConfirm(self, *_clicked: Any) -> None:
        """The reader looked at what SpineMet outlined, and found its edges right."""
        with self.host.running(_("The outlines could not be confirmed.")):
            self.logic.confirmOutlines(self.choice())
        self._again()

    def _again(self) -> None:
        """Grade again after a choice, as after an edit: at once where that was asked for."""
        missing = self.logic.whatEpiduralWaitsFor(self.parameterNode, self.choice())
        if self.logic.hasGraded(self.parameterNode) and self.panelState.live and not missing:
            self.onGrade()
        else:
            self.refresh()

    def onGrade(self) -> None:
        with self.host.running(_("The canal could not be graded.")) as progress:
            self._said = ""
            details = self.logic.gradeEpidural(self.parameterNode, self.choice(), progress)
            worst = details.worst
            if worst is not None:
                self.panelState.level = worst.escc.level.value
                self._place = self._placeOf(worst)
        self.host.refresh()

    def onUndo(self, *_clicked: Any) -> None:
        with self.host.running(_("The answer could not be taken back.")):
            self.logic.undo(self.parameterNode)
            self.logic.applyEscc(self.parameterNode)
        self.host.refresh()

    def onRow(self, row: int, _column: int) -> None:
        self.panelState.level = self.ui.levelTable.item(row, _LEVEL).text()
        self.onCut()

    def onCut(self, *_clicked: Any) -> None:
        """The views turn into the worst cut of the level."""
        item = self._level()
        if item is not None and self.logic.showWorstCut(self.parameterNode, item.escc.level.value):
            self._place = self._placeOf(item)
        self.refresh()

    def onSlider(self, value: int) -> None:
        if self._filling or self._details is None or not self._details.profile.places:
            return
        self._place = self._details.profile.places[0] + value
        self.logic.showPlace(self.parameterNode, self._place)
        self._showPlot()

    def onCursor(self, caller: Any, event: Any) -> None:
        """The cursor moved in a view: the line in the plot goes along."""
        profile = self._details.profile if self._details is not None else None
        position = [0.0, 0.0, 0.0]
        if profile is None or not profile.places or not caller.GetCursorPositionRAS(position):
            return
        place = self.logic.placeOf(self.parameterNode, position)
        if place is not None and place != self._place:
            self._place = place
            self._showPlot()

    def onPicked(self, *_index: Any) -> None:
        combo, item = self.ui.gradeComboBox, self._levelName()
        self._answer(item, str(combo.itemData(combo.currentIndex) or ""), self.ui.reasonEdit.text)

    def onReason(self) -> None:
        said = self._escc()
        if said is not None and said.reason != self.ui.reasonEdit.text:
            self._answer(self._levelName(), said.grade, self.ui.reasonEdit.text)

    def onAddLevel(self, *_index: Any) -> None:
        combo = self.ui.addLevelComboBox
        name = str(combo.itemData(combo.currentIndex) or "")
        if name:
            self.panelState.level = name
        self.refresh()

    def onStraighten(self, *_clicked: Any) -> None:
        with self.host.running(_("The image could not be bent straight.")):
            node = self.logic.straighten(self.parameterNode, self.choice())
            self.host.showMessage(_("{name} is in the scene; choose it in a view.").format(name=node.GetName()))
        self.host.refresh()

    def onPlot(self, *_clicked: Any) -> None:
        self.logic.showPlot(self.parameterNode)

    # What the logic tells

    def onRegraded(self) -> None:
        self._said = ""
        if self.parameterNode is not None:
            self.host.refresh()

    def onLiveFailed(self, sentence: str) -> None:
        self._said = sentence
        if self.parameterNode is not None:
            self.host.refresh()

    # What the scene holds

    def _answer(self, level: str, grade: str, reason: str) -> None:
        with self.host.running(_("The answer could not be kept.")):
            self.logic.setEscc(self.parameterNode, level, grade, reason if grade else "")
            self.logic.applyEscc(self.parameterNode)
        self.host.refresh()

    def _levelName(self) -> str:
        return self.panelState.level if self.panelState is not None else ""

    def _level(self) -> Any:
        """The entry of the level that is shown; None where nothing is known of it."""
        levels = self._details.levels if self._details is not None else ()
        return next((item for item in levels if item.escc.level.value == self._levelName()), None)

    def _escc(self) -> Any:
        """What a person picked for the level that is shown, None before."""
        from spinemet.levels import Level

        name = self._levelName()
        return self.logic.answers(self.parameterNode).at(Level.parse(name)).escc if name else None

    def _stale(self) -> bool:
        return self.parameterNode is not None and self.logic.epiduralStale(self.parameterNode, self.choice())

    def _placeOf(self, item: Any) -> float | None:
        return self.logic.placeOf(self.parameterNode, item.cut.center) if item.cut is not None else None

    def _chooseDefaults(self) -> None:
        """Image and outlines, where nothing is chosen, to save clicks."""
        state = self.panelState
        if state is None or (state.mrVolume and state.outlines):
            return
        volume, segmentation = self.logic.guessEpidural(self.parameterNode)
        if not state.outlines and segmentation is not None and (not state.mrVolume or state.mrVolume is volume):
            state.outlines = segmentation
        if not state.mrVolume and volume is not None:
            state.mrVolume = volume

    # What is shown

    def _showSegments(self) -> None:
        segmentation = self.panelState.outlines if self.panelState is not None else None
        names = {}
        if segmentation:
            segments = segmentation.GetSegmentation()
            names = {key: segments.GetSegment(key).GetName() for key in segments.GetSegmentIDs()}
        choice = self.choice()
        for part, combo in self._parts.items():
            entries = [("", _NONE), *((name, key) for key, name in names.items())]
            entries[0] = (_("not outlined"), _NONE)
            if part == "tumor":
                entries.insert(1, (_("all lesions"), _ALL))
            combo.clear()
            for text, key in entries:
                combo.addItem(text, key)
            found = choice.of(part)
            several = part == "tumor" and getattr(self.panelState, part, "") not in names and bool(found)
            wanted = _ALL if several else found[0] if found else _NONE
            combo.currentIndex = max(0, combo.findData(wanted))
            combo.enabled = bool(names)
            combo.toolTip = _TIPS[part] if names else _("Choose the outlines first.")

    def _showInputs(self) -> None:
        ui, choice, node = self.ui, self.choice(), self.parameterNode
        missing = self.logic.whatEpiduralWaitsFor(node, choice)
        words = self.logic.levelsWords(node, choice)
        ui.levelsWordsLabel.text = words or "–"
        ui.conusComboBox.enabled = node is not None
        said = self.panelState.conus if self.panelState is not None else ""
        ui.conusComboBox.currentIndex = max(0, ui.conusComboBox.findData(said))
        ours = self.logic.outlineErrors(choice)
        ui.machineFrame.visible = bool(ours)
        ui.machineLabel.text = _("By SpineMet, not edited: {parts}; ± is wider.").format(parts=", ".join(ours))
        ui.machineLabel.toolTip = "; ".join(
            _("{part}: edges within {length:g} mm in 95 of 100").format(part=part, length=length)
            for part, length in ours.items()
        )
        enable(ui.gradeButton, missing, _("Measure the canal cut by cut, and grade every level (ESCC 0 to 3)."))
        ui.gradeButton.text = _("Grade again") if self._details is not None else _("Grade")
        ui.liveCheckBox.enabled = node is not None
        why = self.logic.undoWhat(node)
        enable(ui.undoButton, why, _("Take the last answer back."))
        ui.hintLabel.text = self._hint(missing, choice)
        ui.hintLabel.visible = bool(ui.hintLabel.text)

    def _hint(self, missing: str, choice: EpiduralChoice) -> str:
        if missing:
            return missing
        lines = [self._said]
        if self._stale():
            live = self.logic.gradingCanal
            lines.append(_("Grading again …") if live else _("Outdated: outlines changed since; press Grade again."))
        if not choice.of("cord"):
            lines.append(_("No cord is outlined: whether tumor touches it stays unknown."))
        if not choice.of("tumor"):
            lines.append(_("No tumor is outlined: grades say nothing of it."))
        return "\n".join(filter(None, lines))

    def _showResult(self) -> None:
        import qt

        ui, details = self.ui, self._details
        levels = details.levels if details is not None else ()
        drawn = details is not None and len(details.profile.places) > 1
        ui.summaryLabel.visible = details is not None
        ui.levelTable.visible = bool(levels)
        for widget in (ui.plotLabel, ui.placeSlider, ui.legendLabel):
            widget.visible = drawn
        self._showAddLevel(levels)
        for button, why, tip in (
            (ui.plotButton, "" if drawn else _("Waits for a graded canal."), _("Show the profile in a plot view.")),
            (
                ui.straightenButton,
                self.logic.whyNotStraightened(self.parameterNode, self.choice()),
                _("Make a volume that is bent straight along the canal; to look at, not to measure in."),
            ),
        ):
            enable(button, why, tip)
        if details is None:
            return
        ui.summaryLabel.text = _summary(details, self._worst)
        table = ui.levelTable
        table.blockSignals(True)
        table.rowCount = len(levels)
        for row, item in enumerate(levels):
            texts, tips = _row(item)
            for column, (text, tip) in enumerate(zip(texts, tips, strict=True)):
                cell = qt.QTableWidgetItem(text)
                cell.setToolTip(tip)
                # In bold a reason would be cut earlier.
                if item is self._worst and column in (_LEVEL, _GRADE):
                    font = cell.font()
                    font.setBold(True)
                    cell.setFont(font)
                table.setItem(row, column, cell)
        fitRows(table, len(levels) + 1, _ROWS_IN_SIGHT)
        names = [item.escc.level.value for item in levels]
        table.setCurrentCell(names.index(self._levelName()) if self._levelName() in names else -1, _LEVEL)
        table.blockSignals(False)
        if drawn:
            ui.legendLabel.text = legend(isDark(ui.plotLabel))
            self._showPlot()

    def _showPlot(self) -> None:
        details, slider = self._details, self.ui.placeSlider
        places, worst = details.profile.places, self._worst
        self._plot.show(details, self._place, self._placeOf(worst) if worst is not None else None)
        slider.blockSignals(True)
        slider.minimum, slider.maximum = 0, int(places[-1] - places[0])
        if self._place is not None:
            slider.value = round(self._place - places[0])
        slider.blockSignals(False)

    def _showAddLevel(self, levels: Any) -> None:
        from spinemet.levels import Level

        combo, node = self.ui.addLevelComboBox, self.parameterNode
        combo.enabled = node is not None and bool(node.referenceVolume)
        combo.toolTip = (
            _("Pick a grade for a level that is not outlined.")
            if combo.enabled
            else _("Choose the image of the study in Study first.")
        )
        listed = {item.escc.level for item in levels}
        combo.clear()
        combo.addItem(_("Another level …"), "")
        for level in Level:
            if level is not Level.OCC and level not in listed:
                combo.addItem(level.value, level.value)
        combo.currentIndex = max(0, combo.findData(self._levelName()))

    def _showLevel(self) -> None:
        from spinemet.scores.escc import Grade

        ui, item, name = self.ui, self._level(), self._levelName()
        shown = self.parameterNode is not None and bool(name)
        ui.detailFrame.visible = shown
        if not shown:
            return
        said = self._escc()
        ui.detailTitle.text = f"{name}: ESCC {_gradeText(item.escc)}" if item is not None else name
        combo = ui.gradeComboBox
        combo.clear()
        computed = (item.escc.suggested or item.escc) if item is not None else None
        suggested = computed if computed is not None and computed.source.value == "measured" else None
        combo.addItem(_("as suggested: {grade}").format(grade=_gradeText(suggested)) if suggested else _("–"), "")
        for grade in Grade:
            combo.addItem(f"{grade.value}  {grade.words}", grade.value)
        combo.currentIndex = max(0, combo.findData(said.grade)) if said is not None else 0
        combo.toolTip = _("Pick the grade yourself; the suggestion stays in sight.")
        ui.reasonEdit.text = said.reason if said is not None else ""
        ui.reasonEdit.enabled = said is not None
        ui.reasonEdit.toolTip = _("Why; optional.") if said is not None else _("Pick a grade first.")
        ui.cutButton.enabled = item is not None and item.cut is not None
        ui.cutButton.toolTip = (
            _("The views turn into the worst cut, perpendicular to the canal.")
            if ui.cutButton.enabled
            else _("The canal is not outlined at this level.")
        )
        lines = [_measures(item) if item is not None else _("Nothing is measured at this level.")]
        ui.measuresLabel.text = "\n".join([*lines, *_beside(self._details, name)])


_CONUS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4")
"""Levels at which the cord ends, tethered ones among them."""
_TIPS = {
    "canal": _("The segment of the bony canal; without it the sac stands for it."),
    "sac": _("The segment of the thecal sac, with or without the cord in it."),
    "cord": _("The segment of the cord; without it, contact stays unknown."),
    "tumor": _("The segments of tumor, in bone and canal."),
}


def _gradeText(result: Any) -> str:
    """ "2", "1b ≈ 1c" where another grade lies within the error, "?" while unknown."""
    if result.grade is None:
        return "?"
    others = ", ".join(item.value for item in result.alternatives)
    return f"{result.grade.value} ≈ {others}" if others else str(result.grade.value)


def _gradeWord(result: Any) -> str:
    words = {True: _("high grade"), False: _("low grade")}
    return words.get(result.high_grade(), _("low or high grade"))


def _saidText(result: Any) -> str:
    if result.source.value in ("entered", "overridden"):
        return str(result.reader or _("a person"))
    return _("suggested") if result.source.value == "measured" else _("unknown")


def _row(item: Any) -> tuple[list[str], list[str]]:
    result = item.escc
    tips = [result.reason, result.modified, *result.limits]
    if result.suggested is not None:
        tips.append(_("Suggested: {what}").format(what=f"{_gradeText(result.suggested)}, {result.suggested.reason}"))
    words = result.grade.words if result.grade is not None else _("not graded")
    texts = [result.level.value, _gradeText(result), _saidText(result), result.reason or words]
    return texts, [result.level.title, words, "", "\n".join(filter(None, tips))]


def _summary(details: Any, worst: Any) -> str:
    if worst is None:
        return _("No level could be graded; this does not mean that the cord is free.")
    word = _gradeWord(worst.escc)
    where = _("levels from {words}").format(words=details.placed_by)
    return _("Worst {level}: ESCC {grade}, {word}; {where}").format(
        level=worst.escc.level, grade=_gradeText(worst.escc), word=worst.escc.modified or word, where=where
    )


def _beside(details: Any, name: str) -> list[str]:
    """What was found at the nerve roots and in the marrow of a level, a line each."""
    if details is None:
        return []
    lines = []
    for root in details.roots:
        if name in (root.above.value, root.below.value):
            touch = root.measurements[1].value or 0.0
            lines.append(
                _("root {root} {side}: contact {length:.0f} mm, Lee {lee}").format(
                    root=root.root, side=root.side.value, length=touch, lee="?" if root.lee is None else root.lee
                )
            )
    for marrow in details.marrow:
        if marrow.level.value == name:
            lines += [f"{item.name}: {item.text()}" for item in marrow.measurements if item.known]
    return lines


def _measures(item: Any) -> str:
    lines = [item.escc.reason]
    if item.escc.suggested is not None:
        lines.append(_("Suggested: {what}").format(what=_gradeText(item.escc.suggested)))
    found = {m.name: m for m in item.measurements}
    lines += [f"{name}: {found[name].text()}" for name in _SHOWN if name in found and found[name].known]
    return "\n".join([*filter(None, lines), *item.escc.limits])
