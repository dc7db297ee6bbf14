"""The synthetic patient as geometry: shapes, lesions, and poses in the CT's and the MR's posture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinemet.levels import Level
from spinemet.phantom.canal import Canal, make_canal
from spinemet.phantom.dimensions import BUILT
from spinemet.phantom.lesion import LesionShape, make_lesion
from spinemet.phantom.shape import VertebraShape, make_shape
from spinemet.phantom.solids import Array
from spinemet.phantom.spec import PatientSpec
from spinemet.phantom.stack import restack, stack


@dataclass(frozen=True)
class Posture:
    """The spine as it lies in one scanner: poses (own frame → RAS of that scanner) and the canal through them."""

    poses: Mapping[Level, Array]
    canal: Canal


@dataclass(frozen=True)
class Model:
    """Everything that images, masks and truth are made from.

    :param shapes: all levels T7 to S1, also those that the spec leaves out (they still are in the body).
    """

    spec: PatientSpec
    shapes: Mapping[Level, VertebraShape]
    lesions: Mapping[Level, LesionShape]
    ct: Posture
    mr: Posture

    @property
    def levels(self) -> tuple[Level, ...]:
        return self.spec.levels

    def ct_to_mr(self, level: Level) -> Array:
        """4×4 RAS transform of a vertebra from the CT's posture to the MR's."""
        return np.asarray(self.mr.poses[level] @ np.linalg.inv(self.ct.poses[level]))


def build(spec: PatientSpec) -> Model:
    """Geometry of the patient that a spec asks for."""
    rng = np.random.default_rng([spec.seed, 0])
    collapses = {item.level: item for item in spec.collapses}
    shapes = {level: make_shape(level, spec.size, collapses.get(level), rng) for level in BUILT}
    lesions = {
        item.level: make_lesion(item, n + 1, shapes[item.level], spec.seed) for n, item in enumerate(spec.lesions)
    }
    poses = stack(shapes, spec)
    moved = restack(shapes, spec, poses)
    return Model(
        spec,
        shapes,
        lesions,
        Posture(poses, make_canal(shapes, poses, spec.epidural)),
        Posture(moved, make_canal(shapes, moved, spec.epidural)),
    )
