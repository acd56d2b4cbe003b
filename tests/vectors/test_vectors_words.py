"""Search in whole documents by their words, on every backend."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llm_twin.documents import digest
from llm_twin.vectors.store import ChunkFilter, Indexed, VectorStore

pytestmark = pytest.mark.filterwarnings("ignore:.*no effect:UserWarning")
ALL = ChunkFilter()
Build = Callable[..., Indexed]


def found(store: VectorStore, query: str, where: ChunkFilter = ALL, limit: int = 9) -> list[str]:
    return [document for document, _ in store.sparse_documents(query, where, limit)]


def test_words_that_are_spread_over_passages_count_together(store: VectorStore, indexed: Build) -> None:
    both = indexed("both", "A boat of oak. ", "Then the weather turned. ", "Sails were torn.")
    one = indexed("one", "A boat of oak and more oak, planks of it. ", "Then they went home. ", "Nothing happened.")
    store.put([one, both])
    assert found(store, "boat sails") == [digest("both"), digest("one")]


def test_words_side_by_side_count_more_than_apart(store: VectorStore, indexed: Build) -> None:
    apart = indexed("apart", "Mixture is a word and so is expert, a mixture with no expert.")
    together = indexed("together", "Expert mixture and a word, so it is no other: expert mixture.")
    store.put([apart, together])
    first, second = store.sparse_documents("expert mixture", ALL, 9)
    assert first[0] == digest("together")
    assert first[1] > second[1]


def test_titles_and_headings_are_searched(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "Nothing of the kind.", title="On quantization"), indexed("b", "Neither here.")])
    assert found(store, "quantization") == [digest("a")]


def test_an_unknown_word_and_stop_words_find_nothing(store: VectorStore, indexed: Build) -> None:
    assert found(store, "boat") == []
    store.put([indexed("a", "boats and planks")])
    assert found(store, "zebra") == found(store, "the of and") == []
    assert found(store, "boat", limit=0) == []


@pytest.mark.parametrize(
    "where",
    [
        ChunkFilter(language="de"),
        ChunkFilter(link="https://example.org/b"),
        ChunkFilter(document_ids=(digest("b"),)),
    ],
    ids=["language", "link", "document_ids"],
)
def test_filters_hold_for_documents_and_for_passages(store: VectorStore, indexed: Build, where: ChunkFilter) -> None:
    store.put([indexed("a", "boats", language="en"), indexed("b", "boats", language="de")])
    assert found(store, "boats", where) == [digest("b")]
    assert [hit.card.document_id for hit in store.sparse("boats", where, 9)] == [digest("b")]
    assert found(store, "boats", ChunkFilter(document_ids=())) == []


def test_a_changed_document_is_found_by_its_new_words_alone(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "boats")])
    store.put([indexed("a", "planks", fingerprint="a-2")])
    assert (found(store, "boats"), found(store, "planks")) == ([], [digest("a")])
    store.delete([digest("a")])
    assert found(store, "planks") == []


def test_the_shares_of_the_words_add_up_to_the_score(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "Merge expert models and rankModels."), indexed("b", "Nothing."), indexed("c", "Experts!")])
    query = "expert models, getModels for the experts"
    scores = dict(store.sparse_documents(query, ALL, 9))
    shares = store.word_scores(query, [digest("a"), digest("b"), digest("c")])
    assert {"expert", "models", "expert models"} <= set(shares[digest("a")])
    assert {name: sum(share.values()) for name, share in shares.items()} == pytest.approx(scores, rel=1e-4)
