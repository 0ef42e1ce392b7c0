"""`masklet evaluate` and `masklet score` from the command line: every option, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakes import squares, truth
from masklet.types import Mask
from tiny_benchmarks import ids_at, make_davis, save_grey, save_palette


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "DAVIS", two=2, one=1)


def write_categories(place: Path, *names: str) -> None:
    """meta.json as YouTube-VOS has it: object 1 is a cat, object 2 a zebra."""
    objects = {"1": {"category": "cat"}, "2": {"category": "zebra"}}
    (place / "meta.json").write_text(json.dumps({"videos": {name: {"objects": objects} for name in names}}))


def test_davis(cli: Any, root: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "report.html"
    found = cli(
        "evaluate", "davis", "--root", root, "--prompt", "mask", "--model", "m", "--device", "cpu",
        "--engine", "torch",
        "--json", out, "--html", page,
    )  # fmt: skip
    assert found.code == 0, found.err
    assert found.opened == [("m", "cpu")]
    for text in ("J&F", "two", "one", "mean over objects", "first and last frame", "fps"):
        assert text in found.out
    data = json.loads(out.read_text())
    assert data["config"]["prompt"] == "mask"
    assert data["summary"]["J&F"] > 0.6
    assert f"{100 * data['summary']['J&F']:.1f}" in found.out
    assert page.read_text().startswith("<!doctype html>")
    assert not (tmp_path / "out.json.journal").exists()


def test_every_benchmark_takes_every_option(cli: Any, root: Path, tmp_path: Path) -> None:
    """The layouts differ, the options do not."""
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "val.txt").write_text("two\none\n")
    (tmp_path / "seen.txt").write_text("cat\n")
    write_categories(root, "one", "two", "sav")
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    words = (
        "--prompt", "click", "--split", "val", "--sequence", "one", "--seen", tmp_path / "seen.txt",
        "--harder", "drop:2", "--model", "m", "--device", "cpu", "--input-size", 128, "--processes", 1,
        "--engine", "torch", "--json", out, "--html", page,
    )  # fmt: skip
    done = [
        cli("evaluate", "davis", "--root", root, *words),
        cli("evaluate", "ytvos", "--root", root, *words, "--compare", out),
        cli("evaluate", "mose", "--root", root, *words),
        cli("evaluate", "lvos", "--root", root, *words),
        cli("evaluate", "vipseg", "--root", root, *words),
    ]
    for t in range(8):
        save_grey(root / "Annotations/480p/sav/000" / f"{t:05d}.png", truth(t, 1))
        picture = root / "JPEGImages/480p/sav" / f"{t:05d}.png"
        picture.parent.mkdir(exist_ok=True)
        Image.fromarray(squares(8)[t]).save(picture)
    (root / "ImageSets" / "val.txt").write_text("sav\n")
    done.append(cli("evaluate", "sav", "--root", root, *words, "--sequence", "sav"))
    assert [d.code for d in done[:5]] == [0] * 5, [d.err for d in done]
    assert "difference" in done[1].out
    assert "every object from the frame after its first" in " ".join(done[2].out.split())
    assert "sequence one is not in" in done[5].complaint
    again = cli("evaluate", "sav", "--root", root, "--split", "val")
    assert again.code == 0, again.err
    assert "SA-V" in again.out


def test_a_folder_that_does_not_fit(cli: Any, tmp_path: Path) -> None:
    found = cli("evaluate", "ytvos", "--root", tmp_path)
    assert found.code == 1
    assert "holds no Annotations" in found.complaint


def test_sequences_split_and_harder(cli: Any, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    found = cli(
        "evaluate", "davis", "--root", root, "--sequence", "one", "--harder", "jpeg:20", "--json", out
    )
    assert found.code == 0, found.err
    data = json.loads(out.read_text())
    assert [s["name"] for s in data["sequences"]] == ["one"]
    assert data["config"]["variant"] == "jpeg:20"
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "val.txt").write_text("two\n")
    found = cli("evaluate", "davis", "--root", root, "--split", "val", "--json", tmp_path / "b.json")
    assert [s["name"] for s in json.loads((tmp_path / "b.json").read_text())["sequences"]] == ["two"]
    found = cli("evaluate", "davis", "--root", root, "--sequence", "three")
    assert found.code == 2
    assert "sequence three is not in" in found.complaint


def test_input_size_reaches_the_model(engine: Any, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from masklet.cli import program
    from masklet.predict.segmenter import Segmenter

    asked: list[dict] = []

    def load(name: str, **options: Any) -> Segmenter:
        asked.append(options)
        return Segmenter(engine)

    words = ["evaluate", "davis", "--root", str(root), "--input-size", "256", "--sequence", "one"]
    assert program.run(words, load=load) == 0
    assert asked == [{"device": None, "input_size": 256}]


def test_seen_categories_give_g(cli: Any, tmp_path: Path) -> None:
    place = make_davis(tmp_path / "Y", v=2)
    write_categories(place, "v")
    (tmp_path / "seen.txt").write_text("cat\n")
    found = cli("evaluate", "ytvos", "--root", place, "--seen", tmp_path / "seen.txt")
    assert found.code == 0, found.err
    assert "J unseen" in found.out
    found = cli("evaluate", "ytvos", "--root", place, "--seen", tmp_path / "nothing.txt")
    assert found.code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--prompt", "scribble"), "prompt 'scribble' is unknown"),
        (("--harder", "fog"), "variant fog is unknown"),
        (("--processes", "0"), "--processes 0 must be at least 1"),
        (("--json", "nowhere/out.json"), "there is no folder nowhere"),
        (("--compare", "nothing.json"), "nothing.json cannot be read"),
    ],
)
def test_wrong_words_are_told_before_the_work(cli: Any, root: Path, words: tuple, message: str) -> None:
    found = cli("evaluate", "davis", "--root", root, *words)
    assert found.code in (1, 2)
    assert message in found.complaint
    assert found.opened == []


def test_a_broken_sequence_is_told_and_the_code_is_1(cli: Any, root: Path, tmp_path: Path) -> None:
    (root / "Annotations/480p/one/00003.png").write_bytes(b"")
    found = cli("evaluate", "davis", "--root", root, "--json", tmp_path / "out.json")
    assert found.code == 1
    assert "not measured: one" in found.out
    assert json.loads((tmp_path / "out.json").read_text())["summary"]["failed"] == 1
    assert (tmp_path / "out.json.journal").exists()
    save_palette(root / "Annotations/480p/one/00003.png", ids_at(3, (1,)))
    found = cli("evaluate", "davis", "--root", root, "--json", tmp_path / "out.json")
    assert found.code == 0
    assert not (tmp_path / "out.json.journal").exists()


def test_compare_and_report(cli: Any, root: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    cli("evaluate", "davis", "--root", root, "--prompt", "mask", "--json", a)
    found = cli("evaluate", "davis", "--root", root, "--prompt", "box", "--json", b, "--compare", a)
    assert found.code == 0, found.err
    assert "95 % interval" in found.out
    assert "prompt differs" in found.out
    found = cli("evaluate", "compare", a, b)
    assert found.code == 0, found.err
    assert "J&F" in found.out
    page = tmp_path / "page.html"
    assert cli("evaluate", "report", a, b, "--html", page, "--root", root).code == 0
    assert "data:image/jpeg" in page.read_text()
    coco(tmp_path)
    cli("evaluate", "images", "--root", tmp_path / "coco", "--json", b)
    found = cli("evaluate", "report", a, b, "-o", page)
    assert (found.code, "different kinds" in found.complaint) == (2, True)


def test_interactive(cli: Any, root: Path, tmp_path: Path) -> None:
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "val.txt").write_text("one\n")
    for mode in ("offline", "online"):
        out = tmp_path / f"{mode}.json"
        found = cli(
            "evaluate", "interactive", "--root", root, "--mode", mode, "--format", "davis", "--frames", 2,
            "--clicks", 1, "--threshold", 0.9, "--sequence", "one", "--split", "val", "--harder", "jpeg:50",
            "--model", "m", "--device", "cpu", "--input-size", 128, "--processes", 1, "--json", out,
            "--html", tmp_path / "page.html", "--engine", "torch",
        )  # fmt: skip
        assert found.code == 0, found.err
        assert "annotation time" in found.out
        data = json.loads(out.read_text())
        assert [row["frames"] for row in data["summary"]["curve"]] == [1, 2]
        assert data["config"]["annotator"]["threshold"] == 0.9
    assert "annotation time" in (tmp_path / "page.html").read_text()
    found = cli(
        "evaluate", "interactive", "--root", root, "--frames", 1, "--compare", tmp_path / "online.json"
    )
    assert "B less A" in found.out
    found = cli("evaluate", "interactive", "--root", root, "--mode", "both")
    assert (found.code, "choose offline or online" in found.complaint) == (2, True)
    found = cli("evaluate", "interactive", "--root", root, "--frames", 0)
    assert found.code == 2


def coco(tmp_path: Path) -> Path:
    place = tmp_path / "coco"
    (place / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in (5, 6):
        Image.fromarray(squares(1, 2)[0]).save(place / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 128, "height": 96})
        for k in (1, 2):
            code = {"size": [96, 128], "counts": Mask.from_array(truth(0, k)).counts.decode()}
            annotations.append({"id": 10 * number + k, "image_id": number, "segmentation": code})
    (place / "instances.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return place


def test_images(cli: Any, tmp_path: Path) -> None:
    place, out = coco(tmp_path), tmp_path / "out.json"
    found = cli(
        "evaluate", "images", "--root", place, "--every", 5, "--least-area", 300, "--json", out,
        "--html", tmp_path / "page.html", "--model", "m", "--device", "cpu", "--input-size", 128,
        "--engine", "torch",
        "--processes", 1,
    )  # fmt: skip
    assert found.code == 0, found.err
    for text in ("1 click", "3 clicks", "5 clicks", "box", "best of 3"):
        assert text in found.out
    data = json.loads(out.read_text())
    assert (data["summary"]["objects"], data["summary"]["pictures"]) == (2, 1)
    assert "300 pixels" in " ".join(data["protocol"])
    assert "IoU against clicks" in (tmp_path / "page.html").read_text()
    found = cli("evaluate", "images", "--root", place, "--compare", out)
    assert "best3" in found.out
    found = cli("evaluate", "images", "--root", place / "instances.json", "--every", 7)
    assert found.code == 1
    assert "no picture to measure" in found.complaint
    assert cli("evaluate", "images", "--root", place, "--every", 0).code == 2
    found = cli("evaluate", "images", "--root", tmp_path / "p")
    assert (found.code, "expected instances.json" in found.complaint) == (1, True)


RUNS = """
models = ["m"]
[[run]]
name = "one"
protocol = "davis"
root = "DAVIS"
prompt = "box"
sequences = ["one"]
[[run]]
name = "online"
protocol = "interactive"
root = "DAVIS"
mode = "online"
frames = 1
sequences = ["one"]
[[run]]
name = "stills"
protocol = "images"
root = "coco"
most = 1
[[run]]
name = "leaving"
protocol = "clips"
root = "coco"
count = 1
[[run]]
name = "lost"
protocol = "davis"
root = "nowhere"
"""


def test_table(cli: Any, root: Path, tmp_path: Path) -> None:
    """Every run is measured once, a broken one is told, and the rest goes on; what is there is kept."""
    coco(tmp_path)
    (tmp_path / "runs.toml").write_text(RUNS)
    page, results = tmp_path / "results.md", tmp_path / "results"
    words = (tmp_path / "runs.toml", "--data", tmp_path, "--out", page, "--results", results)
    found = cli("evaluate", "table", *words, "--device", "cpu", "--processes", 1)
    assert found.code == 1
    assert "nowhere is not a folder" in found.err
    assert found.opened == [("m", "cpu")] * 4
    assert sorted(p.name for p in results.iterdir()) == [
        "clips-coco-1-1-1", "leaving.m.json", "one.m.json", "online.m.json", "stills.m.json",
    ]  # fmt: skip
    text = page.read_text()
    for heading in ("## one", "## online", "## stills", "## leaving", "## lost"):
        assert heading in text
    assert "the exact box" in text.lower()
    again = cli("evaluate", "table", *words)
    assert (again.code, again.opened, page.read_text()) == (1, [], text)
    (results / "stills.m.json").unlink()
    only = cli("evaluate", "table", *words, "--only", "one", "--only", "stills", "--render-only")
    assert (only.code, only.opened) == (1, [])
    assert "stills.m.json cannot be read" in page.read_text()
    found = cli("evaluate", "table", *words, "--only", "stills")
    assert (found.code, len(found.opened)) == (0, 1)
    assert page.read_text().index("## one") < page.read_text().index("## stills")  # others stay
    found = cli("evaluate", "table", *words, "--only", "two")
    assert (found.code, "run two is not in the list" in found.complaint) == (2, True)
    (tmp_path / "runs.toml").write_text(RUNS.replace('"box"', '"mask"'))
    found = cli("evaluate", "table", *words, "--only", "one")
    assert (found.code, len(found.opened)) == (0, 1)  # other settings are measured anew


def test_score(cli: Any, root: Path, tmp_path: Path) -> None:
    for t in range(8):
        save_palette(tmp_path / "p/two" / f"{t:05d}.png", np.roll(ids_at(t, (1, 2)), 2, 1))
    words = ("--gt", root, "--pred", tmp_path / "p", "--processes", 1)
    found = cli("score", *words, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    assert found.code == 1
    assert "one has no predictions" in found.out
    assert found.opened == []
    found = cli("score", *words, "--format", "davis", "--predicted-only", "--json", tmp_path / "b.json")
    assert found.code == 0, found.err
    assert json.loads((tmp_path / "b.json").read_text())["summary"]["J"] == pytest.approx(18 / 22)
    assert cli("score", *words, "--format", "all", "--predicted-only").code == 0
    found = cli("score", *words, "--predicted-only", "--compare", tmp_path / "b.json")
    assert "difference" in found.out
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "val.txt").write_text("two\n")
    (tmp_path / "seen.txt").write_text("cat\n")
    found = cli("score", *words, "--split", "val", "--seen", tmp_path / "seen.txt")
    assert (found.code, "expected meta.json" in found.complaint) == (1, True)
    write_categories(root, "two")
    found = cli("score", *words, "--split", "val", "--seen", tmp_path / "seen.txt")
    assert found.code == 0, found.err
    found = cli("score", *words, "--format", "xyz")
    assert (found.code, "choose one of davis" in found.complaint) == (2, True)
    found = cli("score", "--gt", root, "--pred", tmp_path / "DAVIS", "--predicted-only")
    assert "predictions for no sequence" in found.complaint


def test_score_coco(cli: Any, tmp_path: Path) -> None:
    place = coco(tmp_path)
    data = json.loads((place / "instances.json").read_text())
    rows = [{"image_id": a["image_id"], "segmentation": a["segmentation"]} for a in data["annotations"]]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    found = cli("score", "--gt", place, "--pred", tmp_path / "results.json", "--format", "coco")
    assert found.code == 0, found.err
    assert "mIoU" in found.out
    assert "100.0" in found.out
    found = cli(
        "score", "--gt", place, "--pred", tmp_path / "results.json", "--format", "coco", "--split", "val"
    )
    assert (found.code, "do not go with --format coco" in found.complaint) == (2, True)


def test_clips_are_made_to_be_measured(cli: Any, tmp_path: Path) -> None:
    place, out = coco(tmp_path), tmp_path / "clips"
    words = ("--root", place, "--every", 5, "--count", 2, "--frames", 3, "--size", 64)
    made = cli(
        "evaluate", "clips", *words, "-o", out,
        "--objects", 2, "--leave", "1", "--cover", "0", "--seed", 5,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "2 clips of 3 frames" in made.out
    found = cli("evaluate", "davis", "--root", out, "--prompt", "mask")
    assert found.code == 0, found.err
    assert "clip-0001" in found.out
    assert "not empty" in cli("evaluate", "clips", *words, "-o", out).complaint
    wrong = cli("evaluate", "clips", "--root", place, "-o", tmp_path / "more", "--count", 0)
    assert (wrong.code, "--count 0 must be at least 1" in wrong.complaint) == (2, True)
