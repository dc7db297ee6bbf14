"""`spinemet segment`: points or an engine in, one .seg.nrrd with names out; bad input is one sentence."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from engine_stand_ins import StandIn
from segmentation_ct_cases import SICK, clicks_in, dice, middle_of
from small_markups import markups, write_markups
from spinemet import cli
from spinemet.case import Outline, Role, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom import Segment, SegmentSpec, create, create_segment
from spinemet.study import read_labels, read_lesions, write_image
from spinemet.study.canal_labels import read_canal
from spinemet.study.layered import read_layers, write_layers

POSIX = pytest.mark.skipif(os.name == "nt", reason="stand-in executables are scripts with a first line for Unix")


@cache
def patient():
    return create(SICK)


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """A synthetic patient's CT as a file."""
    write_image(patient().images[Role.CT], tmp_path / "ct.nii.gz")
    return tmp_path / "ct.nii.gz"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """One click in L1 and L3, a stroke through the lytic lesion of L2, and its background."""
    bones = clicks_in(patient().vertebrae, (Level.L1, Level.L3))
    value = patient().vertebrae.levels[Level.L2]
    lesions = patient().lesions
    lytic = next(
        v for v in lesions.present if (patient().vertebrae.image.array[lesions.image.array == v] == value).any()
    )
    middle, right = middle_of(lesions.mask(lytic)), np.array([3.0, 0.0, 0.0])
    return write_markups(
        tmp_path / "points.mrk.json",
        markups("vertebrae", [(str(click.level), click.position) for click in bones]),
        markups("lesion 2", [("", middle - right), ("", middle + right)], "Curve"),
        markups("background", [("", middle + 10 * right)]),
    )


def run(*words: object) -> int:
    return cli.main(["segment", *map(str, words), "--quiet"])


def refused(capsys, folder: Path, *words: object) -> str:
    """Run, require exit code 2, one sentence, and no new file; return the sentence."""
    before = sorted(str(path) for path in folder.rglob("*"))
    assert run(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"spinemet: \S[^\n]*\.\n", said.err), said.err
    assert sorted(str(path) for path in folder.rglob("*")) == before
    return said.err


# From clicks


def test_clicks_become_named_outlines_that_may_overlap(ct: Path, points: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out" / "labels.seg.nrrd"
    assert run(ct, "--clicks", points, "--out", out) == 0
    said = capsys.readouterr().out
    assert "L1 vertebra: " in said
    assert "Lesion 2: " in said
    layers = read_layers(out, patient().images[Role.CT])
    assert [sorted(map(str, layer.levels)) for layer in layers] == [["L1", "L3"], []]
    vertebrae, lesions = layers
    truth = patient().vertebrae
    for level in (Level.L1, Level.L3):
        found = vertebrae.image.array == vertebrae.levels[level]
        assert dice(found, truth.image.array == truth.levels[level]) > 0.75
    assert [item.lesion_id for item in lesions.present.values()] == ["lesion-2"]
    assert dice(lesions.image.array > 0, _lytic()) > 0.5
    # The file says it in Slicer's own terms, too.
    keys = _keys(out)
    assert "14293000" not in keys["Segment0_Tags"]
    assert "SCT^66794005^L1 vertebra" in keys["Segment0_Tags"]
    assert "SCT^14799000^Neoplasm, Secondary" in keys["Segment2_Tags"]
    assert [keys[f"Segment{n}_Layer"] for n in range(3)] == ["0", "0", "1"]
    assert len({keys[f"Segment{n}_ID"] for n in range(3)}) == 3
    # What assess reads from it is the same.
    assert list(read_labels(out).levels) == [Level.L1, Level.L3]
    assert [item.lesion_id for item in read_lesions(out).present.values()] == ["lesion-2"]


def _lytic() -> np.ndarray:
    value = patient().vertebrae.levels[Level.L2]
    return (patient().lesions.image.array > 0) & (patient().vertebrae.image.array == value)


def _keys(path: Path) -> dict[str, str]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}


def test_a_tumor_limited_to_bone_stays_in_what_was_outlined(ct: Path, tmp_path: Path, capsys) -> None:
    click = clicks_in(patient().vertebrae, (Level.L2,))[0]
    both = write_markups(
        tmp_path / "p.mrk.json",
        markups("F", [("L2", click.position)]),
        markups("tumor", [("", np.argwhere(_lytic()).mean(axis=0))]),
    )
    middle = patient().images[Role.CT].to_world(np.argwhere(_lytic()).mean(axis=0)[::-1])
    write_markups(both, markups("F", [("L2", click.position)]), markups("tumor", [("", middle)]))
    out = tmp_path / "labels.seg.nrrd"
    assert run(ct, "--clicks", both, "--out", out, "--within", "bone", "--json") == 0
    plain = json.loads(capsys.readouterr().out)
    assert [(item["structure"], item["level"]) for item in plain["outlines"]] == [("vertebra", "L2"), ("lesion", None)]
    assert all(item["volume_ml"] > 0 for item in plain["outlines"])
    vertebrae, lesions = read_layers(out)
    from scipy import ndimage

    near = ndimage.binary_dilation(vertebrae.image.array > 0, iterations=2)
    assert not (lesions.image.array > 0)[~near].any()


