"""Where Amazon SageMaker unpacks a model."""

from __future__ import annotations

from pathlib import Path

from masklet.model.registry import PARTS

MODEL_FOLDER = Path("/opt/ml/model")


def model_in(folder: Path = MODEL_FOLDER) -> Path | None:
    """The folder itself when a run left a model in it, else its first checkpoint by name, or None."""
    if all((folder / f"{part}.safetensors").is_file() for part in PARTS):
        return folder
    found = sorted(f for pattern in ("*.safetensors", "*.pt") for f in folder.glob(pattern))
    return found[0] if found else None
