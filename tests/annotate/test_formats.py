"""Annotation files: there and back, and what other tools write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fakes import truth
from masklet import rle
from masklet.annotate import masklets, tasks, verify
from masklet.annotate.formats import FORMATS, Labelled, VideoLabels, find_format, safe_name, yolo
from masklet.annotate.formats.brush import decode_brush, encode_brush
from masklet.annotate.formats.link import linked
from masklet.annotate.formats.segmentation import filled, from_row_runs, polygons_of, row_runs
from masklet.annotate.project import Project
from masklet.annotate.statistics import disappears, statistics
from masklet.annotate.transfer import export_labels, import_labels, videos_in
from masklet.annotate.whole_folder import PART, whole_folder
from masklet.errors import ConfigError, DataError, MaskError, ProjectError, SinkError
from masklet.types import Mask

EMPTY = Mask.empty(96, 128)


def square(t: int, object_id: int) -> Mask:
    return Mask.from_array(truth(t, object_id))


def example(frames: int = 9) -> list[VideoLabels]:
    """Two videos: one with two objects, one of which goes away and comes back; one with a single object."""
    comes_back = {t: EMPTY if t in (3, 4) else square(t, 2) for t in range(frames)}
    stays = {t: square(t, 1) for t in range(frames)}
    return [
        VideoLabels(
            "walk",
            128,
            96,
            frames,
            {
                1: Labelled(stays, "cat", frozenset({0, 5}), "imported"),
                2: Labelled(comes_back, "dog", frozenset({0}), "automatic"),
            },
            rate=25.0,
        ),
        VideoLabels(
            "run", 128, 96, frames, {1: Labelled({t: square(t, 3) for t in range(frames)}, "dog")}, 25.0
        ),
    ]


SIZES = {"walk": (128, 96, 9), "run": (128, 96, 9)}


def there_and_back(folder: Path, format: str) -> dict[str, VideoLabels]:
    folder.mkdir()
    FORMATS[format].write(folder, example())
    assert find_format(folder) == format
    read = yolo.read(folder, SIZES) if format == "yolo" else FORMATS[format].read(folder)
    return {labels.name: labels for labels in read}


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_there_and_back(tmp_path: Path, format: str) -> None:
    found = there_and_back(tmp_path / "out", format)
    step = 4 if format == "sav" else 1  # SA-V keeps every fourth frame
    for video in example():
        back = found[video.name]
        assert (back.width, back.height, back.frames, back.notes) == (128, 96, 9, ())
        assert len(back.masklets) == len(video.masklets)
        for (number, one), (number_back, other) in zip(
            video.masklets.items(), sorted(back.masklets.items()), strict=True
        ):
            assert number_back == number
            for t in range(0, 9, step):
                if format == "yolo":
                    assert other.masks[t].iou(one.masks[t]) > 0.95
                else:
                    assert other.masks[t] == one.masks[t], (t, number)
            assert set(other.masks) == set(range(0, 9, step))
            if format not in ("sav", "davis"):  # these name no categories
                assert other.category == one.category


@pytest.mark.parametrize("format", ["coco", "cvat", "labelstudio"])
def test_what_a_format_can_say_of_prompts_and_origin_is_kept(tmp_path: Path, format: str) -> None:
    walk = there_and_back(tmp_path / "out", format)["walk"].masklets
    assert walk[1].prompted == {0, 5}
    assert (walk[1].origin, walk[2].origin) == ("imported", "automatic")


def test_sav_separates_people_and_model_and_counts(tmp_path: Path) -> None:
    FORMATS["sav"].write(tmp_path, example())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "run_manual.json",
        "statistics.json",
        "walk_auto.json",
        "walk_manual.json",
    ]
    content = json.loads((tmp_path / "walk_auto.json").read_text())
    assert content["masklet_num"] == 1
    assert content["masklet_frame_count"] == [3]
    assert content["masklet_visibility_changes"] == [2]  # frames 0, 4, 8: there, away, there
    assert content["masklet_first_appeared_frame"] == [0]
    assert content["masklet_size_abs"] == [square(0, 2).area]
    counted = json.loads((tmp_path / "statistics.json").read_text())
    assert counted["disappearance_rate"] == pytest.approx(1 / 3)


def test_statistics_by_hand() -> None:
    found = statistics(example())
    assert (found.videos, found.masklets, found.masks) == (2, 3, 9 + 7 + 9)
    assert found.seconds == pytest.approx(18 / 25)
    # 400 of 12,288 pixels: 3.3 %
    assert found.areas == (0, 0, 1, 0, 0, 0, 0)
    assert found.below_tenth == 1
    assert found.length == (9, 9, 9)
    assert found.categories == {"cat": 1, "dog": 2}
    assert statistics([]).disappearance is None
    full = Mask.from_array(np.ones((96, 128), bool))
    assert statistics([VideoLabels("v", 128, 96, 1, {1: Labelled({0: full})})]).areas[-1] == 1


@pytest.mark.parametrize(
    ("seen", "expected"), [("110", False), ("011", False), ("101", True), ("000", False), ("0110", False)]
)
def test_disappearing_is_going_and_coming_back(seen: str, expected: bool) -> None:
    assert disappears({t: square(0, 1) if c == "1" else EMPTY for t, c in enumerate(seen)}) is expected


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 9), st.lists(st.booleans(), min_size=63, max_size=63))
def test_runs_there_and_back(height: int, width: int, bits: list[bool]) -> None:
    array = np.array(bits[: height * width]).reshape(height, width)
    assert (from_row_runs(row_runs(array), height, width) == array).all()
    assert (decode_brush(encode_brush(array), height, width) == array).all()


def test_long_runs_of_a_brush() -> None:
    array = np.zeros((300, 400), bool)
    array[150:, :] = True  # runs of 240,000 bytes do not fit into 16 bits
    assert (decode_brush(encode_brush(array), 300, 400) == array).all()


def test_a_brush_code_of_single_words() -> None:
    # 4 bytes (one pixel), word size 8, run sizes 4 8 12 16; one block of 4 different words.
    bits = f"{4:032b}" + "00111" + "0011" + "0111" + "1011" + "1111"
    bits += "0" + "00" + "0011" + "".join(f"{v:08b}" for v in (1, 2, 3, 200))
    bits += "0" * (-len(bits) % 8)
    code = [int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)]
    assert decode_brush(code, 1, 1).all()
    with pytest.raises(MaskError, match="no picture of 2×2"):
        decode_brush(code, 2, 2)
    with pytest.raises(MaskError, match="damaged"):
        decode_brush(code[:8], 1, 1)


def test_outlines_fill_to_what_they_outline() -> None:
    array = np.zeros((40, 60), bool)
    array[5:20, 10:30] = True
    array[25:35, 40:41] = True  # one pixel wide
    mask = Mask.from_array(array)
    assert filled(polygons_of(mask), 40, 60) == mask
    joined = yolo.joined(polygons_of(mask))
    assert filled([joined], 40, 60).iou(mask) > 0.9


def test_objects_are_linked_by_where_they_are() -> None:
    frames = {t: [("a", square(t, 2)), ("a", square(t, 1))] for t in range(3)}
    frames[4] = [("a", square(4, 1)), ("b", square(4, 2))]  # frame 3 is missing, object 2 is something else
    found = linked(frames)
    assert [sorted(seen) for seen in found.values()] == [[0, 1, 2], [0, 1, 2, 4], [4]]
    assert found[2][4][1] == square(4, 1)


def test_cvat_polygons_and_boxes(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        """<annotations><meta><task><size>3</size><name>clip.mp4</name>
        <original_size><width>20</width><height>10</height></original_size></task></meta>
        <track id="0" label="fish">
          <polygon frame="0" keyframe="1" outside="0" points="2,2;8,2;8,6;2,6"/>
          <polygon frame="1" keyframe="0" outside="1" points="2,2;8,2;8,6;2,6"/>
          <box frame="2" keyframe="1" outside="0" xtl="1" ytl="1" xbr="5" ybr="5"/>
        </track></annotations>"""
    )
    (labels,) = FORMATS["cvat"].read(tmp_path / "a.xml")
    fish = labels.masklets[1]
    assert (labels.name, labels.frames, fish.category, fish.prompted) == ("clip", 3, "fish", {0})
    assert fish.masks[0].area == 24
    assert fish.masks[1].is_empty
    assert 2 not in fish.masks
    assert labels.notes == ("track 0, frame 2: a box is no mask",)


def test_label_studio_as_it_exports(tmp_path: Path) -> None:
    def task(t: int, **region) -> dict:
        common = {"original_width": 128, "original_height": 96}
        return {
            "data": {"image": f"/data/upload/walk/frame_{t:03d}.jpg"},
            "annotations": [{"result": [{**common, **region}]}],
        }

    brush = {"format": "rle", "rle": encode_brush(truth(0, 1)), "brushlabels": ["cat"]}
    x0, y0, x1, y1 = square(1, 1).box or (0, 0, 0, 0)
    corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    points = [[x / 1.28, y / 0.96] for x, y in corners]
    tasks_ = [
        task(0, type="brushlabels", value=brush),
        task(1, type="polygonlabels", value={"points": points, "polygonlabels": ["cat"]}),
        task(2, type="rectanglelabels", value={}),
    ]
    (tmp_path / "x.json").write_text(json.dumps(tasks_))
    assert find_format(tmp_path / "x.json") == "labelstudio"
    (labels,) = FORMATS["labelstudio"].read(tmp_path / "x.json")
    assert (labels.name, labels.frames) == ("walk", 3)
    assert labels.masklets[1].masks == {0: square(0, 1), 1: square(1, 1)}
    assert labels.notes == ("frame 2: a rectanglelabels is no mask",)


def test_youtube_vis_as_it_comes(tmp_path: Path) -> None:
    """Uncompressed runs, no object ids, and a mask that does not fit."""
    runs = rle.runs(square(0, 1).counts)
    content = {
        "videos": [
            {
                "id": 7,
                "width": 128,
                "height": 96,
                "length": 3,
                "file_names": [f"walk/{t}.jpg" for t in range(3)],
            }
        ],
        "categories": [{"id": 3, "name": "person"}],
        "annotations": [
            {
                "id": 90,
                "video_id": 7,
                "category_id": 3,
                "segmentations": [
                    {"size": [96, 128], "counts": runs},
                    None,
                    {"size": [5, 5], "counts": [25]},
                ],
            }
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (labels,) = FORMATS["coco"].read(tmp_path)
    assert (labels.name, labels.masklets[1].category) == ("walk", "person")
    assert labels.masklets[1].masks == {0: square(0, 1)}
    assert labels.notes[0].startswith("annotation 90, frame 2")


def test_yolo_without_tracks_is_linked_and_sizes_come_from_pictures(tmp_path: Path) -> None:
    FORMATS["yolo"].write(tmp_path, example())
    (tmp_path / "tracks.json").unlink()
    with pytest.raises(DataError, match="does not tell its picture's size"):
        yolo.read(tmp_path)
    (tmp_path / "images" / "train").mkdir(parents=True)
    for name in SIZES:
        Image.new("RGB", (128, 96)).save(tmp_path / "images" / "train" / f"{name}_00000.jpg")
    found = {labels.name: labels for labels in FORMATS["yolo"].read(tmp_path)}
    walk = {one.category: one for one in found["walk"].masklets.values()}
    assert walk["cat"].masks[8].iou(square(8, 1)) > 0.95
    assert walk["dog"].masks[3].is_empty
    assert walk["dog"].masks[8].iou(square(8, 2)) > 0.95


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("x.json", "{", "coco"),
        ("x.json", '{"videos": []}', "coco"),
        ("x.json", '[{"a": 1}]', "labelstudio"),
        ("x.xml", "<annotations/>", "cvat"),
        ("x.xml", "<annot", "cvat"),
        ("x_manual.json", "{}", "sav"),
    ],
)
def test_damaged_files_are_told_in_a_line(tmp_path: Path, name: str, content: str, format: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match="x"):
        FORMATS[format].read(tmp_path / name)


def test_labels_must_fit_their_video() -> None:
    with pytest.raises(DataError, match="frame 5 is outside"):
        VideoLabels("v", 128, 96, 5, {1: Labelled({5: EMPTY})})
    with pytest.raises(DataError, match="the mask is 128×96, the video 1×1"):
        VideoLabels("v", 1, 1, 5, {1: Labelled({0: EMPTY})})


def test_names_lead_nowhere_else() -> None:
    assert safe_name("../../etc/passwd") == "_.._etc_passwd"
    with pytest.raises(DataError, match="no name"):
        safe_name("..")


# ── in and out of a project ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_a_project_exports_what_another_one_imports(
    small: Project, make_video, add_masklet, tmp_path: Path, format: str, empty_sqlite: Path
) -> None:
    small.add_video(make_video())
    for object_id in (1, 2):
        entry = add_masklet(small, object_id=object_id, category="cat")
    task = tasks.claim(small, "rita", "verify", masklet=entry.id)
    assert task is not None
    verify.judge(small, task, "satisfactory")
    done = export_labels(small, tmp_path / "out", format, frames=format == "yolo")
    assert (done.videos, done.masklets) == (1, 1)
    brought = import_labels(small, tmp_path / "out", verified=True)
    assert (brought.format, brought.videos, brought.masklets) == (format, ("walk",), 1)
    new = masklets.find(small)[-1]
    assert (new.number, new.status) == (3, "satisfactory")  # 2 is taken
    kept = masklets.masks(small, new.id)
    assert all(kept[t].mask.iou(square(t, 2)) > 0.95 for t in kept)


def test_export_writes_frames_where_they_belong(
    small: Project, make_video, add_masklet, tmp_path: Path
) -> None:
    small.add_video(make_video())
    add_masklet(small)
    with pytest.raises(ProjectError, match="no masklet is satisfactory yet"):
        export_labels(small, tmp_path / "out", "davis")
    export_labels(small, tmp_path / "out", "davis", statuses=["submitted"], frames=True)
    assert len(list((tmp_path / "out" / "JPEGImages" / "480p" / "walk").glob("*.jpg"))) == 6
    with pytest.raises(
        SinkError, match=r"is not empty \(it holds Annotations and 2 more\); name a new folder"
    ):
        export_labels(small, tmp_path / "out", "coco", statuses=["submitted"])
    # The folder is a data set: it brings its own video along.
    small.add_person("x")
    with pytest.raises(ProjectError, match="video walk is"):
        small.add_video(tmp_path / "out" / "JPEGImages" / "480p" / "walk")


def test_a_folder_is_filled_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with whole_folder(folder) as part:
            (part / "half").touch()
            raise ZeroDivisionError

    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(ZeroDivisionError):
            fail(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    (tmp_path / "killed" / PART).mkdir(parents=True)
    (tmp_path / "killed" / PART / "half").touch()
    with whole_folder(tmp_path / "killed") as part:
        (part / "deep").mkdir()
        (part / "deep" / "file").touch()
    assert [p.name for p in (tmp_path / "killed").rglob("*")] == ["deep", "file"]
    with pytest.raises(SinkError, match="is no folder; name a new one"), whole_folder(Path(__file__)):
        pass


def test_labels_of_a_renamed_video_find_it(small: Project, make_video, tmp_path: Path) -> None:
    small.add_video(make_video("walk", frames=6), "march")
    (tmp_path / "labels").mkdir()
    FORMATS["coco"].write(tmp_path / "labels", example(6)[:1])
    assert import_labels(small, tmp_path / "labels", videos=tmp_path / "videos").masklets == 2
    assert {entry.video for entry in masklets.find(small)} == {"march"}


def test_labels_bring_their_videos_or_say_what_is_missing(small: Project, make_video, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    out.mkdir()
    FORMATS["coco"].write(out, example(6)[:1])
    with pytest.raises(DataError, match="video walk is neither in the project nor in"):
        import_labels(small, out)
    make_video("walk", frames=4)
    with pytest.raises(DataError, match="has 4 frames"):
        import_labels(small, out, videos=tmp_path / "videos")
    assert masklets.find(small) == ()
    small.database.write(lambda c: c.exec_driver_sql("DELETE FROM video") and None)
    (tmp_path / "videos" / "walk").rename(tmp_path / "short")
    make_video("walk", frames=6)
    done = import_labels(small, out, videos=tmp_path / "videos")
    assert done.masklets == 2
    assert {e.origin for e in masklets.find(small)} == {"imported", "automatic"}


def test_where_one_video_is_missing_nothing_comes_in(small: Project, make_video, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    both = [replace(example(6)[0], name=name) for name in ("walk", "run")]
    FORMATS["coco"].write(tmp_path / "labels", both)
    small.add_video(make_video("walk", frames=6))
    with pytest.raises(DataError, match="video run is neither"):
        import_labels(small, tmp_path / "labels")
    assert masklets.find(small) == ()


def test_what_a_path_is(tmp_path: Path, make_video) -> None:
    folder = make_video()
    assert videos_in(folder) == [folder]
    (tmp_path / "films").mkdir()
    for name in ("b.mp4", "a.mov", "notes.md"):
        (tmp_path / "films" / name).touch()
    assert [p.name for p in videos_in(tmp_path / "films")] == ["a.mov", "b.mp4"]
    assert videos_in(tmp_path / "films" / "b.mp4") == [tmp_path / "films" / "b.mp4"]
    FORMATS["davis"].write(tmp_path / "films", example())
    assert videos_in(tmp_path / "films") == []
    with pytest.raises(DataError, match="does not exist"):
        videos_in(tmp_path / "lost")
    with pytest.raises(ConfigError, match="cannot tell what"):
        find_format(folder)
