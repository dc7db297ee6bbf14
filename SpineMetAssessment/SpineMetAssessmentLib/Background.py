"""Background: runs a long computation beside the window, which stays alive; takes no nodes and touches no widget."""

import threading
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

_WAIT_SECONDS = 0.01
"""How long the window waits between two looks; it answers within this and the time of its own events."""


def inBackground(work: Callable[[Callable[[float, str], None]], Any], progress: Callable[[float, str], None]) -> Any:
    """Run `work(report)` in a thread and return its result; what it raises is raised here.

    :param work: pure computation on arrays; must not touch the scene.
    :param progress: called here, in the window's own thread, with the latest report; raises Cancelled to stop.
    """
    from spinemet.errors import Cancelled

    stop = threading.Event()
    latest: list[tuple[float, str]] = [(0.0, "")]
    results: list[Any] = []
    errors: list[BaseException] = []

    def report(fraction: float, text: str) -> None:
        if stop.is_set():
            raise Cancelled(_("Stopped by the user."))
        latest[0] = (fraction, text)

    def run() -> None:
        try:
            results.append(work(report))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="SpineMet", daemon=True)
    thread.start()
    stopped: BaseException | None = None
    while thread.is_alive():
        if stopped is None:
            try:
                progress(*latest[0])
            except Cancelled as error:
                stopped = error
                stop.set()
        else:
            # It ends at its next report; until then the window stays alive.
            slicer.app.processEvents()
        thread.join(_WAIT_SECONDS)
    if stopped is not None:
        raise stopped
    if errors:
        raise errors[0]
    return results[0]
