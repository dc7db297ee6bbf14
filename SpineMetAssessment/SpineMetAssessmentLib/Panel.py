"""Panel: one step of the work, with its own widgets and its own state in the parameter node."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.util import VTKObservationMixin


def enable(widget: Any, waits: str, tip: str) -> None:
    """Let a widget be used, or say in its tooltip why it waits: `waits` is a sentence, or empty."""
    widget.enabled = not waits
    widget.toolTip = waits or tip


class Panel(VTKObservationMixin):
    """Base of all panels. A subclass named X comes with Resources/UI/X.ui.

    Subclasses set `title` and `help`, may set `StateClass` (a @parameterNodeWrapper whose parameters are kept under
    the panel's own prefix, bound to widgets by SlicerParameterName), and override `setup`, `connectShared`, `refresh`,
    `state`, `headline`, `shortcuts`, `enter` and `exit`.

    :param host: the module's widget: `logic`, `showMessage(text)`, `running(failed)`, `refresh()`, `openPanel(name)`,
        `panel(name)`, `useTimePoint(node)`.
    :param widget: the loaded .ui, a qMRMLWidget.
    """

    title = ""
    help = ""
    StateClass: Any = None

    def __init__(self, host: Any, widget: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.host = host
        self.widget = widget
        self.ui = slicer.util.childWidgetVariables(widget)
        self.parameterNode: Any = None
        self.panelState: Any = None
        self._connections: list[tuple[Any, int]] = []
        widget.setMRMLScene(slicer.mrmlScene)
        self.setup()

    @property
    def logic(self) -> Any:
        return self.host.logic

    def setup(self) -> None:
        """Connect the panel's widgets; called once."""

    def connectShared(self, parameterNode: Any) -> dict[str, Any]:
        """Widgets that show the module's shared parameters, by the parameter's name."""
        return {}

    def refresh(self) -> None:
        """Show what the scene holds now; called after every change, with or without a parameter node."""

    def state(self) -> str:
        """A few words for the panel's header."""
        return ""

    def headline(self) -> str:
        """A few words for the line at the top of the module that gives the answer; most panels have none."""
        return ""

    def shortcuts(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Keys ("Alt+Down"), what they do, and what to call; they work while the module is open."""
        return []

    def enter(self) -> None:
        """The module was opened."""

    def exit(self) -> None:
        """The module was left, or the scene closes: let go of views and effects."""

    def setParameterNode(self, parameterNode: Any) -> None:
        """Bind the widgets to a parameter node, or let go of it with None."""
        for wrapper, tag in self._connections:
            wrapper.disconnectGui(tag)
        self._connections = []
        self.parameterNode, self.panelState = parameterNode, None
        if parameterNode is None:
            self.removeObservers()
            return
        shared = self.connectShared(parameterNode)
        self._connections.append((parameterNode, parameterNode.connectParametersToGui(shared)))
        if self.StateClass is not None:
            self.panelState = self.StateClass(parameterNode.parameterNode, f"{type(self).__name__}.")
            self._connections.append((self.panelState, self.panelState.connectGui(self.ui)))

    def cleanup(self) -> None:
        """Let go of everything; the panel is not used again."""
        self.setParameterNode(None)
        self.removeObservers()
