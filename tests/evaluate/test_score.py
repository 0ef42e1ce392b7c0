"""Scoring masks on disk, whoever wrote them."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fakes import truth
from masklet.errors import DataError, MaskError
from masklet.evaluate.coco_score import measure_coco
from masklet.evaluate.measure import Running, measure_masks
from masklet.evaluate.metrics import contour_accuracy, jaccard
from masklet.evaluate.readers import open_videos
from masklet.evaluate.readers.truth import DAVIS
from masklet.evaluate.score import score_video
from masklet.types import Frame, FrameMasks, Mask
from masklet.video.json_masks import CocoJson
from tiny_benchmarks import ids_at, save_grey, save_palette


def predictions(folder: Path, shift: int, name: str = "two", frames: range = range(8)) -> Path:
    for t in frames:
        save_palette(folder / name / f"{t:05d}.png", np.roll(ids_at(t, (1, 2)), shift, 1))
    return folder


def test_palette_predictions(davis, tmp_path: Path) -> None:
    document = measure_masks(open_videos(davis()), predictions(tmp_path / "p", 3))
    one = document.scores[0].objects[0]
    assert one.frames == (1, 2, 3, 4, 5, 6)
    shifted = np.roll(truth(4, 1), 3, 1)
    assert one.j[3] == pytest.approx(float(jaccard(shifted, truth(4, 1))))
    assert one.f[3] == pytest.approx(contour_accuracy(shifted, truth(4, 1)))
    assert document.summary["J"] == pytest.approx(17 * 20 / (23 * 20))
    assert document.summary["J&F"] == pytest.approx((document.summary["J"] + document.summary["F"]) / 2)
    assert document.summary["fps"] is None
    assert "first and last frame left out" in document.protocol[0]


def test_only_frames_that_count_are_needed(davis, tmp_path: Path) -> None:
    folder = predictions(tmp_path / "p", 0, frames=range(1, 7))
    assert measure_masks(open_videos(davis()), folder).summary["J&F"] == 1.0


def test_a_mean_over_objects_is_not_one_over_sequences(davis, tmp_path: Path) -> None:
    root = davis(two=2, one=1)
    predictions(tmp_path / "p", 0)
    for t in range(8):
        save_palette(tmp_path / "p" / "one" / f"{t:05d}.png", np.zeros((96, 128)))
    found = measure_masks(open_videos(root), tmp_path / "p").summary
    assert found["J"] == pytest.approx(2 / 3)
    assert found["objects"] == 3


def test_one_folder_an_object(davis, tmp_path: Path) -> None:
    for t in range(8):
        for k in (1, 2):
            save_grey(tmp_path / "p/two" / f"{k:03d}" / f"{t:05d}.png", truth(t, k))
    assert measure_masks(open_videos(davis()), tmp_path / "p").summary["J&F"] == 1.0
    shutil.rmtree(tmp_path / "p/two/002")
    score = measure_masks(open_videos(davis()), tmp_path / "p").scores[0]
    assert score.error is not None
    assert "lacks 6 of 6 frames" in score.error


def test_an_object_never_found_scores_nothing(davis, tmp_path: Path) -> None:
    """All its pictures are there and black: that is an answer, not a missing file."""
    for t in range(8):
        save_grey(tmp_path / "p/two/001" / f"{t:05d}.png", truth(t, 1))
        save_grey(tmp_path / "p/two/002" / f"{t:05d}.png", np.zeros((96, 128), bool))
    score = measure_masks(open_videos(davis()), tmp_path / "p").scores[0]
    assert score.error is None
    assert [one.jf for one in score.objects] == [1.0, 0.0]


def test_json_predictions_go_by_the_names_of_frames(tmp_path: Path) -> None:
    """Every fourth frame has a mask picture, and no other frame is on disk: the third of them is frame 8."""
    for t in range(0, 17, 4):
        save_grey(tmp_path / "gt/Annotations_6fps/v/001" / f"{t:05d}.png", truth(t, 1))
    videos = open_videos(tmp_path / "gt", "sav", need_frames=False)

    def code(mask: np.ndarray) -> list[dict]:
        return [{"size": [96, 128], "counts": Mask.from_array(mask).counts.decode()}]

    data = {
        "video_height": 96, "video_width": 128, "video_frame_count": 17, "masklet_id": [1],
        "masklet": [code(truth(t, 1)) for t in range(0, 17, 4)],
    }  # fmt: skip
    (tmp_path / "p").mkdir()
    (tmp_path / "p/v.json").write_text(json.dumps(data))
    assert measure_masks(videos, tmp_path / "p").summary["J&F"] == 1.0
    (tmp_path / "p/v.json").write_text(json.dumps({**data, "masklet": data["masklet"][:3]}))
    error = measure_masks(videos, tmp_path / "p").scores[0].error
    assert error is not None
    assert "lacks 1 of 3 frames that count, the first is 00012" in error


def test_masklets_as_track_writes_them(davis, tmp_path: Path) -> None:
    """The same figures as from PNGs; an object that the file lacks is an error, as there."""

    def write(*objects: int) -> None:
        with CocoJson(tmp_path / "p/two.json", length=8) as out:
            for t in range(8):
                masks = {k: Mask.from_array(np.roll(truth(t, k), 3, 1)) for k in objects}
                sure = dict.fromkeys(objects, 1.0)
                frame = Frame(t, Fraction(t, 24), np.zeros((96, 128, 3), np.uint8))
                out.write(frame, FrameMasks(t, masks, sure, sure, frozenset()))

    videos = open_videos(davis())
    pictures = measure_masks(videos, predictions(tmp_path / "q", 3)).summary
    (tmp_path / "p").mkdir()
    write(1, 2)
    assert measure_masks(videos, tmp_path / "p").summary["J&F"] == pictures["J&F"]
    write(1)
    error = measure_masks(videos, tmp_path / "p").scores[0].error
    assert error is not None
    assert "two.json lacks object 2; it has 1" in error


def test_the_worst_frames_are_kept(davis, tmp_path: Path) -> None:
    predictions(tmp_path / "p", 0)
    save_palette(tmp_path / "p/two/00003.png", np.zeros((96, 128)))
    details = measure_masks(open_videos(davis()), tmp_path / "p").scores[0].details
    assert details is not None
    assert [(row["object_id"], row["position"], row["j"]) for row in details["worst"]] == [
        (1, 3, 0),
        (2, 3, 0),
    ]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "00004.png").unlink(), r"lacks 1 of 6 frames that count, the first is 00004"),
        (lambda p: shutil.rmtree(p), "has no predictions: expected the folder"),
        (lambda p: save_palette(p / "00002.png", np.ones((4, 4))), "00002.png is 4×4"),
    ],
)
def test_predictions_that_do_not_fit_are_told_and_the_rest_is_scored(davis, tmp_path, spoil, message) -> None:
    root = davis(two=2, other=2)
    predictions(tmp_path / "p", 0)
    predictions(tmp_path / "p", 0, "other")
    spoil(tmp_path / "p" / "two")
    document = measure_masks(open_videos(root), tmp_path / "p")
    scores = {score.name: score for score in document.scores}
    assert scores["other"].jf == 1.0
    assert document.summary["failed"] == 1
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(scores["two"].error)


def test_predictions_of_another_size(davis, tmp_path: Path) -> None:
    for t in range(8):
        save_palette(tmp_path / "p" / "two" / f"{t:05d}.png", np.ones((48, 64)))
    error = measure_masks(open_videos(davis()), tmp_path / "p").scores[0].error
    assert error is not None
    assert "64×48, the truth is 128×96" in error
    with pytest.raises(DataError, match="not a folder"):
        measure_masks(open_videos(davis()), tmp_path / "q")


def test_several_processes_give_the_same(davis, tmp_path: Path) -> None:
    root = davis(two=2, other=2, third=1)
    for name in ("two", "other"):
        predictions(tmp_path / "p", 2, name)
    videos = open_videos(root)
    alone = measure_masks(videos, tmp_path / "p")
    done: list[str] = []
    running = Running(processes=2, on_score=lambda score, *_: done.append(score.name))
    together = measure_masks(videos, tmp_path / "p", running=running)
    assert together.scores == alone.scores
    assert together.summary == alone.summary
    assert sorted(done) == ["other", "third", "two"]


def test_g_over_seen_and_unseen_categories(tmp_path: Path) -> None:
    for t in range(4):
        save_palette(tmp_path / "gt/Annotations/v" / f"{t:05d}.png", ids_at(t, (1, 2)))
        save_palette(tmp_path / "p/v" / f"{t:05d}.png", ids_at(t, (1,)))
    objects = {"1": {"category": "cat"}, "2": {"category": "zebra"}}
    (tmp_path / "gt/meta.json").write_text(json.dumps({"videos": {"v": {"objects": objects}}}))
    videos = open_videos(tmp_path / "gt", "ytvos", need_frames=False)
    found = measure_masks(videos, tmp_path / "p", seen=frozenset({"cat"})).summary
    assert (found["j_seen"], found["j_unseen"], found["G"]) == (1.0, 0.0, 0.5)


def test_missing_masks_are_empty_and_sizes_must_fit(davis) -> None:
    found = open_videos(davis()).truth("two")
    assert [o.jf for o in score_video(found, {}, DAVIS)] == [0.0, 0.0]
    with pytest.raises(MaskError):
        score_video(found, {1: dict.fromkeys(range(8), Mask.empty(4, 4))}, DAVIS)


def coco(tmp_path: Path) -> tuple[dict, list[dict]]:
    def code(mask: np.ndarray) -> dict:
        return {"size": [96, 128], "counts": Mask.from_array(mask).counts.decode()}

    rows = [
        {"id": k, "image_id": 5, "category_id": 1, "segmentation": code(truth(0, k)), "iscrowd": 0}
        | {"area": 400, "bbox": [0, 0, 1, 1]}
        for k in (1, 2)
    ]
    data = {
        "images": [{"id": 5, "width": 128, "height": 96, "file_name": "a.png"}],
        "annotations": rows,
        "categories": [{"id": 1, "name": "square"}],
        "info": {},
    }
    found = [
        {"image_id": 5, "category_id": 1, "score": 0.9, "segmentation": code(truth(0, 2))},
        {"image_id": 5, "category_id": 1, "score": 0.8, "segmentation": code(np.roll(truth(0, 1), 3, 1))},
    ]
    (tmp_path / "instances.json").write_text(json.dumps(data))
    return data, found


def test_coco_results_are_matched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = coco(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps(found))
    document = measure_coco(tmp_path, tmp_path)
    assert document.summary["mIoU"] == pytest.approx((1 + 17 / 23) / 2)
    assert document.summary["AP50"] == pytest.approx(1.0)
    assert capsys.readouterr().out == ""
    (tmp_path / "results.json").write_text(json.dumps(found[:1]))
    assert measure_coco(tmp_path, tmp_path).summary["mIoU"] == pytest.approx(0.5)
    data = json.loads((tmp_path / "instances.json").read_text())
    del data["categories"], data["info"]  # then there is no AP, and that is said
    (tmp_path / "instances.json").write_text(json.dumps(data))
    document = measure_coco(tmp_path, tmp_path)
    assert "AP" not in document.summary
    assert "no AP" in document.protocol[1]


def test_coco_results_that_name_their_instance(tmp_path: Path) -> None:
    _, found = coco(tmp_path)
    named = [
        {"image_id": 5, "annotation_id": k, "segmentation": row["segmentation"]}
        for k, row in zip((1, 2), found, strict=True)
    ]
    (tmp_path / "r.json").write_text(json.dumps(named))
    document = measure_coco(tmp_path / "instances.json", tmp_path / "r.json")
    assert document.summary["mIoU"] == 0.0  # crossed over on purpose
    assert "AP" not in document.summary


def test_coco_files_that_do_not_fit(tmp_path: Path) -> None:
    _, found = coco(tmp_path)
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(DataError, match="expected a list"):
        measure_coco(tmp_path, tmp_path / "r.json")
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(DataError, match="no JSON"):
        measure_coco(tmp_path, tmp_path / "r.json")
    with pytest.raises(DataError, match="cannot be read"):
        measure_coco(tmp_path, tmp_path / "nothing.json")
    for bad, message in (
        ([{"image_id": 5}], "result 0 lacks image_id or segmentation"),
        ([*found, {**found[0], "image_id": 7}], "result 2 is of picture 7, which the truth lacks"),
        ([{**row, "annotation_id": 1} for row in found], "annotation 1 is answered twice"),
    ):
        (tmp_path / "r.json").write_text(json.dumps(bad))
        with pytest.raises(DataError, match=message):
            measure_coco(tmp_path, tmp_path / "r.json")
    found[0]["segmentation"]["size"] = [1, 1]
    (tmp_path / "r.json").write_text(json.dumps(found))
    error = measure_coco(tmp_path, tmp_path / "r.json").scores[0].error
    assert error is not None
    assert "mask is 1×1, its picture 128×96" in error
