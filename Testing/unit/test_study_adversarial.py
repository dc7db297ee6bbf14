"""Series with a known flaw each: every one loads with the geometry declared beside it, or is refused with its reason.

The series are written here byte by byte or with pydicom; what is expected follows from the numbers written.
"""

from __future__ import annotations

import struct
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from enhanced_dicom import ENHANCED_CT, ENHANCED_MR, ENHANCED_PET, item, write_enhanced
from small_dicom import AXIAL, MR_CLASS, PET_CLASS, write_slice
from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.study import Series, read_image, read_study
from spinemet.study.index import index

Write = Callable[[Path], object]


@dataclass(frozen=True)
class Loads:
    """One usable series of a shape (k, j, i), spacing (i, j, k) and value at some index (k, j, i)."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None = None
    values: dict[tuple[int, int, int], float] = field(default_factory=dict)
    note: str = ""
    role: Role | None = None
    count: int = 1


@dataclass(frozen=True)
class Refused:
    """No usable series; the sentence holds these words. `view` is the shape for looking at, None for not asked."""

    words: str
    view: tuple[int, int, int] | None = None


def slices(count: int = 6, *, depth: Callable[[int], float] = lambda k: 2.0 * k, **each) -> Write:
    """Slices of the value 100 + k at depths in mm; `each` gives elements, callables of k among them."""

    def write(folder: Path) -> None:
        folder.mkdir()
        for k in range(count):
            own = {name: value(k) if callable(value) else value for name, value in each.items()}
            position = own.pop("position", (0.0, 0.0, depth(k)))
            pixels = own.pop("pixels", np.full((7, 9), 100 + k, np.uint16))
            elements = {"RescaleIntercept": "0", "SOPInstanceUID": f"1.2.3.5.{k + 1}"} | own
            write_slice(folder / f"f{(k * 5) % 97:03d}", pixels, position, **elements)

    return write


def without(write: Write, *numbers: int) -> Write:
    """A series whose files of these slices are lost."""

    def lose(folder: Path) -> None:
        write(folder)
        for k in numbers:
            (folder / f"f{(k * 5) % 97:03d}").unlink()

    return lose


def enhanced(**options) -> Write:
    """Six frames of the value 100 + k at z = 2k, in shuffled order."""

    def write(folder: Path) -> None:
        folder.mkdir()
        order = options.pop("order", [3, 0, 5, 1, 4, 2])
        volume = np.array([np.full((7, 9), 100 + k, np.int16) for k in order])
        positions = options.pop("positions", [(0.0, 0.0, 2.0 * k) for k in order])
        write_enhanced(folder / "e", volume, positions, **options)

    return write


def edited(write: Write, edit: Callable[[bytes], bytes], name: str = "f000") -> Write:
    """A series one file of which is changed byte by byte."""

    def change(folder: Path) -> None:
        write(folder)
        (folder / name).write_bytes(edit((folder / name).read_bytes()))

    return change


def edited_all(write: Write, edit: Callable[[bytes], bytes]) -> Write:
    """A series every file of which is changed byte by byte."""

    def change(folder: Path) -> None:
        write(folder)
        for path in folder.iterdir():
            path.write_bytes(edit(path.read_bytes()))

    return change


def both(*writes: Write) -> Write:
    """Several series of one folder."""

    def write(folder: Path) -> None:
        folder.mkdir()
        for n, one in enumerate(writes):
            one(folder / f"s{n}")

    return write


def compressed(syntax: str, encode: Callable[[np.ndarray], bytes]) -> Write:
    """A series whose frames are encapsulated by `encode`."""

    def run(folder: Path) -> None:
        slices()(folder)
        for path in folder.iterdir():
            dataset = pydicom.dcmread(path)
            pixels = np.asarray(dataset.pixel_array)
            dataset.PixelData = pydicom.encaps.encapsulate([encode(pixels)])
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.save_as(path, enforce_file_format=True)

    return run


def encoded(compressor: str) -> Callable[[np.ndarray], bytes]:
    """Codestreams by GDCM's encoder, taken out of the file that it writes."""

    def encode(pixels: np.ndarray) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.dcm"
            writer = sitk.ImageFileWriter()
            writer.SetImageIO("GDCMImageIO")
            writer.SetFileName(str(path))
            writer.UseCompressionOn()
            writer.SetCompressor(compressor)
            writer.Execute(sitk.GetImageFromArray(pixels))
            dataset = pydicom.dcmread(path)
            assert dataset.file_meta.TransferSyntaxUID.is_encapsulated
            return pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)

    return encode


