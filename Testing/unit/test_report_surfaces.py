"""3D pictures of the report, where VTK can render without a screen."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from report_study import lesion_center, make_study
from spinemet.errors import MissingDependency
from spinemet.levels import Level
from spinemet.report.drawing import Figure
from spinemet.report.render_surfaces import surface
from spinemet.report.sources import Sources
from spinemet.report.surfaces import Rendering, views

pytest.importorskip("vtkmodules")


@pytest.fixture(scope="module")
def sources() -> Sources:
    study = make_study(axes="LPS", lesions=(Level.L3,))
    return Sources(study.assessment, study.image, study.ref, study.vertebrae, study.lesions)


@pytest.fixture(scope="module")
def figures(sources: Sources) -> list[Figure]:
    with Rendering(sources) as rendering:
        try:
            return rendering.figures()
        except MissingDependency as error:
            pytest.skip(str(error))


def pixels_of(figure: Figure, folder: Path) -> np.ndarray:
    (folder / "a.png").write_bytes(base64.b64decode(re.search(r"base64,([^\"]+)", figure.svg).group(1)))
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "a.png"))).astype(int)


def test_the_lesion_appears_where_the_plane_says(sources: Sources, figures: list[Figure], tmp_path: Path) -> None:
    for view, figure in zip(views(sources), figures, strict=True):
        red, green, blue = np.moveaxis(pixels_of(figure, tmp_path), -1, 0)
        rows, columns = np.nonzero((red - green > 30) & (blue - green > 5))
        (column, row), _ = view.plane.project(lesion_center(Level.L3))
        assert columns.mean() * view.plane.pixel == pytest.approx(column * view.plane.pixel, abs=2.5)
        assert rows.mean() * view.plane.pixel == pytest.approx(row * view.plane.pixel, abs=2.5)


def test_the_viewer_stands_on_the_side_of_the_lesion(figures: list[Figure]) -> None:
    assert [figure.caption for figure in figures] == ["From behind and the right.", "From the right."]


def test_from_behind_right_is_right_and_from_the_right_front_is_right(figures: list[Figure]) -> None:
    letters = [dict(re.findall(r'x="([\d.]+)"[^>]*font-size="15"[^>]*>([RLAP])<', figure.svg)) for figure in figures]
    behind, side = ({letter: float(x) for x, letter in found.items()} for found in letters)
    assert behind["L"] < behind["R"]
    assert side["P"] < side["A"]


def test_both_views_have_the_same_scale(sources: Sources) -> None:
    first, second = views(sources)
    assert first.plane.pixel == second.plane.pixel and first.plane.shape[0] == second.plane.shape[0]


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_a_surface_holds_the_volume_of_its_mask_also_on_a_left_handed_grid(flip: float) -> None:
    from vtkmodules.vtkFiltersCore import vtkMassProperties, vtkTriangleFilter

    k, j, i = np.indices((30, 30, 30))
    ball = ((np.sqrt((k - 15) ** 2 + (j - 15) ** 2 + (i - 15) ** 2)) <= 11).astype(np.uint8)
    triangles = vtkTriangleFilter()
    triangles.SetInputData(surface(ball, np.diag([flip * 1.5, 1.5, 1.5, 1.0])))
    mass = vtkMassProperties()
    mass.SetInputConnection(triangles.GetOutputPort())
    assert mass.GetVolume() == pytest.approx(ball.sum() * 1.5**3, rel=0.03)


def test_a_surface_of_thick_slices_keeps_its_place_and_volume() -> None:
    from vtkmodules.vtkFiltersCore import vtkMassProperties

    k, j, i = np.indices((12, 40, 40))
    ball = (np.sqrt((4.0 * (k - 6)) ** 2 + (j - 20.0) ** 2 + (i - 20.0) ** 2) <= 15).astype(np.uint8)
    found = surface(ball, np.diag([1.0, 1.0, 4.0, 1.0]))
    mass = vtkMassProperties()
    mass.SetInputData(found)
    assert mass.GetVolume() == pytest.approx(ball.sum() * 4.0, rel=0.05)
    low_high = np.reshape(found.GetBounds(), (3, 2))
    assert low_high.mean(axis=1) == pytest.approx([20.0, 20.0, 24.0], abs=0.5)
