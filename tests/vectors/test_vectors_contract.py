"""The contract of `VectorStore`, sentence by sentence, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from llm_twin.documents import digest
from llm_twin.errors import OutdatedError, StoreError
from llm_twin.vectors.store import ChunkFilter, Indexed, Scored, VectorStore

pytestmark = pytest.mark.filterwarnings("ignore:.*no effect:UserWarning")
ALL = ChunkFilter()
X, Y = np.eye(4, dtype=np.float32)[:2]
Build = Callable[..., Indexed]
Opener = Callable[..., VectorStore]


def fingerprints(store: VectorStore) -> dict[str, str]:
    return {document: entry.fingerprint for document, entry in store.ledger().items()}


def texts(found: list[Scored]) -> list[str]:
    return [hit.chunk.text for hit in found]


def titles(found: list[Scored]) -> set[str]:
    return {hit.card.title for hit in found}


def test_a_store_never_written_to_is_empty_and_reading_creates_nothing(
    store: VectorStore, exists: Callable[[], bool]
) -> None:
    assert store.ledger() == {}
    assert store.count() == 0
    assert store.chunk_ids() == {}
    assert store.dense(X, ALL, 5) == []
    assert store.sparse("anything", ALL, 5) == []
    store.delete([digest("unknown")])
    store.put([])
    assert not exists()


def test_what_was_put_is_there_when_the_store_is_opened_again(opener: Opener, indexed: Build) -> None:
    a, b = indexed("a", "one ", "two"), indexed("b", "three")
    with opener() as store:
        store.put([a, b])
    with opener() as store:
        assert fingerprints(store) == {a.card.document_id: "a-1", b.card.document_id: "b-1"}
        assert store.count() == 3
        assert store.chunk_ids() == {
            document.card.document_id: sorted(chunk.id for chunk in document.chunks)
            for document in sorted((a, b), key=lambda document: document.card.document_id)
        }


def test_a_search_gives_back_the_card_and_the_chunk_as_they_were_put(store: VectorStore, indexed: Build) -> None:
    document = indexed("größe", "Käse 🧀 kostet\n\n```python\n  x = 1\n```\n", title="Größe\u2028", platform="substack")
    undated = indexed("undated", "no date at all", published_at=None, vectors=[Y])
    store.put([document, undated])
    assert [(hit.card, hit.chunk) for hit in store.dense(X, ALL, 1)] == [(document.card, document.chunks[0])]
    assert [(hit.card, hit.chunk) for hit in store.sparse("date", ALL, 1)] == [(undated.card, undated.chunks[0])]
    chunk = document.chunks[0]
    assert store.nearest(X, ALL, 1)[0][:4] == (chunk.id, chunk.document_id, document.card.fingerprint, chunk.start)
    assert store.matching("date", ALL, 1)[0].chunk_id == undated.chunks[0].id
    unknown = digest("unknown")
    assert {name: (found.card, found.chunk) for name, found in store.chunks([chunk.id, unknown]).items()} == {
        chunk.id: (document.card, chunk)
    }


def test_an_updated_document_replaces_its_chunks_and_its_fingerprint(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "kept ", "old ", "older"), indexed("b", "untouched")])
    new = indexed("a", "kept ", "new", fingerprint="a-2", title="Renamed")
    store.put([new])
    assert set(store.chunk_ids()[new.card.document_id]) == {chunk.id for chunk in new.chunks}
    assert fingerprints(store) == {new.card.document_id: "a-2", digest("b"): "b-1"}
    assert {hit.card.title for hit in store.sparse("kept new old older", ALL, 9)} == {"Renamed"}
    assert store.count() == 3


def test_putting_twice_leaves_the_same_store(store: VectorStore, indexed: Build) -> None:
    documents = [indexed("a", "one ", "two"), indexed("b", "three")]
    store.put(documents)
    once = (store.ledger(), store.chunk_ids(), store.dense(X, ALL, 9), store.sparse("one two three", ALL, 9))
    store.put(documents)
    assert (store.ledger(), store.chunk_ids(), store.dense(X, ALL, 9), store.sparse("one two three", ALL, 9)) == once


def test_a_document_may_have_no_chunks(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "one"), indexed("empty")])
    store.put([indexed("a", fingerprint="a-2")])
    assert fingerprints(store) == {digest("a"): "a-2", digest("empty"): "empty-1"}
    assert store.count() == 0
    assert store.chunk_ids() == {}


def test_of_a_document_put_twice_at_once_the_last_counts(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "first"), indexed("a", "second", fingerprint="a-2")])
    assert texts(store.dense(X, ALL, 9)) == ["second"]
    assert fingerprints(store) == {digest("a"): "a-2"}


def test_a_document_may_have_more_chunks_than_are_written_at_once(store: VectorStore, indexed: Build) -> None:
    many = [f"passage {number} " for number in range(1100)]
    store.put([indexed("long", *many)])
    assert store.count() == 1100
    store.put([indexed("long", *many[:3], fingerprint="long-2")])
    assert store.count() == 3


def test_deleted_documents_are_gone_from_chunks_and_ledger(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "one ", "two"), indexed("b", "three"), indexed("c", "four")])
    store.delete([digest("a"), digest("c"), digest("unknown")])
    assert fingerprints(store) == {digest("b"): "b-1"}
    assert list(store.chunk_ids()) == [digest("b")]
    assert texts(store.dense(X, ALL, 9)) == ["three"]
    assert store.sparse("one two four", ALL, 9) == []
    store.delete([])
    assert store.count() == 1


def test_dense_search_ranks_by_cosine_and_is_exact(store: VectorStore, indexed: Build) -> None:
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((300, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    store.put([indexed("many", *(f"{number} " for number in range(300)), vectors=list(rows))])
    query = np.array([0.3, -0.2, 0.9, 0.1], np.float32)
    query /= np.linalg.norm(query)
    expected = np.argsort(-(rows @ query))[:10]
    found = store.dense(query, ALL, 10)
    assert texts(found) == [f"{number} " for number in expected]
    assert [hit.score for hit in found] == pytest.approx(list((rows @ query)[expected]), abs=1e-5)


def test_equal_scores_come_in_the_order_of_chunk_ids(store: VectorStore, indexed: Build) -> None:
    store.put([indexed(name, "same text") for name in "dcba"])
    for found in (store.dense(X, ALL, 4), store.sparse("text", ALL, 4)):
        assert [hit.chunk.id for hit in found] == sorted(hit.chunk.id for hit in found)
        assert len(found) == 4


def test_a_limit_is_kept(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", *(f"word {number} " for number in range(9)))])
    assert len(store.dense(X, ALL, 4)) == 4
    assert len(store.sparse("word", ALL, 4)) == 4
    assert store.dense(X, ALL, 0) == store.sparse("word", ALL, 0) == []


def test_sparse_search_leaves_out_chunks_that_share_no_word(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "merge models into a mixture of experts"), indexed("b", "bread and butter")])
    assert titles(store.sparse("mixture", ALL, 9)) == {"A"}
    assert store.sparse("zebra", ALL, 9) == []
    assert store.sparse("the and of", ALL, 9) == []
    assert store.sparse("", ALL, 9) == []


def test_a_rare_word_weighs_more_than_a_common_one(store: VectorStore, indexed: Build) -> None:
    common = [indexed(f"common{number}", "language model training") for number in range(8)]
    store.put([*common, indexed("rare", "gptq quantization")])
    found = store.sparse("model gptq", ALL, 9)
    assert found[0].card.title == "Rare"
    assert len(found) == 9
    assert found[0].score > found[1].score > 0


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("MERGING", "we merged two models"),
        ("Muller cafe", "Müller im Café"),
        ("navigable", "class HierarchicalNavigableGraph:"),
        ("HierarchicalNavigableGraph", "class HierarchicalNavigableGraph:"),
        ("read_parquet", "frame = pd.read_parquet(path)"),
        ("parquet", "frame = pd.read_parquet(path)"),
    ],
)
def test_words_match_whatever_their_case_ending_accents_or_place_in_a_name(
    store: VectorStore, question: str, text: str, indexed: Build
) -> None:
    store.put([indexed("a", text), indexed("b", "something else entirely")])
    assert titles(store.sparse(question, ALL, 9)) == {"A"}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, {"A", "B", "C", "D"}),
        ({"author_id": digest("bob")}, {"B"}),
        ({"kind": "code"}, {"C"}),
        ({"platform": "github"}, {"C", "D"}),
        ({"platform": "github", "kind": "post"}, {"D"}),
        ({"kind": "repository"}, set()),
        ({"since": datetime(2024, 5, 1, 12, 30, 15, 123_000, UTC)}, {"A", "C"}),
        ({"since": datetime(2024, 5, 1, 12, 30, 15, 123_001, UTC)}, {"C"}),
        ({"since": datetime(2024, 5, 2)}, {"C"}),
        ({"since": datetime(2024, 5, 1, 12, 30, 15, 123_000, UTC), "platform": "medium"}, {"A"}),
    ],
)
def test_only_chunks_that_meet_all_conditions_are_found(
    store: VectorStore, where: dict[str, Any], expected: set[str], indexed: Build
) -> None:
    date = datetime(2024, 5, 1, 12, 30, 15, 123_000, UTC)
    store.put(
        [
            indexed("a", "word"),
            indexed("b", "word", author_id=digest("bob"), published_at=date - timedelta(milliseconds=1)),
            indexed("c", "word", kind="code", platform="github", published_at=date + timedelta(days=1)),
            indexed("d", "word", kind="post", platform="github", published_at=None),
        ]
    )
    assert titles(store.dense(X, ChunkFilter(**where), 9)) == expected
    assert titles(store.sparse("word", ChunkFilter(**where), 9)) == expected


def test_text_that_is_no_valid_unicode_is_stored_with_offsets_that_hold(store: VectorStore, indexed: Build) -> None:
    document = indexed("a", "half \ud83d a pair", title="T\udc00")
    store.put([document])
    (found,) = store.sparse("pair \ud800", ALL, 9)
    assert found.chunk.text == "half \ufffd a pair"
    assert len(found.chunk.text) == found.chunk.end
    assert found.card.title == "T\ufffd"


@pytest.mark.parametrize(("model", "dimension"), [("another", 4), ("tiny", 8)])
def test_a_store_built_with_another_model_or_dimension_is_refused(
    opener: Opener, model: str, dimension: int, indexed: Build
) -> None:
    with opener() as store:
        store.put([indexed("a", "one")])
    with pytest.raises(
        OutdatedError,
        match=rf"built with tiny \(4 dimensions\), not with {model} \({dimension}\); `twin index` rebuilds it",
    ):
        opener(model, dimension)


def test_vectors_that_do_not_fit_are_refused_and_nothing_is_stored(
    store: VectorStore, exists: Callable[[], bool], indexed: Build
) -> None:
    good, document = indexed("good", "one"), indexed("a", "one")
    wide = document.model_copy(update={"vectors": np.ones((1, 8), np.float32)})
    fewer = document.model_copy(update={"vectors": document.vectors[:0]})
    foreign = indexed("a", "one", model="another")
    for bad in (wide, fewer, foreign):
        with pytest.raises(StoreError):
            store.put([good, bad])
    assert not exists()
    with pytest.raises(StoreError, match="4 dimensions"):
        store.dense(np.ones(8, np.float32), ALL, 1)


def test_closing_twice_is_fine(opener: Opener, indexed: Build) -> None:
    store = opener()
    store.put([indexed("a", "one")])
    store.close()
    store.close()
    assert opener().count() == 1
