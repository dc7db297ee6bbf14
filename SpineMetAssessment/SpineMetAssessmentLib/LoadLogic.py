"""LoadLogic: a patient's images into the scene, from a folder or from Slicer's DICOM database; no widget."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from SpineMetAssessmentLib.StructureLogic import StructureLogic
from SpineMetAssessmentLib.StudyLogic import REFUSAL, ROLE_REASON, isoDate

MODALITIES = ("CT", "MR", "PT")
"""DICOM modalities for which a study is listed."""
SAME_PLACE_MM = 0.1
"""Two readings of a series agree when their corners lie closer than this (ours)."""


@dataclass(frozen=True)
class StudyChoice:
    """One study that can be loaded.

    :param title: for a list; no name and no number of the patient.
    :param read: takes a progress, reads the headers and gives a spinemet Study.
    """

    title: str
    read: Callable[[Any], Any]


class LoadLogic(StructureLogic):
    """Looks into folders and the database, and loads what was chosen."""

    def studiesIn(self, folder: str, progress: Any = None) -> list[StudyChoice]:
        """The studies in a folder, a zip archive or a file; only headers are read.

        :raises spinemet.errors.BadInput: nothing there that can be measured in.
        """
        from spinemet.study import read_study
        from spinemet.study.index import index

        found = index(folder, progress)
        several = len(found.patients) > 1
        studies = [(item, study) for item in found.patients for study in item.studies if _loadable(study)]
        if len(studies) == 1 or not studies:
            # Files of other formats name no patient; and where nothing can be used, this says why.
            study = read_study(folder, progress)
            return [StudyChoice(_contents(study), lambda progress: study)]
        return [
            StudyChoice(_title(item, several, study), lambda progress, study=study: study) for item, study in studies
        ]

    def databaseStudies(self) -> list[StudyChoice]:
        """The studies in Slicer's DICOM database, the latest first.

        :raises spinemet.errors.BadInput: there is no database, or it is empty.
        """
        from spinemet.errors import BadInput

        database = getattr(slicer, "dicomDatabase", None)
        if database is None or not database.isOpen:
            raise BadInput(_("Slicer's DICOM database is not open; open the DICOM module once."))
        found = []
        for patient in database.patients():
            for uid in database.studiesForPatient(patient):
                kinds = {database.fieldForSeries("Modality", series) for series in database.seriesForStudy(uid)}
                if kinds & set(MODALITIES):
                    date = isoDate(database.fieldForStudy("StudyDate", uid) or "")
                    title = f"{date or _('no date')}: {', '.join(sorted(filter(None, kinds)))}"
                    found.append((date, StudyChoice(title, partial(_studyInDatabase, database, uid))))
        if not found:
            raise BadInput(_("The DICOM database holds no CT, MR or PET; import the patient in the DICOM module."))
        return [choice for _date, choice in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def loadStudy(self, parameterNode: Any, choice: StudyChoice, progress: Any = None) -> str:
        """Load the series of a study that have a role, with their structure sets, and choose the reference among them.

        :returns: what the user should know of what came in; empty where there is nothing to say.
        :raises spinemet.errors.SpineMetError: nothing usable; the scene stays as it was.
        """
        from spinemet.errors import BadInput
        from spinemet.progress import part, silent

        report = progress or silent
        study = choice.read(part(progress, 0.0, 0.2))
        wanted = [item for item in study.series if item.ref.role.value in self.roles()[1:]]
        if not wanted:
            raise BadInput(_("No image of this study has a role in the assessment."))
        nodes: dict[str, Any] = {}
        for number, series in enumerate(wanted):
            share = part(progress, 0.2 + 0.7 * number / len(wanted), 0.2 + 0.7 * (number + 1) / len(wanted))
            share(0.0, _("Loading {role}").format(role=series.ref.role.value))
            node = self._load(series, share)
            if node is not None:
                nodes[series.ref.key] = node
                _place(node, study)
        if not nodes:
            raise BadInput(wanted[0].refusal or _("No image of this study could be loaded."))
        usable = [item.ref.key for item in wanted if item.usable and item.ref.key in nodes]
        first = _reference(study)
        chosen = first if first in usable else next(iter(usable), next(iter(nodes)))
        outlines, said = self.loadStructures(study, nodes, part(progress, 0.9, 1.0))
        for node in outlines.values():
            _place(node, study)
        report(1.0, _("Loaded"))
        with slicer.util.NodeModify(parameterNode):
            parameterNode.referenceVolume = nodes[chosen]
            if chosen in outlines:
                parameterNode.segmentation = outlines[chosen]
            if study.time_point.label:
                parameterNode.timePoint = study.time_point.label
        return said

    def _load(self, series: Any, progress: Any) -> Any:
        """One series as a volume node, named and with its role; None when it must not and cannot be shown."""
        from spinemet.scene import volume_from_image
        from spinemet.scene.volumes import set_ref

        node = self._loadWithSlicer(series)
        refusal = series.refusal
        if node is None:
            if refusal:
                return None
            straight = series.straightened()
            node = volume_from_image(slicer.mrmlScene, straight.load(progress), series.ref)
        elif not refusal and not _agrees(node, series.grid):
            refusal = _(
                "{name}: Slicer and SpineMet read its geometry differently; nothing is measured in it."
            ).format(name=node.GetName())
        set_ref(node, series.ref)
        node.SetAttribute(ROLE_REASON, _reason(series))
        node.SetAttribute(REFUSAL, refusal or None)
        return node

    def _loadWithSlicer(self, series: Any) -> Any:
        """Through Slicer's DICOM plugins, so that subject hierarchy and UIDs are kept; None where there are none."""
        files = [file.path for file in series.files]
        if not files or getattr(slicer, "dicomDatabase", None) is None or not all(path.is_file() for path in files):
            return None
        try:
            from DICOMLib import DICOMUtils
        except ImportError:
            return None
        uid = series.ref.series_uid
        if slicer.dicomDatabase.filesForSeries(uid):
            found = DICOMUtils.loadSeriesByUID([uid])
        else:
            with DICOMUtils.TemporaryDICOMDatabase() as database:
                for folder in sorted({str(path.parent) for path in files}):
                    DICOMUtils.importDicom(folder, database)
                found = DICOMUtils.loadSeriesByUID([uid])
        nodes = [slicer.mrmlScene.GetNodeByID(key) for key in found or ()]
        volumes = [node for node in nodes if node is not None and node.IsA("vtkMRMLScalarVolumeNode")]
        # One series UID may hold several stacks; ours is the one that lies where it should.
        return next((node for node in volumes if _agrees(node, series.grid)), next(iter(volumes), None))


