"""LogicPart: base of the parts that the module's logic is made of."""


class LogicPart:
    """One subject of the logic: study, outlines, assessment, readers, report. Takes nodes, knows no widget."""

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Let go of what was kept of the scene; called when it closes, and once at the start."""
