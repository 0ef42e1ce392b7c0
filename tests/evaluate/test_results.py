"""Result files, comparisons, pages."""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masklet.errors import DataError, SinkError
from masklet.evaluate import provenance
from masklet.evaluate.compare import compare, difference
from masklet.evaluate.document import Document, read, write
from masklet.evaluate.measure import Model, Running, forget_journal, measure_videos
from masklet.evaluate.protocols.prompting import FirstPrompt
from masklet.evaluate.readers import open_videos
from masklet.evaluate.report import write_page
from masklet.evaluate.report.page import page
from masklet.evaluate.results import ObjectScore, SequenceScore


def result(gain: float = 0.0, kind: str = "videos", **config: object) -> Document:
    rng = np.random.default_rng(0)
    scores = []
    for k in range(6):
        j = tuple(np.clip(rng.uniform(0.4, 0.8, 3) + gain, 0, 1).tolist())
        scores.append(SequenceScore(f"s{k}", (ObjectScore(1, (1, 2, 3), j, j),), 5, 1.0))
    return Document(
        kind, "fake", ("a rule",), {"model": "m", **config}, {"J&F": 0.5, "fps": 5.0}, tuple(scores)
    )


def test_a_document_comes_back(tmp_path: Path) -> None:
    document = replace(result(), summary={"J&F": 0.5, "G": float("nan")})
    write(tmp_path / "out.json", document)
    assert "NaN" not in (tmp_path / "out.json").read_text()
    found = read(tmp_path / "out.json")
    assert found.scores == document.scores
    assert found.summary == {"J&F": 0.5, "G": None}
    assert list(tmp_path.iterdir()) == [tmp_path / "out.json"]


