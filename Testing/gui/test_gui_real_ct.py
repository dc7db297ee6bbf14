"""The panel over a real lumbar CT: outlines come in, a lesion is painted by hand, the panel follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gui.host import click, select_row, texts
from spinemet.levels import Level

from __feature__ import true_property  # noqa: F401  # isort: skip

LESION_HALF_WIDTH = 5  # voxels


def test_a_lesion_painted_into_l4_is_found_scored_and_shown(application: Any, totalsegmentator_files: Path) -> None:
    import slicer

    from spinemet.scene import segmentation_from_labelmaps, volume_from_image
    from spinemet.study import read_labels, read_study

    series = read_study(totalsegmentator_files / "example_ct.nii.gz").reference()
    labels = read_labels(totalsegmentator_files / "spine_report/example_ct_report/totalseg.nii.gz", series.image)
    volume = volume_from_image(application.scene, series.image, series.ref, "CT")
    segmentation = segmentation_from_labelmaps(application.scene, [labels], volume)
    widget = application.open_module()
    ui = widget.panel("AssessPanel").ui

    assert "No lesion is checked" in ui.hintLabel.text
    click(ui.assessButton)
    levels = [row[0] for row in texts(ui.levelTable)]
    assert {"L1", "L2", "L3", "L4", "L5"} <= set(levels)
    assert ui.summaryLabel.text.startswith("No level is scored")

    bone = np.argwhere(labels.image.array == labels.value_of(Level.L4))
    # In front of the bone's centroid, which the arch pulls backward, lies the body.
    body = bone[np.abs(bone - bone.mean(axis=0) - [0, _forward(series.image) * 5, 0]).max(axis=1) < LESION_HALF_WIDTH]
    lesion = np.zeros(series.image.shape, np.uint8)
    lesion[tuple(body.T)] = 1
    segmentation.GetSegmentation().AddEmptySegment("tumor", "tumor 1")
    slicer.util.updateSegmentBinaryLabelmapFromArray(lesion, segmentation, "tumor", volume)
    application.settle()
    widget.logic.finishGrading()
    application.settle()
    assert ui.lesionList.count == 1
    assert ui.summaryLabel.text.startswith("Worst: L4")

    click(ui.assessButton)
    assert ui.summaryLabel.text.startswith("Worst: L4")
    select_row(ui.levelTable, "L4")
    matrix = application.scene.GetFirstNodeByClass("vtkMRMLSliceNode").GetSliceToRAS()
    looked_at = np.array([matrix.GetElement(row, 3) for row in range(3)])
    spots = series.image.to_world(bone[:, ::-1])
    assert np.linalg.norm(spots - looked_at, axis=1).min() < 10  # mm


def _forward(image: Any) -> int:
    """+1 where the second array axis runs to the front, −1 where it runs to the back."""
    return 1 if image.ijk_to_ras[1, 1] > 0 else -1
