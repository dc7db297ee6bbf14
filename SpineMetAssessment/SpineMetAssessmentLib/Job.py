"""Job: a long computation beside the window, which the user may go on using; ends with a result or an error."""

import threading
from collections.abc import Callable
from typing import Any

_LOOK_MS = 100


class Job:
    """Runs `work(progress, cancel)` in a thread and tells the window's own thread of it.

    :param work: pure computation; must not touch the scene, and asks `cancel()` whether to end.
    :param told: called with the fraction and a text while it runs.
    :param done: called once with the result and None, or with None and what was raised.
    """

    def __init__(
        self,
        work: Callable[[Callable[[float, str], None], Callable[[], bool]], Any],
        told: Callable[[float, str], None],
        done: Callable[[Any, BaseException | None], None],
    ) -> None:
        import qt

        self._told, self._done = told, done
        self._stop = threading.Event()
        self._latest = (0.0, "")
        self._result: Any = None
        self._error: BaseException | None = None
        self._timer = qt.QTimer()
        self._timer.interval = _LOOK_MS
        self._timer.timeout.connect(self._look)
        self._thread = threading.Thread(target=self._run, args=(work,), name="SpineMet engine", daemon=True)
        self._thread.start()
        self._timer.start()

    @property
    def running(self) -> bool:
        """Whether its end was not told yet."""
        return bool(self._timer.active)

    @property
    def latest(self) -> tuple[float, str]:
        """The last fraction and text."""
        return self._latest

    def stop(self) -> None:
        """Ask it to end; `done` is told when it has."""
        self._stop.set()

    def abandon(self) -> None:
        """Ask it to end, and tell nobody of it: the scene that it worked for is gone."""
        self._stop.set()
        self._timer.stop()

    def _run(self, work: Any) -> None:
        try:
            self._result = work(self._report, self._stop.is_set)
        except BaseException as error:
            self._error = error

    def _report(self, fraction: float, text: str) -> None:
        from spinemet.errors import Cancelled

        if self._stop.is_set():
            raise Cancelled("stopped by the user")
        self._latest = (fraction, text)

    def _look(self) -> None:
        if self._thread.is_alive():
            self._told(*self._latest)
            return
        self._timer.stop()
        self._done(self._result, self._error)
