"""The fusion of two rankings, and the order that diversity gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_twin.retrieve.diversify import diversified
from llm_twin.retrieve.fuse import DENSE_LEAD, DENSE_WEIGHT, PLACES, SPARSE_LEAD, Ranking, fused

names = st.text("abcdefgh", min_size=1, max_size=1)
cosines = st.dictionaries(names, st.floats(-0.99, 1))
bm25 = st.dictionaries(names, st.floats(0.01, 100))


def ranking(scores: dict[str, float], limit: int, least: float) -> Ranking:
    return Ranking.of(sorted(scores.items(), key=lambda pair: -pair[1])[:limit], limit, least)


@given(cosines, bm25)
def test_fused_scores_lie_between_0_and_1_and_cover_both_rankings(
    dense: dict[str, float], sparse: dict[str, float]
) -> None:
    scores = fused(ranking(dense, 9, -1), ranking(sparse, 9, 0))
    assert set(scores) == set(dense) | set(sparse)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in scores.values())


@given(cosines, bm25)
def test_better_in_both_is_better_in_the_fused_ranking(dense: dict[str, float], sparse: dict[str, float]) -> None:
    scores = fused(ranking(dense, 9, -1), ranking(sparse, 9, 0))
    for one in scores:
        for other in scores:
            if dense.get(one, -1) >= dense.get(other, -1) and sparse.get(one, 0) >= sparse.get(other, 0):
                assert scores[one] >= scores[other] - 1e-9


def test_what_nothing_comes_near_in_either_ranking_scores_1() -> None:
    scores = fused(ranking({"a": 0.6, "b": -0.2}, 9, -1), ranking({"a": 12.0}, 9, 0))
    assert scores["a"] == pytest.approx(1)


def test_scores_places_and_the_lead_of_the_best_add_up() -> None:
    scores = fused(ranking({"a": 0.6, "b": 0.2}, 9, -1), ranking({"a": 12.0, "c": 3.0}, 9, 0))
    most = 1 + PLACES + DENSE_LEAD + SPARSE_LEAD
    assert scores["a"] == pytest.approx((1 + PLACES + DENSE_LEAD * (1 - 0.2 / 0.6) + SPARSE_LEAD * (1 - 3 / 12)) / most)
    assert scores["b"] == pytest.approx((DENSE_WEIGHT * 1.2 / 1.6 + PLACES / 3) / most)
    assert scores["c"] == pytest.approx(((1 - DENSE_WEIGHT) / 4 + PLACES / 3) / most)


def test_the_best_of_a_ranking_counts_more_where_it_stands_out() -> None:
    dense = ranking({"a": 0.5, "b": 0.45}, 9, -1)
    alone, followed = (fused(dense, ranking({"b": 10.0, "a": second}, 9, 0)) for second in (5.0, 9.5))
    assert alone["b"] > followed["b"]


def test_what_scores_the_same_has_the_same_place() -> None:
    scores = fused(ranking({"a": 0.6, "b": 0.6}, 9, -1), ranking({}, 9, 0))
    assert scores["a"] == scores["b"]


def test_a_place_at_the_top_outweighs_a_slightly_better_score() -> None:
    dense, sparse = {"a": 0.8, "b": 0.79}, {"x": 9.0, "b": 5.1, "a": 5.0}
    scores = fused(ranking(dense, 9, -1), ranking(sparse, 9, 0))
    assert scores["a"] > scores["b"]


def test_what_a_full_ranking_does_not_list_may_be_as_good_as_its_last() -> None:
    full = ranking({"a": 0.6, "b": 0.2, "c": 0.1}, 2, -1)
    assert (set(full.scores), full.rest) == ({"a", "b"}, 0.2)
    assert ranking({"a": 0.6}, 2, -1).rest == -1


def test_a_document_counts_by_its_best_passage() -> None:
    found = Ranking.of([("a", 0.9), ("b", 0.8), ("a", 0.7)], 9, -1)
    assert found.scores == {"a": 0.9, "b": 0.8}
    assert (found.rank("b"), found.rank("z")) == (2, None)


@given(st.lists(st.floats(0.01, 1), max_size=8))
def test_without_diversity_the_order_stays(scores: list[float]) -> None:
    scores.sort(reverse=True)
    rows = np.eye(8, dtype=np.float32)[: len(scores)]
    assert diversified(scores, rows, 0) == list(range(len(scores)))


@given(st.lists(st.floats(0.01, 1), max_size=8), st.floats(0, 1))
def test_every_result_comes_once_and_the_best_first(scores: list[float], diversity: float) -> None:
    scores.sort(reverse=True)
    rows = np.ones((len(scores), 1), np.float32)
    order = diversified(scores, rows, diversity)
    assert sorted(order) == list(range(len(scores)))
    assert order[:1] == [0][: len(scores)]
