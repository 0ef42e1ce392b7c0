"""A network of a known shape with random weights: as quick as a trained one, and just as large."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from masklet.bench.case import Case
from masklet.model.config import config_for
from masklet.model.sam2 import Sam2
from masklet.predict.segmenter import Segmenter


def random_network(case: Case) -> Sam2:
    """The network that `case.model` names (a preset), the same numbers every time; objects stay visible."""
    config = config_for(case.model)
    if case.input_size is not None:
        config = config.at(case.input_size)
    torch.manual_seed(0)
    network = Sam2(config).eval()
    with torch.no_grad():
        # Whatever the weights see, the object is there: frames without one would do less work.
        network.mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(10.0)
    return network


def random_model(case: Case) -> Segmenter:
    """That network on the case's engine."""
    if case.compiled:
        from masklet.engine.torch_compiled import CompiledTorchEngine

        return Segmenter(CompiledTorchEngine(random_network(case), case.device, case.dtype))
    if case.engine != "openvino":
        from masklet.engine.torch_engine import TorchEngine

        return Segmenter(TorchEngine(random_network(case), case.device, case.dtype))
    from masklet.engine.openvino_engine import OpenVinoEngine
    from masklet.engine.openvino_export import export

    with tempfile.TemporaryDirectory() as folder:
        export(random_network(case), Path(folder, "random"))
        return Segmenter(OpenVinoEngine(Path(folder, "random"), dtype=case.dtype))
