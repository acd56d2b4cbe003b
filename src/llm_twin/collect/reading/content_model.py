"""How likely each block belongs to the text: a small gradient-boosted forest over `content_features.py`.

Fitted on the article and documentation pages of WCXB's dev split (CC-BY-4.0); the weights stand in
`content_model.json`. Figures on those pages flatter it: docs/extraction.md has those where each half of the pages is
judged by a forest fitted on the other half.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAVES = 16  # of a tree at most: one bit each


@dataclass(frozen=True)
class Forest:
    """All trees side by side: their first splits in row 0, their second ones in row 1, and so on.

    QuickScorer (Lucchese et al. 2015): a split that does not hold takes the leaves on its left away, and the first
    leaf that remains is the tree's answer. No tree is walked, so that all rows and trees are judged at once.
    """

    baseline: float
    feature: NDArray[np.intp]  # (splits, trees)
    threshold: NDArray[np.float32]
    mask: NDArray[np.uint16]  # the leaves that stay when a value is above the threshold
    value: NDArray[np.float32]  # (trees, LEAVES)
    first: NDArray[np.intp]  # of each mask, the number of its lowest bit


def forest(stored: dict[str, list[list[float]]]) -> Forest:
    """A forest from its stored rows."""
    masks = np.arange(1 << LEAVES)
    return Forest(
        baseline=float(stored["baseline"][0][0]),
        feature=np.array(stored["feature"], np.intp),
        threshold=np.array(stored["threshold"], np.float32),
        mask=np.array(stored["mask"], np.uint16),
        value=np.array(stored["value"], np.float32),
        first=np.log2(np.maximum(masks & -masks, 1)).astype(np.intp),
    )


@cache
def _shipped() -> Forest:
    return forest(json.loads(files("llm_twin.collect.reading").joinpath("content_model.json").read_text("ascii")))


def likelihoods(rows: NDArray[np.float32], judge: Forest | None = None) -> NDArray[np.float64]:
    """Of each row of features, the probability that its block belongs to the text."""
    judge = judge or _shipped()
    columns = np.ascontiguousarray(rows.T)
    left = np.full((judge.feature.shape[1], len(rows)), (1 << LEAVES) - 1, np.uint16)
    for feature, threshold, mask in zip(judge.feature, judge.threshold, judge.mask, strict=True):
        left &= np.where(columns[feature] <= threshold[:, None], np.uint16((1 << LEAVES) - 1), mask[:, None])
    trees = np.arange(len(judge.value))[:, None]
    scores = judge.baseline + judge.value[trees, judge.first[left]].sum(axis=0, dtype=np.float64)
    chances: NDArray[np.float64] = 1 / (1 + np.exp(-scores))
    return chances
