"""Other implementations on the same weights and frames: the official code and transformers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masklet.bench.case import Case, Measured
from masklet.bench.clip import Clip
from masklet.bench.random_weights import random_network
from masklet.bench.run import mean_iou, peak_memory
from masklet.engine.torch_engine import pick_device, pick_dtype
from masklet.errors import ConfigError, MissingExtraError
from masklet.loading import network
from masklet.model import names_huggingface, names_official
from masklet.model.config import HieraConfig, Sam2Config
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Sam2
from masklet.types import FrameMasks, Mask
from masklet.video.source import open_source

OFFICIAL_SIZES = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}

Tracked = tuple[int, np.ndarray]
"""A frame's index and its logits at the video's size, [O, H, W]."""


def measure_peer(case: Case, clip: Clip | None) -> Measured:
    """Track with a peer; raises MissingExtraError when it is not installed, ConfigError when it cannot."""
    device = pick_device(case.device)
    dtype = pick_dtype(device, case.dtype)
    mine = random_network(case) if case.random else network(case.model, case.input_size)
    start = time.perf_counter()
    build = {"sam2": _official, "transformers": _transformers}[case.by]
    model = build(mine, case, device)
    loaded = time.perf_counter() - start
    totals: list[float] = []
    found: dict[int, FrameMasks] = {}
    follow = {"sam2": _follow_official, "transformers": _follow_transformers}[case.by]
    half = dtype != torch.float32
    with (
        torch.inference_mode(),
        torch.autocast(device.type, dtype if half else torch.bfloat16, enabled=half),
    ):
        opened = time.perf_counter()
        frames = follow(model, case, device)
        next(frames)  # the prompted frame
        start = time.perf_counter()
        first = start - opened
        for index, logits in frames:
            masks = {n + 1: Mask.from_array(one > 0) for n, one in enumerate(logits)}
            now = time.perf_counter()
            totals.append(now - start)
            start = now
            found[index] = FrameMasks(index, masks)
    return Measured(
        case=case,
        device=f"{device} {str(dtype).removeprefix('torch.')}",
        input_size=mine.config.input_size,
        load=loaded,
        first=first,
        totals=tuple(totals[case.warmup - 1 :] if case.warmup else totals),
        peak_memory=peak_memory(),
        iou=None if clip is None or case.random else mean_iou(clip, found, case),
    )


def _images(case: Case) -> Iterator[np.ndarray]:
    source = open_source(case.video)
    try:
        for frame in source.read(0, min(case.frames, len(source))):
            yield frame.image
    finally:
        source.close()


# ── the official code ────────────────────────────────────────────────────────────────────────────


def _official(mine: Sam2, case: Case, device: torch.device) -> Any:
    try:
        from sam2.build_sam import build_sam2_video_predictor
    except ImportError as error:
        raise MissingExtraError(
            f"--against sam2 needs the official code: pip install sam2 ({error})"
        ) from error
    family, _, size = mine.config.name.partition("-hiera-")
    if size not in OFFICIAL_SIZES:
        raise ConfigError(
            f"the official code has no {mine.config.name}; compare sam2.1-hiera-tiny or its kin"
        )
    short = f"{family}_hiera_{OFFICIAL_SIZES[size]}.yaml"
    predictor = build_sam2_video_predictor(
        f"configs/{family}/{short}",
        None,
        device=str(device),
        hydra_overrides_extra=[f"++model.image_size={mine.config.input_size}"],
    )
    state = {names_official.official(name): tensor for name, tensor in mine.state_dict().items()}
    missing, unexpected = predictor.load_state_dict(state, strict=False)
    if unexpected or set(missing) - names_official.UNUSED:
        raise ConfigError(
            f"the official code's {mine.config.name} has other weights; compare a published model"
        )
    return predictor


def _follow_official(predictor: Any, case: Case, device: torch.device) -> Iterator[Tracked]:
    """It reads a folder of JPEGs, all of them before the first frame; that is part of opening."""
    import tempfile

    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        for index, image in enumerate(_images(case)):
            Image.fromarray(image).save(Path(folder, f"{index:05d}.jpg"), quality=95)
        state = predictor.init_state(folder)
    for number, box in enumerate(case.boxes[: case.objects]):
        predictor.add_new_points_or_box(state, 0, number + 1, box=np.array(box, np.float32))
    for index, _, logits in predictor.propagate_in_video(state, start_frame_idx=0):
        yield index, logits[:, 0].float().cpu().numpy()


# ── transformers ─────────────────────────────────────────────────────────────────────────────────


def _transformers(mine: Sam2, case: Case, device: torch.device) -> Any:
    try:
        from transformers import Sam2VideoModel
    except ImportError as error:
        raise MissingExtraError(
            f"--against transformers needs it: pip install transformers ({error})"
        ) from error
    model = Sam2VideoModel(transformers_config(mine.config)).eval().to(device)
    state = mine.state_dict()
    theirs = {}
    for name, tensor in model.state_dict().items():
        parts = [state[one] for one in names_huggingface.ours(name)]
        theirs[name] = torch.cat(parts).reshape(tensor.shape) if parts else tensor  # unused there, too
    model.load_state_dict(theirs)
    return model


def transformers_config(config: Sam2Config) -> Any:
    """transformers' configuration of one of our networks with a Hiera trunk."""
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig

    if not isinstance(config.trunk, HieraConfig):
        raise ConfigError(f"transformers has no {config.name}; compare sam2.1-hiera-tiny or its kin")
    trunk, width, stride16 = config.trunk, config.width, config.input_size // 16
    hiera = Sam2HieraDetConfig(
        hidden_size=trunk.width,
        num_attention_heads=trunk.heads,
        image_size=[config.input_size] * 2,
        window_positional_embedding_background_size=list(trunk.background),
        blocks_per_stage=list(trunk.blocks),
        embed_dim_per_stage=list(trunk.stage_widths),
        num_attention_heads_per_stage=[trunk.heads * 2**i for i in range(4)],
        window_size_per_stage=list(trunk.windows),
        global_attention_blocks=list(trunk.global_blocks),
    )
    vision = Sam2VisionConfig(
        backbone_config=hiera,
        backbone_channel_list=list(reversed(trunk.stage_widths)),
        backbone_feature_sizes=[[k * stride16] * 2 for k in (4, 2, 1)],
        fpn_hidden_size=width,
    )
    return Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": width, "image_size": config.input_size},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": config.decoder_hidden,
            "num_attention_heads": config.decoder_heads,
            "iou_head_hidden_dim": width,
        },
        image_size=config.input_size,
        num_maskmem=config.slots,
        enable_occlusion_spatial_embedding=config.no_object_embed,
        enable_temporal_pos_encoding_for_object_pointers=config.pointer_time,
        max_object_pointers_in_encoder=config.pointer_limit,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=config.memory_layers,
        memory_attention_feed_forward_hidden_size=config.memory_hidden,
        memory_attention_rope_feat_sizes=[stride16, stride16],
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=config.memory_width,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=4 * width,
    )


