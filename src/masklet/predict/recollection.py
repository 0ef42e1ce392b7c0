"""What a video session holds beside its log: encoded frames, memories, banks. All of it can be remade."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import replace

import numpy as np

from masklet.engine.protocol import Engine, ImageFeatures, MemoryFeature, MemoryReading
from masklet.errors import PromptError
from masklet.memory import MemoryBank, MemoryEntry
from masklet.predict.answer import answer_mask, answer_of, answer_patch
from masklet.predict.closer import CloserLook
from masklet.predict.encoding import encoded, encoded_ahead
from masklet.predict.history import PromptedFrame, PromptLog
from masklet.predict.policy import TrackingPolicy
from masklet.predict.prompting import ask
from masklet.predict.recall import answer_again, prompted_entries, recall, remember_prompted
from masklet.predict.resize import patch_mask
from masklet.predict.results import TrackedFrame, Tracks
from masklet.predict.tracking import gather, remember
from masklet.types import Candidates, Frame, Mask, Prompt
from masklet.video.ahead import frames_ahead
from masklet.video.protocol import FrameSource

KEPT_FEATURES = 8
"""Encoded frames kept for the next click: the frame itself and its neighbours in memory."""


class Recollection:
    """Answers prompts and prepares sweeps for one video; log and tracks come in as arguments."""

    def __init__(self, source: FrameSource, engine: Engine, policy: TrackingPolicy) -> None:
        self.source = source
        self.engine = engine
        self.policy = policy
        self._features: OrderedDict[int, ImageFeatures] = OrderedDict()
        self._closer: CloserLook | None = None
        self._memories: dict[PromptedFrame, MemoryFeature] = {}
        # (lineage, reverse) → the bank of the last sweep that way; with one sweep only (lineage, False).
        self._banks: dict[tuple[int, bool], MemoryBank] = {}

    def forget_frames(self) -> None:
        """Drop the encoded frames: most of what is held, and soon made again."""
        self._features.clear()
        self._closer = None

    def forget(self) -> None:
        """Drop everything."""
        self.forget_frames()
        self._memories.clear()
        self._banks.clear()

    # ── pictures ─────────────────────────────────────────────────────────────────────────────────

    def encode(self, frame: Frame) -> ImageFeatures:
        """Features of a frame, made once while it stays among the last KEPT_FEATURES."""
        if frame.index in self._features:
            self._features.move_to_end(frame.index)
        else:
            self._hold(frame.index, encoded(self.engine, frame))
        return self._features[frame.index]

    def read(self, frames: range, is_wanted: Callable[[int], bool]) -> Generator[Frame, None, None]:
        """Frames of the source, read and encoded ahead.

        is_wanted   whether a frame's features will be asked for
        """

        def is_missing(t: int) -> bool:
            return t not in self._features and is_wanted(t)

        with (
            closing(frames_ahead(self.source, frames)) as coming,
            closing(encoded_ahead(self.engine, coming, is_missing)) as encoded,
        ):
            for frame, features in encoded:
                if features is not None:
                    self._hold(frame.index, features.result())
                yield frame

    def _hold(self, index: int, features: ImageFeatures) -> None:
        """Keep a frame's features, and forget the oldest ones."""
        self._features[index] = features
        if len(self._features) > KEPT_FEATURES:
            self._features.popitem(last=False)

    def encode_index(self, index: int) -> ImageFeatures:
        """`encode` for a frame that is read only if it must be."""
        if index in self._features:
            return self._features[index]
        return self.encode(self.source[index])

    # ── prompts ──────────────────────────────────────────────────────────────────────────────────

    def answer(
        self,
        log: PromptLog,
        tracks: Tracks,
        frame: Frame,
        object_id: int,
        given: Prompt,
        earlier: PromptedFrame | None,
        candidate: int | None,
    ) -> PromptedFrame:
        """What the model makes of a checked prompt. Changes neither log nor tracks.

        earlier     the object's prompt on this frame that this one adds to
        candidate   which candidate to take; None = the best predicted IoU
        """
        prompt = earlier.prompt.merged(given) if earlier else given
        known = log.objects.get(object_id)
        found = tracks.get(known.lineage, {}).get(frame.index) if known else None
        tracked = found.reverse if found else None
        if earlier is not None and not earlier.pinned:
            tracked = earlier.tracked
        reading, prior = None, None
        if prompt.mask is None:
            if self.policy.refine_with_prior:
                prior = self._prior(log, frame.index, object_id, earlier, found)
            if tracked is not None and self.policy.needs_memory(prior):
                reading = self._reading(log, tracks, frame.index, object_id, tracked)
        candidates = ask(
            self.engine,
            self.encode(frame),
            prompt,
            frame.width,
            frame.height,
            reading=reading,
            prior=prior,
            second_look=self.policy.second_look,
        )
        chosen = int(candidates.best[0]) if candidate is None else check_candidate(candidate, candidates)
        masks = (prompt.mask,) if prompt.mask is not None else self._candidate_masks(candidates, frame)
        seen = PromptedFrame(prompt, candidates, masks, chosen, tracked)
        is_photo = len(self.source) == 1 and prompt.mask is None
        return self._looked_closer(seen, frame) if self.policy.closer_look and is_photo else seen

    def _looked_closer(self, seen: PromptedFrame, frame: Frame) -> PromptedFrame:
        """A photo's answer, the chosen candidate as a close-up around it shows it."""
        if self._closer is None:
            self._closer = CloserLook(self.engine, frame.image)
        answer, chosen = seen.answer, seen.chosen
        closer = self._closer(seen.prompt, seen.mask, answer.logits, answer.iou)
        if closer is None:
            return seen
        patch = answer_patch(replace(answer, logits=closer.logits), closer.view.guide, self.policy)
        masks, logits = list(seen.masks), seen.candidates.logits.copy()
        masks[chosen] = patch_mask(closer.placed(patch), frame.height, frame.width)
        logits[0, chosen] = closer.whole
        return replace(seen, masks=tuple(masks), candidates=replace(seen.candidates, logits=logits))

    def _candidate_masks(self, candidates: Candidates, frame: Frame) -> tuple[Mask, ...]:
        answers = [answer_of(candidates, 0, k) for k in range(candidates.logits.shape[1])]
        return tuple(answer_mask(a, frame, self.policy) for a in answers)

    def _reading(
        self, log: PromptLog, tracks: Tracks, t: int, object_id: int, reverse: bool
    ) -> MemoryReading | None:
        """What a tracked frame reads, as it did when it was tracked; None without any memory."""
        bank = self.banks_at(log, tracks, [object_id], t, reverse)[object_id]
        reading = bank.read(t, self.policy.memory, reverse=reverse)
        return gather(reading, [bank]) if reading.memories else None

    def _prior(
        self,
        log: PromptLog,
        t: int,
        object_id: int,
        earlier: PromptedFrame | None,
        found: TrackedFrame | None,
    ) -> np.ndarray | None:
        """Logits of the frame's present answer: exact while memory holds them, else from the mask."""
        if earlier is not None:
            return earlier.answer.logits
        if found is None:
            return None
        reverse = found.reverse and self.policy.two_sweeps
        bank = self._banks.get((log.objects[object_id].lineage, reverse))
        entry = bank.recent.get(t) if bank else None
        if entry is not None and entry.logits is not None:
            return entry.logits
        return answer_again(found, self.engine.input_size // 4).logits

    def keep_as_recent(
        self, frame: Frame, object_id: int, log: PromptLog, tracks: Tracks, given: PromptedFrame
    ) -> None:
        """SAM 2's way with a corrected frame: a better recent frame, until it is tracked again."""
        known, answer = log.objects[object_id], given.answer
        made = remember(self.engine, self.encode(frame), {object_id: answer}, self.policy.batch, binary=True)
        reverse = bool(given.tracked)
        bank = self._banks.setdefault((known.lineage, reverse and self.policy.two_sweeps), MemoryBank())
        entry = MemoryEntry(made[object_id], answer.pointer, answer.occlusion, answer.logits)
        bank.write(frame.index, entry)
        tracks.setdefault(known.lineage, {})[frame.index] = TrackedFrame(
            given.mask, answer.iou, answer.occlusion, answer.pointer, reverse, known.version
        )

    # ── banks ────────────────────────────────────────────────────────────────────────────────────

    def prompted_banks(self, log: PromptLog, ids: Iterable[int]) -> dict[int, MemoryBank]:
        """New banks that hold the objects' prompted frames and nothing else."""
        anchors = {i: log.objects[i].anchors(self.policy.corrections_stay) for i in log.objects}
        wanted = {i: anchors[i] for i in ids}
        made = remember_prompted(self.engine, self.encode_index, wanted, self._memories, self.policy.batch)
        current = {given for frames in anchors.values() for given in frames.values()}
        self._memories = {g: m for g, m in {**self._memories, **made}.items() if g in current}
        return {i: MemoryBank(prompted_entries(wanted[i], made)) for i in wanted}

    def banks_at(
        self, log: PromptLog, tracks: Tracks, ids: Iterable[int], t: int, reverse: bool
    ) -> dict[int, MemoryBank]:
        """Banks that are ready for frame t and what comes after it in this direction."""
        banks = self.prompted_banks(log, ids)
        keys = {i: (log.objects[i].lineage, reverse and self.policy.two_sweeps) for i in banks}
        for i, bank in banks.items():
            kept = self._banks.get(keys[i])
            if kept is not None:
                bank.recent = {f: e for f, e in kept.recent.items() if f not in bank.prompted}
        behind = {i: self._tracked_behind(log, tracks, i, t, reverse) for i in banks}
        filled = recall(self.engine, self.encode_index, t, banks, behind, self.policy, reverse=reverse)
        for i, bank in filled.items():
            if not self.policy.two_sweeps:
                bank.recent = {**banks[i].recent, **bank.recent}  # one memory, never freed (SAM 2)
            elif t in banks[i].recent:
                bank.recent[t] = banks[i].recent[t]  # not read at t, but the prior of a correction
            self._banks[keys[i]] = bank
        alive = {known.lineage for known in log.objects.values()}
        self._banks = {key: bank for key, bank in self._banks.items() if key[0] in alive}
        return filled

    def _tracked_behind(
        self, log: PromptLog, tracks: Tracks, object_id: int, t: int, reverse: bool
    ) -> Mapping[int, TrackedFrame]:
        """Frames tracked before t by the sweep that comes to t in this direction."""
        known = log.objects[object_id]
        tracked = tracks.get(known.lineage, {})
        behind = {f: r for f, r in tracked.items() if (f > t if reverse else f < t)}
        if not self.policy.two_sweeps:
            return behind
        first = min(known.anchors(self.policy.corrections_stay))
        return {
            f: r for f, r in behind.items() if r.reverse == reverse and (f < first if reverse else f > first)
        }


def check_candidate(candidate: int, candidates: Candidates) -> int:
    """The index, if there is such a candidate."""
    count = candidates.logits.shape[1]
    if not 0 <= candidate < count:
        raise PromptError(
            f"candidate {candidate} does not exist; this prompt has "
            + ("one" if count == 1 else f"{count}, numbered 0 to {count - 1}")
        )
    return candidate
