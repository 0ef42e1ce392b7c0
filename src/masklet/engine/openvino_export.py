"""A PyTorch model becomes a folder of OpenVINO graphs, once; running them needs no PyTorch."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from masklet.engine.openvino_graphs import Condition, Decode, Dense, Encode, Remember
from masklet.engine.openvino_store import CARD, FORMAT, TABLES, GraphCard, write_card
from masklet.errors import MissingExtraError
from masklet.model.sam2 import Sam2

Shape = tuple[int, ...]
"""-1 stands for any number."""

_log = logging.getLogger(__name__)


def export(
    model: Sam2, folder: str | Path, *, own_size: int | None = None, source: str = "", half: bool = True
) -> GraphCard:
    """Write the model's graphs to `folder`, which is replaced as a whole; the model is used up.

    own_size the input size the checkpoint was made for; None: the model's
    source   `fingerprint` of the checkpoint, kept in the card
    half     store weights as float16; float32 otherwise
    raises   MissingExtraError without openvino; OSError when the folder cannot be written
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("exporting needs openvino: pip install openvino") from error
    folder = Path(folder)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model = model.eval().requires_grad_(False)
    card = card_of(model, own_size, source)
    try:
        _write_tables(model, part / TABLES)
        for name, (module, inputs) in _graphs(model).items():
            _log.info("exporting %s", name)
            graph = _converted(openvino, module, inputs)
            openvino.save_model(graph, str(part / f"{name}.xml"), compress_to_fp16=half)
        write_card(part / CARD, card)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return card


def card_of(model: Sam2, own_size: int | None, source: str) -> GraphCard:
    """What the exported model will say about itself."""
    config = model.config
    return GraphCard(
        format=FORMAT,
        name=config.name,
        input_size=config.input_size,
        own_size=own_size or config.input_size,
        slots=config.slots,
        pointer_limit=config.pointer_limit,
        stability_delta=config.stability_delta,
        stability_threshold=config.stability_threshold,
        source=source,
    )


def _graphs(model: Sam2) -> dict[str, tuple[nn.Module, dict[str, tuple[Tensor, Shape]]]]:
    """Each graph's module, and its inputs by name: an example and the shape it may have."""
    config = model.config
    side, width, memory = config.input_size // 16, config.width, config.memory_width
    tokens = (side // config.memory_pool) ** 2

    def fixed(*shape: int) -> tuple[Tensor, Shape]:
        return torch.zeros(shape), shape

    stride16 = fixed(1, width, side, side)
    logits = (torch.zeros(2, 1, 4 * side, 4 * side), (-1, 1, 4 * side, 4 * side))
    return {
        "encode": (
            Encode(model),
            {
                "image": (
                    torch.zeros(1, config.input_size, config.input_size, 3, dtype=torch.uint8),
                    (1, config.input_size, config.input_size, 3),
                )
            },
        ),
        "condition": (
            Condition(model),
            {
                "stride16": stride16,
                "memories": (torch.zeros(2, 3, tokens, memory), (-1, -1, tokens, memory)),
                "slots": (torch.zeros(3, dtype=torch.long), (-1,)),
                "pointers": (torch.zeros(2, 5, width), (-1, -1, width)),
                "distances": (torch.zeros(5), (-1,)),
            },
        ),
        "dense": (Dense(model), {"prior": logits}),
        "decode": (
            Decode(model),
            {
                "image": (torch.zeros(2, width, side, side), (-1, width, side, side)),
                "stride8": fixed(1, width // 4, 2 * side, 2 * side),
                "stride4": fixed(1, width // 8, 4 * side, 4 * side),
                "points": (torch.zeros(2, 3, 2), (-1, -1, 2)),
                "labels": (torch.ones(2, 3, dtype=torch.long), (-1, -1)),
            },
        ),
        "remember": (
            Remember(model),
            {
                "stride16": stride16,
                "logits": logits,
                "occlusion": (torch.zeros(2, 1), (-1, 1)),
                "binary": (torch.zeros(1, dtype=torch.bool), (1,)),
            },
        ),
    }


def _converted(openvino: Any, module: nn.Module, inputs: Mapping[str, tuple[Tensor, Shape]]) -> Any:
    """The graph of a traced module.

    The front end is called by itself: `openvino.convert_model` reports every conversion to its makers.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    examples = tuple(example for example, _ in inputs.values())
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns of every Python number taken from a shape; those here are meant to be fixed.
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(
            module.eval(), example_input=examples, trace_kwargs={"check_trace": False}
        )
        front_end = FrontEndManager().load_by_framework("pytorch")
        described = front_end.load(decoder)
        for place, (example, shape) in zip(described.get_inputs(), inputs.values(), strict=True):
            described.set_element_type(place, openvino.Type(example.numpy().dtype))
            described.set_partial_shape(place, openvino.PartialShape(list(shape)))
        graph = front_end.convert(described)
    for port, name in zip(graph.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    return graph


def _write_tables(model: Sam2, path: Path) -> None:
    """What is added or chosen outside the graphs, float32."""
    from safetensors.numpy import save_file

    tables = {
        "no_memory": model.no_memory_embed[0, 0][:, None, None],
        "no_mask": model.prompt_encoder.no_mask_embed.weight[0][:, None, None],
        "no_object_pointer": model.no_object_pointer[0],
        "mask_weight": model.mask_downsample.weight[0, 0],
        "mask_bias": model.mask_downsample.bias,
    }
    save_file({k: np.ascontiguousarray(v.detach().float().numpy()) for k, v in tables.items()}, path)
