"""One ranking from two: a convex combination of dense and sparse scores, each scaled by what it can be at most.

Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 2023: better and steadier than
reciprocal rank fusion, and, with theoretical minima, without anything to fit. Small shares go to the places in either
ranking, and to what stands out of it. `benchmarks/retrieval.py` measures it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The weight of the dense score. The paper finds .6 to .8 good on every collection, and so do fourteen made of real
# texts for this (articles with and without titles, web pages, manuals, READMEs, code, package descriptions).
DENSE_WEIGHT = 0.73
# What the best passage's BM25 adds to that of its whole document: without it hybrid is below the better of the two
# rankings on four of these collections.
PASSAGE_SHARE = 0.15
# What leading either ranking adds, falling as 1 / (1 + rank): the best of a ranking is worth half of it. Scores tell
# little among the very best.
PLACES = 0.06
# What the best of either ranking gains by how far it is ahead of the second, as a share of its score: a ranking of
# which one document stands out is surer of it than one of many that are alike. Cosines lie closer together than BM25.
# With it hybrid is at least as good as the better of the two on all fourteen collections; see docs/indexing.md.
DENSE_LEAD, SPARSE_LEAD = 0.25, 0.12
LEAST_COSINE, LEAST_BM25 = -1.0, 0.0


@dataclass(frozen=True)
class Ranking:
    """Scores by id, best first. `rest` is what an id that is not listed has at most."""

    scores: Mapping[str, float]
    rest: float

    @classmethod
    def of(cls, found: Iterable[tuple[str, float]], limit: int, least: float) -> Ranking:
        """From what a search for `limit` gave, best first; an id found more than once counts by its best score.

        A search that gave fewer has found all there is: others score `least`.
        """
        pairs = list(found)
        scores: dict[str, float] = {}
        for name, score in pairs:
            scores.setdefault(name, score)
        return cls(scores, pairs[-1][1] if len(pairs) >= limit else least)

    def rank(self, name: str) -> int | None:
        """The place of an id, from 1."""
        return next((place for place, listed in enumerate(self.scores, start=1) if listed == name), None)


def with_passages(documents: Ranking, best_passages: Ranking) -> Ranking:
    """The BM25 of whole documents with a share of that of their best passages."""
    scores = {
        name: documents.scores.get(name, documents.rest)
        + PASSAGE_SHARE * best_passages.scores.get(name, best_passages.rest)
        for name in {**documents.scores, **best_passages.scores}
    }
    rest = documents.rest + PASSAGE_SHARE * best_passages.rest
    return Ranking(dict(sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))), rest)


def fused(dense: Ranking, sparse: Ranking, weight: float = DENSE_WEIGHT) -> dict[str, float]:
    """Scores by id, between 0 and 1, of all that either ranking lists: `weight` * dense + (1 - `weight`) * sparse.

    Each is scaled between the least it can be, cosine -1 or BM25 0, and the best that was found; places and the lead of
    a ranking's best count beside.
    """
    best_dense = max(dense.scores.values(), default=0.0) - LEAST_COSINE
    best_sparse = max(sparse.scores.values(), default=0.0)
    standing = [_standing(dense, DENSE_LEAD), _standing(sparse, SPARSE_LEAD)]
    return {
        name: (
            weight * (dense.scores.get(name, dense.rest) - LEAST_COSINE) / (best_dense or 1.0)
            + (1 - weight) * sparse.scores.get(name, sparse.rest) / (best_sparse or 1.0)
            + sum(each.get(name, 0.0) for each in standing)
        )
        / (1 + PLACES + DENSE_LEAD + SPARSE_LEAD)
        for name in {**dense.scores, **sparse.scores}
    }


def _standing(ranking: Ranking, lead: float) -> dict[str, float]:
    """What its place gives each id, and its lead the first; what scores the same has the same place."""
    standing: dict[str, float] = {}
    gain, last = 0.0, None
    for rank, (name, score) in enumerate(ranking.scores.items(), start=1):
        if score != last:
            gain, last = PLACES / (1 + rank), score
        standing[name] = gain
    first, second = [*ranking.scores.values(), 0.0, 0.0][:2]
    if first > 0:
        standing[next(iter(standing))] += lead * (1 - max(second, 0.0) / first)
    return standing
