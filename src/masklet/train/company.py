"""Several processes that train one model together, as `torchrun` starts them: one a GPU.

Each takes its own clips; before every step their gradients become one mean, so all of them keep the same
weights. That is data-parallel training without a wrapper around the model, whose verbs are called one by
one. Gradients travel in one piece: parts that this step did not use count as zero.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Company:
    """rank   this process among `size`; `local` is its number on this machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """The first process writes files and shows how it goes."""
        return self.rank == 0

    def device(self, wanted: str | None) -> str | None:
        """The device of this process: its own GPU where there are several."""
        if self.size > 1 and wanted in (None, "cuda") and torch.cuda.is_available():
            return f"cuda:{self.local}"
        return wanted

    def share_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by the mean over all processes."""
        if self.size == 1:
            return
        owners = list(parameters)
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1).float() for p in owners]
        )
        distributed.all_reduce(flat)
        parts = (flat / self.size).split([p.numel() for p in owners])
        for parameter, part in zip(owners, parts, strict=True):
            parameter.grad = part.reshape(parameter.shape).to(parameter.dtype)

    def any(self, verdict: bool, device: torch.device) -> bool:
        """Whether any process says so; all of them learn the same answer."""
        if self.size == 1:
            return verdict
        votes: Tensor = torch.tensor(float(verdict), device=device)
        distributed.all_reduce(votes)
        return bool(votes > 0)

    def gathered(self, text: str, device: torch.device) -> list[str]:
        """What each process says, in the order of their ranks; all of them learn it."""
        if self.size == 1:
            return [text]
        mine = torch.tensor(list(text.encode()), dtype=torch.uint8, device=device)
        lengths = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(self.size)]
        distributed.all_gather(lengths, torch.tensor([len(mine)], device=device))
        # Pieces must be as long as each other to travel.
        room = max(int(one) for one in lengths)
        pieces = [torch.zeros(room, dtype=torch.uint8, device=device) for _ in range(self.size)]
        distributed.all_gather(pieces, torch.nn.functional.pad(mine, (0, room - len(mine))))
        return [bytes(piece[: int(n)].tolist()).decode() for piece, n in zip(pieces, lengths, strict=True)]

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def company() -> Iterator[Company]:
    """The processes that torchrun started, or this one alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Company()
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Company(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        distributed.destroy_process_group()
