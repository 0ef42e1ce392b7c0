"""Tracking an endless source: one step a frame, and memory that stays flat for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from masklet.engine.protocol import Engine, ImageFeatures, PromptBatch
from masklet.errors import SessionError, UnknownObjectError
from masklet.memory import MemoryBank, MemoryEntry
from masklet.predict.answer import Answer, answer_mask, answer_of, masks_of
from masklet.predict.encoding import encoded
from masklet.predict.policy import TrackingPolicy
from masklet.predict.prompting import ask, ask_conditioned, check_prompt, whole_id
from masklet.predict.tracking import gather, remember, step
from masklet.types import Box, Click, Frame, FrameMasks, Mask, Prompt
from masklet.video.protocol import FrameStream
from masklet.video.stream import frame_of

Prompts = Callable[[Frame], Iterable[tuple[int, Prompt]] | None]
"""Asked before every frame is tracked: (object id, prompt) for each object to add or correct on it."""


class Stream:
    """Follows objects through frames that come once, in order. Iterate over it, or call `step`.

    frames    where frames come from; None when the caller calls `step` itself
    prompts   asked on every frame; besides, `prompt` can be called at any time
    policy    the rule for prompted frames needs a limit here, or the prompted frames pile up
    """

    def __init__(
        self,
        engine: Engine,
        frames: FrameStream | None = None,
        *,
        prompts: Prompts | None = None,
        policy: TrackingPolicy | None = None,
    ) -> None:
        self.engine = engine
        self.policy = (policy or TrackingPolicy()).within(engine.slots)
        if self.policy.memory.prompted_limit is None:
            raise SessionError("a stream needs a limit on prompted frames; set prompted_limit in its policy")
        self._frames = frames
        self._ask = prompts
        self._banks: dict[int, MemoryBank] = {}
        self._waiting: list[tuple[int, Prompt]] = []
        self._t = 0  # counts steps: a camera may drop frames, and memory counts what it has seen
        self._closed = False

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids of the objects that are followed."""
        return tuple(self._banks)

    @property
    def entries(self) -> int:
        """Memory entries held, over all objects: bounded, whatever the length of the stream."""
        return sum(len(bank) for bank in self._banks.values())

    def prompt(
        self,
        object_id: int = 1,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
    ) -> None:
        """Add an object, or correct one, on the next frame. Coordinates are checked there."""
        self._check()
        self._waiting.append((whole_id(object_id), Prompt.of(clicks, box, mask)))

    def remove(self, object_id: int) -> None:
        """Stop following an object."""
        self._check()
        waiting = [(i, p) for i, p in self._waiting if i != object_id]
        if object_id not in self._banks and len(waiting) == len(self._waiting):
            ids = ", ".join(str(i) for i in self.objects) or "none yet"
            raise UnknownObjectError(f"object {object_id} is not followed; known objects: {ids}")
        self._waiting = waiting
        self._banks.pop(object_id, None)

    def __iter__(self) -> Iterator[tuple[Frame, FrameMasks]]:
        self._check()
        if self._frames is None:
            raise SessionError("this stream has no frames of its own; call step(frame)")
        for frame in self._frames:
            if self._closed:
                return
            yield frame, self.step(frame)

    def step(self, frame: Frame | np.ndarray) -> FrameMasks:
        """Track every object on the next frame, after taking the prompts that wait for it.

        frame    or its picture uint8 [H, W, 3] RGB, which is then numbered by the steps until here
        raises   PromptError when a prompt does not fit; then nothing has changed but that the waiting
                 prompts are gone, and the frame may be given again
        """
        self._check()
        if not isinstance(frame, Frame):
            frame = frame_of(frame, self._t)
        given, self._waiting = self._waiting, []
        if self._ask is not None:
            given = [*given, *(self._ask(frame) or ())]
        prompts: dict[int, Prompt] = {}
        for object_id, prompt in ((whole_id(i), prompt) for i, prompt in given):
            prompts[object_id] = prompts[object_id].merged(prompt) if object_id in prompts else prompt
        for prompt in prompts.values():
            check_prompt(prompt, frame.width, frame.height)
        if not prompts and not self._banks:
            self._t += 1
            return FrameMasks(frame.index, {})  # nothing to follow costs nothing

        features = encoded(self.engine, frame)
        prompted = {i: self._answer(features, frame, i, prompt) for i, prompt in prompts.items()}
        followed = {i: bank for i, bank in self._banks.items() if i not in prompted}
        answers = step(self.engine, features, self._t, followed, prompted, self.policy)
        self._remember(features, prompted)
        masks = self._masks(frame, prompts, prompted, answers)
        self._t += 1
        everything = {**answers, **prompted}
        return FrameMasks(
            frame.index,
            masks,
            {i: everything[i].iou for i in masks},
            {i: everything[i].occlusion for i in masks},
            frozenset(prompted),
        )

    def close(self) -> None:
        """Forget everything and close the source."""
        if not self._closed:
            self._closed = True
            self._banks.clear()
            if self._frames is not None:
                self._frames.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._closed:
            raise SessionError("the stream is closed; open it again")

    def _answer(self, features: ImageFeatures, frame: Frame, object_id: int, prompt: Prompt) -> Answer:
        """A new object starts from its prompt; one that is followed is corrected where it is now."""
        size, twice = (frame.width, frame.height), self.policy.second_look
        bank = self._banks.get(object_id)
        if bank is None or prompt.mask is not None:
            return answer_of(ask(self.engine, features, prompt, *size, second_look=twice), 0)
        reading = gather(bank.read(self._t, self.policy.memory), [bank])
        conditioned = self.engine.condition(features, reading)
        prior = None
        if self.policy.refine_with_prior:
            tracked = self.engine.decode(conditioned, PromptBatch.none(1), multimask=True)
            prior = answer_of(tracked, 0).logits
            if not self.policy.needs_memory(prior):
                conditioned = self.engine.condition(features, None)
        candidates = ask_conditioned(self.engine, conditioned, prompt, *size, prior=prior, second_look=twice)
        return answer_of(candidates, 0)

    def _remember(self, features: ImageFeatures, prompted: dict[int, Answer]) -> None:
        memories = remember(self.engine, features, prompted, self.policy.batch, binary=True)
        for i, answer in prompted.items():
            entry = MemoryEntry(memories[i], answer.pointer, answer.occlusion, answer.logits)
            bank = self._banks.setdefault(i, MemoryBank())
            bank.write(self._t, entry, prompted=True)
            bank.prune(self._t, self.policy.memory)
        for bank in self._banks.values():
            bank.prune_prompted(self._t, self.policy.memory)

    def _masks(
        self,
        frame: Frame,
        prompts: dict[int, Prompt],
        prompted: dict[int, Answer],
        answers: dict[int, Answer],
    ) -> dict[int, Mask]:
        """Given masks verbatim, then the answers to other prompts, then what was tracked."""
        verbatim = {
            i: prompts[i].mask or answer_mask(answer, frame, self.policy) for i, answer in prompted.items()
        }
        tracked = masks_of(answers, frame, self.policy, verbatim)
        everything = {**tracked, **verbatim}
        return {i: everything[i] for i in self._banks if i in everything}
