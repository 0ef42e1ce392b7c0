"""The official code, as repackaged on PyPI under the name `sam2`, in the size of one of our configurations.

Nobody needs it installed: tests that use it skip without. Its package reads its own configuration files
with hydra when imported, and files with iopath; neither has a part in the network, so stand-ins do.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from torch import nn

from masklet.model import names_official
from masklet.model.config import Sam2Config
from masklet.model.sam2 import Sam2
from parity.float32 import Float32Torch
from parity.video import HEIGHT, WIDTH, Found, Given, Tracked, pixels


def require() -> ModuleType:
    """The official video predictor's module; skips where it is not installed."""
    if importlib.util.find_spec("sam2") is None:
        pytest.skip("the official code (PyPI: sam2) is not installed")
    for name in ("hydra", "hydra.core", "hydra.core.global_hydra", "iopath.common.file_io"):
        if name not in sys.modules and not _installed(name):
            sys.modules[name] = _stand_in(name)
    from sam2 import sam2_video_predictor

    return sam2_video_predictor


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _stand_in(name: str) -> ModuleType:
    """A module with the names that importing the official code asks for."""

    class GlobalHydra:
        @classmethod
        def instance(cls) -> GlobalHydra:
            return cls()

        def is_initialized(self) -> bool:
            return True

    module = ModuleType(name)
    module.__dict__.update(GlobalHydra=GlobalHydra, initialize_config_module=None, g_pathmgr=None)
    return module


def official(config: Sam2Config, mine: Sam2) -> Any:
    """The official video predictor with the weights of ours, by its own parameter names.

    Options are those of the published configurations and of `build_sam2_video_predictor`, except that
    holes are not filled: that needs a compiled kernel.
    """
    module = require()
    newer = config.no_object_embed  # SAM 2.1
    model = module.SAM2VideoPredictor(
        image_encoder=_image_encoder(config),
        memory_attention=_memory_attention(config),
        memory_encoder=_memory_encoder(config),
        num_maskmem=config.slots,
        image_size=config.input_size,
        sigmoid_scale_for_mem_enc=20.0,
        sigmoid_bias_for_mem_enc=-10.0,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        no_obj_embed_spatial=newer,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        add_tpos_enc_to_obj_ptrs=newer,
        proj_tpos_enc_in_obj_ptrs=newer,
        use_signed_tpos_enc_to_obj_ptrs=newer,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        multimask_output_for_tracking=True,
        use_multimask_token_for_obj_ptr=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        use_mlp_for_obj_ptr_proj=True,
        binarize_mask_from_pts_for_mem_enc=True,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": config.stability_delta,
            "dynamic_multimask_stability_thresh": config.stability_threshold,
        },
    )
    state = {names_official.official(name): tensor for name, tensor in mine.state_dict().items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) == names_official.UNUSED
    assert not unexpected
    return model.eval()


def _image_encoder(config: Sam2Config) -> nn.Module:
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine

    trunk = config.trunk
    hiera = Hiera(
        embed_dim=trunk.width,
        num_heads=trunk.heads,
        stages=trunk.blocks,
        global_att_blocks=trunk.global_blocks,
        window_pos_embed_bkg_spatial_size=trunk.background,
        window_spec=trunk.windows,
    )
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(num_pos_feats=config.width, normalize=True),
        d_model=config.width,
        backbone_channel_list=list(reversed(trunk.stage_widths)),
        fpn_top_down_levels=[2, 3],
        fpn_interp_model="nearest",
    )
    return ImageEncoder(hiera, neck, scalp=1)


def _memory_attention(config: Sam2Config) -> nn.Module:
    from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
    from sam2.modeling.sam.transformer import RoPEAttention

    side, width = config.input_size // 16, config.width
    shared = {"embedding_dim": width, "num_heads": 1, "downsample_rate": 1, "feat_sizes": (side, side)}
    layer = MemoryAttentionLayer(
        activation="relu",
        cross_attention=RoPEAttention(rope_k_repeat=True, kv_in_dim=config.memory_width, **shared),
        d_model=width,
        dim_feedforward=config.memory_hidden,
        dropout=0.1,
        pos_enc_at_attn=False,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        self_attention=RoPEAttention(**shared),
    )
    return MemoryAttention(d_model=width, pos_enc_at_input=True, layer=layer, num_layers=config.memory_layers)


def _memory_encoder(config: Sam2Config) -> nn.Module:
    from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine

    return MemoryEncoder(
        out_dim=config.memory_width,
        mask_downsampler=MaskDownSampler(kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(config.width, kernel_size=7, padding=3, use_dwconv=True), num_layers=2),
        position_encoding=PositionEmbeddingSine(num_pos_feats=config.memory_width, normalize=True),
        in_dim=config.width,
    )


class OfficialVideo:
    """The official predictor's inference state. Memories are kept in float32."""

    def __init__(self, model: Any, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
        module = require()
        frames = pixels(images, model.image_size)
        monkeypatch.setattr(module, "torch", Float32Torch("torch"))
        monkeypatch.setattr(module, "load_video_frames", lambda **_: (frames, HEIGHT, WIDTH))
        # Nothing is printed; its progress bars are not wanted either.
        monkeypatch.setattr(module, "tqdm", lambda steps, **_: steps)
        self.model = model
        self.state = model.init_state("")

    def prompt(self, frame: int, object_id: int, given: Given) -> Found:
        if given.mask is not None:
            self.model.add_new_mask(self.state, frame, object_id, given.mask)
        else:
            points, labels = given.points(1)  # it scales them itself
            self.model.add_new_points_or_box(
                self.state,
                frame,
                object_id,
                points=points,
                labels=labels,
                clear_old_points=False,
                normalize_coords=False,
            )
        return self._found(object_id, frame, "temp_output_dict_per_obj")

    def propagate(self, start: int | None = None, limit: int | None = None, reverse: bool = False) -> Tracked:
        tracked = {}
        for frame, ids, _ in self.model.propagate_in_video(
            self.state, start_frame_idx=start, max_frame_num_to_track=limit, reverse=reverse
        ):
            for object_id in ids:
                index = self.state["obj_id_to_idx"][object_id]
                if frame not in self.state["output_dict_per_obj"][index]["cond_frame_outputs"]:
                    tracked[object_id, frame] = self._found(object_id, frame, "output_dict_per_obj")
        return tracked

    def _found(self, object_id: int, frame: int, store: str) -> Found:
        outputs = self.state[store][self.state["obj_id_to_idx"][object_id]]
        out = outputs["cond_frame_outputs"].get(frame) or outputs["non_cond_frame_outputs"][frame]
        return Found(out["pred_masks"][0, 0], out["obj_ptr"][0], float(out["object_score_logits"]))
