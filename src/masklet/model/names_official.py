"""Parameter names of the published SAM 2 / 2.1 checkpoints (`.pt`) → ours.

A rule is (old beginning, new beginning); the first that fits is applied, other names stay as they are.
"""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    ("sam_prompt_encoder.", "prompt_encoder."),
    ("sam_mask_decoder.", "mask_decoder."),
    ("maskmem_tpos_enc", "memory_slot_embed"),
    ("obj_ptr_proj.", "pointer_proj."),
    ("obj_ptr_tpos_proj.", "pointer_time_proj."),
    ("no_obj_ptr", "no_object_pointer"),
    ("no_obj_embed_spatial", "no_object_embed"),
    ("no_mem_embed", "no_memory_embed"),
)

UNUSED = frozenset({"no_mem_pos_enc"})
"""Stored in every published checkpoint, read by none of the published configurations."""

MARKS = ("sam_mask_decoder.", "sam_prompt_encoder.", "maskmem_tpos_enc")
"""Beginnings that only the official names have."""


def ours(name: str) -> str | None:
    """Our name of a parameter; None when the model has no use for it."""
    if name in UNUSED:
        return None
    for old, new in RULES:
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def official(name: str) -> str:
    """The published name of one of our parameters: `ours`, the other way round."""
    for old, new in RULES:
        if name.startswith(new):
            return old + name[len(new) :]
    return name
