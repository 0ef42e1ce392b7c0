"""From a recipe's data to the feed of a run."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from masklet.data.clips import ClipSettings
from masklet.data.datasets import ImagePool, ImageSet, training_images
from masklet.data.feed import ClipFeed, StillShare
from masklet.data.folders import PICTURES, MaskFolder
from masklet.data.mixing import ClipMaker, MixedClips
from masklet.data.plain import plain_sets
from masklet.data.sa1b import PictureJson
from masklet.data.stills import StillClips
from masklet.data.synthetic import ClipSynthesiser
from masklet.data.videos import VideoClips
from masklet.errors import ConfigError
from masklet.train.company import Company
from masklet.train.recipe_file import FolderSource, RecipeFile, VideoSource


def feed_of(plan: RecipeFile, *, start: int, workers: int, company: Company | None = None) -> ClipFeed:
    """The batches of a run from number `start` on.

    company   each process gets batches of its own
    raises    ConfigError when the plan names no data or pictures of the wrong kind, DataError when there
              is none
    """
    company = company if company is not None else Company()
    recipe = plan.recipe
    maker, stills = makers_of(plan)
    return ClipFeed(
        maker,
        batch=recipe.clips,
        seed=recipe.seed,
        workers=workers,
        start=start,
        stills=StillShare(stills, recipe.image_share, recipe.images) if stills is not None else None,
        every=company.size,
        first=company.rank,
    )


def first_frames(plan: RecipeFile, count: int) -> np.ndarray:
    """Pictures as a run will see them, uint8 [count, S, S, 3]; they depend on the seed and the data alone."""
    maker, _ = makers_of(plan)
    clips = (maker.clip(np.random.default_rng([plan.recipe.seed, 1, n])) for n in range(count))
    return np.stack([clip.frames[0] for clip in clips])


def makers_of(plan: RecipeFile) -> tuple[ClipMaker, ClipMaker | None]:
    """What makes the clips, and what makes the single pictures when the recipe wants any."""
    if plan.plain and plan.recipe.distillation is None:
        raise ConfigError("data.plain are pictures without masks, from which only a student can learn")
    labelled = _labelled(plan)
    chosen = _chosen(labelled, plan)
    share = plan.recipe.image_share
    stills: ClipMaker | None = None
    if share:
        pictures = [*chosen, *(s for one in plan.plain for s in plain_sets(one.root))]
        if not pictures:
            raise ConfigError("recipe.image_share needs pictures; give --data DIR, or root in [data]")
        stills = StillClips(ImagePool(pictures), plan.clips)
        if share == 1:
            return stills, stills
    makers: list[tuple[ClipMaker, float]] = []
    if labelled:
        makers.append((ClipSynthesiser(ImagePool(labelled), plan.clips), 1.0))
    makers += [(_videos(plan.clips, one), one.weight) for one in plan.videos]
    return (makers[0][0] if len(makers) == 1 else MixedClips(makers)), stills


def _chosen(sets: list[ImageSet], plan: RecipeFile) -> list[ImageSet]:
    """The sets that single pictures come from: those named, or all."""
    if not plan.stills:
        return sets
    known = {one.name for one in sets}
    unknown = [name for name in plan.stills if name not in known]
    if unknown:
        raise ConfigError(
            f"data.stills names {', '.join(unknown)}, which the data lacks; it has {', '.join(sorted(known))}"
        )
    # A large set lies in several shards, each a set of that name.
    return [one for name in plan.stills for one in sets if one.name == name]


def _labelled(plan: RecipeFile) -> list[ImageSet]:
    sets: list[ImageSet] = []
    if plan.data is not None:
        sets += training_images(plan.data).sets
    return sets + [_folder(one) for one in plan.folders]


def _folder(source: FolderSource) -> ImageSet:
    """Masks are JSON files, as SA-1B has them, where more pictures have one than a PNG; else PNGs."""
    images, masks = Path(source.images), Path(source.masks)
    named = _stems(images, PICTURES)
    # In the pictures' own folder a PNG is a picture.
    drawn = _stems(masks, {".png"}) if masks.resolve() != images.resolve() else set()
    described = _stems(masks, {".json"})
    if len(described & named) > len(drawn & named) or (described and not drawn):
        return PictureJson(source.images, source.masks)
    return MaskFolder(source.images, source.masks)


def _stems(folder: Path, endings: Collection[str]) -> set[str]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in endings)
    return {path.relative_to(folder).with_suffix("").as_posix() for path in files}


def _videos(settings: ClipSettings, source: VideoSource) -> VideoClips:
    strides, split = source.strides, source.split or None
    return VideoClips.open(source.root, source.format, settings, strides=strides, split=split)
