"""LeftoverLogic: what of ours goes with the nodes that a person deletes; nodes in, no widget."""

from typing import Any

import slicer

from SpineMetAssessmentLib.LogicPart import LogicPart


class LeftoverLogic(LogicPart):
    """Remembers what served removed nodes, and clears it away."""

    def forget(self) -> None:
        super().forget()
        # IDs of display and storage nodes.
        self._servants: list[str] = []

    def noteRemoved(self, node: Any) -> None:
        """A node was removed from the scene: what served it alone is removed with the next `removeOrphans`."""
        from spinemet.scene.leftovers import servants_of

        self._servants += servants_of(node)

    def removeOrphans(self) -> None:
        """Remove what of ours belonged to nodes that a person deleted: marks, results, displays, clipping planes."""
        from spinemet.scene.bone_look import remove_clip_orphans
        from spinemet.scene.leftovers import remove_result_orphans, remove_servants
        from spinemet.scene.mark_nodes import ROLE_MARKS, remove_orphans
        from spinemet.scene.roles import ROLE_EVIDENCE

        scene, parameters = slicer.mrmlScene, self.getAllParameterNodes()
        remove_clip_orphans(scene)
        remove_orphans(scene, parameters, (ROLE_MARKS, ROLE_EVIDENCE))
        remove_result_orphans(scene, parameters)
        servants, self._servants = self._servants, []
        remove_servants(scene, servants)
