"""The mean of weights that one run, or several from the same start, left at different times.

What differs between such weights is partly noise; their mean often does better than each (model soups,
Wortsman et al., 2022), and mixes what a later run learned with what it forgot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints
from masklet.model.card import Card, read_card
from masklet.model.registry import PARTS, resolve


@dataclass(frozen=True, eq=False)
class Weights:
    """A network's whole state, float32, and the cards of the files it came from."""

    name: str
    state: dict[str, Tensor]
    cards: tuple[Card, ...]


def read_weights(source: str) -> Weights:
    """Weights of a model by name, of a checkpoint file, or of a run's folder with both its files.

    raises   CheckpointError when there are none, or a file says nothing of itself
    """
    paths = resolve(source).paths
    cards = [card for path in paths if (card := read_card(path)) is not None]
    if not cards:
        raise CheckpointError(f"{source} does not say what network it is; a mean needs masklet's own files")
    return Weights(source, checkpoints.load_states(paths), tuple(cards))


def mean(sources: Sequence[Weights], shares: Sequence[float], only: Sequence[str] = ()) -> dict[str, Tensor]:
    """Every parameter's mean, weighted by `shares`.

    only     prefixes of the parameters that are averaged; all others stay the first source's; none: all are
    raises   ConfigError for shares that make no mean or a prefix that no parameter has, CheckpointError for
             weights of different networks
    """
    if len(sources) < 2:
        raise ConfigError("a mean needs at least two weights")
    if len(shares) != len(sources) or min(shares) < 0 or sum(shares) <= 0:
        told = ", ".join(f"{one:g}" for one in shares)
        raise ConfigError(f"shares are {told}; give one for each of {len(sources)}, none below 0, not all 0")
    first = sources[0]
    for other in sources[1:]:
        _check_same_network(first, other)
    for prefix in only:
        if not any(name.startswith(prefix) for name in first.state):
            raise ConfigError(f"no parameter's name begins with {prefix!r}; it begins like 'image_encoder.'")
    parts = [share / sum(shares) for share in shares]

    def is_averaged(name: str, value: Tensor) -> bool:
        return value.is_floating_point() and (not only or name.startswith(tuple(only)))

    return {
        name: sum((s.state[name] * part for s, part in zip(sources, parts, strict=True)), start=0 * value)
        if is_averaged(name, value)
        else value
        for name, value in first.state.items()
    }


def save_mean(state: Mapping[str, Tensor], sources: Sequence[Weights], folder: Path) -> list[Path]:
    """Write the mean as a run leaves its result: `image.safetensors` and `memory.safetensors`, where the
    sources have that part.

    raises   CheckpointError when it cannot be written, or is not finite
    """
    checkpoints.check_finite(state, "the mean", "leave out the weights it comes from")
    card = sources[0].cards[0]
    licence = " AND ".join(dict.fromkeys(c.licence for one in sources for c in one.cards))
    told = f"mean of {', '.join(one.name for one in sources)}"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        checkpoints.save_part(folder, tensors, Card(card.config, part, card.input_size, licence, told))
        for part, tensors in zip(PARTS, checkpoints.split(state), strict=True)
        if tensors
    ]


def _check_same_network(first: Weights, other: Weights) -> None:
    networks = {card.config for one in (first, other) for card in one.cards}
    if len(networks) > 1:
        raise CheckpointError(
            f"{first.name} and {other.name} are of different networks: {', '.join(sorted(networks))}"
        )
    checkpoints.check_fit(first.state, other.state, other.name)
