"""How well the parts of a synthetic vertebra agree with its construction."""

from __future__ import annotations

import numpy as np

from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts
from spinemet.anatomy.vertebra import Vertebra
from spinemet.image import Grid
from spinemet.levels import Level
from spinemet.phantom.lesion import PART_INDEX, part_names
from spinemet.phantom.model import Model

FACET = ("SUPERIOR_ARTICULAR", "PARS", "INFERIOR_ARTICULAR")
"""The phantom's facet is the whole articular pillar."""


def constructed(model: Model, level: Level, grid: Grid) -> np.ndarray:
    """The phantom's own part of every voxel center: 0 body, then as in `PART_INDEX`."""
    shape, pose = model.shapes[level], model.ct.poses[level]
    matrix = np.linalg.inv(pose) @ grid.ijk_to_ras
    k, j, i = np.indices(grid.shape)
    x, y, z = ((row[0] * i + row[1] * j + row[2] * k + row[3]).astype(np.float32) for row in matrix[:3])
    return part_names(shape, shape.body(x, y, z), shape.arch(x, y, z), x, y)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def overlaps(model: Model, vertebra: Vertebra, parts: Parts) -> list[tuple[str, float]]:
    """Kind of part ("pedicle", …) and Dice of each of the phantom's parts of one vertebra."""
    truth = constructed(model, vertebra.level, parts.map.grid)
    found = []
    for name, index in PART_INDEX.items():
        kind, _, side = name.partition("_")
        names = FACET if kind == "facet" else (kind.upper(),)
        chosen = [Part[f"{item}_{side.upper()}" if side else item] for item in names]
        found.append((kind, dice(parts.mask(*chosen), (truth == index) & vertebra.mask.array)))
    return found