jpeg2000 = encoded("JPEG2000")


def tilt(degrees: float) -> Callable[[int], tuple[float, float, float]]:
    return lambda k: (0.0, 2.0 * k * float(np.tan(np.radians(degrees))), 2.0 * k)


WHOLE = Loads((6, 7, 9), (0.5, 0.8, 2.0), {(0, 0, 0): 100, (5, 6, 8): 105})
REST = Loads((5, 7, 9), (0.5, 0.8, 2.0), {(0, 0, 0): 101, (4, 0, 0): 105})
"""The slices beside a damaged one that does not say any more which series it is of; the study's notes name it."""
ENHANCED = Loads((6, 7, 9), (0.5, 0.8, 2.0), {(0, 0, 0): 100, (2, 3, 4): 102, (5, 6, 8): 105})
MR = {"SOPClassUID": MR_CLASS, "Modality": "MR"}
OBLIQUE = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)

CASES: dict[str, tuple[Write, Loads | Refused]] = {
    # Order, gaps and spacing
    "names and numbers in another order than positions": (slices(InstanceNumber=lambda k: 9 - k), WHOLE),
    "slices from feet to head and from head to feet are one volume": (slices(depth=lambda k: -2.0 * k), Loads(
        (6, 7, 9), (0.5, 0.8, 2.0), {(0, 0, 0): 105, (5, 0, 0): 100})),
    "a missing slice": (without(slices(), 3), Refused("lacks a slice", (5, 7, 9))),
    "one of four slices missing": (without(slices(4), 2), Refused("lacks a slice", (3, 7, 9))),
    "every second gap doubled": (slices(depth=lambda k: 3.0 * k - k % 2), Refused("lacks a slice", (6, 7, 9))),
    "two gaps": (without(slices(10), 3, 7), Refused("1 more gaps", (8, 7, 9))),
    "spacing that creeps from 2 to 2.9 mm": (
        slices(12, depth=lambda k: 2.0 * k + 0.04 * k * k), Refused("unevenly spaced", (12, 7, 9))),
    "positions rounded to a tenth of a millimeter": (
        slices(depth=lambda k: (0.0, 2.1, 4.0, 6.0, 7.9, 10.0)[k]), Loads((6, 7, 9), note="unevenly spaced")),
    "thickness of overlapping slices": (
        slices(SliceThickness="4"), Loads((6, 7, 9), (0.5, 0.8, 2.0), note="SliceThickness says 4.00")),
    "thickness of zero": (slices(SliceThickness="0"), WHOLE),
    "thickness that is no number": (slices(SliceThickness=""), WHOLE),
    "a single slice": (slices(1), Refused("only one slice", (1, 7, 9))),
    "all slices at one position": (slices(depth=lambda k: 4.0), Refused("same position", (6, 7, 9))),
    "slices that advance within their plane": (
        slices(position=lambda k: (3.0 * k, 0.0, 0.1 * k)), Refused("across their plane", (6, 7, 9))),
    "slices a kilometer apart": (slices(depth=lambda k: 1e6 * k), Refused("no scan has", (6, 7, 9))),
    "a slice shifted sideways": (
        slices(position=lambda k: (2.0 * (k == 3), 0.0, 2.0 * k)), Refused("sideways", (6, 7, 9))),
    "a gantry tilt of 15°": (slices(position=tilt(15)), Loads((6, 7, 9), note="tilt of 15.0°")),
    "a gantry tilt of 70°": (slices(position=tilt(70)), Refused("across their plane", (6, 7, 9))),
    "oblique slices": (
        slices(ImageOrientationPatient=list(OBLIQUE)), Loads((6, 7, 9), (0.5, 0.8, 2.0), {(5, 6, 8): 105})),
    # Positions that repeat
    "copies of all files": (both(slices(), slices()), Loads((6, 7, 9), values={(5, 0, 0): 105}, note="6 copies")),
    "two echoes in one series": (
        slices(12, depth=lambda k: 2.0 * (k // 2), EchoTime=lambda k: "30" if k % 2 else "90", **MR),
        Loads((6, 7, 9), note="echo time", count=2)),
    "three b-values in one series": (
        slices(12, depth=lambda k: 2.0 * (k // 3), DiffusionBValue=lambda k: float(400 * (k % 3)), **MR),
        Loads((4, 7, 9), note="b-value", count=3)),
    "four time points in one series": (
        slices(12, depth=lambda k: 2.0 * (k // 4), TemporalPositionIdentifier=lambda k: k % 4 + 1, **MR),
        Loads((3, 7, 9), note="time point", count=4)),
    "two acquisitions in one series": (
        slices(12, depth=lambda k: 2.0 * (k % 6), AcquisitionNumber=lambda k: 1 + k // 6),
        Loads((6, 7, 9), note="acquisition", count=2)),
    "magnitude and phase in one series": (
        slices(12, depth=lambda k: 2.0 * (k // 2), ImageType=lambda k: ["ORIGINAL", "PRIMARY", "MP"[k % 2]], **MR),
        Loads((6, 7, 9), note="image type", count=2)),
    "two acquisition times in one series": (
        slices(12, depth=lambda k: 2.0 * (k % 6), AcquisitionTime=lambda k: "101500" if k < 6 else "101900"),
        Loads((6, 7, 9), note="acquisition time", count=2)),
    "times that differ slice by slice": (slices(AcquisitionTime=lambda k: f"10150{k}"), WHOLE),
    "two slabs of one orientation, 60 mm apart": (
        slices(10, depth=lambda k: 3.0 * k + 60.0 * (k > 4), AcquisitionNumber=lambda k: 1 + k // 5, **MR),
        Loads((5, 7, 9), (0.5, 0.8, 3.0), note="acquisition", count=2)),
    "an acquisition number for each slice": (slices(AcquisitionNumber=lambda k: k + 1), WHOLE),
    "repeats that nothing tells apart": (
        slices(12, depth=lambda k: 2.0 * (k // 2)), Refused("2 images at each position", (12, 7, 9))),
    "axial and sagittal slices in one series": (
        slices(12, ImageOrientationPatient=lambda k: list(AXIAL) if k < 6 else [0, 1, 0, 0, 0, -1],
               position=lambda k: (0, 0, 2.0 * k) if k < 6 else (2.0 * k, 0, 0)),
        Loads((6, 7, 9), note="different orientation", count=2)),
    # What the header lacks or gets wrong
    "no position": (slices(drop=("ImagePositionPatient",)), Refused("where its slice lies", (6, 7, 9))),
    "no orientation": (slices(drop=("ImageOrientationPatient",)), Refused("oriented", (6, 7, 9))),
    "an orientation of zeros": (
        slices(ImageOrientationPatient=[0.0] * 6), Refused("perpendicular unit vectors", (6, 7, 9))),
    "no pixel spacing": (slices(drop=("PixelSpacing",)), Refused("pixel size", (6, 7, 9))),
    "pixel spacing in meters": (slices(PixelSpacing=[0.0008, 0.0005]), Refused("which no scanner has", (6, 7, 9))),
    "pixels that are not square": (slices(PixelSpacing=[1.5, 0.5]), Loads((6, 7, 9), (0.5, 1.5, 2.0))),
    "a rescale slope of zero": (slices(RescaleSlope="0"), Refused("slope of zero")),
    "a rescale of its own for each slice": (
        slices(RescaleSlope=lambda k: str(1 + k), RescaleIntercept=lambda k: str(-k)),
        Loads((6, 7, 9), values={(0, 0, 0): 100, (2, 0, 0): 304, (5, 0, 0): 625})),
    "PET slopes of fractions": (
        slices(SOPClassUID=PET_CLASS, Modality="PT", Units="BQML", RescaleSlope=lambda k: str(0.25 * (k + 1))),
        Loads((6, 7, 9), values={(0, 0, 0): 25.0, (5, 0, 0): 157.5}, role=Role.PET)),
    "MONOCHROME1": (
        slices(PhotometricInterpretation="MONOCHROME1"),
        Loads((6, 7, 9), values={(0, 0, 0): 100}, note="MONOCHROME1")),
    "signed pixels": (
        slices(pixels=lambda k: np.full((7, 9), -1000 - k, np.int16)), Loads((6, 7, 9), values={(5, 0, 0): -1005})),
    "12 bits in the upper part of 16": (
        slices(pixels=lambda k: np.full((7, 9), (100 + k) << 4 | 5, np.uint16), BitsStored=12, HighBit=15), WHOLE),
    "burned-in annotation": (slices(BurnedInAnnotation="YES"), Loads((6, 7, 9), note="burned into the pixels")),
    "a mosaic": (
        slices(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"], **MR), Refused("mosaic", (6, 7, 9))),
    "a localizer": (slices(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), Refused("localizer", (6, 7, 9))),
    "a localizer among the slices": (
        slices(7, ImageType=lambda k: ["ORIGINAL", "PRIMARY", "LOCALIZER" if k == 6 else "AXIAL"]), WHOLE),
    "colors": (slices(SamplesPerPixel=3, pixels=np.zeros((7, 27), np.uint16)), Refused("color picture")),
    "pixels of 1 bit": (slices(BitsAllocated=1, BitsStored=1, HighBit=0), Refused("in 1 bits")),
    "more rows than pixels": (slices(Rows=1000), Refused("cut short")),
    "rows beyond all reason": (slices(Rows=65535, Columns=65535), Refused("cut short")),
    "a matrix that differs between slices": (
        slices(7, pixels=lambda k: np.full((7, 9) if k else (5, 5), 100 + k, np.uint16)),
        Loads((6, 7, 9), values={(0, 0, 0): 101, (5, 0, 0): 106})),
    # Ways of storing
    "deflated": (slices(syntax=DeflatedExplicitVRLittleEndian), WHOLE),
    "RLE": (slices(syntax=RLELossless), WHOLE),
    "JPEG 2000": (compressed("1.2.840.10008.1.2.4.90", jpeg2000), WHOLE),
    "JPEG lossless": (compressed("1.2.840.10008.1.2.4.70", encoded("JPEG")), WHOLE),
    "JPEG 2000 that is damaged": (
        compressed("1.2.840.10008.1.2.4.90", lambda pixels: jpeg2000(pixels)[:30]), Refused("cannot be decoded")),
    "a transfer syntax that nobody knows": (
        edited_all(slices(syntax=RLELossless), lambda data: data.replace(
            b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.9.5\0")), Refused("cannot be decoded")),
    "a file cut within its pixels": (edited(slices(), lambda data: data[:-40]), Refused("cut short")),
    "a file of zeros among the slices": (edited(slices(7), lambda data: bytes(len(data))), Loads(
        (6, 7, 9), values={(0, 0, 0): 101})),
    "a length beyond the file's end": (
        edited(slices(), lambda data: data.replace(
            b"\x08\x00\x60\x00CS\x02\x00", b"\x08\x00\x60\x00CS\xff\xff", 1)), REST),
    "a sequence that never ends": (
        edited(slices(), lambda data: data.replace(
            b"\x10\x00\x10\x00PN\x08\x00Doe^Jane", b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0")),
        REST),
    # Enhanced multi-frame
    "enhanced CT": (enhanced(), ENHANCED),
    "enhanced PET with a slope for each frame": (
        enhanced(kind=ENHANCED_PET, modality="PT", slopes=[3 + 1, 0 + 1, 5 + 1, 1 + 1, 4 + 1, 2 + 1]),
        Loads((6, 7, 9), values={(0, 0, 0): 100, (5, 0, 0): 630}, role=Role.PET)),
    "enhanced CT with a missing frame": (
        enhanced(order=[0, 1, 3, 4], positions=[(0.0, 0.0, 2.0 * k) for k in (0, 1, 3, 4)]),
        Refused("lacks a slice", (4, 7, 9))),
    "enhanced CT without positions": (enhanced(drop_positions=True), Refused("where its slice lies", (6, 7, 9))),
    "enhanced MR with two echoes": (
        enhanced(kind=ENHANCED_MR, modality="MR", order=[0, 0, 1, 1, 2, 2],
                 frame_items=[{"MREchoSequence": item(EffectiveEchoTime=float(30 + 60 * (n % 2)))} for n in range(6)]),
        Loads((3, 7, 9), note="echo time", count=2)),
    "enhanced MR with two b-values": (
        enhanced(kind=ENHANCED_MR, modality="MR", order=[0, 0, 1, 1, 2, 2],
                 frame_items=[{"MRDiffusionSequence": item(DiffusionBValue=float(800 * (n % 2)))} for n in range(6)]),
        Loads((3, 7, 9), note="b-value", count=2)),
    "enhanced MR whose time points only the dimension index tells apart": (
        enhanced(kind=ENHANCED_MR, modality="MR", order=[0, 0, 1, 1, 2, 2],
                 frame_items=[{"FrameContentSequence": item(DimensionIndexValues=[1, n // 2 + 1, n % 2 + 1])}
                              for n in range(6)]),
        Loads((3, 7, 9), note="dimension 3", count=2)),
    "enhanced CT with two orientations": (
        enhanced(order=[0, 1, 2, 3, 4, 5], positions=[(0.0, 0.0, 2.0 * k) for k in range(3)] + [
                 (2.0 * k, 0.0, 0.0) for k in range(3)],
                 orientation=[AXIAL] * 3 + [(0.0, 1.0, 0.0, 0.0, 0.0, -1.0)] * 3),
        Loads((3, 7, 9), note="different orientation", count=2)),
    "enhanced CT without functional groups": (
        slices(SOPClassUID=ENHANCED_CT), Refused("multi-frame", (6, 7, 9))),
    "enhanced CT cut short": (
        lambda folder: (enhanced()(folder), cut(folder / "e", 100)), Refused("cut short")),
    "more frames promised than groups": (enhanced(NumberOfFrames="60"), Refused("cut short")),
}  # fmt: skip


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def usable(folder: Path) -> list[Series]:
    return [series for series in read_study(folder).series if series.usable]


@pytest.mark.parametrize("name", CASES)
def test_a_flawed_series_ends_as_declared(tmp_path, name):
    write, expected = CASES[name]
    folder = tmp_path / "s"
    write(folder)
    if isinstance(expected, Refused):
        with pytest.raises(BadInput, match=expected.words) as caught:
            for series in usable(folder):
                series.load()
        sentence = str(caught.value)
        assert sentence.endswith((".", ")"))
        assert "SECRET" not in sentence and "Doe" not in sentence
        if expected.view is not None:
            series = index(folder).patients[0].studies[0].series[0]
            assert series.view().shape == expected.view
        return
    found = usable(folder)
    assert len(found) == expected.count
    for series in found:
        image = series.image
        assert image.shape == expected.shape == series.grid.shape
        if expected.spacing:
            assert np.allclose(image.spacing, expected.spacing, atol=1e-6)
        assert expected.note in " ".join(series.notes)
    for place, value in expected.values.items():
        assert found[0].image.array[place] == value
    if expected.role:
        assert found[0].ref.role is expected.role


def test_the_suite_is_as_large_as_the_bar_asks():
    assert len(CASES) >= 40


# Geometry in detail


def test_a_tilted_stack_is_straightened_onto_the_places_it_had(tmp_path):
    # The value is a plane in the world, so that linear interpolation is exact: 10 y + z with LPS y and z.
    angle = np.tan(np.radians(20))
    rows, _ = np.meshgrid(np.arange(40), np.arange(5), indexing="ij")
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(8):
        y = rows * 1.0 + 2.0 * k * angle
        pixels = np.rint(1000 + 10 * y + 2.0 * k).astype(np.uint16)
        write_slice(
            folder / f"f{k}", pixels, (0.0, 2.0 * k * angle, 2.0 * k), PixelSpacing=[1.0, 1.0], RescaleIntercept="0"
        )
    series = read_study(folder).series[0]
    straight = series.straightened()
    assert series.grid.is_sheared and not straight.grid.is_sheared
    assert any("interpolated" in note for note in straight.notes)
    assert straight.grid.contains(series.grid.corners).all()
    image = straight.image
    for lps in ([2.0, 20.0, 4.0], [1.0, 25.0, 9.0], [3.0, 15.0, 11.0]):
        ras = np.array([-lps[0], -lps[1], lps[2]])
        assert image.sample(ras)[()] == pytest.approx(1000 + 10 * lps[1] + lps[2], abs=1.0)


def test_frames_of_an_enhanced_object_lie_where_their_groups_say(tmp_path):
    enhanced(orientation=OBLIQUE, positions=[(1.0, 2.0, 2.0 * k) for k in [3, 0, 5, 1, 4, 2]])(tmp_path / "s")
    image = read_study(tmp_path / "s").series[0].image
    # Index (i, j, k) = (4, 3, 2): 4 columns of 0.5 mm along (0.8, 0.6), 3 rows of 0.8 mm along (−0.6, 0.8), LPS.
    lps = np.array([1.0 + 2.0 * 0.8 - 2.4 * 0.6, 2.0 + 2.0 * 0.6 + 2.4 * 0.8, 4.0])
    assert np.allclose(image.to_world([4, 3, 2]), lps * [-1, -1, 1])


def test_htj2k_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    from spinemet.study import decoders

    monkeypatch.setattr(decoders, "_has_plugin", lambda: False)
    old, new = b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.4.201\0"
    write = slices(syntax=RLELossless)
    write(tmp_path / "s")
    for path in (tmp_path / "s").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = new.decode().strip("\0")
        dataset.save_as(path)
        assert old not in path.read_bytes()
    with pytest.raises(BadInput, match=r"HTJ2K.*pip install spinemet\[dicom\]"):
        usable(tmp_path / "s")[0].load()


def test_a_deflated_bomb_is_not_unpacked(tmp_path):
    slices()(tmp_path / "s")
    path = tmp_path / "s" / "f000"
    data = path.read_bytes()
    start = 132 + 12 + struct.unpack_from("<I", data, 140)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # An element of 2 GB in front of the pixels, deflated to 2 MB.
    body = packer.compress(data[start : start + 200] + struct.pack("<HH2sHI", 9, 0x1010, b"OB", 0, 2**31 - 16))
    for _ in range(64):
        body += packer.compress(bytes(1 << 20))
    body += packer.flush()
    meta = data[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    length = struct.unpack_from("<I", data, 140)[0] + 2
    meta = meta.replace(b"\x02\x00\x10\x00UI\x14\x00", b"\x02\x00\x10\x00UI\x16\x00")
    meta = meta[:140] + struct.pack("<I", length) + meta[144:]
    path.write_bytes(meta + body)
    tracemalloc.start()
    study = read_study(tmp_path / "s")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert study.reference().image.shape == (5, 7, 9)
    assert any("f000" in note for note in study.notes)


HTJ2K_STREAM = bytes.fromhex(
    "ff4fff5100294000000000090000000700000000000000000000000900000007000000000000000000010f0101ff50000800"
    "020000000aff52000c00020001000504044001ff5c00132088909090909090909090909090888888ff64001700014f70656e"
    "4a50482056657220302e32362e332eff90000a00000000003b0001ff93c000267ffa0507740000c0001280ce01877400a000"
    "09c02cc99200c23400a0000aa0129440820018c077560000ffd9"
)
"""`(numpy.arange(63) * 29 % 4096).reshape(7, 9)` as lossless HTJ2K, encoded by OpenJPH."""


def test_htj2k_of_another_encoder_gives_the_same_voxels(tmp_path):
    pytest.importorskip("openjpeg", reason="the extra spinemet[dicom] is not installed")
    values = (np.arange(63) * 29 % 4096).reshape(7, 9).astype(np.uint16)
    for k in range(3):
        file = write_slice(tmp_path / f"I{k}", values, (0.0, 0.0, 2.0 * k))
        dataset = pydicom.dcmread(file)
        dataset.PixelData = encapsulate([HTJ2K_STREAM])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        dataset.save_as(file, enforce_file_format=True)
    image = read_image(tmp_path).image
    assert np.array_equal(image.array, np.broadcast_to(values.astype(np.int16) - 1024, (3, 7, 9)))
