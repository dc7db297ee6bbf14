"""A small patient in the scene: CT with outlined L2 to L4, and a T2 of the same patient who lies otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from spinemet import phantom
from spinemet.case import ImageRef, Role
from spinemet.levels import Level

LEVELS = (Level.L2, Level.L3, Level.L4)


@dataclass(frozen=True)
class SmallPair:
    """The nodes, and the true 4×4 motions of the vertebrae from CT to T2 (RAS, mm)."""

    ct: Any
    t2: Any
    segmentation: Any
    motions: dict[Level, np.ndarray]


@cache
def patient() -> phantom.SyntheticPatient:
    return phantom.create(
        phantom.PatientSpec(
            seed=5,
            levels=LEVELS,
            ct_size=None,
            ct_spacing=(1.6, 1.6, 2.0),
            modalities=(Role.CT, Role.T2),
            posture=phantom.PostureSpec(6.0, 2.0, -2.0, (5.0, -8.0, 9.0), (2.0, -2.0, 1.0)),
            mr=phantom.MrSpec((1.2, 1.2, 4.0)),
        )
    )


def add_to(scene: Any) -> SmallPair:
    """Put both images and the vertebrae into a scene."""
    from spinemet.scene import segmentation_from_labelmaps, volume_from_image

    made = patient()
    refs = {
        Role.CT: ImageRef("ct", Role.CT, "frame-ct", date="2026-03-02"),
        Role.T2: ImageRef("t2", Role.T2, "frame-mr", date="2026-03-03"),
    }
    ct, t2 = (volume_from_image(scene, made.images[role], refs[role], role.value) for role in refs)
    segmentation = segmentation_from_labelmaps(scene, [made.vertebrae], ct, "Vertebrae")
    table = made.truth["levels"]
    return SmallPair(ct, t2, segmentation, {level: np.array(table[str(level)]["ct_to_mr"]) for level in LEVELS})
