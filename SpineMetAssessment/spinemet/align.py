"""Two images from files to files: read, register, test, carry over, and write the results.

Key function: `align_images`, behind `spinemet register`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinemet.assessment import RESEARCH_USE
from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.files import written_folder
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent
from spinemet.registration import Hand, Landmark, Registration, register
from spinemet.registration.field import Field, polyrigid
from spinemet.registration.landmarks import LandmarkError, landmark_errors, read_landmarks
from spinemet.registration.motion import Array
from spinemet.registration.quality import checks, require_usable
from spinemet.registration.record import RegistrationRecord, record_of
from spinemet.registration.transform_files import write_transforms
from spinemet.registration.warp import image_onto_fixed, labels_onto_fixed
from spinemet.report.drawing import Figure
from spinemet.report.png import png
from spinemet.report.registration_page import write_registration_page
from spinemet.report.registration_pictures import (
    Carry,
    checkerboard,
    compared,
    edge_overlay,
    flicker,
    picture_of,
    spine_planes,
)
from spinemet.report.windows import window_for
from spinemet.study import Series, read_image, read_labels, read_lesions, write_image, write_labels

RECORD, MOVED, CARRIED = "registration.json", "moving_on_fixed.nii.gz", "carried.seg.nrrd"
CT_OUTSIDE_HU = -1024.0
CAPTIONS = {
    "headers": "As the headers say",
    "whole spine": "One motion for the whole spine",
    "every vertebra": "Every vertebra its own motion",
}


@dataclass(frozen=True)
class Aligned:
    """What `align_images` wrote.

    :param files: paths by what they hold.
    """

    record: RegistrationRecord
    files: dict[str, Path]


def align_images(
    fixed_path: Path,
    moving_path: Path,
    out: Path,
    *,
    labels: Path | None = None,
    moving_labels: Path | None = None,
    numbering: str | None = None,
    landmarks: Sequence[Path] = (),
    check_landmarks: Sequence[Path] = (),
    carry: Path | None = None,
    progress: Progress | None = None,
) -> Aligned:
    """Register the image at `moving_path` onto the one at `fixed_path`; write all results to `out`, or none.

    :param labels: vertebrae on the fixed image; without them only one motion is found and the level stays untested.
    :param moving_labels: vertebrae on the moving image, for the start.
    :param landmarks: pairs to start from and to hold their vertebrae (`read_landmarks`).
    :param check_landmarks: pairs to measure the error with, which the registration does not see.
    :param carry: outlines on the moving image (lesions) to carry onto the fixed one.
    :raises SpineMetError: one sentence on what is wrong; also when the result fails a test and must not be used.
    """
    report = progress or silent
    with written_folder(out) as folder:
        report(0.0, "reading the images")
        fixed, moving = read_image(fixed_path), read_image(moving_path)
        vertebrae = None if labels is None else read_labels(labels, fixed.image, numbering)
        others = None if moving_labels is None else read_labels(moving_labels, moving.image, numbering)
        lesions = None if carry is None else read_lesions(carry, moving.image)
        used = read_landmarks(landmarks) if landmarks else []
        unseen = read_landmarks(check_landmarks) if check_landmarks else []
        result = register(
            fixed.image,
            moving.image,
            vertebrae,
            moving_vertebrae=others,
            hand=Hand(landmarks=tuple(pair for _, pair in used)),
            progress=part(report, 0.1, 0.6),
        )
        result.require_usable()
        field = _field(result, vertebrae, part(report, 0.6, 0.68))
        report(0.68, "testing the result")
        made = checks(result, fixed.image, moving.image, vertebrae, field)
        require_usable(result, made)
        record = record_of(
            result,
            made,
            field,
            fixed=fixed.ref.key,
            moving=moving.ref.key,
            landmarks=_errors(unseen, result, field),
            used_landmarks=_errors(used, result, field),
        )
        report(0.75, "writing the transforms and the image")
        files = write_transforms(result, field, folder)
        through = field or Field.of_spine(result.spine, fixed.image.grid)
        outside = CT_OUTSIDE_HU if moving.ref.role is Role.CT else 0.0
        write_image(image_onto_fixed(through, moving.image, fixed.image.grid, outside=outside), folder / MOVED)
        files["moving image on the fixed grid"] = MOVED
        if lesions is not None:
            write_labels(labels_onto_fixed(through, lesions, fixed.image.grid), folder / CARRIED)
            files["carried outlines"] = CARRIED
        report(0.9, "drawing the pictures")
        pictures = _pictures(fixed, moving, result, field, folder)
        plain = {**record.to_json(), "use": RESEARCH_USE}
        names = (_title(fixed), _title(moving))
        files["report"] = write_registration_page(plain, pictures, names, folder).name
        (folder / RECORD).write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        files["registration"] = RECORD
    report(1.0, "done")
    return Aligned(record, {name: out / file for name, file in files.items()})


def _field(result: Registration, vertebrae: LabelMap | None, progress: Progress) -> Field | None:
    if vertebrae is None:
        return None
    return polyrigid(
        result.spine, {level: item.motion for level, item in result.vertebrae.items()}, vertebrae, progress=progress
    )


def _errors(pairs: list[tuple[str, Landmark]], result: Registration, field: Field | None) -> list[LandmarkError]:
    def carried(level: Level | None, points: Array) -> Array:
        if level is not None and level in result.vertebrae:
            return result.vertebrae[level].motion.apply(points)
        return result.spine.apply(points) if field is None else field.to_moving(points)

    return landmark_errors(pairs, result.spine.apply, carried)


def _pictures(
    fixed: Series, moving: Series, result: Registration, field: Field | None, folder: Path
) -> dict[str, list[Figure]]:
    """Rows of pictures for the page; the same as PNG and SVG files in `folder`/pictures."""
    (folder / "pictures").mkdir()
    ways: dict[str, Carry] = {"headers": lambda points: points, "whole spine": result.spine.apply}
    if field is not None:
        ways["every vertebra"] = field.to_moving
    last = list(ways)[-1]
    windows = window_for(fixed.image, fixed.ref), window_for(moving.image, moving.ref)
    rows: dict[str, list[Figure]] = {}
    for view, plane in spine_planes(_places(fixed.image, moving.image, result)).items():
        pairs = {name: compared(plane, fixed.image, moving.image, windows, way) for name, way in ways.items()}
        for kind, draw in (("Checkerboard", checkerboard), ("Edges of the moving image", edge_overlay)):
            row = rows.setdefault(f"{kind}, {view}", [])
            for name, pair in pairs.items():
                pixels = draw(pair)
                row.append(picture_of(pair, pixels, CAPTIONS[name]))
                stem = f"{kind.split()[0]}-{view}-{name}".lower().replace(" ", "-")
                (folder / "pictures" / f"{stem}.png").write_bytes(png(pixels))
        turn = flicker(pairs[last], (_title(fixed), _title(moving)), f"Flicker, {view}: both images in turn")
        rows.setdefault("Flicker", []).append(turn)
        (folder / "pictures" / f"flicker-{view}.svg").write_text(turn.svg, encoding="utf-8")
    return {"Flicker": rows.pop("Flicker"), **rows}


def _places(fixed: Image, moving: Image, result: Registration) -> Array:
    """Where to look: the vertebrae that the moving image shows, else where the images overlap."""
    centers = [item.center for item in result.vertebrae.values() if item.in_view > 0]
    if len(centers) > 1:
        return np.array(centers)
    corners = result.spine.inverse.apply(moving.grid.corners)
    low = np.maximum(corners.min(axis=0), fixed.grid.corners.min(axis=0))
    high = np.minimum(corners.max(axis=0), fixed.grid.corners.max(axis=0))
    if np.any(high <= low):
        raise BadInput("The two images do not overlap after the registration; start it by landmarks.")
    middle, size = (low + high) / 2, (high - low) / 2
    # A line in the middle as long and as wide as the overlap: the surfaces drawn through it are flat.
    return middle + size * np.array([[0, 0, -0.9], [0, 0, 0.9], [-0.9, 0, 0], [0.9, 0, 0], [0, -0.9, 0], [0, 0.9, 0]])


def _title(series: Series) -> str:
    return " ".join(word for word in (series.ref.role.value, series.ref.date) if word)
