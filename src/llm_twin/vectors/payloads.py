"""What both Qdrant backends store: documents and chunks as points, and which of them are meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
from qdrant_edge import SparseVector

from llm_twin.documents import Chunk, digest
from llm_twin.vectors.bm25 import document_terms, passage_terms
from llm_twin.vectors.store import ChunkFilter, CleanedDocument, DocumentCard, Indexed, text_hash

DENSE, SPARSE = "dense", "bm25"
Name = Literal["chunks", "documents"]
CHUNKS: Name = "chunks"
DOCUMENTS: Name = "documents"
NAMES: tuple[Name, ...] = (CHUNKS, DOCUMENTS)
# Fields that are filtered by, with a payload index each.
KEYWORDS: dict[Name, tuple[str, ...]] = {
    CHUNKS: ("document_id", "author_id", "kind", "platform", "language", "link", "text_hash"),
    DOCUMENTS: ("document_id", "author_id", "kind", "platform", "language", "link"),
}
DATE = "published_at"
BATCH = 512  # points written at once: some 2 MB
BATCH_CHARACTERS = 2_000_000  # of documents' texts written at once; a server refuses requests of 32 MB
PAGE = 5_000  # points read at once, without their vectors and texts
DOCUMENTS_PAGE = 20  # documents read at once with their texts

Payload = dict[str, Any]
T = TypeVar("T")


class PointData(NamedTuple):
    """A point as it is written; a document has no dense vector."""

    id: str
    dense: list[float] | None
    sparse: SparseVector
    payload: Payload


class Selection(NamedTuple):
    """Which points are meant: those that hold one of the values in every field, are not older, and overlap a span."""

    any_of: Mapping[str, Sequence[str]] = {}
    since: datetime | None = None
    span: tuple[int, int | None] | None = None  # of characters

    @classmethod
    def of(cls, where: ChunkFilter | None) -> Selection:
        """The points that a filter means."""
        if where is None:
            return cls()
        since = where.since.replace(tzinfo=UTC) if where.since and not where.since.tzinfo else where.since
        matches = where.model_dump(exclude={"since", "document_ids"}, exclude_none=True)
        any_of: dict[str, Sequence[str]] = {name: [value] for name, value in matches.items()}
        if where.document_ids is not None:
            any_of["document_id"] = where.document_ids
        return cls(any_of, since)


def chunk_points(document: Indexed) -> Iterator[PointData]:
    """Chunks of a document as points."""
    card = _storable(document.card)
    for chunk, vector in zip(document.chunks, document.vectors, strict=True):
        text, heading = encodable(chunk.text), encodable(chunk.heading)
        words = f"{heading}\n\n{text}" if heading else text
        payload = card | {
            "start": chunk.start,
            "end": chunk.end,
            "heading": heading,
            "text": text,
            "text_hash": text_hash(chunk),
        }
        yield PointData(str(UUID(chunk.id)), vector.astype(np.float32).tolist(), passage_terms(words), payload)


def document_point(document: CleanedDocument) -> PointData:
    """A cleaned document as a point, not finished."""
    payload = _storable(document) | {
        "fingerprint": "",
        "content_hash": document.content_hash,
        "parent_id": document.parent_id,
        "metadata": json.dumps(document.metadata),  # a text: its keys and values may be anything
        "text": encodable(document.text),
    }
    words = document_terms(f"{payload['title']}\n\n{payload['text']}")
    return PointData(document_point_id(document.document_id), None, words, payload)


def _storable(card: DocumentCard) -> Payload:
    payload = card.model_dump(mode="json", include=set(DocumentCard.model_fields))
    return payload | {name: encodable(payload[name]) for name in ("author", "title", "link")}


def document_point_id(document_id: str) -> str:
    """The point id of a document: the same 32 hex digits, so that a search has no need of its payload."""
    return str(UUID(document_id))


def card_of(payload: Payload) -> DocumentCard:
    """The card that a chunk was stored with."""
    return DocumentCard.model_validate({name: payload.get(name) for name in DocumentCard.model_fields})


def document_of(payload: Payload) -> CleanedDocument:
    """The cleaned document that was stored as this payload."""
    fields = {name: payload.get(name) for name in CleanedDocument.model_fields}
    return CleanedDocument.model_validate(fields | {"metadata": json.loads(payload["metadata"])})


def chunk_of(point: str, payload: Payload) -> Chunk:
    """The chunk that was stored as this point."""
    names = ("document_id", "start", "end", "text", "heading")
    return Chunk(id=point.replace("-", ""), **{name: payload[name] for name in names})


def cleaned_of(document: Indexed) -> CleanedDocument:
    """A cleaned document that consists of its chunks."""
    text = "".join(chunk.text for chunk in document.chunks)
    return CleanedDocument(**document.card.model_dump(), text=text, content_hash=digest(text))


def encodable(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 can't carry, replaced one by one, so that offsets still hold."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
