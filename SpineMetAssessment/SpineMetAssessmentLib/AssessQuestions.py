"""AssessQuestions: what is asked about the patient, and about earlier treatment at the level that is shown."""

from typing import Any

from slicer.i18n import tr as _


class AssessQuestions:
    """Primary tumor, performance status, neurology; treatment, its date, and hardware.

    :param panel: the AssessPanel, which keeps the answers.
    """

    def __init__(self, panel: Any) -> None:
        import ctk

        from spinemet.answers import FRANKEL, KPS, TREATMENTS

        self._panel = panel
        self._filling = False
        ui = panel.ui
        for combo, values in (
            (ui.kpsComboBox, [(str(value), value) for value in KPS]),
            (ui.neurologyComboBox, [(value, value) for value in FRANKEL]),
            (ui.treatmentComboBox, [(value, value) for value in TREATMENTS]),
        ):
            combo.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
            combo.addItem("?" if combo is not ui.treatmentComboBox else _("not asked yet"), "")
            for text, value in values:
                combo.addItem(text, value)
        ui.primaryEdit.editingFinished.connect(self.onPrimary)
        ui.kpsComboBox.activated.connect(self.onKps)
        ui.neurologyComboBox.activated.connect(self.onNeurology)
        ui.treatmentComboBox.activated.connect(self.onTreatment)
        ui.treatmentDateEdit.editingFinished.connect(self.onTreatment)
        ui.instrumentedCheckBox.toggled.connect(self.onInstrumented)

    def onPrimary(self) -> None:
        text = self._panel.ui.primaryEdit.text.strip()
        if self._mayAnswer() and text != self._answers().primary:
            self._panel.answer(self._panel.logic.setPatientAnswers, primary=text)

    def onKps(self, index: int) -> None:
        value = self._panel.ui.kpsComboBox.itemData(index)
        if self._mayAnswer():
            self._panel.answer(self._panel.logic.setPatientAnswers, kps=int(value) if value else None)

    def onNeurology(self, index: int) -> None:
        value = self._panel.ui.neurologyComboBox.itemData(index)
        if self._mayAnswer():
            self._panel.answer(self._panel.logic.setPatientAnswers, neurology=str(value) if value else None)

    def onTreatment(self, *_index: Any) -> None:
        ui, level = self._panel.ui, self._panel.level()
        if not self._mayAnswer() or level is None:
            return
        treatment = str(ui.treatmentComboBox.itemData(ui.treatmentComboBox.currentIndex) or "")
        date = ui.treatmentDateEdit.text.strip() if treatment not in ("", "none") else ""
        said = self._answers().at(level.level)
        if (treatment or None, date) != (said.treatment, said.treatment_date):
            self._panel.answer(self._panel.logic.setTreatment, level.level.value, treatment, date)

    def onInstrumented(self, checked: bool) -> None:
        level = self._panel.level()
        if self._mayAnswer() and level is not None:
            self._panel.answer(self._panel.logic.setInstrumented, level.level.value, checked)

    def show(self) -> None:
        """Show what was answered."""
        ui, node = self._panel.ui, self._panel.parameterNode
        ui.patientFrame.visible = node is not None and bool(node.referenceVolume)
        if node is None:
            return
        answers = self._answers()
        self._filling = True
        ui.primaryEdit.text = answers.primary
        _choose(ui.kpsComboBox, answers.kps)
        _choose(ui.neurologyComboBox, answers.neurology)
        level = self._panel.level()
        if level is not None:
            said = answers.at(level.level)
            _choose(ui.treatmentComboBox, said.treatment)
            ui.treatmentDateEdit.text = said.treatment_date
            ui.treatmentDateEdit.enabled = said.treatment not in (None, "none")
            ui.treatmentDateEdit.toolTip = (
                _("When, as year-month-day or as much of it as is known.")
                if ui.treatmentDateEdit.enabled
                else _("Pick the treatment first.")
            )
            ui.instrumentedCheckBox.checked = bool(said.instrumented)
        self._filling = False

    def _mayAnswer(self) -> bool:
        return not self._filling and self._panel.parameterNode is not None

    def _answers(self) -> Any:
        return self._panel.logic.answers(self._panel.parameterNode)


def _choose(combo: Any, value: Any) -> None:
    combo.currentIndex = max(0, combo.findData(value)) if value else 0
