"""A model at work under each protocol: the fake one, which follows colours."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import ArraySource, Aside, FakeEngine, squares, truth
from masklet.data.datasets import LabelledImage
from masklet.errors import ConfigError
from masklet.evaluate.measure import Model, measure_interactive, measure_videos
from masklet.evaluate.protocols.images import image_summary, measure
from masklet.evaluate.protocols.interactive import Annotator, online_pass
from masklet.evaluate.protocols.prompting import FirstPrompt, correct
from masklet.evaluate.protocols.robustness import Variant
from masklet.evaluate.protocols.semi import track
from masklet.evaluate.readers import open_videos
from masklet.evaluate.results import SequenceScore
from masklet.predict.segmenter import Segmenter
from masklet.types import Frame, FrameMasks, Mask


@pytest.mark.parametrize("prompt", ["mask", "box", "click", "3click"])
def test_semi_supervised(davis, loader, prompt: str) -> None:
    first = FirstPrompt.parse(prompt)
    document = measure_videos(open_videos(davis(two=2, one=1)), Model("fake", loader), first)
    assert document.summary["J"] > 0.6
    assert document.summary["F"] > 0.6
    assert document.summary["fps"] > 0
    assert 0 < document.summary["occlusion_accuracy"] <= 1.0
    assert loader.workers == [0]
    assert document.origin["engine"] == {"name": "fake", "device": "cpu", "input_size": 128}
    assert document.config["prompt"] == prompt
    assert any(first.words in rule for rule in document.protocol)
    score = document.scores[0]
    assert score.frames == 8
    worst = score.details["worst"][0]
    one = score.objects[0]
    assert worst["j"] + worst["f"] == min(a + b for a, b in zip(one.j, one.f, strict=True))


def test_prompts_are_parsed() -> None:
    assert FirstPrompt.parse("click") == FirstPrompt("click", 1)
    assert FirstPrompt.parse("5clicks") == FirstPrompt.parse("5-click") == FirstPrompt("click", 5)
    assert [str(FirstPrompt.parse(t)) for t in ("mask", "box", "click", "3click")] == [
        "mask", "box", "click", "3click",
    ]  # fmt: skip
    for bad in ("0click", "clicks3", "masks", ""):
        with pytest.raises(ConfigError, match="give mask, box, click"):
            FirstPrompt.parse(bad)


def test_an_absent_object_scores_by_its_absence(davis, loader) -> None:
    videos = open_videos(davis(one=1, hidden=range(3, 5)))
    document = measure_videos(videos, Model("fake", loader), FirstPrompt("mask"))
    one = document.scores[0].objects[0]
    assert one.visible == (True, True, False, False, True, True)
    assert one.j[2] == one.j[3] == 1.0
    assert document.summary["absent_frames"] == 2
    assert document.summary["occlusion_auc"] == 1.0


class Recording:
    """A session that shows what it was told and nothing else."""

    def __init__(self, answers: dict[int, dict[int, np.ndarray]]) -> None:
        self.answers = answers
        self.prompts: list[tuple] = []
        self.starts: list[int | None] = []

    def prompt(self, frame: int, object_id: int, *, clicks=(), box=None, mask=None):
        self.prompts.append((frame, object_id, list(clicks), box, mask))
        shown = self.answers.get(object_id, {}).get(frame, np.zeros((96, 128), bool))

        class Preview:
            mask = Mask.from_array(shown)

        return Preview()

    def propagate(self, direction: str, start: int | None = None):
        assert direction == "forward"
        self.starts.append(start)
        for t in range(start or 0, 8):
            masks = {
                o: Mask.from_array(frames[t])
                for o, frames in self.answers.items()
                if o in {p[1] for p in self.prompts if p[0] <= t}
            }
            fixed = {p[1] for p in self.prompts if p[0] == t}
            masks |= {o: Mask.from_array(truth(t, o)) for o in fixed}
            ones = dict.fromkeys(masks, 1.0)
            yield Frame(t, t, np.zeros((96, 128, 3), np.uint8)), FrameMasks(t, masks, ones, ones)


def later_truth(davis, appears: int):
    """Object 2 is annotated from frame `appears` on."""
    found = open_videos(davis()).truth("two")
    masks = {1: found.masks[1], 2: {t: m for t, m in found.masks[2].items() if t >= appears}}
    object.__setattr__(found, "masks", masks)
    return found


def test_an_object_is_prompted_where_it_appears(davis) -> None:
    found = later_truth(davis, 3)
    session = Recording({o: {t: truth(t, o) for t in range(8)} for o in (1, 2)})
    result = track(session, found, found.objects, FirstPrompt("mask"))
    assert [p[:2] for p in session.prompts] == [(0, 1), (3, 2)]
    np.testing.assert_array_equal(session.prompts[1][4].to_array(), truth(3, 2))
    assert min(result.masks[2]) == 3
    assert result.frames == 8


def test_correcting_clicks_go_where_the_answer_is_wrong() -> None:
    true = truth(0, 1)
    half = true.copy()
    half[:, :14] = False
    session = Recording({1: {0: half}})
    assert correct(session, 0, 1, Mask.from_array(true), None, 2) == 2
    (x, y, positive) = session.prompts[0][2][0]
    assert positive
    assert (abs(x - 13.5), abs(y - 11.5)) <= (1, 1)
    (x, y, positive) = session.prompts[1][2][0]
    assert positive
    assert true[int(y), int(x)]
    assert not half[int(y), int(x)]
    too_much = Recording({1: {0: true | truth(0, 2)}})
    assert correct(too_much, 0, 1, Mask.from_array(true), Mask.from_array(true | truth(0, 2)), 1) == 1
    (x, y, positive) = too_much.prompts[0][2][0]
    assert not positive
    assert truth(0, 2)[int(y), int(x)]
    perfect = Recording({1: {0: true}})
    assert correct(perfect, 0, 1, Mask.from_array(true), None, 3) == 1


def test_online_pauses_where_an_object_is_lost(davis) -> None:
    """Object 1 is lost for good from frame 4 on: each limit on frames is used up one frame after another."""
    found = open_videos(davis(one=1)).truth("one")
    lost = {t: truth(t, 1) if t < 4 else np.roll(truth(t, 1), 12, 1) for t in range(8)}
    annotator = Annotator(frames=3, clicks=2)
    session = Recording({1: lost})
    masks, efforts = online_pass(session, found, annotator, 1)
    assert efforts[1].frames == {0}
    session = Recording({1: lost})
    masks, efforts = online_pass(session, found, annotator, 3)
    assert efforts[1].frames == {0, 4, 5}
    assert session.starts == [0, 4, 5]
    assert masks[1][4].iou(found.mask(1, 4)) == 1.0
    assert masks[1][6].iou(found.mask(1, 6)) < 0.75


def test_online_prompts_objects_as_they_appear(davis) -> None:
    found = later_truth(davis, 3)
    session = Recording({o: {t: truth(t, o) for t in range(8)} for o in (1, 2)})
    masks, efforts = online_pass(session, found, Annotator(), 8)
    assert session.starts == [0, 3]
    assert [p[:2] for p in session.prompts] == [(0, 1), (3, 2)]
    assert efforts[2].frames == {3}
    assert min(masks[2]) == 3


def test_every_round_corrects_another_frame_of_a_model_that_errs(davis, loader) -> None:
    loader.engine = Aside()
    videos = open_videos(davis(two=2, frames=6))
    document = measure_interactive(
        videos, Model("fake", loader), "offline", annotator=Annotator(frames=3, clicks=1)
    )
    clicks = [row["clicks"] for row in document.summary["curve"]]
    assert clicks[0] < clicks[1] < clicks[2]


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_interactive(davis, loader, mode) -> None:
    annotator = Annotator(frames=3, clicks=1)
    videos = open_videos(davis(two=2, frames=6))
    document = measure_interactive(videos, Model("fake", loader), mode, annotator=annotator)
    curve = document.summary["curve"]
    assert [row["frames"] for row in curve] == [1, 2, 3]
    assert curve[0]["J&F"] > 0.9
    first, looks = curve[0], 30 * 6 / 300
    assert first["seconds"] == pytest.approx(1 + 1.5 * first["clicks"] + looks)
    if mode == "offline":
        last = curve[-1]
        assert last["seconds"] == pytest.approx(3 * 1 + 1.5 * last["clicks"] + 3 * looks)
        assert last["clicks"] >= first["clicks"]
    assert any("annotation time" in rule for rule in document.protocol)


def test_offline_corrects_the_worst_frames_first(davis) -> None:
    """Object 1 drifts away ever faster, so it is worst at the end; where it is corrected it is perfect."""
    drifting = {t: np.roll(truth(t, 1), t, 1) for t in range(8)}
    sessions: list[Recording] = []

    class Drifting(Segmenter):
        @contextmanager
        def video(self, video, **_):
            sessions.append(Recording({1: drifting}))
            yield sessions[0]

    model = Model("fake", lambda worker: Drifting(FakeEngine()))
    videos = open_videos(davis(one=1))
    document = measure_interactive(videos, model, "offline", annotator=Annotator(frames=4, clicks=2))
    frames = list(dict.fromkeys(p[0] for p in sessions[0].prompts))
    assert frames == [0, 7, 6, 5]
    scores = [row["J&F"] for row in document.summary["curve"]]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]
    assert [row["clicks"] for row in document.summary["curve"]] == [1, 3, 5, 7]  # frame 0 needs one only


def test_annotation_time() -> None:
    """The paper's model: offline every round looks at the video, online once."""
    annotator = Annotator()
    assert annotator.seconds(frames=8, clicks=24, length=300, looks=8) == 8 + 36 + 240
    assert annotator.seconds(frames=8, clicks=24, length=600, looks=1) == 8 + 36 + 60


