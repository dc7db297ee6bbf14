"""The Outline panel's Mend tab: each button is one edit and one undo of the segment that is current."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gui.host import click, pick

from __feature__ import true_property  # noqa: F401  # isort: skip

from spinemet.image import Image


@pytest.fixture
def l3(panel: SimpleNamespace) -> SimpleNamespace:
    """The small spine with L3 chosen in the editor, and its views through L3."""
    panel.outline.ui.levelTable.cellClicked.emit(2, 0)
    panel.application.settle()
    return panel


def message(panel: SimpleNamespace) -> str:
    return str(panel.widget.ui.messageLabel.text)


def mask(panel: SimpleNamespace, segment_id: str) -> Image | None:
    from spinemet.scene.outline_nodes import mask_of

    return mask_of(panel.spine.segmentation, panel.spine.volume, segment_id)


def voxels(panel: SimpleNamespace, segment_id: str) -> int:
    found = mask(panel, segment_id)
    return 0 if found is None else int(found.array.sum())


def ids(panel: SimpleNamespace) -> list[str]:
    return list(panel.spine.segmentation.GetSegmentation().GetSegmentIDs())


def test_without_a_segment_the_buttons_say_what_they_wait_for(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.outline.ui
    for button in (ui.smoothButton, ui.fillButton, ui.betweenButton, ui.splitButton, ui.mirrorButton, ui.mergeButton):
        assert not button.enabled
        assert button.toolTip == "Choose a segment in the table or in the editor first."
    assert ui.mendSegmentLabel.text == "none chosen"


def test_smoothing_is_one_undo_and_leaves_neighbors_and_lesions(l3: SimpleNamespace) -> None:
    ui = l3.outline.ui
    assert ui.mendSegmentLabel.text == "L3 vertebra"
    before = {key: voxels(l3, key) for key in ids(l3)}
    saved = ui.segmentEditor._undo
    click(ui.smoothButton)
    assert message(l3) == "The border was smoothed."
    assert ui.segmentEditor._undo == saved + 1
    after = {key: voxels(l3, key) for key in ids(l3)}
    assert after["L3_vertebra"] == pytest.approx(before["L3_vertebra"], rel=0.01)
    assert {k: v for k, v in after.items() if k != "L3_vertebra"} == {
        k: v for k, v in before.items() if k != "L3_vertebra"
    }


def test_holes_are_filled(l3: SimpleNamespace) -> None:
    from spinemet.scene.outline_nodes import set_mask

    whole = mask(l3, "L3_vertebra")
    holed = whole.array.copy()
    from scipy import ndimage

    deep = np.argwhere(ndimage.binary_erosion(whole.array, iterations=3))
    k, j, i = deep[len(deep) // 2]
    holed[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2] = False
    set_mask(l3.spine.segmentation, "L3_vertebra", whole.with_array(holed))
    click(l3.outline.ui.fillButton)
    assert voxels(l3, "L3_vertebra") == whole.array.sum()


def test_slices_between_are_filled_in(l3: SimpleNamespace) -> None:
    from spinemet.scene.outline_nodes import set_mask

    ui = l3.outline.ui
    whole = mask(l3, "lesion-1")
    drawn = whole.array.copy()
    drawn[:, :, 1::2] = False
    set_mask(l3.spine.segmentation, "lesion-1", whole.with_array(drawn))
    ui.segmentEditor.setCurrentSegmentID("lesion-1")
    l3.application.settle()
    pick(ui.betweenComboBox, "sagittal")
    click(ui.betweenButton)
    assert voxels(l3, "lesion-1") >= 0.85 * whole.array.sum()
    pick(ui.betweenComboBox, "sagittal")
    count, saved = voxels(l3, "lesion-1"), ui.segmentEditor._undo
    click(ui.betweenButton)
    assert "nothing to fill in" in message(l3)
    assert (voxels(l3, "lesion-1"), ui.segmentEditor._undo) == (count, saved)


def test_a_view_cuts_the_segment_and_merging_takes_it_back(l3: SimpleNamespace) -> None:
    ui = l3.outline.ui
    before = voxels(l3, "L3_vertebra")
    pick(ui.planeComboBox, "Red")
    click(ui.splitButton)
    assert "name the upper part" in message(l3)
    upper = next(key for key in ids(l3) if key not in ("lesion-1",) and "upper" in key.lower())
    assert 0 < voxels(l3, upper) < before
    assert voxels(l3, upper) + voxels(l3, "L3_vertebra") == before
    ui.segmentEditor.setCurrentSegmentID(upper)
    l3.application.settle()
    pick(ui.mergeComboBox, "L3 vertebra")
    click(ui.mergeButton)
    assert upper not in ids(l3)
    assert voxels(l3, "L3_vertebra") == before


def test_a_view_beside_the_segment_does_not_cut_it(l3: SimpleNamespace) -> None:
    l3.widget.logic.jumpTo((0.0, 0.0, 300.0))
    pick(l3.outline.ui.planeComboBox, "Red")
    before = voxels(l3, "L3_vertebra")
    click(l3.outline.ui.splitButton)
    assert "does not cut" in message(l3)
    assert voxels(l3, "L3_vertebra") == before


def test_the_mirror_image_is_added_beyond_the_sagittal_view(l3: SimpleNamespace) -> None:
    ui = l3.outline.ui
    before = mask(l3, "lesion-1")
    ui.segmentEditor.setCurrentSegmentID("lesion-1")
    scene = l3.application.scene
    nodes = (scene.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(3))
    view = next(node for node in nodes if node.GetName() == "Yellow")
    view.SetSliceToRASByNTP(-1, 0, 0, 0, 1, 0, 3, 0, 0, 0)
    l3.application.settle()
    pick(ui.planeComboBox, "Yellow")
    click(ui.mirrorButton)
    after = mask(l3, "lesion-1")
    assert after.array.sum() > 1.2 * before.array.sum()
    added = after.to_world(np.argwhere(after.array)[:, ::-1])
    here = before.to_world(np.argwhere(before.array)[:, ::-1])
    assert added[:, 0].max() == pytest.approx(6.0 - here[:, 0].min(), abs=2.5)
    assert np.ptp(added[:, 1:], axis=0) == pytest.approx(np.ptp(here[:, 1:], axis=0))


def test_what_the_panel_never_asks_for_is_a_sentence_all_the_same(l3: SimpleNamespace) -> None:
    from spinemet.errors import BadInput
    from spinemet.scene.outline_nodes import set_mask

    logic, node, volume = l3.widget.logic, l3.spine.segmentation, l3.spine.volume
    with pytest.raises(BadInput, match="There is no outline to accept yet; mark the tumor first"):
        logic.acceptTumor(l3.widget._parameterNode)
    with pytest.raises(BadInput, match="is not shown; choose another one"):
        logic.planeOfView("Purple")
    with pytest.raises(BadInput, match="Choose another segment to merge with"):
        logic.mergeInto(node, volume, "L3_vertebra", "L3_vertebra")
    set_mask(node, "L3_vertebra", None)
    empty = "The segment is empty; outline something first, or choose another one."
    with pytest.raises(BadInput, match=empty):
        logic.mergeInto(node, volume, "L3_vertebra", "L2_vertebra")
    with pytest.raises(BadInput, match=empty):
        logic.mend(node, volume, "L3_vertebra", lambda labels, value: labels)
