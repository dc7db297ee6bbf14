"""TotalSegmentator 2: vertebrae, sacrum and cord in CT; vertebrae with their levels in MR.

Its command line and class numbers are those of its `bin/TotalSegmentator.py` and `map_to_binary.py` (2.4 to 2.18).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spinemet.case import Outline, Role
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress
from spinemet.segmentation.engines.child import find_command, not_installed, run_command, version_of
from spinemet.segmentation.engines.engine import Cancel
from spinemet.segmentation.engines.names import CORD, REST_OF_SACRUM, SACRUM, bones
from spinemet.segmentation.engines.volumes import read_output, write_input

VARIABLE = "SPINEMET_TOTALSEGMENTATOR"
"""Environment variable with the path of the executable, where it lies in an environment of its own."""
_CT_LABELS = {25: REST_OF_SACRUM, **bones("C1", "S1", 50, -1), 79: CORD}
_MR_LABELS = {1: SACRUM, **bones("C1", "L5", 25, -1)}
_MR_ROLES = frozenset((Role.T1, Role.T1_GD, Role.T2, Role.STIR))
_MODELS = {"total": (292, 298), "total_fast": (297, 298), "vertebrae_mr": (756,)}
"""Weights that its tasks need for the spine; it would download what is missing."""
_PARTS = [
    *(f"vertebrae_{outline.level}" for outline in _CT_LABELS.values() if outline.level is not None),
    *("sacrum", "spinal_cord"),
]


@dataclass(frozen=True)
class TotalSegmentator:
    """TotalSegmentator as a program of its own.

    :param fast: its model of 3 mm, for computers without a GPU (CT only).
    :param mr: its task for MR.
    :param command: how to start it, where another program knows (Slicer's module); found otherwise.
    :param weights: folder of its weights; found as it does itself otherwise.
    """

    fast: bool = False
    mr: bool = False
    command: tuple[str, ...] = ()
    weights: Path | None = None
    host: str = ""

    @property
    def key(self) -> str:
        return "totalsegmentator" + ("-mr" if self.mr else "-fast" if self.fast else "")

    @property
    def title(self) -> str:
        name = "TotalSegmentator" + (" MR" if self.mr else " fast" if self.fast else "")
        return f"{name} ({self.host})" if self.host else name

    @property
    def roles(self) -> frozenset[Role]:
        return _MR_ROLES if self.mr else frozenset((Role.CT,))

    @property
    def identity(self) -> str:
        return f"{self.key} {version_of('totalsegmentator', self._command())}"

    @property
    def usual_seconds(self) -> float:
        """On a CPU, with the models of the spine alone (ours)."""
        return 120.0 if self.fast else 600.0

    @property
    def margin_mm(self) -> float:
        return 40.0

    @property
    def labels(self) -> Mapping[int, Outline]:
        return _MR_LABELS if self.mr else _CT_LABELS

    def available(self) -> str:
        if not self._command():
            return not_installed("TotalSegmentator", VARIABLE)
        task = "vertebrae_mr" if self.mr else "total_fast" if self.fast else "total"
        if not all(any(self._weights().glob(f"Dataset{number}_*")) for number in _MODELS[task]):
            return (
                "TotalSegmentator has no weights yet, and SpineMet downloads nothing unasked; run"
                f' "totalseg_download_weights -t {task}" once.'
            )
        return ""

    def run(self, image: Image, progress: Progress | None = None, cancel: Cancel | None = None) -> LabelMap:
        with tempfile.TemporaryDirectory(prefix="spinemet-") as name:
            folder = Path(name)
            write_input(image, folder / "image.nii.gz")
            run_command(
                [*self._command(), *self.arguments(folder / "image.nii.gz", folder / "labels.nii.gz")],
                self.title,
                folder=folder,
                progress=progress,
                cancel=cancel,
                environment={"TOTALSEG_WEIGHTS_PATH": str(self.weights)} if self.weights else None,
            )
            array = read_output(folder / "labels.nii.gz", image, self.title)
        return LabelMap(image.with_array(array), dict(self.labels), self.title)

    def arguments(self, source: Path, target: Path) -> list[str]:
        """What follows the executable's name."""
        words = ["-i", str(source), "-o", str(target), "--ml", "--task", "vertebrae_mr" if self.mr else "total"]
        if self.mr:
            return words
        return [*words, *(["--fast"] if self.fast else []), "--roi_subset", *_PARTS]

    def _command(self) -> tuple[str, ...]:
        if self.command:
            return self.command
        return find_command(
            "TotalSegmentator", "totalsegmentator", "totalsegmentator.bin.TotalSegmentator:main", VARIABLE
        )

    def _weights(self) -> Path:
        if self.weights is not None:
            return self.weights
        if chosen := os.environ.get("TOTALSEG_WEIGHTS_PATH"):
            return Path(chosen)
        home = os.environ.get("TOTALSEG_HOME_DIR")
        return (Path(home) if home else Path.home() / ".totalsegmentator") / "nnunet" / "results"
