"""The spine in three dimensions: graded bone with its lesions, from behind and from the side.

Rendering runs beside everything else in a process of its own, because graphics drivers may abort. Where it cannot be
done (no VTK, no way to render without a screen), there is a sentence instead of pictures, once per process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from spinemet.assessment import Status
from spinemet.colors import GRADE_COLORS, LESION, RGB, VERTEBRA
from spinemet.errors import MissingDependency
from spinemet.image import Image
from spinemet.report.drawing import Drawing, Figure
from spinemet.report.planes import Plane
from spinemet.report.sources import Sources, extent

LIMIT_SECONDS = 120.0
"""A renderer that takes longer hangs."""

SEE_THROUGH = 0.3
"""Opacity of a vertebra that holds a lesion."""

_SIZE = (352.0, 560.0)
_OVERSAMPLING = 1.6
_MARGIN_MM = 8.0
_OBLIQUE_DEGREES = 40.0

_unavailable = ""


@dataclass(frozen=True)
class View:
    """One direction to look from.

    :param plane: the picture's plane; a parallel projection, so its scale holds at any depth.
    :param title: where the viewer stands.
    """

    plane: Plane
    title: str


class Rendering:
    """A rendering under way; `figures` waits for it. Use as a context manager, so that nothing is left behind."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._views = views(sources)
        self._folder = Path(tempfile.mkdtemp(prefix="spinemet-surfaces-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._reason = _unavailable
        if not self._views:
            self._reason = "no vertebra is outlined"
        elif not self._reason:
            self._start()

    def __enter__(self) -> Rendering:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def figures(self) -> list[Figure]:
        """The finished pictures.

        :raises MissingDependency: they cannot be made here; the sentence says why.
        """
        global _unavailable
        if self._process is not None:
            reason = _outcome(self._process, self._folder)
            if reason:
                self._reason = _unavailable = reason
        if self._reason:
            raise MissingDependency(f"The 3D picture is missing: {self._reason}.")
        return [self._figure(number, view) for number, view in enumerate(self._views)]

    def _start(self) -> None:
        try:
            python = _python()
            _write_scene(self._sources, self._views, self._folder)
            package = Path(__file__).resolve().parents[2]
            path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH", ""))))
            with (self._folder / "messages.txt").open("wb") as messages:
                self._process = subprocess.Popen(
                    [python, "-m", "spinemet.report.render_surfaces", str(self._folder)],
                    cwd=self._folder, env={**os.environ, "PYTHONPATH": path},
                    stdin=subprocess.DEVNULL, stdout=messages, stderr=messages,
                )  # fmt: skip
        except (OSError, MissingDependency) as error:
            self._reason = str(error).rstrip(".")

    def _figure(self, number: int, view: View) -> Figure:
        pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(self._folder / f"view{number}.png")))[..., :3]
        drawing = Drawing(view.plane, pixels, width=view.plane.shape[1] / _OVERSAMPLING, dark=False)
        _draw_names(drawing, self._sources)
        drawing.letters()
        drawing.scale_bar()
        description = f"3D surfaces of the outlined vertebrae and lesions, {view.title}"
        return Figure(drawing.svg(description), f"{view.title[0].upper()}{view.title[1:]}.")


def views(sources: Sources) -> list[View]:
    """From behind and obliquely, and from the side; from the side on which the lesions lie."""
    if not sources.vertebra_masks:
        return []
    spine = sources.spine
    right, anterior, superior = spine.axes
    middles = [extent(mask, spine).mean(axis=0)[0] for mask in sources.lesion_masks]
    center = np.mean([extent(mask, spine).mean(axis=0)[0] for mask in sources.vertebra_masks.values()])
    sign = 1.0 if middles and float(np.mean(middles)) > center else -1.0
    side = "right" if sign > 0 else "left"
    angle = np.radians(_OBLIQUE_DEGREES)
    oblique = np.cos(angle) * anterior - np.sin(angle) * sign * right
    corners = np.concatenate([mask.grid.corners for mask in sources.vertebra_masks.values()])
    sides = (oblique, -sign * right)
    pixel = max(_view_plane(into, superior, corners).pixel for into in sides)
    planes = [_view_plane(into, superior, corners, pixel) for into in sides]
    columns = max(plane.shape[1] for plane in planes)
    planes = [replace(plane, shape=(plane.shape[0], columns)) for plane in planes]
    titles = (f"from behind and the {side}", f"from the {side}")
    return [View(plane, title) for plane, title in zip(planes, titles, strict=True)]


