"""Series and Study: what was acquired of a patient at one time point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinemet.case import ImageRef, Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.progress import Progress
from spinemet.study.dicom_files import DicomFile
from spinemet.study.roles import RoleJudgment
from spinemet.study.traits import Trait

Reader = Callable[[Progress | None], Image]
ISOTROPIC_RATIO = 1.2
"""Up to this ratio of the coarsest to the finest spacing, voxels have no slice direction (ours)."""
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class Series:
    """One image of a study; its voxels are read when they are first asked for.

    :param ref: which image, what for.
    :param source: where it comes from, in a few words free of PHI ("20 DICOM files of CT series 3").
    :param reader: reads the voxels; called at most once.
    :param grid: where the voxels lie; None when that is what is wrong.
    :param notes: sentences for the reader (uneven spacing, how the role was found).
    :param refusal: why this series must not be measured in; "" when it may.
    :param viewer: reads the voxels for looking at where they must not be measured in; None when there are none.
    :param judgments: the roles that were thought of, the one taken first, with scores and reasons.
    :param traits: what else the header says ("kernel": "bone", "b-value": 800.0, "view": "lateral", …).
    :param files: the DICOM files; none for volume files.
    """

    ref: ImageRef
    source: str
    reader: Reader = field(repr=False)
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    refusal: str = ""
    viewer: Reader | None = field(default=None, repr=False)
    judgments: tuple[RoleJudgment, ...] = ()
    traits: Mapping[str, Trait] = field(default_factory=dict)
    files: tuple[DicomFile, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, ref: ImageRef, image: Image, *, source: str = "", notes: tuple[str, ...] = ()) -> Series:
        """A series whose voxels are in memory already."""
        return cls(ref, source or image.name, lambda progress: image, image.grid, notes)

    @property
    def usable(self) -> bool:
        return not self.refusal

    @cached_property
    def image(self) -> Image:
        """The voxels. :raises BadInput: the series was refused, or its voxels cannot be read."""
        return self._read(None)

    def load(self, progress: Progress | None = None) -> Image:
        """The voxels, with progress while they are read for the first time."""
        if "image" not in self.__dict__:
            self.__dict__["image"] = self._read(progress)
        return self.image

    def _read(self, progress: Progress | None) -> Image:
        if self.refusal:
            raise BadInput(self.refusal)
        return self.reader(progress)

    def view(self, progress: Progress | None = None) -> Image:
        """The voxels for looking at, whether or not they may be measured in.

        Of a refused series the grid is only a layout: slices lie as evenly as they can be laid.

        :raises BadInput: there is nothing to look at (structures, reports), or the pixels cannot be read.
        """
        if self.usable and self.viewer is None:
            return self.load(progress)
        if self.viewer is None:
            raise BadInput(self.refusal)
        return self.viewer(progress)

    def straightened(self) -> Series:
        """A series with a gantry tilt resampled onto a straight grid, and saying so; any other as it is."""
        if self.grid is None or not self.grid.is_sheared or not self.usable:
            return self
        grid = straight_grid(self.grid)

        def read(progress: Progress | None) -> Image:
            image = self.load(progress)
            return image.resample(grid, outside=float(image.array.min()))

        note = "Resampled onto a straight grid, since the gantry was tilted; values are interpolated."
        return replace(self, reader=read, grid=grid, notes=(*self.notes, note))

    @property
    def plane(self) -> str:
        """ "axial", "coronal" or "sagittal": the plane nearest to the slices; "" without a grid.

        DICOM slices follow each other along k. Other files may hold them along any axis: it is the one whose spacing
        differs from the other two, which are alike within a slice; of isotropic voxels, the one along which the field
        of view is shortest.
        """
        if self.grid is None:
            return ""
        spacing = self.grid.spacing
        if self.files:
            axis = 2
        elif spacing.max() <= ISOTROPIC_RATIO * spacing.min():
            axis = int(np.argmin(spacing * self.grid.shape[::-1]))
        else:
            others = [(spacing[1], spacing[2]), (spacing[0], spacing[2]), (spacing[0], spacing[1])]
            axis = int(np.argmin([abs(np.log(a / b)) for a, b in others]))
        return _PLANES[int(np.argmax(np.abs(self.grid.directions[:, axis])))]

    @property
    def voxels(self) -> int:
        return int(np.prod(self.grid.shape)) if self.grid is not None else 0


def straight_grid(grid: Grid) -> Grid:
    """The smallest grid with perpendicular axes that holds a sheared one; its slices keep their planes."""
    directions, spacing = grid.directions.copy(), grid.spacing.copy()
    normal = np.cross(directions[:, 0], directions[:, 1])
    normal *= np.sign(normal @ directions[:, 2])
    step = float(normal @ directions[:, 2] * spacing[2])
    across = np.cross(normal, directions[:, 0])
    directions[:, 1] = across * np.sign(across @ directions[:, 1])
    directions[:, 2], spacing[2] = normal, step
    axes: NDArray[np.float64] = directions * spacing
    # Corners in steps of the straight axes say how far the sheared slices reach.
    index = np.linalg.solve(axes, (grid.corners - grid.corners[0]).T).T
    low, high = np.floor(index.min(axis=0) + 1e-6), np.ceil(index.max(axis=0) - 1e-6)
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = grid.corners[0] + axes @ low
    size = (high - low + 1).astype(int)
    return Grid((int(size[2]), int(size[1]), int(size[0])), matrix)


@dataclass(frozen=True, eq=False)
class Study:
    """Everything found of one patient.

    :param series: all images, the refused ones among them.
    :param notes: sentences for the reader (files set aside, several dates).
    :param objects: what shows no patient: structures, doses, plans, segmentations, reports, screen captures.
    :param label_files: label maps lying among the images; read them with `read_labels` or `read_lesions`.
    """

    patient: Patient
    time_point: TimePoint
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()
    label_files: tuple[Path, ...] = ()
    name: str = "the study"
    objects: tuple[Series, ...] = ()

    def by_role(self, role: Role) -> tuple[Series, ...]:
        """Usable series of a role: the latest date first, myelograms last, then the one with the most voxels."""
        found = [item for item in self.series if item.usable and item.ref.role is role]
        return tuple(sorted(found, key=_preference, reverse=True))

    def objects_of(self, role: Role) -> tuple[Series, ...]:
        """Objects of a role (structures, doses, …), the latest date first."""
        found = [item for item in self.objects if item.ref.role is role]
        return tuple(sorted(found, key=lambda item: item.ref.date, reverse=True))

    def reference(self) -> Series:
        """The series whose space the assessment is made in: the CT, else the sagittal T2.

        :raises BadInput: there is neither; or the only CT was refused, and then its reason is given.
        """
        ct = self.by_role(Role.CT)
        if ct:
            return ct[0]
        refused = [item for item in self.series if item.refusal and item.ref.role is Role.CT]
        if refused:
            raise BadInput(refused[0].refusal)
        sagittal = [item for item in self.by_role(Role.T2) if item.plane == "sagittal"]
        if sagittal:
            return sagittal[0]
        present = ", ".join(self._present()) or "nothing usable"
        raise BadInput(
            f"{self.name} holds neither a CT nor a sagittal T2 series (found: {present}); "
            "choose a folder with one of them, or put the modality into the file's name (ct.nii.gz, t2.nii.gz)."
        )

    def _present(self) -> list[str]:
        return sorted({" ".join(filter(None, [item.plane, item.ref.role.value])) for item in self.series})


def _preference(item: Series) -> tuple[str, bool, int]:
    return item.ref.date, "myelogram" not in item.traits, item.voxels
