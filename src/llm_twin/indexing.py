"""The feature pipeline: warehouse -> cleaned documents (the feature snapshot) -> chunks with vectors -> index.

Its stages are `plan`, `clean_documents`, `embed_documents` and `finish`. Each takes and returns plain values, reads
what the one before it stored, and may be done again at any time. `index` runs them in batches.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np

from llm_twin.documents import Chunk, Document, Kind, Outcome, Report, Status, Value, digest
from llm_twin.errors import LinkError, Permanent, Reason, StoreError, TwinError
from llm_twin.runs import Progress, RunLog, Silent, failure
from llm_twin.vectors.store import (
    VERSION,
    CleanedDocument,
    DocumentCard,
    Indexed,
    LedgerEntry,
    Vectors,
    VectorStore,
    text_hash,
)
from llm_twin.warehouse.store import DocumentFilter, Warehouse

if TYPE_CHECKING:
    from llm_twin.features.chunk import Chunker
    from llm_twin.models.embed import Embedder

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_CHUNKS = 256  # embedded and stored together: some ten seconds of work lost at most when a run is killed
BATCH_DOCUMENTS = 64  # cleaned, embedded and finished together
BATCH_CHARACTERS = 4_000_000  # of cleaned text held in memory at once, and sent to a server at once
READ_DOCUMENTS = 8  # cleaned texts read at once
HOPELESS = 20  # documents in a row that can't be embedded: it is not the documents' fault

Why = Literal["new", "content changed", "cleaner, chunker or model changed", "unfinished", "rebuild"]


class IndexItem(Value):
    """A document that has to be indexed, and why. `link`, `author` and `kind` are for showing."""

    document_id: str
    status: Status
    why: Why
    link: str = ""
    author: str = ""
    kind: Kind | None = None


class IndexPlan(Value):
    """What an index run would do."""

    items: tuple[IndexItem, ...]
    removed: tuple[str, ...]  # ids of documents that are gone
    unchanged: int


class Embedded(Value):
    """How a document went through the model. Its fingerprint is "" when that failed; `outcome` says why."""

    document_id: str
    outcome: Outcome
    kind: Kind
    fingerprint: str = ""
    chunks: int = 0
    embedded: int = 0  # the other chunks' vectors were there already


class Changes(NamedTuple):
    """What differs between warehouse and index, by document id."""

    stale: list[tuple[str, Why]]
    removed: list[str]
    unchanged: int


# --- plan


def changes(
    warehouse: Warehouse,
    vectors: VectorStore,
    chunker: Chunker,
    author_ids: Collection[str] | None = None,
    former: Mapping[str, LedgerEntry] | None = None,
) -> Changes:
    """What has to be indexed. `former`: the ledger of the index that a rebuild replaces, which explains why."""
    ledger = vectors.ledger(author_ids)
    former = former or {}
    stale: list[tuple[str, Why]] = []
    unchanged = 0
    for document_id, content_hash in _hashes(warehouse, author_ids):
        entry, wanted = ledger.pop(document_id, None), fingerprint_of(chunker, content_hash)
        if entry and entry.fingerprint == wanted:
            unchanged += 1
        else:
            stale.append((document_id, _why(entry or former.get(document_id), content_hash, wanted)))
    return Changes(stale, sorted(ledger), unchanged)  # what is left in the ledger is gone from the warehouse


def plan(
    warehouse: Warehouse,
    vectors: VectorStore,
    chunker: Chunker,
    author_ids: Collection[str] | None = None,
    former: Mapping[str, LedgerEntry] | None = None,
) -> IndexPlan:
    """What has to be indexed, with the links; of all documents or only of these authors'. Arguments as `changes`."""
    found = changes(warehouse, vectors, chunker, author_ids, former)
    items = []
    for document_id, why in found.stale:
        document = _read(warehouse, document_id)
        about = document.model_dump(include={"link", "author", "kind"}) if isinstance(document, Document) else {}
        items.append(item_of(document_id, why).model_copy(update=about))
    return IndexPlan(items=tuple(items), removed=tuple(found.removed), unchanged=found.unchanged)


def item_of(document_id: str, why: Why) -> IndexItem:
    """A document to index, by its id alone."""
    return IndexItem(document_id=document_id, why=why, status="new" if why in ("new", "unfinished") else "updated")


def fingerprint_of(chunker: Chunker, content_hash: str) -> str:
    """What the index holds of a document depends on this, and on nothing else."""
    return digest(chunker.fingerprint(content_hash), VERSION)


def _hashes(warehouse: Warehouse, author_ids: Collection[str] | None) -> Iterator[tuple[str, str]]:
    if author_ids is None:
        yield from warehouse.hashes()
        return
    for author_id in sorted(author_ids):
        for document in warehouse.documents(DocumentFilter(author_id=author_id)):
            yield document.id, document.content_hash


def _why(entry: LedgerEntry | None, content_hash: str, wanted: str) -> Why:
    if entry is None:
        return "new"
    if not entry.fingerprint:
        return "unfinished"
    if entry.fingerprint == wanted:
        return "rebuild"
    return "content changed" if entry.content_hash != content_hash else "cleaner, chunker or model changed"


def _read(warehouse: Warehouse, document_id: str) -> Document | Exception | None:
    """A document of the warehouse; an error that is its own is returned."""
    try:
        return warehouse.get(document_id)
    except TwinError:
        raise
    except Exception as error:  # noqa: BLE001 - a record that is broken may break anything
        return error


# --- clean


