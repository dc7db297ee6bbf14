"""Engines as programs of their own: found, called as they want to be called, watched, ended, remembered."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from engine_stand_ins import StandIn
from spinemet.case import Outline, Role, Structure
from spinemet.errors import BadInput, Cancelled
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.segmentation.engines import (
    EngineFailed,
    all_engines,
    engine_named,
    expected_seconds,
    run_engine,
    why_not,
)
from spinemet.segmentation.engines.cache import engine_cache
from spinemet.segmentation.engines.nninteractive import NnInteractive
from spinemet.study import NUMBERINGS

POSIX = pytest.mark.skipif(os.name == "nt", reason="stand-in executables are scripts with a first line for Unix")
SHAPE = (60, 24, 20)


def image(seed: int = 0) -> Image:
    """A small turned volume; what it shows does not matter to a stand-in."""
    matrix = np.diag([-2.0, -2.0, 3.0, 1.0])
    matrix[:3, 3] = [20, 24, -90]
    values = np.random.default_rng(seed).integers(-200, 800, SHAPE).astype(np.int16)
    return Image(values, matrix, frame="1.2.3", name="CT")


def blocks(numbers: list[int], dtype=np.uint8) -> np.ndarray:
    """One block for each number from the head down, 10 slices high with 2 between."""
    array = np.zeros(SHAPE, dtype)
    for n, number in enumerate(numbers):
        array[58 - 12 * n - 10 : 58 - 12 * n, 4:20, 4:16] = number
    return array


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINEMET_CACHE", str(tmp_path / "cache"))
    for name in ("SPINEMET_TOTALSEGMENTATOR", "SPINEMET_TOTALSPINESEG", "SPINEMET_SPINEPS", "SPINEMET_NNINTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """TotalSegmentator's stand-in, which finds T12 to L3."""
    program = StandIn(tmp_path / "bin", "TotalSegmentator").install(monkeypatch)
    program.answer(image().with_array(blocks([32, 31, 30, 29])))
    return program


# What is known of them


@pytest.mark.parametrize(
    ("key", "numbering"),
    [("totalsegmentator", "TotalSegmentator"), ("totalspineseg", "TotalSpineSeg"), ("spineps", "VerSe")],
)
def test_numbers_mean_what_the_study_reads_them_as(key: str, numbering: str) -> None:
    known = next(item for item in NUMBERINGS if item.name == numbering).outlines
    for value, outline in engine_named(key).labels.items():
        if value in known:
            assert (outline.structure, outline.level) == (known[value].structure, known[value].level), value
    bones = {item.level for item in engine_named(key).labels.values() if item.structure is Structure.VERTEBRA}
    assert {level for level in Level.ordinary() if level < Level.S1} <= bones


def test_every_engine_says_what_to_do_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for engine in all_engines():
        said = engine.available()
        assert said == "" if engine.key == "spinemet" else "install" in said
        if said:
            with pytest.raises(BadInput, match="install"):
                run_engine(engine, image())
    with pytest.raises(BadInput, match="choose one of spinemet, totalsegmentator-fast"):
        engine_named("nnunet")


@POSIX
def test_an_engine_is_not_offered_for_images_that_it_cannot_read(total: StandIn) -> None:
    assert why_not(engine_named("totalsegmentator"), Role.CT) == ""
    assert "made for CT, not for T2" in why_not(engine_named("totalsegmentator"), Role.T2)
    assert why_not(engine_named("totalsegmentator-mr"), Role.T2) == ""


@POSIX
def test_without_weights_nothing_is_downloaded(total: StandIn, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="totalseg_download_weights -t total_fast"):
        run_engine(engine_named("totalsegmentator-fast"), image())
    assert total.calls == []


# Running them


@POSIX
def test_totalsegmentator_runs_and_its_numbers_become_levels(total: StandIn) -> None:
    said = []
    run = run_engine(engine_named("totalsegmentator"), image(), progress=lambda f, text: said.append((f, text)))
    assert [str(level) for level in run.labels.levels] == ["T12", "L1", "L2", "L3"]
    assert run.labels.image.grid.matches(image().grid)
    for level, number in zip(run.labels.levels, (32, 31, 30, 29), strict=True):
        ours = run.labels.image.array == run.labels.levels[level]
        assert np.array_equal(ours, blocks([32, 31, 30, 29]) == number)
    assert all(outline.frame == "1.2.3" for outline in run.labels.outlines.values())
    words = total.calls[0]
    assert words[words.index("--task") + 1] == "total"
    assert {"--ml", "vertebrae_L3", "sacrum", "spinal_cord"} <= set(words)
    assert "--fast" not in words
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("TotalSegmentator works, about 10 min left" in text for _, text in said)


