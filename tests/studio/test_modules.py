"""The page's pure modules, run by node beside the package's own code."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.types import Mask

PAGE = Path(__file__).resolve().parents[2] / "src" / "masklet" / "server" / "page"

Asking = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    """ask("masks", [...]) gives what modules.mjs answers."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine: the page's modules are tested in the browser only")
    folder = tmp_path_factory.mktemp("page") / "page"
    shutil.copytree(PAGE, folder)
    shutil.copy(Path(__file__).with_name("modules.mjs"), folder / "modules.mjs")
    (folder / "package.json").write_text('{"type": "module"}')

    def run(name: str, question: Any = None) -> Any:
        done = subprocess.run(
            [node, "modules.mjs"],
            cwd=folder,
            input=json.dumps({name: question}),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[name]

    return run


def blobs(seed: int, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    for _ in range(4):
        y, x = random.integers(0, height), random.integers(0, width)
        mask[y : y + random.integers(1, height), x : x + random.integers(1, width)] ^= True
    return mask


def test_masks_are_read_written_and_outlined_as_the_package_does(ask: Asking) -> None:
    arrays = [blobs(seed, 37, 53) for seed in range(6)]
    arrays += [np.zeros((5, 4), bool), np.ones((5, 4), bool), np.eye(9, dtype=bool), blobs(9, 300, 400)]
    masks = [Mask.from_array(array) for array in arrays]
    questions = [{"counts": m.counts.decode("ascii"), "height": m.height, "width": m.width} for m in masks]
    for array, mask, answer in zip(arrays, masks, ask("masks", questions), strict=True):
        assert np.array_equal(np.reshape(answer["pixels"], array.shape), array)
        assert answer["again"] == mask.counts.decode("ascii")
        assert answer["area"] == mask.area
        assert answer["box"] == (list(mask.box) if mask.box else None)
        if mask.box:
            x0, y0, x1, y1 = mask.box
            assert np.array_equal(np.reshape(answer["cut"], (y1 - y0, x1 - x0)), array[y0:y1, x0:x1])
        # Each corner is cut by an eighth of a pixel, outwards or inwards.
        corners = np.abs(np.diff(np.diff(np.pad(array, 1).astype(int), axis=0), axis=1)).sum()
        assert abs(answer["outlined"] - mask.area) <= corners / 8 + 1e-6


def test_an_outline_runs_around_holes_too_and_stands_where_the_mask_is(ask: Asking) -> None:
    ring = np.ones((5, 6), int)
    ring[2, 2:4] = 0
    polygons = ask("outlines", {"pixels": ring.ravel().tolist(), "width": 6, "height": 5})
    assert len(polygons) == 2
    outer = np.reshape(polygons[0], (-1, 2))
    assert outer.min(axis=0).tolist() == [10, 20]
    assert outer.max(axis=0).tolist() == [16, 25]
    hole = np.reshape(polygons[1], (-1, 2))
    assert hole.min(axis=0).tolist() == [12, 22]
    assert hole.max(axis=0).tolist() == [14, 23]


def test_pixels_that_touch_by_a_corner_are_two_pieces(ask: Asking) -> None:
    assert len(ask("outlines", {"pixels": [1, 0, 0, 1], "width": 2, "height": 2})) == 2


def test_mask_messages_are_read(ask: Asking) -> None:
    mask = Mask.from_array(blobs(3, 20, 30))
    message = struct.pack("<BBHIIII", 1, 1, 2, 7, 9, 30, 20)
    for object_id, flags, counts in ((4, 3, mask.counts), (65535, 0, b"")):
        box = mask.box if counts and mask.box else (0, 0, 0, 0)
        area = mask.area if counts else 0
        message += struct.pack("<IffI4HII", object_id, 0.5, -2.0, area, *box, flags, len(counts))
        message += counts + b"\0" * (-len(counts) % 4)
    bulk = struct.pack("<I", len(message)) + message
    told = ask("bulk", base64.b64encode(bulk + bulk).decode())
    assert len(told) == 2
    assert [told[0][name] for name in ("frame", "sequence", "width", "height")] == [7, 9, 30, 20]
    first, second = told[1]["records"]
    assert first["counts"] == mask.counts.decode("ascii")
    assert (first["object"], first["iou"], first["occlusion"], first["area"]) == (4, 0.5, -2.0, mask.area)
    assert first["box"] == list(mask.box or ())
    assert first["prompted"] is True
    assert first["outdated"] is True
    assert second["object"] == 65535
    assert second["box"] is None
    assert second["counts"] is None


def lane(areas: list[int], ious: list[float], prompted: int = 0) -> dict[str, list[float]]:
    return {
        "state": [2 if area > 0 else 1 for area in areas],
        "area": [float(area) for area in areas],
        "iou": ious,
        "prompted": [float(frame == prompted) for frame in range(len(areas))],
    }


def test_dips_of_the_score_and_jumps_of_the_area_are_doubtful(ask: Asking) -> None:
    areas = [100] * 20
    ious = [0.9] * 20
    ious[6:8] = [0.7, 0.5]
    areas[14] = 300
    told = ask("doubts", {"lane": lane(areas, ious), "from": 10})
    assert [(place["frame"], place["start"], place["end"]) for place in told["places"]] == [
        (7, 6, 8),
        (14, 14, 16),
    ]
    assert "score" in told["places"][0]["why"]
    assert "area" in told["places"][1]["why"]
    assert told["next"]["frame"] == 14
    assert told["before"]["frame"] == 7


def test_calm_lanes_and_prompted_or_hidden_frames_are_not_doubtful(ask: Asking) -> None:
    calm = lane([100, 105, 110, 0, 0, 90, 92], [0.9, 0.88, 0.9, 0.1, 0.1, 0.85, 0.9])
    assert ask("doubts", {"lane": calm, "from": 0})["places"] == []
    low = lane([100], [0.2], prompted=0)
    told = ask("doubts", {"lane": low, "from": 0})
    assert told == {"places": [], "next": None, "before": None}


def test_zooming_keeps_the_point_under_the_pointer(ask: Asking) -> None:
    told = ask("view")
    assert told["after"] == pytest.approx(told["before"])
    assert told["there"] == pytest.approx([7, 9])


def test_steps_wait_for_a_lost_server_in_order_and_are_never_done_twice(ask: Asking) -> None:
    told = ask("outbox")
    assert told["tries"] == 3
    assert told["made"] == ["first", "second", "refused no"]
    assert told["sent"] == 1
    assert told["answers"] == ["first", 2, "arrived", None]


def test_only_frames_whose_prompts_changed_are_fetched_again(ask: Asking) -> None:
    old = [{"object": 1, "frame": 0, "clicks": [[1, 1, 1]]}, {"object": 2, "frame": 5, "clicks": []}]
    now = [{"object": 1, "frame": 0, "clicks": [[1, 1, 1]]}, {"object": 1, "frame": 9, "clicks": []}]
    assert sorted(ask("changed", {"old": old, "now": now})) == [5, 9]


def test_every_command_has_a_key_of_its_own(ask: Asking) -> None:
    for commands in ask("keys"):  # of the studio, of the review screen
        keys = [key for command in commands for key in command["keys"]]
        assert len(keys) == len(set(keys))
        assert all(command["keys"] for command in commands)
        assert all(cap for command in commands for caps in command["caps"] for cap in caps)


def test_a_pause_counts_for_two_minutes_at_most(ask: Asking) -> None:
    assert ask("attention", [5, 20, 1000, 1010]) == 5 + 15 + 120 + 10
    assert ask("attention", [5, "skip 60", 70]) == 5 + 10  # the model was at work in between


def test_the_end_of_a_run_is_final(ask: Asking) -> None:
    going, done, next_one = ({"id": n, "state": s} for n, s in ((1, "running"), (1, "done"), (2, "queued")))
    told = [(None, going), (going, done), (done, going), (done, next_one), (next_one, done), (done, None)]
    assert ask("runs", told) == [True, True, False, True, False, True]
