"""Everything in a picture, without prompts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import FakeEngine, squares, truth
from masklet.errors import ConfigError
from masklet.predict.automatic import (
    AutoMask,
    AutomaticOptions,
    _clean,
    _drop_duplicates,
    box_nms,
    crops,
    grid,
    segment_everything,
    stability_scores,
)
from masklet.types import Mask

FEW = AutomaticOptions(points_per_side=16, stability=0.0)


class Grid(FakeEngine):
    """Counts how many prompts come in one call."""

    def decode(self, conditioned, prompts, *, multimask):
        self.batches.append(len(prompts.points))
        return super().decode(conditioned, prompts, multimask=multimask)


def found(masks, object_id: int) -> list:
    return [m for m in masks if m.mask.iou(Mask.from_array(truth(0, object_id))) > 0.7]


def test_every_object_is_found_once() -> None:
    masks = segment_everything(FakeEngine(), squares(1, 3)[0], FEW)
    assert [len(found(masks, i)) for i in (1, 2, 3)] == [1, 1, 1]
    assert len(masks) == 4  # and the background
    assert [m.mask.area for m in masks] == sorted((m.mask.area for m in masks), reverse=True)
    for m in masks:
        x, y = (int(v) for v in m.point)
        near = m.mask.to_array()[max(y - 6, 0) : y + 6, max(x - 6, 0) : x + 6]
        assert near.any()  # not the very pixel: the fake sees cells of 4 × 3 pixels
        assert m.crop == (0, 0, 128, 96)
        assert m.iou >= 0.8


def test_order_by_score() -> None:
    masks = segment_everything(FakeEngine(), squares(1, 3)[0], replace(FEW, order="score", predicted_iou=0.5))
    assert [m.iou for m in masks] == sorted((m.iou for m in masks), reverse=True)


def test_thresholds_drop_masks() -> None:
    image = squares(1, 3)[0]
    assert segment_everything(FakeEngine(), image, replace(FEW, predicted_iou=0.95)) == []
    assert segment_everything(FakeEngine(), image, replace(FEW, stability=1.0, stability_offset=20.0)) == []


def test_points_come_in_batches() -> None:
    engine = Grid()
    segment_everything(engine, squares(1)[0], replace(FEW, points_per_side=5, points_per_batch=10))
    assert engine.batches == [10, 10, 5]


def test_one_candidate_a_click() -> None:
    masks = segment_everything(FakeEngine(), squares(1, 3)[0], replace(FEW, multimask=False))
    assert all(m.iou == pytest.approx(0.95) for m in masks)
    assert len(masks) == 4


def test_refining_asks_again_with_each_mask() -> None:
    engine = Grid()
    masks = segment_everything(engine, squares(1, 3)[0], replace(FEW, refine=True))
    assert sum(engine.batches) == 256 + 3 * 256
    assert len(found(masks, 1)) == 1


def test_crops_find_the_same_objects_at_their_place() -> None:
    engine = FakeEngine()
    image = squares(1, 3)[0]
    image = np.ascontiguousarray(np.repeat(np.repeat(image, 3, axis=0), 3, axis=1))
    masks = segment_everything(engine, image, replace(FEW, crop_layers=1))
    assert engine.calls["encode"] == 5
    for i in (1, 2, 3):
        big = Mask.from_array(np.repeat(np.repeat(truth(0, i), 3, axis=0), 3, axis=1))
        assert len([m for m in masks if m.mask.iou(big) > 0.7]) == 1
    assert {m.crop for m in masks} - {(0, 0, 384, 288)}  # smaller crops win


def test_crop_points_downscale_thins_the_grid() -> None:
    engine = Grid()
    options = replace(FEW, points_per_side=8, crop_layers=1, crop_points_downscale=4)
    segment_everything(engine, squares(1)[0], options)
    assert engine.batches == [64, 4, 4, 4, 4]


@given(height=st.integers(30, 400), width=st.integers(30, 400), layers=st.integers(0, 2))
def test_crops_of_a_layer_cover_the_picture(height, width, layers) -> None:
    result = crops(height, width, AutomaticOptions(crop_layers=layers))
    assert result[0] == ((0, 0, width, height), 0)
    for layer in range(layers + 1):
        seen = np.zeros((height, width), bool)
        boxes = [box for box, n in result if n == layer]
        assert len(boxes) == 4**layer
        for x0, y0, x1, y1 in boxes:
            seen[y0:y1, x0:x1] = True
        assert seen.all()


def test_the_grid_lies_in_the_middle_of_cells() -> None:
    assert [(c.x, c.y) for c in grid(2, 100, 40)] == [(25, 10), (75, 10), (25, 30), (75, 30)]


def test_stability_is_the_iou_of_two_thresholds() -> None:
    logits = np.array([[[2.0, 2.0], [0.0, -2.0]], [[-9, -9], [-9, -9]]])
    assert list(stability_scores(logits, 1.0)) == [2 / 3, 0]


@given(seed=st.integers(0, 999), count=st.integers(1, 12), limit=st.floats(0, 1))
def test_nms_against_its_definition(seed, count, limit) -> None:
    random = np.random.default_rng(seed)
    corner, size = random.integers(0, 10, (count, 2)), random.integers(1, 10, (count, 2))
    boxes, scores = np.concatenate([corner, corner + size], axis=1).astype(float), random.random(count)

    def iou(a, b) -> float:
        w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        shared = max(w, 0) * max(h, 0)
        return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)

    kept: list[int] = []
    for k in sorted(range(count), key=lambda k: -scores[k]):
        if all(iou(boxes[k], boxes[j]) <= limit + 1e-12 for j in kept):
            kept.append(k)
    assert box_nms(boxes, scores, limit) == kept


def auto(array: np.ndarray, iou: float = 0.9) -> AutoMask:
    return AutoMask(Mask.from_array(array), iou, 1.0, (0, 0), (0, 0, 30, 30))


def test_cleaning_fills_holes_removes_specks_and_drops_small_masks() -> None:
    array = np.zeros((30, 30), bool)
    array[5:20, 5:20] = True
    array[10, 10] = False
    array[28, 28] = True
    tiny = np.zeros((30, 30), bool)
    tiny[25, 2] = True
    (kept,) = _clean([auto(array), auto(tiny)], AutomaticOptions(minimum_area=4))
    assert kept.mask.area == 15 * 15


def test_masks_that_are_nearly_the_same_are_one() -> None:
    a, b = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    a[5:25, 5:25] = True
    b[5:25, 5:24] = True
    ring = a.copy()
    ring[8:22, 8:22] = False  # the same box, another mask
    kept = _drop_duplicates([auto(a, 0.8), auto(b, 0.9), auto(ring, 0.7)], 0.9)
    assert [m.iou for m in kept] == [0.9, 0.7]
    assert len(_drop_duplicates([auto(a), auto(b)], 1.0)) == 2


def test_masks_cut_off_by_a_crop_are_dropped() -> None:
    image = np.full((200, 400, 3), 120, np.uint8)
    image[60:140, 100:300] = (230, 30, 30)  # wider than a crop of layer 1
    options = replace(FEW, crop_layers=1, crop_overlap=0.1)
    masks = segment_everything(FakeEngine(), image, options)
    red = [m for m in masks if m.mask.to_array()[100, 200]]
    assert len(red) == 1
    assert red[0].mask.area == pytest.approx(80 * 200, rel=0.1)
    assert red[0].crop == (0, 0, 400, 200)


@pytest.mark.parametrize(
    ("name", "value"),
    [("points_per_side", 0), ("stability", 1.5), ("box_nms", -0.1), ("crop_layers", -1), ("order", "size")],
)
def test_options_out_of_range_are_refused(name, value) -> None:
    with pytest.raises(ConfigError, match=name):
        AutomaticOptions(**{name: value})


def test_the_published_defaults_are_kept_under_a_name() -> None:
    assert AutomaticOptions().stability == 0.85
    published = AutomaticOptions.sam2()
    assert (published.stability, published.predicted_iou, published.duplicate_iou) == (0.95, 0.8, 1)


def test_progress_counts_clicks_over_all_crops() -> None:
    steps: list[tuple[int, int]] = []
    options = replace(FEW, points_per_side=4, points_per_batch=10, crop_layers=1, crop_points=(2,))
    segment_everything(FakeEngine(), squares(1)[0], options, on_step=lambda *step: steps.append(step))
    assert steps == [(done, 32) for done in (0, 10, 16, 20, 24, 28, 32)]
