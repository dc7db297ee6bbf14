"""Measure what is outlined: vertebra frames, heights, bodies, lesions.

Key functions: `measure_spine` measures every vertebra of a label map (`measure_vertebra` one, from its crop and the
hint of `spine_line`); `collapse` compares heights with neighbors or a prior; `involved_levels` assigns lesions to
vertebrae; `bone_reference` and `measure_lesion` measure a lesion against the patient's own bone.
"""

from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts, partition
from spinemet.anatomy.arch.pedicle import Pedicle, Side, pedicles
from spinemet.anatomy.bone.collapse import CollapseMeasurement, collapse, fractured_levels, height_curve
from spinemet.anatomy.bone.density import BoneReference, bone_reference
from spinemet.anatomy.coverage import unoutlined_levels
from spinemet.anatomy.endplate import Endplate
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.heights import Column, Height, Plane
from spinemet.anatomy.lesions.involvement import Involvement, involved_levels, lesion_mask
from spinemet.anatomy.lesions.lesion import LesionMeasures, measure_lesion
from spinemet.anatomy.lesions.posterolateral import Posterolateral, posterolateral
from spinemet.anatomy.spine import MASK_MARGIN_VOXELS, Spine, measure_spine, order_notes
from spinemet.anatomy.spine_line import LevelHint, SpineLine, spine_line
from spinemet.anatomy.vertebra import Vertebra, measure_vertebra

__all__ = [
    "MASK_MARGIN_VOXELS",
    "BoneReference",
    "CollapseMeasurement",
    "Column",
    "Endplate",
    "Height",
    "Involvement",
    "LesionMeasures",
    "LevelHint",
    "Part",
    "Parts",
    "Pedicle",
    "Plane",
    "Posterolateral",
    "Side",
    "Spine",
    "SpineLine",
    "Vertebra",
    "VertebraFrame",
    "bone_reference",
    "collapse",
    "fractured_levels",
    "height_curve",
    "involved_levels",
    "lesion_mask",
    "measure_lesion",
    "measure_spine",
    "measure_vertebra",
    "order_notes",
    "partition",
    "pedicles",
    "posterolateral",
    "spine_line",
    "unoutlined_levels",
]