@cache
def segment() -> Segment:
    return create_segment(SegmentSpec(grade="0", seed=1001, modalities=(Role.T2,), curvature_deg=12.0))


def test_two_clicks_outline_canal_sac_and_cord_whole_and_for_escc(tmp_path: Path, capsys) -> None:
    image = segment().images[Role.T2]
    write_image(image, tmp_path / "t2_sag.nii.gz")
    truth = segment().structures.image
    index = np.argwhere(truth.array == 3)
    ends = [index[index[:, 0] == k].mean(axis=0)[::-1] for k in (index[:, 0].max() - 4, index[:, 0].min() + 4)]
    clicks = write_markups(tmp_path / "p.mrk.json", markups("cord", [("", truth.to_world(end)) for end in ends]))
    out, canal = tmp_path / "labels.seg.nrrd", tmp_path / "canal.nii.gz"
    assert run(tmp_path / "t2_sag.nii.gz", "--clicks", clicks, "--out", out, "--canal-out", canal, "--role", "T2") == 0
    layers = read_layers(out, image)
    found = {item.structure: layer.image.array > 0 for layer in layers for item in layer.present.values()}
    assert list(found) == [Structure.CANAL, Structure.THECAL_SAC, Structure.CORD]
    assert (found[Structure.CORD] & ~found[Structure.THECAL_SAC]).sum() == 0
    assert (found[Structure.THECAL_SAC] & ~found[Structure.CANAL]).sum() == 0
    assert set(read_canal(canal, image).present) == {1, 2, 3}
    assert dice(found[Structure.CORD], truth.array == 3) > 0.85


# By an engine


