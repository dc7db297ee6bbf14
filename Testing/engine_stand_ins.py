"""Executables that speak the real engines' command lines and answer with outlines that the test chose."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spinemet.image import Image
from spinemet.study import write_image

_HEAD = """#!{python}
import argparse, json, os, shutil, subprocess, sys, time
from pathlib import Path
here = Path({here!r})
(here / "calls.txt").open("a").write(json.dumps(sys.argv[1:]) + "\\n")
mode = (here / "mode").read_text() if (here / "mode").exists() else ""
if mode == "sleep":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (here / "pids").write_text(f"{{os.getpid()}} {{child.pid}}")
    print("  3%|#    | 1/30", end="\\r", flush=True)
    time.sleep(60)
if mode == "fail":
    sys.exit("RuntimeError: CUDA out of memory while reading someone/image.nii.gz")
"""

# The options that our wrapper uses, required and spelled as the originals' parsers have them: a wrong one ends in an
# error, as there.
_TOTALSEGMENTATOR = """
parser = argparse.ArgumentParser()
parser.add_argument("-i", dest="input", type=Path)
parser.add_argument("-o", dest="output", type=Path)
parser.add_argument("-ml", "--ml", action="store_true")
parser.add_argument("-f", "--fast", action="store_true")
parser.add_argument("-ta", "--task", choices=["total", "total_mr", "vertebrae_mr"], default="total")
parser.add_argument("-rs", "--roi_subset", type=str, nargs="+")
options = parser.parse_args()
if options.roi_subset is not None and not options.task.startswith("total"):
    raise ValueError("roi_subset only works with task 'total' or 'total_mr'")
assert options.input.is_file() and options.ml
if mode != "silent":
    shutil.copy(here / "answer.nii.gz", options.output)
"""

_TOTALSPINESEG = """
parser = argparse.ArgumentParser()
parser.add_argument("input", type=Path)
parser.add_argument("output", type=Path)
parser.add_argument("--iso", action="store_true")
parser.add_argument("--step1", action="store_true")
parser.add_argument("--keep-only", "-k", type=str, nargs="+", default=[""])
options = parser.parse_args()
assert options.input.is_file() and options.keep_only == ["step2_output"]
(options.output / "step2_output").mkdir(parents=True)
shutil.copy(here / "answer.nii.gz", options.output / "step2_output" / options.input.name)
"""

_SPINEPS = """
main = argparse.ArgumentParser()
sample = main.add_subparsers(dest="cmd", required=True).add_parser("sample")
sample.add_argument("-input", "-i", required=True, type=str)
sample.add_argument("-model_semantic", "-ms", required=True)
sample.add_argument("-model_instance", "-mv", default="instance")
sample.add_argument("-model_labeling", "-ml", default="t2w_labeling")
sample.add_argument("-der_name", "-dn", type=str, default="derivatives_seg")
sample.add_argument("-ignore_inference_compatibility", "-iic", action="store_true")
options = main.parse_args()
source = Path(options.input)
assert source.is_file() and source.name.startswith("sub-") and options.model_semantic in ("t2w", "t1w")
format = source.name.split("_")[-1].removesuffix(".nii.gz")
folder = source.parent / options.der_name
folder.mkdir()
stem = source.name.removesuffix(f"_{format}.nii.gz")
shutil.copy(here / "answer.nii.gz", folder / f"{stem}_mod-{format}_seg-vert_msk.nii.gz")
shutil.copy(here / "regions.nii.gz", folder / f"{stem}_mod-{format}_seg-spine_msk.nii.gz")
"""

_PROGRAMS = {
    "TotalSegmentator": (_TOTALSEGMENTATOR, "SPINEMET_TOTALSEGMENTATOR"),
    "totalspineseg": (_TOTALSPINESEG, "SPINEMET_TOTALSPINESEG"),
    "spineps": (_SPINEPS, "SPINEMET_SPINEPS"),
}


class StandIn:
    """One stand-in executable: what it answers, how it behaves, and how it was called."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        body, self.variable = _PROGRAMS[program]
        self.path = folder / program
        self.path.write_text(_HEAD.format(python=sys.executable, here=str(folder)) + body)
        self.path.chmod(0o755)

    def answer(self, labels: Image, regions: Image | None = None) -> None:
        """What it writes: its own numbers on the grid of the image that it gets."""
        write_image(labels, self.folder / "answer.nii.gz")
        if regions is not None:
            write_image(regions, self.folder / "regions.nii.gz")

    def behave(self, mode: str) -> None:
        """ "sleep", "fail" or "silent" instead of answering; empty to answer."""
        (self.folder / "mode").write_text(mode)

    @property
    def calls(self) -> list[list[str]]:
        """The words of each call."""
        import json

        file = self.folder / "calls.txt"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> StandIn:
        """Let SpineMet find it, with weights beside it."""
        monkeypatch.setenv(self.variable, str(self.path))
        weights = self.folder / "weights"
        for number in (292, 297, 298, 756):
            (weights / f"Dataset{number}_x").mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(weights))
        monkeypatch.delenv("TOTALSPINESEG_DATA", raising=False)
        monkeypatch.delenv("SPINEPS_SEGMENTOR_MODELS", raising=False)
        return self
