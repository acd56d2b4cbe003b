"""The contract of a vector store: chunks with a dense and a sparse vector each, and the index ledger.

The ledger says for each document from which fingerprint its chunks were built. It lives in the same collection, as
points without vectors, so that one write-ahead log orders both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from llm_twin.documents import Chunk, Kind, Moment, Value

Vectors = NDArray[np.float32]  # (n, dimension), rows L2-normalised


class ChunkFilter(Value):
    """Which chunks are searched; all conditions must hold, an unset one holds for all."""

    author_id: str | None = None
    kind: Kind | None = None
    platform: str | None = None
    since: datetime | None = None  # published at or after; documents without a date are left out


class DocumentCard(Value):
    """What is stored with every chunk, so that a search needs no warehouse."""

    document_id: str
    author_id: str
    author: str
    kind: Kind
    platform: str
    link: str
    title: str
    published_at: Moment | None
    model: str  # the embedding model's name
    fingerprint: str


class Indexed(Value):
    """Everything the index holds of one document."""

    model_config = Value.model_config | {"arbitrary_types_allowed": True}

    card: DocumentCard
    chunks: tuple[Chunk, ...]
    vectors: Vectors  # one row per chunk


class Scored(Value):
    """A chunk that a search found. `score`: cosine similarity (dense) or BM25 (sparse); higher is better."""

    card: DocumentCard
    chunk: Chunk
    score: float


class VectorStore(Protocol):
    """Chunks of documents with their vectors.

    Opening raises `StoreError` when the store can't be reached within 5 seconds or was built with another embedding
    model or dimension, `LockedError` when another process holds it past the time to wait; any method may raise these.
    A store that was never written to is empty; reading it creates nothing.
    """

    def ledger(self) -> dict[str, str]:
        """Fingerprint by document id, for everything indexed; "" for what a killed process had begun to put."""
        ...

    def put(self, documents: Sequence[Indexed]) -> None:
        """Make the index hold exactly these chunks for each of these documents, and note their fingerprints.

        Order: a ledger entry for what is new, new chunks, then removal of old ones, then the fingerprints; a crash
        between leaves the ledger stale, and the next run puts the document again, or deletes it. Done twice it leaves
        the same store. A document may have no chunks.
        """
        ...

    def delete(self, document_ids: Collection[str]) -> None:
        """Remove the chunks and ledger entries of these documents. Unknown ids do nothing."""
        ...

    def dense(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Scored]:
        """The chunks nearest to a vector of shape (dimension,) by cosine similarity, best first; exact."""
        ...

    def sparse(self, query: str, where: ChunkFilter, limit: int) -> list[Scored]:
        """The chunks that match the words of `query` best by BM25, best first. Chunks sharing no word are left out."""
        ...

    def count(self) -> int:
        """How many chunks there are."""
        ...

    def chunk_ids(self) -> Mapping[str, Sequence[str]]:
        """All chunk ids, sorted, by document id (for checks; reads the whole index)."""
        ...

    def close(self) -> None:
        """Release the store. Closing twice is fine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
