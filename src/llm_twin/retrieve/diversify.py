"""Maximal marginal relevance: results that say the same thing as a better one move down."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from llm_twin.vectors.store import Vectors


def diversified(scores: ArrayLike, vectors: Vectors, diversity: float) -> list[int]:
    """The order of results with these scores, best first, and vectors of shape (n, dimension), rows normalised.

    Each next one has the greatest (1 - d) * score - d * similarity to the nearest that was chosen before, d being
    `diversity` between 0 and 1 (the paper's 1 - λ); the best score counts as 1. Carbonell and Goldstein, "The Use of
    MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries", SIGIR 1998.
    """
    relevance = np.asarray(scores, np.float64)
    relevance = relevance / (relevance.max(initial=0.0) or 1.0)
    similarity = vectors @ vectors.T
    nearest = np.zeros(len(relevance))
    left = np.ones(len(relevance), bool)
    order: list[int] = []
    for _ in relevance:
        gain = np.where(left, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        chosen = int(gain.argmax())  # the first of equal ones, which is the better
        order.append(chosen)
        left[chosen] = False
        nearest = np.maximum(nearest, similarity[chosen])
    return order