@pytest.mark.parametrize("text", ["noise", "jpeg:5", "scale:0.5", "drop:3"])
def test_harder_videos(davis, loader, text: str) -> None:
    variant = Variant.parse(text)
    document = measure_videos(
        open_videos(davis()), Model("fake", loader), FirstPrompt("mask"), variant=variant
    )
    assert document.summary["failed"] == 0
    assert any(variant.words in rule for rule in document.protocol)
    assert document.config["variant"] == str(variant)


def test_spoilt_pictures_are_the_same_every_time() -> None:
    images = squares(7, 2)
    source = ArraySource(images)
    noise = Variant("noise", 20.0).apply(source, "a")
    first = [frame.image for frame in noise.read(0, 7)]
    np.testing.assert_array_equal(noise[5].image, first[5])
    backwards = [frame.image for frame in noise.read(6, -1, -1)]
    np.testing.assert_array_equal(backwards[1], first[5])
    assert 15 < np.std(first[5][60:].astype(float) - images[5][60:]) < 25
    assert (first[5] != first[4]).any()
    other = Variant("noise", 20.0).apply(source, "b")
    assert (other[5].image != first[5]).any()
    dropped = Variant("drop", 3).apply(source, "a")
    assert [frame.index for frame in dropped.read(0, 7)] == list(range(7))
    np.testing.assert_array_equal(dropped[5].image, images[3])
    assert len(dropped) == 7
    coarse = Variant("scale", 0.25).apply(source, "a")[0].image
    assert coarse.shape == images[0].shape
    assert np.abs(coarse.astype(int) - images[0]).max() > 10
    dropped.close()
    assert source.closed
    for bad, message in (
        ("fog", "unknown"),
        ("jpeg:200", "takes 1 to 95"),
        ("noise:x", "a kind and a number"),
    ):
        with pytest.raises(ConfigError, match=message):
            Variant.parse(bad)


