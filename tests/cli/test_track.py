"""`masklet track` from the command line to its files."""

from __future__ import annotations

import os
import signal
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine, Impatient, inside, squares, truth, write_video
from masklet.errors import SinkError
from masklet.types import Frame, FrameMasks, Masklet
from masklet.video.file import VideoFile
from masklet.video.json_masks import read_masklets
from masklet.video.overlay_video import OverlayVideo


def spot(object_id: int, t: int = 0) -> str:
    x, y = inside(t, object_id)
    return f"{x},{y}"


def follows(masklet: Masklet, object_id: int, frames: range) -> bool:
    """Whether the masks lie on the object's square on just these frames."""
    if list(masklet.masks) != list(frames):
        return False
    for t, mask in masklet.masks.items():
        a, b = mask.to_array(), truth(t, object_id)
        if (a & b).sum() / (a | b).sum() < 0.6:
            return False
    return True


def write_noisy_video(path: Path) -> Path:
    """The same with a second and a half of sound, which starts with the pictures and gets louder."""
    silent = write_video(path.with_name("silent.mp4"))
    with av.open(str(silent)) as given, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(given.streams.video[0])
        audio = out.add_stream("aac", rate=8000)
        audio.layout = "mono"
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        wave = (np.sin(np.arange(12000) / 4) * np.arange(12000) / 12000).astype(np.float32)
        for start in range(0, 12000, 1000):
            sound = av.AudioFrame.from_ndarray(wave[None, start : start + 1000], format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 8000, start
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return path


def heard(path: Path) -> np.ndarray:
    """float [N]: the sound, 8000 values a second; empty when there is none."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0)
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4")


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_example_of_the_help(cli, video: Path, tmp_path: Path) -> None:
    masks, overlay = tmp_path / "out.json", tmp_path / "overlay.mp4"
    done = cli("track", video, "--click", spot(1), "--masks", masks, "-o", overlay)
    assert done.code == 0, done.err
    assert done.out == ""
    assert "object 1 on frame 0: 1 click" in done.err
    assert "fps" in done.err
    assert follows(read_masklets(masks)[1], 1, range(8))
    shown, plain = pictures(overlay), squares(8, 2)
    assert len(shown) == 8
    x, y = inside(5, 1)
    assert np.abs(shown[5][y, x].astype(int) - plain[5][y, x]).max() > 20, "the object is not painted"
    assert np.abs(shown[5][90, 120].astype(int) - plain[5][90, 120]).max() < 20


def test_the_overlay_keeps_the_sound(cli, tmp_path: Path) -> None:
    noisy, out = write_noisy_video(tmp_path / "noisy.mp4"), tmp_path / "o.mp4"
    done = cli("track", noisy, "--click", spot(1), "-o", out)
    assert done.code == 0, done.err
    assert len(pictures(out)) == 8
    assert abs(len(heard(out)) / 8000 - 8 / 25) < 0.2  # as long as the pictures, in whole packets
    quiet = np.abs(heard(out)[:1000]).mean()
    assert (
        cli("track", noisy, "--click", spot(1, 5), "--frame", "5", "--direction", "forward", "-o", out).code
        == 0
    )
    assert len(pictures(out)) == 3
    assert np.abs(heard(out)[:1000]).mean() > 1.5 * quiet  # it is the sound of these frames


def test_the_overlay_s_pixels_are_shown_as_wide_as_the_video_s(cli, tmp_path: Path) -> None:
    wide, out = tmp_path / "wide.mp4", tmp_path / "o.mp4"
    with OverlayVideo(wide, sample_aspect=Fraction(2)) as video:
        for t, image in enumerate(squares(8, 2)):
            video.write(Frame(t, Fraction(t, 25), image), FrameMasks(t, {}))
    assert cli("track", wide, "--click", spot(1), "-o", out).code == 0
    assert VideoFile(out).sample_aspect == 2


def test_pictures_count_when_the_sound_is_lost(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SinkError("cannot put the sound there")

    monkeypatch.setattr("masklet.video.sound.with_sound", fail)
    noisy, out = write_noisy_video(tmp_path / "noisy.mp4"), tmp_path / "o.mp4"
    done = cli("track", noisy, "--click", spot(1), "-o", out)
    assert done.code == 0
    assert "o.mp4 has no sound: cannot put the sound there" in done.err
    assert len(pictures(out)) == 8


def test_frame_after_the_click_and_a_second_object(cli, frames: Path, tmp_path: Path) -> None:
    masks = tmp_path / "out.json"
    done = cli(
        "track",
        frames,
        "--click",
        spot(1, 5),
        "--frame",
        "5",
        "--object",
        "2",
        "--click",
        spot(2, 5),
        "--masks",
        masks,
    )
    assert done.code == 0, done.err
    found = read_masklets(masks)
    assert sorted(found) == [1, 2]
    assert found[1].prompted == found[2].prompted == {5}
    assert follows(found[1], 1, range(8))
    assert follows(found[2], 2, range(8))


def test_a_box(cli, frames: Path) -> None:
    done = cli("track", frames, "--box", "2,1,26,24", "--compiled", "--json")
    assert done.compiled == [True]
    assert done.json["objects"][0]["visible_frames"] == 8


def test_a_palette_picture_starts_several_objects(cli, frames: Path, tmp_path: Path) -> None:
    ids = np.zeros((96, 128), np.uint8)
    ids[truth(0, 1)], ids[truth(0, 2)] = 4, 9
    Image.fromarray(ids).save(tmp_path / "first.png")
    done = cli("track", frames, "--mask", tmp_path / "first.png", "--masks", tmp_path / "png")
    assert done.code == 0, done.err
    written = sorted((tmp_path / "png").iterdir())
    assert [path.name for path in written] == [f"{t:05d}.png" for t in range(8)]
    last = np.asarray(Image.open(written[7]))
    assert set(np.unique(last)) == {0, 4, 9}
    assert ((last == 9) & truth(7, 2)).sum() > 200


def test_a_picture_of_one_mask_for_a_named_object(cli, frames: Path, tmp_path: Path) -> None:
    Image.fromarray(truth(3, 2).astype(np.uint8) * 255).save(tmp_path / "m.png")
    done = cli("track", frames, "--frame", "3", "--object", "7", "--mask", tmp_path / "m.png", "--json")
    assert [row["object"] for row in done.json["objects"]] == [7]
    assert done.json["objects"][0]["prompted"] == [3]


def test_direction_and_limit(cli, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.json"
    start = ("--frame", "4", "--click", spot(1, 4), "--masks", out)
    for arguments, expected in (
        (("--direction", "forward"), [4, 5, 6, 7]),
        (("--direction", "backward"), [0, 1, 2, 3, 4]),
        (("--limit", "2"), [2, 3, 4, 5, 6]),
    ):
        assert cli("track", frames, *start, *arguments).code == 0
        assert list(read_masklets(out)[1].masks) == expected


def test_an_overlay_of_a_backward_run_is_in_the_order_of_time(cli, frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.mp4"
    done = cli(
        "track", frames, "--frame", "4", "--click", spot(1, 4), "--direction", "backward", "--output", out
    )
    assert done.code == 0, done.err
    shown = pictures(out)
    assert len(shown) == 5
    plain = squares(5, 2)
    for t in (0, 4):
        background = ~(truth(t, 1) | truth(t, 2))
        background[:, ::1] &= np.roll(background, 4, 1) & np.roll(background, -4, 1)
        difference = np.abs(shown[t].astype(int) - plain[t]).max(2)
        assert np.median(difference[truth(t, 2)]) < 25, "another frame is shown"


def test_json_alone_holds_the_masks(cli, frames: Path) -> None:
    done = cli("track", frames, "--click", spot(1), "--model", "m.pt", "--device", "cpu", "--json")
    assert done.opened == [("m.pt", "cpu")]
    result = done.json
    assert (result["frames"], result["outputs"], result["model"]) == (8, [], "m.pt")
    assert result["fps"] > 0
    assert sorted(map(int, result["objects"][0]["masks"])) == list(range(8))


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "give a --click, a --box or a --mask"),
        (["--click", "9,9"], 2, "name an output"),
        (["--click", "9,9", "--frame", "80", "--json"], 2, "frame 80 is outside the video (0–7)"),
        (["--click", "900,9", "--json"], 2, "outside the frame (128×96)"),
        (["--click", "9,9", "--object", "2", "--json"], 2, "--object 2 has no --click"),
        (["--click", "9,9", "--direction", "up", "--json"], 2, "direction 'up' is unknown"),
        (["--click", "9,9", "-o", "o.avi"], 2, "name it .mp4"),
        (["--click", "9,9", "-o", "no/o.mp4"], 1, "there is no folder no"),
        (["--mask", "none.png", "--json"], 1, "no file none.png"),
    ],
)
def test_bad_input_is_one_line(
    cli, frames: Path, arguments, code, complaint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("track", frames, *arguments)
    assert complaint in done.complaint
    assert done.code == code
    assert done.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_masks_that_do_not_fit(cli, frames: Path, tmp_path: Path) -> None:
    Image.fromarray(np.ones((10, 10), np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.zeros((96, 128), np.uint8)).save(tmp_path / "empty.png")
    for name, complaint in (("small.png", "10×10 but the frame is 128×96"), ("empty.png", "empty")):
        done = cli("track", frames, "--mask", tmp_path / name, "--json")
        assert complaint in done.complaint
    ids = np.zeros((96, 128), np.uint8)
    ids[:9, :9], ids[20:30, 20:30] = 1, 2
    Image.fromarray(ids).save(tmp_path / "two.png")
    done = cli("track", frames, "--object", "5", "--mask", tmp_path / "two.png", "--json")
    assert "shows objects 1, 2, not 5" in done.complaint


def test_ids_that_do_not_fit_pngs_are_refused_before_the_work(cli, frames: Path, tmp_path: Path) -> None:
    ids = np.zeros((96, 128), np.uint16)
    ids[20:30, 20:30], ids[40:50, 40:50] = 300, 2
    Image.fromarray(ids).save(tmp_path / "deep.png")
    for what in (("--object", "300", "--click", spot(1)), ("--mask", tmp_path / "deep.png")):
        done = cli("track", frames, *what, "--masks", tmp_path / "out")
        assert done.code == 2
        assert "object 300 does not fit PNGs, whose ids are 1 to 255; give it" in done.complaint
        assert bool(done.opened) == (what[0] == "--mask")
        assert not (tmp_path / "out").exists()
    assert cli("track", frames, "--object", "300", "--click", spot(1), "--json").code == 0


def test_pngs_of_an_earlier_run_are_named(cli, frames: Path, tmp_path: Path) -> None:
    def tracked(*options: str) -> str:
        done = cli("track", frames, "--click", spot(1), *options, "--masks", tmp_path / "out")
        assert done.code == 0
        return done.err

    assert "other PNGs" not in tracked()
    assert "other PNGs" not in tracked()  # a run over the same frames replaces them all
    assert f"{tmp_path / 'out'} holds 5 other PNGs (00003.png …), which stay" in tracked("--limit", "2")


def test_videos_that_are_none(cli, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video")
    (tmp_path / "empty").mkdir()
    for name in ("x.mp4", "none.mp4", "empty"):
        done = cli("track", tmp_path / name, "--click", "1,1", "--json")
        assert done.code == 1
        assert name in done.complaint


@pytest.mark.parametrize("output", ["--masks", "--json"])
def test_a_damaged_video_gives_the_frames_before(cli, tmp_path: Path, output: str) -> None:
    path = write_video(tmp_path / "cut.mp4", {"movflags": "faststart"})
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: places[5]])
    masks = tmp_path / "m.json"
    done = cli(
        "track", path, "--click", spot(1), *(["--masks", masks] if output == "--masks" else ["--json"])
    )
    assert done.code == 1
    assert "cut.mp4 breaks off at frame 5 of 8" in done.complaint
    if output == "--masks":
        assert follows(read_masklets(masks)[1], 1, range(5))
    else:
        assert list(done.json["objects"][0]["masks"]) == ["0", "1", "2", "3", "4"]


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM is not sent on Windows")
@pytest.mark.parametrize("engine", [Impatient(at=0, by=signal.SIGTERM)])
def test_sigterm_before_there_is_anything_leaves_nothing(cli, frames: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    done = cli("track", frames, "--click", spot(1), "--masks", made / "m.json", "-o", made / "o.mp4")
    assert (done.code, done.complaint) == (130, "masklet: interrupted")
    assert list(made.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
class TestCtrlC:
    @pytest.fixture
    def engine(self, by: int) -> FakeEngine:
        if by == signal.SIGTERM and os.name == "nt":
            pytest.skip("SIGTERM is not sent on Windows")
        return Impatient(at=4, by=by)

    def test_what_was_done_stays_and_the_files_are_valid(self, cli, frames: Path, tmp_path: Path) -> None:
        masks, overlay = tmp_path / "m.json", tmp_path / "o.mp4"
        done = cli("track", frames, "--click", spot(1), "--masks", masks, "-o", overlay)
        assert done.code == 130
        count = len(read_masklets(masks)[1].masks)
        assert 3 <= count < 8
        assert done.complaint == f"masklet: interrupted; {count} of 8 frames are done"
        assert len(pictures(overlay)) == count
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_also_in_the_backward_sweep_that_nothing_was_shown_of(
        self, cli, frames: Path, tmp_path: Path
    ) -> None:
        masks, overlay = tmp_path / "m.json", tmp_path / "o.mp4"
        done = cli("track", frames, "--frame", "7", "--click", spot(1, 7), "--masks", masks, "-o", overlay)
        assert done.code == 130
        kept = list(read_masklets(masks)[1].masks)
        assert kept[-1] == 7
        assert 3 <= len(kept) < 8
        assert len(pictures(overlay)) == len(kept)


def test_effects_instead_of_painted_masks(cli, video: Path, tmp_path: Path) -> None:
    """What lies around the object is made black, the object stays as it is."""
    out = tmp_path / "o.mp4"
    done = cli("track", video, "--click", spot(1), "--background", "erase", "-o", out)
    assert done.code == 0, done.err
    shown, plain = pictures(out), squares(8, 2)
    x, y = inside(5, 1)
    assert len(shown) == 8
    assert np.abs(shown[5][y, x].astype(int) - plain[5][y, x]).max() < 25
    assert shown[5][90, 120].max() < 25


def test_the_cut_out_is_transparent_around_the_object(cli, video: Path, tmp_path: Path) -> None:
    done = cli("track", video, "--click", spot(1), "--cutout", tmp_path / "cut", "--json")
    assert done.code == 0, done.err
    assert "cut" in done.out
    found = np.asarray(Image.open(tmp_path / "cut" / "00005.png"))
    x, y = inside(5, 1)
    assert (found[y, x, 3], found[90, 120, 3]) == (255, 0)
    done = cli("track", video, "--click", spot(1), "--cutout", tmp_path / "cut.webm")
    assert done.code == 0, done.err
    assert (tmp_path / "cut.webm").stat().st_size > 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--background", "blurr", "-o", "o.mp4"), "effect 'blurr' is unknown; there are none, erase, blur"),
        (("--background", "blur:2", "-o", "o.mp4"), "strength 2 must lie between 0 and 1"),
        (("--background", "blur:much", "-o", "o.mp4"), "'much' is no strength from 0 to 1"),
        (("--foreground", "colour:#12", "-o", "o.mp4"), "colour '#12' must look like #1e90ff"),
        (("--background", "blur:1:1", "-o", "o.mp4"), "is too long"),
        (("--background", "blur", "--json"), "name it: -o OUT.MP4"),
        (("--cutout", "cut.gif"), "name it .webm or .mov, or give a folder"),
    ],
)
def test_effects_that_are_none(cli, video: Path, words: tuple[str, ...], message: str) -> None:
    done = cli("track", video, "--click", spot(1), *words)
    assert done.code == 2
    assert message in done.complaint
