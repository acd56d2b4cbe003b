"""What both Qdrant backends share: documents and chunks as points, and the order in which they are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import numpy as np
from qdrant_edge import SparseVector

from llm_twin.errors import OutdatedError, StoreError
from llm_twin.vectors.bm25 import document_query, named_terms, passage_query
from llm_twin.vectors.payloads import (
    BATCH,
    BATCH_CHARACTERS,
    CHUNKS,
    DOCUMENTS,
    DOCUMENTS_PAGE,
    PAGE,
    Name,
    Payload,
    PointData,
    Selection,
    batches,
    card_of,
    chunk_of,
    chunk_points,
    cleaned_of,
    document_of,
    document_point,
    document_point_id,
    encodable,
)
from llm_twin.vectors.store import (
    ChunkFilter,
    CleanedDocument,
    DocumentCard,
    Found,
    Indexed,
    LedgerEntry,
    Scored,
    Vectors,
)


class PointStore(ABC):
    """The `VectorStore` contract on top of the few things that the two backends do differently."""

    model: str
    dimension: int

    @abstractmethod
    def _opened(self, *, write: bool = False, create: bool = False) -> AbstractContextManager[bool]:
        """The store ready for the methods below, with engine errors turned into `StoreError`; False: there is none.

        To be asked for `write` where something is written, for `create` where the store is made if there is none.
        """

    @abstractmethod
    def _upsert(self, name: Name, points: Sequence[PointData]) -> None: ...

    @abstractmethod
    def _set(self, name: Name, payloads: Mapping[str, Payload]) -> None:
        """Set fields of points by point id."""

    @abstractmethod
    def _remove(self, name: Name, ids: Sequence[str]) -> None: ...

    @abstractmethod
    def _page(
        self, name: Name, selection: Selection, fields: list[str] | bool, size: int, offset: Any
    ) -> tuple[list[tuple[str, Payload]], Any]:
        """At most `size` points from the point id `offset` on, ordered by id; and where the next page begins."""

    @abstractmethod
    def _dense_vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        """The dense vectors of chunks by point id."""

    @abstractmethod
    def _payloads(self, ids: Sequence[str]) -> dict[str, Payload]:
        """The whole payloads of chunks by point id."""

    @abstractmethod
    def _count(self, name: Name) -> int: ...

    @abstractmethod
    def _query(
        self, name: Name, query: list[float] | SparseVector, selection: Selection, limit: int, fields: list[str] | bool
    ) -> list[tuple[str, float, Payload]]: ...

    @abstractmethod
    def close(self) -> None:
        """Release the store. Closing twice is fine."""

    @abstractmethod
    def _flush(self, name: Name) -> None:
        """Make what was written to a collection durable."""

    @abstractmethod
    def _optimize(self) -> None:
        """Called at the end of a write."""

    # --- the ledger and the snapshot

    def ledger(self, author_ids: Collection[str] | None = None) -> dict[str, LedgerEntry]:
        """What every document, or every one of these authors, was built from, by document id."""
        selection = Selection() if author_ids is None else Selection({"author_id": sorted(author_ids)})
        if author_ids is not None and not author_ids:
            return {}
        entries = self._stream(DOCUMENTS, selection, ["document_id", "fingerprint", "content_hash"], PAGE)
        return {entry["document_id"]: LedgerEntry(entry["fingerprint"], entry["content_hash"]) for entry in entries}

    def documents(self, document_ids: Collection[str]) -> list[CleanedDocument]:
        """These documents by id; unknown ids are left out."""
        found: list[CleanedDocument] = []
        with self._opened() as exists:
            if exists:
                for some in batches(sorted(document_ids), DOCUMENTS_PAGE):
                    points = self._scroll(DOCUMENTS, Selection({"document_id": some}), True, DOCUMENTS_PAGE)
                    found.extend(document_of(payload) for _, payload in points)
        return sorted(found, key=lambda document: document.document_id)

    def snapshot(self, where: ChunkFilter | None = None) -> Iterator[CleanedDocument]:
        """The cleaned documents that match, streamed in bounded memory, in the same order every time."""
        yield from map(document_of, self._stream(DOCUMENTS, Selection.of(where), True, DOCUMENTS_PAGE))

    # --- writing

    def put_documents(self, documents: Sequence[CleanedDocument]) -> None:
        """Add or replace cleaned documents, as not finished whatever their fingerprint says."""
        for document in documents:
            self._check_model(document)
        if documents:
            with self._opened(create=True):
                self._put_documents(documents)

    def put_chunks(self, documents: Sequence[Indexed]) -> None:
        """Add chunks. Those that are there already, by id, are replaced; others of their document stay."""
        for document in documents:
            self._check(document)
        if documents:
            with self._opened(create=True):
                self._put_chunks(documents)

    def finish(self, fingerprints: Mapping[str, str]) -> None:
        """Remove these documents' chunks with another fingerprint; then note the documents as built from it."""
        for some in batches(fingerprints.items(), BATCH):
            with self._opened(create=True):  # anew for each batch, as everywhere: nobody waits long
                self._finish(dict(some))

    def put(self, documents: Sequence[Indexed]) -> None:
        """Make the index hold exactly these chunks for each of these documents: all three steps at once."""
        latest = {document.card.document_id: document for document in documents}
        for document in latest.values():
            self._check(document)
        if latest:
            with self._opened(create=True):
                self._put_documents([cleaned_of(document) for document in latest.values()])
                self._put_chunks(list(latest.values()))
                self._finish({name: document.card.fingerprint for name, document in latest.items()})

    def delete(self, document_ids: Collection[str]) -> None:
        """Remove these documents and their chunks. Unknown ids do nothing."""
        for some in batches(sorted(set(document_ids)), BATCH):
            with self._opened(write=True) as exists:
                if not exists:
                    return
                # The ledger last: a document that stands in it is deleted again after a crash.
                self._remove_chunks(dict.fromkeys(some))
                self._flush(CHUNKS)
                self._remove(DOCUMENTS, list(map(document_point_id, some)))
                self._flush(DOCUMENTS)
                self._optimize()

    # --- reading chunks

    def vectors_by_hash(self, text_hashes: Collection[str]) -> dict[str, Vectors]:
        """The vectors, of shape (dimension,), of chunks with these text hashes; what is not there is left out."""
        found: dict[str, Vectors] = {}
        with self._opened() as exists:
            for some in batches(sorted(set(text_hashes)) if exists else (), BATCH):
                # First one point for each hash: a text may stand in thousands of chunks.
                points: dict[str, str] = {}
                for point, payload in self._scroll(CHUNKS, Selection({"text_hash": some}), ["text_hash"], 2 * BATCH):
                    points.setdefault(payload["text_hash"], point)
                    if len(points) == len(some):
                        break
                rows = self._dense_vectors(list(points.values()))
                found |= {text: np.array(rows[point], np.float32) for text, point in points.items() if point in rows}
        return found

    def vectors_of(self, chunk_ids: Collection[str]) -> dict[str, Vectors]:
        """The vectors, of shape (dimension,), of these chunks by id; unknown ids are left out."""
        found: dict[str, Vectors] = {}
        with self._opened() as exists:
            for some in batches((str(UUID(each)) for each in chunk_ids) if exists else (), BATCH):
                rows = self._dense_vectors(some)
                found |= {UUID(point).hex: np.array(row, np.float32) for point, row in rows.items()}
        return found

    def chunks_of(self, document_id: str, start: int = 0, end: int | None = None) -> list[Scored]:
        """The chunks of a document that overlap the characters [start, end), in reading order, with score 0."""
        selection = Selection({"document_id": [document_id]}, span=(start, end))
        with self._opened() as exists:
            found = list(self._scroll(CHUNKS, selection, True, BATCH)) if exists else []
        chunks = [Scored(card=card_of(payload), chunk=chunk_of(point, payload), score=0.0) for point, payload in found]
        return sorted(chunks, key=lambda each: (each.chunk.start, each.chunk.end, each.chunk.id))

    def nearest(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Found]:
        """The chunks nearest to a vector of shape (dimension,) by cosine similarity, best first."""
        if vector.shape != (self.dimension,):
            raise StoreError(
                f"a query vector of shape {vector.shape} does not fit an index of {self.dimension} dimensions"
            )
        return self._search(vector.tolist(), where, limit)

    def matching(self, query: str, where: ChunkFilter, limit: int) -> list[Found]:
        """The chunks that match the words of `query` best by BM25, best first. Chunks sharing no word are left out."""
        terms = passage_query(encodable(query))
        return self._search(terms, where, limit) if terms.indices else []

    def chunks(self, chunk_ids: Collection[str]) -> dict[str, Scored]:
        """These chunks by id, with score 0; unknown ids are left out."""
        found: dict[str, Scored] = {}
        cards: dict[tuple[str, str], DocumentCard] = {}  # the chunks of a document share one
        with self._opened() as exists:
            for some in batches((str(UUID(each)) for each in chunk_ids) if exists else (), BATCH):
                for point, payload in self._payloads(some).items():
                    key = (payload["document_id"], payload["fingerprint"])
                    card = cards.get(key) or cards.setdefault(key, card_of(payload))
                    chunk = chunk_of(point, payload)
                    found[chunk.id] = Scored(card=card, chunk=chunk, score=0.0)
        return found

    def dense(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Scored]:
        """What `nearest` finds, with texts and cards."""
        return self._whole(self.nearest(vector, where, limit))

    def sparse(self, query: str, where: ChunkFilter, limit: int) -> list[Scored]:
        """What `matching` finds, with texts and cards."""
        return self._whole(self.matching(query, where, limit))

    def sparse_documents(self, query: str, where: ChunkFilter, limit: int) -> list[tuple[str, float]]:
        """(document id, score) of the documents whose whole text matches `query` best by BM25, best first."""
        return self._search_documents(document_query(encodable(query)), Selection.of(where), limit)

    def word_scores(self, query: str, document_ids: Collection[str]) -> dict[str, dict[str, float]]:
        """By document id, what each word and pair of `query` adds to the score that `sparse_documents` gives it."""
        found: dict[str, dict[str, float]] = {}
        selection = Selection({"document_id": sorted(document_ids)})
        for word, terms in named_terms(encodable(query)).items():
            for document_id, score in self._search_documents(terms, selection, len(document_ids)):
                found.setdefault(document_id, {})[word] = score
        return found

    def count(self) -> int:
        """How many chunks there are."""
        with self._opened() as exists:
            return self._count(CHUNKS) if exists else 0

    def chunk_ids(self) -> Mapping[str, Sequence[str]]:
        """All chunk ids, sorted, by document id."""
        found: dict[str, list[str]] = {}
        with self._opened() as exists:
            if exists:
                for point, payload in self._scroll(CHUNKS, Selection(), ["document_id"]):
                    found.setdefault(payload["document_id"], []).append(UUID(point).hex)
        return {document: sorted(ids) for document, ids in sorted(found.items())}

    def reading(self) -> AbstractContextManager[None]:
        """For several calls that read: in the `with` block they see one state of the index, where there is a lock."""
        return nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stream(self, name: Name, selection: Selection, fields: list[str] | bool, size: int) -> Iterator[Payload]:
        """Payloads, the store being opened anew for each page: nobody waits for a slow reader."""
        offset = None
        while True:
            with self._opened() as exists:
                if not exists:
                    return
                page, offset = self._page(name, selection, fields, size, offset)
            yield from (payload for _, payload in page)
            if offset is None:
                return

    # --- inner, the store being open

    def _scroll(
        self, name: Name, selection: Selection, fields: list[str] | bool, size: int = PAGE
    ) -> Iterator[tuple[str, Payload]]:
        offset = None
        while True:
            page, offset = self._page(name, selection, fields, size, offset)
            yield from page
            if offset is None:
                return

    def _put_documents(self, documents: Sequence[CleanedDocument]) -> None:
        batch: list[PointData] = []
        for point in map(document_point, documents):
            batch.append(point)
            if sum(len(each.payload["text"]) for each in batch) >= BATCH_CHARACTERS:
                self._upsert(DOCUMENTS, batch)
                batch = []
        if batch:
            self._upsert(DOCUMENTS, batch)
        # Before any of their chunks come: no crash leaves chunks of a document that nobody knows of.
        self._flush(DOCUMENTS)

    def _put_chunks(self, documents: Sequence[Indexed]) -> None:
        for batch in batches((point for document in documents for point in chunk_points(document)), BATCH):
            self._upsert(CHUNKS, batch)
        self._flush(CHUNKS)

    def _finish(self, fingerprints: Mapping[str, str]) -> None:
        self._remove_chunks(fingerprints)
        self._flush(CHUNKS)
        self._set(DOCUMENTS, {document_point_id(name): {"fingerprint": value} for name, value in fingerprints.items()})
        self._flush(DOCUMENTS)
        self._optimize()

    def _remove_chunks(self, keep: Mapping[str, str | None]) -> None:
        """Remove the chunks of these documents that were not built from the fingerprint to keep."""
        for some in batches(keep, BATCH):
            points = self._scroll(CHUNKS, Selection({"document_id": some}), ["document_id", "fingerprint"])
            old = [point for point, payload in points if payload["fingerprint"] != keep[payload["document_id"]]]
            for batch in batches(old, PAGE):
                self._remove(CHUNKS, batch)

    def _search(self, query: list[float] | SparseVector, where: ChunkFilter, limit: int) -> list[Found]:
        if limit < 1:
            return []
        fields = ["document_id", "fingerprint", "start", "model"]
        with self._opened() as exists:
            found = self._query(CHUNKS, query, Selection.of(where), limit, fields) if exists else []
        if other := next((payload["model"] for _, _, payload in found if payload["model"] != self.model), None):
            raise OutdatedError(
                f"the index was built with {other} meanwhile, not with {self.model}; `twin index` rebuilds it, or set"
                " TWIN_MODEL back"
            )
        hits = [
            Found(point.replace("-", ""), payload["document_id"], payload["fingerprint"], payload["start"], score)
            for point, score, payload in found
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))  # ties in an order of their own

    def _whole(self, found: Sequence[Found]) -> list[Scored]:
        chunks = self.chunks([each.chunk_id for each in found])
        return [
            Scored(card=whole.card, chunk=whole.chunk, score=each.score)
            for each in found
            if (whole := chunks.get(each.chunk_id))  # else removed meanwhile
        ]

    def _search_documents(self, terms: SparseVector, selection: Selection, limit: int) -> list[tuple[str, float]]:
        if limit < 1 or not terms.indices:
            return []
        with self._opened() as exists:
            # Without payload: the engine would read a document's whole text to give any of its fields.
            found = self._query(DOCUMENTS, terms, selection, limit, False) if exists else []
        return sorted(((UUID(point).hex, score) for point, score, _ in found), key=lambda it: (-it[1], it[0]))

    def _check(self, document: Indexed) -> None:
        self._check_model(document.card)
        if document.vectors.shape[1:] != (self.dimension,):
            raise StoreError(
                f"vectors of {document.card.model} {document.vectors.shape} do not fit an index of {self.model} with"
                f" {self.dimension} dimensions"
            )
        if len(document.vectors) != len(document.chunks):
            raise StoreError(
                f"{len(document.chunks)} chunks with {len(document.vectors)} vectors: {document.card.link}"
            )

    def _check_model(self, card: DocumentCard) -> None:
        if card.model != self.model:
            raise StoreError(f"vectors of {card.model} do not fit an index of {self.model}: {card.link}")
