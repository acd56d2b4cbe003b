"""Documents of the snapshot cut into chunks, which get their vectors: from the index, or else from the model."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from llm_twin.documents import Chunk, Kind, Outcome, Status, Value
from llm_twin.errors import LinkError, Permanent, Reason, StoreError, TwinError
from llm_twin.indexing.changes import IndexItem, fingerprint_of
from llm_twin.runs import Progress, Silent, failure
from llm_twin.vectors.store import CleanedDocument, DocumentCard, Indexed, Vectors, VectorStore, text_hash

if TYPE_CHECKING:
    from llm_twin.features.chunk import Chunker
    from llm_twin.models.embed import Embedder

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_CHUNKS = 256  # embedded and stored together: some ten seconds of work lost at most when a run is killed
BATCH_CHARACTERS = 2_000_000  # of them: a token may be a megabyte of data
READ_DOCUMENTS = 8  # cleaned texts read at once
HOPELESS = 20  # documents in a row that can't be embedded: it is not the documents' fault


class Embedded(Value):
    """How a document went through the model. Its fingerprint is "" when that failed; `outcome` says why."""

    document_id: str
    outcome: Outcome
    kind: Kind
    fingerprint: str = ""
    chunks: int = 0
    embedded: int = 0  # the other chunks' vectors were there already


@dataclass
class _Pending:
    """A document on its way through the model."""

    card: DocumentCard  # with the fingerprint that it will have
    status: Status
    chunks: int = 0
    embedded: int = 0
    seconds: float = 0.0
    error: Exception | None = None


@dataclass
class _Part:
    """Chunks of a document that are embedded together: all of them, or a slice."""

    document: _Pending
    chunks: Sequence[Chunk]
    last: bool

    def __post_init__(self) -> None:
        self.hashes = [text_hash(chunk) for chunk in self.chunks]


def embed_documents(
    vectors: VectorStore,
    embedder: Embedder,
    chunker: Chunker,
    items: Iterable[IndexItem],
    progress: Progress | None = None,
    reuse: VectorStore | None = None,
) -> Iterator[Embedded]:
    """Cut the documents of the snapshot that are not finished into chunks, embed and store these; one value each.

    A chunk whose text is in the index, or in the index `reuse` of the same model, gets the vector that it has there.
    A document that can't be embedded fails alone. Raises `StoreError` when one after the other can't, and whatever
    `TwinError` the embedder raises that is about no single text.
    """
    failed_in_a_row = 0
    for batch in _batches(_parts(vectors, chunker, items)):
        known: dict[str, Vectors] = {}
        wanted = {each for part in batch for each in part.hashes}
        for source in (vectors, reuse) if reuse else (vectors,):
            known |= source.vectors_by_hash(wanted - known.keys())
        _encode([part for part in batch if not part.document.error], known, embedder, progress or Silent())
        vectors.put_chunks([_indexed(part, known) for part in batch if part.chunks and not part.document.error])
        for document in (part.document for part in batch if part.last):
            yield _embedded(document)
            failed_in_a_row = failed_in_a_row + 1 if document.error else 0
            if failed_in_a_row >= HOPELESS:
                raise StoreError(
                    f"{HOPELESS} documents in a row could not be embedded with {embedder.name}, so the run ends here;"
                    f" the last one: {_one_line(document.error)}"
                )


def _parts(vectors: VectorStore, chunker: Chunker, items: Iterable[IndexItem]) -> Iterator[_Part]:
    """The unfinished ones of these documents, cut."""
    for some in lists(items, READ_DOCUMENTS):
        status = {item.document_id: item.status for item in some}
        for document in vectors.documents(status):
            if document.fingerprint:
                continue
            about = document.model_dump(include=set(DocumentCard.model_fields))
            card = DocumentCard(**about | {"fingerprint": fingerprint_of(chunker, document.content_hash)})
            pending = _Pending(card, status[document.document_id])
            try:
                chunks = cut(chunker, document)
            except Exception as error:  # noqa: BLE001 - any text may come; whatever it breaks becomes its outcome
                pending.error, chunks = error, ()
            starts = range(0, max(len(chunks), 1), BATCH_CHUNKS)
            for start in starts:
                yield _Part(pending, chunks[start : start + BATCH_CHUNKS], last=start == starts[-1])


def cut(chunker: Chunker, document: CleanedDocument) -> tuple[Chunk, ...]:
    """The chunks of a cleaned document."""
    about = document.model_dump(include={"document_id", "kind", "title", "link", "language"})
    return chunker.cut(document.text, **about)


def _batches(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Parts in lists of some `BATCH_CHUNKS` chunks, fewer of long ones."""
    batch: list[_Part] = []
    chunks = characters = 0
    for part in parts:
        batch.append(part)
        chunks += len(part.chunks)
        characters += sum(len(chunk.text) for chunk in part.chunks)
        if chunks >= BATCH_CHUNKS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, chunks, characters = [], 0, 0
    if batch:
        yield batch


