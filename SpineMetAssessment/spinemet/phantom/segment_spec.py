"""What a segment of the spine with epidural tumor is asked to be: level, ESCC grade, direction, room, image."""

from __future__ import annotations

from dataclasses import dataclass

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.levels import Level

GRADES = ("0", "1a", "1b", "1c", "2", "3")

DIRECTIONS: dict[str, tuple[float, float]] = {
    # right, anterior: where in the canal the tumor comes from
    "ventral": (0.0, 1.0),
    "ventrolateral left": (-0.7, 0.714),
    "ventrolateral right": (0.7, 0.714),
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "dorsal": (0.0, -1.0),
    "circumferential": (0.0, 1.0),
}
"""Unit vectors across the canal; "circumferential" tumor comes from all sides, deepest in front."""

MIMICS = ("retropulsed bone", "disc", "lipomatosis")


@dataclass(frozen=True)
class ForamenSpec:
    """What lies in the foramina below the middle level of a segment.

    :param side: "left", "right" or "" for none: where the tumor is.
    :param lee: Lee's grade to build there: 0 to 3.
    """

    side: str = ""
    lee: int = 0

    def __post_init__(self) -> None:
        if self.side not in ("", "left", "right"):
            raise BadInput(f'Foraminal tumor lies left or right, not "{self.side}".')
        if self.lee not in (0, 1, 2, 3):
            raise BadInput(f"Lee's grades are 0 to 3, not {self.lee}.")


@dataclass(frozen=True)
class SegmentSpec:
    """Three to five vertebrae round one epidural tumor.

    :param level: level of the tumor's center, C3 to L5; below L1 there is no cord.
    :param neighbors: how many levels on either side are built.
    :param grade: ESCC grade to build (Bilsky 2010); below the conus "0", "1a" or "1b".
    :param direction: key of `DIRECTIONS`.
    :param room_mm: added to the typical depth and width of the canal.
    :param flattening: share of the cord's thickness that grades 2 and 3 take away.
    :param indentation_mm: how far grade 1b pushes the sac in; None for the middle of what the fluid allows.
    :param half_length_mm: half length of the tumor along the canal, ramps included.
    :param curvature_deg: bend of the canal per 100 mm in the sagittal plane; kyphosis positive.
    :param mimic: what presses from the front instead of tumor, None for tumor.
    :param foramen: what lies in the foramina below the level; None builds no foramina and no roots.
    :param spacing: in-plane and slice spacing of the images, mm.
    :param plane: "axial" or "sagittal" acquisition.
    :param tilt_deg: turn of the image's axes about right, anterior and superior.
    :param pose_deg: turn of the patient in the scanner about right, anterior and superior.
    :param noise: standard deviation of the complex noise; fluid on T2 is 980.
    """

    level: Level = Level.T8
    neighbors: int = 1
    grade: str = "1b"
    direction: str = "ventral"
    room_mm: float = 1.5
    flattening: float = 0.32
    indentation_mm: float | None = None
    half_length_mm: float = 13.0
    curvature_deg: float = 15.0
    mimic: str | None = None
    foramen: ForamenSpec | None = None
    modalities: tuple[Role, ...] = (Role.T2,)
    spacing: tuple[float, float] = (0.6, 3.0)
    plane: str = "axial"
    tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 18.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not Level.C3 <= self.level <= Level.L5:
            raise BadInput(f"A segment is built round a level from C3 to L5, not {self.level}.")
        if self.grade not in GRADES:
            raise BadInput(f'"{self.grade}" is not an ESCC grade; use {", ".join(GRADES)}.')
        if self.grade in ("1c", "2", "3") and not self.has_cord:
            raise BadInput(f"ESCC {self.grade} needs a cord; choose a level down to L1.")
        if self.direction not in DIRECTIONS:
            raise BadInput(f'"{self.direction}" is no direction; use {", ".join(DIRECTIONS)}.')
        if self.mimic is not None and self.mimic not in MIMICS:
            raise BadInput(f'"{self.mimic}" is no mimic; use {", ".join(MIMICS)}.')
        if self.plane not in ("axial", "sagittal"):
            raise BadInput(f'The images of a segment are axial or sagittal, not "{self.plane}".')

    @property
    def has_cord(self) -> bool:
        """The conus ends in L1."""
        return self.level <= Level.L1