@POSIX
def test_fast_and_mr_are_other_calls(total: StandIn) -> None:
    run_engine(engine_named("totalsegmentator-fast"), image())
    assert "--fast" in total.calls[-1]
    total.answer(image().with_array(blocks([7, 6, 5, 4])))
    run = run_engine(engine_named("totalsegmentator-mr"), image())
    assert [str(level) for level in run.labels.levels] == ["T12", "L1", "L2", "L3"]
    assert "--roi_subset" not in total.calls[-1]


@POSIX
def test_totalspineseg_gives_discs_canal_and_cord_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = StandIn(tmp_path / "bin", "totalspineseg").install(monkeypatch)
    array = blocks([41, 42, 43, 44])
    array[46:48, 6:18, 6:14] = 92
    array[:, 20:22, 8:12] = 2
    array[20:, 20, 9] = 1
    program.answer(image().with_array(array))
    run = run_engine(engine_named("totalspineseg"), image())
    assert [str(level) for level in run.labels.levels] == ["L1", "L2", "L3", "L4"]
    kinds = {(item.structure, item.level) for item in run.labels.present.values()}
    assert {(Structure.DISC, Level.L1), (Structure.CANAL, None), (Structure.CORD, None)} <= kinds


@POSIX
def test_spineps_endplates_belong_to_their_vertebra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = StandIn(tmp_path / "bin", "spineps").install(monkeypatch)
    array = blocks([20, 21, 22])
    array[47, 4:20, 4:16] = 220
    regions = np.zeros(SHAPE, np.uint8)
    regions[:, 21, 8:12] = 61
    regions[30:, 21, 9] = 60
    program.answer(image().with_array(array), image().with_array(regions))
    run = run_engine(engine_named("spineps"), image())
    assert [str(level) for level in run.labels.levels] == ["L1", "L2", "L3"]
    assert (run.labels.image.array == run.labels.levels[Level.L1])[47, 5, 5]
    found = {item.structure: value for value, item in run.labels.present.items()}
    assert (run.labels.image.array == found[Structure.CORD])[31, 21, 9]
    assert program.calls[0][:2] == ["sample", "-i"]


@POSIX
def test_only_the_region_asked_for_is_shown_to_the_engine(total: StandIn, tmp_path: Path) -> None:
    whole = image()
    near = whole.to_world([10, 12, 40])
    region = whole.grid.region_around(near[None], 40.0)
    total.answer(whole.crop(region).with_array(blocks([32, 31, 30, 29])[region]))
    run = run_engine(engine_named("totalsegmentator"), whole, around=near)
    assert run.labels.image.shape == whole.shape
    assert (run.labels.image.array > 0)[region].any()
    outside = np.ones(whole.shape, bool)
    outside[region] = False
    assert not run.labels.image.array[outside].any()


@POSIX
def test_files_for_the_engine_name_nobody(total: StandIn) -> None:
    named = Image(image().array, image().ijk_to_ras, frame="1.2.840.99", name="DOE^JANE 1950")
    run_engine(engine_named("totalsegmentator"), named)
    assert "DOE" not in " ".join(total.calls[0])
    assert not any("DOE" in path.name or "840" in path.name for path in engine_cache().iterdir())


# Cached by content


@POSIX
def test_the_same_voxels_are_not_computed_twice(total: StandIn) -> None:
    first = run_engine(engine_named("totalsegmentator"), image())
    again = run_engine(engine_named("totalsegmentator"), image())
    assert (first.from_cache, again.from_cache, len(total.calls)) == (False, True, 1)
    assert np.array_equal(first.labels.image.array, again.labels.image.array)
    assert first.labels.outlines == again.labels.outlines
    run_engine(engine_named("totalsegmentator-fast"), image())
    run_engine(engine_named("totalsegmentator"), image(seed=1))
    assert len(total.calls) == 3


