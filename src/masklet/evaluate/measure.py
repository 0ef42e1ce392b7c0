"""One call a measurement: run a protocol over a data set and give the finished document."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from masklet.errors import DataError
from masklet.evaluate import provenance
from masklet.evaluate.document import Document, read
from masklet.evaluate.journal import Journal
from masklet.evaluate.protocols.images import PromptedImages, image_summary
from masklet.evaluate.protocols.interactive import Annotator, Interactive, curve
from masklet.evaluate.protocols.opening import Load
from masklet.evaluate.protocols.prompting import FirstPrompt
from masklet.evaluate.protocols.robustness import Variant
from masklet.evaluate.protocols.semi import SemiSupervised
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.truth import INTERACTIVE
from masklet.evaluate.results import SequenceScore, summary
from masklet.evaluate.run import Work, run
from masklet.evaluate.score import ScoreFolder

OnScore = Callable[[SequenceScore, int, int], None]
"""Called with each score as it is done, how many are done, and how many there are."""


@dataclass(frozen=True)
class Running:
    """How a measurement is run; nothing here changes a figure.

    processes   videos measured side by side
    journal     file the scores are written to as they come, and taken from when the run is repeated;
                removed when everything has been measured
    on_score    progress
    finished    result file; where it holds a complete result of the same settings, that is given back
    """

    processes: int = 1
    journal: Path | None = None
    on_score: OnScore | None = None
    finished: Path | None = None


@dataclass(frozen=True)
class Model:
    """What is measured: the name it was asked for by, and how a worker process opens it.

    input_size, engine   what it is opened with; None is its own choice
    """

    name: str
    load: Load
    input_size: int | None = None
    engine: str | None = None


def measure_videos(
    videos: VideoSet,
    model: Model,
    prompt: FirstPrompt,
    *,
    variant: Variant | None = None,
    seen: frozenset[str] | None = None,
    running: Running | None = None,
) -> Document:
    """Semi-supervised video object segmentation."""
    protocol = [videos.convention.words, f"prompt: {prompt.words}", "means over objects"]
    if variant is not None:
        protocol.append(f"made harder: {variant.words}")
    if seen is not None:
        videos.check_categories()
        protocol.append(f"G: {len(seen)} categories count as seen")
    config = _config(model) | {
        "data": videos.layout.name,
        "format": videos.format,
        "prompt": str(prompt),
        "variant": str(variant) if variant else None,
    }
    plan = _Plan("videos", f"{videos.format}, {prompt}", protocol, config, videos.names)
    work = SemiSupervised(videos, model.load, prompt, variant)
    return _carry_out(plan, work, lambda scores: summary(scores, seen), running, model)


def measure_interactive(
    videos: VideoSet,
    model: Model,
    mode: Literal["offline", "online"],
    *,
    annotator: Annotator | None = None,
    variant: Variant | None = None,
    running: Running | None = None,
) -> Document:
    """Interactive video segmentation; the summary's `curve` is J&F against frames, clicks and seconds."""
    annotator = annotator or Annotator()
    looks = "in each round" if mode == "offline" else "once"
    protocol = [
        INTERACTIVE.words,
        f"{mode}: up to {annotator.frames} frames an object, {annotator.clicks} clicks on each",
        f"annotation time: {annotator.locate:g} s to locate, {annotator.click:g} s a click, "
        f"{annotator.examine:g} s to look through 300 frames, {looks}",
    ]
    if mode == "online":
        protocol.append(f"paused where IoU falls below {annotator.threshold:g}; one pass for each limit")
    if variant is not None:
        protocol.append(f"made harder: {variant.words}")
    config = _config(model) | {
        "data": videos.layout.name,
        "format": videos.format,
        "mode": mode,
        "annotator": asdict(annotator),
        "variant": str(variant) if variant else None,
    }
    plan = _Plan("interactive", f"{videos.format}, {mode}", protocol, config, videos.names)
    work = Interactive(videos, model.load, mode, annotator, variant)
    return _carry_out(plan, work, lambda s: {**summary(s), "curve": curve(s)}, running, model)


