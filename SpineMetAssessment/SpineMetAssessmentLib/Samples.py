"""Samples: what the Sample Data module of Slicer offers of ours: a real CT with outlines, and a synthetic patient."""

import tarfile
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

CATEGORY = "SpineMet"
CT_NAME = "SpineMetLumbarCT"
CT_URI = "https://files.pythonhosted.org/packages/source/t/totalsegmentator/totalsegmentator-2.18.0.tar.gz"
CT_FILE = "totalsegmentator-2.18.0.tar.gz"
CT_SHA256 = "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03"
CT_MEMBERS = ("example_ct.nii.gz", "spine_report/example_ct_report/totalseg.nii.gz")
"""The lumbar CT, and its labels; TotalSegmentator's own test files (Apache-2.0)."""
_ROOT = "totalsegmentator-2.18.0/tests/reference_files/"
PATIENT_NAME = "SpineMetSyntheticPatient"
PATIENT_SEED = 1


def registerSamples() -> None:
    """Tell the Sample Data module; again has no effect."""
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category=CATEGORY,
        sampleName=CT_NAME,
        uris=[CT_URI],
        fileNames=[CT_FILE],
        nodeNames=[None],
        checksums=[f"SHA256:{CT_SHA256}"],
        loadFiles=[False],
        loadFileType=[None],
        customDownloader=loadLumbarCT,
    )
    register(
        category=CATEGORY,
        sampleName=PATIENT_NAME,
        # Nothing is downloaded: the patient is made here.
        uris=[f"spinemet:phantom?seed={PATIENT_SEED}"],
        fileNames=["spinemet-phantom"],
        nodeNames=[None],
        checksums=[None],
        loadFiles=[False],
        loadFileType=[None],
        customDownloader=makeSyntheticPatient,
    )


def loadLumbarCT(source: Any) -> list[Any]:
    """Download the archive into Slicer's cache, check it, and load CT and outlines; returns the nodes."""
    import SampleData

    from spinemet.scene import segmentation_from_labelmaps, volume_from_image
    from spinemet.study import read_image, read_labels

    with slicer.util.tryWithErrorDisplay(_("The sample CT could not be loaded."), waitCursor=True):
        archive = SampleData.SampleDataLogic().downloadSourceIntoCache(source)[0]
        folder = Path(archive).parent / "SpineMetLumbarCT"
        _unpack(Path(archive), folder)
        series = read_image(folder / CT_MEMBERS[0])
        labels = read_labels(folder / CT_MEMBERS[1], series.image)
        volume = volume_from_image(slicer.mrmlScene, series.image, series.ref, CT_NAME)
        return [volume, segmentation_from_labelmaps(slicer.mrmlScene, [labels], volume)]


def makeSyntheticPatient(source: Any) -> list[Any]:
    """Make the synthetic patient (under a minute) and load its CT and T2, vertebrae and lesions; returns the nodes."""
    from spinemet.scene import add_synthetic_patient

    with slicer.util.tryWithErrorDisplay(_("The synthetic patient could not be made."), waitCursor=True):
        volumes, segmentation, _answers = add_synthetic_patient(slicer.mrmlScene, seed=PATIENT_SEED, progress=_tell)
        return [*volumes.values(), segmentation]


def _tell(fraction: float, text: str) -> None:
    slicer.util.showStatusMessage(f"{text} {100 * fraction:.0f} %")
    slicer.app.processEvents()


def _unpack(archive: Path, folder: Path) -> None:
    """The two files alone, at the same places below `folder`."""
    for name in CT_MEMBERS:
        target = folder / name
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as opened:
                packed = opened.extractfile(_ROOT + name)
                if packed is not None:
                    target.write_bytes(packed.read())