def _view_plane(
    into: NDArray[np.float64], up: NDArray[np.float64], corners: NDArray[np.float64], pixel: float = 0.0
) -> Plane:
    """The picture plane that looks along `into` and holds all corners; without a pixel size, as large as fits."""
    across, down = np.cross(into, up), -up
    low_high = [(float((corners @ axis).min()), float((corners @ axis).max())) for axis in (across, down, into)]
    center = sum(
        (sum(pair) / 2 * axis for pair, axis in zip(low_high, (across, down, into), strict=True)), np.zeros(3)
    )
    # Room at the left for the levels' names.
    width, height = (high - low + 2 * _MARGIN_MM for low, high in low_high[:2])
    width = max(1.25 * width, 0.45 * height)
    pixel = pixel or max(width / _SIZE[0], height / _SIZE[1]) / _OVERSAMPLING
    return Plane(center, across, down, (round(height / pixel), round(width / pixel)), pixel)


def _write_scene(sources: Sources, shown: list[View], folder: Path) -> None:
    scored = {item.level: item for item in sources.assessment.levels if item.status is Status.SCORED and item.sins}
    parts: list[tuple[Image, RGB, float]] = []
    for level, mask in sources.vertebra_masks.items():
        item = scored.get(level)
        color = GRADE_COLORS[item.sins.category] if item and item.sins else VERTEBRA
        parts.append((mask, color, SEE_THROUGH if item else 1.0))
    parts += [(mask, LESION, 1.0) for mask in sources.lesion_masks]
    masks: dict[str, Any] = {f"mask{n}": mask.array.astype(np.uint8) for n, (mask, _, _) in enumerate(parts)}
    np.savez(folder / "masks.npz", **masks)
    scene = {
        "parts": [
            {"mask": f"mask{n}", "ijk_to_ras": mask.ijk_to_ras.tolist(), "color": list(color), "opacity": opacity}
            for n, (mask, color, opacity) in enumerate(parts)
        ],
        "views": [
            {
                "size": list(view.plane.shape[::-1]), "height": view.plane.height,
                "center": view.plane.center.tolist(), "into": view.plane.normal.tolist(),
                "up": (-view.plane.down).tolist(),
            }
            for view in shown
        ],
    }  # fmt: skip
    (folder / "scene.json").write_text(json.dumps(scene), encoding="utf-8")


def _draw_names(drawing: Drawing, sources: Sources) -> None:
    lowest = -np.inf
    by_level = {item.level: item for item in sources.assessment.levels}
    for level, mask in sources.vertebra_masks.items():
        item = by_level.get(level)
        frame = item.frame if item is not None else None
        middle = np.array(frame.origin) if frame else mask.grid.center
        _, y = drawing.place(middle)
        y = max(y, lowest + 15)
        lowest = y
        drawing.text(26, y + 4, str(level), size=12)


def _python() -> str:
    """The interpreter to render with, Slicer's own inside Slicer. :raises MissingDependency: none found."""
    found = shutil.which("PythonSlicer") or sys.executable
    if not found or "python" not in Path(found).name.lower():
        raise MissingDependency("no Python interpreter was found to render with.")
    return found


def _outcome(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait for the renderer; why it failed, in a few words, or "" when its pictures are there."""
    try:
        status = process.wait(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"rendering did not end within {LIMIT_SECONDS:.0f} seconds"
    if status == 0 and any(folder.glob("view*.png")):
        return ""
    messages = (folder / "messages.txt").read_text(encoding="utf-8", errors="replace")
    if "No module named 'vtk" in messages:
        return "VTK is not installed (pip install spinemet[headless])"
    return "VTK cannot render without a screen here (no EGL or OSMesa library)"
