"""What both Qdrant backends share: chunks and ledger entries as points, and the order in which they are written.

A chunk's point id is its chunk id as a UUID. A ledger entry is a point without vectors, marked by `ledger: 1`:
an integer, because the embedded engine's bindings can't match a boolean.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import UUID

import numpy as np
from qdrant_edge import SparseVector

from llm_twin.documents import Chunk, digest
from llm_twin.errors import StoreError
from llm_twin.vectors.bm25 import document_terms, query_terms
from llm_twin.vectors.store import ChunkFilter, DocumentCard, Indexed, Scored, Vectors

DENSE, SPARSE, LEDGER = "dense", "bm25", "ledger"
# Fields that are filtered by, with the type of their payload index.
KEYWORDS = ("document_id", "author_id", "kind", "platform")
DATE = "published_at"
BATCH = 512  # points written at once: some 2 MB
PAGE = 5_000  # points read at once, without their vectors and texts

Payload = dict[str, Any]
T = TypeVar("T")


class PointData(NamedTuple):
    """A point as it is written; a ledger entry has no vectors."""

    id: str
    dense: list[float] | None
    sparse: SparseVector | None
    payload: Payload


class Selection(NamedTuple):
    """Which points are meant: ledger entries or chunks, of some documents or of all."""

    ledger: bool = False
    document_ids: Sequence[str] | None = None


class PointStore(ABC):
    """The `VectorStore` contract on top of the few things that the two backends do differently."""

    model: str
    dimension: int

    @abstractmethod
    def _opened(self, *, create: bool = False) -> AbstractContextManager[bool]:
        """The store ready for the methods below, with engine errors turned into `StoreError`; False: there is none."""

    @abstractmethod
    def _upsert(self, points: Sequence[PointData]) -> None: ...

    @abstractmethod
    def _remove(self, ids: Sequence[str]) -> None: ...

    @abstractmethod
    def _scroll(self, selection: Selection, fields: list[str]) -> Iterator[tuple[str, Payload]]: ...

    @abstractmethod
    def _count(self, selection: Selection) -> int: ...

    @abstractmethod
    def _query(
        self, query: list[float] | SparseVector, where: ChunkFilter, limit: int
    ) -> list[tuple[str, float, Payload]]: ...

    @abstractmethod
    def close(self) -> None:
        """Release the store. Closing twice is fine."""

    @abstractmethod
    def _written(self) -> None:
        """Called at the end of a write."""

    def ledger(self) -> dict[str, str]:
        """Fingerprint by document id, for everything indexed."""
        with self._opened() as exists:
            if not exists:
                return {}
            entries = self._scroll(Selection(ledger=True), ["document_id", "fingerprint"])
            return {entry["document_id"]: entry["fingerprint"] for _, entry in entries}

    def put(self, documents: Sequence[Indexed]) -> None:
        """Make the index hold exactly these chunks for each of these documents, and note their fingerprints.

        Of a document given twice the last one counts.
        """
        latest = {document.card.document_id: document for document in documents}
        for document in latest.values():
            self._check(document)
        if not latest:
            return
        with self._opened(create=True):
            # What is new is noted before it comes, so that no crash leaves chunks of a document nobody knows of.
            known = {entry["document_id"] for _, entry in self._scroll(Selection(True, list(latest)), ["document_id"])}
            coming = (document.card for name, document in latest.items() if name not in known)
            for batch in batches((ledger_point(card, fingerprint="") for card in coming), BATCH):
                self._upsert(batch)
            points = (point for document in latest.values() for point in chunk_points(document))
            new: set[str] = set()
            for batch in batches(points, BATCH):
                self._upsert(batch)
                new.update(point.id for point in batch)
            self._remove_chunks(list(latest), keep=new)
            for batch in batches((ledger_point(each.card, each.card.fingerprint) for each in latest.values()), BATCH):
                self._upsert(batch)
            self._written()

    def delete(self, document_ids: Collection[str]) -> None:
        """Remove the chunks and ledger entries of these documents. Unknown ids do nothing."""
        ids = sorted(set(document_ids))
        if not ids:
            return
        with self._opened() as exists:
            if not exists:
                return
            # The ledger last: a document that stands in it is deleted again after a crash.
            self._remove_chunks(ids, keep=set())
            for batch in batches(map(ledger_id, ids), PAGE):
                self._remove(batch)
            self._written()

    def dense(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Scored]:
        """The chunks nearest to a vector of shape (dimension,) by cosine similarity, best first; exact."""
        if vector.shape != (self.dimension,):
            raise StoreError(
                f"a query vector of shape {vector.shape} does not fit an index of {self.dimension} dimensions"
            )
        return self._search(vector.tolist(), where, limit)

    def sparse(self, query: str, where: ChunkFilter, limit: int) -> list[Scored]:
        """The chunks that match the words of `query` best by BM25, best first. Chunks sharing no word are left out."""
        terms = query_terms(encodable(query))
        return self._search(terms, where, limit) if terms.indices else []

    def count(self) -> int:
        """How many chunks there are."""
        with self._opened() as exists:
            return self._count(Selection()) if exists else 0

    def chunk_ids(self) -> Mapping[str, Sequence[str]]:
        """All chunk ids, sorted, by document id."""
        found: dict[str, list[str]] = {}
        with self._opened() as exists:
            if exists:
                for point, payload in self._scroll(Selection(), ["document_id"]):
                    found.setdefault(payload["document_id"], []).append(UUID(point).hex)
        return {document: sorted(ids) for document, ids in sorted(found.items())}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _search(self, query: list[float] | SparseVector, where: ChunkFilter, limit: int) -> list[Scored]:
        if limit < 1:
            return []
        with self._opened() as exists:
            found = self._query(query, where, limit) if exists else []
        hits = [
            Scored(card=card_of(payload), chunk=chunk_of(point, payload), score=score)
            for point, score, payload in found
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))  # ties in an order of their own

    def _remove_chunks(self, document_ids: list[str], keep: set[str]) -> None:
        for some in batches(document_ids, BATCH):
            old = [point for point, _ in self._scroll(Selection(document_ids=some), []) if point not in keep]
            for batch in batches(old, PAGE):
                self._remove(batch)

    def _check(self, document: Indexed) -> None:
        if document.card.model != self.model or document.vectors.shape[1:] != (self.dimension,):
            raise StoreError(
                f"vectors of {document.card.model} {document.vectors.shape} do not fit an index of {self.model} with"
                f" {self.dimension} dimensions"
            )
        if len(document.vectors) != len(document.chunks):
            raise StoreError(
                f"{len(document.chunks)} chunks with {len(document.vectors)} vectors: {document.card.link}"
            )


def chunk_points(document: Indexed) -> Iterator[PointData]:
    """The chunks of a document as points."""
    card = document.card.model_dump(mode="json")
    card |= {name: encodable(card[name]) for name in ("author", "title", "link")}
    for chunk, vector in zip(document.chunks, document.vectors, strict=True):
        text = encodable(chunk.text)
        payload = card | {"start": chunk.start, "end": chunk.end, "text": text, "heading": encodable(chunk.heading)}
        yield PointData(str(UUID(chunk.id)), vector.astype(np.float32).tolist(), document_terms(text), payload)


def ledger_point(card: DocumentCard, fingerprint: str) -> PointData:
    """The ledger entry of a document as a point."""
    payload = {LEDGER: 1, "document_id": card.document_id, "fingerprint": fingerprint, "model": card.model}
    return PointData(ledger_id(card.document_id), None, None, payload)


def ledger_id(document_id: str) -> str:
    """The point id of a document's ledger entry."""
    return str(UUID(digest(LEDGER, document_id)))


def card_of(payload: Payload) -> DocumentCard:
    """The card that a chunk was stored with."""
    return DocumentCard.model_validate({name: payload.get(name) for name in DocumentCard.model_fields})


def chunk_of(point: str, payload: Payload) -> Chunk:
    """The chunk that was stored as this point."""
    names = ("document_id", "start", "end", "text", "heading")
    return Chunk(id=UUID(point).hex, **{name: payload[name] for name in names})


def encodable(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 can't carry, replaced one by one, so that offsets still hold."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def conditions(where: ChunkFilter) -> tuple[dict[str, str], datetime | None]:
    """The values that must match by field, and the earliest date, with its zone."""
    matches = {name: getattr(where, name) for name in ("author_id", "kind", "platform")}
    since = where.since.replace(tzinfo=UTC) if where.since and not where.since.tzinfo else where.since
    return {name: value for name, value in matches.items() if value is not None}, since
