"""Is B better than A? Differences on the same objects, with bootstrap intervals.

Objects of one video are no independent witnesses, so whole sequences are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from masklet.errors import DataError
from masklet.evaluate.document import Document, values

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """B less A over the objects both have measured.

    a, b        mean of each over those objects
    mean        of the differences
    low, high   95 % bootstrap interval of the mean, sequences drawn with replacement
    better      share of draws in which B is better than A
    objects     how many were compared, in how many sequences
    """

    a: float
    b: float
    mean: float
    low: float
    high: float
    better: float
    objects: int
    sequences: int


@dataclass(frozen=True)
class Comparison:
    """All differences between two results.

    measures    what was compared → its difference ("J&F"; for pictures a row for each prompt)
    sequences   name → mean of A, mean of B, for the first measure
    warnings    settings other than the model in which the two differ: then they say less
    """

    measures: Mapping[str, Difference]
    sequences: Mapping[str, tuple[float, float]]
    warnings: tuple[str, ...]


def compare(a: Document, b: Document, *, seed: int = 0) -> Comparison:
    """Pair the objects of two results.

    raises   DataError when they have nothing in common
    """
    if a.kind != b.kind:
        raise DataError(f"a result of {a.kind} cannot be compared with one of {b.kind}")
    one, two = values(a), values(b)
    shared = [name for name in one if name in two and one[name].keys() & two[name].keys()]
    if not shared:
        raise DataError("the two results have no sequence in common; measure both on the same data")
    measures = {}
    for measure in _measures(a, one, shared):
        pairs = {name: _pairs(one[name], two[name], measure) for name in shared}
        measures[measure] = difference({name: rows for name, rows in pairs.items() if len(rows)}, seed)
    first = next(iter(measures))
    rows = {name: _pairs(one[name], two[name], first) for name in shared}
    return Comparison(
        measures=measures,
        sequences={n: (float(r[:, 0].mean()), float(r[:, 1].mean())) for n, r in rows.items() if len(r)},
        warnings=_warnings(a, b, one, two),
    )


def difference(pairs: Mapping[str, np.ndarray], seed: int = 0, draws: int = DRAWS) -> Difference:
    """Bootstrap over sequences; pairs: sequence → float64 [objects, 2] of A and B."""
    gains = [rows[:, 1] - rows[:, 0] for rows in pairs.values()]
    sums, counts = np.array([g.sum() for g in gains]), np.array([len(g) for g in gains])
    drawn = np.random.default_rng(seed).integers(len(gains), size=(draws, len(gains)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    every = np.concatenate(list(pairs.values()))
    return Difference(
        a=float(every[:, 0].mean()),
        b=float(every[:, 1].mean()),
        mean=float(sums.sum() / counts.sum()),
        low=float(low),
        high=float(high),
        better=float((means > 0).mean()),
        objects=int(counts.sum()),
        sequences=len(gains),
    )


def _measures(document: Document, rows: Mapping[str, Mapping[str, float]], shared: list[str]) -> list[str]:
    if document.kind != "images":
        return ["J&F"]
    found = {key.split("/", 1)[1] for name in shared for key in rows[name]}
    return sorted(found, key=lambda key: (not key.isdigit(), key))


def _pairs(one: Mapping[str, float], two: Mapping[str, float], measure: str) -> np.ndarray:
    """float64 [objects, 2] of what both have."""
    keys = [key for key in one if key in two and (measure == "J&F" or key.split("/", 1)[1] == measure)]
    return np.array([[one[key], two[key]] for key in keys], dtype=np.float64).reshape(-1, 2)


def _warnings(
    a: Document, b: Document, one: Mapping[str, object], two: Mapping[str, object]
) -> tuple[str, ...]:
    found = [
        f"{key} differs: {a.config.get(key)} and {b.config.get(key)}"
        for key in sorted({*a.config, *b.config} - {"model"})
        if a.config.get(key) != b.config.get(key)
    ]
    alone = sorted(one.keys() ^ two.keys())
    if alone:
        found.append(f"{len(alone)} sequences are in one result only ({', '.join(alone[:3])})")
    return tuple(found)
