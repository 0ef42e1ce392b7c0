"""Which model `masklet serve` opens: the one that is named, its projects' own, or a fitting one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from masklet.cli.annotate import opened
from masklet.engine.openvino_store import is_exported
from masklet.errors import CheckpointError, ConfigError
from masklet.loading import for_clicks
from masklet.model.registry import DEFAULT, QUICK, resolve

WHY_QUICK = f", since there is no GPU to compute on; --model {DEFAULT} is finer, and several times slower"


@dataclass(frozen=True)
class ServedModel:
    """name: what the model is opened by; lines: what the terminal says about it."""

    name: str
    lines: tuple[str, ...]


def served_model(
    named: str | None, projects: Sequence[Path], devices: Sequence[str | None], engine: str | None
) -> ServedModel:
    """The model of `--model`, else the projects', else what fits the machine.

    raises   ConfigError when the projects differ and none is named, or when there is no such model;
             ProjectError for a folder that is none
    """
    found = _chosen(named, projects, devices, engine)
    try:
        if not is_exported(found.name):
            resolve(found.name)
    except CheckpointError as error:  # told before anything listens
        raise ConfigError(str(error)) from error
    return found


def _chosen(
    named: str | None, projects: Sequence[Path], devices: Sequence[str | None], engine: str | None
) -> ServedModel:
    own = [(_called(folder), _model_of(folder)) for folder in projects]
    if named is not None:
        return ServedModel(named, (f"model: {named}", *_differing(named, own)))
    if not own:
        fitting = for_clicks(devices, engine)
        return ServedModel(fitting, (f"model: {fitting}{WHY_QUICK if fitting == QUICK else ''}",))
    models = {model for _, model in own}
    if len(models) > 1:
        each = ", ".join(f"{project} {model}" for project, model in own)
        raise ConfigError(f"the projects have different models ({each}); choose the one to open with --model")
    (model,) = models
    users = " and ".join(project for project, _ in own)
    return ServedModel(model, (f"model: {model}, which {users} use{'s' * (len(own) == 1)}",))


def _model_of(folder: Path) -> str:
    with opened(folder) as project:
        return project.model


def _called(folder: Path) -> str:
    """As the studio names it."""
    return folder.resolve().name


def _differing(named: str, own: Sequence[tuple[str, str]]) -> list[str]:
    return [
        f"project {project} uses {model}; its masklets are drawn here with {named}"
        for project, model in own
        if _whole(model) != _whole(named)
    ]


def _whole(model: str) -> str:
    """A checkpoint's file goes by where it is, however it was written."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.is_file() else model