def _studyInDatabase(database: Any, uid: str, progress: Any = None) -> Any:
    from spinemet.case import TimePoint
    from spinemet.errors import BadInput
    from spinemet.study import Study
    from spinemet.study.dicom import read_dicom
    from spinemet.study.dicom_files import read_headers
    from spinemet.study.identity import patient
    from spinemet.study.reader import dated
    from spinemet.study.sources import source_of

    paths = [Path(path) for series in database.seriesForStudy(uid) for path in database.filesForSeries(series)]
    files = read_headers([source_of(path) for path in paths if path.is_file()], progress)[0]
    if not files:
        raise BadInput(_("The files of this study are no longer where the database says; import the patient again."))
    series, objects, notes = read_dicom(files)
    return dated(Study(patient(files), TimePoint(), tuple(series), tuple(notes), objects=tuple(objects)))


def _agrees(node: Any, grid: Any) -> bool:
    """Whether a node's voxels fill the same box as a grid, in whatever order of its axes."""
    import numpy as np

    from spinemet.image import Grid
    from spinemet.scene.volumes import array_of, matrix_to_world

    parent = node.GetParentTransformNode()
    if grid is None or node.GetImageData() is None or not (parent is None or parent.IsTransformToWorldLinear()):
        return False
    size = node.GetImageData().GetDimensions()
    if sorted(size) != sorted(grid.shape):
        return False
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    own = Grid(tuple(size[::-1]), matrix_to_world(node) @ array_of(matrix)).corners
    apart = np.linalg.norm(own[:, None] - grid.corners[None], axis=2)
    return bool(apart.min(axis=1).max() < SAME_PLACE_MM)


def _place(node: Any, study: Any) -> None:
    """Put a volume under its patient and study in the subject hierarchy, as Slicer's DICOM plugins do."""
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    if hierarchy.GetItemAncestorAtLevel(item, constants.GetDICOMLevelPatient()):
        return
    who = study.patient
    uid = next((series.ref.study_uid for series in study.series if series.ref.study_uid), "")
    if not who.patient_id and not who.name and not uid:
        return
    name = constants.GetDICOMUIDName()
    person = hierarchy.GetItemByUID(name, who.patient_id) if who.patient_id else 0
    if not person:
        person = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), _("Patient"))
        for key, text in (
            (constants.GetDICOMPatientIDAttributeName(), who.patient_id),
            (constants.GetDICOMPatientNameAttributeName(), who.name),
            (constants.GetDICOMPatientSexAttributeName(), who.sex),
            (constants.GetDICOMPatientBirthDateAttributeName(), who.birth_date.replace("-", "")),
        ):
            hierarchy.SetItemAttribute(person, key, text)
        if who.patient_id:
            hierarchy.SetItemUID(person, name, who.patient_id)
    visit = hierarchy.GetItemByUID(name, uid) if uid else 0
    if not visit:
        date = study.time_point.date
        visit = hierarchy.CreateStudyItem(person, date or _("Study"))
        hierarchy.SetItemAttribute(visit, constants.GetDICOMStudyDateAttributeName(), date.replace("-", ""))
        if uid:
            hierarchy.SetItemUID(visit, name, uid)
    hierarchy.SetItemParent(item, visit)


def _reason(series: Any) -> str:
    reasons = series.judgments[0].reasons if series.judgments else ()
    return reasons[0] if reasons else next(iter(series.notes), _("its file's name or values"))


def _reference(study: Any) -> str:
    from spinemet.errors import BadInput

    try:
        return str(study.reference().ref.key)
    except BadInput:
        return ""


def _loadable(study: Any) -> bool:
    return any(item.ref.role.is_image and item.grid is not None for item in study.series)


def _contents(study: Any) -> str:
    roles = dict.fromkeys(item.ref.role.value for item in study.series if item.usable)
    return f"{study.time_point.date or _('no date')}: {', '.join(roles) or _('nothing usable')}"


def _title(item: Any, several: bool, study: Any) -> str:
    if not several:
        return _contents(study)
    return _("Patient {number}, {study}").format(number=item.number, study=_contents(study))
