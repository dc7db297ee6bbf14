"""The pipeline of one patient at one time point: names the steps and their order, computes nothing itself.

Key functions: `assess` makes an Assessment; `input_fingerprints` tells whether one is stale. Each step runs through
an `Increment`, keyed by its level and the fingerprints of what it depends on (`measured`), so that after an edit only
the vertebrae that changed, and what is compared with them, are measured again. Live grading first asks for the scores
(`details=False`), then, when nobody edits, for all of it.
"""

from spinemet.assess.by_hand import assessment_by_hand
from spinemet.assess.pipeline import assess, input_fingerprints

__all__ = ["assess", "assessment_by_hand", "input_fingerprints"]
