"""Who may import whom: the drawing of CONTRIBUTING.md as a rule, read from the source without running it."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache

import pytest

from project_tree import MODULE_FOLDER, REPOSITORY, scripts

# At file scope Slicer's Extensions Index asks for no more than what Slicer brings; the rest is imported where used.
FILE_SCOPE = {*sys.stdlib_module_names, "numpy", "scipy", "SimpleITK", "vtk", "vtkmodules", "spinemet"}
FILE_SCOPE_OF_THE_MODULE = {*FILE_SCOPE, "slicer", "qt", "ctk", "SpineMetAssessmentLib"}
GUI = {"qt", "ctk", "PythonQt", "PySide6", "PyQt5", "PyQt6"}

# Core files know only each other.
CORE = {
    *("answers", "case", "codes", "drr", "errors", "evidence", "files", "image", "increment"),
    *("labelmap", "levels", "progress", "projection", "radiograph", "samples", "serialize"),
}
ROOMS = {"study", "registration", "segmentation", "anatomy", "scores", "planning", "followup", "phantom"}
STEPS = ROOMS - {"phantom"}
RESULTS = {"assessment", "colors", "details"}
DOORS = {"cli", "demo", "__main__"}
# Beside the core and itself, each unit may import these; doors may import everything.
MAY_IMPORT: dict[str, set[str]] = {
    **{room: set() for room in ROOMS},
    "study": {"colors"},  # label files carry the colors of their outlines
    "planning": {"anatomy"},
    "followup": {"anatomy"},
    "assessment": {"anatomy", "details", "scores"},
    "colors": {"scores"},
    "details": {"anatomy", "scores"},
    "report": RESULTS | {"anatomy", "scores"},
    "scene": RESULTS | {"anatomy", "phantom", "scores"},  # the synthetic patient is sample data
    "grading": {"anatomy", "scores"},
    "epidural_files": {"anatomy", "assessment", "epidural", "registration", "segmentation", "study"},
    "epidural": {"anatomy", "details", "scores"},
    "assess": STEPS | {"assessment", "details", "grading"},
    "segment": {"segmentation", "study"},
    "align": STEPS | RESULTS | {"report"},
    "run": STEPS | RESULTS | {"assess", "details", "epidural", "epidural_files", "grading", "report", "scene"},
    "cohort": STEPS | RESULTS | {"assess", "details", "epidural", "epidural_files", "report", "scene", "run"},
}


@dataclass(frozen=True)
class Import:
    """One imported module: who imports it, in which line, at file scope or inside a function."""

    importer: str
    module: str
    line: int
    at_file_scope: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.module}"


@cache
def imports(file: str) -> tuple[Import, ...]:
    """Everything that a file of the module's folder imports, except for type checking only."""
    tree = ast.parse((MODULE_FOLDER / file).read_text(encoding="utf-8"), file)
    found: list[Import] = []

    def visit(node: ast.AST, at_file_scope: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend(Import(file, alias.name, node.lineno, at_file_scope) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.extend(Import(file, name, node.lineno, at_file_scope) for name in _imported_from(node, file))
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, at_file_scope and not inside)

    visit(tree, True)
    return tuple(found)


def _imported_from(node: ast.ImportFrom, file: str) -> list[str]:
    package = module_name(file).split(".") if file.endswith("__init__.py") else module_name(file).split(".")[:-1]
    base = package[: len(package) - node.level + 1] if node.level else []
    stem = ".".join([*base, *([node.module] if node.module else [])])
    submodules = [f"{stem}.{alias.name}" for alias in node.names]
    return [name if name in modules() else stem for name in submodules]


def module_name(file: str) -> str:
    """Dotted name of a file of the module's folder."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def modules() -> dict[str, str]:
    """Files by dotted name."""
    return {module_name(file): file for file in scripts()}


def library() -> list[str]:
    """The files of spinemet."""
    return [file for file in scripts() if file.startswith("spinemet/")]


def unit(module: str) -> str:
    """The room or core file of a module of spinemet, "" for the package itself."""
    return [*module.split("."), ""][1]


def test_every_unit_of_the_library_has_its_place_in_the_drawing() -> None:
    units = {unit(module_name(file)) for file in library()} - {""}
    assert not units - CORE - DOORS - set(MAY_IMPORT), "give it a row in MAY_IMPORT and a line in CONTRIBUTING.md"
    drawing = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    assert not [own for own in sorted(units) if f" {own}.py " not in drawing and f" {own}/ " not in drawing]


@pytest.mark.parametrize("file", library())
def test_library_imports_flow_downward(file: str) -> None:
    own = unit(module_name(file))
    if own in DOORS:
        return
    allowed = {"", own} | CORE | MAY_IMPORT.get(own, set())
    wrong = [
        item for item in imports(file) if item.module.split(".")[0] == "spinemet" and unit(item.module) not in allowed
    ]
    assert not wrong, "; ".join(map(str, wrong))


@pytest.mark.parametrize("file", scripts())
def test_file_scope_imports_are_what_slicer_brings(file: str) -> None:
    allowed = FILE_SCOPE if file.startswith("spinemet/") else FILE_SCOPE_OF_THE_MODULE
    if file.startswith("spinemet/scene/"):
        allowed = allowed | {"slicer"}
    wrong = [item for item in imports(file) if item.at_file_scope and item.module.split(".")[0] not in allowed]
    assert not wrong, "import it where it is used: " + "; ".join(map(str, wrong))


@pytest.mark.parametrize("file", library())
def test_only_the_scene_knows_slicer_and_nothing_knows_qt(file: str) -> None:
    forbidden = GUI if file.startswith("spinemet/scene/") else GUI | {"slicer"}
    forbidden = forbidden | {"SpineMetAssessment", "SpineMetAssessmentLib"}
    wrong = [item for item in imports(file) if item.module.split(".")[0] in forbidden]
    assert not wrong, "; ".join(map(str, wrong))


def test_slicer_starts_without_importing_the_library() -> None:
    # Every module file is imported when Slicer starts; spinemet waits until the module is opened.
    reached, waiting = set(), ["SpineMetAssessment"]
    while waiting:
        module = waiting.pop()
        if module in reached or module not in modules():
            continue
        reached.add(module)
        waiting += [item.module for item in imports(modules()[module]) if item.at_file_scope]
    assert not [module for module in reached if module.split(".")[0] == "spinemet"]


@pytest.mark.parametrize("above", ["anatomy", "registration", "segmentation", "scores"])
def test_the_truth_of_the_phantom_is_independent(above: str) -> None:
    assert above not in _reached_units("phantom")
    assert "phantom" not in _reached_units(above)


def _reached_units(start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        own = waiting.pop()
        if own in reached:
            continue
        reached.add(own)
        files = [file for file in library() if unit(module_name(file)) == own]
        waiting += [
            unit(item.module) for file in files for item in imports(file) if item.module.startswith("spinemet.")
        ]
    return reached


def test_imports_make_no_circle() -> None:
    graph = {module: _file_scope_neighbors(module) for module in modules()}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "a circle: " + " → ".join((*path[path.index(module) :], module))
        if module not in done:
            for neighbor in sorted(graph[module]):
                walk(neighbor, (*path, module))
            done.add(module)

    for module in graph:
        walk(module, ())


def _file_scope_neighbors(module: str) -> set[str]:
    parts = module.split(".")
    own_packages = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    neighbors = set()
    for item in imports(modules()[module]):
        if item.at_file_scope and item.module in modules():
            # Importing a module of another room runs that room's __init__ first, and those above it.
            above = item.module.split(".")
            packages = {".".join(above[:end]) for end in range(1, len(above))}
            neighbors |= {item.module} | (packages & set(modules()) - own_packages)
    return neighbors - {module, "spinemet"}


RUNS_SOMETHING = {"open", "print", "read_text", "read_bytes", "mkdir", "system", "Popen", "urlopen", "pip_install"}


@pytest.mark.parametrize("file", scripts())
def test_nothing_but_definitions_happens_on_import(file: str) -> None:
    tree = ast.parse((MODULE_FOLDER / file).read_text(encoding="utf-8"), file)
    wrong = [node.lineno for node in tree.body if not _only_defines(node, file)]
    assert not wrong, f"{file}: line {wrong} runs code on import"


def _only_defines(node: ast.stmt, file: str) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        test = ast.dump(node.test)
        is_main = "__name__" in test and (file.endswith("__main__.py") or "/" in file)
        return is_main or "TYPE_CHECKING" in test or "sys" in test
    if isinstance(node, ast.Try):
        return all(_only_defines(inner, file) for inner in node.body)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        called = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
        names = {getattr(func, "attr", getattr(func, "id", "")) for func in called}
        return not names & RUNS_SOMETHING
    return False
