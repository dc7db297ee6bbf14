"""Stand-ins for Slicer's DICOM database and its DICOMLib: headers in memory, series loaded by our own reader.

A volume that comes this way carries its instance UIDs and hangs under patient and study, as with Slicer's plugins.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host.strict import stand_in


@stand_in("ctkDICOMDatabase")
class ctkDICOMDatabase(QtCore.QObject):
    """Knows the files that were added to it."""

    _value_isOpen = True

    def __init__(self) -> None:
        super().__init__()
        self._files: list[Any] = []

    def _add(self, folder: str | Path) -> None:
        from spinemet.study.dicom_files import read_headers
        from spinemet.study.sources import source_of

        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        self._files += read_headers([source_of(path) for path in paths])[0]

    def patients(self) -> list[str]:
        return list(dict.fromkeys(file.text("PatientID") for file in self._files))

    def studiesForPatient(self, patient: str) -> list[str]:
        return self._values("StudyInstanceUID", "PatientID", patient)

    def seriesForStudy(self, study: str) -> list[str]:
        return self._values("SeriesInstanceUID", "StudyInstanceUID", study)

    def filesForSeries(self, series: str, hits: int = -1) -> list[str]:
        return [str(file.path) for file in self._files if file.text("SeriesInstanceUID") == series]

    def fieldForStudy(self, field: str, study: str) -> str:
        return next(iter(self._values(field, "StudyInstanceUID", study)), "")

    def fieldForSeries(self, field: str, series: str) -> str:
        return next(iter(self._values(field, "SeriesInstanceUID", series)), "")

    def fileForInstance(self, instance: str) -> str:
        return next((str(file.path) for file in self._files if file.sop_instance == instance), "")

    def _values(self, wanted: str, key: str, value: str) -> list[str]:
        return list(dict.fromkeys(file.text(wanted) for file in self._files if file.text(key) == value))


@contextlib.contextmanager
def _temporary_database() -> Iterator[Any]:
    before = slicer.dicomDatabase
    slicer.dicomDatabase = ctkDICOMDatabase()
    try:
        yield slicer.dicomDatabase
    finally:
        slicer.dicomDatabase = before


def _import_dicom(folder: str, database: Any = None) -> bool:
    (database or slicer.dicomDatabase)._add(folder)
    return True


def _load_series(uids: list[str]) -> list[str]:
    return [key for uid in uids for key in _load_one(uid)]


def _load_one(uid: str) -> list[str]:
    from spinemet.scene import volume_from_image
    from spinemet.study.dicom import read_dicom
    from spinemet.study.dicom_files import read_headers
    from spinemet.study.sources import source_of

    paths = [Path(path) for path in slicer.dicomDatabase.filesForSeries(uid)]
    files = read_headers([source_of(path) for path in paths])[0]
    nodes = []
    for series in read_dicom(files)[0]:
        node = volume_from_image(slicer.mrmlScene, series.view(), name=series.ref.description or "series")
        for name in [name for name in node.GetAttributeNames() if name.startswith("SpineMet.")]:
            node.RemoveAttribute(name)
        node.SetAttribute("DICOM.instanceUIDs", " ".join(file.sop_instance for file in series.files))
        _hang(node, files[0])
        nodes.append(node.GetID())
    return nodes


def _hang(node: Any, file: Any) -> None:
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    name = constants.GetDICOMUIDName()
    patient = hierarchy.GetItemByUID(name, file.text("PatientID"))
    if not patient:
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), file.text("PatientName"))
        hierarchy.SetItemUID(patient, name, file.text("PatientID"))
        for keyword in ("PatientID", "PatientName", "PatientSex", "PatientBirthDate"):
            hierarchy.SetItemAttribute(patient, f"DICOM.{keyword}", file.text(keyword))
    study = hierarchy.GetItemByUID(name, file.text("StudyInstanceUID"))
    if not study:
        study = hierarchy.CreateStudyItem(patient, file.text("StudyDescription") or "study")
        hierarchy.SetItemUID(study, name, file.text("StudyInstanceUID"))
        hierarchy.SetItemAttribute(study, "DICOM.StudyDate", file.text("StudyDate"))
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(study, node)
    hierarchy.SetItemParent(item, study)


def make_dicom_lib() -> types.ModuleType:
    """The module `DICOMLib`, of which only DICOMUtils is used."""
    module = types.ModuleType("DICOMLib", __doc__)
    module.DICOMUtils = types.SimpleNamespace(  # type: ignore[attr-defined]
        TemporaryDICOMDatabase=_temporary_database, importDicom=_import_dicom, loadSeriesByUID=_load_series
    )
    return module
