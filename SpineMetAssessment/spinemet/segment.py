"""One image from file to file: vertebrae, tumors and canal outlined from a reader's clicks or by an engine.

Key function: `segment_image`, behind `spinemet segment`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spinemet.case import Outline, Role, Structure
from spinemet.errors import BadInput
from spinemet.files import written_file
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, part, silent
from spinemet.segmentation.canal_ct import canal_in_ct
from spinemet.segmentation.canal_mr import CANAL, CORD, SAC, CanalOutline, outline_canal
from spinemet.segmentation.clicks import Click, Markup, read_markups
from spinemet.segmentation.engines import engine_named, run_engine, why_not
from spinemet.segmentation.engines.level_names import named_by_clicks
from spinemet.segmentation.mr_vertebrae import outline_bodies
from spinemet.segmentation.tumor_in_canal import propose_in_canal
from spinemet.segmentation.tumor_limits import Within, limit_to
from spinemet.segmentation.tumor_outline import outline_tumor
from spinemet.segmentation.tumor_pet import outline_uptake
from spinemet.segmentation.tumor_strokes import Stroke
from spinemet.segmentation.vertebrae_ct import outline_vertebrae
from spinemet.study import read_image, write_labels
from spinemet.study.layered import write_layers

LINES = ("Line", "Curve", "ClosedCurve", "Angle")
"""Kinds of markups whose points are one stroke."""
_BONES = (Structure.VERTEBRA, Structure.SACRUM)
_CANAL = (Structure.CANAL, Structure.THECAL_SAC, Structure.CORD)
_SUFFIX = ".seg.nrrd"


@dataclass(frozen=True, eq=False)
class Segmented:
    """What was outlined.

    :param layers: label maps on the image's grid; outlines of different ones may overlap.
    :param files: paths by what they hold.
    :param notes: sentences for the reader.
    """

    role: Role
    layers: tuple[LabelMap, ...]
    files: dict[str, Path]
    notes: tuple[str, ...]

    @property
    def outlines(self) -> list[tuple[Outline, float]]:
        """Every outline and its volume in mL, layer by layer."""
        return [
            (outline, float(np.count_nonzero(item.image.array == value)) * item.image.voxel_volume / 1000)
            for item in self.layers
            for value, outline in item.present.items()
        ]

    def to_json(self) -> dict[str, object]:
        """Plain values for other programs."""
        return {
            "role": self.role.value,
            "files": {name: str(path) for name, path in self.files.items()},
            "outlines": [
                {
                    "structure": outline.structure.value,
                    "level": outline.level.value if outline.level else None,
                    "lesion": outline.lesion_id or None,
                    "volume_ml": round(volume, 3),
                }
                for outline, volume in self.outlines
            ],
            "notes": list(self.notes),
        }


def segment_image(
    image_path: Path,
    out: Path,
    *,
    clicks: Sequence[Path] = (),
    engine: str | None = None,
    role: Role | None = None,
    within: Sequence[Within] = (),
    whole: bool = False,
    canal_out: Path | None = None,
    progress: Progress | None = None,
) -> Segmented:
    """Outline what the clicks ask for, and write it to `out`, whole or not at all.

    :param clicks: markups files; labels, or the lists' names, say what the points stand for (`read_clicks`).
    :param engine: key of an engine that outlines the vertebrae; clicks then name its levels and its region.
    :param role: what the image is, where its file does not say.
    :param within: to what tumors are limited, from what is outlined in the same run.
    :param whole: outline all vertebrae near the clicks, not only those clicked (CT).
    :param canal_out: also the canal alone, in the numbers that `spinemet assess --canal` reads.
    :raises SpineMetError: one sentence on what is wrong; nothing is written then.
    """
    report = progress or silent
    if not out.name.lower().endswith(_SUFFIX):
        raise BadInput(f'"{out.name}" cannot hold names and levels; choose a name that ends in {_SUFFIX}.')
    if not clicks and engine is None:
        raise BadInput("Nothing says what to outline; give points with --clicks, or a program with --engine.")
    # The file is opened first, so that an unwritable place is found before the work and not after it.
    with written_file(out) as temporary:
        markups = [item for path in clicks for item in read_markups(path)]
        if clicks and not any(item.clicks for item in markups):
            raise BadInput("The markups file holds no points; place at least one and save it again.")
        report(0.0, "reading the image")
        series = read_image(image_path, part(report, 0.0, 0.1))
        image, known = series.image, role or series.ref.role
        if known is Role.UNKNOWN:
            raise BadInput(f"It cannot be told what {image.name} is; say so with --role, such as --role T2.")
        notes = list(series.notes) if role is None else []
        layers = _vertebrae(image, known, markups, engine, whole, notes, part(report, 0.1, 0.6))
        found = _canal(image, known, markups, notes, part(report, 0.6, 0.75))
        tumors, canal = _tumors(image, known, markups, within, layers, found, notes, part(report, 0.75, 0.95))
        if canal_out is not None and canal is None:
            raise BadInput("No canal was outlined; set two points called canal, one at each end of it.")
        layers += [*_unnested(canal), *tumors]
        report(0.95, "writing the outlines")
        write_layers(layers, temporary, unedited=True)
        files = {"outlines": out}
        if canal_out is not None and canal is not None:
            write_labels(canal, canal_out, unedited=True)
            files["canal"] = canal_out
    report(1.0, "done")
    return Segmented(known, tuple(layers), files, tuple(dict.fromkeys(notes)))


def _vertebrae(
    image: Image,
    role: Role,
    markups: Sequence[Markup],
    engine: str | None,
    whole: bool,
    notes: list[str],
    progress: Progress,
) -> list[LabelMap]:
    asked = [click for click in _all(markups) if click.foreground and click.structure in _BONES]
    if engine is not None:
        chosen = engine_named(engine)
        refused = why_not(chosen, role)
        if refused:
            raise BadInput(refused)
        around = [click.position for click in _all(markups)] or None
        for click in asked:
            click.index_in(image)
        run = run_engine(chosen, image, around=around, progress=progress)
        labels = named_by_clicks(run.labels, asked)
        notes += labels.notes
        return [labels]
    if not asked:
        return []
    if role is Role.CT:
        found = outline_vertebrae(image, asked, progress, whole=whole)
        notes += found.notes
        return [found.labels]
    if not role.is_mr:
        raise BadInput(f"Vertebrae are outlined in CT and MR, not in {role.value}; click in another image.")
    bodies = outline_bodies(image, asked, progress)
    notes += bodies.notes
    return [bodies]


def _canal(
    image: Image, role: Role, markups: Sequence[Markup], notes: list[str], progress: Progress
) -> LabelMap | CanalOutline | None:
    asked = [click for click in _all(markups) if click.foreground and click.structure in _CANAL]
    if not asked:
        return None
    if role is Role.CT:
        labels = canal_in_ct(image, asked, progress)
        notes += labels.notes
        return labels
    canal = outline_canal(image, asked, role, progress)
    notes += canal.labels.notes
    return canal


def _unnested(canal: LabelMap | None) -> list[LabelMap]:
    """Canal, sac and cord as layers that overlap, each whole."""
    if canal is None:
        return []
    array = canal.image.array
    layers = []
    for value in (CANAL, SAC, CORD):
        if value in canal.present:
            image = canal.image.with_array((array >= value).astype(np.uint8))
            layers.append(LabelMap(image, {1: canal.outlines[value]}, canal.numbering))
    return layers


def _tumors(
    image: Image,
    role: Role,
    markups: Sequence[Markup],
    within: Sequence[Within],
    bones: Sequence[LabelMap],
    canal: LabelMap | CanalOutline | None,
    notes: list[str],
    progress: Progress,
) -> tuple[list[LabelMap], LabelMap | None]:
    """Each tumor as a layer of its own, for tumors may touch the same bone, and each other; and the canal.

    A tumor that was marked in a canal outlined on an MR tells what of sac and cord is tumor.
    """
    marks = _marks(markups)
    outlined = [*bones, *([canal.labels if isinstance(canal, CanalOutline) else canal] if canal else [])]
    limit = limit_to(within, outlined, image) if within and marks else None
    layers = []
    for count, (number, strokes) in enumerate(sorted(marks.items())):
        report = part(progress, count / len(marks), (count + 1) / len(marks))
        epidural = None
        if isinstance(canal, CanalOutline) and (not within or Within.CANAL in within):
            report(0.0, "outlining the tumor in the canal")
            epidural = propose_in_canal(image, canal, strokes, role, limit)
        if epidural is not None:
            canal, mask, said = epidural.canal, epidural.mask, epidural.notes
        elif role is Role.PET:
            report(0.0, "outlining the focus")
            focus = outline_uptake(image, strokes, limit=limit)
            mask, said = focus.mask, focus.notes
        else:
            found = outline_tumor(image, strokes, role=role, limit=limit, progress=report)
            mask, said = found.mask, found.notes
        array = np.zeros(image.shape, np.uint8)
        start = np.rint(image.to_index(mask.to_world(np.zeros(3)))).astype(int)[::-1]
        k, j, i = (slice(int(a), int(a) + n) for a, n in zip(start, mask.shape, strict=True))
        array[k, j, i] = mask.array > 0
        notes += [f"Lesion {number}: {note}." for note in said]
        outline = Outline(Structure.LESION, lesion_id=f"lesion-{number}", frame=image.frame)
        layers.append(LabelMap(image.with_array(array), {1: outline}, "by clicks"))
    return layers, canal.labels if isinstance(canal, CanalOutline) else canal


def _marks(markups: Sequence[Markup]) -> dict[int, list[Stroke]]:
    """Strokes by the number of their lesion: that in the list's name, else 1; background without a number is all's."""
    inside: dict[int, list[Stroke]] = {}
    outside: list[tuple[int | None, Stroke]] = []
    for item in markups:
        match = re.search(r"(\d+)", item.name)
        number = int(match[1]) if match and _is_lesion(item) else None
        for stroke in _strokes(item):
            if stroke.foreground:
                inside.setdefault(number or 1, []).append(stroke)
            else:
                outside.append((number, stroke))
    if outside and not inside:
        raise BadInput("Points are called background, but none lies in a tumor; call those lesion.")
    for number, stroke in outside:
        for own, strokes in inside.items():
            if number in (None, own):
                strokes.append(stroke)
    return inside


def _is_lesion(item: Markup) -> bool:
    return any(click.structure is Structure.LESION for click in item.clicks)


def _strokes(item: Markup) -> list[Stroke]:
    chosen = [click for click in item.clicks if click.structure is Structure.LESION or not click.foreground]
    if item.kind in LINES and len(chosen) > 1:
        return [Stroke(tuple(click.position for click in chosen), chosen[0].foreground)]
    return [Stroke.from_click(click) for click in chosen]


def _all(markups: Sequence[Markup]) -> list[Click]:
    return [replace(click) for item in markups for click in item.clicks]
