"""The contract of a vector store: cleaned documents, and their chunks with a dense and a sparse vector each.

Two collections. `documents`, without embeddings, is at once the feature snapshot for training and the ledger: each
document with its cleaned text, the weights of its words, and the fingerprint that its chunks were built from. `chunks`
is what passages are found in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from llm_twin.documents import Chunk, Kind, Moment, Value, digest

VERSION = "5"  # of what is stored, the weights of terms included; part of every fingerprint
Vectors = NDArray[np.float32]  # (n, dimension), rows L2-normalised


class ChunkFilter(Value):
    """Which chunks or documents are meant; all conditions must hold, an unset one holds for all."""

    author_id: str | None = None
    kind: Kind | None = None
    platform: str | None = None
    language: str | None = None
    link: str | None = None  # canonical
    document_ids: tuple[str, ...] | None = None
    since: datetime | None = None  # published at or after; documents without a date are left out


class DocumentCard(Value):
    """What is stored with every document and chunk, so that a search needs no warehouse."""

    document_id: str
    author_id: str
    author: str
    kind: Kind
    platform: str
    link: str
    title: str
    language: str | None = None
    published_at: Moment | None
    model: str  # the embedding model's name
    fingerprint: str  # of all that what is stored was made from: content, cleaner, chunker, model


class CleanedDocument(DocumentCard):
    """A document as it is chunked and trained on. Its fingerprint is "" until its chunks are in the index."""

    text: str = Field(repr=False)  # cleaned; the offsets of chunks count its characters
    content_hash: str
    parent_id: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class LedgerEntry(NamedTuple):
    """From what the index was built of a document. `fingerprint` is "" for one that was begun and not finished."""

    fingerprint: str
    content_hash: str


class Indexed(Value):
    """Chunks of a document, all or some, with their vectors."""

    model_config = Value.model_config | {"arbitrary_types_allowed": True}

    card: DocumentCard
    chunks: tuple[Chunk, ...]
    vectors: Vectors  # one row per chunk


class Found(NamedTuple):
    """A chunk that a search found, by what ranking needs of it: neither text nor card.

    `score`: cosine similarity (nearest) or BM25 (matching); higher is better.
    """

    chunk_id: str
    document_id: str
    fingerprint: str
    start: int
    score: float


class Scored(Value):
    """A chunk with its text and the card of its document. `score`: as that of `Found`."""

    card: DocumentCard
    chunk: Chunk
    score: float


def text_hash(chunk: Chunk) -> str:
    """What the vector of a chunk depends on, the model aside."""
    return digest(chunk.to_embed)


class VectorStore(Protocol):
    """Documents and their chunks with vectors of one embedding model.

    A document is written in this order: `put_documents`, `put_chunks` as often as needed, `finish`. Killed in between,
    it stands in the ledger as unfinished, its former chunks are still found, and doing it again completes it. Every
    method is idempotent.

    Opening raises `StoreError` when the store can't be reached within 5 seconds, `OutdatedError` when it was built
    with another embedding model, dimension or version, `LockedError` when another process holds it past the time to
    wait; any method may raise these. A store that was never written to is empty; reading it creates nothing.
    """

    model: str
    dimension: int

    def ledger(self, author_ids: Collection[str] | None = None) -> dict[str, LedgerEntry]:
        """What every document, or every one of these authors, was built from, by document id."""
        ...

    def documents(self, document_ids: Collection[str]) -> list[CleanedDocument]:
        """These documents by id; unknown ids are left out."""
        ...

    def snapshot(self, where: ChunkFilter | None = None) -> Iterator[CleanedDocument]:
        """The cleaned documents that match, streamed in bounded memory, in the same order every time."""
        ...

    def put_documents(self, documents: Sequence[CleanedDocument]) -> None:
        """Add or replace cleaned documents, as not finished whatever their fingerprint says."""
        ...

    def put_chunks(self, documents: Sequence[Indexed]) -> None:
        """Add chunks. Those that are there already, by id, are replaced; others of their document stay.

        Raises `StoreError`, and stores nothing, when vectors are of another model or dimension.
        """
        ...

    def finish(self, fingerprints: Mapping[str, str]) -> None:
        """Remove these documents' chunks with another fingerprint; then note the documents as built from it."""
        ...

    def put(self, documents: Sequence[Indexed]) -> None:
        """Make the index hold exactly these chunks for each of these documents: all three steps at once.

        Of a document given twice the last one counts. A document may have no chunks. Its text becomes that of its
        chunks, joined.
        """
        ...

    def delete(self, document_ids: Collection[str]) -> None:
        """Remove these documents and their chunks. Unknown ids do nothing."""
        ...

    def erase(self) -> None:
        """See to it that no file keeps the text of what was removed, as far as that is in this process's hands.

        The embedded index is rewritten where it has to be; a Qdrant server does it by itself, some time later.
        """
        ...

    def vectors_by_hash(self, text_hashes: Collection[str]) -> dict[str, Vectors]:
        """The vectors, of shape (dimension,), of chunks with these text hashes; what is not there is left out."""
        ...

    def vectors_of(self, chunk_ids: Collection[str]) -> dict[str, Vectors]:
        """The vectors, of shape (dimension,), of these chunks by id; unknown ids are left out."""
        ...

    def chunks_of(self, document_id: str, start: int = 0, end: int | None = None) -> list[Scored]:
        """The chunks of a document that overlap the characters [start, end), in reading order, with score 0."""
        ...

    def nearest(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Found]:
        """The chunks nearest to a vector of shape (dimension,) by cosine similarity, best first."""
        ...

    def matching(self, query: str, where: ChunkFilter, limit: int) -> list[Found]:
        """The chunks that match the words of `query` best by BM25, best first. Chunks sharing no word are left out."""
        ...

    def chunks(self, chunk_ids: Collection[str]) -> dict[str, Scored]:
        """These chunks by id, with score 0; unknown ids are left out."""
        ...

    def dense(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Scored]:
        """What `nearest` finds, with texts and cards."""
        ...

    def sparse(self, query: str, where: ChunkFilter, limit: int) -> list[Scored]:
        """What `matching` finds, with texts and cards."""
        ...

    def sparse_documents(self, query: str, where: ChunkFilter, limit: int) -> list[tuple[str, float]]:
        """(document id, score) of the documents whose whole text matches `query` best by BM25, best first.

        Pairs of neighbouring words count beside words. Unfinished documents are among them.
        """
        ...

    def word_scores(self, query: str, document_ids: Collection[str]) -> dict[str, dict[str, float]]:
        """By document id, what each word and pair of `query` adds to the score that `sparse_documents` gives it."""
        ...

    def count(self) -> int:
        """How many chunks there are."""
        ...

    def chunk_ids(self) -> Mapping[str, Sequence[str]]:
        """All chunk ids, sorted, by document id (for checks; reads the whole index)."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """For several calls that read: in the `with` block they see one state of the index.

        That is so in the embedded index, for which everybody else waits so long. On a server another process may write
        in between.
        """
        ...

    def publish(self) -> None:
        """Make a draft the index in use, in one step that no search sees half of; the former index is removed.

        On a store that is no draft, nothing happens. The store is the index in use from then on.
        """
        ...

    def discard(self) -> None:
        """Remove a draft. On a store that is no draft, nothing happens."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is fine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
