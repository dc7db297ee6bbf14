"""Reading a study: from a folder or a file to the images of one patient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spinemet.case import ImageRef, Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.progress import Progress, part
from spinemet.study.dicom import files_of_same_series, patient_of, read_dicom
from spinemet.study.dicom_files import is_dicom, read_headers
from spinemet.study.roles import is_label_name, role_of_text, role_of_values, stem
from spinemet.study.series import Series, Study
from spinemet.study.volumes import is_volume_name, read_info, read_volume


def read_study(path: str | os.PathLike[str], progress: Progress | None = None) -> Study:
    """Find the images in a folder (and its subfolders) or file, and say what each is for.

    Headers are read now, voxels when they are first asked for (except where only they tell what an image is).
    Of a DICOM file, its whole series in the same folder is read. Series that must not be measured in stay in
    the study with their refusal; a study of which every series is refused raises.

    :raises BadInput: there is nothing at `path`, no image, or several patients; or no series is usable.
    """
    root = Path(path)
    if not root.exists():
        raise BadInput(f"{root} does not exist.")
    if root.is_dir():
        dicom, volumes, ignored = _sorted_out(_walk(root))
        labels = [file for file in volumes if is_label_name(file)]
        volumes = [file for file in volumes if file not in set(labels)]
    else:
        dicom, volumes, ignored = _sorted_out([root])
        labels = []
        if dicom:
            dicom = _sorted_out([root, *(file for file in sorted(root.parent.iterdir()) if file != root)])[0]
    study = _assemble(root, dicom, volumes, labels, progress)
    if not ignored or not root.is_dir():
        return study
    return replace(study, notes=(*study.notes, f"Passed over, being no images: {ignored} other files."))


def read_image(path: str | os.PathLike[str], progress: Progress | None = None) -> Series:
    """The one image in a file or folder.

    :raises BadInput: there is none, or several; or it must not be measured in.
    """
    study = read_study(path, progress)
    usable = [item for item in study.series if item.usable]
    if len(usable) > 1:
        raise BadInput(f"{study.name} holds {len(usable)} images; choose the file or folder of one of them.")
    return usable[0]


def _walk(root: Path) -> list[Path]:
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
    return found


def _sorted_out(paths: Sequence[Path]) -> tuple[list[Path], list[Path], int]:
    """DICOM files, volume files, and the number of others."""
    dicom, volumes, others = [], [], 0
    for path in paths:
        try:
            if not path.is_file():
                continue
            if is_volume_name(path):
                volumes.append(path)
            elif is_dicom(path):
                dicom.append(path)
            else:
                others += 1
        except OSError as error:
            raise BadInput(f"{path.name} cannot be opened; check that you may read it.") from error
    return dicom, volumes, others


def _assemble(
    root: Path, dicom: list[Path], volumes: list[Path], labels: list[Path], progress: Progress | None
) -> Study:
    name = root.name or str(root)
    if not dicom and not volumes:
        raise BadInput(_nothing(root, name, labels))
    series: list[Series] = []
    notes: list[str] = []
    patient = Patient()
    if dicom:
        try:
            files, damaged = read_headers(dicom, part(progress, 0.0, 0.8))
        except OSError as error:
            raise BadInput(f"A file in {name} cannot be opened; check that you may read it.") from error
        if root.is_file():
            files, damaged = files_of_same_series(files, root), [file for file in damaged if file == root]
        if not files and not volumes:
            raise BadInput(f"{name} is not readable as DICOM; it is damaged, cut short or of another kind.")
        patient = patient_of(files, name)
        series, notes = read_dicom(files)
        if damaged:
            more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            notes.append(f'"{damaged[0].name}"{more} could not be read: damaged, or not DICOM.')
        if not series and not volumes:
            raise BadInput(f"{name} holds DICOM, but no CT, MR or PET slices. {' '.join(notes)}")
    report = part(progress, 0.8, 1.0)
    for index, path in enumerate(volumes):
        report(index / len(volumes), f"reading {path.name}")
        series.append(_volume_series(path, root))
    refused = [item for item in series if item.refusal]
    if len(refused) == len(series):
        more = f" ({len(refused) - 1} more series were refused.)" if len(refused) > 1 else ""
        raise BadInput(refused[0].refusal + more)
    notes += [f"Not used: {item.refusal}" for item in refused]
    study = Study(patient, TimePoint(), tuple(series), tuple(notes), tuple(labels), name)
    return _dated(study)


def _nothing(root: Path, name: str, labels: Sequence[Path]) -> str:
    if labels:
        return f"{name} holds label maps only ({labels[0].name}); the image that they were drawn on is needed."
    if root.is_dir() and not any(root.iterdir()):
        return f"{name} is empty; choose a folder with DICOM, NIfTI or NRRD images."
    what = "holds no image" if root.is_dir() else "is not an image"
    return f"{name} {what} that can be read; choose DICOM, NIfTI (.nii.gz), NRRD or MetaImage."


def _dated(study: Study) -> Study:
    """The study with the date of its reference series, and a note when its images are of several days."""
    dates = sorted({item.ref.date for item in study.series if item.usable and item.ref.date})
    try:
        date = study.reference().ref.date
    except BadInput:
        date = dates[-1] if dates else ""
    notes = study.notes
    if len(dates) > 1:
        notes = (*notes, f"The images are of {len(dates)} days ({dates[0]} to {dates[-1]}).")
    several = study.by_role(Role.CT)
    if len(several) > 1:
        notes = (
            *notes,
            f"Of {len(several)} CT series, the reference is {several[0].source}: the latest, then the finest.",
        )
    return replace(study, time_point=TimePoint(date=date), notes=notes)


def _volume_series(path: Path, root: Path) -> Series:
    key = path.relative_to(root).as_posix() if root.is_dir() else path.name
    ref = ImageRef(key=key, role=Role.UNKNOWN, frame=key, description=stem(path))
    try:
        info = read_info(path)
    except BadInput as error:
        role = role_of_text(stem(path))
        return Series(replace(ref, role=role), path.name, _unread, None, refusal=str(error))

    def read(progress: Progress | None) -> Image:
        if progress is not None:
            progress(0.0, f"reading {path.name}")
        return read_volume(info, frame=key, name=path.name)

    series = Series(ref, path.name, read, info.grid)
    if is_label_name(path):
        return replace(series, notes=("Its name says that it is a label map, not an image.",))
    named = role_of_text(stem(path))
    if named is not Role.UNKNOWN:
        return replace(series, ref=replace(ref, role=named), notes=(f"Taken as {named.value} from its file name.",))
    return _by_values(series)


def _by_values(series: Series) -> Series:
    try:
        image = series.image
    except BadInput as error:
        return replace(series, refusal=str(error))
    role = role_of_values(image)
    if role is Role.CT:
        note = "Taken as CT from its values, which reach below −200 and above 150."
    else:
        note = "Neither its file name (ct, t1, t2, stir, pet) nor its values say what it is."
    return Series(replace(series.ref, role=role), series.source, lambda progress: image, image.grid, (note,))


def _unread(progress: Progress | None) -> Image:
    raise AssertionError("a refused series is never read")
