"""Two images as one volume: the fields of the checkerboard and the edges lie where a formula says."""

from __future__ import annotations

import numpy as np

from spinemet.registration.compare import FIELD_MM, checkerboard, edges, gray

SPACING = np.array([1.0, 1.5, 2.0])
"""mm along i, j, k."""


def test_gray_runs_from_black_to_white_and_stays_there() -> None:
    assert gray(np.array([-5.0, 0.0, 50.0, 100.0, 300.0]), 0.0, 100.0).tolist() == [0, 0, 127, 255, 255]


def test_fields_are_cubes_of_the_stated_side_in_turn() -> None:
    shape = (30, 40, 60)
    board = checkerboard(np.zeros(shape, np.uint8), np.full(shape, 9, np.uint8), np.ones(shape, bool), SPACING)
    for k, j, i in ((0, 0, 0), (8, 0, 0), (9, 0, 0), (0, 11, 0), (0, 12, 0), (0, 0, 18), (9, 12, 18), (9, 12, 0)):
        fields = np.floor(np.array([i, j, k]) * SPACING / FIELD_MM).sum()
        assert board[k, j, i] == (9 if fields % 2 else 0)


def test_the_fixed_image_is_shown_where_the_moving_one_does_not_reach() -> None:
    shape = (30, 30, 30)
    board = checkerboard(np.zeros(shape, np.uint8), np.full(shape, 9, np.uint8), np.zeros(shape, bool), np.ones(3))
    assert not board.any()


def test_the_edge_of_a_ball_lies_on_its_surface_whatever_the_spacing() -> None:
    shape, radius = (40, 50, 70), 22.0
    k, j, i = np.indices(shape)
    center = (np.array(shape[::-1]) - 1) / 2
    away = np.sqrt(sum(((n - c) * mm) ** 2 for n, c, mm in zip((i, j, k), center, SPACING, strict=True)))
    ball = np.where(away < radius, 200, 20).astype(np.uint8)
    found = edges(ball, np.ones(shape, bool), SPACING)
    assert found.sum() > 500
    assert np.abs(away[found > 0] - radius).max() <= float(SPACING.max())


def test_the_border_of_the_image_and_an_even_image_have_no_edges() -> None:
    shape = (20, 20, 20)
    even = np.full(shape, 90, np.uint8)
    assert not edges(even, np.ones(shape, bool), np.ones(3)).any()
    half = np.zeros(shape, bool)
    half[:10] = True
    assert not edges(np.where(half, even, 0).astype(np.uint8), half, np.ones(3)).any()
