"""transformers' SAM 2 (`Sam2VideoModel`) in the size of one of our configurations.

Only the model classes are used: its processors need torchvision, which nothing here depends on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.bench.peers import transformers_config
from masklet.model import checkpoints
from masklet.model.config import Sam2Config
from masklet.model.sam2 import Sam2
from parity.float32 import Float32Torch
from parity.video import HEIGHT, WIDTH, Found, Given, Tracked, pixels, square_mask
from parity.weights import randomise

pytest.importorskip("transformers", reason="transformers, a test dependency, is not installed")

from transformers import (
    Sam2Config as Sam2ImageConfig,
)
from transformers import (
    Sam2Model,
    Sam2VideoModel,
)
from transformers.models.sam2_video import modeling_sam2_video as modeling


def theirs(config: Sam2Config, seed: int = 0) -> Sam2VideoModel:
    """transformers' model with random weights, in evaluation mode."""
    torch.manual_seed(seed)
    model = Sam2VideoModel(transformers_config(config)).eval()
    randomise(model, seed)
    # One matrix under two names; published files hold it twice.
    matrix = model.shared_image_embedding.positional_embedding
    model.prompt_encoder.shared_embedding.positional_embedding.copy_(matrix)
    return model


def ours(config: Sam2Config, model: nn.Module, folder: Path) -> Sam2:
    """Our model with the weights of theirs, by way of a checkpoint file."""
    from safetensors.torch import save_file

    file = folder / "model.safetensors"
    save_file({name: tensor.clone() for name, tensor in model.state_dict().items()}, file)
    mine = Sam2(config).eval()
    checkpoints.load_into(mine, checkpoints.load_state(file), file)
    return mine


def image_model(model: Sam2VideoModel) -> Sam2Model:
    """transformers' model for photos, with the image part of the video model's weights."""
    config = model.config
    photo = Sam2Model(
        Sam2ImageConfig(
            vision_config=config.vision_config,
            prompt_encoder_config=config.prompt_encoder_config.to_dict(),
            mask_decoder_config=config.mask_decoder_config.to_dict(),
        )
    ).eval()
    missing = photo.load_state_dict(model.state_dict(), strict=False).missing_keys
    assert not missing
    return photo


def follow_official(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo where transformers departs from the official code, and its rounding.

    - memories are stored as bfloat16, which alone costs three digits;
    - a mask prompt is remembered as it came, where the official code stretches its low-resolution
      logits; and its pointer is the best of three, where the official code takes the single output;
    - one object's prompt on a frame turns the memories of all objects tracked there binary.
    """
    original = Sam2VideoModel._use_mask_as_output
    encode_all = Sam2VideoModel._batch_encode_memories

    def use_mask_as_output(self: Sam2VideoModel, *args: Any, **kwargs: Any) -> Any:
        forward = self._single_frame_forward
        self._single_frame_forward = lambda **given: forward(**given, multimask_output=False)
        try:
            out = original(self, *args, **kwargs)
        finally:
            del self._single_frame_forward
        out.high_res_masks = stretch(out.pred_masks)
        return out

    def encode_one_by_one(
        self: Sam2VideoModel, *, inference_session: Any, frame_idx: int, **each: list
    ) -> None:
        for one in zip(*each.values(), strict=True):
            alone = {name: [value] for name, value in zip(each, one, strict=True)}
            encode_all(self, inference_session=inference_session, frame_idx=frame_idx, **alone)

    monkeypatch.setattr(modeling, "torch", Float32Torch("torch"))
    monkeypatch.setattr(Sam2VideoModel, "_use_mask_as_output", use_mask_as_output)
    monkeypatch.setattr(Sam2VideoModel, "_batch_encode_memories", encode_one_by_one)


def stretch(logits: Tensor) -> Tensor:
    """[…, S/4, S/4] → […, S, S], as masks enter the memory encoder."""
    return F.interpolate(logits, scale_factor=4.0, mode="bilinear", align_corners=False)


class HuggingFaceVideo:
    """transformers' inference session."""

    def __init__(self, model: Sam2VideoModel, images: np.ndarray) -> None:
        self.model, self.size = model, model.config.image_size
        self.session = modeling.Sam2VideoInferenceSession(
            video=pixels(images, self.size), video_height=HEIGHT, video_width=WIDTH, dtype=torch.float32
        )
        self.given: dict[tuple[int, int], Given] = {}

    def prompt(self, frame: int, object_id: int, given: Given) -> Found:
        session, index = self.session, self.session.obj_id_to_idx(object_id)
        if given.mask is not None:
            session.remove_point_inputs(index, frame)
            session.add_mask_inputs(index, frame, square_mask(given.mask, self.size))
        else:
            earlier = self.given.get((frame, object_id), Given())
            given = Given((*earlier.clicks, *given.clicks), given.box or earlier.box)
            points, labels = given.points(self.size)
            session.remove_mask_inputs(index, frame)
            session.add_point_inputs(
                index, frame, {"point_coords": points[None, None], "point_labels": labels[None, None]}
            )
        self.given[frame, object_id] = given
        session.obj_with_new_inputs = [object_id]
        tracked = session.frames_tracked_per_obj[index].get(frame, {"reverse": False})
        self.model(session, frame_idx=frame, **tracked)
        return self._found(object_id, frame)

    def propagate(self, start: int | None = None, limit: int | None = None, reverse: bool = False) -> Tracked:
        tracked = {}
        for out in self.model.propagate_in_video_iterator(
            self.session, start_frame_idx=start, max_frame_num_to_track=limit, reverse=reverse
        ):
            for object_id in out.object_ids:
                outputs = self.session.output_dict_per_obj[self.session.obj_id_to_idx(object_id)]
                if out.frame_idx not in outputs["cond_frame_outputs"]:
                    tracked[object_id, out.frame_idx] = self._found(object_id, out.frame_idx)
        return tracked

    def _found(self, object_id: int, frame: int) -> Found:
        outputs = self.session.output_dict_per_obj[self.session.obj_id_to_idx(object_id)]
        out = outputs["cond_frame_outputs"].get(frame) or outputs["non_cond_frame_outputs"][frame]
        return Found(
            out["pred_masks"][0, 0], out["object_pointer"].flatten(), float(out["object_score_logits"])
        )
