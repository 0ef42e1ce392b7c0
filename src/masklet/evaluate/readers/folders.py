"""Finding sequences on disk: frames in one folder tree, annotations in another.

Knows DAVIS 2016 and 2017, YouTube-VOS, MOSE, LVOS, VIPSeg-style and SA-V layouts: a folder of frames a
sequence below `JPEGImages`, a folder of mask pictures below `Annotations`, each with or without a
resolution in between, at the root or in a folder named after the split.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from masklet.errors import DataError

FRAMES = ("JPEGImages", "JPEGImages_24fps", "imgs", "images")
ANNOTATIONS = ("Annotations", "Annotations_6fps", "panomasks", "panomasksRGB")
RESOLUTION = re.compile(r"^(\d+p|Full-Resolution)$")
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
SPLITS = ("", "valid", "val", "train", "test")


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps things: `frames` is None when only masks are there (enough for scoring)."""

    root: Path
    annotations: Path
    frames: Path | None

    @property
    def name(self) -> str:
        """Of the data set, for reports; a folder named after a split says whose split it is."""
        root = self.root.resolve()
        return f"{root.parent.name}/{root.name}" if root.name in SPLITS else root.name


def find_layout(root: str | Path, *, need_frames: bool = True) -> Layout:
    """Find the folders of frames and annotations below a data set's root.

    raises   DataError saying what was expected and what was found
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the data set's root, which holds Annotations")
    for split in SPLITS:
        place = root / split
        annotations = _first(place, ANNOTATIONS)
        if annotations is None:
            continue
        frames = _first(place, FRAMES)
        if frames is None and need_frames:
            raise DataError(
                f"{place} has {annotations.name} but no frames; expected {FRAMES[0]} beside it, "
                f"found {_listing(place)}"
            )
        below = _resolution(annotations)
        if frames is not None and below != annotations:
            frames = frames / below.name if (frames / below.name).is_dir() else _resolution(frames)
        return Layout(place, below, frames)
    raise DataError(f"{root} holds no {ANNOTATIONS[0]} folder; expected {ANNOTATIONS[0]} and {FRAMES[0]}, "
                    f"found {_listing(root)}")  # fmt: skip


def sequences(layout: Layout, split: str | None = None) -> tuple[str, ...]:
    """Names of the sequences: those of ImageSets/…/SPLIT.txt or SPLIT.txt, or every folder of annotations.

    raises   DataError when the list is missing or empty
    """
    present = sorted(p.name for p in layout.annotations.iterdir() if p.is_dir())
    if split is not None:
        lists = sorted((layout.root / "ImageSets").rglob(f"{split}.txt"))
        lists += [p for p in (layout.root / f"{split}.txt",) if p.is_file()]
        if not lists:
            raise DataError(
                f"split {split} is unknown: no {split}.txt in {layout.root} or below its ImageSets, "
                f"found {_listing(layout.root)}"
            )
        listed = lists[-1].read_text(encoding="utf-8").split("\n")
        # DAVIS 2016 lists pairs of files; the sequence is the folder's name.
        names = [Path(line.split()[0]).parent.name or line.strip() for line in listed if line.strip()]
        present = list(dict.fromkeys(names))
    if not present:
        raise DataError(
            f"{layout.annotations} holds no sequence; expected a folder of mask pictures for each, found "
            f"{_listing(layout.annotations)}"
        )
    return tuple(present)


def pictures(folder: Path) -> dict[str, Path]:
    """Picture files by name without ending, in natural order; a missing folder holds none."""
    if not folder.is_dir():
        return {}
    files = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    return {p.stem: p for p in sorted(files, key=lambda p: natural(p.stem))}


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts frame10 after frame9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]


def _first(place: Path, names: tuple[str, ...]) -> Path | None:
    return next((place / name for name in names if (place / name).is_dir()), None)


def _resolution(folder: Path) -> Path:
    """The folder below, when it is named after a resolution: 480p if there, else the first."""
    below = sorted(p for p in folder.iterdir() if p.is_dir() and RESOLUTION.match(p.name))
    if not below:
        return folder
    return next((p for p in below if p.name == "480p"), below[0])


def _listing(folder: Path, most: int = 6) -> str:
    names = sorted(p.name for p in folder.iterdir())
    if not names:
        return "nothing"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
