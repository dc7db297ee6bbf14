"""Image: voxels with their place in the world, the one thing that all rooms pass around.

Arrays are indexed (k, j, i) as Slicer's are; `ijk_to_ras` maps (i, j, k, 1) to RAS millimeters and may be
oblique, anisotropic, left-handed, even sheared. Conversion to LPS happens here, at the border to SimpleITK.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.errors import BadInput, GridMismatch

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
Region = tuple[slice, slice, slice]
"""A crop in array order (k, j, i)."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie, without the voxels.

    :param shape: number of voxels along (k, j, i).
    :param ijk_to_ras: 4×4, voxel centers, millimeters.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.array(self.ijk_to_ras, dtype=float)
        if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)) or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
            raise BadInput("An image's voxel-to-world matrix must be 4×4, finite and invertible.")
        matrix.setflags(write=False)
        object.__setattr__(self, "ijk_to_ras", matrix)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @cached_property
    def ras_to_ijk(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.inv(self.ijk_to_ras))

    @cached_property
    def spacing(self) -> NDArray[np.float64]:
        """Distance in mm between neighbors along i, j and k."""
        return np.asarray(np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0))

    @cached_property
    def directions(self) -> NDArray[np.float64]:
        """3×3; the columns are the RAS unit vectors of the i, j and k axes."""
        return np.asarray(self.ijk_to_ras[:3, :3] / self.spacing)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm³."""
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])))

    @cached_property
    def place(self) -> bytes:
        """The voxel-to-world matrix in steps of 10 nm, for digests: blind to rounding in the last bits and to −0.

        The odd offset keeps values such as a spacing of 0.9765625 mm away from the edges between steps.
        """
        return np.asarray(np.floor(self.ijk_to_ras * 1e5 + 0.381966), dtype="<i8").tobytes()

    @property
    def is_sheared(self) -> bool:
        """True when the axes are not perpendicular (gantry tilt): SimpleITK cannot represent this."""
        return not np.allclose(self.directions.T @ self.directions, np.eye(3), atol=1e-3)

    @cached_property
    def center(self) -> NDArray[np.float64]:
        """RAS position of the middle of the grid."""
        return self.to_world((np.array(self.shape[::-1]) - 1) / 2)

    def to_world(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """RAS positions of continuous indices (…, 3) in (i, j, k) order."""
        points = np.asarray(ijk, dtype=float)
        return np.asarray(points @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3])

    def to_index(self, ras: ArrayLike) -> NDArray[np.float64]:
        """Continuous indices (…, 3) in (i, j, k) order of RAS positions."""
        points = np.asarray(ras, dtype=float)
        return np.asarray(points @ self.ras_to_ijk[:3, :3].T + self.ras_to_ijk[:3, 3])

    def contains(self, ras: ArrayLike) -> NDArray[np.bool_]:
        """Whether RAS positions (…, 3) lie within the outer faces of the voxels."""
        ijk = self.to_index(ras)
        return np.asarray(np.all((ijk >= -0.5) & (ijk <= np.array(self.shape[::-1]) - 0.5), axis=-1))

    def matches(self, other: Grid, tolerance_mm: float = 0.01) -> bool:
        """Whether the corners of both grids coincide within `tolerance_mm` and the shapes are equal."""
        if self.shape != other.shape:
            return False
        corners = _corner_indices(self.shape)
        return bool(np.max(np.abs(self.to_world(corners) - other.to_world(corners))) <= tolerance_mm)

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """RAS positions (8, 3) of the centers of the corner voxels."""
        return self.to_world(_corner_indices(self.shape))

    def crop(self, region: Region) -> Grid:
        """The grid of a region (step 1, within the grid)."""
        starts, shape = [], []
        for part, size in zip(region, self.shape, strict=True):
            start, stop, step = part.indices(size)
            if step != 1:
                raise ValueError("a region must have step 1")
            starts.append(start)
            shape.append(max(0, stop - start))
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.to_world(np.array(starts[::-1], dtype=float))
        return Grid((shape[0], shape[1], shape[2]), matrix)

    def region_around(self, ras: ArrayLike, margin_mm: float = 0.0) -> Region:
        """Smallest region that holds all RAS points (n, 3) with a margin, clipped to the grid.

        :raises BadInput: the points and the grid do not overlap.
        """
        ijk = self.to_index(ras).reshape(-1, 3)
        # A step of 1 mm in the world moves an index by at most the norm of the inverse's row.
        reach = np.linalg.norm(self.ras_to_ijk[:3, :3], axis=1) * margin_mm
        low = np.floor(ijk.min(axis=0) - reach + 0.5).astype(int)
        high = np.floor(ijk.max(axis=0) + reach + 0.5).astype(int) + 1
        size = np.array(self.shape[::-1])
        low, high = np.clip(low, 0, size), np.clip(high, 0, size)
        if np.any(high <= low):
            raise BadInput("The region asked for lies outside the image.")
        return (slice(low[2], high[2]), slice(low[1], high[1]), slice(low[0], high[0]))

    def with_spacing(self, spacing_mm: ArrayLike) -> Grid:
        """A grid over the same field of view, same directions, with another spacing (i, j, k) in mm."""
        wanted = np.broadcast_to(np.asarray(spacing_mm, dtype=float), (3,))
        size = np.array(self.shape[::-1])
        extent = size * self.spacing
        count = np.maximum(1, np.ceil(extent / wanted - 1e-6)).astype(int)
        matrix = np.eye(4)
        matrix[:3, :3] = self.directions * wanted
        outer = self.to_world(np.array([-0.5, -0.5, -0.5]))
        matrix[:3, 3] = outer + matrix[:3, :3] @ np.array([0.5, 0.5, 0.5])
        return Grid((int(count[2]), int(count[1]), int(count[0])), matrix)


@dataclass(frozen=True, eq=False)
class Image:
    """Voxels with their place in the world.

    :param array: (k, j, i); used in place, never copied.
    :param ijk_to_ras: 4×4 matrix from (i, j, k, 1) to RAS millimeters.
    :param frame: name of the frame of reference (its UID where there is one).
    :param name: what to call the image in messages; free of PHI.
    """

    array: NDArray[Any]
    ijk_to_ras: NDArray[np.float64]
    frame: str = ""
    name: str = "image"

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise BadInput(f"{self.name} has shape {self.array.shape}; a volume with three dimensions is needed.")
        object.__setattr__(self, "ijk_to_ras", self.grid.ijk_to_ras)

    @cached_property
    def grid(self) -> Grid:
        k, j, i = self.array.shape
        return Grid((k, j, i), self.ijk_to_ras)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.grid.shape

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Spacing in mm along i, j and k."""
        return self.grid.spacing

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm³."""
        return self.grid.voxel_volume

    def to_world(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """RAS positions of continuous (i, j, k) indices (…, 3)."""
        return self.grid.to_world(ijk)

    def to_index(self, ras: ArrayLike) -> NDArray[np.float64]:
        """Continuous (i, j, k) indices of RAS positions (…, 3)."""
        return self.grid.to_index(ras)

    def with_array(self, array: NDArray[Any]) -> Image:
        """Another array of the same shape on the same grid."""
        if array.shape != self.array.shape:
            raise GridMismatch(f"An array of shape {array.shape} does not fit {self.name} of {self.array.shape}.")
        return replace(self, array=array)

    def crop(self, region: Region) -> Image:
        """A view on a region; it shares memory with this image."""
        grid = self.grid.crop(region)
        return replace(self, array=self.array[region], ijk_to_ras=grid.ijk_to_ras)

    def crop_around(self, ras: ArrayLike, margin_mm: float = 0.0) -> Image:
        """A view on the smallest region that holds the RAS points (n, 3) with a margin."""
        return self.crop(self.grid.region_around(ras, margin_mm))

    def require_grid(self, other: Image | Grid) -> None:
        """:raises GridMismatch: `other` does not lie on this image's grid."""
        grid = other.grid if isinstance(other, Image) else other
        if not self.grid.matches(grid):
            name = other.name if isinstance(other, Image) else "the other image"
            raise GridMismatch(
                f"{name} ({_describe(grid)}) does not lie on the grid of {self.name} ({_describe(self.grid)});"
                " resample it onto that image, or choose the file that belongs to it."
            )

    def sample(
        self, ras: ArrayLike, *, order: int = 1, outside: float = np.nan, dtype: Any = np.float32
    ) -> NDArray[Any]:
        """Interpolated values at RAS positions (…, 3); `outside` where the image does not reach.

        :param order: 0 nearest, 1 linear, 3 cubic.
        """
        points = np.asarray(ras, dtype=float)
        ijk = self.to_index(points).reshape(-1, 3)
        values = ndimage.map_coordinates(self.array, ijk.T[::-1], order=order, output=dtype, mode="nearest")
        inside = np.all((ijk >= -0.5) & (ijk <= np.array(self.shape[::-1]) - 0.5), axis=1)
        values[~inside] = outside
        return np.asarray(values.reshape(points.shape[:-1]))

    def resample(
        self, grid: Grid, *, nearest: bool = False, outside: float = 0.0, moved_by: NDArray[np.float64] | None = None
    ) -> Image:
        """This image on another grid, by SimpleITK.

        :param nearest: nearest neighbor (labels) instead of linear.
        :param outside: value where this image does not reach.
        :param moved_by: 4×4 RAS matrix that moves this image's content in the world before resampling.
        """
        source = replace(self, ijk_to_ras=np.asarray(moved_by) @ self.ijk_to_ras) if moved_by is not None else self
        if source.grid.is_sheared or grid.is_sheared:
            return source._resample_by_sampling(grid, nearest=nearest, outside=outside)
        origin, spacing, direction = _itk_geometry(grid)
        result = sitk.Resample(
            source.to_sitk(),
            [int(n) for n in grid.shape[::-1]],
            sitk.Transform(3, sitk.sitkIdentity),
            sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear,
            origin,
            spacing,
            direction,
            outside,
        )
        array = sitk.GetArrayFromImage(result)
        if self.array.dtype == bool:
            array = array.astype(bool)
        return replace(self, array=array, ijk_to_ras=grid.ijk_to_ras)

    def _resample_by_sampling(self, grid: Grid, *, nearest: bool, outside: float) -> Image:
        array = np.empty(grid.shape, dtype=self.array.dtype)
        j, i = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
        for k in range(grid.shape[0]):
            points = grid.to_world(np.stack([i, j, np.full_like(i, k)], axis=-1))
            values = self.sample(points, order=0 if nearest else 1, outside=outside)
            array[k] = values if array.dtype.kind == "f" or nearest else np.rint(values)
        return replace(self, array=array, ijk_to_ras=grid.ijk_to_ras)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of voxels and place; equal fingerprints mean an equal image."""
        digest = hashlib.blake2b(digest_size=16)
        dtype = storage_type(self.array.dtype)
        digest.update(repr((self.array.shape, dtype.str)).encode())
        digest.update(self.grid.place)
        for plane in self.array:
            digest.update(np.ascontiguousarray(plane, dtype=dtype).data)
        return digest.hexdigest()

    def to_sitk(self) -> Any:
        """This image as a SimpleITK image (LPS).

        :raises BadInput: the grid is sheared (resample it first).
        """
        if self.grid.is_sheared:
            raise BadInput(f"{self.name} has a sheared grid (gantry tilt); resample it onto a straight grid first.")
        array = self.array.astype(np.uint8) if self.array.dtype == bool else np.ascontiguousarray(self.array)
        image = sitk.GetImageFromArray(array)
        origin, spacing, direction = _itk_geometry(self.grid)
        image.SetOrigin(origin)
        image.SetSpacing(spacing)
        image.SetDirection(direction)
        return image

    @classmethod
    def from_sitk(cls, image: Any, *, frame: str = "", name: str = "image") -> Image:
        """Image from a scalar three-dimensional SimpleITK image; its pixels are copied once."""
        if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
            raise BadInput(f"{name} is not a scalar volume with three dimensions; choose a single volume.")
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
        matrix[:3, 3] = image.GetOrigin()
        return cls(sitk.GetArrayFromImage(image), LPS_RAS @ matrix, frame=frame, name=name)


def storage_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The voxel type in which files hold `dtype`: scenes know no bool, int8, float16 or 64-bit whole numbers."""
    return np.dtype(_STORED_AS.get(f"{dtype.kind}{dtype.itemsize}", dtype))


