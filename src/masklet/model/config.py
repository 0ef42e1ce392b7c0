"""Every size of the network, as data: one dataclass, a preset a checkpoint family."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from masklet.errors import ConfigError


@dataclass(frozen=True)
class HieraConfig:
    """The image trunk (Hiera; SAM 2 paper, appendix D.1)."""

    width: int
    """Channels of the first stage; each of the next three doubles them."""
    heads: int
    """Attention heads of the first stage; each of the next three doubles them."""
    blocks: tuple[int, int, int, int]
    """Blocks a stage."""
    global_blocks: tuple[int, ...]
    """Indices of the blocks that attend over the whole image instead of a window."""
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    """Window side, in tokens, of each stage."""
    background: tuple[int, int] = (7, 7)
    """Size of the position embedding that is stretched over the image."""

    @property
    def stage_widths(self) -> tuple[int, int, int, int]:
        """Channels of the four stages (strides 4, 8, 16, 32)."""
        return (self.width, 2 * self.width, 4 * self.width, 8 * self.width)

    @property
    def stage_starts(self) -> tuple[int, int, int, int]:
        """Index of the first block of each stage."""
        a, b, c, _ = self.blocks
        return (0, a, a + b, a + b + c)


@dataclass(frozen=True)
class TinyVitConfig:
    """A small trunk (`masklet.model.tinyvit`) with a neck of its own (`masklet.model.narrow_neck`)."""

    widths: tuple[int, int, int] = (64, 128, 160)
    """Channels at strides 4, 8 and 16."""
    blocks: tuple[int, int, int] = (1, 2, 6)
    """Blocks there, the steps between strides not counted."""
    heads: tuple[int, int] = (4, 5)
    """Attention heads at strides 8 and 16."""
    reaches: tuple[int, int] = (7, 14)
    """Longest side of a window there, in tokens."""
    context_heads: int = 4
    """Heads of the neck's attention over the whole picture."""
    mixes: int = 1
    """Blocks of the neck at stride 16."""
    hidden: int = 512
    """Hidden width of those."""


@dataclass(frozen=True)
class Sam2Config:
    """One SAM 2 network."""

    name: str
    trunk: HieraConfig | TinyVitConfig
    input_size: int = 1024
    """S: images are resized to S × S; a multiple of 32."""
    width: int = 256
    """Channels of features, tokens and object pointers."""
    memory_width: int = 64
    """Channels of a remembered frame."""
    memory_layers: int = 4
    """Layers of memory attention."""
    memory_hidden: int = 2048
    """Hidden width of the memory attention's feed-forward part."""
    fuser_expansion: int = 4
    """Hidden width of the memory encoder's blocks, in widths."""
    memory_pool: int = 1
    """Side of the square of places that a memory merges into one; 1 keeps the grid of stride 16."""
    memory_mask_stride: int = 1
    """Masks enter the memory at S divided by this: 1 as in SAM 2, 4 as the decoder gives them."""
    slots: int = 7
    """Temporal slots, each with an embedding: one for prompted frames, the others for recent frames."""
    pointer_limit: int = 16
    """Object pointers a frame may read."""
    decoder_heads: int = 8
    decoder_hidden: int = 2048
    mask_channels: int = 16
    """Channels inside the prompt encoder's mask path."""
    no_object_embed: bool = True
    """Add a learned vector to the memory of a frame without the object (SAM 2.1)."""
    pointer_time: bool = True
    """Tell pointers how far away their frame is (SAM 2.1)."""
    stability_delta: float = 0.05
    """Logit margin of the stability score that guards the single-mask output."""
    stability_threshold: float = 0.98
    """Below it the single mask gives way to the best of three."""

    def __post_init__(self) -> None:
        if self.input_size <= 0 or self.input_size % 32:
            raise ConfigError(f"input size {self.input_size} must be a positive multiple of 32")
        if self.memory_pool < 1 or (self.input_size // 16) % self.memory_pool:
            raise ConfigError(f"memory pool {self.memory_pool} must divide {self.input_size // 16} places")
        if self.memory_mask_stride not in (1, 4):
            raise ConfigError(f"memory mask stride {self.memory_mask_stride} must be 1 or 4")
        if self.width % self.memory_width:
            raise ConfigError(f"memory width {self.memory_width} must divide width {self.width}")

    @property
    def has_narrow_maps(self) -> bool:
        """The image encoder gives the fine maps as the decoder adds them; it has no layers for that."""
        return isinstance(self.trunk, TinyVitConfig)

    def at(self, input_size: int) -> Sam2Config:
        """The same network fed with images of another size."""
        return replace(self, input_size=input_size)


TINY = HieraConfig(96, 1, (1, 2, 7, 2), (5, 7, 9))
SMALL = HieraConfig(96, 1, (1, 2, 11, 2), (7, 10, 13))
BASE_PLUS = HieraConfig(112, 2, (2, 3, 16, 3), (12, 16, 20), background=(14, 14))
LARGE = HieraConfig(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8))

_TRUNKS = {"tiny": TINY, "small": SMALL, "base-plus": BASE_PLUS, "large": LARGE}


def presets() -> dict[str, Sam2Config]:
    """Every named network: the four SAM 2 and SAM 2.1 sizes and the embedded models."""
    result = {}
    for size, trunk in _TRUNKS.items():
        result[f"sam2-hiera-{size}"] = Sam2Config(
            f"sam2-hiera-{size}", trunk, no_object_embed=False, pointer_time=False
        )
        result[f"sam2.1-hiera-{size}"] = Sam2Config(f"sam2.1-hiera-{size}", trunk)
    result["masklet-tiny"] = Sam2Config("masklet-tiny", TINY, input_size=640, memory_layers=2)
    result["masklet-nano"] = Sam2Config(
        "masklet-nano",
        TinyVitConfig(),
        input_size=448,
        memory_layers=1,
        memory_hidden=256,
        fuser_expansion=1,
        memory_mask_stride=4,
        slots=3,
    )
    return result


def config_for(name: str) -> Sam2Config:
    """The preset of that name; ConfigError names the nearest ones."""
    known = presets()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise ConfigError(f"unknown model {name!r}; did you mean {', '.join(near)}?")
    return known[name]