def _follow_transformers(model: Any, case: Case, device: torch.device) -> Iterator[Tracked]:
    """Frames go in one by one, prepared here: its own processors need torchvision."""
    from torch.nn import functional as F
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    size = model.config.image_size
    session: Any = None
    for index, image in enumerate(_images(case)):
        height, width = image.shape[:2]
        pixels = _pixels(image, size, device)
        if session is None:
            session = Sam2VideoInferenceSession(
                video=None,
                video_height=height,
                video_width=width,
                inference_device=device,
                inference_state_device=device,
                video_storage_device=device,
                dtype=torch.float32,
            )
            session.add_new_frame(pixels)
            _prompt_transformers(session, case, size / width, size / height)
            out = model(session, frame_idx=0)
        else:
            out = model(session, frame=pixels)
        logits = F.interpolate(out.pred_masks.float(), (height, width), mode="bilinear", align_corners=False)
        yield index, logits[:, 0].cpu().numpy()


def _prompt_transformers(session: Any, case: Case, across: float, down: float) -> None:
    for number, (x0, y0, x1, y1) in enumerate(case.boxes[: case.objects]):
        index = session.obj_id_to_idx(number + 1)
        corners = torch.tensor([[[[x0 * across, y0 * down], [x1 * across, y1 * down]]]])
        labels = torch.tensor([[[2, 3]]], dtype=torch.int32)
        session.add_point_inputs(index, 0, {"point_coords": corners, "point_labels": labels})
    session.obj_with_new_inputs = list(range(1, case.objects + 1))


def _pixels(image: np.ndarray, size: int, device: torch.device) -> torch.Tensor:
    """uint8 [H, W, 3] → normalised [3, size, size]."""
    from torch.nn import functional as F

    raw = torch.tensor(image, device=device).permute(2, 0, 1)[None].float() / 255
    raw = F.interpolate(raw, (size, size), mode="bilinear", align_corners=False, antialias=True)[0]
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    return (raw - mean) / std
