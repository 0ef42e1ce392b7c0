"""Manifest lines: what they may say, and that a bad one is told in one line and costs no other."""

from __future__ import annotations

import json

import pytest

from masklet.batch.manifest import Refusal, read_manifest, row_of
from masklet.errors import DataError, MaskletError
from masklet.predict.policy import TrackingPolicy
from masklet.types import Box, Click, Mask

GOOD = {"video": "clip.mp4", "prompts": [{"clicks": [[5, 6]]}]}


def test_a_row_is_read_whole() -> None:
    mask = Mask.empty(4, 6)
    one = row_of(
        3,
        {
            "video": "clip.mp4",
            "prompts": [
                {"object": 2, "frame": 7, "clicks": [[1, 2.5], [3, 4, False]], "box": [0, 0, 9, 9]},
                {"object": 2, "frame": 4, "mask": {"size": [4, 6], "counts": mask.counts.decode()}},
                {"object": 5, "frame": 1, "mask": {"size": [4, 6], "counts": [24]}},
            ],
            "objects": {"2": "rabbit", "5": "ball"},
            "range": [2, None],
            "direction": "forward",
            "policy": {"fill_holes": 0, "memory": {"stride": 2, "prompted_limit": None}},
            "id": "mine",
        },
        "s3://bucket/films",
    )
    assert one.video == "s3://bucket/films/clip.mp4"
    first = one.prompts[0]
    assert (first.object_id, first.frame) == (2, 7)
    assert first.prompt.clicks == (Click(1, 2.5), Click(3, 4, False))
    assert first.prompt.box == Box(0, 0, 9, 9)
    assert one.prompts[1].prompt.mask == one.prompts[2].prompt.mask == mask
    assert one.names == {2: "rabbit", 5: "ball"}
    assert (one.start, one.stop, one.direction, one.label, one.line) == (2, None, "forward", "mine", 3)
    assert (one.policy.fill_holes, one.policy.memory.stride, one.policy.memory.prompted_limit) == (0, 2, None)
    assert sorted(one.firsts) == [1, 4]
    assert row_of(1, {**GOOD, "policy": "sam2"}).policy == TrackingPolicy.sam2()
    assert row_of(3, dict(one.given)) == one  # as it travels to a worker


@pytest.mark.parametrize(
    ("video", "base", "found"),
    [
        ("clip.mp4", "", "clip.mp4"),
        ("clip.mp4", "/films/", "/films/clip.mp4"),
        ("/a/clip.mp4", "/films", "/a/clip.mp4"),
        ("gs://a/clip.mp4", "/films", "gs://a/clip.mp4"),
    ],
)
def test_where_a_video_is(video: str, base: str, found: str) -> None:
    assert row_of(1, {**GOOD, "video": video}, base).video == found


BAD = [
    ({"video": None}, "video is missing; give a path or a URI"),
    ({"video": 7}, "video is 7; give a path or a URI"),
    ({"vidio": "a"}, "unknown field 'vidio'; did you mean video?"),
    ({"prompts": []}, "prompts is []; give a list with at least one prompt"),
    ({"prompts": [7]}, "prompts[0] is 7; give an object with clicks, box or mask"),
    ({"prompts": [{}]}, "prompts[0]: a prompt needs a click, a box or a mask"),
    ({"prompts": [{"click": [[1, 2]]}]}, "unknown field of prompts[0]: 'click'; did you mean clicks?"),
    ({"prompts": [{"clicks": [1, 2]}]}, "prompts[0]: clicks is [1, 2]; give [[x, y], …]"),
    ({"prompts": [{"clicks": [[1, 2, 0]]}]}, "clicks is [[1, 2, 0]]; give"),
    ({"prompts": [{"box": [1, 2, 3]}]}, "prompts[0]: box is [1, 2, 3]; give [x0, y0, x1, y1] in pixels"),
    ({"prompts": [{"box": [9, 2, 3, 4]}]}, "prompts[0]: box (9.0, 2.0, 3.0, 4.0) is inside out"),
    ({"prompts": [{"mask": "m.png"}]}, "prompts[0]: mask is 'm.png'"),
    ({"prompts": [{"mask": {"size": [4, 6], "counts": "9"}}]}, "give an RLE"),
    (
        {"prompts": [{"clicks": [[1, 2]], "object": 0}]},
        "prompts[0].object is 0; give a whole number, at least 1",
    ),
    ({"prompts": [{"clicks": [[1, 2]], "frame": 1.5}]}, "prompts[0].frame is 1.5; give a whole number"),
    ({"objects": {"1": 3}}, 'objects is {"1": 3}; give names by id'),
    ({"objects": [2]}, "objects leaves out object 1, which has a prompt; add it"),
    ({"objects": [1, 2]}, "objects has object 2, which has no prompt"),
    ({"range": 5}, "range is 5; give [start, stop]"),
    ({"range": [5, 5]}, "range is [5, 5]; its start must lie before its stop"),
    ({"direction": "up"}, "direction is 'up'; give both, forward or backward"),
    ({"policy": {"fill_hole": 1}}, "unknown field of policy: 'fill_hole'; did you mean fill_holes?"),
    ({"policy": {"exclusive": 1}}, "policy.exclusive is 1; give true or false"),
    ({"policy": {"batch": 0}}, "tracking batch is 0; it must be at least 1"),
    ({"policy": {"memory": {"slots": 1}}}, "memory slots is 1"),
    ({"policy": "sam"}, "policy is 'sam'; give \"sam2\" or the fields that differ"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_field_is_named(change: dict, message: str) -> None:
    with pytest.raises(MaskletError) as error:
        row_of(1, {**GOOD, **change})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_lines_do_not_stop_the_others() -> None:
    lines = [
        json.dumps(GOOD),
        "",
        "{not json",
        "[1]",
        json.dumps({**GOOD, "id": 4, "range": 3}),
        json.dumps(GOOD),
    ]
    rows, refused = read_manifest("\n".join(lines))
    assert [one.line for one in rows] == [1, 6]
    assert [one.line for one in refused] == [3, 4, 5]
    assert refused[0].error.startswith("line 3: '{not json' is not JSON")
    assert refused[1].error == "line 4: [1] is not a row; give an object with video and prompts"
    assert refused[2] == Refusal(5, refused[2].error, "clip.mp4", "4")


def test_an_empty_manifest() -> None:
    with pytest.raises(DataError, match="the manifest is empty"):
        read_manifest("\n \n")


def test_the_key_is_what_the_row_says() -> None:
    one = row_of(1, GOOD)
    key = one.key({"chunk": 4})
    assert row_of(9, {**GOOD, "id": "other"}).key({"chunk": 4}) == key
    assert row_of(1, dict(reversed(GOOD.items()))).key({"chunk": 4}) == key
    for other in ({"video": "b.mp4"}, {"range": [0, 3]}, {"policy": "sam2"}, {"direction": "forward"}):
        assert row_of(1, {**GOOD, **other}).key({"chunk": 4}) != key
    assert one.key({"chunk": 5}) != key
