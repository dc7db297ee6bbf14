"""Sizes of the vertebrae T7 to S1, in mm and degrees.

Rounded from the published morphometry of Panjabi et al. (thoracic: Spine 1991;16:888, lumbar: Spine 1992;17:299)
and smoothed along the spine, heights a little larger as in living men: an approximation for a phantom, not a norm.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinemet.levels import Level


@dataclass(frozen=True)
class Dimensions:
    """One vertebra; lengths in mm, angles in degrees.

    :param height_anterior: at 90 % of the depth, of the rim, without the endplates' concavity.
    :param height_posterior: at 10 % of the depth.
    :param canal_width: between the pedicles.
    :param pedicle_angle: how much the pedicles converge toward the front.
    :param transverse: half the distance between the tips of the transverse processes.
    :param spinous_length: from the lamina to the tip.
    :param spinous_slope: fall of the spinous process per mm toward the back.
    :param disc_below: height of the disc below, in the middle.
    :param disc_lordosis: opening of the disc below toward the front.
    :param shingle: 1 for thoracic posterior elements (facets face the back), 0 for lumbar (facets face inward).
    """

    width: float
    depth: float
    height_anterior: float
    height_posterior: float
    canal_width: float
    canal_depth: float
    pedicle_width: float
    pedicle_height: float
    pedicle_angle: float
    transverse: float
    spinous_length: float
    spinous_slope: float
    disc_below: float
    disc_lordosis: float
    shingle: float


DIMENSIONS: dict[Level, Dimensions] = {
    # width, depth, heights a/p, canal w/d, pedicle w/h/angle, transverse, spinous length/slope, disc/lordosis, shingle
    Level.T7: Dimensions(30.0, 27.0, 18.7, 19.8, 17.3, 16.0, 5.0, 11.0, 9, 32, 31, 1.0, 4.4, 0.0, 1.0),
    Level.T8: Dimensions(31.0, 28.0, 19.3, 20.5, 17.5, 16.0, 5.2, 11.5, 8, 31, 30, 0.95, 4.6, 0.0, 1.0),
    Level.T9: Dimensions(32.2, 29.0, 20.1, 21.3, 17.7, 16.0, 5.8, 13.0, 7, 30, 28, 0.85, 5.0, 0.0, 1.0),
    Level.T10: Dimensions(34.0, 29.9, 21.0, 22.3, 18.2, 16.0, 6.5, 14.5, 5, 28, 26, 0.65, 5.5, 0.5, 1.0),
    Level.T11: Dimensions(36.4, 30.7, 22.0, 23.6, 19.5, 16.5, 7.8, 16.0, 2, 24, 25, 0.4, 6.2, 1.0, 0.9),
    Level.T12: Dimensions(39.4, 31.5, 23.5, 25.3, 21.8, 17.5, 8.0, 16.0, 0, 23, 26, 0.25, 7.2, 2.0, 0.6),
    Level.L1: Dimensions(41.8, 32.3, 25.2, 26.9, 23.0, 18.0, 8.0, 15.5, 8, 36, 29, 0.15, 8.6, 4.5, 0.1),
    Level.L2: Dimensions(43.8, 33.1, 26.9, 27.9, 23.5, 17.6, 8.5, 15.0, 10, 40, 30, 0.1, 10.0, 7.0, 0.0),
    Level.L3: Dimensions(45.8, 33.9, 28.2, 28.2, 24.5, 17.2, 10.0, 14.8, 13, 44, 30, 0.1, 11.0, 8.5, 0.0),
    Level.L4: Dimensions(47.8, 34.5, 29.2, 27.5, 26.0, 17.4, 12.5, 15.0, 17, 42, 28, 0.12, 11.5, 11.0, 0.0),
    Level.L5: Dimensions(50.0, 34.6, 30.0, 26.0, 28.0, 18.0, 16.0, 15.5, 25, 45, 23, 0.25, 10.5, 14.0, 0.0),
    Level.S1: Dimensions(51.0, 33.0, 29.0, 25.0, 30.5, 16.0, 17.0, 17.0, 25, 48, 12, 0.2, 0.0, 0.0, 0.0),
}

BUILT = tuple(DIMENSIONS)
"""Every level in the body, from head to tail; T7 only continues the spine at the upper edge of the images."""

SUPPORTED = BUILT[1:]
"""Levels that a patient can be asked for: they are labeled and have truth."""

SACRAL_SLOPE = 38.0
"""Tilt of the sacral endplate against the horizontal, degrees, lying."""

VERSE: dict[Level, int] = {level: (7 if level.value[0] == "T" else 19) + level.number for level in SUPPORTED}
VERSE[Level.S1] = 26
"""Label of each level in VerSe's numbering."""
