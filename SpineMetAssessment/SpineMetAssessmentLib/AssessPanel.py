"""AssessPanel: from chosen nodes to graded levels, with the evidence behind every component and a person's answers."""

from functools import partial
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from SpineMetAssessmentLib.Panel import Panel

COMPONENTS = ("location", "pain", "bone_lesion", "alignment", "collapse", "posterolateral")
ASKED = ("pain", "alignment")
"""Components that only a person answers; all others are measured and may be overridden."""

_LEVEL, _SINS, _CATEGORY, _POINTS = range(4)
_LEVELS_IN_SIGHT, _LESIONS_IN_SIGHT = 9, 4
"""Rows that are shown without scrolling."""
_TOTALS_LISTED = 3
"""Up to so many possible totals are listed, more are shown as a span."""


@parameterNodeWrapper
class AssessPanelState:
    """What the panel remembers with the scene.

    level - The level whose components are shown.
    showAll - Levels outside the image are listed, too.
    reader - Who answers.
    reportFolder - Where the report was last written.
    """

    level: str = ""
    showAll: bool = False
    reader: str = ""
    reportFolder: str = ""


class AssessPanel(Panel):
    """Choose CT and outlines, assess, read the table, answer, export."""

    title = _("Assess")
    StateClass = AssessPanelState

    def setup(self) -> None:
        import ctk
        import qt

        self._assessment: Any = None
        self._stale: tuple[str, ...] = ()
        self._component = ""
        self._filling = False
        self._observed: Any = None
        self._shownText = None
        self._refreshTimer = qt.QTimer()
        self._refreshTimer.interval = 300
        self._refreshTimer.timeout.connect(self.onOutlinesSettled)

        ui = self.ui
        ui.assessButton.clicked.connect(self.onAssess)
        ui.exportButton.clicked.connect(self.onExport)
        ui.lesionList.itemChanged.connect(self.onLesionChecked)
        ui.levelsConfirmedCheckBox.toggled.connect(self.onLevelsConfirmed)
        ui.levelTable.currentCellChanged.connect(self.onLevelChosen)
        ui.levelTable.cellClicked.connect(self.onLevelChosen)
        ui.reportFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.reportFolderEdit.currentPathChanged.connect(self.onReportFolder)
        ui.reasonEdit.editingFinished.connect(self.onReason)
        for column, width in ((_LEVEL, 42), (_SINS, 78), (_CATEGORY, 168)):
            ui.levelTable.setColumnWidth(column, width)
        for component in COMPONENTS:
            combo = self._widget(component, "ComboBox")
            # A turn of the wheel over the panel must not change an answer.
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
            combo.activated.connect(partial(self.onPicked, component))
            self._widget(component, "EvidenceButton").clicked.connect(partial(self.onEvidence, component))

    def connectShared(self, parameterNode: Any) -> dict[str, Any]:
        return {
            "referenceVolume": self.ui.referenceVolumeSelector,
            "segmentation": self.ui.segmentationSelector,
        }

    def setParameterNode(self, parameterNode: Any) -> None:
        self._refreshTimer.stop()
        self._observed = None
        super().setParameterNode(parameterNode)

    def state(self) -> str:
        if self._assessment is None:
            return ""
        if self._stale:
            return _("outdated")
        return _("scored: {n}").format(n=len(self._assessment.scored))

    def refresh(self) -> None:
        from spinemet.errors import SpineMetError

        if self._filling:
            return
        self._filling = True
        try:
            self._observeOutlines()
            self._readAssessment()
            self._showInputs()
            self._showResult()
            self._showLevel()
            self._showReport()
        except SpineMetError as error:
            self.host.showMessage(str(error))
        finally:
            self._filling = False

    # What the user does

    def onAssess(self) -> None:
        with self.host.running(_("The assessment failed.")) as progress:
            self.logic.assess(self.parameterNode, progress)
            self._chooseWorst()
        self.host.refresh()

    def onExport(self) -> None:
        folder = self.panelState.reportFolder
        with self.host.running(_("The report could not be written.")) as progress:
            self.logic.exportReport(self.parameterNode, folder, progress)
            self.host.showMessage(_("assessment.json and report.html are in {folder}").format(folder=folder))

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
            self._answer(self.logic.setLevelsConfirmed, checked)

    def onLevelChosen(self, row: int, *_cell: int) -> None:
        item = self.ui.levelTable.item(row, _LEVEL)
        if self._filling or item is None:
            return
        self._component = ""
        self.panelState.level = item.text()
        position = self._evidencePosition()
        if position is not None:
            self.logic.jumpTo(position)
        self.refresh()

    def onEvidence(self, component: str, *_clicked: bool) -> None:
        self._component = component
        finding = self._finding(component)
        position = (finding.position if finding else None) or self._evidencePosition()
        if position is not None:
            self.logic.jumpTo(position)
        self.refresh()

    def onPicked(self, component: str, *_index: Any) -> None:
        combo = self._widget(component, "ComboBox")
        option = combo.itemData(combo.currentIndex) or ""
        self._component = component
        self._answer(
            self.logic.setAnswer, self.panelState.level, component, str(option), reader=self.panelState.reader
        )

    def onReason(self) -> None:
        reason = self.ui.reasonEdit.text
        override = self._override()
        if not self._filling and override is not None and override.reason != reason:
            self._answer(self.logic.setReason, self.panelState.level, self._component, reason)

    def onReportFolder(self, path: str) -> None:
        if not self._filling and self.panelState:
            self.panelState.reportFolder = path

    def onOutlinesChanged(self, caller: Any, event: Any) -> None:
        # Painting must not wait for this panel: look at the outlines once they have rested.
        self._refreshTimer.start()

    def onOutlinesSettled(self) -> None:
        self._refreshTimer.stop()
        if self.parameterNode is not None:
            self.logic.updateLesionSegments(self.parameterNode)
            self.host.refresh()

    def _answer(self, change: Any, *arguments: Any, **named: Any) -> None:
        """Keep an answer, then grade again with it, unless the inputs changed: then the user decides when."""
        with self.host.running(_("The answer could not be kept.")) as progress:
            change(self.parameterNode, *arguments, **named)
            if self._assessment is not None and not self._stale:
                self.logic.assess(self.parameterNode, progress)
        self.host.refresh()

    # What the scene holds

    def _observeOutlines(self) -> None:
        node = self.parameterNode.segmentation if self.parameterNode else None
        if node is self._observed:
            return
        self.removeObservers(self.onOutlinesChanged)
        if self._observed is not None:
            # Other outlines were chosen: which of them are lesions is an open question again.
            self.parameterNode.lesionsChosen = False
        self._observed = node
        if node is None:
            return
        segmentation = node.GetSegmentation()
        events = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")
        for event in events:
            self.addObserver(segmentation, getattr(segmentation, event), self.onOutlinesChanged)
        self.logic.updateLesionSegments(self.parameterNode)

    def _readAssessment(self) -> None:
        from spinemet.errors import SpineMetError

        self._assessment, self._stale = None, ()
        if self.parameterNode is None:
            return
        try:
            self._assessment = self.logic.assessment(self.parameterNode)
            self._stale = self.logic.stale(self.parameterNode)
        except SpineMetError as error:
            self.host.showMessage(str(error))

    def _level(self) -> Any:
        """The level that is shown, None before any was chosen."""
        name = self.panelState.level if self.panelState else ""
        levels = self._assessment.levels if self._assessment is not None else ()
        return next((item for item in levels if item.level.value == name), None)

    def _finding(self, component: str) -> Any:
        level = self._level()
        return level.sins.components[component] if level is not None and level.sins is not None else None

    def _override(self) -> Any:
        """The override of the component that was touched last, None when it has none."""
        level = self._level()
        if level is None or not self._component:
            return None
        return self.logic.answers(self.parameterNode).at(level.level).overrides.get(self._component)

    def _evidencePosition(self) -> Any:
        level = self._level()
        if level is None:
            return None
        findings = level.sins.components.values() if level.sins is not None else ()
        return level.position or next((item.position for item in findings if item.position), None)

    def _chooseWorst(self) -> None:
        assessment = self.logic.assessment(self.parameterNode)
        levels = {item.level.value for item in assessment.scored}
        if self.panelState.level not in levels and assessment.worst is not None:
            self.panelState.level = assessment.worst.level.value

    # What is shown

    def _showInputs(self) -> None:
        import qt

        ui, node = self.ui, self.parameterNode
        missing = self.logic.whatIsMissing(node)
        ui.assessButton.enabled = not missing
        ui.assessButton.toolTip = missing or _("Measure every vertebra and score every one that a lesion involves.")
        ui.assessButton.text = _("Assess again") if self._assessment is not None else _("Assess")
        ui.hintLabel.text = missing or self._hint()
        ui.hintLabel.visible = bool(ui.hintLabel.text)
        ui.lesionList.clear()
        ui.levelsConfirmedCheckBox.enabled = node is not None
        ui.levelsConfirmedCheckBox.checked = node is not None and self.logic.answers(node).levels_confirmed
        if node is None or not node.segmentation:
            return
        segmentation = node.segmentation.GetSegmentation()
        candidates = self.logic.lesionCandidates(node.segmentation)
        for segmentID in sorted(candidates, key=lambda key: not candidates[key]):
            segment = segmentation.GetSegment(segmentID)
            item = qt.QListWidgetItem(_icon([int(255 * channel) for channel in segment.GetColor()]), segment.GetName())
            item.setData(qt.Qt.UserRole, segmentID)
            item.setCheckState(qt.Qt.Checked if segmentID in node.lesionSegmentIDs else qt.Qt.Unchecked)
            ui.lesionList.addItem(item)
        _fitRows(ui.lesionList, ui.lesionList.count, _LESIONS_IN_SIGHT)

    def _hint(self) -> str:
        if self._assessment is not None and self._stale:
            return _("Outdated: {inputs} changed since. Your answers are kept; press Assess again.").format(
                inputs=", ".join(self._stale)
            )
        if not list(self.parameterNode.lesionSegmentIDs):
            return _("No lesion is checked: levels will be measured, and none scored.")
        return ""

    def _showResult(self) -> None:
        ui, assessment = self.ui, self._assessment
        ui.resultFrame.visible = assessment is not None
        if assessment is None:
            return
        ui.summaryLabel.text = _summary(assessment)
        table = ui.levelTable
        rows = [item for item in assessment.levels if self.panelState.showAll or item.status.value != "not imaged"]
        table.blockSignals(True)
        table.rowCount = len(rows)
        for row, item in enumerate(rows):
            self._fillRow(row, item, item is assessment.worst)
        _fitRows(table, len(rows) + 1, _LEVELS_IN_SIGHT)
        names = [item.level.value for item in rows]
        if self.panelState.level in names:
            table.setCurrentCell(names.index(self.panelState.level), _LEVEL)
        table.blockSignals(False)

    def _fillRow(self, row: int, item: Any, worst: bool) -> None:
        import qt

        table = self.ui.levelTable
        texts = [item.level.value, "", item.status.value, ""]
        tips = [item.level.title, "", item.reason, ""]
        color = None
        if item.sins is not None:
            color = _color(item.sins.category)
            texts[1:] = [_totals(item.sins), _category(item.sins), _points(item.sins)]
            tips[1:] = [_allTotals(item.sins), _openQuestions(item.sins), _namedPoints(item.sins)]
        gray = qt.QBrush(qt.QColor(128, 128, 128))
        for column, (text, tip) in enumerate(zip(texts, tips, strict=True)):
            cell = qt.QTableWidgetItem(text)
            cell.setToolTip(tip)
            if item.sins is None or item.sins.category is None:
                cell.setForeground(gray)
            if color is not None and column == _CATEGORY:
                cell.setIcon(_icon(color))
            if worst:
                font = cell.font()
                font.setBold(True)
                cell.setFont(font)
            table.setItem(row, column, cell)

    def _showLevel(self) -> None:
        ui, level = self.ui, self._level()
        scored = level is not None and level.sins is not None
        ui.detailFrame.visible = level is not None
        for name in ("Label", "ComboBox", "PointsLabel", "SourceLabel", "EvidenceButton"):
            for component in COMPONENTS:
                self._widget(component, name).visible = scored
        for widget in (ui.readerLabel, ui.readerEdit, ui.reasonLabel, ui.reasonEdit):
            widget.visible = scored
        if level is None:
            return
        status = _category(level.sins) if scored else level.status.value
        total = _(", SINS {total}").format(total=_totals(level.sins)) if scored else ""
        open_ = f" – {_openQuestions(level.sins)}" if scored and level.sins.unknown else ""
        ui.detailTitle.text = f"{level.level.value}{total}: {status}{open_}"
        if scored:
            for component in COMPONENTS:
                self._showComponent(component, level.sins.components[component])
            self._showReason()
        ui.evidenceLabel.text = self._evidenceText(level)

    def _showComponent(self, component: str, finding: Any) -> None:
        from spinemet.scores import sins

        answers = self.logic.answers(self.parameterNode).at(self._level().level)
        combo = self._widget(component, "ComboBox")
        combo.clear()
        combo.addItem(self._openEntry(component, finding), "")
        for option, points in sins.OPTIONS[component].items():
            combo.addItem(f"{option} ({points})", option)
        if component in ASKED:
            chosen = getattr(answers, component)
        else:
            override = answers.overrides.get(component)
            named = {points: option for option, points in reversed(sins.OPTIONS[component].items())}
            chosen = named[override.points] if override else None
        combo.currentIndex = max(0, combo.findData(chosen)) if chosen else 0
        combo.toolTip = finding.threshold or finding.reason
        near = "≈ " if finding.near_threshold else ""
        self._widget(component, "PointsLabel").text = near + "/".join(str(points) for points in finding.possible)
        self._widget(component, "SourceLabel").text = finding.source.value
        self._widget(component, "SourceLabel").toolTip = ", ".join(filter(None, (finding.reader, finding.reason)))
        button = self._widget(component, "EvidenceButton")
        button.toolTip = _("Show the evidence here and in all slice views.")

    def _openEntry(self, component: str, finding: Any) -> str:
        """The first entry of a pick-list: nobody answered, or what was measured."""
        if component in ASKED:
            return _("not asked yet")
        if finding.suggested is not None:
            return _("back to {what}").format(what=_suggestion(finding.suggested))
        return _suggestion(finding)

    def _showReason(self) -> None:
        override = self._override()
        self.ui.reasonEdit.enabled = override is not None
        self.ui.reasonEdit.text = override.reason if override is not None else ""
        if override is not None:
            name = self._widget(self._component, "Label").text
            tip = _("Why {component} was changed; optional.").format(component=name.lower())
        else:
            tip = _("Pick another value for a measured component first; then the reason can be given here.")
        self.ui.reasonEdit.toolTip = tip
        self.ui.reasonEdit.placeholderText = tip if override is not None else _("for a changed component")

    def _evidenceText(self, level: Any) -> str:
        finding = self._finding(self._component) if self._component else None
        if finding is None:
            lines = [level.reason, *(f"{item.name}: {item.text()}" for item in level.measurements)]
        else:
            lines = [f"{item.name}: {item.text()}" for item in finding.measurements]
            lines += [finding.threshold, *finding.limits, finding.reason]
            if finding.suggested is not None:
                lines.append(_("Suggested: {what}").format(what=_suggestion(finding.suggested)))
        return "\n".join(filter(None, lines))

    def _showReport(self) -> None:
        ui = self.ui
        ui.reportFrame.visible = self._assessment is not None
        folder = self.panelState.reportFolder if self.panelState else ""
        if ui.reportFolderEdit.currentPath != folder:
            ui.reportFolderEdit.currentPath = folder
        waits = ""
        if self._stale:
            waits = _("The inputs changed: assess again first.")
        elif not folder:
            waits = _("Choose the folder to write to first.")
        ui.exportButton.enabled = not waits
        ui.exportButton.toolTip = waits or _("Write assessment.json and report.html to this folder.")

    def _widget(self, component: str, kind: str) -> Any:
        """The widget of a component's row; "bone_lesion" is boneLesion… in the .ui."""
        first, *rest = component.split("_")
        return getattr(self.ui, first + "".join(word.capitalize() for word in rest) + kind)


