"""Opening a model for pictures: a checkpoint without a memory is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from masklet.errors import CheckpointError
from masklet.loading import load as load_model
from masklet.predict.segmenter import Segmenter


def load_for_pictures(
    model: str,
    *,
    device: str | None = None,
    input_size: int | None = None,
    engine: str | None = None,
    load: Callable[..., Segmenter] = load_model,
) -> Segmenter:
    """Like masklet.load, but a file that holds only the image path will do; it cannot follow anything.

    engine   as masklet.load has it; an image path alone runs on PyTorch only
    load     opens complete models
    raises   as masklet.load; CheckpointError names what is missing of the image path
    """
    given = {"input_size": input_size, "engine": engine}
    try:
        return load(model, device=device, **{key: value for key, value in given.items() if value is not None})
    except CheckpointError:
        if not Path(model).is_file() or engine not in (None, "torch"):
            raise
        segmenter = _image_path_only(Path(model), device, input_size)
        if segmenter is None:
            raise
        return segmenter


def _image_path_only(path: Path, device: str | None, input_size: int | None) -> Segmenter | None:
    """The model with an untrained memory; None when the file is no image path."""
    import torch

    from masklet.engine.torch_engine import TorchEngine
    from masklet.model import checkpoints
    from masklet.model.config import config_for
    from masklet.model.sam2 import Sam2

    state = checkpoints.load_state(path)
    if any(checkpoints.is_memory_path(name) for name in state):
        return None
    card = checkpoints.read_card(path)
    config = config_for(card.config if card is not None else checkpoints.config_name(state))
    size = input_size or (card.input_size if card is not None else None)
    with torch.device("meta"):
        network = Sam2(config if size is None else config.at(size))
    image, memory = checkpoints.split(network.state_dict())
    checkpoints.check_fit(image, state, path.stem)
    # Never run on pictures, but a network with parts missing cannot be loaded at all.
    zeros = {name: torch.zeros(tensor.shape) for name, tensor in memory.items()}
    checkpoints.load_into(network, {**state, **zeros}, path.stem, assign=True)
    return Segmenter(TorchEngine(network, device))
