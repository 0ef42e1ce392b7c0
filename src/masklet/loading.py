"""Opening a model by name or path: weights, engine, front door."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from masklet.engine.openvino_store import (
    compiled_folder,
    exports_folder,
    find,
    fingerprint,
    folder_name,
    is_exported,
    read_card,
)
from masklet.errors import ConfigError, MissingExtraError, SinkError
from masklet.model.registry import DEFAULT, Resolved, resolve

if TYPE_CHECKING:
    from masklet.model.config import Sam2Config
    from masklet.model.sam2 import Sam2
    from masklet.predict.segmenter import Segmenter


ENGINES = ("torch", "openvino")

_log = logging.getLogger(__name__)


def load(
    model: str | Path = DEFAULT,
    *,
    engine: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    input_size: int | None = None,
) -> Segmenter:
    """Load a model, ready to segment.

    model        a name from `masklet models`, the path of a checkpoint file, or a folder that
                 `masklet export` wrote
    engine       "torch" or "openvino" (CPU only); None takes PyTorch where it is installed
    device       "cpu", "cuda", "cuda:1", "mps"; None takes the best there is
    dtype        "float32", "bfloat16", "float16"; None takes what the device is fast at
    input_size   side pictures are resized to, a multiple of 32; None takes what the model was made for
    raises       CheckpointError when the weights are unknown, not on disk or do not fit;
                 ConfigError for an engine, device, dtype or input size that cannot be had;
                 MissingExtraError without PyTorch, or without openvino
    """
    if engine is not None and engine not in ENGINES:
        raise ConfigError(f"engine {engine!r} is unknown; use one of {', '.join(ENGINES)}")
    if is_exported(model):
        return _openvino(Path(model), engine, device, dtype, input_size)
    if engine == "openvino":
        return _openvino(_exported(model, input_size), engine, device, dtype, input_size)
    try:
        import torch  # noqa: F401
    except ImportError as error:
        found = _find_exported(model, input_size) if engine is None else None
        if found is not None:
            return _openvino(found, engine, device, dtype, input_size)
        raise MissingExtraError(
            "running a model needs PyTorch: pip install 'masklet[torch]' (or graphs that `masklet export` "
            "wrote for this model, which run without)"
        ) from error
    from masklet.engine.torch_engine import TorchEngine, pick_device
    from masklet.predict.segmenter import Segmenter

    found_files = resolve(model)
    pick_device(device)  # a device that is not there is told before seconds are spent on weights
    return Segmenter(TorchEngine(_network(found_files, input_size), device, dtype))


def export(
    model: str | Path = DEFAULT, folder: str | Path | None = None, *, input_size: int | None = None
) -> Path:
    """Write a model's graphs for the OpenVINO engine; gives the folder, which is replaced if it is there.

    folder       None: where `load` finds it, in the user's cache
    input_size   the only size the graphs will take; None: what the model was made for
    raises       as `load`; SinkError when the folder is something else, or cannot be written
    """
    found = resolve(model)
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("exporting needs PyTorch: pip install 'masklet[torch]'") from error
    from masklet.engine import openvino_export
    from masklet.model import checkpoints

    exported = _network(found, input_size)
    own_size = _config(found, checkpoints.load_states(found.paths)).input_size if input_size else None
    target = exports_folder() / folder_name(found.name, exported.config.input_size)
    target = target if folder is None else Path(folder)
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not is_exported(target)):
        raise SinkError(f"{target} is there and no exported model; name another folder")
    try:
        openvino_export.export(exported, target, own_size=own_size, source=fingerprint(found.paths))
    except OSError as error:
        raise SinkError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _openvino(
    folder: Path, engine: str | None, device: str | None, dtype: str | None, input_size: int | None
) -> Segmenter:
    from masklet.engine.openvino_engine import OpenVinoEngine
    from masklet.predict.segmenter import Segmenter

    if engine == "torch":
        raise ConfigError(f"{folder} holds graphs for OpenVINO; leave the engine out, or name a checkpoint")
    if device not in (None, "cpu"):
        raise ConfigError(f"the openvino engine runs on the cpu, not on {device!r}; leave the device out")
    size = read_card(folder).input_size
    if input_size not in (None, size):
        raise ConfigError(f"{folder} was exported for input size {size}, not {input_size}; export it again")
    return Segmenter(OpenVinoEngine(folder, dtype=dtype, cache=compiled_folder()))


def _exported(model: str | Path, input_size: int | None) -> Path:
    """The exported folder of a model; made now when there is none and PyTorch can make it."""
    folder = _find_exported(model, input_size)
    if folder is None:
        _log.info("%s is exported for OpenVINO, once", model)
        folder = export(model, input_size=input_size)
    return folder


def _find_exported(model: str | Path, input_size: int | None) -> Path | None:
    found = resolve(model)
    return find(found.name, input_size, found.paths)


def network(model: str | Path, input_size: int | None = None) -> Sam2:
    """The bare network of a checkpoint with its weights; needs PyTorch. Raises as `load`."""
    return _network(resolve(model), input_size)


def _network(found: Resolved, input_size: int | None) -> Sam2:
    import torch

    from masklet.model import checkpoints
    from masklet.model.sam2 import Sam2

    state = checkpoints.load_states(found.paths)
    config = _config(found, state)
    if input_size is not None:
        config = config.at(input_size)
    with torch.device("meta"):
        empty = Sam2(config)
    checkpoints.load_into(empty, state, found.name, assign=True)
    return empty


def _config(found: Resolved, state: dict) -> Sam2Config:
    """The network for a checkpoint: by its name, its card, or the shapes of its weights."""
    from masklet.model import checkpoints
    from masklet.model.config import config_for

    cards = [card for path in found.paths if (card := checkpoints.read_card(path)) is not None]
    name = cards[0].config if cards else found.config or checkpoints.config_name(state)
    config = config_for(name)
    return config.at(cards[-1].input_size) if cards else config
