"""What each tissue looks like: HU on CT, signal on MR (arbitrary units), uptake on PET (SUV). Typical values."""

from __future__ import annotations

from enum import Enum

from spinemet.case import Role


class Tissue(Enum):
    """Everything that the phantom is made of."""

    AIR = "air"
    LUNG = "lung"
    SKIN = "skin"
    FAT = "fat"
    MUSCLE = "muscle"
    BOWEL = "bowel"
    ORGAN = "organ"
    BLOOD = "blood"
    CORTEX = "cortical bone"
    MARROW = "trabecular bone"
    ANNULUS = "annulus"
    NUCLEUS = "nucleus"
    EPIDURAL_FAT = "epidural fat"
    FLUID = "cerebrospinal fluid"
    CORD = "spinal cord"
    ROOT = "nerve root"
    LYTIC = "lytic tumor"
    BLASTIC = "blastic tumor"
    EPIDURAL_TUMOR = "epidural tumor"


CHANNELS = (Role.CT, Role.T1, Role.T2, Role.STIR, Role.PET)

_TABLE: dict[Tissue, tuple[float, float, float, float, float]] = {
    #                        HU    T1   T2  STIR  SUV
    Tissue.AIR: (-1000, 0, 0, 0, 0.0),
    Tissue.LUNG: (-840, 25, 30, 25, 0.4),
    Tissue.SKIN: (20, 350, 250, 200, 0.5),
    Tissue.FAT: (-100, 860, 620, 70, 0.3),
    Tissue.MUSCLE: (55, 300, 150, 140, 0.7),
    Tissue.BOWEL: (25, 380, 330, 280, 1.3),
    Tissue.ORGAN: (45, 400, 330, 280, 2.0),
    Tissue.BLOOD: (45, 60, 35, 40, 1.6),
    Tissue.CORTEX: (900, 45, 35, 25, 0.5),
    Tissue.MARROW: (175, 560, 340, 110, 1.2),
    Tissue.ANNULUS: (95, 250, 110, 90, 0.5),
    Tissue.NUCLEUS: (80, 290, 560, 420, 0.5),
    Tissue.EPIDURAL_FAT: (-75, 830, 600, 80, 0.4),
    Tissue.FLUID: (8, 120, 980, 950, 0.4),
    Tissue.CORD: (38, 400, 300, 260, 1.6),
    Tissue.ROOT: (32, 350, 380, 330, 0.8),
    Tissue.LYTIC: (48, 215, 620, 780, 8.0),
    Tissue.BLASTIC: (720, 110, 130, 240, 5.5),
    Tissue.EPIDURAL_TUMOR: (50, 250, 520, 680, 7.0),
}


def values(role: Role, trabecular_hu: float) -> dict[Tissue, float]:
    """The value of every tissue in an image of a role."""
    column = CHANNELS.index(role)
    table = {tissue: row[column] for tissue, row in _TABLE.items()}
    if role is Role.CT:
        table[Tissue.MARROW] = trabecular_hu
    return table
