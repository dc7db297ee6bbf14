"""DRR: a radiograph computed from a CT, the integral of attenuation along every ray.

Rays are followed plane by plane of the voxel axis that they run along most, with linear interpolation within each
plane (Joseph, IEEE Trans Med Imaging 1982;1:192), so parallel and cone beams, oblique and sheared grids are one case.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, sparse

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.progress import Progress, silent
from spinemet.projection import Projection
from spinemet.radiograph import PixelScale, Radiograph, SpacingSource, View

WATER_PER_MM = 0.0206
"""Linear attenuation of water at 60 keV, 1/mm (NIST XCOM, 0.206 cm²/g): about the mean energy on a spine."""
SAME_INDEX = 1e-6
"""Indices, and their change from plane to plane, that differ by less are the same (ours)."""
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
    """Attenuation along the ray to every pixel, (rows, columns): the natural logarithm of incident over passed dose.

    Only `ct` itself is followed: crop it to leave out the table, or to see a few vertebrae.

    :raises BadInput: the CT reaches beyond the source or the detector of a cone beam.
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


def simulate(
    ct: Image,
    projection: Projection,
    view: View = View.UNKNOWN,
    *,
    measure_at: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Radiograph:
    """A DRR as a radiograph whose bones are bright and whose lengths are those of the patient at one place.

    :param measure_at: RAS of the place whose magnification is corrected; the middle of the CT unless given.
    """
    pixels = render(ct, projection, progress=progress)
    return Radiograph(pixels, scale_at(projection, ct.grid.center if measure_at is None else measure_at), view)


def scale_at(projection: Projection, ras: ArrayLike) -> PixelScale:
    """What a pixel is worth at a place in the patient: exact, as the beam is known."""
    spacing = projection.spacing_mm
    if projection.source is None:
        return PixelScale(SpacingSource.CALIBRATED, spacing, spacing[0] / spacing[1], basis=("parallel beam",))
    factor = float(projection.magnification(ras))
    basis = (f"cone beam, magnified {factor:.3f} times at the place measured",)
    return PixelScale(SpacingSource.IMAGER, spacing, spacing[0] / spacing[1], factor, basis=basis)


class _Rays:
    """All rays of a projection in the index space of an image, ordered by the axis that they run along most."""

    def __init__(self, start: NDArray, way: NDArray, axis: int, step_mm: NDArray) -> None:
        self.axis = axis
        self.step_mm = step_mm
        first, second = (other for other in (2, 1, 0) if other != axis)
        # Where a ray meets plane n: rows = at_zero + slope · n, and the same for columns.
        slope = way / way[axis]
        at_zero = start - slope * start[axis]
        self._rows = (at_zero[first], slope[first])
        self._columns = (at_zero[second], slope[second])
        self._straight = all(np.ptp(a, axis=1).max() < SAME_INDEX for a in self._rows) and all(
            np.ptp(a, axis=0).max() < SAME_INDEX for a in self._columns
        )

    @classmethod
    def of(cls, image: Image, projection: Projection) -> _Rays:
        rows, columns = projection.shape
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        detector = projection.to_world(np.stack([x, y], axis=-1))
        matrix = image.grid.ras_to_ijk[:3, :3]
        if projection.source is None:
            way_ras = np.broadcast_to(projection.direction, detector.shape)
            start = image.to_index(detector)
        else:
            if not np.all(projection.magnification(image.grid.corners) >= 1):
                raise BadInput("The CT reaches beyond the X-ray source or the detector; give longer distances.")
            way_ras = detector - projection.source
            start = np.broadcast_to(image.to_index(projection.source), detector.shape)
        way = np.moveaxis(way_ras @ matrix.T, -1, 0)
        # The axis that the central ray runs along most, in millimeters, is walked by all rays.
        central = matrix @ projection.direction * image.spacing
        axis = int(np.argmax(np.abs(central)))
        if np.abs(way[axis]).min() < 1e-9:
            raise BadInput("The beam is so wide that some rays miss the CT's planes; give a longer distance.")
        step_mm = np.linalg.norm(way_ras, axis=-1) / np.abs(way[axis])
        return cls(np.moveaxis(start, -1, 0), way, axis, step_mm.astype(np.float32))

    def add(self, result: NDArray[np.float32], plane: NDArray[np.float32], n: int) -> None:
        """Add what every ray meets in plane `n` (its unit: attenuation times one step along the axis)."""
        if self._straight:
            # A detector parallel to the planes, as of a straight view of an axial CT: rows and columns one by one.
            rows = self._rows[0][:, 0] + self._rows[1][:, 0] * n
            columns = self._columns[0][0] + self._columns[1][0] * n
            across = _weights(rows, plane.shape[0]) @ plane
            result += (_weights(columns, plane.shape[1]) @ across.T).T
            return
        rows, columns = (a + b * n for a, b in (self._rows, self._columns))
        hit = (rows > -1) & (rows < plane.shape[0]) & (columns > -1) & (columns < plane.shape[1])
        inside_rows, inside_columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
        if not len(inside_rows):
            return
        part = np.s_[inside_rows[0] : inside_rows[-1] + 1, inside_columns[0] : inside_columns[-1] + 1]
        result[part] += ndimage.map_coordinates(
            plane, [rows[part], columns[part]], order=1, output=np.float32, mode="grid-constant", prefilter=False
        )


def _weights(positions: NDArray[np.float64], size: int) -> sparse.csr_matrix:
    """Matrix (len(positions), size) of linear interpolation; zero outside, fading within the outermost voxels."""
    low = np.floor(positions).astype(int)
    indices = np.stack([low, low + 1], axis=1)
    shares = np.stack([low + 1 - positions, positions - low], axis=1).astype(np.float32)
    shares[(indices < 0) | (indices >= size)] = 0
    ends = np.arange(0, indices.size + 1, 2)
    return sparse.csr_matrix((shares.ravel(), indices.clip(0, size - 1).ravel(), ends), shape=(len(positions), size))
