"""Names of a whole spine shifted by one, and the count checked against the sacrum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anatomy_solids import Solid, stack
from spinemet.anatomy import measure_spine
from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, shifted

L = Level


def outlined(*outlines: Outline) -> LabelMap:
    """Two voxels for each outline."""
    array = np.zeros((len(outlines) + 1, 2, 1), np.uint8)
    for value in range(1, len(outlines) + 1):
        array[value] = value
    return LabelMap(Image(array, np.eye(4)), dict(enumerate(outlines, 1)), "TotalSegmentator")


def bones(*levels: Level) -> list[Outline]:
    return [Outline(Structure.VERTEBRA, level) for level in levels]


@pytest.mark.parametrize("step", [1, -1])
def test_a_shift_and_its_reverse_restore_every_name(step):
    levels = {L.C7, L.T1, L.T11, L.T12, L.L1}
    there = shifted(levels, step)
    assert shifted(there.values(), -step) == {new: old for old, new in there.items()}
    assert len(set(there.values())) == len(levels)


def test_variants_among_the_levels_keep_their_place_in_the_line():
    assert shifted({L.T12, L.T13, L.L1}, 1) == {L.T12: L.T13, L.T13: L.L1, L.L1: L.L2}
    assert shifted({L.L5, L.L6}, -1) == {L.L5: L.L4, L.L6: L.L5}
    assert shifted({L.T12, L.L1}, 1) == {L.T12: L.L1, L.L1: L.L2}


@pytest.mark.parametrize(
    ("levels", "step", "said"),
    [({L.C1, L.C2}, -1, "C1 .* above C1"), ({L.S4, L.S5}, 1, "S5 .* below S5"), ({L.OCC, L.C1}, 1, "occiput")],
)
def test_what_would_fall_off_the_spine_is_refused(levels, step, said):
    with pytest.raises(BadInput, match=said):
        shifted(levels, step)


def test_a_label_map_is_renamed_without_touching_its_voxels():
    labels = outlined(*bones(L.T12, L.L1, L.L2))
    renamed = labels.shifted(-1)
    assert list(renamed.levels) == [L.T11, L.T12, L.L1]
    assert renamed.image is labels.image
    assert list(labels.levels) == [L.T12, L.L1, L.L2]
    assert "shifted by 1 toward the head" in renamed.numbering
    assert renamed.fingerprint != labels.fingerprint


def test_an_outlined_sacrum_keeps_its_name_and_ends_the_count():
    labels = outlined(*bones(L.L3, L.L4), Outline(Structure.SACRUM, L.S1))
    assert list(labels.shifted(1).levels) == [L.L4, L.L5, L.S1]
    with pytest.raises(BadInput, match=r"L5 would be called S1.*L6"):
        labels.shifted(1).shifted(1)


def test_lesions_follow_their_vertebrae():
    spine = (L.T12, L.T13, L.L1)
    lesions = outlined(Outline(Structure.LESION, L.T12, "lesion-1"), Outline(Structure.LESION, None, "lesion-2"))
    renamed = lesions.shifted(1, spine=spine)
    assert renamed.outlines[1] == Outline(Structure.LESION, L.T13, "lesion-1")
    assert renamed.outlines[2].level is None


def on_a_sacrum(*levels: Level, gap: int = 0) -> LabelMap:
    """Solids with a block below them that is named the sacrum."""
    labels = stack({level: Solid() for level in (*levels, L.S1)})
    value = labels.levels[L.S1]
    outlines = labels.outlines | {value: Outline(Structure.SACRUM, L.S1)}
    array = labels.image.array
    if gap:
        array = np.where(array == labels.levels[levels[-1]], 0, array).astype(np.uint8)
        outlines = {
            value: replace(outline, level=levels[-1]) if outline.level is levels[-2] else outline
            for value, outline in outlines.items()
            if outline.level is not levels[-1]
        }
    return LabelMap(labels.image.with_array(array), outlines)


def test_the_count_is_checked_against_the_sacrum():
    assert not [note for note in measure_spine(on_a_sacrum(L.L3, L.L4, L.L5)).notes if "sacrum" in note]
    assert any("L4 stands on the sacrum" in note for note in measure_spine(on_a_sacrum(L.L2, L.L3, L.L4)).notes)


def test_a_vertebra_missing_above_the_sacrum_is_noted():
    spine = measure_spine(on_a_sacrum(L.L3, L.L4, L.L5, L.L6, gap=1))
    assert any("from the sacrum: a vertebra between them" in note for note in spine.notes)
