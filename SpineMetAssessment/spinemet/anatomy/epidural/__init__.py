"""Epidural disease: what tumor does to the thecal sac and the cord, in cuts perpendicular to the canal.

Key functions: `canal_frame` straightens the canal and `facing` turns it to where the vertebrae lie; `plan_cuts` and
`sample_cuts` look at outlines in cuts perpendicular to it, on the image's own grid; `measure_profile` measures every
cut; `references` says what each cut would be without tumor; `level_spans` and `measure_level` find the worst cut of
each level; `measure_foramina` looks at nerve roots, `benign_hints` at whether what presses looks like tumor at all,
`marrow_of_levels` at the vertebrae that tumor involves.
"""

from spinemet.anatomy.epidural.canal_frame import CanalFrame, canal_frame, facing
from spinemet.anatomy.epidural.cuts import CutPlan, Cuts, joined_cuts, plan_cuts, sample_cuts
from spinemet.anatomy.epidural.foramen import Foramen, measure_foramina
from spinemet.anatomy.epidural.level import LevelEpidural, level_spans, measure_level, unmeasured_level
from spinemet.anatomy.epidural.level_marrow import marrow_of_levels
from spinemet.anatomy.epidural.losses import cord_losses
from spinemet.anatomy.epidural.mimic import benign_hints
from spinemet.anatomy.epidural.outline_error import OutlineError
from spinemet.anatomy.epidural.profile import Profile, joined, measure_profile
from spinemet.anatomy.epidural.reference import Reference, references

__all__ = [
    "CanalFrame",
    "CutPlan",
    "Cuts",
    "Foramen",
    "LevelEpidural",
    "OutlineError",
    "Profile",
    "Reference",
    "benign_hints",
    "canal_frame",
    "cord_losses",
    "facing",
    "joined",
    "joined_cuts",
    "level_spans",
    "marrow_of_levels",
    "measure_foramina",
    "measure_level",
    "measure_profile",
    "plan_cuts",
    "references",
    "sample_cuts",
    "unmeasured_level",
]
