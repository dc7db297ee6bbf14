"""The extension's descriptions, its lists and its tree say the same, and what they list is enough to run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from project_tree import MODULE_FOLDER, REPOSITORY, RESOURCES, SCRIPTS, listed, module_files, resources, scripts

NAME = "SpineMetExtension"
PATENT = "WO2024098147A1"  # quantitative SINS; the Extensions Index asks that known patents are named
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
# Keys and types of the catalog's schema v1.0.2.
CATALOG_KEYS = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "scm_revision": str,
    "scm_url": str,
    "tier": int,
}
# What is imported only where it is used: none of these may come along with `import spinemet.…`.
LAZY = ("pydicom", "highdicom", "rich", "PySide6", "matplotlib", "PIL", "skimage", "torch")

STUB_CONFIG = """\
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/GenerateConfig.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/CPack.cmake")
"""
STUB_USE = """\
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY_SLICER "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${MY_SLICER_SCRIPTS} ${MY_SLICER_RESOURCES})
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "given nonexistent file '${file}'")
    endif()
  endforeach()
  foreach(key NAME SCRIPTS RESOURCES WITH_GENERIC_TESTS UNPARSED_ARGUMENTS)
    file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "${key}=${MY_SLICER_${key}}\\n")
  endforeach()
endmacro()
macro(slicer_add_python_unittest)
  file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "UNITTEST=${ARGN}\\n")
endmacro()
"""
STUB_GENERATE = """\
file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "PROJECT=${PROJECT_NAME}\\n")
foreach(key HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "${key}=${EXTENSION_${key}}\\n")
endforeach()
"""
STUB_CPACK = 'file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "CPACK=included\\n")\n'
# project() asks for C and C++ as Slicer's template does; scripts need no compiler, so none is looked for.
TOOLCHAIN = """\
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER "${CMAKE_COMMAND}")
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
endforeach()
"""


@pytest.fixture(scope="module")
def catalog_entry() -> dict[str, object]:
    """The entry for the Extensions Index."""
    return json.loads((REPOSITORY / f"{NAME}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def legacy_entry() -> dict[str, str]:
    """The .s4ext: key and rest of the line."""
    lines = (REPOSITORY / f"{NAME}.s4ext").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines if line.strip() and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What CMake hands to Slicer's macros when it configures the extension."""
    cmake = shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if cmake is None:
        pytest.skip("cmake is not installed (pip install spinemet[dev])")
    slicer, build = tmp_path_factory.mktemp("slicer"), tmp_path_factory.mktemp("build")
    stubs = {
        "SlicerConfig.cmake": STUB_CONFIG,
        "UseSlicer.cmake": STUB_USE,
        "GenerateConfig.cmake": STUB_GENERATE,
        "CPack.cmake": STUB_CPACK,
        "toolchain.cmake": TOOLCHAIN,
    }
    for name, text in stubs.items():
        (slicer / name).write_text(text, encoding="utf-8")
    options = [f"-DSlicer_DIR={slicer}", f"-DCMAKE_TOOLCHAIN_FILE={slicer / 'toolchain.cmake'}", "-DBUILD_TESTING=ON"]
    command = [cmake, "-S", str(REPOSITORY), "-B", str(build), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = (build / "recorded.txt").read_text(encoding="utf-8").splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="module")
def install_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder made as Slicer's macro makes it: each listed file at its own relative place, and nothing else."""
    root = tmp_path_factory.mktemp("qt-scripted-modules")
    for file in listed(SCRIPTS) + listed(RESOURCES):
        target = root / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MODULE_FOLDER / file, target)
    return root


@pytest.mark.parametrize(("name", "tree"), [(SCRIPTS, scripts), (RESOURCES, resources)])
def test_every_file_of_the_module_is_listed_once_and_in_order(name: str, tree) -> None:
    entries, files = listed(name), tree()
    assert not set(files) - set(entries), f"missing from {name} in SpineMetAssessment/CMakeLists.txt: run `make lists`"
    assert not set(entries) - set(files), f"listed in {name} but not in the tree: run `make lists`"
    assert entries == files, f"{name} is not sorted or names a file twice: run `make lists`"


def test_only_the_module_file_lies_directly_in_the_module_folder() -> None:
    # Slicer loads every .py there as a module of its own.
    assert [file for file in scripts() if "/" not in file] == ["SpineMetAssessment.py"]


def test_the_catalog_entry_has_the_form_of_the_schema(catalog_entry: dict[str, object]) -> None:
    assert catalog_entry["$schema"] == SCHEMA
    assert {key: type(value) for key, value in catalog_entry.items()} == CATALOG_KEYS
    assert 1 <= catalog_entry["tier"] <= 5