@POSIX
def test_an_engines_levels_follow_the_one_that_was_clicked(
    ct: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINEMET_CACHE", str(tmp_path / "cache"))
    program = StandIn(tmp_path / "bin", "TotalSegmentator").install(monkeypatch)
    truth = patient().vertebrae
    numbers = {level: 32 - n for n, level in enumerate(truth.levels)}
    array = np.zeros(truth.image.shape, np.uint8)
    for level, value in truth.levels.items():
        array[truth.image.array == value] = numbers[level] + 1  # every level one too high
    program.answer(truth.image.with_array(array))
    out = tmp_path / "labels.seg.nrrd"
    assert run(ct, "--engine", "totalsegmentator", "--out", out) == 0
    assert [str(level) for level in read_labels(out).levels] == ["T11", "T12", "L1", "L2", "L3"]
    click = clicks_in(truth, (Level.L2,))[0]
    named = write_markups(tmp_path / "p.mrk.json", markups("F", [("L2", click.position)]))
    region = truth.image.grid.region_around([click.position], 40.0)
    program.answer(truth.image.crop(region).with_array(array[region]))
    assert run(ct, "--engine", "totalsegmentator", "--clicks", named, "--out", out) == 0
    assert "The levels were shifted by 1 toward the feet, as the clicks say." in capsys.readouterr().out
    levels = read_labels(out).levels
    assert Level.L2 in levels
    part = read_layers(out, patient().images[Role.CT])[0].image
    assert (part.array == levels[Level.L2])[truth.image.array == truth.levels[Level.L2]].mean() > 0.9


def test_engines_are_listed_with_what_they_lack(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("SPINEMET_SPINEPS", raising=False)
    assert run("--list-engines") == 0
    said = capsys.readouterr().out
    assert "spinemet: can run here" in said
    assert "spineps: SPINEPS is not installed" in said
    assert run("--list-engines", "--json") == 0
    assert json.loads(capsys.readouterr().out)["spinemet"] == ""


def test_the_help_says_what_points_stand_for(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["segment", "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in ("IMAGE", "--clicks", "--engine", "background", "canal, sac, cord", "never installed"):
        assert word in said


# What is refused


def test_every_bad_input_is_one_sentence_and_writes_nothing(ct: Path, points: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "labels.seg.nrrd"
    image = patient().images[Role.CT]
    air = image.to_world(np.argwhere(image.array < -700)[0][::-1])

    def clicks(*lists: dict) -> Path:
        return write_markups(tmp_path / "own.mrk.json", *lists)

    def said(*words: object) -> str:
        return refused(capsys, tmp_path, *words)

    clicks(markups("F", [("L1", [0, 0, 0])]))
    (tmp_path / "empty.mrk.json").write_text('{"markups": []}')
    (tmp_path / "broken.mrk.json").write_text("{")
    assert "Name the image" in said("--out", out)
    assert ".seg.nrrd" in said(ct, "--clicks", points, "--out", tmp_path / "labels.nii.gz")
    assert "Nothing says what to outline" in said(ct, "--out", out)
    assert "does not exist" in said(tmp_path / "no.nii.gz", "--clicks", points, "--out", out)
    assert "cannot be read" in said(ct, "--clicks", tmp_path / "no.mrk.json", "--out", out)
    assert "no points" in said(ct, "--clicks", tmp_path / "empty.mrk.json", "--out", out)
    assert "not valid JSON" in said(ct, "--clicks", tmp_path / "broken.mrk.json", "--out", out)
    assert "no engine" in said(ct, "--engine", "nnunet", "--out", out)
    assert "made for STIR, T2, not for PET" in said(ct, "--engine", "spineps", "--out", out, "--role", "PET")
    assert "No canal was outlined" in said(
        ct, "--clicks", points, "--out", out, "--canal-out", tmp_path / "canal.nii.gz"
    )
    clicks(markups("F", [("L1", [900, 0, 0])]))
    assert "outside" in said(ct, "--clicks", tmp_path / "own.mrk.json", "--out", out)
    clicks(markups("F", [("L1", air)]))
    assert "air" in said(ct, "--clicks", tmp_path / "own.mrk.json", "--out", out)
    clicks(markups("lesion", [("", air)]))
    assert "air" in said(ct, "--clicks", tmp_path / "own.mrk.json", "--out", out)
    clicks(markups("background", [("", [0, 0, 0])]))
    assert "none lies in a tumor" in said(ct, "--clicks", tmp_path / "own.mrk.json", "--out", out)
    clicks(markups("canal", [("", [0, 0, 0])]))
    assert "Two clicks are needed" in said(ct, "--clicks", tmp_path / "own.mrk.json", "--out", out)


def test_a_series_of_volumes_and_a_single_slice_are_refused(points: Path, tmp_path: Path, capsys) -> None:
    series = sitk.JoinSeries([sitk.Image(20, 20, 10, sitk.sitkInt16)] * 3)
    sitk.WriteImage(series, str(tmp_path / "four.nii.gz"))
    sitk.WriteImage(sitk.Image(20, 20, 1, sitk.sitkInt16), str(tmp_path / "one.nii.gz"))
    out = tmp_path / "labels.seg.nrrd"
    assert "series of volumes" in refused(capsys, tmp_path, tmp_path / "four.nii.gz", "--clicks", points, "--out", out)
    assert "one slice" in refused(capsys, tmp_path, tmp_path / "one.nii.gz", "--clicks", points, "--out", out)


def test_an_earlier_file_stays_when_the_run_fails(ct: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "labels.seg.nrrd"
    out.write_text("earlier")
    clicks = write_markups(tmp_path / "p.mrk.json", markups("F", [("L1", [900, 0, 0])]))
    refused(capsys, tmp_path, ct, "--clicks", clicks, "--out", out)
    assert out.read_text() == "earlier"


def test_an_unwritable_place_is_found_before_the_work(ct: Path, points: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(
        capsys, tmp_path, ct, "--clicks", points, "--out", tmp_path / "file" / "labels.seg.nrrd"
    )


# Layers


def test_layers_come_back_as_they_were() -> None:
    from tempfile import TemporaryDirectory

    matrix = np.array([[0.0, 0.0, -4.0, 5.0], [-0.9, 0, 0, 6.0], [0, -0.8, 0, 7.0], [0, 0, 0, 1]])
    rng = np.random.default_rng(2)
    first = rng.integers(0, 3, (6, 20, 18)).astype(np.uint8)
    second = rng.integers(0, 2, (6, 20, 18)).astype(np.uint16) * 300
    image = Image(first, matrix, frame="f")
    bones = {1: Outline(Structure.VERTEBRA, Level.T13, frame="f"), 2: Outline(Structure.VERTEBRA, Level.L1)}
    layers = [
        LabelMap(image, bones),
        LabelMap(image.with_array(second), {300: Outline(Structure.LESION, lesion_id="lesion-7")}),
        LabelMap(image.with_array(np.zeros_like(first)), {5: Outline(Structure.CORD)}),
    ]
    with TemporaryDirectory() as folder:
        write_layers(layers, Path(folder) / "x.seg.nrrd")
        back = read_layers(Path(folder) / "x.seg.nrrd")
    assert len(back) == 2
    for one, other in zip(layers, back, strict=False):
        assert one.fingerprint == other.fingerprint
        assert np.array_equal(one.image.array, other.image.array)
        assert [item.lesion_id for item in one.outlines.values()] == [
            item.lesion_id for item in other.outlines.values()
        ]
    assert back[0].outlines[1].frame == "f"
