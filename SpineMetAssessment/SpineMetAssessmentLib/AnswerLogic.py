"""AnswerLogic: what people answer, override and confirm, with undo; nodes in, no widget."""

import json
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart

ASKED = ("pain", "alignment")
"""Components that only a person answers; all others are measured and may be overridden."""
_STEPS_KEPT = 100


class AnswerLogic(LogicPart):
    """Every change is one step of undo; the steps of one reader are never undone by another."""

    def forget(self) -> None:
        super().forget()
        # (parameter node's ID, reader, answers before, answers after), the last step last.
        self._undo: list[tuple[str, str, str, str]] = []
        self._redo: list[tuple[str, str, str, str]] = []

    def answers(self, parameterNode: Any) -> Any:
        """What people said so far, a spinemet Answers."""
        from spinemet.answers import Answers
        from spinemet.errors import BadInput

        if not parameterNode.answers:
            return Answers()
        try:
            return Answers.from_json(json.loads(parameterNode.answers))
        except ValueError as error:
            raise BadInput(_("The answers stored in this scene are damaged; load the scene again.")) from error

    def setAnswer(
        self,
        parameterNode: Any,
        level: str,
        component: str,
        option: str,
        *,
        reason: str = "",
        reader: str = "",
    ) -> None:
        """Keep what a person picked for a SINS component of a level.

        :param option: one of `sins.OPTIONS[component]`; empty takes the answer back.
        """
        from spinemet.answers import Override
        from spinemet.scores import sins

        points = sins.points_of(component, option) if option else None
        reader = reader or parameterNode.reader

        def change(said: Any) -> dict[str, Any]:
            if component in ASKED:
                return {component: option or None, "reader": reader}
            overrides = {key: item for key, item in said.overrides.items() if key != component}
            if points is not None:
                overrides[component] = Override(points, reason, reader)
            return {"overrides": overrides}

        self._change(parameterNode, level, change)

    def setReason(self, parameterNode: Any, level: str, component: str, reason: str) -> None:
        """Give the reason for an override that stands already."""
        from dataclasses import replace

        def change(said: Any) -> dict[str, Any]:
            if component not in said.overrides:
                return {}
            return {"overrides": {**said.overrides, component: replace(said.overrides[component], reason=reason)}}

        self._change(parameterNode, level, change)

    def setTreatment(self, parameterNode: Any, level: str, treatment: str, date: str = "") -> None:
        """Keep what was done at a level before these images.

        :param treatment: one of `spinemet.answers.TREATMENTS`; "" while nobody asked.
        :param date: ISO, as precise as known.
        """
        self._change(parameterNode, level, lambda said: {"treatment": treatment or None, "treatment_date": date})

    def setInstrumented(self, parameterNode: Any, level: str, instrumented: bool) -> None:
        """Keep that a level holds hardware or cement: it is not scored, and never a reference."""
        self._change(parameterNode, level, lambda said: {"instrumented": instrumented})

    def setInvolved(self, parameterNode: Any, level: str, involved: bool) -> None:
        """Keep that a lesion is at a level though none is outlined: the level is scored by pick-lists."""
        self._change(parameterNode, level, lambda said: {"involved": involved})

    def setMeasurements(self, parameterNode: Any, hands: dict[tuple[str, str], Any]) -> None:
        """Keep a person's measurements in place of computed ones, as one step of undo.

        :param hands: a spinemet HandMeasurement by level and name; None gives the computed value back.
        """
        from spinemet.levels import Level

        answers = self.answers(parameterNode)
        for (level, name), hand in hands.items():
            place = Level.parse(level)
            kept = {key: item for key, item in answers.at(place).measurements.items() if key != name}
            answers = answers.with_level(place, measurements=kept if hand is None else {**kept, name: hand})
        self._keep(parameterNode, answers)

    def setPatientAnswers(self, parameterNode: Any, **changes: Any) -> None:
        """Keep answers about the patient: `primary` (words), `kps` (10 … 100 or None), `neurology` (A … E or None)."""
        from dataclasses import replace

        self._keep(parameterNode, replace(self.answers(parameterNode), **changes))

    def setLevelsConfirmed(self, parameterNode: Any, confirmed: bool) -> None:
        """Keep whether a person confirmed the numbering of the vertebrae."""
        from dataclasses import replace

        self._keep(parameterNode, replace(self.answers(parameterNode), levels_confirmed=confirmed))

    def confirm(self, parameterNode: Any, item: Any, confirmed: bool = True) -> None:
        """Keep that a person agrees with every known component of a level, or takes that back.

        :param item: the LevelAssessment that is agreed with; a component that changes later is open again.
        """
        findings = item.sins.components if item.sins is not None else {}
        points = {name: found.points for name, found in findings.items() if found.known} if confirmed else {}
        by = parameterNode.reader if confirmed else ""
        self._change(parameterNode, item.level.value, lambda said: {"confirmed": points, "confirmed_by": by})

    def mark(self, parameterNode: Any, item: Any) -> str:
        """The mark of a level: ✓ a person said or confirmed all components, ? one is open, · suggested; "" without."""
        if item.sins is None:
            return ""
        if item.sins.unknown:
            return "?"
        said = self.answers(parameterNode).at(item.level)
        sure = all(self.isConfirmed(said, found) for found in item.sins.components.values())
        return "✓" if sure else "·"

    def isConfirmed(self, said: Any, found: Any) -> bool:
        """Whether a person said or confirmed a finding."""
        if found.source.value in ("entered", "overridden"):
            return True
        return found.known and said.confirmed.get(found.component) == found.points

    # Undo

    def undoWhat(self, parameterNode: Any) -> str:
        """Why nothing can be undone, in a sentence; empty when something can."""
        return "" if self._fits(self._undo, parameterNode, 3) else _("No answer to take back.")

    def redoWhat(self, parameterNode: Any) -> str:
        """Why nothing can be redone, in a sentence; empty when something can."""
        return "" if self._fits(self._redo, parameterNode, 2) else _("No answer was taken back.")

    def undo(self, parameterNode: Any) -> None:
        """Take the last change of answers back."""
        if self._fits(self._undo, parameterNode, 3):
            step = self._undo.pop()
            self._redo.append(step)
            parameterNode.answers = step[2]

    def redo(self, parameterNode: Any) -> None:
        """Make the change of answers again that was taken back last."""
        if self._fits(self._redo, parameterNode, 2):
            step = self._redo.pop()
            self._undo.append(step)
            parameterNode.answers = step[3]

    def _fits(self, steps: list[tuple[str, str, str, str]], parameterNode: Any, place: int) -> bool:
        """Whether the last step starts from what stands there now, and is this reader's."""
        if parameterNode is None or not steps:
            return False
        node, reader = steps[-1][:2]
        mine = (node, reader) == (parameterNode.parameterNode.GetID(), parameterNode.reader)
        return mine and steps[-1][place] == parameterNode.answers

    def _change(self, parameterNode: Any, level: str, change: Callable[[Any], dict[str, Any]]) -> None:
        from spinemet.levels import Level

        answers, place = self.answers(parameterNode), Level.parse(level)
        self._keep(parameterNode, answers.with_level(place, **change(answers.at(place))))

    def _keep(self, parameterNode: Any, answers: Any) -> None:
        before, after = parameterNode.answers, json.dumps(answers.to_json(), ensure_ascii=False)
        if answers == self.answers(parameterNode):
            return
        self._undo = [*self._undo, (parameterNode.parameterNode.GetID(), parameterNode.reader, before, after)]
        self._undo = self._undo[-_STEPS_KEPT:]
        self._redo = []
        parameterNode.answers = after
