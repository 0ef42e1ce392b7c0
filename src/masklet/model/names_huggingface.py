"""Parameter names of Hugging Face's SAM 2 (`model.safetensors` of `Sam2VideoModel`) → ours.

Each rule is a regular expression over the whole name and what replaces it, tried in order. The two
cases that no renaming can express are at the end: point embeddings are stored there as one table
and here as one row a module, and the random Fourier matrix is stored there twice.
"""

from __future__ import annotations

import re

_WB = r"(weight|bias)"


def _mlp3(theirs: str, mine: str) -> list[tuple[str, str]]:
    """A three-layer head: proj_in, layers.0, proj_out there; layers 0, 1, 2 here."""
    last = re.compile(theirs).groups + 1
    return [
        (rf"{theirs}\.proj_in\.{_WB}", rf"{mine}.layers.0.\g<{last}>"),
        (rf"{theirs}\.layers\.0\.{_WB}", rf"{mine}.layers.1.\g<{last}>"),
        (rf"{theirs}\.proj_out\.{_WB}", rf"{mine}.layers.2.\g<{last}>"),
    ]


_TRUNK = r"vision_encoder\.backbone\."
_BLOCK = rf"{_TRUNK}blocks\.(\d+)\."
_LAYER = r"memory_attention\.layers\.(\d+)\."
_TWOWAY = r"mask_decoder\.transformer\.layers\.(\d+)\."
_ATTENTION = r"(self_attn|cross_attn_image|cross_attn_token_to_image|cross_attn_image_to_token)"
_DOWN = r"memory_encoder\.mask_downsampler\."
_FUSER = r"memory_encoder\.memory_fuser\.layers\.(\d+)\."

