"""`masklet annotate` from the command line: a project from its first video to a retrained model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine, Impatient, inside, squares, truth
from masklet.types import Mask
from tiny_benchmarks import make_davis

pytest.importorskip("sqlalchemy", reason="the annotate extra is not installed")
pytest.importorskip("alembic", reason="the annotate extra is not installed")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: making them takes its time."""
    from masklet.annotate.database import Database

    path = tmp_path_factory.mktemp("empty") / "project.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def project(cli, tmp_path: Path, empty: Path) -> Path:
    """A project with ann, rita and you (boss), and a video `frames` of two squares."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "project.db").write_bytes(empty.read_bytes())
    assert cli("annotate", "init", folder, "--person", "boss", "--model", "m").code == 0
    assert cli("annotate", "person", folder, "ann").out == "ann is annotator\n"
    assert cli("annotate", "person", folder, "rita", "--role", "reviewer").code == 0
    return folder


@pytest.fixture
def filled(cli, project: Path, frames: Path) -> Path:
    assert cli("annotate", "import", project, frames).out == "frames: 8 frames\n"
    return project


def click(t: int, object_id: int) -> str:
    return "{},{}".format(*inside(t, object_id))


def test_the_help_of_a_project_lists_the_steps(cli, project: Path) -> None:
    whole = cli("annotate", "--help")
    assert cli("annotate", project, "--help").out == whole.out
    assert "retrain" in whole.out
    assert "status" in cli("annotate", project, "status", "--help").out


def test_a_video_is_removed(cli, filled: Path) -> None:
    arguments = ("--video", "frames", "--frame", "2", "--click", click(2, 1))
    assert cli("annotate", "prompt", filled, *arguments, "--person", "ann").code == 0
    refused = cli("annotate", filled, "remove", "frames")
    assert refused.code != 0
    assert "frames has 1 masklet; --with-masklets" in refused.err
    done = cli("annotate", filled, "remove", "frames", "--with-masklets")
    assert done.out == "frames is removed, with 1 masklet\n"
    assert cli("annotate", "status", filled, "--json").json["videos"] == {}


def test_from_a_video_to_verified_masklets(cli, filled: Path, tmp_path: Path) -> None:
    arguments = ("--video", "frames", "--frame", "2", "--click", click(2, 1), "--category", "cat")
    done = cli("annotate", "prompt", filled, *arguments, "--person", "ann", "--seconds", "4", "--json")
    assert done.code == 0, done.err
    assert (done.json["id"], done.json["status"], done.json["category"]) == (1, "open", "cat")
    done = cli("annotate", "prompt", filled, "--masklet", "1", "--submit", "--person", "ann")
    assert "submitted" in done.out
    waiting = cli("annotate", "next", filled, "--duty", "verify", "--person", "rita", "--json").json
    assert (waiting["entry"]["id"], waiting["person"]) == (1, "rita")
    look = tmp_path / "look.mp4"
    assert cli("annotate", "review", filled, "--masklet", "1", "--play", look, "--person", "rita").code == 0
    assert look.stat().st_size > 0
    bad = ("--verdict", "unsatisfactory", "--reason", "boundary", "--note", "see the ear", "--seconds", "9")
    assert (
        "unsatisfactory" in cli("annotate", "review", filled, "--masklet", "1", *bad, "--person", "rita").out
    )
    back = cli("annotate", "next", filled, "--duty", "annotate", "--person", "ann")
    assert "it came back: boundary" in back.out
    more = ("--masklet", "1", "--frame", "5", "--box", "0,0,60,30", "--phase", "3", "--submit")
    done = cli("annotate", "prompt", filled, *more, "--person", "ann", "--device", "cpu")
    assert done.code == 0, done.err
    assert done.opened == [("m", "cpu")]
    good = cli("annotate", "review", filled, "--verdict", "satisfactory", "--person", "rita", "--json")
    assert good.json["status"] == "satisfactory"
    second = ("--second", "--verdict", "satisfactory", "--person", "boss")
    assert "satisfactory" in cli("annotate", "review", filled, *second).out
    nothing = cli("annotate", "next", filled, "--duty", "verify", "--second", "--person", "rita")
    assert nothing.out == "nothing to verify\n"
    standing = cli("annotate", filled, "status", "--json").json
    assert standing["statuses"]["satisfactory"] == 1
    assert standing["phases"]["3"]["edited"] == 2 / 8
    assert standing["people"]["rita"]["seconds"] == 9
    assert standing["agreement"]["same"] == 1
    shown = cli("annotate", filled).out
    assert "satisfactory" in shown
    assert "two reviewers agree: 100.0 % of 1 pairs" in shown


def test_automatic_masklets_wait_for_verification(cli, filled: Path) -> None:
    search = ("--points-per-side", "12", "--predicted-iou", "0.8", "--stability", "0.3", "--interval", "4")
    done = cli("annotate", "auto", filled, *search, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert done.json["masklets"]["frames"] >= 2
    assert (
        cli("annotate", "auto", filled, *search).out == "every video has masklets; name one to look again\n"
    )
    again = cli("annotate", "auto", filled, "frames", *search, "--preset", "fast", "--json")
    assert again.json["masklets"]["frames"] == 0
    assert (
        cli("annotate", "next", filled, "--person", "rita", "--json").json["entry"]["origin"] == "automatic"
    )


def test_nothing_found_says_what_to_do(cli, filled: Path) -> None:
    strict = ("--points-per-side", "4", "--predicted-iou", "1", "--interval", "0")
    done = cli("annotate", "auto", filled, *strict)
    assert done.out == (
        "frames: nothing was sure enough; lower --stability (0.85) or --predicted-iou (1) to see more\n"
    )


def test_a_damaged_video_keeps_what_was_found_before(cli, filled: Path, frames: Path) -> None:
    (frames / "5.png").write_bytes((frames / "5.png").read_bytes()[:80])
    search = ("--points-per-side", "12", "--stability", "0.3", "--interval", "4")
    done = cli("annotate", "auto", filled, *search, "--json")
    assert done.code == 1
    assert "frame 5 of 8" in done.complaint
    assert done.json["masklets"]["frames"] >= 2


class TestCtrlC:
    @pytest.fixture
    def engine(self) -> FakeEngine:
        return Impatient(at=4)

    def test_a_video_searched_in_part_is_searched_again(self, cli, filled: Path) -> None:
        done = cli("annotate", "auto", filled, "--points-per-side", "12", "--stability", "0.3")
        assert done.code == 130
        assert "the same command begins video frames anew" in done.complaint
        assert cli("annotate", filled, "--json").json["statuses"]["submitted"] == 0


def test_annotations_in_and_out(cli, project: Path, tmp_path: Path) -> None:
    data = make_davis(tmp_path / "DAVIS", two=2)
    done = cli(
        "annotate", "import", project, data, "--format", "davis", "--verified",
        "--videos", data / "JPEGImages" / "480p", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json[0]["masklets"] == 2
    out = tmp_path / "out"
    exported = cli("annotate", "export", project, out, "--format", "coco", "--frames", "--json")
    assert (exported.json["videos"], exported.json["masklets"]) == (1, 2)
    annotation = json.loads((out / "instances.json").read_text())["annotations"][0]
    mask = annotation["segmentations"][3]
    assert Mask(mask["counts"].encode(), 96, 128) == Mask.from_array(truth(3, 1))
    assert (out / "two" / "00003.jpg").is_file()
    assert (
        "no masklet is rejected yet"
        in cli("annotate", "export", project, out, "--status", "rejected").complaint
    )
    assert cli("annotate", "export", project, out, "--status", "lost").code == 2


def test_videos_may_be_renamed_and_folders_hold_several(
    cli, project: Path, frames: Path, tmp_path: Path
) -> None:
    assert cli("annotate", "import", project, frames, "--name", "walk").out == "walk: 8 frames\n"
    assert cli("annotate", "import", project, frames, frames, "--name", "x").code == 2
    assert "does not exist" in cli("annotate", "import", project, tmp_path / "lost").complaint


def test_a_refused_prompt_leaves_no_masklet(cli, filled: Path) -> None:
    wrong = cli("annotate", "prompt", filled, "--video", "frames", "--click", "999,1", "--person", "ann")
    assert "outside the frame" in wrong.complaint
    assert cli("annotate", "status", filled, "--json").json["statuses"]["open"] == 0
    for bad in ([], ["--video", "frames"], ["--video", "frames", "--masklet", "1", "--submit"]):
        assert cli("annotate", "prompt", filled, *bad).code == 2
    assert cli("annotate", "review", filled).code == 2


def test_the_annotator_can_look_too(cli, filled: Path, tmp_path: Path) -> None:
    look = tmp_path / "look.mp4"
    made = ("--video", "frames", "--click", click(0, 1), "--person", "ann")
    assert cli("annotate", "prompt", filled, *made, "--play", tmp_path / "look.avi").code == 2
    assert cli("annotate", "status", filled, "--json").json["statuses"]["open"] == 0
    assert cli("annotate", "prompt", filled, *made, "--play", look).code == 0
    look.unlink()
    again = cli("annotate", "prompt", filled, "--masklet", "1", "--play", look, "--person", "boss")
    assert (again.code, again.opened) == (0, [])
    assert look.stat().st_size > 0
    held = cli("annotate", "status", filled, "--json").json["held"]
    assert held["1"]["person"] == "ann"


def test_a_correction_stays_in_its_phase(cli, filled: Path) -> None:
    first = ("--video", "frames", "--click", click(0, 1), "--phase", "1", "--person", "ann", "--json")
    assert cli("annotate", "prompt", filled, *first).json["phase"] == 1
    more = ("--masklet", "1", "--frame", "3", "--click", click(3, 1), "--person", "ann", "--json")
    assert cli("annotate", "prompt", filled, *more).json["phase"] == 1
    status = cli("annotate", filled, "--json").json
    assert status["phases"]["1"]["edited"] == 2 / 8
    assert status["phases"]["1"]["seconds"] is None  # nobody said how long it took
    assert "–" in cli("annotate", filled).out


def test_a_wrong_verdict_holds_nothing(cli, filled: Path) -> None:
    cli(
        "annotate",
        "prompt",
        filled,
        "--video",
        "frames",
        "--click",
        click(0, 1),
        "--submit",
        "--person",
        "ann",
    )
    for wrong in (("good",), ("rejected",), ("rejected", "--reason", "blurry")):
        assert cli("annotate", "review", filled, "--verdict", *wrong, "--person", "rita").code == 2
    assert cli("annotate", filled, "--json").json["held"] == {}
    assert cli("annotate", "review", filled, "--verdict", "satisfactory", "--person", "rita").code == 0
    again = cli(
        "annotate", "review", filled, "--masklet", "1", "--verdict", "satisfactory", "--person", "boss"
    )
    assert "nothing to verify but a second opinion (--second)" in again.complaint


def test_a_masklet_can_be_kept_for_somebody(cli, filled: Path) -> None:
    cli("annotate", "prompt", filled, "--video", "frames", "--click", click(0, 1), "--person", "boss")
    assert cli("annotate", "assign", filled, "1", "ann").out == "masklet 1 is for ann\n"
    assert cli("annotate", "assign", filled, "1").out == "masklet 1 is for anybody\n"


def test_simulation_prints_the_papers_table(cli, project: Path, tmp_path: Path) -> None:
    data, out = make_davis(tmp_path / "DAVIS", frames=6, one=1, two=2), tmp_path / "phases.json"
    done = cli(
        "annotate", "simulate", project, "--data", data, "--format", "davis", "--sequence", "two",
        "--quality", "0.5", "--clicks", "4", "--processes", "1", "--device", "cpu", "--json", out,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "at equal J&F" in done.out
    assert "people, SAM 2 paper" in done.out
    result = json.loads(out.read_text())
    assert [line["phase"] for line in result["equal"]] == [1, 2, 3]
    assert list(result["videos"]) == ["two"]
    assert not out.with_name("phases.json.partial").exists()
    assert cli("annotate", "simulate", project, "--data", data, "--quality", "2").code == 2
    assert cli("annotate", "simulate", project, "--data", data, "--clicks", "0").code == 2


def test_retraining_hands_its_options_on(cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from masklet.annotate import retrain
    from masklet.evaluate.compare import Difference

    plans = []

    def learn(project, load, plan, *, on_step, stopped):
        plans.append(plan)
        on_step(1, 1, 0.5)
        gain = Difference(0.5, 0.6, 0.1, 0.05, 0.15, 1.0, 4, 2)
        return retrain.Retrained(Path("m/round-1.safetensors"), "old", True, gain, ("a",), ("b", "c"))

    monkeypatch.setattr(retrain, "retrain", learn)
    options = ("--preset", "gpu", "--steps", "7", "--least-gain", "1", "--device", "cpu")
    done = cli("annotate", "retrain", project, *options)
    assert "50.0 before, 60.0 after (+10.0, 95 % from +5.0 to +15.0): adopted" in done.out
    assert plans == [retrain.Plan("gpu", 7, 0.01, device="cpu")]
    assert cli("annotate", "retrain", project, "--json").json["adopted"] is True
    assert "preset 'tpu'" in cli("annotate", "retrain", project, "--preset", "tpu").complaint


def test_one_video_gives_no_interval(cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from masklet.annotate import retrain
    from masklet.evaluate.compare import Difference

    gain = Difference(0.998, 0.994, -0.004, -0.004, -0.004, 0.0, 1, 1)
    done = retrain.Retrained(Path("m/round-1.safetensors"), "m", False, gain, ("a",), ("b",))
    monkeypatch.setattr(retrain, "retrain", lambda *_, **__: done)
    line = cli("annotate", "retrain", project).out.splitlines()[0]
    assert line == (
        "J&F on 1 object of 1 video held out: 99.8 before, 99.4 after (-0.4, one video gives no interval): "
        "not adopted, m stays"
    )


def test_interrupted_retraining_says_so(cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from masklet.annotate import retrain

    monkeypatch.setattr(retrain, "retrain", lambda *_, **__: None)
    done = cli("annotate", "retrain", project)
    assert done.code == 130
    assert "the same command goes on" in done.complaint


def test_a_database_of_another_kind_is_refused(cli, tmp_path: Path) -> None:
    done = cli("annotate", "init", tmp_path / "p", "--database", "oracle://x/y")
    assert done.code == 2
    assert "postgresql://" in done.complaint


def test_a_wrong_command_is_named(cli, project: Path) -> None:
    for words in ((project, "dance"), ("dance", project)):
        assert "No such command 'dance'" in cli("annotate", *words).complaint
    assert cli("annotate", project, "--json").json["model"] == "m"


def test_what_an_import_cannot_use_is_told(cli, filled: Path, frames: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "notes.txt").write_text("words")
    for name, held in (
        ("nothing", "it holds no video"),
        ("notes.txt", "no video, picture or known annotation"),
    ):
        assert held in cli("annotate", "import", filled, tmp_path / name).complaint
    assert cli("annotate", "import", filled, frames).out == "frames: 8 frames, in the project already\n"


def test_a_folder_that_is_no_project(cli, tmp_path: Path) -> None:
    assert "is no project" in cli("annotate", tmp_path, "status").complaint


def test_everything_in_a_video(cli, frames: Path, tmp_path: Path) -> None:
    """`masklet auto` on a video."""
    masks, painted = tmp_path / "masks.json", tmp_path / "painted.mp4"
    search = ("--points-per-side", "12", "--stability", "0.3", "--interval", "4")
    done = cli("auto", frames, *search, "-o", masks, "--json")
    assert done.code == 0, done.err
    from masklet.video.json_masks import read_masklets

    found = read_masklets(masks)
    assert len(found) == len(done.json["masklets"]) >= 2
    right = [Mask.from_array(truth(t, 1)) for t in range(8)]
    best = max(sum(m.masks[t].iou(right[t]) for t in m.masks) / 8 for m in found.values())
    assert best > 0.6
    assert cli("auto", frames, *search, "--preset", "fast", "-o", painted).code == 0
    assert painted.stat().st_size > 0
    alone = cli("auto", frames, *search, "--json").json["masklets"]
    assert set(alone[0]["masks"]) <= {str(t) for t in range(8)}
    assert cli("auto", frames, "-o", tmp_path / "x.gif").code == 2
    assert cli("auto", frames, "--preset", "huge", "--json").code == 2


def test_a_picture_is_still_a_picture(cli, tmp_path: Path) -> None:
    Image.fromarray(np.asarray(squares(1)[0])).save(tmp_path / "p.png")
    assert "masks" in cli("auto", tmp_path / "p.png", "--points-per-side", "4", "--json").json
