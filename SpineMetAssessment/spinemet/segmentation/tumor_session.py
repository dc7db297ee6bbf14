"""One tumor being outlined: marks come in, a preview goes out, each step can be undone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.segmentation.canal_mr import CanalOutline
from spinemet.segmentation.tumor_correct import USUAL_SETTING, Setting, corrected_outline, placed, region_of
from spinemet.segmentation.tumor_in_canal import CanalProposal, propose_in_canal
from spinemet.segmentation.tumor_outline import SeedEngine, TumorOutline, first_outline, refined_outline
from spinemet.segmentation.tumor_strokes import Mark


@dataclass(frozen=True, eq=False)
class TumorState:
    """What stands after a step.

    :param marks: all marks so far.
    :param accepted: the outline that a person accepted, on a crop of the image's grid; None before.
    :param proposal: the outline that waits for acceptance; None when there is none.
    :param step: what the step was, for the undo menu.
    """

    marks: tuple[Mark, ...] = ()
    accepted: Image | None = None
    proposal: TumorOutline | CanalProposal | None = None
    step: str = ""

    @property
    def mask(self) -> Image | None:
        """What to show: the proposal, else what was accepted."""
        return self.proposal.mask if self.proposal else self.accepted

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the reader."""
        return self.proposal.notes if self.proposal else ()


class TumorSession:
    """Outlines one tumor in one image, step by step.

    Until the first acceptance every mark makes a new proposal from all marks. After it, strokes change the outline
    near themselves alone. A mark that cannot be used raises BadInput and changes nothing.
    """

    def __init__(
        self,
        image: Image,
        *,
        setting: Setting = USUAL_SETTING,
        engine: SeedEngine | None = None,
        accepted: Image | None = None,
        canal: CanalOutline | None = None,
    ) -> None:
        """Start empty, or from an outline that exists.

        :param canal: outlined on the same MR: where a mark runs in it, the tumor is sought there. The setting's role
            must say what the MR is; leave it out where the setting's limit leaves out the canal.
        :raises GridMismatch: `accepted` lies on another grid.
        """
        if accepted is not None:
            region_of(image.grid, accepted.grid)
        self._image = image
        self._setting = setting
        self._engine = engine
        self._canal = canal
        self._states = [TumorState(accepted=accepted, step="start")]
        self._now = 0

    @property
    def state(self) -> TumorState:
        """What stands now."""
        return self._states[self._now]

    def add(self, mark: Mark) -> TumorState:
        """Take a mark and show what comes of it. :raises BadInput: it cannot be used; nothing changes."""
        now, setting = self.state, self._setting
        marks = (*now.marks, mark)
        if now.accepted is not None:
            mask = corrected_outline(self._image, now.accepted, [mark], earlier=now.marks, setting=setting)
            return self._push(TumorState(marks, mask, None, "correct the outline"))
        found = self._in_canal(marks)
        if found is not None:
            return self._push(TumorState(marks, None, found, "mark the tumor"))
        proposal = first_outline(
            self._image,
            marks,
            role=setting.role,
            limit=setting.limit,
            solver=setting.solver,
            engine=self._engine,
            tuning=setting.tuning,
        )
        return self._push(TumorState(marks, None, proposal, "mark the tumor"))

    def _in_canal(self, marks: tuple[Mark, ...]) -> CanalProposal | None:
        role = self._setting.role
        if self._canal is None or role is None:
            return None
        return propose_in_canal(self._image, self._canal, marks, role, self._setting.limit)

    def refine(self) -> TumorState:
        """Make the proposal exact; the same step as the mark before, for undoing."""
        now = self.state
        if now.proposal is None or isinstance(now.proposal, CanalProposal):
            return now
        self._states[self._now] = replace(now, proposal=refined_outline(now.proposal))
        return self.state

    def accept(self) -> TumorState:
        """Take the proposal as the outline. :raises BadInput: there is nothing to accept."""
        now = self.state
        if now.proposal is None:
            if now.accepted is None:
                raise BadInput("There is no outline to accept yet; mark the tumor first.")
            return now
        found = now.proposal
        mask = found.mask if isinstance(found, CanalProposal) else refined_outline(found).mask
        return self._push(TumorState(now.marks, mask, None, "accept the outline"))

    @property
    def can_undo(self) -> bool:
        return self._now > 0

    @property
    def can_redo(self) -> bool:
        return self._now < len(self._states) - 1

    def undo(self) -> TumorState:
        """Go back a step; at the start nothing happens."""
        self._now = max(0, self._now - 1)
        return self.state

    def redo(self) -> TumorState:
        """Take an undone step again; without one nothing happens."""
        self._now = min(len(self._states) - 1, self._now + 1)
        return self.state

    def mask_on_image(self) -> np.ndarray:
        """What is shown, as a boolean array (k, j, i) on the image's whole grid; empty when nothing is."""
        mask = self.state.mask
        k, j, i = self._image.shape
        if mask is None:
            return np.zeros(self._image.shape, bool)
        return placed(mask, self._image, (slice(0, k), slice(0, j), slice(0, i)))

    def _push(self, state: TumorState) -> TumorState:
        del self._states[self._now + 1 :]
        self._states.append(state)
        self._now += 1
        return state