RULES: tuple[tuple[str, str], ...] = (
    # image encoder
    (rf"{_BLOCK}layer_norm([12])\.{_WB}", r"image_encoder.trunk.blocks.\1.norm\2.\3"),
    (rf"{_BLOCK}mlp\.proj_in\.{_WB}", r"image_encoder.trunk.blocks.\1.mlp.layers.0.\2"),
    (rf"{_BLOCK}mlp\.proj_out\.{_WB}", r"image_encoder.trunk.blocks.\1.mlp.layers.1.\2"),
    (rf"{_BLOCK}(attn\.qkv|attn\.proj|proj)\.{_WB}", r"image_encoder.trunk.blocks.\1.\2.\3"),
    (rf"{_TRUNK}patch_embed\.projection\.{_WB}", r"image_encoder.trunk.patch_embed.proj.\1"),
    (rf"{_TRUNK}(pos_embed|pos_embed_window)", r"image_encoder.trunk.\1"),
    (rf"vision_encoder\.neck\.convs\.(\d+)\.{_WB}", r"image_encoder.neck.convs.\1.conv.\2"),
    # prompt encoder
    (rf"prompt_encoder\.mask_embed\.conv1\.{_WB}", r"prompt_encoder.mask_downscaling.0.\1"),
    (rf"prompt_encoder\.mask_embed\.layer_norm1\.{_WB}", r"prompt_encoder.mask_downscaling.1.\1"),
    (rf"prompt_encoder\.mask_embed\.conv2\.{_WB}", r"prompt_encoder.mask_downscaling.3.\1"),
    (rf"prompt_encoder\.mask_embed\.layer_norm2\.{_WB}", r"prompt_encoder.mask_downscaling.4.\1"),
    (rf"prompt_encoder\.mask_embed\.conv3\.{_WB}", r"prompt_encoder.mask_downscaling.6.\1"),
    (r"prompt_encoder\.(no_mask_embed|not_a_point_embed)\.weight", r"prompt_encoder.\1.weight"),
    # mask decoder
    (rf"{_TWOWAY}{_ATTENTION}\.o_proj\.{_WB}", r"mask_decoder.transformer.layers.\1.\2.out_proj.\3"),
    (rf"{_TWOWAY}{_ATTENTION}\.([qkv]_proj)\.{_WB}", r"mask_decoder.transformer.layers.\1.\2.\3.\4"),
    (rf"{_TWOWAY}layer_norm([1-4])\.{_WB}", r"mask_decoder.transformer.layers.\1.norm\2.\3"),
    (rf"{_TWOWAY}mlp\.proj_in\.{_WB}", r"mask_decoder.transformer.layers.\1.mlp.layers.0.\2"),
    (rf"{_TWOWAY}mlp\.proj_out\.{_WB}", r"mask_decoder.transformer.layers.\1.mlp.layers.1.\2"),
    (
        rf"mask_decoder\.transformer\.final_attn_token_to_image\.o_proj\.{_WB}",
        r"mask_decoder.transformer.final_attn_token_to_image.out_proj.\1",
    ),
    (
        rf"mask_decoder\.transformer\.final_attn_token_to_image\.([qkv]_proj)\.{_WB}",
        r"mask_decoder.transformer.final_attn_token_to_image.\1.\2",
    ),
    (
        rf"mask_decoder\.transformer\.layer_norm_final_attn\.{_WB}",
        r"mask_decoder.transformer.norm_final_attn.\1",
    ),
    (rf"mask_decoder\.upscale_conv1\.{_WB}", r"mask_decoder.output_upscaling.0.\1"),
    (rf"mask_decoder\.upscale_layer_norm\.{_WB}", r"mask_decoder.output_upscaling.1.\1"),
    (rf"mask_decoder\.upscale_conv2\.{_WB}", r"mask_decoder.output_upscaling.3.\1"),
    (r"mask_decoder\.(iou_token|mask_tokens|obj_score_token)\.weight", r"mask_decoder.\1.weight"),
    (rf"mask_decoder\.(conv_s[01])\.{_WB}", r"mask_decoder.\1.\2"),
    *_mlp3(
        r"mask_decoder\.(iou_prediction_head|pred_obj_score_head|output_hypernetworks_mlps\.\d+)",
        r"mask_decoder.\1",
    ),
    # memory attention
    (rf"{_LAYER}{_ATTENTION}\.o_proj\.{_WB}", r"memory_attention.layers.\1.\2.out_proj.\3"),
    (rf"{_LAYER}{_ATTENTION}\.([qkv]_proj)\.{_WB}", r"memory_attention.layers.\1.\2.\3.\4"),
    (rf"{_LAYER}(linear[12])\.{_WB}", r"memory_attention.layers.\1.\2.\3"),
    (rf"{_LAYER}layer_norm([123])\.{_WB}", r"memory_attention.layers.\1.norm\2.\3"),
    (rf"memory_attention\.layer_norm\.{_WB}", r"memory_attention.norm.\1"),
    # memory encoder
    (rf"{_DOWN}final_conv\.{_WB}", r"memory_encoder.mask_downsampler.encoder.12.\1"),
    (rf"memory_encoder\.feature_projection\.{_WB}", r"memory_encoder.pix_feat_proj.\1"),
    (rf"memory_encoder\.projection\.{_WB}", r"memory_encoder.out_proj.\1"),
    (rf"{_FUSER}scale", r"memory_encoder.fuser.layers.\1.gamma"),
    (rf"{_FUSER}depthwise_conv\.{_WB}", r"memory_encoder.fuser.layers.\1.dwconv.\2"),
    (rf"{_FUSER}layer_norm\.{_WB}", r"memory_encoder.fuser.layers.\1.norm.\2"),
    (rf"{_FUSER}pointwise_conv([12])\.{_WB}", r"memory_encoder.fuser.layers.\1.pwconv\2.\3"),
    # on their own
    (rf"mask_downsample\.{_WB}", r"mask_downsample.\1"),
    (r"no_memory_embedding", r"no_memory_embed"),
    (r"memory_temporal_positional_encoding", r"memory_slot_embed"),
    (r"no_object_pointer", r"no_object_pointer"),
    (r"occlusion_spatial_embedding_parameter", r"no_object_embed"),
    (rf"temporal_positional_encoding_projection_layer\.{_WB}", r"pointer_time_proj.\1"),
    *_mlp3("object_pointer_proj", "pointer_proj"),
)

UNUSED = frozenset({"no_memory_positional_encoding"})
"""Stored, but read by none of the published configurations."""

MARKS = ("vision_encoder.", "shared_image_embedding.", "memory_temporal_positional_encoding")
"""Beginnings that only these names have."""

POINTS = "prompt_encoder.point_embed.weight"
"""[4, C] there; four modules of [1, C] here: background, object, box top-left, box bottom-right."""

FOURIER = frozenset(
    {"shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding"}
)
"""One matrix under two names (a file may hold either or both)."""

_DOWN_CONV = re.compile(rf"{_DOWN}layers\.(\d+)\.(conv|layer_norm)\.{_WB}")
_COMPILED = tuple((re.compile(old), new) for old, new in RULES)


def ours(name: str) -> tuple[str, ...]:
    """Our names of a stored parameter: one, none (unused), or four for the point table.

    A name that no rule knows comes back as it is, so that the strict check names it.
    """
    if name in UNUSED:
        return ()
    if name == POINTS:
        return tuple(f"prompt_encoder.point_embeddings.{i}.weight" for i in range(4))
    if name in FOURIER:
        return ("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",)
    if found := _DOWN_CONV.fullmatch(name):
        # Each step is three modules here: convolution, norm, activation.
        place = 3 * int(found[1]) + (found[2] == "layer_norm")
        return (f"memory_encoder.mask_downsampler.encoder.{place}.{found[3]}",)
    for pattern, new in _COMPILED:
        if found := pattern.fullmatch(name):
            return (found.expand(new),)
    return (name,)
