"""Assess one study without a window, in Slicer or in plain Python with slicer-core.

    Slicer --no-main-window --python-script assess_study.py -- STUDY --out DIR --labels FILE --lesions FILE
    python assess_study.py STUDY --out DIR --labels FILE --lesions FILE

It takes the options of `spinemet assess` and ends with its exit code: 0 when the results are written.
"""

import sys
import traceback
from pathlib import Path

FAULT = 3
"""Exit code of what nobody foresaw."""


def main(arguments):
    """Run `spinemet assess`; returns its exit code, also for arguments that it refuses."""
    from spinemet import cli

    try:
        return cli.main(["assess", *(item for item in arguments if item != "--")])
    except SystemExit as refused:
        return int(refused.code or 0)


def run(arguments):
    """Run, whatever happens; returns the exit code."""
    try:
        return main(arguments)
    except BaseException:
        traceback.print_exc()
        return FAULT


def leave(code):
    """End Slicer, which stays open after a script, or else this Python."""
    try:
        import slicer
    except ImportError:
        sys.exit(code)
    if hasattr(slicer, "app"):
        slicer.util.exit(code)
    else:
        sys.exit(code)


if __name__ == "__main__":
    folder = str(Path(__file__).resolve().parents[2])
    if folder not in sys.path:
        sys.path.insert(0, folder)
    leave(run(sys.argv[1:]))