def test_files_that_are_no_result(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "out.json")
    (tmp_path / "out.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="no result of `masklet evaluate`"):
        read(tmp_path / "out.json")
    with pytest.raises(SinkError, match="there is no folder"):
        write(tmp_path / "nowhere" / "out.json", result())


def test_provenance(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    found = provenance.checkpoint(str(tmp_path / "w.safetensors"))
    assert found["files"] == [{"file": "w.safetensors", "sha256": hashlib.sha256(b"weights").hexdigest()}]
    assert provenance.checkpoint("no such model")["files"] == []
    commit = provenance.commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", commit)
    assert provenance.machine()["cores"] >= 1


def test_a_measurement_says_where_it_comes_from(davis, loader, tmp_path: Path) -> None:
    running = Running(journal=tmp_path / "out.journal")
    document = measure_videos(
        open_videos(davis()), Model("fake", loader), FirstPrompt("mask"), running=running
    )
    assert running.journal is not None
    assert running.journal.is_file()
    again = measure_videos(open_videos(davis()), Model("fake", loader), FirstPrompt("mask"), running=running)
    assert loader.workers == [0]  # nothing was left to do
    assert again.scores == document.scores
    assert again.origin["engine"] == document.origin["engine"]
    forget_journal(running, document)
    assert not running.journal.exists()
    stored = json.loads(json.dumps(document.to_json()))
    assert stored["origin"]["started"].endswith("+00:00")
    assert stored["origin"]["machine"]["libraries"]["numpy"] == np.__version__
    assert "engine" not in stored["sequences"][0]["details"]


def test_a_clear_gain_is_clear() -> None:
    found = compare(result(), result(0.1))
    one = found.measures["J&F"]
    assert one.mean == pytest.approx(0.1)
    assert one.low <= one.mean <= one.high
    assert (one.better, one.objects, one.sequences) == (1.0, 6, 6)
    assert found.warnings == ()
    assert compare(result(), result()).measures["J&F"].mean == 0


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(60):
        gains = rng.normal(0.02, 0.05, 40)
        found = difference(
            {str(k): np.array([[0.5, 0.5 + g]]) for k, g in enumerate(gains)}, trial, draws=500
        )
        hits += found.low <= 0.02 <= found.high
    assert 50 <= hits <= 60


def test_objects_of_one_sequence_are_drawn_together() -> None:
    """Ten objects that gain or lose together are one witness, not ten."""
    together = {str(k): np.tile([[0.5, 0.6 if k % 2 else 0.4]], (10, 1)) for k in range(4)}
    apart = {f"{k} {n}": rows[n : n + 1] for k, rows in together.items() for n in range(10)}
    wide, narrow = difference(together), difference(apart)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_results_that_say_less_when_compared() -> None:
    other = result(prompt="box")
    other = replace(other, scores=other.scores[:4])
    found = compare(result(prompt="mask"), other)
    assert found.warnings == (
        "prompt differs: mask and box",
        "2 sequences are in one result only (s4, s5)",
    )
    with pytest.raises(DataError, match="cannot be compared"):
        compare(result(), result(kind="score"))
    strange = replace(other, scores=tuple(replace(s, name="x" + s.name) for s in other.scores))
    with pytest.raises(DataError, match="no sequence in common"):
        compare(result(), strange)


def test_pictures_are_compared_prompt_by_prompt() -> None:
    def pictures(gain: float) -> Document:
        rows = [{"area": 5, "candidates": [], "1": 0.5 + gain, "3": 0.7, "box": 0.8 - gain, "best3": 0.6}]
        scores = tuple(SequenceScore(str(k), details={"objects": rows}) for k in range(3))
        return Document("images", "p", (), {}, {}, scores)

    found = compare(pictures(0), pictures(0.1)).measures
    assert list(found) == ["1", "3", "best3", "box"]
    assert (found["1"].mean, found["3"].mean, found["box"].mean) == pytest.approx((0.1, 0, -0.1))


def test_the_page_stands_alone(davis, loader, tmp_path: Path) -> None:
    root = davis(two=2, one=1)
    videos = open_videos(root)
    document = measure_videos(videos, Model("fake", loader), FirstPrompt("mask"))
    broken = SequenceScore("lost", error="it is <gone>")
    document = replace(document, scores=(*document.scores, broken))
    write_page(tmp_path / "report.html", [document], videos)
    text = (tmp_path / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
    for word in ("<script", "<link", "<iframe", "http", "url(", "@import"):
        assert word not in re.sub(r"base64,[^\"]*", "", text)
    assert text.count("data:image/jpeg;base64,") == 2 * 3
    assert "it is &lt;gone&gt;" in text
    assert "first and last frame left out" in text
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ElementTree.fromstring(svg)
    assert text.count("<svg") == 2  # sequences, calibration


def test_a_page_of_figures_that_do_not_exist() -> None:
    """A file holds null where memory held NaN; neither is a point of a plot."""
    rows = [{"frames": k, "J&F": v, "clicks": 3.0 * k, "seconds": 9.0} for k, v in ((1, None), (2, 0.5))]
    assert "annotation time" in page([Document("interactive", "i", (), {}, {"curve": rows}, ())])
    summary = {"1_click": None, "3_clicks": 0.5, "5_clicks": float("nan")}
    assert "IoU against clicks" in page([Document("images", "p", (), {}, summary, ())])


def test_pictures_are_paired_by_their_names() -> None:
    """One result has every picture, the other every second: number 1 there is number 2 here."""

    def pictures(names: str, least: int) -> Document:
        rows = [
            {"object": k, "area": 5 + k, "candidates": [], "1": 0.1 * k + 0.01 * least}
            for k in range(least, 3)
        ]
        scores = [SequenceScore(str(n), details={"objects": rows, "picture": p}) for n, p in enumerate(names)]
        return Document("images", "p", (), {}, {}, tuple(scores))

    found = compare(pictures("abcd", 0), pictures("bd", 1))
    assert sorted(found.sequences) == ["b", "d"]
    assert found.measures["1"].mean == pytest.approx(0.01)
    assert found.measures["1"].objects == 4


def test_several_results_on_one_page() -> None:
    text = page([result(), replace(result(0.1), title="better")])
    assert "better" in text
    assert text.count("<svg") == 2  # sequences, speed against accuracy


def test_results_of_one_title_are_told_apart() -> None:
    """Before and after, small input and large: each has its own column, curve and rules."""
    small = replace(result(), origin={"engine": {"input_size": 256}}, protocol=("prompt: a click",))
    large = replace(result(0.1), origin={"engine": {"input_size": 512}}, protocol=("prompt: a box",))
    text = page([small, large])
    assert text.count("<svg") == 2
    for words in ("seen at 256</th>", "seen at 512</th>", "prompt: a click", "prompt: a box"):
        assert words in text
    assert text.count("<ul>") == 2
    assert page([small, replace(small)]).count(", 2</th>") == 1
    assert page([small, replace(small, title="other")]).count("<ul>") == 1
