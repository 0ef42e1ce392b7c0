"""Labelled pictures: what every data set of stills gives, and pools made of several of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from masklet.data.problems import Problems
from masklet.errors import DataError
from masklet.types import Mask

if TYPE_CHECKING:
    from masklet.data.coco import CocoMasks

ImageRecord = dict[str, Any]


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """A picture with its objects.

    image   uint8 [H, W, 3] RGB
    masks   one Mask an object, at the picture's size, never empty; decoded on demand by `to_array`
    name    where it came from, for messages
    group   the data set's name: pictures of a group show similar things
    """

    image: np.ndarray
    masks: tuple[Mask, ...]
    name: str
    group: str = ""


class ImageSet(Protocol):
    """Pictures by index. `read` gives None for a picture that turned out bad, and notes it in `problems`."""

    name: str
    problems: Problems

    def __len__(self) -> int: ...

    def read(self, index: int) -> LabelledImage | None: ...


def images(source: ImageSet) -> Iterator[LabelledImage]:
    """All good pictures of a set, in order."""
    for index in range(len(source)):
        picture = source.read(index)
        if picture is not None:
            yield picture


class ImagePool:
    """Several image sets as one, with the most recently used pictures kept decoded.

    sets          any image sets; their order fixes the indices
    cache_bytes   memory for decoded pictures, in bytes; 0 keeps none
    raises        DataError when there is no picture at all
    """

    def __init__(self, sets: Sequence[ImageSet], cache_bytes: int = 512 << 20) -> None:
        self.sets = tuple(sets)
        self._ends = list(accumulate(len(one) for one in self.sets))
        if not self._ends or self._ends[-1] == 0:
            found = next((f" (found {problem})" for one in self.sets for problem in one.problems), "")
            raise DataError(
                f"the image pool is empty; give at least one data set with a usable picture{found}"
            )
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[int, LabelledImage] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def problems(self) -> list[Problems]:
        """The problems of each set, in order."""
        return [one.problems for one in self.sets]

    def set_of(self, index: int) -> range:
        """The indices of the set that this picture belongs to."""
        if not 0 <= index < len(self):
            raise DataError(f"picture {index} is outside the pool (0–{len(self) - 1})")
        position = bisect_right(self._ends, index)
        return range(self._ends[position - 1] if position else 0, self._ends[position])

    def read(self, index: int) -> LabelledImage | None:
        """The picture, or None when it cannot be used (noted in its set's problems)."""
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        members = self.set_of(index)
        picture = self.sets[bisect_right(self._ends, index)].read(index - members.start)
        if picture is not None:
            self._keep(index, picture)
        return picture

    def draw(self, rng: np.random.Generator) -> LabelledImage | None:
        """A random picture: a set with a chance of the root of its size, then a picture of it.

        The root keeps a large set from drowning a small one. None when 20 draws found only bad pictures.
        """
        sizes = np.diff([0, *self._ends])
        chances = np.sqrt(sizes)
        for _ in range(20):
            chosen = int(rng.choice(len(sizes), p=chances / chances.sum()))
            start = self._ends[chosen] - int(sizes[chosen])
            picture = self.read(start + int(rng.integers(sizes[chosen])))
            if picture is not None:
                return picture
        return None

    def _keep(self, index: int, picture: LabelledImage) -> None:
        if picture.image.nbytes > self._cache_bytes:
            return
        self._cache[index] = picture
        self._held += picture.image.nbytes
        while self._held > self._cache_bytes:
            _, old = self._cache.popitem(last=False)
            self._held -= old.image.nbytes

    def __getstate__(self) -> dict[str, Any]:
        # A worker process starts with an empty cache: pictures are not worth sending.
        return self.__dict__ | {"_cache": OrderedDict(), "_held": 0}


def training_images(
    root: str | Path,
    *,
    holdout: Callable[[str, ImageRecord], bool] | None = None,
    cache_bytes: int = 512 << 20,
) -> ImagePool:
    """Every `<root>/<set>/instances.json` and every shard in `root` as one pool.

    Pictures held out for measuring are left out. A set that cannot be read stands in the pool without
    pictures and with the problem, unless none can.

    holdout   (set name, COCO image record) → True keeps a picture out of training. By default, pictures of
              a set named `coco` whose id is divisible by 5 are held out (`held_out_by_default`): those
              measure, and are never trained on.
    raises    DataError when the folder holds no set, or none with a usable picture
    """
    from masklet.data.coco import CocoMasks
    from masklet.data.shards import ENDING, sets_in

    root = Path(root)
    files, shards = sorted(root.glob("*/instances.json")), sorted(root.glob(f"*{ENDING}"))
    if not files and not shards:
        raise DataError(
            f"{root} holds no data set; expected folders with instances.json and images/ inside, or shards"
        )
    held_out = holdout or held_out_by_default
    sets: list[ImageSet] = []
    for file in files:
        try:
            sets.append(_told(CocoMasks(file, keep=_Kept(held_out, file.parent.name))))
        except DataError as error:
            sets.append(_UnreadableSet(file.parent.name, error))
    for shard in shards:
        try:
            sets += [_told(CocoMasks.packed(shard, n, keep=_Kept(held_out, n))) for n in sets_in(shard)]
        except DataError as error:
            sets.append(_UnreadableSet(shard.name, error))
    return ImagePool(sets, cache_bytes)


def _told(one: CocoMasks) -> CocoMasks:
    """The set, with a word about the pictures that are held out, so that nobody misses them in vain."""
    if one.left_out:
        one.problems.add(one.name, "pictures are held out for measuring", f"{one.left_out} of them")
    return one


class _UnreadableSet:
    """Stands for a data set that could not be opened: no picture, and the reason among the problems."""

    def __init__(self, name: str, error: DataError) -> None:
        self.name = name
        self.problems = Problems()
        self.problems.add(name, "data set cannot be read", str(error))

    def __len__(self) -> int:
        return 0

    def read(self, index: int) -> LabelledImage | None:
        return None


def held_out_by_default(set_name: str, record: ImageRecord) -> bool:
    """The convention of the training folder: ids divisible by 5 in `coco` are for measuring."""
    return set_name == "coco" and id_divides(record, 5)


def id_divides(record: ImageRecord, by: int) -> bool:
    """Whether a record's id is a multiple of a number; an id of letters is none."""
    told = str(record["id"])
    return told.isdecimal() and int(told) % by == 0


@dataclass(frozen=True)
class _Kept:
    # A class, not a lambda, so that a pool can be sent to worker processes.
    held_out: Callable[[str, ImageRecord], bool]
    set_name: str

    def __call__(self, record: ImageRecord) -> bool:
        return not self.held_out(self.set_name, record)