def _fitRows(view: Any, rows: int, most: int) -> None:
    """Make a list or table as high as its rows, so that neither empty space nor a short scroll remains."""
    height = 8 + 22 * max(1, min(rows, most))
    view.minimumHeight = height
    view.maximumHeight = height


def _icon(rgb: Any) -> Any:
    import qt

    pixmap = qt.QPixmap(12, 12)
    pixmap.fill(qt.QColor(*rgb))
    return qt.QIcon(pixmap)


def _color(category: Any) -> list[int]:
    from spinemet.colors import GRADE_COLORS

    return [round(255 * channel) for channel in GRADE_COLORS[category]]


def _category(result: Any) -> str:
    return result.category.value if result.category is not None else _("undecided")


def _totals(result: Any) -> str:
    totals = result.possible_totals
    if len(totals) > _TOTALS_LISTED:
        return f"{totals[0]}–{totals[-1]}"
    return ", ".join(str(total) for total in totals)


def _allTotals(result: Any) -> str:
    if len(result.possible_totals) == 1:
        return ""
    return _("Still possible: {totals}").format(totals=", ".join(str(total) for total in result.possible_totals))


def _openQuestions(result: Any) -> str:
    open_ = [component.replace("_", " ") for component in result.unknown]
    return _("unknown: {components}").format(components=", ".join(open_)) if open_ else "; ".join(result.limits)


def _points(result: Any) -> str:
    return " ".join(str(item.points) if item.known else "?" for item in result.components.values())


def _namedPoints(result: Any) -> str:
    pairs = ((name.replace("_", " "), item.points) for name, item in result.components.items())
    return "\n".join(f"{name}: {points if points is not None else '?'}" for name, points in pairs)


def _suggestion(finding: Any) -> str:
    if not finding.known:
        return _("unknown")
    return f"{finding.label} ({finding.points})"


def _summary(assessment: Any) -> str:
    worst = assessment.worst
    if worst is None:
        return _("No level is scored: no outlined lesion lies in an outlined vertebra.")
    text = _("Worst: {level}, SINS {total}, {category}").format(
        level=worst.level.value, total=_totals(worst.sins), category=_category(worst.sins)
    )
    return text if assessment.numbering.confirmed else text + _(" (levels unconfirmed)")
