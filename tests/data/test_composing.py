from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from masklet.data.layers import Layer, compose, fitted

S = 64


def base(frames: int = 2, colour: tuple[int, int, int] = (0, 0, 200)) -> Layer:
    pixels = np.full((S, S, 3), colour, np.uint8)
    return Layer(pixels, np.zeros((S, S, 0), np.uint8), (), np.tile(np.eye(3), (frames, 1, 1)))


def square(places: list[tuple[int, int]], side: int = 16, objects: tuple[int, ...] = (0,)) -> Layer:
    """A red square with its corner at (x, y) on every frame; alpha and label fill it."""
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 250, 255
    labels = np.full((side, side, len(objects)), 255, np.uint8)
    matrices = np.stack([np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]]) for x, y in places])
    return Layer(pixels, labels, objects, matrices)


def test_a_layer_is_drawn_where_its_matrix_says_to_the_pixel() -> None:
    frames, masks, whole = compose([base(), square([(5, 7), (40, 30)])], S, 1)
    for t, (x, y) in enumerate([(5, 7), (40, 30)]):
        expected = np.zeros((S, S), bool)
        expected[y : y + 16, x : x + 16] = True
        assert np.array_equal(masks[t, 0], expected)
        assert np.array_equal(frames[t, ..., 0] > 125, expected)
        assert whole[t, 0] == 256


def test_what_is_in_front_hides_what_is_behind() -> None:
    behind, before = square([(10, 10)] * 2), square([(10, 18), (10, 10)], objects=())
    _, masks, whole = compose([base(), behind, before], S, 1)
    assert masks[0, 0].sum() == 128
    assert masks[1, 0].sum() == 0
    assert whole.tolist() == [[256], [256]]
    _, masks, _ = compose([base(), before, behind], S, 1)
    assert masks.sum(axis=(2, 3)).tolist() == [[256], [256]]


def test_a_labelled_layer_in_front_takes_pixels_from_one_behind() -> None:
    _, masks, _ = compose([base(1), square([(10, 10)]), square([(18, 10)], objects=(1,))], S, 2)
    assert masks[0].sum(axis=(1, 2)).tolist() == [128, 256]
    assert not (masks[0, 0] & masks[0, 1]).any()


def test_parts_on_one_layer_stay_inside_their_whole() -> None:
    layer = square([(10, 10)], objects=(0, 1, 2, 3, 4, 5))
    layer.labels[8:, :, 1:] = 0
    _, masks, _ = compose([base(1), layer], S, 6)
    assert masks[0].sum(axis=(1, 2)).tolist() == [256, 128, 128, 128, 128, 128]


def test_outside_the_frame_there_is_nothing_and_it_may_be_cut() -> None:
    _, masks, whole = compose([base(3), square([(200, 10), (-8, 10), (10, -100)])], S, 1)
    assert masks.sum(axis=(1, 2, 3)).tolist() == [0, 128, 0]
    assert whole[:, 0].tolist() == [0, 128, 0]


def test_reducing_large_layers_leaves_them_in_place() -> None:
    layer = square([(0, 0)], side=256)
    layer.matrices[0] = np.array([[0.1, 0, 20.0], [0, 0.1, 24.0], [0, 0, 1]])
    assert fitted(layer).size[0] < 64
    _, masks, _ = compose([base(1), layer], S, 1)
    rows, columns = np.flatnonzero(masks[0, 0].any(axis=1)), np.flatnonzero(masks[0, 0].any(axis=0))
    # 25.6 pixels from 20 and 24 on; pixel centres of the layer's first and last column decide
    assert columns[[0, -1]].tolist() == pytest.approx([20, 45], abs=1)
    assert rows[[0, -1]].tolist() == pytest.approx([24, 49], abs=1)


def test_motion_blur_smears_the_picture_and_not_the_mask() -> None:
    still = square([(8, 20), (40, 20)])
    sharp, plain, _ = compose([base(), still], S, 1)
    frames, masks, _ = compose([base(), replace(still, blur=0.5)], S, 1)
    assert np.array_equal(masks, plain)
    smeared = (frames[0] != sharp[0]).any(axis=(0, 2))
    assert smeared[:8].any()  # it reaches beyond the square
    assert (
        abs(int(frames[0, ..., 0].astype(int).sum()) - int(sharp[0, ..., 0].astype(int).sum()))
        < 0.1 * 256 * 250
    )


def test_a_field_moves_pixels_and_mask_together() -> None:
    field = np.zeros((1, 24, 24, 2), np.float32)
    field[..., 0] = -3.0  # seen at p comes from 3 pixels to the left: everything moves to the right
    layer = square([(10, 10)])
    frames, masks, _ = compose([base(1), replace(layer, field=field)], S, 1)
    columns = np.flatnonzero(masks[0, 0].any(axis=0))
    assert np.array_equal(frames[0, ..., 0] > 125, masks[0, 0])
    assert columns[0] == 13
