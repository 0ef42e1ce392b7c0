"""Where Amazon SageMaker unpacks a model."""

from __future__ import annotations

from pathlib import Path

MODEL_FOLDER = Path("/opt/ml/model")


def model_in(folder: Path = MODEL_FOLDER) -> Path | None:
    """The checkpoint in the folder, the first by name; None when there is none."""
    found = sorted(f for pattern in ("*.safetensors", "*.pt") for f in folder.glob(pattern))
    return found[0] if found else None