@POSIX
def test_a_damaged_cache_is_computed_anew(total: StandIn) -> None:
    run_engine(engine_named("totalsegmentator"), image())
    for path in engine_cache().glob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert not run_engine(engine_named("totalsegmentator"), image()).from_cache


@POSIX
def test_time_is_told_from_earlier_runs_here(total: StandIn, tmp_path: Path) -> None:
    engine = engine_named("totalsegmentator")
    assert expected_seconds(engine, image()) == 600
    engine_cache().mkdir(parents=True)
    (engine_cache() / "times.json").write_text('{"totalsegmentator": [3000, 2000, 9000]}')
    assert expected_seconds(engine, image()) == pytest.approx(3000 * image().array.size / 1e6)
    (engine_cache() / "times.json").write_text("broken")
    assert expected_seconds(engine, image()) == 600


# What goes wrong


@POSIX
def test_a_cancelled_engine_ends_with_all_that_it_started(total: StandIn) -> None:
    total.behave("sleep")
    deadline = time.monotonic() + 20

    def cancel() -> bool:
        assert time.monotonic() < deadline
        return (total.folder / "pids").exists() and len((total.folder / "pids").read_text().split()) == 2

    with pytest.raises(Cancelled):
        run_engine(engine_named("totalsegmentator"), image(), cancel=cancel)
    for pid in map(int, (total.folder / "pids").read_text().split()):
        assert _ended(pid), "a process of the engine still runs"
    assert list(engine_cache().glob("*.npz")) == [] if engine_cache().exists() else True


