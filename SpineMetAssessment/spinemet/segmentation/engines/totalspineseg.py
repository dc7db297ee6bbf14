"""TotalSpineSeg: vertebrae, discs, canal and cord in MR of any contrast, and in CT.

Its command line and numbers are those of its `inference.py` and `resources/labels_maps/tss_map.json` (2024 to 2026).
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

VARIABLE = "SPINEMET_TOTALSPINESEG"
_LINE = Level.ordinary()
_LABELS = {
    1: CORD,
    2: CANAL,
    **bones("C1", "C7", 11),
    **bones("T1", "T12", 21),
    **bones("L1", "L5", 41),
    46: bone_of(Level.L6),
    50: SACRUM,
    **discs((63 + n, _LINE[1 + n]) for n in range(5)),
    **discs((71 + n, _LINE[6 + n]) for n in range(12)),
    **discs((91 + n, _LINE[18 + n]) for n in range(5)),
    100: discs({100: Level.L5})[100],
}
_ROLES = frozenset((Role.T1, Role.T1_GD, Role.T2, Role.STIR, Role.CT))


@dataclass(frozen=True)
class TotalSpineSeg:
    """TotalSpineSeg as a program of its own."""

    key: str = "totalspineseg"
    title: str = "TotalSpineSeg"
    roles: frozenset[Role] = _ROLES
    usual_seconds: float = 480.0
    margin_mm: float = 30.0

    @property
    def identity(self) -> str:
        return f"{self.key} {version_of('totalspineseg', self._command())}"

    @property
    def labels(self) -> Mapping[int, Outline]:
        return _LABELS

    def available(self) -> str:
        if not self._command():
            return not_installed(self.title, VARIABLE)
        data = os.environ.get("TOTALSPINESEG_DATA")
        if data and not any(Path(data).glob("nnUNet/results/**/Dataset101*")):
            return (
                "TotalSpineSeg has no weights yet, and SpineMet downloads nothing unasked; run"
                ' "totalspineseg_init" once.'
            )
        return ""

    def run(self, image: Image, progress: Progress | None = None, cancel: Cancel | None = None) -> LabelMap:
        with tempfile.TemporaryDirectory(prefix="spinemet-") as name:
            folder = Path(name)
            write_input(image, folder / "image.nii.gz")
            run_command(
                [*self._command(), *self.arguments(folder / "image.nii.gz", folder / "out")],
                self.title,
                folder=folder,
                progress=progress,
                cancel=cancel,
            )
            array = read_output(folder / "out" / "step2_output" / "image.nii.gz", image, self.title)
        return LabelMap(image.with_array(array), dict(self.labels), self.title)

    def arguments(self, source: Path, target: Path) -> list[str]:
        """What follows the executable's name."""
        return [str(source), str(target), "--keep-only", "step2_output"]

    def _command(self) -> tuple[str, ...]:
        return find_command("totalspineseg", "totalspineseg", "totalspineseg.inference:main", VARIABLE)
