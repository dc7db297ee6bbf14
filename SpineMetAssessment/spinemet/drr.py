"""DRR: a radiograph computed from a CT, the integral of attenuation along every ray.

Rays are followed plane by plane of the voxel axis that they run along most, with linear interpolation within each
plane (Joseph, IEEE Trans Med Imaging 1982;1:192), so parallel and cone beams, oblique and sheared grids are one case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.progress import Progress, silent
from spinemet.projection import Projection

WATER_PER_MM = 0.0206
"""Linear attenuation of water at 60 keV, 1/mm (NIST XCOM, 0.206 cm²/g): about the mean energy of a spine radiograph."""
AIR_HU = -1000.0
EMPTY_HU = -990.0
"""Planes of the CT without any value above this are passed over (ours)."""


def attenuation(hu: NDArray, water_per_mm: float = WATER_PER_MM) -> NDArray[np.float32]:
    """Linear attenuation, 1/mm, of CT numbers by their definition; below air it is zero."""
    values = np.asarray(hu, dtype=np.float32) * np.float32(water_per_mm / 1000.0)
    values += np.float32(water_per_mm)
    return np.maximum(values, np.float32(0.0), out=values)


def render(
    ct: Image, projection: Projection, *, water_per_mm: float = WATER_PER_MM, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Attenuation along the ray to every pixel, (rows, columns), as the natural logarithm of incident over passed dose.

    Only `ct` itself is followed: crop it to leave out the table, or to see a few vertebrae.

    :raises BadInput: the source stands within the CT.
    """
    report = progress or silent
    rays = _Rays.of(ct, projection)
    result = np.zeros(projection.shape, dtype=np.float32)
    planes = np.moveaxis(ct.array, 2 - rays.axis, 0)
    for n, plane in enumerate(planes):
        if n % 16 == 0:
            report(n / len(planes), f"projecting {ct.name}")
        if plane.max() > EMPTY_HU:
            rays.add(result, attenuation(plane, water_per_mm), n)
    result *= rays.step_mm
    report(1.0, f"projected {ct.name}")
    return result


class _Rays:
    """All rays of a projection in the index space of an image, ordered by the axis that they run along most."""

    def __init__(self, start: NDArray, way: NDArray, axis: int, step_mm: NDArray, parallel: bool) -> None:
        self.axis = axis
        self.step_mm = step_mm
        self._start = start
        self._slope = way / way[axis]
        self._parallel = parallel

    @classmethod
    def of(cls, image: Image, projection: Projection) -> _Rays:
        rows, columns = projection.shape
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        detector = projection.to_world(np.stack([x, y], axis=-1))
        matrix = image.grid.ras_to_ijk[:3, :3]
        parallel = projection.source is None
        if projection.source is None:
            way_ras = np.broadcast_to(projection.direction, detector.shape)
            start = image.to_index(detector)
        else:
            if image.grid.contains(projection.source):
                raise BadInput("The X-ray source stands within the CT; give a longer distance to the source.")
            way_ras = detector - projection.source
            start = np.broadcast_to(image.to_index(projection.source), detector.shape)
        way = np.moveaxis(way_ras @ matrix.T, -1, 0)
        # The axis that the central ray runs along most, in millimeters, is walked by all rays.
        central = matrix @ projection.direction * image.spacing
        axis = int(np.argmax(np.abs(central)))
        if np.abs(way[axis]).min() < 1e-9:
            raise BadInput("The beam is so wide that some rays miss the CT's planes; give a longer distance.")
        step_mm = np.linalg.norm(way_ras, axis=-1) / np.abs(way[axis])
        return cls(np.moveaxis(start, -1, 0), way, axis, step_mm.astype(np.float32), parallel)

    def add(self, result: NDArray[np.float32], plane: NDArray[np.float32], n: int) -> None:
        """Add what every ray meets in plane `n` (its unit: attenuation times one step along the axis)."""
        first, second = (axis for axis in (2, 1, 0) if axis != self.axis)
        ahead = n - self._start[self.axis]
        rows = self._start[first] + self._slope[first] * ahead
        columns = self._start[second] + self._slope[second] * ahead
        hit = (rows > -1) & (rows < plane.shape[0]) & (columns > -1) & (columns < plane.shape[1])
        inside_rows, inside_columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
        if not len(inside_rows):
            return
        part = np.s_[inside_rows[0] : inside_rows[-1] + 1, inside_columns[0] : inside_columns[-1] + 1]
        result[part] += ndimage.map_coordinates(
            plane, [rows[part], columns[part]], order=1, output=np.float32, mode="grid-constant", prefilter=False
        )
