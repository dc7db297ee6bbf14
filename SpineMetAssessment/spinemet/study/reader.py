"""Reading a study: from a folder or a file to the images of one patient."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spinemet.case import ImageRef, Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.progress import Progress, part
from spinemet.study.dicom import files_of_same_series, read_dicom
from spinemet.study.dicom_files import DicomFile, holds_identity, read_headers
from spinemet.study.identity import patient_of
from spinemet.study.names import is_label_name, role_of_text, role_of_values, stem
from spinemet.study.series import Series, Study
from spinemet.study.sources import Found, Source, disc_of, is_zip, members, source_of, walk
from spinemet.study.volumes import is_volume_name, read_info, read_volume


def read_study(
    path: str | os.PathLike[str], progress: Progress | None = None, *, roles: Mapping[str, Role] | None = None
) -> Study:
    """Find the images in a folder (and its subfolders), zip archive or file, and say what each is for.

    Headers are read now, voxels when they are first asked for (except where only they tell what an image is).
    Of a DICOM file, its whole series in the same folder is read. Series that must not be measured in stay in
    the study with their refusal; a study of which every series is refused raises.

    :param roles: the user's choice of role, by the key of the series (`Series.ref.key`).
    :raises BadInput: there is nothing at `path`, no image, or several patients; or no series is usable.
    """
    root = disc_of(Path(path))
    if not root.exists():
        raise BadInput(f"{root} does not exist.")
    try:
        found, labels, siblings = _look_into(root)
        study = _assemble(root, found, labels, siblings, roles or {}, progress)
    except OSError as error:
        raise BadInput(f"A file in {root.name or root} cannot be opened; check that you may read it.") from error
    return study


def read_image(path: str | os.PathLike[str], progress: Progress | None = None) -> Series:
    """The one image in a file or folder.

    :raises BadInput: there is none, or several; or it must not be measured in.
    """
    study = read_study(path, progress)
    usable = [item for item in study.series if item.usable]
    if len(usable) > 1:
        raise BadInput(f"{study.name} holds {len(usable)} images; choose the file or folder of one of them.")
    return usable[0]


def _look_into(root: Path) -> tuple[Found, list[Path], list[Source]]:
    """What lies at a path, label maps apart; and the files beside a single file."""
    if root.is_dir():
        found = walk(root)
    elif is_zip(root):
        found = members(root)
    else:
        siblings = []
        if not is_volume_name(root):
            siblings = [source_of(file) for file in sorted(root.parent.iterdir()) if file != root and file.is_file()]
        return Found([source_of(root)]), [], [item for item in siblings if not is_volume_name(item.path)]
    labels = [item.path for item in found.files if is_volume_name(item.path) and is_label_name(item.path)]
    found.files = [item for item in found.files if not (is_volume_name(item.path) and is_label_name(item.path))]
    return found, labels, []


def _assemble(
    root: Path,
    found: Found,
    labels: list[Path],
    siblings: list[Source],
    roles: Mapping[str, Role],
    progress: Progress | None,
) -> Study:
    name = root.name or str(root)
    volumes = [item.path for item in found.files if is_volume_name(item.path) and item.archive is None]
    others = [item for item in found.files if not is_volume_name(item.path)]
    files, damaged, ignored = read_headers([*others, *siblings], part(progress, 0.0, 0.8))
    if root.is_file() and not is_zip(root):
        files, damaged = files_of_same_series(files, root), [path for path in damaged if path == root]
    if any(holds_identity(name, file) for file in files):
        name = "the study"
    if damaged and not files and not volumes:
        raise BadInput(f"{name} is not readable as DICOM; it is damaged, cut short or of another kind.")
    if not files and not volumes:
        raise BadInput(" ".join([_nothing(root, name, labels), *found.notes]))
    series, objects, notes = _of_dicom(files, damaged, name, roles, bool(volumes))
    report = part(progress, 0.8, 1.0)
    for index, path in enumerate(volumes):
        report(index / len(volumes), f"reading {path.name}")
        series.append(_volume_series(path, root, roles))
    refused = [item for item in series if item.refusal]
    if len(refused) == len(series):
        more = f" ({len(refused) - 1} more series were refused.)" if len(refused) > 1 else ""
        raise BadInput(refused[0].refusal + more)
    notes += [f"Not used: {item.refusal}" for item in refused]
    notes += found.notes
    if ignored and not root.is_file():
        notes.append(f"Passed over, being no images: {ignored} other files.")
    patient = patient_of(files, name) if files else Patient()
    return dated(Study(patient, TimePoint(), tuple(series), tuple(notes), tuple(labels), name, tuple(objects)))


def _of_dicom(
    files: list[DicomFile], damaged: list[Path], name: str, roles: Mapping[str, Role], others: bool
) -> tuple[list[Series], list[Series], list[str]]:
    if not files:
        return [], [], [_damage(damaged)] if damaged else []
    patient_of(files, name)
    series, objects, notes = read_dicom(files, roles)
    if damaged:
        notes.append(_damage(damaged))
    if not series and not others:
        raise BadInput(f"{name} holds DICOM, but no CT, MR or PET slices. {' '.join(notes)}")
    return series, objects, notes


def _damage(damaged: Sequence[Path]) -> str:
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return f'"{damaged[0].name}"{more} could not be read: damaged, or not DICOM.'


def _nothing(root: Path, name: str, labels: Sequence[Path]) -> str:
    if labels:
        return f"{name} holds label maps only ({labels[0].name}); the image that they were drawn on is needed."
    if root.is_dir() and not any(root.iterdir()):
        return f"{name} is empty; choose a folder with DICOM, NIfTI or NRRD images."
    what = "holds no image" if root.is_dir() else "is not an image"
    return f"{name} {what} that can be read; choose DICOM, NIfTI (.nii.gz), NRRD or MetaImage."


def dated(study: Study) -> Study:
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


def _volume_series(path: Path, root: Path, roles: Mapping[str, Role]) -> Series:
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
    if key in roles:
        chosen = roles[key]
        return replace(
            series, ref=replace(ref, role=chosen), notes=(f"Taken as {chosen.value} by the user's choice.",)
        )
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