def test_catalog_and_legacy_entries_agree(catalog_entry: dict[str, object], legacy_entry: dict[str, str]) -> None:
    assert legacy_entry["scmurl"] == catalog_entry["scm_url"]
    assert legacy_entry["scmrevision"] == catalog_entry["scm_revision"]
    assert legacy_entry["category"] == catalog_entry["category"]
    assert legacy_entry["build_subdirectory"] == catalog_entry["build_subdirectory"]
    assert legacy_entry["tier"] == str(catalog_entry["tier"])
    assert (legacy_entry["depends"], catalog_entry["build_dependencies"]) == ("NA", [])


def test_the_configured_extension_agrees_with_its_entries(
    configured: dict[str, str], catalog_entry: dict[str, object], legacy_entry: dict[str, str]
) -> None:
    assert configured["PROJECT"] == NAME
    for key in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert configured[key] == legacy_entry[key.lower()], key
    assert catalog_entry["scm_url"] == configured["HOMEPAGE"] + ".git"
    assert configured["HOMEPAGE"].rpartition("/")[2].startswith("Slicer")
    assert PATENT in configured["DESCRIPTION"]
    assert configured["CPACK"] == "included"


def test_the_configured_module_hands_its_lists_to_slicer(configured: dict[str, str]) -> None:
    assert configured["NAME"] == MODULE_FOLDER.name
    assert configured["SCRIPTS"].split(";") == listed(SCRIPTS)
    assert configured["RESOURCES"].split(";") == listed(RESOURCES)
    assert configured["WITH_GENERIC_TESTS"] == "TRUE"
    assert configured["UNPARSED_ARGUMENTS"] == ""
    assert configured["UNITTEST"] == f"SCRIPT;{MODULE_FOLDER.name}.py"


def test_the_pictures_that_the_catalog_links_to_are_in_the_repository(legacy_entry: dict[str, str]) -> None:
    base = legacy_entry["homepage"].replace("github.com", "raw.githubusercontent.com") + "/main/"
    urls = [legacy_entry["iconurl"], *legacy_entry["screenshoturls"].split()]
    assert len(urls) >= 2
    for url in urls:
        assert url.startswith(base)
        picture = REPOSITORY / url.removeprefix(base)
        assert picture.is_file(), f"{url} is linked, but {url.removeprefix(base)} is not in the repository"
    assert _png_size(REPOSITORY / "Resources" / "SpineMet.png") == (128, 128)


def test_an_install_tree_of_the_lists_alone_imports_every_module(install_tree: Path) -> None:
    modules = [_module_name(file) for file in scripts() if file.startswith("spinemet/")]
    code = f"""
import sys
from pathlib import Path
root = Path({str(install_tree)!r})
sys.path[:] = [str(root)] + [p for p in sys.path if Path(p or ".").resolve() != Path({str(MODULE_FOLDER)!r})]
import importlib, importlib.util
has_slicer = importlib.util.find_spec("slicer") is not None
for name in {modules!r}:
    if name.endswith("__main__") or (name.startswith("spinemet.scene") and not has_slicer):
        continue
    module = importlib.import_module(name)
    assert root.resolve() in Path(module.__file__).resolve().parents, (name, module.__file__)
    for key, value in list(vars(module).items()):
        if isinstance(value, Path) and Path({str(REPOSITORY)!r}) in value.parents:
            sys.exit(f"{{name}}.{{key}} points out of the installed tree")
        if isinstance(value, Path) and root.resolve() in value.resolve().parents and not value.exists():
            sys.exit(f"{{name}}.{{key}} is not installed: {{value.name}}")
    loaded = [lazy for lazy in {LAZY!r} if lazy in sys.modules]
    if loaded and not name.startswith("spinemet.scene"):
        sys.exit(f"importing {{name}} also imports {{loaded}}")
"""
    run = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, cwd=install_tree, check=False
    )
    assert run.returncode == 0, run.stderr or run.stdout
    assert run.stdout == "", "importing prints something, so code runs on import"


def test_the_wheel_holds_every_file_of_the_library(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy(REPOSITORY / name, source)
    for file in module_files():
        (source / MODULE_FOLDER.name / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MODULE_FOLDER / file, source / MODULE_FOLDER.name / file)
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    run = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {file for file in module_files() if file.startswith("spinemet/")}


def _module_name(file: str) -> str:
    return re.sub(r"(/__init__)?\.py$", "", file).replace("/", ".")


def _png_size(file: Path) -> tuple[int, int]:
    header = file.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
