"""Startup: what is registered with the application once it has started: layouts and sample data."""

import slicer


def registerAtStartup() -> None:
    """Call from the module's constructor: the application's other parts are there only after the start."""
    slicer.app.connect("startupCompleted()", registerAll)


def registerAll() -> None:
    """Tell the application and its modules what this one brings; without a window there are no layouts."""
    from SpineMetAssessmentLib.Samples import registerSamples

    registerLayouts()
    registerSamples()


def registerLayouts() -> None:
    """Our layouts in the layout menu, also after a reload."""
    from spinemet.scene.layouts import register_layouts

    manager = slicer.app.layoutManager()
    if manager is not None:
        register_layouts(manager.layoutLogic().GetLayoutNode())
