"""What is seen in foveas against what is seen in whole frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from masklet.engine.foveas import block_of, log_counts, table_rows  # noqa: E402
from masklet.engine.protocol import Fovea  # noqa: E402
from masklet.model.config import HieraConfig, Sam2Config  # noqa: E402
from masklet.model.foveal import Outlook, block_means  # noqa: E402
from masklet.model.sam2 import Features, Prompts, Reading, Sam2  # noqa: E402
from parity.weights import randomise  # noqa: E402

SIDE = 16
CONFIG = Sam2Config(
    "small-for-tests",
    HieraConfig(16, 1, (1, 1, 2, 1), (3,)),
    input_size=16 * SIDE,
    memory_layers=2,
    memory_hidden=64,
    decoder_hidden=64,
)


def network(layers: int) -> Sam2:
    torch.manual_seed(3)
    model = Sam2(replace(CONFIG, memory_layers=layers))
    randomise(model, 3)
    return model.eval()


def outlook(*foveas: Fovea) -> Outlook:
    rows = table_rows(foveas, SIDE)
    weight = log_counts(rows.shape[1], foveas[0].side, SIDE)
    return Outlook(torch.from_numpy(rows), torch.from_numpy(weight), block_of(SIDE))


def scene(objects: int, frames: int) -> tuple[Features, Reading]:
    random = torch.Generator().manual_seed(1)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    features = Features(
        some(1, 256, SIDE, SIDE), some(1, 64, 2 * SIDE, 2 * SIDE), some(1, 32, 4 * SIDE, 4 * SIDE)
    )
    memories = [some(objects, 64, SIDE, SIDE) for _ in range(frames)]
    return features, Reading(memories, list(range(frames)), some(objects, 2, 256), [1, 2])


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2])
def test_a_fovea_as_large_as_the_frame_sees_the_frame(layers: int) -> None:
    model, (features, reading) = network(layers), scene(2, 3)
    everything = outlook(*[Fovea(0, 0, SIDE)] * 2)
    whole = model.condition(features, reading)
    seen = model.condition_foveal(features, reading, everything, [everything] * 3)
    close(seen, whole.stride16.flatten(2).transpose(1, 2))
    nothing = Prompts(torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.long))
    wanted = model.decode(whole, nothing, multimask=True)
    stride8, stride4 = (one.expand(2, -1, -1, -1) for one in (features.stride8, features.stride4))
    got = model.decode_foveal(seen, stride8, stride4, SIDE, everything)
    for name in ("logits", "iou", "pointers", "occlusion"):
        close(getattr(got, name), getattr(wanted, name))


@torch.no_grad()
def test_blocks_of_equal_places_count_as_all_of_them() -> None:
    """Tokens look at 8² places and 12 blocks as at 16² places, if those of a block are alike."""
    attention = network(1).mask_decoder.transformer.final_attn_token_to_image
    random = torch.Generator().manual_seed(2)
    coarse = torch.randn(1, 256, 4, 4, generator=random)
    places = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3).flatten(2).transpose(1, 2)
    tokens = torch.randn(2, 5, 256, generator=random)
    look = outlook(Fovea(0, 0, 8), Fovea(8, 4, 8))
    seen = look.tokens(places, SIDE, SIDE)
    wanted = attention.of_tokens(tokens, places.expand(2, -1, -1), places.expand(2, -1, -1))
    close(attention.of_tokens(tokens, seen, seen, look.weight), wanted)
    unweighted = attention.of_tokens(tokens, seen, seen)
    assert (unweighted - wanted).abs().max() > 0.01, "without their weight it is another sum"


@torch.no_grad()
def test_objects_see_their_own_places() -> None:
    """In a batch as alone."""
    model, (features, reading) = network(2), scene(2, 2)
    looks = [Fovea(0, 4, 8), Fovea(8, 8, 8)]
    before = [[Fovea(4, 4, 8), Fovea(8, 0, 8)], [Fovea(0, 0, 8), Fovea(4, 8, 8)]]
    together = model.condition_foveal(features, reading, outlook(*looks), [outlook(*one) for one in before])
    for o in range(2):
        alone = Reading([m[o : o + 1] for m in reading.memories], [0, 1], reading.pointers[o : o + 1], [1, 2])
        seen = model.condition_foveal(features, alone, outlook(looks[o]), [outlook(n[o]) for n in before])
        close(seen[0], together[o])


def test_means_of_blocks() -> None:
    places = torch.arange(16.0)[None, :, None]  # 4 × 4
    assert block_means(places, 4, 4, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
