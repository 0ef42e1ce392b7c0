"""Opening a model by name or path: weights, engine, front door."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
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
from masklet.engine.openvino_topology import packed_for, packed_path, packed_sizes
from masklet.errors import ConfigError, MissingExtraError, SinkError
from masklet.model.registry import DEFAULT, QUICK, Resolved, resolve

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
    compiled: bool = False,
) -> Segmenter:
    """Load a model, ready to segment.

    model        a name from `masklet models`, the path of a checkpoint file, or a folder that a
                 training run or `masklet export` wrote
    engine       "torch" or "openvino" (CPU only); None takes PyTorch on a GPU, OpenVINO on a CPU where the
                 package has the model's graphs, and PyTorch for everything else
    device       "cpu", "cuda", "cuda:1", "mps"; None takes the best there is
    dtype        "float32", "bfloat16", "float16"; None takes what the device is fast at
    input_size   side pictures are resized to, a multiple of 32; None takes what the model was made for
    compiled     let PyTorch compile the network: the first frames take minutes, all others are quicker on a
                 GPU; the torch engine's alone
    raises       CheckpointError when the weights are unknown, not on disk or do not fit;
                 ConfigError for an engine, device, dtype or input size that cannot be had;
                 MissingExtraError without openvino, or without PyTorch where graphs would have to be traced
    """
    if engine is not None and engine not in ENGINES:
        raise ConfigError(f"engine {engine!r} is unknown; use one of {', '.join(ENGINES)}")
    if compiled and engine == "openvino":
        raise ConfigError("openvino's graphs are compiled as they are; compiled is for the torch engine")
    if compiled:
        engine = "torch"
    if is_exported(model):
        if engine == "torch":
            raise ConfigError(
                f"{model} holds graphs for OpenVINO; leave the engine out, or name a checkpoint"
            )
        return _openvino(Path(model), device, dtype, input_size)
    found = resolve(model)
    if (engine or _fitting_engine(found, device, input_size)) == "openvino":
        return _from_graphs(found, device, dtype, input_size)
    if not _has_torch():
        raise MissingExtraError("the torch engine needs PyTorch: pip install 'masklet[torch]'")
    from masklet.engine.torch_engine import TorchEngine, pick_device
    from masklet.predict.segmenter import Segmenter

    pick_device(device)  # a device that is not there is told before seconds are spent on weights
    net = _network(found, input_size)
    if compiled:
        from masklet.engine.torch_compiled import CompiledTorchEngine

        return Segmenter(CompiledTorchEngine(net, device, dtype))
    return Segmenter(TorchEngine(net, device, dtype))


def for_clicks(devices: Sequence[str | None] = (None,), engine: str | None = None) -> str:
    """The embedded model that answers a person in time: the default one on GPUs, the quick one elsewhere.

    devices, engine   as for `load`, of every model that is going to be loaded
    raises            ConfigError for a device that is not here
    """
    if engine == "openvino" or "cpu" in devices or not _has_torch():
        return QUICK
    from masklet.engine.torch_engine import pick_device

    return QUICK if any(pick_device(device).type == "cpu" for device in devices) else DEFAULT


def export(
    model: str | Path = DEFAULT, folder: str | Path | None = None, *, input_size: int | None = None
) -> Path:
    """Write a model's graphs for the OpenVINO engine; gives the folder, which is replaced if it is there.

    Needs PyTorch, unless the package has the model's graphs at this size and only the weights go in.

    folder       None: where `load` finds it, in the user's cache
    input_size   the only size the graphs will take; None: what the model was made for
    raises       as `load`; SinkError when the folder is something else, or cannot be written
    """
    return _export(resolve(model), folder, input_size)


def export_topology(network: str, folder: str | Path, *, input_size: int | None = None) -> Path:
    """Write the graphs of a network without weights, as the package carries them; gives the file.

    network      a name from `config.presets`; its weights need not be there
    input_size   the only size the graphs will take; None: the network's own
    raises       ConfigError for an unknown network, MissingExtraError without PyTorch or openvino,
                 SinkError when the file cannot be written
    """
    if not _has_torch():
        raise MissingExtraError("exporting needs PyTorch: pip install 'masklet[torch]'")
    from masklet.engine import openvino_export, openvino_topology
    from masklet.model.config import config_for

    config = config_for(network)
    path = packed_path(Path(folder), network, input_size or config.input_size)
    topology = openvino_export.topology(config.at(input_size or config.input_size))
    try:
        openvino_topology.write(topology, path)
    except OSError as error:
        raise SinkError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _openvino(
    folder: Path, device: str | None, dtype: str | None, input_size: int | None, *, keep: bool = True
) -> Segmenter:
    """Run a folder of graphs; with `keep`, what is compiled stays for the next start."""
    from masklet.engine.openvino_engine import OpenVinoEngine
    from masklet.predict.segmenter import Segmenter

    if device not in (None, "cpu"):
        raise ConfigError(f"the openvino engine runs on the cpu, not on {device!r}; leave the device out")
    size = read_card(folder).input_size
    if input_size not in (None, size):
        raise ConfigError(f"{folder} was exported for input size {size}, not {input_size}; export it again")
    return Segmenter(OpenVinoEngine(folder, dtype=dtype, cache=compiled_folder() if keep else None))


def _from_graphs(found: Resolved, device: str | None, dtype: str | None, input_size: int | None) -> Segmenter:
    """A checkpoint on OpenVINO; graphs that are not there yet are made, and kept where that can be."""
    packed = packed_for(found.paths, input_size)
    folder = find(found.name, input_size, found.paths if packed is None else packed.files)
    try:
        folder = folder or _export(found, None, input_size)
    except SinkError as error:
        if packed is None:
            raise
        _log.warning("%s: graphs are made anew at every start", error)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            packed.fill(Path(home, "graphs"))
            return _openvino(Path(home, "graphs"), device, dtype, input_size, keep=False)
    return _openvino(folder, device, dtype, input_size)


def _export(found: Resolved, folder: str | Path | None, input_size: int | None) -> Path:
    """Write graphs: those of the package, with the weights in, or else traced by PyTorch."""
    write: Callable[[Path], object]
    packed = packed_for(found.paths, input_size)
    if packed is not None:
        size, write = packed.input_size, packed.fill
    elif _has_torch():
        size, write = _traced(found, input_size)
    else:
        raise _no_graphs(found)
    target = exports_folder() / folder_name(found.name, size) if folder is None else Path(folder)
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not is_exported(target)):
        raise SinkError(f"{target} is there and no exported model; name another folder")
    try:
        write(target)
    except OSError as error:
        raise SinkError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _traced(found: Resolved, input_size: int | None) -> tuple[int, Callable[[Path], object]]:
    """The input size of what PyTorch will trace, and how to have it written."""
    from masklet.engine import openvino_export
    from masklet.model import checkpoints

    model = _network(found, input_size)
    own_size = _config(found, checkpoints.load_states(found.paths)).input_size if input_size else None
    source = fingerprint(found.paths)
    return model.config.input_size, lambda folder: openvino_export.export(
        model, folder, own_size=own_size, source=source
    )


def _no_graphs(found: Resolved) -> MissingExtraError:
    sizes = packed_sizes(found.config) if found.config else ()
    others = f"; without it, {found.name} runs at input size {' or '.join(map(str, sizes))}" if sizes else ""
    return MissingExtraError(
        "running this model needs PyTorch: pip install 'masklet[torch]' (or graphs that `masklet export` "
        f"wrote for it, which run without){others}"
    )


def _fitting_engine(found: Resolved, device: str | None, input_size: int | None) -> str:
    """The faster one here, without a wait: on a CPU that is OpenVINO, if nothing has to be traced for it."""
    if not _has_torch():
        return "openvino"
    from masklet.engine.torch_engine import pick_device

    on_cpu = device == "cpu" or (device is None and pick_device(None).type == "cpu")
    return "openvino" if on_cpu and packed_for(found.paths, input_size) is not None else "torch"


def _has_torch() -> bool:
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


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
