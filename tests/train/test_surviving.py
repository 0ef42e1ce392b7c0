"""Runs that are killed, and runs in several processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from masklet.train.loop import Trainer
from tiny_training import RECIPE, batches, little

PROGRAM = Path(__file__).parent.parent / "tiny_training.py"
PATIENCE = 600
"""Seconds: importing PyTorch twice at once is slow on a busy machine."""


def started(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, PROGRAM, *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM.parent)} | environment,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def one_thread():
    """Sums come out the same to the last bit only with as many threads as the other process has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_after_kill_9_a_run_ends_bit_for_bit_as_if_undisturbed(tmp_path: Path, one_thread: None) -> None:
    folder, other = tmp_path / "killed", tmp_path / "straight"
    folder.mkdir()
    other.mkdir()
    process = started("run", folder, 8)
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, complaint.decode()
    resumed = Trainer(little(), RECIPE, folder)
    assert resumed.step == 4  # the last checkpoint; steps 5 to 7 are lost and come again
    for _ in resumed.run(batches(resumed.batch)):
        pass
    straight = Trainer(little(), RECIPE, other)
    for _ in straight.run(batches(0)):
        pass
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    for name, tensor in straight.averaged().items():
        assert torch.equal(tensor, resumed.averaged()[name]), name
    logs = [
        [(line["step"], line["loss"]) for line in map(json.loads, (f / "log.jsonl").read_text().splitlines())]
        for f in (folder, other)
    ]
    assert logs[0] == logs[1]


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    processes = [started("together", tmp_path, RANK=str(r), LOCAL_RANK=str(r), **shared) for r in range(2)]
    complaints = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], complaints
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    start = little().state_dict()
    moved = 0
    for name, tensor in first["state"].items():
        assert torch.equal(tensor, second["state"][name]), name
        moved += not torch.equal(tensor, start[name])
    assert moved
    assert first["losses"] != second["losses"]  # each has clips and prompts of its own
    assert first["said"] == second["said"] == ["sprach ä", "so sprach ä"]
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]  # one of them writes
