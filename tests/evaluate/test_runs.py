"""Lists of measurements, and the tables made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from masklet.errors import ConfigError, DataError
from masklet.evaluate.document import Document
from masklet.evaluate.report.markdown import BEGIN, END, check_page, write_section
from masklet.evaluate.results import ObjectScore, SequenceScore
from masklet.evaluate.runs import Run, Subject, chosen, read_runs

LIST = """
models = ["tiny", "x/nano.safetensors"]
[[run]]
name = "a"
protocol = "davis"
root = "davis"
prompt = "click"
[[run]]
name = "b"
protocol = "images"
root = "coco"
models = ["tiny"]
engines = ["torch", "openvino"]
every = 5
"""


def read(folder: Path, text: str) -> tuple[Run, ...]:
    (folder / "runs.toml").write_text(text)
    return read_runs(folder / "runs.toml")


def test_a_list_is_read(tmp_path: Path) -> None:
    a, b = read(tmp_path, LIST)
    assert (a.prompt, a.format, a.input_size) == ("click", "davis", None)
    assert [s.slug for s in a.subjects] == ["tiny", "nano"]
    assert [(s.slug, str(s)) for s in b.subjects] == [
        ("tiny.torch", "tiny on torch"), ("tiny.openvino", "tiny on openvino"),
    ]  # fmt: skip
    assert chosen((a, b), ["b"]) == (b,)
    assert chosen((a, b), None) == (a, b)
    with pytest.raises(ConfigError, match="run c is not in the list; there are a, b"):
        chosen((a, b), ["c"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('prompt = "click"', 'promt = "click"', "promt is unknown; did you mean prompt"),
        ('prompt = "click"', "prompt = 3", "prompt must be a text, not 3"),
        ('prompt = "click"', 'prompt = "scribble"', "scribble"),
        ('prompt = "click"', "every = 3", "every does not go with protocol davis"),
        ('protocol = "davis"', 'protocol = "davos"', "protocol davos is unknown"),
        ('root = "davis"', "", "run a lacks root"),
        ('name = "b"', 'name = "a"', "two runs named a"),
        ('name = "b"', 'name = "B c"', "small letters"),
        ("every = 5", "every = 0", "positive whole number"),
        ('models = ["tiny"]', 'models = "tiny"', "models must be a list"),
        ("[[run]]", "[[runs]]", "runs is unknown; did you mean run"),
        ("[[run]]", "[[run", "cannot be read"),
    ],
)
def test_a_list_that_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in LIST
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, LIST.replace(old, new))
    with pytest.raises(ConfigError, match="nothing to measure"):
        read(tmp_path, "models = []")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_runs(tmp_path / "nothing.toml")


def test_the_list_of_this_project_is_right() -> None:
    runs = read_runs(Path(__file__).parents[2] / "docs" / "results.toml")
    assert {"davis", "interactive", "images"} <= {run.protocol for run in runs}


def document(kind: str = "videos", **summary: object) -> Document:
    one = ObjectScore(1, (1, 2), (0.5, 0.7), (0.7, 0.9))
    scores = (SequenceScore("s", (one,)), SequenceScore("t", (one,)), SequenceScore("u", error="gone"))
    origin = {
        "engine": {"name": "torch", "device": "cpu", "input_size": 256},
        "commit": "a" * 40 + "+changes",
    }
    config = {"data": "DAVIS", "model": {"files": [{"file": "w", "sha256": "0123456789abcdef"}]}}
    return Document(kind, "t", ("the rule",), config, summary, scores, origin)


def test_tables_are_written_between_the_comments(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(f"# Mine\n\nbefore\n{BEGIN}\nold\n{END}\n\nafter\n")
    run = Run("a", "davis", "d", title="One click", models=("tiny",))
    found = [(run, Subject("tiny"), document(**{"J&F": 0.7004, "J": 0.6, "objects": 2, "fps": 3.14159}))]
    write_section(page, [*found, (run, Subject("nano"), "weights | are missing")])
    text = page.read_text()
    assert text.startswith(f"# Mine\n\nbefore\n{BEGIN}\n\n## One click\n\nThe rule. Data: DAVIS.\n")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "old" not in text
    assert "| `tiny` | cpu | 256 | 70.0 | 60.0 | – |" in text
    assert "| 3.14 | 2 |" in text
    assert "AUC" not in text  # nothing is ever away
    assert "| `tiny` | 70.0 | 70.0 | – |" in text  # by sequence
    assert "nano: not measured: weights" in text
    assert "tiny: u not measured: gone" in text
    assert f"commit {'a' * 12}+changes" in text
    assert "w 0123456789ab" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows[:3]} == {rows[0].count("|")}
    again = page.read_text()
    write_section(page, [*found, (run, Subject("nano"), "weights | are missing")])
    assert page.read_text() == again


def test_tables_of_runs_without_results_stay(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(
        f"{BEGIN}\n\n## One\n\nold one\n\n## Gone\n\nno run any more\n\n## Two\n\nold two\n\n{END}\n"
    )
    one, two, new = (Run(name, "davis", "d", title=name.title()) for name in ("one", "two", "new"))
    found = [(two, Subject("tiny"), document(**{"J&F": 0.7004, "objects": 2}))]
    for _ in range(2):  # written again, it is the same
        write_section(page, found, [new, two, one])
        text = page.read_text()
        assert text.index("## Two") < text.index("## One\n\nold one\n")
        assert "old two" not in text
        assert "70.0" in text
        assert "Gone" not in text
        assert "## New" not in text


def test_tables_of_each_kind(tmp_path: Path) -> None:
    curve = [{"frames": k, "J&F": 0.5 + k / 10, "clicks": 3.0 * k, "seconds": 30.0 * k} for k in (1, 2)]
    shown = document("interactive", curve=curve, objects=2)
    stills = replace(document("images", **{"1_click": 0.5, "3_clicks": None, "objects": 9}), scores=())
    runs = [Run("i", "interactive", "d"), Run("p", "images", "d")]
    write_section(tmp_path / "new.md", list(zip(runs, [Subject("m")] * 2, [shown, stills], strict=True)))
    text = (tmp_path / "new.md").read_text()
    assert text.startswith("# Results")
    assert "| J&F, 1 frame | J&F, 2 frames | clicks in the end |" in text
    assert "| 60.0 | 70.0 | 6.0 | 60 s | 2 |" in text
    assert "| 50.0 | – | – |" in text
    leaving = document(occlusion_auc=0.954, absent_frames=3)
    write_section(tmp_path / "clips.md", [(Run("c", "clips", "d"), Subject("m"), leaving)])
    text = (tmp_path / "clips.md").read_text()
    assert "| objects | occlusion AUC |" in text
    assert "| 0.954 |" in text


def test_a_page_without_a_place_is_refused_before_the_work(tmp_path: Path) -> None:
    check_page(tmp_path / "new.md")
    (tmp_path / "page.md").write_text("# Mine\n")
    with pytest.raises(DataError, match="put these two lines into it"):
        check_page(tmp_path / "page.md")
    (tmp_path / "page.md").write_text(f"{END} {BEGIN}")
    with pytest.raises(DataError, match="no place"):
        check_page(tmp_path / "page.md")
