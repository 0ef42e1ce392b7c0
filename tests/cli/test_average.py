"""The mean of weights: of which parameters, in which shares, of what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from masklet.errors import CheckpointError
from masklet.model import checkpoints
from masklet.model.card import Card, read_card
from masklet.model.checkpoints import load_states, save_state
from masklet.train.averaging import read_weights
from tiny_training import little

ENCODER = "image_encoder.neck.convs.0.conv.weight"
SLOTS = "memory_slot_embed"


def run_folder(place: Path, seed: int, config: str = "little-for-tests", licence: str = "Apache-2.0") -> Path:
    """What a run leaves: both files of a network."""
    place.mkdir()
    for part, tensors in zip(("image", "memory"), checkpoints.split(little(seed).state_dict()), strict=True):
        save_state(place / f"{part}.safetensors", tensors, Card(config, part, 64, licence, "random numbers"))
    return place


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return run_folder(tmp_path / "a", 1), run_folder(tmp_path / "b", 2)


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    return load_states([folder / "image.safetensors", folder / "memory.safetensors"])


def test_the_mean_is_weighted_and_is_a_run_s_result_again(runs, cli: Any, tmp_path: Path) -> None:
    a, b = (averaged(one) for one in runs)
    told = cli("average", *runs, "--shares", "3,1", "-o", tmp_path / "mean")
    assert told.code == 0, told.err
    found = averaged(tmp_path / "mean")
    assert found.keys() == a.keys()
    for name in found:
        if a[name].is_floating_point():
            expected = 0.75 * a[name] + 0.25 * b[name]
            assert torch.allclose(found[name], expected, rtol=1e-3, atol=1e-3), name
    card = read_card(tmp_path / "mean" / "memory.safetensors")
    assert (card.config, card.part, card.input_size) == ("little-for-tests", "memory", 64)
    assert str(runs[1]) in card.source
    again = cli("average", tmp_path / "mean", runs[0], "-o", tmp_path / "again")
    assert again.code == 0, again.err
    expected = 0.875 * a[SLOTS] + 0.125 * b[SLOTS]
    assert torch.allclose(averaged(tmp_path / "again")[SLOTS], expected, atol=1e-3)


def test_only_what_is_named_is_averaged(runs, cli: Any, tmp_path: Path) -> None:
    a, b = (averaged(one) for one in runs)
    assert cli("average", *runs, "--only", "image_encoder.", "-o", tmp_path / "mean").code == 0
    found = averaged(tmp_path / "mean")
    assert torch.allclose(found[ENCODER], (a[ENCODER] + b[ENCODER]) / 2, atol=1e-3)
    assert torch.equal(found[SLOTS], a[SLOTS])


def test_memories_alone_give_a_memory(runs, cli: Any, tmp_path: Path) -> None:
    files = [one / "memory.safetensors" for one in runs]
    told = cli("average", *files, "-o", tmp_path / "mean")
    assert told.code == 0, told.err
    assert [path.name for path in (tmp_path / "mean").iterdir()] == ["memory.safetensors"]


def test_licences_add_up(runs, cli: Any, tmp_path: Path) -> None:
    other = run_folder(tmp_path / "c", 3, licence="CC-BY-4.0")
    assert cli("average", runs[0], other, "-o", tmp_path / "mean").code == 0
    card = read_card(tmp_path / "mean" / "image.safetensors")
    assert card.licence == "Apache-2.0 AND CC-BY-4.0"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["A"], "at least two weights"),
        (["A", "B", "--shares", "1"], "shares are 1; give one for each of 2"),
        (["A", "B", "--shares", "1,-1"], "none below 0"),
        (["A", "B", "--shares", "0,0"], "not all 0"),
        (["A", "B", "--shares", "much,more"], "--shares is 'much,more'"),
        (["A", "B", "--only", "encoder"], "no parameter's name begins with 'encoder'"),
    ],
)
def test_what_makes_no_mean_is_refused(runs, cli: Any, tmp_path: Path, words, complaint: str) -> None:
    places = {"A": runs[0], "B": runs[1]}
    told = cli("average", *(places.get(w, w) for w in words), "-o", tmp_path / "mean")
    assert (told.code, complaint in told.complaint) == (2, True), told.complaint
    assert not (tmp_path / "mean").exists()


def test_weights_that_do_not_belong_together(runs, cli: Any, tmp_path: Path) -> None:
    other = run_folder(tmp_path / "other", 3, config="another")
    told = cli("average", runs[0], other, "-o", tmp_path / "mean")
    assert (told.code, "different networks: another, little-for-tests" in told.complaint) == (1, True)
    (runs[1] / "image.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks image\.safetensors; a model's folder has both"):
        read_weights(str(runs[1]))
    bare = tmp_path / "bare.pt"
    torch.save({"model": {}}, bare)
    with pytest.raises(CheckpointError, match="does not say what network it is"):
        read_weights(str(bare))
    assert read_weights("masklet-nano").cards[0].config == "masklet-nano"