def _ended(pid: int, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@POSIX
def test_progress_may_stop_an_engine_too(total: StandIn) -> None:
    total.behave("sleep")

    def stop(fraction: float, text: str) -> None:
        if (total.folder / "pids").exists():
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        run_engine(engine_named("totalsegmentator"), image(), progress=stop)


@POSIX
def test_an_error_is_one_sentence_that_names_no_file(total: StandIn) -> None:
    total.behave("fail")
    with pytest.raises(EngineFailed, match="memory is too small") as caught:
        run_engine(engine_named("totalsegmentator"), image())
    assert "someone" not in str(caught.value)
    total.behave("silent")
    with pytest.raises(EngineFailed, match="wrote no outlines"):
        run_engine(engine_named("totalsegmentator"), image())
    total.behave("")
    total.answer(image().with_array(np.zeros(SHAPE, np.uint8)))
    with pytest.raises(EngineFailed, match="found no spine"):
        run_engine(engine_named("totalsegmentator"), image())


@POSIX
def test_labels_on_another_grid_are_brought_back(total: StandIn) -> None:
    fine = image().with_array(blocks([32, 31, 30, 29])).resample(image().grid.with_spacing(1.5), nearest=True)
    total.answer(fine)
    run = run_engine(engine_named("totalsegmentator"), image())
    both = (run.labels.image.array > 0) & (blocks([32, 31, 30, 29]) > 0)
    assert 2 * both.sum() / ((run.labels.image.array > 0).sum() + (blocks([32, 31, 30, 29]) > 0).sum()) > 0.9


def test_a_thin_image_is_refused_before_anything_starts() -> None:
    thin = Image(image().array[:1], image().ijk_to_ras, name="CT")
    with pytest.raises(BadInput, match="1 slice"):
        run_engine(engine_named("spinemet"), thin)


def test_points_outside_of_the_image_are_a_sentence() -> None:
    with pytest.raises(BadInput, match="outside"):
        run_engine(engine_named("spinemet"), image(), around=[900.0, 0.0, 0.0])


@dataclass(frozen=True)
class Counting:
    """An engine without numbers of its own whose every run is counted."""

    runs: list
    key: str = "counting"
    title: str = "Counting"
    roles: frozenset = frozenset((Role.CT,))
    identity: str = "1"
    usual_seconds: float = 1.0
    margin_mm: float = 10.0

    @property
    def labels(self) -> dict:
        return {}

    def available(self) -> str:
        return ""

    def run(self, image, progress=None, cancel=None):
        from spinemet.labelmap import LabelMap

        self.runs.append(1)
        outlines = {1: Outline(Structure.VERTEBRA, None, name="vertebra 1 from the head")}
        return LabelMap(image.with_array((blocks([1]) > 0).astype(np.uint8)), outlines)


def test_numbers_that_mean_something_only_in_one_image_are_not_remembered() -> None:
    engine = Counting([])
    for _ in range(2):
        run = run_engine(engine, image())
    assert len(engine.runs) == 2
    assert run.labels.outlines[1].name == "vertebra 1 from the head"
    assert run.notes == ()


# nnInteractive


class _Session:
    """The client's session as its source declares it, with a ball for an answer."""

    made: ClassVar[list] = []

    def __init__(self, server_url, api_key=None, connect_timeout=10.0, read_timeout=60.0) -> None:
        if "refused" in server_url:
            raise type("ConnectError", (Exception,), {})("no")
        self.server_url, self.images, self.strokes, self.target_buffer, self.closed = server_url, 0, [], None, False
        _Session.made.append(self)

    def set_image(self, image, image_properties=None) -> None:
        assert image.ndim == 4
        self.images += 1
        self.shape = image.shape[1:]

    def set_target_buffer(self, target_buffer) -> None:
        assert target_buffer.shape == self.shape
        self.target_buffer = target_buffer

    def reset_interactions(self) -> None:
        self.target_buffer.fill(0)
        self.strokes = []

    def add_scribble_interaction(
        self,
        scribble_image,
        include_interaction,
        run_prediction=True,
        override_capability_checks=False,
        interaction_bbox=None,
    ) -> None:
        assert scribble_image.shape == tuple(b - a for a, b in interaction_bbox)
        assert 1 in scribble_image.shape
        self.strokes.append((interaction_bbox, include_interaction, run_prediction))
        if run_prediction:
            k, j, i = (slice(max(0, a - 2), b + 2) for a, b in interaction_bbox)
            self.target_buffer[k, j, i] = 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> list:
    """The client's package with a session that needs no server."""
    import importlib.machinery
    import types

    names = ("nnInteractive", "nnInteractive.inference", "nnInteractive.inference.remote")
    for name in names:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules[names[-1]].nnInteractiveRemoteInferenceSession = _Session
    _Session.made = []
    return _Session.made


def _seeds() -> np.ndarray:
    seeds = np.zeros(SHAPE, np.uint8)
    seeds[0] = seeds[-1] = 2
    seeds[:, 0] = seeds[:, -1] = 2
    seeds[30:32, 10:13, 8:10] = 1
    seeds[30, 18, 5:9] = 2
    return seeds


def test_nninteractive_gets_strokes_in_slices_and_the_image_once(client: list) -> None:
    engine = NnInteractive("http://127.0.0.1:1527")
    assert engine.available() == ""
    assert not engine.leaves_the_computer
    assert NnInteractive("http://gpu.lab:1527").leaves_the_computer
    mask = engine.grow(image(), _seeds())
    assert mask.shape == SHAPE
    assert mask[31, 11, 9]
    engine.grow(image(), _seeds())
    session = client[0]
    assert (len(client), session.images) == (1, 1)
    kinds = [(inside, last) for _, inside, last in session.strokes]
    assert kinds == [(False, False), (True, False), (True, True)]
    engine.close()
    assert session.closed


def test_nninteractive_says_what_it_lacks(client: list, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "needs a server" in NnInteractive().available()
    assert "not one" in NnInteractive("1527").available()
    with pytest.raises(BadInput, match="stroke inside"):
        NnInteractive("http://127.0.0.1:1").run(image())
    with pytest.raises(EngineFailed, match="cannot be reached"):
        NnInteractive("http://refused:1").grow(image(), _seeds())
    monkeypatch.delitem(sys.modules, "nnInteractive")
    assert "not installed" in NnInteractive("http://127.0.0.1:1").available()


def test_nninteractive_grows_the_strokes_of_a_tumor_session(client: list) -> None:
    from spinemet.segmentation.tumor_outline import first_outline
    from spinemet.segmentation.tumor_strokes import Stroke

    values = np.full((40, 40, 40), 30, np.int16)
    values[15:25, 15:25, 15:25] = 150
    values += np.random.default_rng(0).normal(0, 5, values.shape).astype(np.int16)
    bright = Image(values, np.eye(4), name="T1")
    strokes = [Stroke(((18.0, 20.0, 20.0), (22.0, 20.0, 20.0)))]
    found = first_outline(bright, strokes, engine=NnInteractive("http://127.0.0.1:1527"))
    assert "grown from the strokes by nnInteractive" in found.notes
    assert found.mask.array.any()
