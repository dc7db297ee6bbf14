"""StudyLogic: which volumes stand for what, whose they are, and when they were taken; nodes in, no widget."""

from dataclasses import dataclass, replace
from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart

ROLE_REASON, REFUSAL = "SpineMet.RoleReason", "SpineMet.Refusal"
"""Node attributes: why a volume has its role, and why nothing may be measured in it."""
SHOWN_ROLES = ("CT", "T2", "T1+Gd", "PET")
"""Named in the study line whether they are there or not."""


@dataclass(frozen=True)
class VolumeRole:
    """What a volume stands for.

    :param ref: a spinemet ImageRef.
    :param reason: why, in a few words.
    :param refusal: why nothing may be measured in it; "" when it may.
    """

    ref: Any
    reason: str
    refusal: str = ""

    @property
    def role(self) -> Any:
        return self.ref.role


class StudyLogic(LogicPart):
    """Roles with their reasons, patient and time point, and the lines at the top of the module."""

    def forget(self) -> None:
        super().forget()
        self._headers: dict[str, Any] = {}

    def volumes(self) -> list[Any]:
        """The scene's images; label maps and hidden volumes are none."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return [node for node in nodes if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()]

    def roleOf(self, volume: Any) -> VolumeRole:
        """What a volume stands for: as a person chose, else its DICOM header, its name, its values; else unknown."""
        from spinemet.case import Role
        from spinemet.scene import ref_from_volume

        refusal = volume.GetAttribute(REFUSAL) or ""
        ref = ref_from_volume(volume)
        if ref is not None:
            reason = volume.GetAttribute(ROLE_REASON) or _("named when it was loaded by SpineMet")
            return VolumeRole(ref, reason, refusal)
        series = self._seriesOf(volume)
        if series is not None and series.ref.role is not Role.UNKNOWN:
            reasons = series.judgments[0].reasons if series.judgments else ()
            return VolumeRole(series.ref, reasons[0] if reasons else _("its DICOM header"), refusal)
        ref = series.ref if series is not None else self._unnamed(volume)
        role, reason = self._guess(volume)
        return VolumeRole(replace(ref, role=role), reason, refusal)

    def setRole(self, volume: Any, role: str) -> None:
        """Keep what a person says that a volume stands for.

        :param role: one of the values of `spinemet.case.Role`.
        """
        from spinemet.case import Role
        from spinemet.scene.volumes import set_ref

        set_ref(volume, replace(self.roleOf(volume).ref, role=Role(role)))
        volume.SetAttribute(ROLE_REASON, _("chosen by you"))

    def roles(self) -> list[str]:
        """What a person may choose, the unknown first."""
        from spinemet.case import Role

        known = [role for role in Role if role.is_image and role not in (Role.UNKNOWN, Role.LOCALIZER)]
        return [role.value for role in (Role.UNKNOWN, *known)]

    def whyNotMeasurable(self, volume: Any) -> str:
        """Why nothing may be measured in a volume, in a sentence; empty when it may."""
        from spinemet.case import Role

        found = self.roleOf(volume)
        if found.refusal:
            return found.refusal
        if found.role is Role.UNKNOWN:
            return _("Nothing says what {name} is; choose its role in Study.").format(name=volume.GetName())
        return ""

    def patient(self, volume: Any) -> Any:
        """Whose image it is, a spinemet Patient; all fields are empty where nothing says so."""
        from spinemet.case import Patient
        from spinemet.study.identity import patient

        constants = slicer.vtkMRMLSubjectHierarchyConstants
        item = self._ancestor(volume, constants.GetDICOMLevelPatient())
        if item:
            hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
            names = {
                "patient_id": constants.GetDICOMPatientIDAttributeName(),
                "name": constants.GetDICOMPatientNameAttributeName(),
                "sex": constants.GetDICOMPatientSexAttributeName(),
                "birth_date": constants.GetDICOMPatientBirthDateAttributeName(),
            }
            said = {key: hierarchy.GetItemAttribute(item, name) or "" for key, name in names.items()}
            if any(said.values()):
                said["birth_date"] = isoDate(said["birth_date"])
                said["sex"] = said["sex"] if said["sex"] in ("M", "F", "O") else ""
                return Patient(**said)
        series = self._seriesOf(volume)
        return patient(series.files) if series is not None and series.files else Patient()

    def date(self, volume: Any) -> str:
        """When an image was taken (ISO), "" where nothing says so."""
        constants = slicer.vtkMRMLSubjectHierarchyConstants
        item = self._ancestor(volume, constants.GetDICOMLevelStudy())
        name = constants.GetDICOMStudyDateAttributeName()
        studied = slicer.mrmlScene.GetSubjectHierarchyNode().GetItemAttribute(item, name) if item else ""
        return self.roleOf(volume).ref.date or isoDate(studied or "")

    def timePoint(self, parameterNode: Any) -> Any:
        """The time point of a parameter node, a spinemet TimePoint: its label, and the date of its reference image."""
        from spinemet.case import TimePoint

        volume = parameterNode.referenceVolume
        return TimePoint(date=self.date(volume) if volume else "", label=parameterNode.timePoint or "baseline")

    def studyVolumes(self, parameterNode: Any) -> list[Any]:
        """The volumes of the reference image's patient; those of which nothing is known are among them."""
        reference = parameterNode.referenceVolume
        if not reference:
            return self.volumes()
        own = self.patient(reference).patient_id
        known = [(node, self.patient(node).patient_id) for node in self.volumes()]
        return [node for node, number in known if not (own and number and number != own)]

    def warnings(self, parameterNode: Any) -> list[str]:
        """Sentences on the study as a whole: volumes of several patients, CT and MRI far apart in time."""
        from spinemet.case import Role
        from spinemet.study.timepoints import PAIR_WARNING_DAYS

        found = []
        if len({self.patient(node).patient_id for node in self.volumes()} - {""}) > 1:
            found.append(_("The scene holds images of several patients; those of others are left out."))
        chosen = self.studyVolumes(parameterNode)
        ct = [self.date(node) for node in chosen if self.roleOf(node).role is Role.CT]
        mr = [self.date(node) for node in chosen if self.roleOf(node).role.is_mr]
        days = [abs(_days(a) - _days(b)) for a in filter(None, ct) for b in filter(None, mr)]
        if days and min(days) > PAIR_WARNING_DAYS:
            found.append(_("CT and MRI lie {n} days apart; they may show different states.").format(n=min(days)))
        return found

    def studyLine(self, parameterNode: Any) -> str:
        """One line: the time point, its date, and which images are there."""
        if parameterNode is None or not self.volumes():
            return _("No study yet")
        when = self.timePoint(parameterNode)
        there = {self.roleOf(node).role.value for node in self.studyVolumes(parameterNode)}
        others = sorted(there - {*SHOWN_ROLES, "unknown"})
        # A line may end between two roles, not between a role and its mark.
        marks = [f"{role}\u00a0{'✓' if role in there else '–'}" for role in (*SHOWN_ROLES, *others)]
        return f"{_named(when.label)} {when.date or _('date unknown')}   " + "  ".join(marks)

    def selectDefaults(self, parameterNode: Any) -> None:
        """Choose the first outlines and their volume where nothing is chosen, to save clicks."""
        if not parameterNode.segmentation:
            parameterNode.segmentation = self._firstOutlines(parameterNode)
        if not parameterNode.referenceVolume:
            node = parameterNode.segmentation
            volume = _drawnOn(node) if node else None
            parameterNode.referenceVolume = volume if volume in self.volumes() else self._firstReference()
        self.updateLesionSegments(parameterNode)

    def _firstOutlines(self, parameterNode: Any) -> Any:
        """The first segmentation on the chosen image; never that of another time point, which shows another state."""
        others = [self.wrap(node) for node in self.getAllParameterNodes() if node is not parameterNode.parameterNode]
        taken = [other.segmentation for other in others]
        reference = parameterNode.referenceVolume
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            if node.GetHideFromEditors() or node in taken:
                continue
            if not reference or _drawnOn(node) in (None, reference):
                return node
        return None

    def _firstReference(self) -> Any:
        """The first CT, else the first T2, else the only volume; None where it would be a guess."""
        from spinemet.case import Role

        volumes = self.volumes()
        for wanted in (Role.CT, Role.T2):
            for node in volumes:
                if self.roleOf(node).role is wanted:
                    return node
        return volumes[0] if len(volumes) == 1 else None

    def _guess(self, volume: Any) -> tuple[Any, str]:
        from spinemet.case import Role
        from spinemet.study.names import CT_HIGH_HU, CT_LOW_HU, role_of_text

        role = role_of_text(volume.GetName() or "")
        if role is not Role.UNKNOWN:
            return role, _("its name says so")
        data = volume.GetImageData()
        if data is not None and data.GetPointData().GetScalars() is not None:
            low, high = data.GetScalarRange()
            if low <= CT_LOW_HU and high >= CT_HIGH_HU:
                return Role.CT, _("its values, from {low:g} to {high:g}, are Hounsfield units").format(
                    low=low, high=high
                )
        return Role.UNKNOWN, _("nothing says what it is; choose its role")

    def _unnamed(self, volume: Any) -> Any:
        from spinemet.case import ImageRef, Role

        return ImageRef(key=volume.GetID(), role=Role.UNKNOWN, frame=volume.GetID())

    def _seriesOf(self, volume: Any) -> Any:
        """What the header of a volume's first DICOM file says, a spinemet Series; None when there is none to read."""
        from spinemet.study.dicom import read_dicom
        from spinemet.study.dicom_files import read_headers
        from spinemet.study.sources import source_of

        uids = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
        database = getattr(slicer, "dicomDatabase", None)
        if not uids or database is None:
            return None
        if uids[0] not in self._headers:
            path = database.fileForInstance(uids[0])
            files = read_headers([source_of(_path(path))])[0] if path and _path(path).is_file() else []
            series = read_dicom(files)[0] if files else []
            self._headers[uids[0]] = series[0] if series else None
        return self._headers[uids[0]]

    def _ancestor(self, volume: Any, level: str) -> int:
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        item = hierarchy.GetItemByDataNode(volume) if hierarchy and volume else 0
        return int(hierarchy.GetItemAncestorAtLevel(item, level)) if item else 0


def _drawnOn(segmentation: Any) -> Any:
    """The volume on which outlines were drawn, None where nothing says so."""
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())


def _path(text: str) -> Any:
    from pathlib import Path

    return Path(text)


def isoDate(text: str) -> str:
    """A date as DICOM or Slicer's database write it, as an ISO date; "" when it is none."""
    from spinemet.study.dicom_files import iso_date

    return iso_date(text.replace("-", ""))


def _days(date: str) -> int:
    import datetime

    return datetime.date.fromisoformat(date).toordinal()


def _named(label: str) -> str:
    return _("Baseline") if label == "baseline" else label[:1].upper() + label[1:]
