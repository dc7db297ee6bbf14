"""A study of boxes and balls at known places, on any grid, with an assessment written by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spinemet.anatomy.frame import VertebraFrame
from spinemet.assessment import Assessment, LevelAssessment, Numbering, Status
from spinemet.case import ImageRef, Outline, Patient, Role, Structure, TimePoint
from spinemet.evidence import Measurement
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scores import sins

LUMBAR = (Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)
BODY_MM = np.array([40.0, 30.0, 25.0])
LESION_RADIUS_MM = 8.0
AXES = {
    "RAS": np.diag([1.0, 1.0, 1.0]),
    "LPS": np.diag([-1.0, -1.0, 1.0]),
    "head last": np.diag([1.0, -1.0, -1.0]),
    "sagittal": np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
}
"""Directions of a grid's i, j and k axes as columns."""


@dataclass(frozen=True)
class Study:
    """What `write_report` takes."""

    assessment: Assessment
    image: Image
    ref: ImageRef
    vertebrae: LabelMap
    lesions: LabelMap | None

    def with_assessment(self, **changes: object) -> Study:
        return replace(self, assessment=replace(self.assessment, **changes))

    def with_level(self, changed: LevelAssessment) -> Study:
        levels = tuple(changed if item.level is changed.level else item for item in self.assessment.levels)
        return self.with_assessment(levels=levels)

    def arguments(self) -> dict[str, object]:
        return {"image": self.image, "ref": self.ref, "vertebrae": self.vertebrae, "lesions": self.lesions}


def center_of(level: Level, *, scoliosis_mm: float = 0.0) -> np.ndarray:
    """RAS center of a lumbar body; a scoliosis moves L3 to the right, L1 and L5 stay."""
    place = LUMBAR.index(level) - 2
    return np.array([scoliosis_mm * (1 - (place / 2) ** 2), 0.0, -35.0 * place])


def lesion_center(level: Level, side_mm: float = 8.0) -> np.ndarray:
    return center_of(level) + np.array([side_mm, 3.0, 2.0])


def make_study(
    *,
    axes: str | np.ndarray = "RAS",
    spacing: float = 2.0,
    lesions: tuple[Level, ...] = (Level.L3,),
    slab: tuple[float, float] = (-100.0, 100.0),
    scoliosis_mm: float = 0.0,
    role: Role = Role.CT,
) -> Study:
    """L1–L5 as boxes with an arch each, 35 mm apart; bone is 300 HU, all else 40 HU."""
    image, world = _blank(AXES[axes] if isinstance(axes, str) else axes, spacing, slab)
    labels, marks = np.zeros(image.shape, np.uint8), np.zeros(image.shape, np.uint8)
    for value, level in enumerate(LUMBAR, 1):
        offset = world - center_of(level, scoliosis_mm=scoliosis_mm)
        body = np.all(np.abs(offset) <= BODY_MM / 2, axis=-1)
        arch = np.all(np.abs(offset - (0.0, -38.0, -4.0)) <= (10.0, 10.0, 6.0), axis=-1)
        labels[body | arch] = value
    for value, level in enumerate(lesions, 1):
        ball = np.linalg.norm(world - lesion_center(level), axis=-1) <= LESION_RADIUS_MM
        marks[ball & (labels > 0)] = value
    array = np.where(labels > 0, 300, 40).astype(np.int16)
    ref = ImageRef(
        "series-1", role, "frame-1", description=f"{role.value} spine", date="2026-03-02", patient_position="HFS"
    )
    outlines = {n: Outline(Structure.VERTEBRA, level) for n, level in enumerate(LUMBAR, 1)}
    found = {n: Outline(Structure.LESION, lesion_id=f"lesion-{n}") for n, _ in enumerate(lesions, 1)}
    present = {LUMBAR[n - 1] for n in np.unique(labels) if n}
    return Study(
        make_assessment(ref, lesions, present=present, scoliosis_mm=scoliosis_mm),
        image.with_array(array), ref,
        LabelMap(image.with_array(labels), outlines),
        LabelMap(image.with_array(marks), found) if lesions else None,
    )  # fmt: skip


def make_assessment(
    ref: ImageRef, lesions: tuple[Level, ...], *, present: set[Level] | None = None, scoliosis_mm: float = 0.0
) -> Assessment:
    """Every level C1–S5; those with a lesion are scored, with pain unknown."""
    present = set(LUMBAR) if present is None else present
    levels = []
    for level in Level.ordinary():
        if level not in present:
            levels.append(LevelAssessment(level, Status.NOT_IMAGED, "outside the image"))
            continue
        center = tuple(center_of(level, scoliosis_mm=scoliosis_mm).tolist())
        frame = VertebraFrame.from_directions(center, (0, 0, 1), (0, 1, 0))
        plain = LevelAssessment(level, Status.NO_LESION, frame=frame, position=center, measurements=heights(frame))
        if level in lesions:
            position = tuple(lesion_center(level).tolist())
            plain = replace(
                plain, status=Status.SCORED, sins=make_sins(level), position=position, lesion_ids=("lesion-1",)
            )
        levels.append(plain)
    return Assessment(
        Patient("ID-7", "Doe^Jane", "F", "1961-07-04"), TimePoint("2026-03-02"), (ref,), ref.key,
        Numbering("sacrum"), tuple(levels), {"ct": "00ff"}, created="2026-03-05T10:22:00+00:00",
    )  # fmt: skip


def heights(frame: VertebraFrame) -> tuple[Measurement, ...]:
    places = {"anterior": 12.0, "middle": 0.0, "posterior": -12.0}
    return tuple(
        Measurement(f"{name} height", 25.0, "mm", "endplate to endplate", tuple(frame.to_ras((0, a, 0)).tolist()), 1.1)
        for name, a in places.items()
    )


def make_sins(level: Level, *, pain: str | None = None, loss: float = 31.0, share: float = 84.0) -> sins.SinsResult:
    place = tuple(center_of(level).tolist())
    findings = (
        sins.location(level, confirmed=False),
        sins.pain(pain, reader="AB"),
        sins.bone_lesion(Measurement("lytic share", share, "%", "voxels below the cut", place, 3.0)),
        sins.entered("alignment", "normal", reader="AB"),
        sins.collapse(
            Measurement("anterior height loss", loss, "%", "against L2 and L4", place, 4.0),
            Measurement("body involved", 12.0, "%", "lesion in the body", place, 1.0),
        ),
        sins.posterolateral({"left": False, "right": True}),
    )
    return sins.score(findings, limits=("levels unconfirmed",))


def _blank(axes: np.ndarray, spacing: float, slab: tuple[float, float]) -> tuple[Image, np.ndarray]:
    """An empty image over R ±45, A −60 to 40 and S `slab` mm, and the RAS position of every voxel."""
    low, high = np.array([-45.0, -60.0, slab[0]]), np.array([45.0, 40.0, slab[1]])
    middle, half = (low + high) / 2, (high - low) / 2
    size = np.ceil(2 * (np.abs(axes).T @ half) / spacing).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing
    matrix[:3, 3] = middle - matrix[:3, :3] @ ((size - 1) / 2)
    image = Image(np.zeros(tuple(size[::-1]), np.int16), matrix, frame="frame-1", name="ct")
    k, j, i = np.indices(image.shape)
    return image, image.to_world(np.stack([i, j, k], axis=-1))
