"""Where a figure comes from: weights, code, machine, time. Stands in every result file."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import masklet
from masklet.errors import CheckpointError
from masklet.model.registry import resolve


def checkpoint(model: str) -> dict[str, Any]:
    """The model's name and the SHA-256 of each of its files."""
    try:
        paths = resolve(model).paths
    except CheckpointError:
        paths = ()
    return {"name": model, "files": [{"file": p.name, "sha256": file_hash(p)} for p in paths]}


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def commit() -> str | None:
    """The commit of the checkout this package runs from, "+changes" after it where it differs; else None."""
    folder = Path(masklet.__file__).parent
    try:
        found = _git(folder, "rev-parse", "HEAD")
        # The package may lie in someone else's repository, in a virtual environment for example.
        if not _git(folder, "ls-files", "--", "__init__.py"):
            return None
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return found + ("+changes" if changed else "")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """The computer and the libraries that decide about speed."""
    versions = {}
    for name in ("numpy", "torch", "openvino", "av"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": _cores(),
        "python": platform.python_version(),
        "libraries": versions,
    }


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _cores() -> int | None:
    """Those this process may use, which is what decides about its speed."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
