"""A small spine of known boxes on an oblique grid, its assessment by hand, and a MRML session to put them in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinemet.assessment import Assessment, LevelAssessment, Numbering, Status
from spinemet.case import ImageRef, Outline, Patient, Role, Structure, TimePoint
from spinemet.evidence import Measurement
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scores import sins

collect_ignore_glob = (
    []
    if find_spec("slicer")
    else [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_room.py"]
)
"""Without slicer-core only `test_room.py` is collected; it skips with the reason."""
COMMON_CT_SPACING_MM = 0.9765625
"""500 mm over 512 pixels: seven decimals, so whoever rounds to six meets an edge."""


@dataclass(frozen=True)
class SmallSpine:
    """L3, L4 and the sacrum as boxes; lesion-1 crosses L3 and L4, lesion-2 lies within L4."""

    image: Image
    ref: ImageRef
    vertebrae: LabelMap
    lesions: LabelMap

    @property
    def inputs(self) -> dict[str, str]:
        """Fingerprints as the pipeline takes them."""
        return {
            "image": self.image.fingerprint,
            "vertebrae": self.vertebrae.fingerprint,
            "lesions": self.lesions.fingerprint,
            "answers": "answers-1",
        }


@pytest.fixture
def oblique_matrix() -> np.ndarray:
    """IJK→RAS of a tilted, turned grid whose i and j run to the left and back, as in DICOM."""
    a, b = 0.2, -0.3
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ tilt @ np.diag([-COMMON_CT_SPACING_MM, -COMMON_CT_SPACING_MM, 2.5])
    matrix[:3, 3] = (10.3, -20.7, 33.3)
    return matrix


@pytest.fixture
def a_small_spine(oblique_matrix: np.ndarray) -> SmallSpine:
    shape = (24, 40, 50)
    voxels = np.random.default_rng(3).integers(-1000, 2000, shape).astype(np.int16)
    image = Image(voxels, oblique_matrix, frame="1.2.840.99", name="CT")
    bones = np.zeros(shape, np.uint8)
    bones[2:7, 10:20, 8:30] = 26
    bones[8:14, 10:20, 10:30] = 28
    bones[15:21, 12:22, 10:30] = 29
    tumors = np.zeros(shape, np.uint16)
    tumors[11:18, 14:18, 12:16] = 300
    tumors[9:12, 12:18, 22:28] = 7
    vertebrae = LabelMap(
        image.with_array(bones),
        {
            26: Outline(Structure.SACRUM, Level.S1, frame=image.frame),
            28: Outline(Structure.VERTEBRA, Level.L4, frame=image.frame),
            29: Outline(Structure.VERTEBRA, Level.L3, frame=image.frame),
            30: Outline(Structure.VERTEBRA, Level.L2, frame=image.frame),
        },
    )
    lesions = LabelMap(
        image.with_array(tumors),
        {300: Outline(Structure.LESION, lesion_id="lesion-1"), 7: Outline(Structure.LESION, lesion_id="lesion-2")},
    )
    ref = ImageRef("1.2.3.4", Role.CT, image.frame, "1.2.3.4", "1.2.3", "Spine 2.5", "2026-03-02", "HFS", 120.0, False)
    return SmallSpine(image, ref, vertebrae, lesions)


@pytest.fixture
def an_assessment_of(a_small_spine: SmallSpine) -> Callable[..., Assessment]:
    """Build an assessment by hand: L3 unstable, L4 without pain, S1 without lesion, the rest not imaged."""

    def build(*, date: str = "2026-03-02", label: str = "baseline", only: Level | None = None) -> Assessment:
        scored = {level: _scored(level) for level in (Level.L3, Level.L4) if only in (None, level)}
        imaged = LevelAssessment(Level.S1, Status.NO_LESION)
        levels = tuple(
            scored.get(level)
            or (imaged if level is Level.S1 else LevelAssessment(level, Status.NOT_IMAGED, 'beyond the "CT"\timage'))
            for level in Level.ordinary()
        )
        return Assessment(
            patient=Patient("ID-77", "Roe^Richard"),
            time_point=TimePoint(date, label),
            images=(a_small_spine.ref,),
            reference=a_small_spine.ref.key,
            numbering=Numbering("sacrum", confirmed=True),
            levels=levels,
            inputs=a_small_spine.inputs,
        )

    return build


@pytest.fixture
def a_session() -> Iterator[Any]:
    from spinemet.scene import headless_session

    with headless_session() as session:
        yield session


@pytest.fixture
def a_scene_of() -> Callable[[Any, SmallSpine], tuple[Any, Any]]:
    """Put the small spine's volume and segmentation into a scene."""

    from spinemet.scene import segmentation_from_labelmaps, volume_from_image

    def put(scene: Any, spine: SmallSpine) -> tuple[Any, Any]:
        volume = volume_from_image(scene, spine.image, spine.ref)
        return volume, segmentation_from_labelmaps(scene, [spine.vertebrae, spine.lesions], volume)

    return put


@pytest.fixture
def python_environment(repository: Any) -> dict[str, str]:
    """Environment for a fresh Python process that finds the library."""
    return {**os.environ, "PYTHONPATH": str(repository / "SpineMetAssessment")}


def _scored(level: Level) -> LevelAssessment:
    loss = Measurement("height loss", 56.2, "%", "neighbors", (1.5, 2.25, 3.125), 4.0)
    involvement = Measurement("body involvement", 81.0, "%", "voxel count", (4.0, 5.0, 6.0))
    height = Measurement("anterior height", 9.81, "mm", "endplates", (-7.5, 8.25, 9.125), 0.5)
    place_unknown = Measurement("mean density", 120.0, "HU", "mean")
    findings = (
        sins.location(level),
        sins.pain("mechanical" if level is Level.L3 else None),
        sins.entered("bone_lesion", "lytic"),
        sins.entered("alignment", "subluxation" if level is Level.L3 else "normal", reader="reader 1"),
        sins.collapse(loss, involvement),
        sins.posterolateral({"left": True, "right": level is Level.L3}),
    )
    return LevelAssessment(
        level, Status.SCORED, sins=sins.score(findings), measurements=(height, place_unknown), lesion_ids=("lesion-1",)
    )