def labelled() -> LabelledImage:
    return LabelledImage(squares(1, 3)[0], tuple(Mask.from_array(truth(0, k)) for k in (1, 2, 3)), "a")


def test_pictures(loader) -> None:
    rows = measure(Segmenter(loader.engine), labelled())
    assert len(rows) == 3
    for row in rows:
        assert row["area"] == 400
        assert row["1"] > 0.6
        assert row["best3"] >= row["1"] == row["candidates"][0][1]
        assert row["box"] > 0.6
        assert len(row["candidates"]) == 3
    figures = image_summary([SequenceScore("0", details={"objects": rows}, seconds=0.5)])
    assert figures["1_click"] == pytest.approx(np.mean([row["1"] for row in rows]))
    assert figures["objects"] == 3
    assert figures["pictures_per_second"] == 2.0
    assert -1 <= figures["iou_rank_correlation"] <= 1
    assert loader.engine.calls["encode"] == 1


def test_pictures_are_looked_at_closer_as_in_use() -> None:
    engine = FakeEngine(64)  # the pictures are twice as large
    measure(Segmenter(engine), labelled())
    assert 1 < engine.calls["encode"] <= 4  # and a close-up around each object, shared by click and box


def test_more_clicks_carry_the_answer_before(loader) -> None:
    exact = labelled()  # and answered exactly: the truth has to be another for an error to click on
    moved = tuple(Mask.from_array(np.roll(one.to_array(), 4, axis=1)) for one in exact.masks)
    measure(Segmenter(loader.engine), replace(exact, masks=moved))
    priors = [prior for prior in loader.engine.priors if prior is not None]
    assert priors
    assert priors[0].shape == (3, 1, 32, 32)


def test_small_objects_do_not_count(loader) -> None:
    assert measure(Segmenter(loader.engine), labelled(), least_area=401) == []


def test_frames_that_do_not_fit_the_masks(davis, loader) -> None:
    root: Path = davis()
    (root / "JPEGImages/480p/two/00007.png").unlink()
    document = measure_videos(open_videos(root), Model("fake", loader), FirstPrompt("mask"))
    assert "00007 belongs to no frame" in (document.scores[0].error or "")
