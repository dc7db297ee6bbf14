"""Series and Study: what was acquired of a patient at one time point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from spinemet.case import ImageRef, Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.progress import Progress

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
    """

    ref: ImageRef
    source: str
    reader: Callable[[Progress | None], Image] = field(repr=False)
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    refusal: str = ""

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

    @property
    def plane(self) -> str:
        """ "axial", "coronal" or "sagittal": the plane nearest to the slices; "" without a grid.

        Files may hold the slices along any axis: it is the one whose spacing differs from the other two, which are
        alike within a slice; of isotropic voxels, the one along which the field of view is shortest.
        """
        if self.grid is None:
            return ""
        spacing = self.grid.spacing
        if spacing.max() <= ISOTROPIC_RATIO * spacing.min():
            axis = int(np.argmin(spacing * self.grid.shape[::-1]))
        else:
            others = [(spacing[1], spacing[2]), (spacing[0], spacing[2]), (spacing[0], spacing[1])]
            axis = int(np.argmin([abs(np.log(a / b)) for a, b in others]))
        return _PLANES[int(np.argmax(np.abs(self.grid.directions[:, axis])))]

    @property
    def voxels(self) -> int:
        return int(np.prod(self.grid.shape)) if self.grid is not None else 0


@dataclass(frozen=True, eq=False)
class Study:
    """Everything found of one patient.

    :param series: all images, the refused ones among them.
    :param notes: sentences for the reader (files set aside, several dates).
    :param label_files: label maps lying among the images; read them with `read_labels` or `read_lesions`.
    """

    patient: Patient
    time_point: TimePoint
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()
    label_files: tuple[Path, ...] = ()
    name: str = "the study"

    def by_role(self, role: Role) -> tuple[Series, ...]:
        """Usable series of a role: the latest date first, then the one with the most voxels."""
        found = [item for item in self.series if item.usable and item.ref.role is role]
        return tuple(sorted(found, key=lambda item: (item.ref.date, item.voxels), reverse=True))

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
