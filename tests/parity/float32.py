"""The published predictors store memories as bfloat16, which alone costs three digits."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch


class Float32Torch(ModuleType):
    """torch, but its bfloat16 is float32: what a module under comparison is given as `torch`."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)
