"""A student's starting values: the teacher's decoder, and a trunk that has seen pictures before."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints
from masklet.model.config import TinyVitConfig
from masklet.model.names_mobilesam import tinyvit_state
from masklet.model.sam2 import Sam2

PACKAGE = "package:"
"""Before the name of an installed package whose files hold the weights."""

TRUNK = "image_encoder.trunk."


def start_student(student: Sam2, teacher: Sam2, trunk: str) -> None:
    """Copy what both networks share apart from the image encoder; load the trunk's weights.

    trunk    a file of MobileSAM weights, or `package:NAME`; empty leaves the trunk random
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
            continue  # the projections of the fine maps, which a narrow neck makes needless
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
    if not isinstance(config, TinyVitConfig):
        raise ConfigError(f"trunk_weights are for a TinyViT; {student.config.name} has another trunk")
    path = trunk_file(place)
    stored = checkpoints.load_state(path)
    state = tinyvit_state(stored, config)
    named = {TRUNK + name: tensor for name, tensor in state.items()}
    wanted = {n: t for n, t in student.state_dict().items() if n.startswith(TRUNK)}
    checkpoints.check_fit(wanted, named, path)
    student.load_state_dict(named, strict=False)


def trunk_file(place: str) -> Path:
    """The file that `trunk_weights` names; raises as `weights_in_package`."""
    return weights_in_package(place.removeprefix(PACKAGE)) if place.startswith(PACKAGE) else Path(place)


def weights_in_package(name: str) -> Path:
    """The one weights file in an installed distribution, whose code is not imported.

    raises   CheckpointError when it is not installed, or holds none or several
    """
    try:
        files = metadata.distribution(name).files or ()
    except (metadata.PackageNotFoundError, ValueError) as error:
        install = f"pip install --no-deps --only-binary :all: {name}"
        raise CheckpointError(f"the weights are in the package {name!r}: {install}") from error
    found = sorted(Path(str(f.locate())) for f in files if f.suffix in (".pth", ".pt", ".safetensors"))
    if len(found) != 1:
        raise CheckpointError(f"package {name} holds {len(found)} weights files; name one by its path")
    return found[0]
