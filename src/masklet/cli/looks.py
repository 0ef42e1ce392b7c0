"""Effects on the command line: `blur`, `blur:0.8`, `colour:#1e90ff`, `gradient:#1e90ff:#000000`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masklet.errors import ConfigError

if TYPE_CHECKING:
    from masklet.video.effects import Effect, Look


def parse_look(background: str | None, foreground: str | None) -> Look | None:
    """What --background and --foreground say; None without either."""
    from masklet.video.effects import Effect, Look

    if background is None and foreground is None:
        return None
    return Look(
        background=parse_effect(background) if background is not None else Effect(),
        object=parse_effect(foreground) if foreground is not None else Effect(),
    )


def parse_effect(text: str) -> Effect:
    """A kind, then a strength from 0 to 1 and up to two colours, each behind a colon.

    raises   ConfigError for a kind, strength or colour that is none
    """
    from masklet.video.effects import Effect, rgb

    kind, *rest = text.strip().split(":")
    colours = [rgb(part) for part in rest if part.startswith("#")]
    numbers = [part for part in rest if not part.startswith("#")]
    if len(colours) > 2 or len(numbers) > 1:
        raise ConfigError(f"effect {text!r} is too long; write it as blur:0.8 or gradient:#1e90ff:#000000")
    try:
        strength = float(numbers[0]) if numbers else Effect().strength
    except ValueError:
        raise ConfigError(
            f"effect {text!r}: {numbers[0]!r} is no strength from 0 to 1, and no colour like #1e90ff"
        ) from None
    first, second = (*colours, None, None)[:2]
    return Effect(kind, strength, colour=first, colour2=second)
