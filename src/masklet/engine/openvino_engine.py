"""The four verbs in OpenVINO: an exported model on a CPU, without PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masklet.engine.fitting import fit_picture
from masklet.engine.foveas import cut, log_counts, table_rows, with_blocks
from masklet.engine.openvino_store import FOVEAL, GRAPHS, TABLES, read_card
from masklet.engine.protocol import Fovea, MemoryReading, PromptBatch
from masklet.errors import CheckpointError, ConfigError, MissingExtraError
from masklet.types import Candidates

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


@dataclass(frozen=True, eq=False)
class Outlook:
    """Which tokens objects see: rows int64 [O, T] of the table of places and blocks, weight float32 [T]."""

    rows: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Arrays:
    """One encoded frame, float32.

    stride16   [1 or O, h · w, C]; of O objects once they have read memory
    stride8    [1, C/4, 2h, 2w], stride4 [1, C/8, 4h, 4w]
    outlook    None for whole frames. In foveas stride16 is [O, T, C], the finer ones are cut out, [O, …]
    """

    stride16: np.ndarray
    stride8: np.ndarray
    stride4: np.ndarray
    outlook: Outlook | None = None


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
    """A graph, compiled when it is first needed, and the one request it is run with; results are copies.

    compile   gives the compiled graph
    """

    def __init__(self, compile: Callable[[], Any]) -> None:
        self._compile = compile
        self._request: Any = None
        self._lock = threading.Lock()

    def ready(self) -> None:
        """Compile it now."""
        with self._lock:
            if self._request is None:
                self._request = self._compile().create_infer_request()

    def __call__(self, **inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        self.ready()
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

        def compiled(name: str) -> Any:
            try:
                return core.compile_model(str(folder / f"{name}.xml"), "CPU", settings)
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:160]
                raise CheckpointError(f"{folder} cannot be compiled: {reason}; export it again") from error

        self._graphs = {name: Graph(partial(compiled, name)) for name in card.graphs}
        for name in GRAPHS:
            if name not in FOVEAL:  # a picture and the first tracked frame do without them
                self._graphs[name].ready()
        self._tables = _read_tables(folder / TABLES)
        self.name = card.name
        self.device = f"cpu openvino {precision}"
        self.input_size = card.input_size
        self.slots = card.slots
        self.pointer_limit = card.pointer_limit
        self.block = card.block
        self.encodes_ahead = 1

    def encode_image(self, image: np.ndarray) -> Arrays:
        stride16, stride8, stride4 = self._graphs["encode"](image=fit_picture(image, self.input_size)[None])
        return Arrays(stride16, stride8, stride4)

    def condition(
        self, features: Arrays, reading: MemoryReading | None, foveas: Sequence[Fovea] | None = None
    ) -> Arrays:
        if reading is None:
            return replace(features, stride16=features.stride16 + self._tables["no_memory"])
        inputs = {
            "stride16": features.stride16,
            "slots": np.asarray(reading.slots, np.int64),
            "pointers": np.ascontiguousarray(reading.pointers, np.float32),
            "distances": np.asarray(reading.distances, np.float32),
        }
        grid = self.input_size // 16
        if not foveas:
            places = features.stride16.shape[1]
            memories = np.stack([np.stack(objects) for objects in reading.features], axis=1)
            (stride16,) = self._graphs["condition"](**inputs, memories=memories[:, :, :places])
            return replace(features, stride16=stride16)
        rows = table_rows(foveas, grid)
        outlook = Outlook(rows, log_counts(rows.shape[1], foveas[0].side, grid))
        memory_rows = np.stack([table_rows(one, grid) for one in reading.foveas], axis=1)
        memories = np.stack(
            [
                np.stack([table[seen] for table, seen in zip(objects, memory_rows[:, n], strict=True)])
                for n, objects in enumerate(reading.features)
            ],
            axis=1,
        )
        (tokens,) = self._graphs["condition_foveal"](
            **inputs, memories=memories, memory_rows=memory_rows, rows=rows, weight=outlook.weight
        )
        return Arrays(tokens, cut(features.stride8, foveas, 2), cut(features.stride4, foveas, 4), outlook)

    def decode(self, conditioned: Arrays, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        if conditioned.outlook is not None:
            return self._decode_foveal(conditioned, conditioned.outlook).candidates(slice(1, None))
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
        if self.block:
            memories = with_blocks(memories, self.input_size // 16)
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

    def _decode_foveal(self, conditioned: Arrays, outlook: Outlook) -> Outputs:
        return Outputs(
            *self._graphs["decode_foveal"](
                image=conditioned.stride16,
                rows=outlook.rows,
                weight=outlook.weight,
                stride8=conditioned.stride8,
                stride4=conditioned.stride4,
            )
        )

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