def clean_documents(warehouse: Warehouse, vectors: VectorStore, items: Iterable[IndexItem]) -> list[Outcome]:
    """Clean documents into the feature snapshot, as not finished; the outcomes of those that can't be.

    A document that was deleted meanwhile is left out.
    """
    failed: list[Outcome] = []
    ready: list[CleanedDocument] = []
    size = 0
    for item in items:
        document = _read(warehouse, item.document_id)
        if document is None:
            continue
        cleaned = document if isinstance(document, Exception) else _cleaned(document, vectors.model)
        if isinstance(cleaned, Exception):
            where = document if isinstance(document, Document) else item
            failed.append(_failure(where.link or item.document_id, where.author, "cleaned", cleaned))
            continue
        ready.append(cleaned)
        size += len(cleaned.text)
        if len(ready) >= BATCH_DOCUMENTS or size >= BATCH_CHARACTERS:
            vectors.put_documents(ready)
            ready, size = [], 0
    vectors.put_documents(ready)
    return failed


def _cleaned(document: Document, model: str) -> CleanedDocument | Exception:
    from llm_twin.features.clean import clean

    try:
        fields = document.model_dump(include=set(CleanedDocument.model_fields) - {"text"})
        return CleanedDocument(
            **fields,
            document_id=document.id,
            model=model,
            fingerprint="",
            content_hash=document.content_hash,
            text=clean(document),
        )
    except Exception as error:  # noqa: BLE001 - any text may come; whatever it breaks becomes its outcome
        return error


def _failure(link: str, author: str, what: str, error: Exception) -> Outcome:
    if not isinstance(error, LinkError):
        log.debug("%s can't be %s", link, what, exc_info=error)
        error = Permanent(Reason.INTERNAL, f"can't be {what}: {type(error).__name__}: {' '.join(str(error).split())}")
    return failure(link, author, error)


# --- embed


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
    for some in _lists(items, READ_DOCUMENTS):
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
    """Parts in lists of some `BATCH_CHUNKS` chunks."""
    batch: list[_Part] = []
    for part in parts:
        batch.append(part)
        if sum(len(each.chunks) for each in batch) >= BATCH_CHUNKS:
            yield batch
            batch = []
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
        outcome = _failure(card.link, card.author, "embedded", document.error)
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


# --- finish


def finish(vectors: VectorStore, embedded: Iterable[Embedded], removed: Collection[str] = ()) -> None:
    """Remove the former chunks of documents that were embedded, note these as done, and delete what is gone."""
    vectors.finish({each.document_id: each.fingerprint for each in embedded if each.fingerprint})
    vectors.delete(removed)


# --- all of it


def index(
    warehouse: Warehouse,
    vectors: VectorStore,
    embedder: Embedder,
    chunker: Chunker,
    progress: Progress | None = None,
    *,
    author_ids: Collection[str] | None = None,
    former: VectorStore | None = None,
) -> Report:
    """Bring the index, or a draft of it, in step with the warehouse; a draft then takes its place.

    Only what is new or changed is cleaned and cut, only new texts are embedded, and what was deleted leaves. A document
    that fails is an outcome; the others go on. With `author_ids` only these authors' documents are looked at.
    `former`: the index of the same model that a draft replaces.
    """
    progress = progress or Silent()
    with RunLog(warehouse, "index") as log_book:
        found = changes(warehouse, vectors, chunker, author_ids, former.ledger() if former else None)
        progress.plan("index", len(found.stale))
        progress.plan("embed", 0)
        tally = Tally()
        for batch in _lists((item_of(*each) for each in found.stale), BATCH_DOCUMENTS):
            for outcome in clean_documents(warehouse, vectors, batch):
                tally.failed += 1
                log_book.add(outcome)
                progress.step("index", 1, outcome)
            done = []
            for embedded in embed_documents(vectors, embedder, chunker, batch, progress, former):
                tally.count(embedded)
                log_book.add(embedded.outcome)
                progress.step("index", 1, embedded.outcome)
                done.append(embedded)
            finish(vectors, done)
        finish(vectors, [], found.removed)
        log_book.summary |= tally.summary(found) | {
            "chunks": vectors.count(),
            "model": embedder.name,
            "max_tokens": embedder.max_tokens,
        }
        vectors.publish()
    return log_book.report()


@dataclass
class Tally:
    """What a run counts."""

    failed: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    authors: dict[str, Counter[str]] = field(default_factory=dict)
    chunks: Counter[str] = field(default_factory=Counter)

    def count(self, embedded: Embedded) -> None:
        """Add a document."""
        outcome = embedded.outcome
        self.statuses[outcome.status] += 1
        self.seconds += outcome.seconds
        self.chunks["embedded"] += embedded.embedded
        self.chunks["reused"] += embedded.chunks - embedded.embedded
        for group in (
            self.kinds.setdefault(embedded.kind, Counter()),
            self.authors.setdefault(outcome.author, Counter()),
        ):
            group["documents"] += outcome.status != "failed"
            group["failed"] += outcome.status == "failed"
            group["chunks"] += embedded.chunks

    def summary(self, found: Changes) -> dict[str, Any]:
        """For the report."""
        return {
            "documents": {
                "new": self.statuses["new"],
                "updated": self.statuses["updated"],
                "failed": self.failed + self.statuses["failed"],
                "unchanged": found.unchanged,
                "removed": len(found.removed),
            },
            "chunks_embedded": self.chunks["embedded"],
            "chunks_reused": self.chunks["reused"],
            "embed_seconds": round(self.seconds, 3),
            "kinds": {name: dict(counts) for name, counts in sorted(self.kinds.items())},
            "authors": {name: dict(counts) for name, counts in sorted(self.authors.items())},
        }


def _lists(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def _one_line(error: Exception | None) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
