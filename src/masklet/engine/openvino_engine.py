"""The four verbs in OpenVINO: an exported model on a CPU, without PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masklet.engine.fitting import fit_picture
from masklet.engine.openvino_store import GRAPHS, TABLES, read_card
from masklet.engine.protocol import MemoryReading, PromptBatch
from masklet.errors import CheckpointError, ConfigError, MissingExtraError
from masklet.types import Candidates

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


@dataclass(frozen=True, eq=False)
class Arrays:
    """One encoded frame, float32.

    stride16   [1 or O, h · w, C]; of O objects once they have read memory
    stride8    [1, C/4, 2h, 2w], stride4 [1, C/8, 4h, 4w]
    """

    stride16: np.ndarray
    stride8: np.ndarray
    stride4: np.ndarray


@dataclass(frozen=True, eq=False)
class Outputs:
    """All four outputs of the decoder: 0 for clear prompts, 1 … 3 for ambiguous ones.

    logits [O, 4, S/4, S/4], iou [O, 4], pointers [O, 4, C], occlusion [O, 1]
    """

    logits: np.ndarray
    iou: np.ndarray
    pointers: np.ndarray
    occlusion: np.ndarray

    def candidates(self, which: slice) -> Candidates:
        return Candidates(
            np.ascontiguousarray(self.logits[:, which]),
            self.iou[:, which],
            self.pointers[:, which],
            self.occlusion,
        )


class Graph:
    """A compiled graph and the one request it is run with; results are copies."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()

    def __call__(self, **inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        with self._lock:
            results = self._request.infer(inputs, share_inputs=True)
            return tuple(np.array(results[i]) for i in range(len(results)))


class OpenVinoEngine:
    """Runs the graphs that `masklet export` wrote.

    folder    an exported model
    dtype     "float32", "bfloat16", "float16"; None takes bfloat16 where the CPU multiplies it
    threads   most threads; None takes all cores
    cache     folder for compiled graphs, which makes the next start quick; None compiles every time
    raises    MissingExtraError without openvino, CheckpointError when the folder is no exported model,
              ConfigError for a dtype that is unknown
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        dtype: str | None = None,
        threads: int | None = None,
        cache: str | Path | None = None,
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("this engine needs openvino: pip install openvino") from error
        if dtype is not None and dtype not in PRECISIONS:
            raise ConfigError(f"dtype {dtype!r} is unknown; use one of {', '.join(PRECISIONS)}")
        folder = Path(folder)
        self._card = card = read_card(folder)
        core = openvino.Core()
        precision = PRECISIONS[dtype] if dtype else _quickest(core)
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            # Activations in eight bits are a choice of accuracy, which is not the runtime's to make.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            # Encoding ahead runs graphs side by side; bound to cores, they would queue for the first ones.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        if cache is not None:
            settings["CACHE_DIR"] = str(cache)
        try:
            compiled = {
                name: core.compile_model(str(folder / f"{name}.xml"), "CPU", settings) for name in GRAPHS
            }
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:160]
            raise CheckpointError(f"{folder} cannot be compiled: {reason}; export it again") from error
        self._graphs = {name: Graph(one) for name, one in compiled.items()}
        self._tables = _read_tables(folder / TABLES)
        self.name = card.name
        self.device = f"cpu openvino {precision}"
        self.input_size = card.input_size
        self.slots = card.slots
        self.pointer_limit = card.pointer_limit
        self.encodes_ahead = 1

    def encode_image(self, image: np.ndarray) -> Arrays:
        return Arrays(*self._graphs["encode"](image=fit_picture(image, self.input_size)[None]))

    def condition(self, features: Arrays, reading: MemoryReading | None) -> Arrays:
        if reading is None:
            stride16 = features.stride16 + self._tables["no_memory"]
        else:
            (stride16,) = self._graphs["condition"](
                stride16=features.stride16,
                memories=np.stack([np.stack(objects) for objects in reading.features], axis=1),
                slots=np.asarray(reading.slots, np.int64),
                pointers=np.ascontiguousarray(reading.pointers, np.float32),
                distances=np.asarray(reading.distances, np.float32),
            )
        return Arrays(stride16, features.stride8, features.stride4)

    def decode(self, conditioned: Arrays, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        dense = self._tables["no_mask"]
        if prompts.prior is not None:
            (dense,) = self._graphs["dense"](prior=np.ascontiguousarray(prompts.prior, np.float32))
        outputs = self._decode(conditioned, prompts.points, prompts.labels, dense)
        if multimask:
            return outputs.candidates(slice(1, None))
        return self._stable(outputs)

    def decode_mask(self, features: Arrays, masks: np.ndarray) -> Candidates:
        objects, _, side, _ = masks.shape
        small = (side // 4, side // 4)
        scaled = 20 * np.asarray(masks, np.float32)[:, 0] - 10
        logits = np.stack(
            [np.asarray(Image.fromarray(one).resize(small, Image.Resampling.BILINEAR)) for one in scaled]
        )
        blocks = masks.reshape(objects, side // 4, 4, side // 4, 4).astype(np.float32)
        prior = np.einsum("oyaxb,ab->oyx", blocks, self._tables["mask_weight"]) + self._tables["mask_bias"]
        nothing = PromptBatch.none(objects)
        answer = self.decode(
            features, PromptBatch(nothing.points, nothing.labels, prior[:, None]), multimask=False
        )
        visible = np.any(masks.reshape(objects, -1) > 0, axis=1)[:, None]
        return Candidates(
            logits=logits[:, None],
            iou=np.ones((objects, 1), np.float32),
            pointer=np.where(visible[:, :, None], answer.pointer, self._tables["no_object_pointer"]),
            occlusion=np.where(visible, 10.0, -10.0).astype(np.float32),
        )

    def remember(
        self, features: Arrays, logits: np.ndarray, occlusion: np.ndarray, *, binary: bool
    ) -> list[np.ndarray]:
        (memories,) = self._graphs["remember"](
            stride16=features.stride16,
            logits=np.ascontiguousarray(logits, np.float32),
            occlusion=np.ascontiguousarray(occlusion, np.float32),
            binary=np.array([binary]),
        )
        # Copies: a row would keep the whole batch alive as long as the slowest object remembers it.
        return [np.array(one) for one in memories] if len(memories) > 1 else [memories[0]]

    def _decode(
        self, conditioned: Arrays, points: np.ndarray, labels: np.ndarray, dense: np.ndarray
    ) -> Outputs:
        objects = len(points)
        if points.shape[1] == 0:
            # The published model puts an empty point in, and the graph adds the usual one.
            points, labels = np.zeros((objects, 1, 2), np.float32), np.full((objects, 1), -1)
        logits, iou, pointers, occlusion = self._graphs["decode"](
            image=conditioned.stride16,
            dense=dense,
            stride8=conditioned.stride8,
            stride4=conditioned.stride4,
            points=np.ascontiguousarray(points, np.float32),
            labels=np.ascontiguousarray(labels, np.int64),
        )
        return Outputs(logits, iou, pointers, occlusion)

    def _stable(self, outputs: Outputs) -> Candidates:
        """The single mask where its edge is sharp, elsewhere the best of the three (its pointer stays)."""
        logits, iou = outputs.logits[:, :1].copy(), outputs.iou[:, :1].copy()
        delta = self._card.stability_delta
        inner = (logits > delta).sum(axis=(1, 2, 3))
        outer = (logits > -delta).sum(axis=(1, 2, 3))
        for row in np.flatnonzero(inner < self._card.stability_threshold * outer):
            best = 1 + int(outputs.iou[row, 1:].argmax())
            logits[row, 0], iou[row, 0] = outputs.logits[row, best], outputs.iou[row, best]
        return Candidates(logits, iou, outputs.pointers[:, :1], outputs.occlusion)


def _quickest(core: Any) -> str:
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _read_tables(path: Path) -> Mapping[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tables: dict[str, np.ndarray] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}; export the model again") from error
    return tables
