"""ViewLogic: layouts, cuts, marks and bone in the views; nodes in, no widget."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart

ALONG = "View.alongVertebra"
"""Parameter of the time point's node: "False" leaves the views in Slicer's own planes."""
LOOK = "View.bone"
"""Parameter: how bone looks in 3D, a value of `spinemet.scene.Look`; "" while nothing is shown in 3D."""
CUT = "View.cut"
"""Parameter: along which plane the surfaces are cut open; "" while they are whole."""
CUTS = ("sagittal", "coronal", "axial")


class ViewLogic(LogicPart):
    """What the views show, and how."""

    def forget(self) -> None:
        super().forget()
        self.unlinkPrior()

    # Layouts

    def layouts(self) -> list[tuple[int, str]]:
        """Numbers and titles of our layouts."""
        from spinemet.scene import Layout

        return [(int(item), item.title.removeprefix("SpineMet ")) for item in Layout]

    def layout(self) -> int | None:
        """The number of the layout that is shown, None without a window."""
        node = _layoutNode()
        return int(node.GetViewArrangement()) if node is not None else None

    def showLayout(self, parameterNode: Any, number: int) -> None:
        """Switch to one of our layouts and put the images of the time point, its table and its prior into the views.

        :raises spinemet.errors.BadInput: there is no window.
        """
        from spinemet.errors import BadInput
        from spinemet.scene import register_layouts

        node = _layoutNode()
        if node is None:
            raise BadInput(_("There is no window to lay out."))
        register_layouts(node)
        node.SetViewArrangement(number)
        self.fillViews(parameterNode)

    def fillViews(self, parameterNode: Any) -> None:
        """Put the images of the time point, its table and its prior into the views that are there."""
        from spinemet.scene import Shown, fill_views
        from spinemet.scene.roles import ROLE_TABLE

        prior = self.priorNode(parameterNode)
        fill_views(
            slicer.mrmlScene,
            Shown(
                ct=parameterNode.referenceVolume,
                mr=self._mr(parameterNode),
                prior=self.wrap(prior).referenceVolume if prior is not None else None,
                table=parameterNode.parameterNode.GetNodeReference(ROLE_TABLE),
            ),
        )

    def _mr(self, parameterNode: Any) -> Any:
        """The T2 of the study, else any MR, else None."""
        roles = [(node, self.roleOf(node).ref.role) for node in self.studyVolumes(parameterNode)]
        mr = [(node, role) for node, role in roles if role.is_mr and node is not parameterNode.referenceVolume]
        mr.sort(key=lambda pair: pair[1].value != "T2")
        return next((node for node, _role in mr), None)

    # Cuts

    def jumpTo(self, position: tuple[float, float, float], parameterNode: Any = None, level: str = "") -> None:
        """Show a point (RAS, mm) in the slice views.

        :param level: zoom in on this level, cut in its vertebra's own frame where there is one.
        """
        from spinemet.scene import jump_to
        from spinemet.scene.cuts import CLOSE_UP_MM

        frame = self._frame(parameterNode, level) if level and self.cutsAlong(parameterNode) else None
        jump_to(slicer.mrmlScene, position, frame=frame, width_mm=CLOSE_UP_MM if level else None)

    def cutsAlong(self, parameterNode: Any) -> bool:
        """Whether views that go to a level are cut in its vertebra's own frame."""
        return parameterNode.parameterNode.GetParameter(ALONG) != "False"

    def setCutsAlong(self, parameterNode: Any, along: bool, level: str = "") -> None:
        """Cut the views along the vertebrae from now on, or turn them back to Slicer's own planes."""
        from spinemet.scene import slice_nodes, to_standard

        parameterNode.parameterNode.SetParameter(ALONG, "True" if along else "False")
        item = self._level(parameterNode, level)
        if not along:
            to_standard(slice_nodes(slicer.mrmlScene, None))
        elif item is not None and item.position is not None:
            self.jumpTo(item.position, parameterNode, level)

    def _level(self, parameterNode: Any, level: str) -> Any:
        assessment = self.assessment(parameterNode) if parameterNode is not None else None
        levels = assessment.levels if assessment is not None else ()
        return next((item for item in levels if item.level.value == level), None)

    def _frame(self, parameterNode: Any, level: str) -> Any:
        item = self._level(parameterNode, level)
        return item.frame if item is not None else None

    # Marks

    def markGroups(self) -> list[str]:
        """The kinds of marks, as a person reads them."""
        from spinemet.scene import Group

        return [group.value for group in Group]

    def shownMarks(self, parameterNode: Any) -> set[str]:
        """The kinds of marks that are shown."""
        from spinemet.scene import shown_groups

        return {group.value for group in shown_groups(parameterNode.parameterNode)}

    def showMarks(self, parameterNode: Any, group: str, shown: bool) -> None:
        """Show or hide a kind of marks."""
        from spinemet.scene import Group, show_group

        with slicer.util.NodeModify(parameterNode):
            show_group(parameterNode.parameterNode, Group(group), shown)

    def toggleOutlines(self, parameterNode: Any) -> None:
        """Hide the outlines in the slice views, or show them again."""
        node = parameterNode.segmentation
        display = node.GetDisplayNode() if node else None
        if display is not None:
            display.SetVisibility2D(not display.GetVisibility2D())

    # Bone in 3D

    def looks(self) -> list[str]:
        """How bone may look in 3D."""
        from spinemet.scene import Look

        return [look.value for look in Look]

    def look(self, parameterNode: Any) -> str:
        """How bone looks in 3D; "" while nothing is shown there."""
        return str(parameterNode.parameterNode.GetParameter(LOOK) or "")

    def setLook(self, parameterNode: Any, look: str, progress: Any = None) -> None:
        """Show bone and lesions in 3D; "" takes them out again, so that painting is quick.

        Making the surfaces takes seconds.

        :param look: one of `looks()`, or "".
        :raises spinemet.errors.BadInput: nothing is outlined.
        """
        from spinemet.scene import Look, set_look
        from spinemet.scene.bone_look import make_surfaces

        node = self._outlines(parameterNode)
        if look:
            make_surfaces(node, progress)
            set_look(node, Look(look))
        else:
            self.setCut(parameterNode, "", "")
            node.RemoveClosedSurfaceRepresentation()
        parameterNode.parameterNode.SetParameter(LOOK, look)

    def cut(self, parameterNode: Any) -> str:
        """Along which plane the surfaces are cut open; "" while they are whole."""
        from spinemet.scene.bone_look import ROLE_PLANE

        node = parameterNode.segmentation
        display = node.GetDisplayNode() if node else None
        there = display is not None and display.GetNodeReference(ROLE_PLANE) is not None
        return str(parameterNode.parameterNode.GetParameter(CUT) or "") if there else ""

    def setCut(self, parameterNode: Any, cut: str, level: str, progress: Any = None) -> None:
        """Cut the surfaces open along a plane of a vertebra's own frame, a markup to drag; "" closes them.

        :param cut: one of `CUTS`, or "".
        :raises spinemet.errors.BadInput: the level has no frame.
        """
        from spinemet.errors import BadInput
        from spinemet.scene import remove_clipping_plane, show_clipping_plane

        node = self._outlines(parameterNode)
        if not cut:
            remove_clipping_plane(slicer.mrmlScene, node)
        else:
            frame = self._frame(parameterNode, level)
            if frame is None:
                raise BadInput(_("Choose a measured level in Assess first; the surfaces are cut open through it."))
            if not self.look(parameterNode):
                self.setLook(parameterNode, "solid", progress)
            show_clipping_plane(slicer.mrmlScene, node, frame, cut=cut)
        parameterNode.parameterNode.SetParameter(CUT, cut)

    def _outlines(self, parameterNode: Any) -> Any:
        from spinemet.errors import BadInput

        if parameterNode is None or not parameterNode.segmentation:
            raise BadInput(_("Nothing is outlined yet."))
        return parameterNode.segmentation

    # Prior beside current

    def whyNoLink(self, parameterNode: Any) -> str:
        """Why the prior's views cannot follow, in a sentence; empty when they can."""
        from spinemet.scene import frames_of

        now = self.assessment(parameterNode) if parameterNode is not None else None
        prior = self.prior(parameterNode) if parameterNode is not None else None
        if prior is None:
            return _("There is no assessed earlier time point.")
        if now is None or not frames_of(now).keys() & frames_of(prior).keys():
            return _("Both time points need an assessed level in common.")
        return ""

    @property
    def priorLinked(self) -> bool:
        """Whether the prior's views follow those of the current time point."""
        return self._link is not None

    def linkPrior(self, parameterNode: Any) -> None:
        """Let the prior's views follow those of the current time point, vertebra by vertebra, and the other way round.

        :raises spinemet.errors.BadInput: there is no prior with a level in common.
        """
        from spinemet.errors import BadInput
        from spinemet.scene import LinkedByVertebra, frames_of

        missing = self.whyNoLink(parameterNode)
        if missing:
            raise BadInput(missing)
        self.unlinkPrior()
        here, there = frames_of(self.assessment(parameterNode)), frames_of(self.prior(parameterNode))
        self._link = LinkedByVertebra(slicer.mrmlScene, here, there)

    def unlinkPrior(self) -> None:
        """Let go of the prior's views."""
        link = getattr(self, "_link", None)
        if link is not None:
            link.close()
        self._link: Any = None


def _layoutNode() -> Any:
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
