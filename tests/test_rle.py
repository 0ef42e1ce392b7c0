"""RLE against numpy, there and back, and codes that are no masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet import rle
from masklet.errors import MaskError

sides = st.integers(1, 24)
masks = hnp.arrays(bool, st.tuples(sides, sides))


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.tuples(sides, sides))
    return draw(hnp.arrays(bool, shape)), draw(hnp.arrays(bool, shape))


@given(masks)
def test_there_and_back(mask: np.ndarray) -> None:
    back = rle.decode(rle.encode(mask), *mask.shape)
    assert np.array_equal(back, mask)
    assert back.dtype == bool
    assert back.flags.c_contiguous
    back[:] = False  # the caller's own


@given(masks)
def test_runs_are_the_columns_changes(mask: np.ndarray) -> None:
    lengths = rle.runs(rle.encode(mask))
    values = np.arange(len(lengths)) % 2 == 1
    assert np.array_equal(np.repeat(values, lengths), mask.T.ravel())
    assert rle.from_runs(lengths, *mask.shape) == rle.encode(mask)


@given(masks)
def test_area_and_box(mask: np.ndarray) -> None:
    code = rle.encode(mask)
    assert rle.area(code, *mask.shape) == mask.sum()
    ys, xs = np.nonzero(mask)
    box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else None
    assert rle.box(code, *mask.shape) == box


@given(masks, st.data())
def test_a_part_is_a_part_of_the_whole(mask: np.ndarray, data: st.DataObject) -> None:
    x0, y0 = data.draw(st.integers(0, mask.shape[1])), data.draw(st.integers(0, mask.shape[0]))
    x1, y1 = data.draw(st.integers(x0, mask.shape[1])), data.draw(st.integers(y0, mask.shape[0]))
    part = rle.decode_part(rle.encode(mask), *mask.shape, (x0, y0, x1, y1))
    assert np.array_equal(part, mask[y0:y1, x0:x1])


@given(mask_pairs())
def test_iou_and_union(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    codes = [rle.encode(a), rle.encode(b)]
    expected = (a & b).sum() / (a | b).sum() if (a | b).any() else 1.0
    assert rle.iou(*codes, *a.shape) == pytest.approx(expected)
    assert np.array_equal(rle.decode(rle.union(codes, *a.shape), *a.shape), a | b)


def test_large_mask_with_long_and_short_runs() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((720, 1280)) < 0.02
    mask[:, 200:700] = True
    assert np.array_equal(rle.decode(rle.encode(mask), 720, 1280), mask)
    lengths = rle.runs(rle.encode(mask))
    assert max(lengths) >= 500 * 720
    assert rle.from_runs(lengths, 720, 1280) == rle.encode(mask)


def test_union_of_nothing_is_empty() -> None:
    assert not rle.decode(rle.union([], 4, 5), 4, 5).any()


@pytest.mark.parametrize("use", [rle.decode, rle.area, rle.box])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (rle.encode(np.ones((4, 4), bool)), "add up to 16, not 5×5 = 25"),
        (b"", "add up to 0"),
        (rle.encode(np.ones((5, 500), bool))[:-1], "break off"),
        (b"\xff\x01", "character"),
        (b"oooooooooooooooo0", "no mask can have"),
        (b"OO", "negative"),
    ],
)
def test_bad_codes_are_refused(use: object, code: bytes, words: str) -> None:
    with pytest.raises(MaskError, match=words):
        use(code, 5, 5)  # type: ignore[operator]


def test_iou_refuses_a_code_of_another_size() -> None:
    with pytest.raises(MaskError, match="add up"):
        rle.iou(rle.encode(np.ones((4, 4), bool)), rle.encode(np.ones((5, 5), bool)), 5, 5)


@pytest.mark.parametrize("lengths", [[3, 4], [30, -5]])
def test_runs_that_do_not_fill_the_mask_are_refused(lengths: list[int]) -> None:
    with pytest.raises(MaskError):
        rle.from_runs(lengths, 5, 5)
