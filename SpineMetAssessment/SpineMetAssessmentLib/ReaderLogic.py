"""ReaderLogic: several readers on one study, each with answers of their own; nodes in, no widget."""

import json
from typing import Any

from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart


class ReaderLogic(LogicPart):
    """Who reads now, and what the others said."""

    def setReader(self, parameterNode: Any, name: str, blinded: bool = False) -> None:
        """Change the reader; what the reader before said is kept under that name.

        A reader who was here before finds their own answers again. A new one starts with what stands there, or,
        blinded, with no answers at all.
        """
        name = name.strip()
        before = parameterNode.reader
        if name == before:
            return
        readings = self.readings(parameterNode)
        if before and parameterNode.answers:
            readings[before] = parameterNode.answers
        fresh = "" if blinded and before else parameterNode.answers
        answers = readings.pop(name, fresh)
        parameterNode.readings = json.dumps(readings, ensure_ascii=False)
        parameterNode.reader = name
        parameterNode.answers = answers

    def readings(self, parameterNode: Any) -> dict[str, str]:
        """The other readers' answers, as JSON texts by reader.

        :raises spinemet.errors.BadInput: what the scene holds is damaged.
        """
        from spinemet.errors import BadInput

        try:
            found = json.loads(parameterNode.readings or "{}")
        except ValueError as error:
            raise BadInput(_("The other readers' answers in this scene are damaged; load the scene again.")) from error
        return {str(name): str(answers) for name, answers in found.items()}