_STORED_AS = {"b1": "u1", "i1": "i2", "i8": "i4", "u8": "u4", "f2": "f4"}


def _itk_geometry(grid: Grid) -> tuple[list[float], list[float], list[float]]:
    """Origin, spacing and row-major direction of a grid in LPS, as SimpleITK wants them."""
    direction = LPS_RAS[:3, :3] @ grid.directions
    # Rounding in files leaves axes a hair off perpendicular; ITK wants them exact.
    u, _, vt = np.linalg.svd(direction)
    origin = LPS_RAS[:3, :3] @ grid.ijk_to_ras[:3, 3]
    return origin.tolist(), [float(s) for s in grid.spacing], (u @ vt).ravel().tolist()


def _corner_indices(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    k, j, i = (np.array([0, n - 1], dtype=float) for n in shape)
    return np.stack(np.meshgrid(i, j, k, indexing="ij"), axis=-1).reshape(-1, 3)


def _describe(grid: Grid) -> str:
    size = "×".join(str(n) for n in grid.shape[::-1])
    spacing = "×".join(f"{s:.2f}" for s in grid.spacing)
    origin = ", ".join(f"{x:.1f}" for x in grid.ijk_to_ras[:3, 3])
    return f"{size} voxels of {spacing} mm at ({origin})"
