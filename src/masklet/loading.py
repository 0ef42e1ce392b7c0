"""Opening a model by name or path: weights, engine, front door."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from masklet.errors import MissingExtraError
from masklet.model.registry import DEFAULT, Resolved, resolve

if TYPE_CHECKING:
    from masklet.model.config import Sam2Config
    from masklet.predict.segmenter import Segmenter


def load(
    model: str | Path = DEFAULT,
    *,
    device: str | None = None,
    dtype: str | None = None,
    input_size: int | None = None,
) -> Segmenter:
    """Load a model, ready to segment.

    model        a name from `masklet models`, or the path of a checkpoint file
    device       "cpu", "cuda", "cuda:1", "mps"; None takes the best there is
    dtype        "float32", "bfloat16", "float16"; None takes what the device is fast at
    input_size   side pictures are resized to, a multiple of 32; None takes what the model was made for
    raises       CheckpointError when the weights are unknown, not on disk or do not fit;
                 ConfigError for a device, dtype or input size that cannot be had;
                 MissingExtraError without PyTorch
    """
    found = resolve(model)
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("running a model needs PyTorch: pip install 'masklet[torch]'") from error
    from masklet.engine.torch_engine import TorchEngine, pick_device
    from masklet.model import checkpoints
    from masklet.model.sam2 import Sam2
    from masklet.predict.segmenter import Segmenter

    pick_device(device)  # a device that is not there is told before seconds are spent on weights
    state = checkpoints.load_states(found.paths)
    config = _config(found, state)
    if input_size is not None:
        config = config.at(input_size)
    with torch.device("meta"):
        network = Sam2(config)
    checkpoints.load_into(network, state, found.name, assign=True)
    return Segmenter(TorchEngine(network, device, dtype))


def _config(found: Resolved, state: dict) -> Sam2Config:
    """The network for a checkpoint: by its name, its card, or the shapes of its weights."""
    from masklet.model import checkpoints
    from masklet.model.config import config_for

    cards = [card for path in found.paths if (card := checkpoints.read_card(path)) is not None]
    name = cards[0].config if cards else found.config or checkpoints.config_name(state)
    config = config_for(name)
    return config.at(cards[-1].input_size) if cards else config