def measure_images(
    open_pictures: Callable[[], Any],
    model: Model,
    *,
    data: str,
    least_area: int = 0,
    most: int | None = None,
    running: Running | None = None,
) -> Document:
    """Promptable image segmentation.

    open_pictures   gives the ImageSet; called in each process, so it must pickle
    data            name of the set, for the result
    most            only the first so many pictures
    """
    count = len(open_pictures())
    if count == 0:
        raise DataError(f"{data} has no picture to measure")
    count = min(count, most or count)
    protocol = [
        "clicks: the first in the object's middle, each other in the middle of the largest error",
        "1 click: the candidate with the best predicted IoU; best of 3: by the truth",
        "the first click and the box are answered twice, and in pictures larger than the input "
        "small objects looked at closer, as in use",
        f"mean IoU over objects of at least {least_area} pixels" if least_area else "mean IoU over objects",
    ]
    if most is not None:
        protocol.append(f"the first {count} pictures only")
    config = _config(model) | {"data": data, "pictures": count, "least_area": least_area}
    names = tuple(str(number) for number in range(count))
    plan = _Plan("images", data, protocol, config, names)
    return _carry_out(
        plan, PromptedImages(open_pictures, model.load, least_area), image_summary, running, model
    )


def measure_masks(
    truth: VideoSet,
    predictions: Path,
    *,
    seen: frozenset[str] | None = None,
    running: Running | None = None,
) -> Document:
    """Score masks that any tool wrote."""
    if not predictions.is_dir():
        raise DataError(f"{predictions} is not a folder; give the folder of predicted masks")
    protocol = [truth.convention.words, "means over objects"]
    if seen is not None:
        truth.check_categories()
        protocol.append(f"G: {len(seen)} categories count as seen")
    config = {"data": truth.layout.name, "format": truth.format, "predictions": predictions.name}
    plan = _Plan("score", f"{truth.format}, masks of {predictions.name}", protocol, config, truth.names)
    return _carry_out(plan, ScoreFolder(truth, predictions), lambda s: summary(s, seen), running, None)


@dataclass(frozen=True)
class _Plan:
    kind: str
    title: str
    protocol: Sequence[str]
    config: dict[str, Any]
    names: tuple[str, ...]


def _config(model: Model) -> dict[str, Any]:
    """What figures depend on, of the model; also what a journal is recognised by."""
    named = {} if model.engine is None else {"engine": model.engine}
    return {"model": provenance.checkpoint(model.name), "input_size": model.input_size, **named}


def _carry_out(
    plan: _Plan,
    work: Work,
    summarise: Callable[[Sequence[SequenceScore]], Mapping[str, Any]],
    running: Running | None,
    model: Model | None,
) -> Document:
    running = running or Running()
    known = _known(running.finished, plan)
    if known is not None:
        return known
    started, begin = provenance.now(), time.perf_counter()
    journal = Journal(running.journal, plan.config) if running.journal is not None else None
    scores: dict[str, SequenceScore] = {}
    for score in run(plan.names, work, processes=running.processes, journal=journal):
        scores[score.name] = score
        if running.on_score is not None:
            running.on_score(score, len(scores), len(plan.names))
    ordered = [scores[name] for name in plan.names]
    engine = next((s.details["engine"] for s in ordered if s.details and "engine" in s.details), None)
    origin = {
        "engine": engine,
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "processes": running.processes,
        "started": started,
        "seconds": time.perf_counter() - begin,
    }
    finished = Document(
        kind=plan.kind,
        title=f"{model.name}: {plan.title}" if model is not None else plan.title,
        protocol=tuple(plan.protocol),
        config=plan.config,
        summary=summarise(ordered),
        scores=tuple(_without_engine(score) for score in ordered),
        origin=origin,
    )
    return finished


def _known(path: Path | None, plan: _Plan) -> Document | None:
    """An earlier result of exactly this measurement, with nothing missing; else None."""
    if path is None or not path.is_file():
        return None
    found = read(path)
    wanted = json.loads(json.dumps(plan.config))
    complete = all(score.error is None for score in found.scores)
    same = found.config == wanted and tuple(score.name for score in found.scores) == plan.names
    return found if complete and same and found.kind == plan.kind else None


def forget_journal(running: Running, document: Document) -> None:
    """Remove the journal once its result is safe; kept when a video failed, so that only that is repeated."""
    if running.journal is not None and all(score.error is None for score in document.scores):
        running.journal.unlink(missing_ok=True)


def _without_engine(score: SequenceScore) -> SequenceScore:
    if score.details is None:
        return score
    return replace(score, details={k: v for k, v in score.details.items() if k != "engine"})
