"""Epidural disease: what tumor does to the thecal sac and the cord, in cuts perpendicular to the canal.

Key functions: `canal_frame` straightens the canal; `make_cuts` samples outlines in cuts perpendicular to it, from the
image's own grid; `measure_profile` measures every cut; `references` says what each cut would be without tumor.
"""

from spinemet.anatomy.epidural.canal_frame import CanalFrame, canal_frame
from spinemet.anatomy.epidural.cuts import Cuts, make_cuts
from spinemet.anatomy.epidural.profile import Profile, measure_profile
from spinemet.anatomy.epidural.reference import Reference, references

__all__ = [
    "CanalFrame",
    "Cuts",
    "Profile",
    "Reference",
    "canal_frame",
    "make_cuts",
    "measure_profile",
    "references",
]
