"""A network, clips and a recipe small enough to train on in a test; run as a program, a process to kill.

python tests/tiny_training.py run FOLDER KILL_AT     trains, and kills itself when step KILL_AT begins
python tests/tiny_training.py together FOLDER        one of several processes, as torchrun starts them
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from masklet.data.clips import Clip
from masklet.data.sampling import PromptMix
from masklet.model.config import HieraConfig, Sam2Config, TinyVitConfig
from masklet.model.sam2 import Sam2
from masklet.train.company import Company, company
from masklet.train.loop import Trainer
from masklet.train.recipe import Recipe
from parity.weights import randomise

SIZE = 64

LITTLE_VIT = TinyVitConfig(
    widths=(8, 16, 24), blocks=(1, 1, 1), heads=(2, 3), reaches=(3, 3), context_heads=2, hidden=64
)
LITTLE = Sam2Config(
    "little-for-tests",
    HieraConfig(16, 1, (1, 1, 1, 1), (2,)),
    input_size=SIZE,
    width=64,
    memory_width=16,
    memory_layers=1,
    memory_hidden=64,
    decoder_hidden=64,
)

RECIPE = Recipe(
    steps=10,
    input_size=SIZE,
    clips=1,
    frames=3,
    reuse=2,
    rate=2e-3,
    warmup=2,
    average=0.9,
    dtype="float32",
    prompts=PromptMix(mask=0.6, click=0.2, corrected_frames=1, corrections=1),
)


def little(seed: int = 0, config: Sam2Config = LITTLE) -> Sam2:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the positions' random matrix is a buffer, which `randomise` leaves alone
        model = Sam2(config)
    randomise(model, seed)
    return model


def moving_squares(frames: int = 3, leaves: int | None = None) -> Clip:
    """A bright square that moves and a dark one that rests; the first is gone from frame `leaves` on."""
    pictures = np.full((frames, SIZE, SIZE, 3), 90, np.uint8)
    masks = np.zeros((frames, 2, SIZE, SIZE), bool)
    for t in range(frames):
        masks[t, 1, 36:56, 8:28] = True
        if leaves is None or t < leaves:
            masks[t, 0, 8:28, 8 + 8 * t : 28 + 8 * t] = True
        pictures[t, masks[t, 1]] = 20
        pictures[t, masks[t, 0]] = (250, 200, 60)
    return Clip(pictures, masks, masks.any(axis=(2, 3)))


def batches(start: int, every: int = 1, first: int = 0) -> Iterator[list[Clip]]:
    """Batch n depends on n alone, as a feed's do."""
    number = start
    while True:
        yield [moving_squares(3, leaves=2 if (number * every + first) % 3 == 2 else None)]
        number += 1


def _run(folder: Path, kill_at: int) -> None:
    trainer = Trainer(little(), RECIPE, folder)
    for report in trainer.run(batches(trainer.batch), save_every=4):
        if report.step + 1 == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def _together(folder: Path, us: Company) -> None:
    trainer = Trainer(little(), RECIPE, folder, company=us)
    reports = trainer.run(batches(trainer.batch, us.size, us.rank))
    losses = [next(reports).loss for _ in range(4)]
    state = {name: tensor.detach() for name, tensor in trainer.trainable.items()}
    said = us.gathered("so " * us.rank + "sprach ä", trainer.device)
    torch.save({"losses": losses, "state": state, "said": said}, folder / f"rank{us.rank}.pt")
    reports.close()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "run":
        _run(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        with company() as us:
            _together(Path(sys.argv[2]), us)