def _encode(parts: Sequence[_Part], known: dict[str, Vectors], embedder: Embedder, progress: Progress) -> None:
    """Add to `known` what is missing of the parts' vectors. Halved on an error, until it is one document's own."""
    fresh: dict[str, tuple[str, _Pending]] = {}
    for part in parts:
        for name, chunk in zip(part.hashes, part.chunks, strict=True):
            if name not in known:
                fresh.setdefault(name, (chunk.to_embed, part.document))
    if not fresh:
        return
    started = time.perf_counter()
    try:
        rows = embedder.encode([text for text, _ in fresh.values()], lambda done: progress.step("embed", done))
        if rows.shape != (len(fresh), embedder.dimension) or not np.isfinite(rows).all():
            raise ValueError(f"{embedder.name} gave vectors of shape {rows.shape}, or such that are no numbers")
    except Exception as error:  # a model may raise anything; it becomes the document's outcome
        if isinstance(error, TwinError) and not isinstance(error, LinkError):
            raise
        if len({part.document.card.document_id for part in parts}) == 1:
            parts[0].document.error = error
            return
        for half in _halves(parts):
            _encode(half, known, embedder, progress)
        return
    each = (time.perf_counter() - started) / len(fresh)
    for (name, (_, document)), row in zip(fresh.items(), rows, strict=True):
        known[name] = row
        document.embedded += 1
        document.seconds += each


def _halves(parts: Sequence[_Part]) -> Iterator[Sequence[_Part]]:
    """Two halves that share no document."""
    ids = list(dict.fromkeys(part.document.card.document_id for part in parts))
    first = set(ids[: len(ids) // 2])
    yield [part for part in parts if part.document.card.document_id in first]
    yield [part for part in parts if part.document.card.document_id not in first]


def _indexed(part: _Part, known: Mapping[str, Vectors]) -> Indexed:
    part.document.chunks += len(part.chunks)
    rows = np.stack([known[name] for name in part.hashes])
    return Indexed(card=part.document.card, chunks=tuple(part.chunks), vectors=rows)


def _embedded(document: _Pending) -> Embedded:
    card = document.card
    if document.error:
        outcome = failed(card.link, card.author, "embedded", document.error)
        return Embedded(document_id=card.document_id, kind=card.kind, outcome=outcome)
    return Embedded(
        document_id=card.document_id,
        kind=card.kind,
        fingerprint=card.fingerprint,
        chunks=document.chunks,
        embedded=document.embedded,
        outcome=Outcome(
            link=card.link,
            author=card.author,
            status=document.status,
            title=card.title,
            documents=1,
            seconds=round(document.seconds, 6),
        ),
    )


def failed(link: str, author: str, what: str, error: Exception) -> Outcome:
    """The outcome of a document that can't be cleaned or embedded."""
    if not isinstance(error, LinkError):
        log.debug("%s can't be %s", link, what, exc_info=error)
        error = Permanent(Reason.INTERNAL, f"can't be {what}: {type(error).__name__}: {' '.join(str(error).split())}")
    return failure(link, author, error)


def lists(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def _one_line(error: Exception | None) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
