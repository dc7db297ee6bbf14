"""SPINEPS: vertebrae, discs, canal and cord in sagittal T2 and T1.

Its command line is that of `spineps sample` in its `entrypoint.py` (1.4 to 1.6); its numbers are those of VerSe, with
discs as vertebra + 100 and endplates as vertebra + 200, and cord and canal in a file of their own.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spinemet.case import Outline, Role
from spinemet.codes import bone_of
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress
from spinemet.segmentation.engines.child import find_command, not_installed, run_command, version_of
from spinemet.segmentation.engines.engine import Cancel
from spinemet.segmentation.engines.names import CANAL, CORD, SACRUM, bones, discs
from spinemet.segmentation.engines.volumes import read_output, write_input

VARIABLE = "SPINEMET_SPINEPS"
_BONES = {
    **bones("C1", "L5", 1),
    25: bone_of(Level.L6),
    26: SACRUM,
    28: bone_of(Level.T13),
}
_LABELS = {
    **_BONES,
    **discs((100 + value, item.level) for value, item in _BONES.items() if item.level and 1 < value < 26),
    **discs({128: Level.T13}),
    # Its numbers of cord and canal, beyond those of the vertebrae's file.
    1060: CORD,
    1061: CANAL,
}
_SUBREGIONS = {60: 1060, 61: 1061}
_ENDPLATES = 200


@dataclass(frozen=True)
class Spineps:
    """SPINEPS as a program of its own.

    :param t1: its model for T1 instead of T2.
    """

    t1: bool = False

    @property
    def key(self) -> str:
        return "spineps-t1" if self.t1 else "spineps"

    @property
    def title(self) -> str:
        return "SPINEPS T1" if self.t1 else "SPINEPS"

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset((Role.T1, Role.T1_GD) if self.t1 else (Role.T2, Role.STIR))

    @property
    def identity(self) -> str:
        return f"{self.key} {version_of('spineps', self._command())}"

    @property
    def usual_seconds(self) -> float:
        return 480.0

    @property
    def margin_mm(self) -> float:
        return 30.0

    @property
    def labels(self) -> Mapping[int, Outline]:
        return _LABELS

    def available(self) -> str:
        if not self._command():
            return not_installed("SPINEPS", VARIABLE)
        models = os.environ.get("SPINEPS_SEGMENTOR_MODELS")
        if models and not any(Path(models).glob("*")):
            return "SPINEPS has no weights yet, and SpineMet downloads nothing unasked; run SPINEPS once by itself."
        return ""

    def run(self, image: Image, progress: Progress | None = None, cancel: Cancel | None = None) -> LabelMap:
        with tempfile.TemporaryDirectory(prefix="spinemet-") as name:
            # It reads what the image is from a name in the manner of BIDS.
            source = Path(name) / f"sub-spine_{'T1w' if self.t1 else 'T2w'}.nii.gz"
            write_input(image, source)
            run_command(
                [*self._command(), *self.arguments(source)],
                self.title,
                folder=Path(name),
                progress=progress,
                cancel=cancel,
            )
            array = read_output(_written(Path(name), "vert"), image, self.title)
            regions = read_output(_written(Path(name), "spine"), image, self.title)
        plates = (array > _ENDPLATES) & (array < _ENDPLATES + 100)
        array[plates] -= _ENDPLATES
        for value, ours in _SUBREGIONS.items():
            array[(regions == value) & (array == 0)] = ours
        return LabelMap(image.with_array(array), dict(self.labels), self.title)

    def arguments(self, source: Path) -> list[str]:
        """What follows the executable's name."""
        model = "t1w" if self.t1 else "t2w"
        return ["sample", "-i", str(source), "-ms", model, "-mv", "instance", "-der_name", "derivatives_seg", "-iic"]

    def _command(self) -> tuple[str, ...]:
        return find_command("spineps", "spineps", "spineps.entrypoint:entry_point", VARIABLE)


def _written(folder: Path, kind: str) -> Path:
    """The file of vertebrae ("vert") or subregions ("spine"), wherever its version puts it."""
    found = sorted(folder.rglob(f"*seg-{kind}_msk.nii.gz"))
    return found[0] if found else folder / f"seg-{kind}_msk.nii.gz"
