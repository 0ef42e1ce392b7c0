"""A folder of pictures and one of masks with the same names: palette PNGs as DAVIS and many tools write them,
or black and white ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from masklet.data.datasets import LabelledImage
from masklet.data.pictures import read_picture
from masklet.data.problems import Problems
from masklet.errors import DataError
from masklet.types import Mask

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VOID = 255
"""The palette index that means "do not count": no object."""


class MaskFolder:
    """Pictures with index masks: one PNG a picture, pixel value = object number, 0 background, 255 void.

    A PNG without a palette that holds nothing but black and white shows one object, in white.

    images      folder of pictures, subfolders included
    masks       folder of PNGs with the same relative paths apart from the ending
    name        of the set; by default that of the images' folder
    problems    what was skipped and why: pictures without a mask, masks without a picture, files that cannot
                be read, sizes that differ, masks that show nothing or are no index masks
    raises      DataError when a folder does not exist
    """

    def __init__(self, images: str | Path, masks: str | Path, name: str | None = None) -> None:
        self.images, self.masks = Path(images), Path(masks)
        self.name = name if name is not None else self.images.name
        self.problems = Problems()
        pictures = by_stem(self.images, PICTURES, self.problems)
        labels = by_stem(self.masks, frozenset({".png"}), self.problems)
        for stem in sorted(pictures.keys() - labels.keys()):
            self.problems.add(f"{self.name}/{stem}", "picture has no mask")
        for stem in sorted(labels.keys() - pictures.keys()):
            self.problems.add(f"{self.name}/{stem}", "picture is missing")
        self._items = [
            (stem, pictures[stem], labels[stem]) for stem in sorted(pictures.keys() & labels.keys())
        ]

    def __len__(self) -> int:
        return len(self._items)

    def read(self, index: int) -> LabelledImage | None:
        """The picture with its masks, objects in the order of their numbers, or None when it is bad."""
        stem, picture, label = self._items[index]
        name = f"{self.name}/{stem}"
        image = read_picture(picture, name, self.problems)
        numbers = _read_numbers(label, name, self.problems)
        if image is None or numbers is None:
            return None
        if numbers.shape != image.shape[:2]:
            found = f"{numbers.shape[1]}×{numbers.shape[0]}, not {image.shape[1]}×{image.shape[0]}"
            self.problems.add(name, "mask has another size than its picture", found)
            return None
        objects = [int(value) for value in np.unique(numbers) if value not in (0, VOID)]
        if not objects:
            self.problems.add(name, "mask is empty")
            return None
        masks = tuple(Mask.from_array(numbers == value) for value in objects)
        return LabelledImage(image, masks, name, self.name)


def by_stem(folder: Path, endings: frozenset[str], problems: Problems) -> dict[str, Path]:
    """Relative path without ending → file, for all files below a folder with one of these endings.

    raises   DataError when it is no folder
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the folder of the pictures and that of their masks")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in endings and path.is_file():
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in found:
                problems.add(path.name, "two pictures have one name", f"{found[stem].name} is used")
            else:
                found[stem] = path
    return found


def _read_numbers(path: Path, name: str, problems: Problems) -> np.ndarray | None:
    """Object numbers, uint8 or int32 [H, W], or None."""
    from PIL import Image

    try:
        with Image.open(path) as file:
            numbers = np.asarray(file)
            palette = file.mode == "P"
    except (OSError, ValueError, SyntaxError) as error:
        problems.add(name, "mask cannot be read", str(error))
        return None
    if numbers.ndim == 3 and numbers.any() and (numbers[..., :1] == numbers[..., :3]).all():
        numbers = numbers[..., 0]  # grey, saved as colours
    if numbers.ndim != 2:
        problems.add(name, "mask is no index mask", f"{path.name} has {numbers.shape[-1]} channels")
        return None
    # A 1-bit PNG comes as bool, a grey one may be black and white: then white is object 1, not void.
    if not palette and numbers.size and set(np.unique(numbers).tolist()) <= {0, VOID}:
        return (numbers > 0).astype(np.uint8)
    return numbers
