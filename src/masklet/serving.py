"""The server's front door, as `loading` is the model's: what a program needs to run one.

from masklet.serving import Settings, serve_until_stopped
serve_until_stopped(Settings(store=Path("work")), [masklet.load])
"""

from __future__ import annotations

from masklet.server.running import serve as serve_until_stopped
from masklet.server.settings import Limits, Settings
from masklet.server.weights import model_in

__all__ = ["Limits", "Settings", "model_in", "serve_until_stopped"]
