"""Synthetic patients for the registration: a CT, an MR in another posture, and where every vertebra truly went."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from spinemet import phantom
from spinemet.case import Role
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

CASES = 12
SEEDS = tuple(range(1, CASES + 1))
"""The bars are measured on these; constants of the registration were chosen on `TUNING_SEEDS`."""
TUNING_SEEDS = tuple(range(201, 201 + CASES))

ROLES = (Role.T1, Role.T2, Role.STIR)
SPACINGS = (None, (1.0, 1.0, 4.0), (0.9, 0.9, 3.0), (1.0, 1.0, 4.0))
"""Of the MR in mm: the protocol's own (0.7 to 0.9 in plane, 4.0 to 4.4 between slices) or coarser in plane."""
CT_SPACINGS = ((0.8, 0.8, 1.0), (0.8, 0.8, 2.0))
CUTS = ((120.0, 0.0), (0.0, 90.0), (95.0, 25.0))
"""Millimeters that a third of the MR images lack above and below."""
NOISE = (1.0, 2.0, 3.0)
BEND_DEG, SHIFT_MM = (2.0, 12.0), (3.0, 25.0)
POINTS = 2000
"""At how many points of each vertebra the error is measured."""


@dataclass(frozen=True, eq=False)
class Case:
    """A patient of known motion.

    :param motions: 4×4 RAS matrices that carry points of a vertebra from the CT to the MR.
    :param points: points (n, 3) in each vertebra, RAS of the CT.
    :param in_view: share of each vertebra's bone that the MR shows.
    """

    seed: int
    role: Role
    ct: Image
    mr: Image
    vertebrae: LabelMap
    motions: dict[Level, np.ndarray]
    points: dict[Level, np.ndarray]
    in_view: dict[Level, float]

    def errors(self, level: Level, matrix: np.ndarray) -> np.ndarray:
        """Target registration error in mm at the points of a vertebra, of a 4×4 motion from CT to MR."""
        return distances(self.points[level], matrix, self.motions[level])


def distances(points: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far apart two 4×4 motions carry each of the points (n, 3)."""
    difference = np.asarray(one) - np.asarray(other)
    return np.linalg.norm(points @ difference[:3, :3].T + difference[:3, 3], axis=1)


def spec(seed: int) -> phantom.PatientSpec:
    """Three weightings in turn; bend and shift run through their ranges; every third MR is cut short."""
    number = (seed - 1) % CASES
    rng = np.random.default_rng([seed, 77])
    share = ((number * 5) % CASES) / (CASES - 1)
    bend = _direction(rng) * np.interp(share, [0, 1], BEND_DEG)
    shift = _direction(rng) * np.interp(((number * 7) % CASES) / (CASES - 1), [0, 1], SHIFT_MM)
    tilt = _direction(rng) * 3.0
    return replace(
        phantom.random_spec(seed),
        modalities=(Role.CT, ROLES[number % 3]),
        ct_spacing=CT_SPACINGS[(number // 3) % 2],
        posture=phantom.PostureSpec(*_floats(bend), _floats(shift), _floats(tilt)),
        mr=phantom.MrSpec(
            SPACINGS[number % 4],
            CUTS[(number // 4) % 3] if number % 3 == (number // 3) % 3 else (0.0, 0.0),
            NOISE[(number // 2) % 3],
        ),
    )


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def _floats(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 3) for v in vector)
    return (x, y, z)


@cache
def case(seed: int) -> Case:
    """The case of a seed."""
    wanted = spec(seed)
    patient = phantom.create(wanted)
    role = wanted.modalities[1]
    table = patient.truth["levels"]
    levels = patient.vertebrae.levels
    return Case(
        seed,
        role,
        patient.images[Role.CT],
        patient.images[role],
        patient.vertebrae,
        {level: np.array(table[str(level)]["ct_to_mr"]) for level in levels},
        {level: bone_points(patient.vertebrae, value, seed) for level, value in levels.items()},
        {level: table[str(level)]["in_view_percent"][role.value] / 100 for level in levels},
    )


def bone_points(labels: LabelMap, value: int, seed: int) -> np.ndarray:
    """Points (n, 3) spread over an outline, RAS mm."""
    mask = labels.mask(value, 0)
    found = np.argwhere(mask.array)
    chosen = np.random.default_rng([seed, value]).choice(len(found), min(POINTS, len(found)), replace=False)
    return mask.to_world(found[chosen][:, ::-1])
