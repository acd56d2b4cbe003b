"""The contract of `VectorStore`, what the feature pipeline needs of it: snapshot, stages, reuse, drafts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest

from llm_twin.documents import digest
from llm_twin.errors import OutdatedError, StoreError
from llm_twin.vectors.store import ChunkFilter, CleanedDocument, Indexed, VectorStore, text_hash

pytestmark = pytest.mark.filterwarnings("ignore:.*no effect:UserWarning")
ALL = ChunkFilter()
X, Y = np.eye(4, dtype=np.float32)[:2]
Build = Callable[..., Indexed]
Opener = Callable[..., VectorStore]


def cleaned(indexed: Indexed, **fields: Any) -> CleanedDocument:
    text = "".join(chunk.text for chunk in indexed.chunks)
    return CleanedDocument(**indexed.card.model_dump() | {"text": text, "content_hash": digest(text)} | fields)


def part(document: Indexed, start: int, end: int | None = None) -> Indexed:
    return document.model_copy(update={"chunks": document.chunks[start:end], "vectors": document.vectors[start:end]})


def states(store: VectorStore) -> dict[str, str]:
    return {document: entry.fingerprint for document, entry in store.ledger().items()}


def ids(*documents: Indexed) -> dict[str, list[str]]:
    return {
        each.card.document_id: sorted(chunk.id for chunk in each.chunks)
        for each in sorted(documents, key=lambda each: each.card.document_id)
    }


def test_a_document_is_unfinished_until_it_is_finished(store: VectorStore, indexed: Build) -> None:
    old, new = indexed("a", "kept ", "old "), indexed("a", "kept ", "new ", "newer ", fingerprint="a-2")
    store.put([old])
    store.put_documents([cleaned(new)])
    assert states(store) == {digest("a"): ""}
    assert store.chunk_ids() == ids(old), "what was there before is still found"
    store.put_chunks([part(new, 0, 2)])
    store.put_chunks([part(new, 2)])
    assert store.count() == 4
    store.finish({digest("a"): "a-2"})
    assert states(store) == {digest("a"): "a-2"}
    assert store.chunk_ids() == ids(new)
    assert store.ledger()[digest("a")].content_hash == cleaned(new).content_hash


def test_every_stage_done_twice_leaves_the_same_store(store: VectorStore, indexed: Build) -> None:
    document = indexed("a", "one ", "two ")
    for _ in range(2):
        store.put_documents([cleaned(document)])
        store.put_chunks([document])
    for _ in range(2):
        store.finish({digest("a"): "a-1"})
    assert states(store) == {digest("a"): "a-1"}
    assert store.chunk_ids() == ids(document)


def test_the_snapshot_gives_documents_back_as_they_were_put(store: VectorStore, indexed: Build) -> None:
    about = {"metadata": {"tags": ["ä\ud83d", None, 1.5], "x\u2028": {}}, "parent_id": "p", "language": "de"}
    document = cleaned(indexed("größe", "Käse 🧀\n\n```\n  x\n```\n", title="Größe", fingerprint=""), **about)
    undated = cleaned(indexed("undated", published_at=None, kind="code", fingerprint=""))
    store.put_documents([document, undated])
    found = {each.document_id: each for each in store.snapshot()}
    assert found == {document.document_id: document, undated.document_id: undated}
    assert store.documents([digest("undated"), digest("nobody")]) == [undated]
    assert [each.document_id for each in store.snapshot(ChunkFilter(kind="code"))] == [digest("undated")]
    assert list(store.snapshot(ChunkFilter(author_id="nobody"))) == []


def test_the_snapshot_is_streamed_in_one_order_while_the_store_is_used(store: VectorStore, indexed: Build) -> None:
    store.put_documents([cleaned(indexed(f"d{number}", f"text {number}")) for number in range(50)])
    reading = store.snapshot()
    first = [each.document_id for each in islice(reading, 25)]
    store.put_documents([cleaned(indexed("d0", "another text"))])
    every = first + [each.document_id for each in reading]
    assert len(every) == len(set(every)) == 50
    assert [each.document_id for each in store.snapshot()] == every


def test_the_ledger_may_be_read_of_some_authors(store: VectorStore, indexed: Build) -> None:
    store.put([indexed("a", "one"), indexed("b", "two", author_id="bob"), indexed("c", author_id="cleo")])
    assert store.ledger(["bob", "cleo"]).keys() == {digest("b"), digest("c")}
    assert store.ledger([]) == {}


def test_vectors_are_found_by_the_hash_of_their_text(store: VectorStore, indexed: Build) -> None:
    document = indexed("a", "one ", "two ", vectors=[X, Y])
    store.put([document, *(indexed(f"copy{number}", "one ", vectors=[X]) for number in range(5))])
    one, two = map(text_hash, document.chunks)
    headed = text_hash(document.chunks[0].model_copy(update={"heading": "Title › Part"}))
    found = store.vectors_by_hash([one, two, headed, "unknown"])
    assert found.keys() == {one, two}
    assert found[one] == pytest.approx(X)
    assert found[two] == pytest.approx(Y)
    assert store.vectors_by_hash([]) == {}


def test_vectors_and_neighbours_of_chunks(store: VectorStore, indexed: Build) -> None:
    document = indexed("a", "0123456789", "abcdefghij", "ABCDEFGHIJ", vectors=[X, Y, X])
    store.put([document, indexed("b", "other")])
    first, second, third = document.chunks
    assert store.vectors_of([second.id, digest("unknown")]).keys() == {second.id}
    assert store.vectors_of([second.id])[second.id] == pytest.approx(Y)
    assert [each.chunk for each in store.chunks_of(digest("a"))] == [first, second, third]
    assert [each.chunk for each in store.chunks_of(digest("a"), 10, 20)] == [second]
    assert [each.chunk for each in store.chunks_of(digest("a"), 9, 11)] == [first, second]
    assert [each.chunk for each in store.chunks_of(digest("a"), 15)] == [second, third]
    assert store.chunks_of(digest("nobody")) == []


def test_a_draft_is_seen_by_nobody_until_it_is_published(opener: Opener, indexed: Build) -> None:
    old, new = indexed("a", "old "), indexed("b", "new ")
    with opener() as store, opener(draft=True) as draft:
        store.put([old])
        draft.put([new])
        assert (store.chunk_ids(), draft.chunk_ids()) == (ids(old), ids(new))
        assert [hit.chunk.text for hit in store.dense(X, ALL, 9)] == ["old "]
        store.close()
        draft.publish()
        assert draft.chunk_ids() == ids(new)
        assert states(draft) == {digest("b"): "b-1"}
        draft.publish()
    with opener() as store:
        assert store.chunk_ids() == ids(new)
        store.put([old])
        assert store.count() == 2


def test_a_store_that_is_open_while_a_draft_is_published_reads_and_writes_the_new_one(
    opener: Opener, indexed: Build
) -> None:
    with opener() as store, opener(draft=True) as draft:
        store.put([indexed("a", "old ")])
        draft.put([indexed("b", "new ")])
        draft.publish()
        assert [hit.chunk.text for hit in store.dense(X, ALL, 9)] == ["new "]
        store.put([indexed("c", "more ")])
        store.delete([digest("b")])
        assert draft.chunk_ids() == ids(indexed("c", "more "))


def test_a_draft_left_behind_is_gone_on_with_and_one_of_another_model_is_not(opener: Opener, indexed: Build) -> None:
    with opener(draft=True) as draft:
        draft.put([indexed("a", "one ")])
    with opener() as store:
        assert store.count() == 0
    with opener(draft=True) as draft:
        assert states(draft) == {digest("a"): "a-1"}
    with opener("another", 8, draft=True) as draft:
        assert draft.ledger() == {}
        draft.publish()
    with pytest.raises(OutdatedError, match="`twin index` rebuilds it"):
        opener()


def test_a_draft_may_be_discarded_or_published_empty(opener: Opener, indexed: Build) -> None:
    with opener() as store, opener(draft=True) as draft:
        store.put([indexed("a", "one ")])
        store.discard()
        store.publish()
        draft.put([indexed("b", "two ")])
        draft.discard()
        assert draft.ledger() == {}
        assert store.count() == 1
        draft.publish()
        assert store.count() == 0


def test_another_model_that_took_the_index_over_is_noticed(opener: Opener, indexed: Build) -> None:
    with opener() as store, opener("another", draft=True) as draft:
        store.put([indexed("a", "one ")])
        draft.put([indexed("a", "one ", model="another")])
        draft.publish()
        with pytest.raises(OutdatedError, match="built with another"):
            store.dense(X, ALL, 9)
        with pytest.raises(OutdatedError, match="built with another"):
            store.put([indexed("a", "one ")])


def test_documents_of_another_model_are_refused(store: VectorStore, indexed: Build) -> None:
    with pytest.raises(StoreError, match="do not fit an index of tiny"):
        store.put_documents([cleaned(indexed("a", "one ", model="another"))])


@pytest.mark.parametrize(
    "where", [{"language": "de"}, {"link": "https://example.org/b"}, {"document_ids": (digest("b"),)}]
)
def test_chunks_and_documents_are_filtered_alike(store: VectorStore, indexed: Build, where: dict[str, Any]) -> None:
    store.put([indexed("a", "word"), indexed("b", "word", language="de")])
    assert [hit.card.document_id for hit in store.dense(X, ChunkFilter(**where), 9)] == [digest("b")]
    assert [document.document_id for document in store.snapshot(ChunkFilter(**where))] == [digest("b")]
