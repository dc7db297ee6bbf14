"""Results are written whole or not at all."""

from __future__ import annotations

import errno

import pytest

from spinemet.errors import BadInput, OutputError
from spinemet.files import read_json, written_file, written_folder


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_appears_only_when_its_writing_succeeded(tmp_path):
    target = tmp_path / "new" / "result.json"
    with written_file(target) as temporary:
        temporary.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x"
    assert leftovers(tmp_path) == ["new", "result.json"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(KeyError), written_file(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert leftovers(tmp_path) == ["result.json"]


def test_a_full_disk_is_one_sentence(tmp_path):
    expected = pytest.raises(OutputError, match=r"disk is full while writing .*result\.json")
    with expected, written_file(tmp_path / "result.json") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert leftovers(tmp_path) == []


def test_a_folder_is_filled_at_once_and_keeps_what_else_was_there(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    (target / "report.html").write_text("old")
    with written_folder(target) as temporary:
        (temporary / "report.html").write_text("new")
        (temporary / "series").mkdir()
        (temporary / "series" / "a").write_text("1")
        assert (target / "report.html").read_text() == "old"
    assert leftovers(target) == ["a", "notes.txt", "report.html", "series"]
    assert (target / "report.html").read_text() == "new"


def test_a_failed_folder_leaves_no_trace(tmp_path):
    with pytest.raises(RuntimeError), written_folder(tmp_path / "out") as temporary:
        (temporary / "report.html").write_text("new")
        raise RuntimeError
    assert leftovers(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="is a file"), written_folder(tmp_path / "out"):
        pass


def test_a_place_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), written_folder(tmp_path / "file" / "out"):
        pass


@pytest.mark.parametrize(
    "text", ["", "{", "\x00", "[" * 100_000, '{"a":' * 100_000], ids=["empty", "cut", "zero", "lists", "objects"]
)
def test_what_is_no_json_is_said_to_be_none_however_deep_it_nests(tmp_path, text):
    (tmp_path / "points.json").write_text(text)
    with pytest.raises(BadInput, match=r"points\.json is not valid JSON; choose a markups file\."):
        read_json(tmp_path / "points.json", "a markups file")
