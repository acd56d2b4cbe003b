"""The other stages, cleaning and finishing, and a whole index run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_twin.documents import Document, Outcome, Report
from llm_twin.indexing.changes import Changes, IndexItem, changes, item_of, read
from llm_twin.indexing.embedding import Embedded, embed_documents, failed, lists
from llm_twin.runs import Progress, RunLog, Silent
from llm_twin.vectors.store import CleanedDocument, VectorStore
from llm_twin.warehouse.store import Warehouse

if TYPE_CHECKING:
    from llm_twin.features.chunk import Chunker
    from llm_twin.models.embed import Embedder

BATCH_DOCUMENTS = 128  # cleaned, embedded and finished together
BATCH_CHARACTERS = 4_000_000  # of cleaned text held in memory at once

# --- clean


def clean_documents(warehouse: Warehouse, vectors: VectorStore, items: Iterable[IndexItem]) -> list[Outcome]:
    """Clean documents into the feature snapshot, as not finished; the outcomes of those that can't be.

    A document that was deleted meanwhile is left out.
    """
    outcomes: list[Outcome] = []
    ready: list[CleanedDocument] = []
    size = 0
    for item in items:
        document = read(warehouse, item.document_id)
        if document is None:
            continue
        cleaned = document if isinstance(document, Exception) else cleaned_of(document, vectors.model)
        if isinstance(cleaned, Exception):
            where = document if isinstance(document, Document) else item
            outcomes.append(failed(where.link or item.document_id, where.author, "cleaned", cleaned))
            continue
        ready.append(cleaned)
        size += len(cleaned.text)
        if len(ready) >= BATCH_DOCUMENTS or size >= BATCH_CHARACTERS:
            vectors.put_documents(ready)
            ready, size = [], 0
    vectors.put_documents(ready)
    return outcomes


def cleaned_of(document: Document, model: str) -> CleanedDocument | Exception:
    """The document as it is stored in the snapshot, or what is wrong with it."""
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
    `former`: the index that a draft replaces; its vectors are taken when they are of the same model.
    """
    progress = progress or Silent()
    with RunLog(warehouse, "index") as log_book:
        found = changes(warehouse, vectors, chunker, author_ids, former.ledger() if former else None)
        progress.plan("index", len(found.stale))
        progress.plan("embed", 0)
        tally = Tally()
        reuse = former if former and former.model == vectors.model else None
        for batch in lists((item_of(*each) for each in found.stale), BATCH_DOCUMENTS):
            broken = clean_documents(warehouse, vectors, batch)
            tally.failed += len(broken)
            progress.step("index", len(broken))
            done: list[Embedded] = []
            try:
                for embedded in embed_documents(vectors, embedder, chunker, batch, progress, reuse):
                    tally.count(embedded)
                    progress.step("index", 1, embedded.outcome)
                    done.append(embedded)
            finally:
                log_book.add(*broken, *(embedded.outcome for embedded in done))
            finish(vectors, done)
        finish(vectors, [], found.removed)
        log_book.summary |= tally.summary(found) | {
            "chunks": vectors.count(),
            "model": embedder.name,
            "max_tokens": embedder.max_tokens,
        }
        if found.stale and not tally.done and not found.unchanged:
            progress.say("no document could be indexed; the index in use stays as it is")
        else:
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

    @property
    def done(self) -> int:
        """How many documents were indexed."""
        return sum(number for status, number in self.statuses.items() if status != "failed")

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
            "embed_seconds": round(self.seconds, 6),
            "kinds": {name: dict(counts) for name, counts in sorted(self.kinds.items())},
            "authors": {name: dict(counts) for name, counts in sorted(self.authors.items())},
        }
