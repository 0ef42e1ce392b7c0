"""The four verbs in PyTorch: any checkpoint, CPU, CUDA or Apple GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.engine.foveas import block_of, log_counts, table_rows
from masklet.engine.protocol import Fovea, MemoryReading, PromptBatch
from masklet.errors import ConfigError
from masklet.model.foveal import Outlook
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Decoded, Features, Prompts, Reading, Sam2
from masklet.types import Candidates

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(wanted: str | None) -> torch.device:
    """The asked-for device, or the best there is; ConfigError when it is not there."""
    if wanted is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device {wanted!r} cannot be used here; try 'cpu'") from error
    return device


def pick_dtype(device: torch.device, wanted: str | None) -> torch.dtype:
    """The asked-for number type, or bfloat16 where the hardware multiplies it, else float32."""
    if wanted is not None:
        if wanted not in DTYPES:
            raise ConfigError(f"dtype {wanted!r} is unknown; use one of {', '.join(DTYPES)}")
        return DTYPES[wanted]
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    if device.type == "cpu" and _cpu_multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def _cpu_multiplies_bfloat16() -> bool:
    """AVX512-BF16 or AMX; elsewhere bfloat16 is emulated and slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@dataclass(frozen=True, eq=False)
class Seen:
    """Conditioned features in foveas: tokens [O, T, C], and the finer maps cut out, [O, …]."""

    tokens: Tensor
    stride8: Tensor
    stride4: Tensor
    outlook: Outlook


class TorchEngine:
    """Holds a model and runs its verbs under inference mode and autocast."""

    def __init__(self, model: Sam2, device: str | None = None, dtype: str | None = None) -> None:
        self._device = pick_device(device)
        self._dtype = pick_dtype(self._device, dtype)
        self._model = model.eval().requires_grad_(False).to(self._device)
        mean, std = (
            torch.tensor(v, device=self._device)[None, :, None, None] for v in (PIXEL_MEAN, PIXEL_STD)
        )
        self._mean, self._std = mean, std
        self.name = model.config.name
        self.device = f"{self._device} {str(self._dtype).removeprefix('torch.')}"
        self.input_size = model.config.input_size
        self.slots = model.config.slots
        self.pointer_limit = model.config.pointer_limit
        # A large GPU waits for the processor to name the next kernel: what saves arithmetic costs it time
        # there, and a frame encoded ahead is named while masks are finished. On a CPU both threads' kernels
        # would wait for the same cores, spinning.
        on_gpu = self._device.type == "cuda"
        self.block = 0 if on_gpu else block_of(self.input_size // 16, model.config.memory_pool)
        self.encodes_ahead = 1 if on_gpu else 0

    def encode_image(self, image: np.ndarray) -> Features:
        with torch.inference_mode(), self._autocast():
            return self._model.encode(self._pixels(image))

    def condition(
        self, features: Features, reading: MemoryReading | None, foveas: Sequence[Fovea] | None = None
    ) -> Features | Seen:
        with torch.inference_mode(), self._autocast():
            if reading is None:
                return self._model.condition(features, None)
            memories = [torch.cat(list(objects)) for objects in reading.features]
            whole = Reading(memories, reading.slots, self._tensor(reading.pointers), reading.distances)
            if not foveas:
                return self._model.condition(features, whole)
            outlook = self._outlook(foveas)
            remembered = [self._outlook(one) for one in reading.foveas]
            tokens = self._model.condition_foveal(features, whole, outlook, remembered)
            return Seen(tokens, _cut(features.stride8, foveas, 2), _cut(features.stride4, foveas, 4), outlook)

    def decode(self, conditioned: Features | Seen, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        if isinstance(conditioned, Seen):
            with torch.inference_mode(), self._autocast():
                grid = self.input_size // 16
                decoded = self._model.decode_foveal(
                    conditioned.tokens, conditioned.stride8, conditioned.stride4, grid, conditioned.outlook
                )
                return candidates_of(decoded)
        with torch.inference_mode(), self._autocast():
            return candidates_of(self._model.decode(conditioned, self._prompts(prompts), multimask=multimask))

    def decode_mask(self, features: Features, masks: np.ndarray) -> Candidates:
        with torch.inference_mode(), self._autocast():
            return candidates_of(self._model.decode_mask(features, self._tensor(masks)))

    def remember(
        self, features: Features, logits: np.ndarray, occlusion: np.ndarray, *, binary: bool
    ) -> list[Tensor]:
        with torch.inference_mode(), self._autocast():
            memory = self._model.remember(
                features, self._tensor(logits), self._tensor(occlusion), binary=binary
            )
        return [memory[i : i + 1] for i in range(memory.shape[0])]

    def _outlook(self, foveas: Sequence[Fovea]) -> Outlook:
        grid = self.input_size // 16
        rows = table_rows(foveas, grid)
        weight = log_counts(rows.shape[1], foveas[0].side, grid)
        return Outlook(torch.from_numpy(rows).to(self._device), self._tensor(weight), self.block)

    def _autocast(self) -> torch.autocast:
        half = self._dtype != torch.float32
        return torch.autocast(self._device.type, self._dtype if half else torch.bfloat16, enabled=half)

    def _pixels(self, image: np.ndarray) -> Tensor:
        """uint8 [H, W, 3] → normalised [1, 3, S, S]; the aspect is not kept, as in SAM 2."""
        # A frame is read-only; from_numpy would warn, and the tensor is never written to.
        pixels = torch.tensor(image, device=self._device).permute(2, 0, 1)[None].float() / 255
        size = (self.input_size, self.input_size)
        if pixels.shape[2:] != size:
            pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        return (pixels - self._mean) / self._std

    def _prompts(self, prompts: PromptBatch) -> Prompts:
        prior = None if prompts.prior is None else self._tensor(prompts.prior)
        labels = torch.as_tensor(prompts.labels, dtype=torch.long, device=self._device)
        return Prompts(self._tensor(prompts.points), labels, prior)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32, device=self._device)


def _cut(maps: Tensor, foveas: Sequence[Fovea], scale: int) -> Tensor:
    """[1, C, …] → what lies in each fovea, [O, C, scale · side, scale · side]."""
    return torch.stack([maps[0][:, one.scaled(scale)[0], one.scaled(scale)[1]] for one in foveas])


def candidates_of(decoded: Decoded) -> Candidates:
    """Out of the device and into numpy."""
    return Candidates(
        logits=decoded.logits.float().cpu().numpy(),
        iou=decoded.iou.float().cpu().numpy(),
        pointer=decoded.pointers.float().cpu().numpy(),
        occlusion=decoded.occlusion.float().cpu().numpy(),
    )
