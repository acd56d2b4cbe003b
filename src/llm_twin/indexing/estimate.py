"""What an index run would cost: chunks to embed, chunks whose vector is there already, seconds."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from llm_twin.documents import Document
from llm_twin.errors import TwinError
from llm_twin.indexing.changes import IndexItem, IndexPlan, read
from llm_twin.indexing.embedding import BATCH_CHUNKS, cut, lists
from llm_twin.indexing.run import cleaned_of
from llm_twin.vectors.store import CleanedDocument, VectorStore, text_hash
from llm_twin.warehouse.store import Warehouse

if TYPE_CHECKING:
    from llm_twin.features.chunk import Chunker
    from llm_twin.models.embed import Embedder

ENOUGH_CHUNKS = 32  # embedded in a run, to measure a rate by; in a calibration, at most
LAST_RUNS = 50  # looked through for such a run


def estimated(
    plan: IndexPlan,
    warehouse: Warehouse,
    vectors: VectorStore,
    embedder: Embedder,
    chunker: Chunker,
    former: VectorStore | None = None,
) -> IndexPlan:
    """The plan with the numbers of chunks and the time that embedding them takes.

    The documents are cleaned and cut for it, nothing is stored. The rate is that of the last run with this model that
    embedded enough, or is measured on some of the chunks. `former`: as for `index`.
    """
    sources = [vectors, former] if former and former.model == vectors.model else [vectors]
    coming: set[str] = set()  # hashes of the texts that will have been embedded
    sample: list[str] = []
    items: list[IndexItem] = []
    for item in plan.items:
        texts = _texts(item, warehouse, vectors.model, chunker)
        if texts is not None:
            by_hash = dict(texts)
            missing = by_hash.keys() - coming
            for some in lists(sorted(missing), BATCH_CHUNKS):
                for source in sources:
                    missing -= source.vectors_by_hash(some).keys()
            coming |= missing
            sample += islice((by_hash[each] for each in sorted(missing)), ENOUGH_CHUNKS - len(sample))
            counts = {"chunks_to_embed": len(missing), "chunks_reused": len(texts) - len(missing)}
            item = item.model_copy(update=counts)
        items.append(item)
    rate, measured = _last_rate(warehouse, embedder.name), "the last run"
    if not rate and sample:
        rate, measured = _calibrated(embedder, sample), f"a calibration on {len(sample)} chunks"
    return plan.model_copy(
        update={
            "items": tuple(items),
            "chunks_to_embed": len(coming),
            "chunks_reused": sum(item.chunks_reused or 0 for item in items),
            "chunks_a_second": round(rate, 1) if rate and coming else None,
            "measured": measured if rate and coming else "",
            "seconds": round(len(coming) / rate, 3) if rate else None if coming else 0.0,
            "model": embedder.name,
        }
    )


def _texts(item: IndexItem, warehouse: Warehouse, model: str, chunker: Chunker) -> list[tuple[str, str]] | None:
    """Hash and text of each chunk of a document; None for one that is gone or will fail."""
    document = read(warehouse, item.document_id)
    cleaned = cleaned_of(document, model) if isinstance(document, Document) else None
    if not isinstance(cleaned, CleanedDocument):
        return None
    try:
        return [(text_hash(chunk), chunk.to_embed) for chunk in cut(chunker, cleaned)]
    except Exception:  # noqa: BLE001 - the run will say what is wrong
        return None


def _last_rate(warehouse: Warehouse, model: str) -> float | None:
    for run in warehouse.runs(LAST_RUNS):
        summary = run.summary
        of_this_model = run.command == "index" and summary.get("model") == model
        if of_this_model and summary.get("embed_seconds") and summary["chunks_embedded"] >= ENOUGH_CHUNKS:
            return float(summary["chunks_embedded"] / summary["embed_seconds"])
    return None


def _calibrated(embedder: Embedder, sample: list[str]) -> float | None:
    """Chunks a second; None when the model can't embed them, which the run will say."""
    try:
        embedder.encode(sample[:1])  # the first call is slow
        started = time.perf_counter()
        embedder.encode(sample)
    except Exception as error:  # a model may raise anything
        if isinstance(error, TwinError):
            raise
        return None
    return len(sample) / (time.perf_counter() - started)
