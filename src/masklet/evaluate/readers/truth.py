"""The true masks of one video, and which of its frames a benchmark counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from masklet.errors import DataError, UnknownObjectError
from masklet.types import Mask


@dataclass(frozen=True)
class Convention:
    """Which objects and frames of a video are counted; stated beside every figure.

    name              of the benchmark
    words             the rule in a sentence, for reports
    first_frame_only  only objects present on the first annotated frame count
    begin             where an object's counted frames begin: "first" annotated frame, "second" one, on the
                      one where it "appears" first, or "after" that one, which the model was given
    drop_last         the last annotated frame does not count
    own_frames        first, second and last are of the object's own annotated frames, not of the video's
    """

    name: str
    words: str
    first_frame_only: bool = False
    begin: Literal["first", "second", "appears", "after"] = "after"
    drop_last: bool = False
    own_frames: bool = False


DAVIS = Convention(
    "davis",
    "DAVIS 2017 semi-supervised: objects of the first frame, first and last frame left out",
    first_frame_only=True,
    begin="second",
    drop_last=True,
)
LATER = Convention(
    "later",
    "every object from the frame after its first, last frame of the video left out",
    drop_last=True,
)
YOUTUBE = Convention("ytvos", "YouTube-VOS: every object from the frame after its first to the end")
SAV = Convention(
    "sav",
    "SA-V: every object on its annotated frames without the first and the last of them",
    begin="second",
    drop_last=True,
    own_frames=True,
)
INTERACTIVE = Convention(
    "interactive",
    "every object on every annotated frame from the one it appears on, prompted frames included",
    begin="appears",
)
ALL_FRAMES = Convention("all", "every object on every annotated frame", begin="first")


@dataclass(frozen=True)
class Truth:
    """True masks of a video.

    height, width   of the masks, pixels
    names           name of every frame of the video (the file's, without its ending), by position
    masks           object id → {position: Mask}; positions where the object is not seen may be missing
    annotated       object id → positions that somebody annotated, sorted; an object without a mask on such
                    a frame is truly absent. Positions not in it say nothing and are never scored.
    categories      object id → category, where the data set names them
    """

    name: str
    height: int
    width: int
    names: tuple[str, ...]
    masks: Mapping[int, Mapping[int, Mask]]
    annotated: Mapping[int, tuple[int, ...]]
    categories: Mapping[int, str] = field(default_factory=dict)

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids of all objects, sorted."""
        return tuple(sorted(self.masks))

    def seen(self) -> Truth:
        """Without the objects that no frame shows.

        raises   DataError when none is left
        """
        kept = {o: found for o, found in self.masks.items() if not all(m.is_empty for m in found.values())}
        if not kept:
            raise DataError(f"sequence {self.name} has no object: every mask of it is empty")
        return replace(self, masks=kept, annotated={o: self.annotated[o] for o in kept})

    def check_counted(self, convention: Convention) -> None:
        """Raise DataError when the convention counts no frame at all, so that nothing can be scored."""
        objects = self.counted_objects(convention)
        if any(self.counted_frames(convention, o) for o in objects):
            return
        frames = sorted({p for positions in self.annotated.values() for p in positions})
        raise DataError(
            f"sequence {self.name}: no frame counts; masks are on {len(frames)} of {len(self.names)} frames "
            f"({self.names[frames[0]]} to {self.names[frames[-1]]}), and the rule is: {convention.words}"
        )

    def mask(self, object_id: int, position: int) -> Mask:
        """The true mask; empty where the object is not seen."""
        try:
            found = self.masks[object_id].get(position)
        except KeyError:
            raise UnknownObjectError(
                f"object {object_id} is not annotated in {self.name} (it has {list(self.objects)})"
            ) from None
        return found if found is not None else Mask.empty(self.height, self.width)

    def appears(self, object_id: int) -> int:
        """Position of the first frame with a mask of the object that is not empty."""
        return min(position for position, mask in self.masks[object_id].items() if not mask.is_empty)

    def counted_objects(self, convention: Convention) -> tuple[int, ...]:
        """Objects that the convention scores."""
        if not convention.first_frame_only:
            return self.objects
        first = min(positions[0] for positions in self.annotated.values())
        return tuple(o for o in self.objects if self.appears(o) == first)

    def counted_frames(self, convention: Convention, object_id: int) -> tuple[int, ...]:
        """Positions on which the convention scores this object."""
        frames = self.annotated[object_id]
        if convention.own_frames:
            first, last = frames[0], frames[-1]
        else:
            first = min(positions[0] for positions in self.annotated.values())
            last = max(positions[-1] for positions in self.annotated.values())
        appears = self.appears(object_id)
        begin = {"first": first, "second": first + 1, "appears": appears, "after": appears + 1}
        end = last if convention.drop_last else last + 1
        return tuple(p for p in frames if begin[convention.begin] <= p < end)
