"""ReportLogic: the assessment as files for people and programs, and as text for the RIS; nodes in, no widget."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib import AssessWords
from SpineMetAssessmentLib.LogicPart import LogicPart

FILES = {"assessment": "assessment.json", "report": "report.html", "scene": "scene.mrb"}


class ReportLogic(LogicPart):
    """Exports and texts."""

    def whyNoReport(self, parameterNode: Any) -> str:
        """What reporting waits for, in a sentence; empty when it can start."""
        if parameterNode is None or self.assessment(parameterNode) is None:
            return _("There is nothing to report yet; press Assess first.")
        if self.stale(parameterNode):
            return _("The image or the outlines changed since the assessment; press Assess again.")
        return ""

    def exportReport(
        self,
        parameterNode: Any,
        folder: str,
        progress: Any = None,
        content: Collection[str] = ("assessment", "report"),
    ) -> dict[str, Path]:
        """Write the chosen files to a folder, all or none; return their paths by name.

        :param content: any of "assessment" (JSON), "report" (HTML) and "scene" (MRB).
        :raises spinemet.errors.SpineMetError: nothing assessed yet, inputs changed, or the folder cannot be written.
        """
        from spinemet import scene
        from spinemet.errors import BadInput
        from spinemet.files import written_folder
        from spinemet.progress import part
        from spinemet.report import write_report

        missing = self.whyNoReport(parameterNode)
        if missing:
            raise BadInput(missing)
        if not content:
            raise BadInput(_("Choose what to write: report, data or scene."))
        assessment = self.completed(parameterNode)
        with written_folder(folder) as temporary:
            if "assessment" in content:
                assessment.save(temporary / FILES["assessment"])
            if "report" in content:
                image, ref, vertebrae, lesions = self._pictured(parameterNode)
                write_report(
                    assessment,
                    temporary,
                    image=image,
                    ref=ref,
                    vertebrae=vertebrae,
                    lesions=lesions if lesions.present else None,
                    progress=part(progress, 0.0, 0.8),
                )
            if "scene" in content:
                part(progress, 0.8, 1.0)(0.0, _("Writing the scene"))
                scene.save_scene(slicer.mrmlScene, temporary / FILES["scene"])
        return {name: Path(folder) / FILES[name] for name in FILES if name in content}

    def _pictured(self, parameterNode: Any) -> Any:
        """Image, its reference and outlines for the pictures; the outlines are empty where there are none."""
        import numpy as np

        from spinemet.labelmap import LabelMap
        from spinemet.scene import image_from_volume

        if parameterNode.segmentation:
            return self._readInputs(parameterNode)
        volume = parameterNode.referenceVolume
        image = image_from_volume(volume)
        empty = LabelMap(image.with_array(np.zeros(image.shape, np.uint8)), {})
        return image, self.roleOf(volume).ref, empty, empty

    def risText(self, parameterNode: Any, *, preview: bool = False) -> str:
        """The assessment as plain text for the RIS.

        :param preview: only to look at: details that are measured right now may be missing.
        :raises spinemet.errors.BadInput: nothing assessed yet, or the inputs changed since.
        """
        from spinemet.errors import BadInput
        from spinemet.report.ris_text import ris_text

        missing = self.whyNoReport(parameterNode)
        if missing:
            raise BadInput(missing)
        return ris_text(self.assessment(parameterNode) if preview else self.completed(parameterNode))

    def answerLine(self, parameterNode: Any) -> str:
        """The answer in one line: the worst level with its SINS, or what is still open."""
        assessment = self.assessment(parameterNode) if parameterNode is not None else None
        if assessment is None:
            return _("Not assessed yet")
        worst = assessment.worst
        if worst is None:
            return _("No level is scored")
        category = AssessWords.category(worst.sins)
        line = _("Worst: {level}  SINS {total} {category}").format(
            level=worst.level.value, total=AssessWords.totals(worst.sins), category=category
        )
        if self.stale(parameterNode):
            return line + _(" (outdated)")
        return line if assessment.numbering.confirmed else line + _(" (levels unconfirmed)")

    def worstPlace(self, parameterNode: Any) -> tuple[str, Any] | None:
        """Level and position (RAS, mm) of the worst SINS, else of the worst ESCC; None where neither has a place."""
        assessment = self.assessment(parameterNode) if parameterNode is not None else None
        if assessment is None:
            return None
        if assessment.worst is not None and assessment.worst.position is not None:
            return assessment.worst.level.value, assessment.worst.position
        canal = assessment.epidural.worst if assessment.epidural is not None else None
        return (canal.escc.level.value, canal.position) if canal is not None and canal.position is not None else None
