"""The checkpoints masklet knows by name, and where their files are.

Embedded ones come with the package. The published SAM 2 weights are fetched into a cache folder on
demand: `$MASKLET_CACHE`, else the platform's cache folder. Nothing here loads PyTorch.
"""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from masklet.errors import CheckpointError, MissingExtraError

DEFAULT = "masklet-tiny"
QUICK = "masklet-nano"
"""The embedded one that keeps up with a person without a GPU."""
CACHE_VARIABLE = "MASKLET_CACHE"
EMBEDDED = {
    DEFAULT: "SAM 2 image path, masklet memory",
    QUICK: "masklet, from MobileSAM, SAM 2",
}
"""Name → origin of the checkpoints that come with the package."""
PARTS = ("image", "memory")
"""What a model's folder holds, each as PART.safetensors: the image path and the memory."""


@dataclass(frozen=True)
class KnownCheckpoint:
    """A checkpoint with a name."""

    name: str
    files: tuple[str, ...]
    """File names; an embedded checkpoint has one for the image path and one for the memory."""
    licence: str
    """SPDX name."""
    origin: str
    """Who made the weights, in a few words."""
    megabytes: int | None = None
    """Published size, in millions of bytes; None when the files themselves tell."""
    repository: str | None = None
    """Where `get` fetches it from on the Hugging Face hub; None for an embedded one."""

    @property
    def is_embedded(self) -> bool:
        return self.repository is None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where its files are, or would be."""
        folder = weights_folder() if self.is_embedded else cache_folder()
        return tuple(folder / file for file in self.files)

    @property
    def is_on_disk(self) -> bool:
        return all(path.is_file() for path in self.paths)

    @property
    def size(self) -> int | None:
        """Bytes: of the files when they are here, else as published; None when neither is known."""
        if self.is_on_disk:
            return sum(path.stat().st_size for path in self.paths)
        return None if self.megabytes is None else self.megabytes * 1_000_000


@dataclass(frozen=True)
class Resolved:
    """Checkpoint files that are on disk."""

    name: str
    """The known name, or the file's own."""
    paths: tuple[Path, ...]
    config: str | None
    """Name of the network; None when only the file can tell."""


def _published() -> tuple[KnownCheckpoint, ...]:
    sizes = {
        "tiny": ("tiny", 156),
        "small": ("small", 184),
        "base-plus": ("base_plus", 324),
        "large": ("large", 898),
    }
    return tuple(
        KnownCheckpoint(
            name=f"{family}-hiera-{size}",
            files=(f"{family}_hiera_{file}.pt",),
            licence="Apache-2.0",
            origin=f"Meta, SAM {family.removeprefix('sam')}",
            megabytes=megabytes,
            repository=f"facebook/{family}-hiera-{size}",
        )
        for family in ("sam2.1", "sam2")
        for size, (file, megabytes) in sizes.items()
    )


def known() -> tuple[KnownCheckpoint, ...]:
    """Every checkpoint with a name, embedded ones first."""
    embedded = tuple(
        KnownCheckpoint(
            name=name,
            files=(f"{name}.image.safetensors", f"{name}.memory.safetensors"),
            licence="Apache-2.0",
            origin=origin,
        )
        for name, origin in EMBEDDED.items()
    )
    # A network may be there before its weights; the default is named even when its files were lost.
    there = tuple(one for one in embedded if one.name == DEFAULT or one.is_on_disk)
    return (*there, *_published())


def find(name: str) -> KnownCheckpoint:
    """The checkpoint of that name; CheckpointError names the nearest ones."""
    by_name = {checkpoint.name: checkpoint for checkpoint in known()}
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, n=3, cutoff=0.4) or list(by_name)
        raise CheckpointError(
            f"unknown model {name!r}; did you mean {', '.join(near)}? (or give a file's or a run's path)"
        )
    return by_name[name]


def resolve(name_or_path: str | Path = DEFAULT) -> Resolved:
    """The files behind a name, a file's path, or the folder of a run, which holds a file for each of PARTS.

    raises CheckpointError when nothing is known by that name, or its files are not on disk
    """
    path = Path(name_or_path)
    if path.is_file():
        return Resolved(path.stem, (path,), None)
    # A folder that happens to be called like a known model is none.
    if path.is_dir() and str(name_or_path) not in {checkpoint.name for checkpoint in known()}:
        return _in_folder(path)
    if isinstance(name_or_path, Path) or path.suffix in (".pt", ".safetensors") or os.sep in name_or_path:
        raise CheckpointError(f"no checkpoint at {path}; see `masklet models` for those there are")
    checkpoint = find(str(name_or_path))
    if not checkpoint.is_on_disk:
        raise CheckpointError(_how_to_get(checkpoint))
    return Resolved(checkpoint.name, checkpoint.paths, checkpoint.name)


def _in_folder(folder: Path) -> Resolved:
    paths = tuple(folder / f"{part}.safetensors" for part in PARTS)
    if lacking := [path.name for path in paths if not path.is_file()]:
        raise CheckpointError(
            f"{folder} lacks {' and '.join(lacking)}; a model's folder has both: "
            "give the same `masklet train` or `distill` command again, which finishes the run and writes both"
        )
    return Resolved(folder.resolve().name, paths, None)


def download(name: str) -> KnownCheckpoint:
    """Fetch a published checkpoint into the cache; one that is there already is left alone.

    huggingface_hub shows its progress on stderr. A download that breaks off leaves nothing that
    would pass for the whole file.

    raises CheckpointError when it is unknown or cannot be fetched, MissingExtraError without huggingface_hub
    """
    checkpoint = find(name)
    if checkpoint.is_on_disk:
        return checkpoint
    if checkpoint.repository is None:
        raise CheckpointError(_how_to_get(checkpoint))
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError(
            f"downloading needs huggingface_hub: pip install 'masklet[hub]', or {_by_hand(checkpoint)}"
        ) from error
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in checkpoint.files:
            hf_hub_download(checkpoint.repository, file, local_dir=folder)
    except Exception as error:
        # The hub raises what its HTTP library of the day raises; whatever it is, the way out is one.
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise CheckpointError(f"cannot download {name} ({reason}); {_by_hand(checkpoint)}") from error
    if not checkpoint.is_on_disk:
        raise CheckpointError(
            f"the download of {name} is not at {checkpoint.paths[0]}; {_by_hand(checkpoint)}"
        )
    return checkpoint


def weights_folder() -> Path:
    """Where the embedded checkpoints lie."""
    return Path(__file__).parent.parent / "weights"


def cache_folder() -> Path:
    """Where downloads go: $MASKLET_CACHE, else masklet/ in the platform's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "masklet"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "masklet" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "masklet"


def _how_to_get(checkpoint: KnownCheckpoint) -> str:
    if checkpoint.is_embedded:
        lost = ", ".join(path.name for path in checkpoint.paths if not path.is_file())
        return f"the embedded model {checkpoint.name} lacks {lost} in {weights_folder()}; reinstall masklet"
    fetch = f"fetch it with `masklet models get {checkpoint.name}`"
    return f"{checkpoint.name} is not on disk; {fetch}, or {_by_hand(checkpoint)}"


def _by_hand(checkpoint: KnownCheckpoint) -> str:
    file, repository = checkpoint.files[0], checkpoint.repository
    return f"place {file} from {repository} on the Hugging Face hub in {cache_folder()}"
