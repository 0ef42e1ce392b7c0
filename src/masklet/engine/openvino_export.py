"""A PyTorch model becomes a folder of OpenVINO graphs, once; running them needs no PyTorch."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from masklet.engine import openvino_match
from masklet.engine.foveas import block_of, table_rows
from masklet.engine.openvino_graphs import (
    Condition,
    ConditionFoveal,
    Decode,
    DecodeFoveal,
    Dense,
    Encode,
    Remember,
)
from masklet.engine.openvino_recipes import recipes
from masklet.engine.openvino_store import (
    CARD,
    FORMAT,
    GraphCard,
    replaced,
    write_card,
    write_tables,
)
from masklet.engine.openvino_suited import suit
from masklet.engine.openvino_topology import Topology
from masklet.engine.protocol import Fovea
from masklet.errors import CheckpointError, MissingExtraError
from masklet.model.config import Sam2Config
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
    model = model.eval().requires_grad_(False)
    card = card_of(model.config, own_size, source)
    with replaced(Path(folder)) as part:
        write_tables(part, _arrays(model))
        suit(model)
        for name, (module, inputs) in _graphs(model).items():
            _log.info("exporting %s", name)
            graph = _converted(openvino, module, inputs)
            openvino.save_model(graph, str(part / f"{name}.xml"), compress_to_fp16=half)
        write_card(part / CARD, card)
    return card


def topology(config: Sam2Config, *, half: bool = True) -> Topology:
    """The graphs of a network without weights, which fit any weights.

    The network is exported twice, with different random numbers: what is not the same both times
    follows from weights by no recipe, and filled graphs would be wrong.

    half     as for `export`
    raises   as `export`; CheckpointError when a constant follows from weights by no recipe
    """
    first, second = (_topology(config, seed, half) for seed in (1, 2))
    for name in first.card.graphs:
        one, other = first.graphs[name], second.graphs[name]
        if (one.xml, one.rest, one.places) != (other.xml, other.rest, other.places):
            raise CheckpointError(
                f"the graph {name} of {config.name} has constants that follow from weights by no known "
                "recipe; add one to masklet.engine.openvino_recipes"
            )
    return first


def _topology(config: Sam2Config, seed: int, half: bool) -> Topology:
    model = _scattered(config, seed)
    state = _arrays(model)
    known = openvino_match.by_size(recipes(config, state), state)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "exported")
        card = export(model, folder, half=half)
        graphs = {name: openvino_match.bare(folder, name, known) for name in card.graphs}
    return Topology(card, {name: array.shape for name, array in state.items()}, graphs)


def _scattered(config: Sam2Config, seed: int) -> Sam2:
    """A network in which no two numbers are alike, so that a parameter is known by its values."""
    generator = torch.Generator().manual_seed(seed)
    model = Sam2(config)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            # Values that float16 holds exactly: OpenVINO leaves in float32 what would lose too much.
            tensor.copy_((0.1 + 0.8 * torch.rand(tensor.shape, generator=generator)).half())
    return model


def _arrays(model: Sam2) -> dict[str, np.ndarray]:
    """Its parameters as copies, float32."""
    return {name: np.array(one.detach().float().numpy()) for name, one in model.state_dict().items()}


def card_of(config: Sam2Config, own_size: int | None, source: str) -> GraphCard:
    """What the exported model will say about itself."""
    return GraphCard(
        format=FORMAT,
        name=config.name,
        input_size=config.input_size,
        own_size=own_size or config.input_size,
        slots=config.slots,
        pointer_limit=config.pointer_limit,
        stability_delta=config.stability_delta,
        stability_threshold=config.stability_threshold,
        block=block_of(config.input_size // 16, config.memory_pool),
        source=source,
    )


def _graphs(model: Sam2) -> dict[str, tuple[nn.Module, dict[str, tuple[Tensor, Shape]]]]:
    """Each graph's module, and its inputs by name: an example and the shape it may have."""
    config = model.config
    side, width, memory = config.input_size // 16, config.width, config.memory_width
    tokens = (side // config.memory_pool) ** 2

    def fixed(*shape: int) -> tuple[Tensor, Shape]:
        return torch.zeros(shape), shape

    places = side**2
    stride16 = fixed(1, places, width)
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
                "image": (torch.zeros(2, places, width), (-1, places, width)),
                "dense": (torch.zeros(2, places, width), (-1, -1, width)),
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
        **(_foveal_graphs(model) if block_of(side, config.memory_pool) else {}),
    }


def _foveal_graphs(model: Sam2) -> dict[str, tuple[nn.Module, dict[str, tuple[Tensor, Shape]]]]:
    config = model.config
    side, width, memory = config.input_size // 16, config.width, config.memory_width
    part = block_of(side)
    tokens = table_rows([Fovea(0, 0, part)], side).shape[1]
    rows = (torch.zeros(2, tokens, dtype=torch.long), (-1, -1))
    weight = (torch.zeros(tokens), (-1,))
    return {
        "condition_foveal": (
            ConditionFoveal(model),
            {
                "stride16": (torch.zeros(1, side**2, width), (1, side**2, width)),
                "memories": (torch.zeros(2, 3, tokens, memory), (-1, -1, -1, memory)),
                "memory_rows": (torch.zeros(2, 3, tokens, dtype=torch.long), (-1, -1, -1)),
                "slots": (torch.zeros(3, dtype=torch.long), (-1,)),
                "pointers": (torch.zeros(2, 5, width), (-1, -1, width)),
                "distances": (torch.zeros(5), (-1,)),
                "rows": rows,
                "weight": weight,
            },
        ),
        "decode_foveal": (
            DecodeFoveal(model),
            {
                "image": (torch.zeros(2, tokens, width), (-1, -1, width)),
                "rows": rows,
                "weight": weight,
                "stride8": (torch.zeros(2, width // 4, 2 * part, 2 * part), (-1, width // 4, -1, -1)),
                "stride4": (torch.zeros(2, width // 8, 4 * part, 4 * part), (-1, width // 8, -1, -1)),
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
