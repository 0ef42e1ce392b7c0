"""A student's starting values: the teacher's decoder, and a trunk that has seen pictures before."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints
from masklet.model.config import LiteConfig
from masklet.model.names_lite import lite_state
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Sam2

PACKAGE = "package:"
"""Before the name of an installed package whose files hold the weights."""

TRUNK = "image_encoder.trunk."


def start_student(student: Sam2, teacher: Sam2, trunk: str) -> None:
    """Copy what both networks share apart from the image encoder; load the trunk's weights.

    trunk    a file of EfficientNet-Lite weights, or `package:NAME`; empty leaves the trunk random
    raises   ConfigError when the decoders differ, CheckpointError when the weights cannot be read
    """
    shared = {
        name: tensor
        for name, tensor in teacher.state_dict().items()
        if not name.startswith("image_encoder.") and not checkpoints.is_memory_path(name)
    }
    wanted = student.state_dict()
    copied = {}
    for name, tensor in shared.items():
        if name not in wanted:
            continue  # the projections of the fine maps, which a lite encoder does not need
        if wanted[name].shape != tensor.shape:
            raise ConfigError(
                f"{student.config.name} cannot learn from {teacher.config.name}: {name} is "
                f"{list(wanted[name].shape)} there and {list(tensor.shape)} here"
            )
        copied[name] = tensor
    student.load_state_dict(copied, strict=False)
    if trunk:
        _load_trunk(student, trunk)


def _load_trunk(student: Sam2, place: str) -> None:
    config = student.config.trunk
    if not isinstance(config, LiteConfig):
        raise ConfigError(f"trunk_weights are for a lite trunk; {student.config.name} has another one")
    path = weights_in_package(place.removeprefix(PACKAGE)) if place.startswith(PACKAGE) else Path(place)
    stored = checkpoints.load_state(path)
    state = lite_state(stored, sum(stage.blocks for stage in config.stages), PIXEL_MEAN, PIXEL_STD)
    named = {TRUNK + name: tensor for name, tensor in state.items()}
    wanted = {n: t for n, t in student.state_dict().items() if n.startswith(TRUNK)}
    checkpoints.check_fit(wanted, named, path)
    student.load_state_dict(named, strict=False)


def weights_in_package(name: str) -> Path:
    """The one weights file in an installed package, which is not imported.

    raises   CheckpointError when the package is not installed, or holds none or several
    """
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        install = name.replace("_", "-")
        raise CheckpointError(f"the weights are in the package {install}: pip install --no-deps {install}")
    files = [path for folder in folders for path in Path(folder).rglob("*")]
    found = sorted(path for path in files if path.suffix in (".pth", ".pt", ".safetensors"))
    if len(found) != 1:
        raise CheckpointError(f"package {name} holds {len(found)} weights files; name one by its path")
    return found[0]
