"""Left and right: whether the moving image fits better when it is mirrored, which no correct header allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinemet.image import Image
from spinemet.registration.metric import Agreement
from spinemet.registration.motion import Array, RigidMotion
from spinemet.registration.start import Candidate, refined

SWAPPED, UNSURE = 1.03, 1.0
"""How many times more information the mirrored image must give before the sides count as swapped, or as unsure [D]."""


def mirrored_ratio(fixed: Image, moving: Image, motion: RigidMotion, center: Array) -> float | None:
    """Information of the moving image mirrored from right to left over that of the image as it is, both at their best.

    :param motion: fixed to moving, as it was found.
    :param center: a point of the spine, RAS mm of the fixed image, through which the mirror goes.
    :return: None where the images share too little.
    """
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[0, 3] = 2 * motion.apply(center)[0]
    mirror_fixed = mirror.copy()
    mirror_fixed[0, 3] = 2 * center[0]
    nothing = Agreement(0.0, 0.0)
    turned = RigidMotion(mirror @ motion.matrix @ mirror_fixed)
    other = replace(moving, ijk_to_ras=mirror @ moving.ijk_to_ras)
    as_it_is = refined(fixed, moving, [Candidate(motion, "", nothing)])[0].agreement.evidence
    swapped = refined(fixed, other, [Candidate(item, "", nothing) for item in (motion, turned)])[0].agreement.evidence
    return swapped / as_it_is if as_it_is > 0 else None
