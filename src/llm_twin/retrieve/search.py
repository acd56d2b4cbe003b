"""Search: dense and BM25 candidates, fused by reciprocal rank, their chunks joined to passages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from llm_twin.documents import Hit, Passage
from llm_twin.errors import UsageError
from llm_twin.vectors.store import ChunkFilter, Scored, Vectors, VectorStore

CANDIDATES = 50  # chunks from each ranking; more when that many documents are asked for
CHUNKS_PER_HIT = 5
RRF_K = 60  # of the paper; it damps what the first ranks count


def search(
    question: str, store: VectorStore, embed: Callable[[str], Vectors], where: ChunkFilter, limit: int
) -> list[Hit]:
    """The `limit` documents that answer `question` best, best first; ties in the order of their ids.

    `embed` turns the question into a vector of shape (dimension,). A document scores as its best passage does, a
    passage as its best chunk. Raises `UsageError` for an empty question or a limit below 1, `StoreError` as the store.
    """
    if not question.strip():
        raise UsageError("the question is empty; say what to search for")
    if limit < 1:
        raise UsageError(f"a search for {limit} documents finds none; ask for at least 1")
    vector = embed(question)
    depth = max(CANDIDATES, CHUNKS_PER_HIT * limit)
    found = fuse((store.dense(vector, where, depth), store.sparse(question, where, depth)))
    by_document: dict[str, list[Scored]] = {}
    for chunk in found:
        by_document.setdefault(chunk.card.document_id, []).append(chunk)
    return [_hit(chunks) for chunks in list(by_document.values())[:limit]]


def fuse(rankings: Sequence[Sequence[Scored]]) -> list[Scored]:
    """One ranking from several: the score of a chunk is the sum of 1 / (60 + rank) over those that have it.

    Reciprocal rank fusion: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
    Rank Learning Methods", SIGIR 2009. Best first; ties by document, then by place in it.
    """
    scores: dict[str, float] = {}
    chunks: dict[str, Scored] = {}
    for ranking in rankings:
        for rank, found in enumerate(ranking, start=1):
            scores[found.chunk.id] = scores.get(found.chunk.id, 0.0) + 1 / (RRF_K + rank)
            chunks.setdefault(found.chunk.id, found)
    fused = [found.model_copy(update={"score": scores[name]}) for name, found in chunks.items()]
    return sorted(fused, key=lambda found: (-found.score, found.chunk.document_id, found.chunk.start, found.chunk.id))


def passages(chunks: Iterable[Scored]) -> tuple[Passage, ...]:
    """The chunks of one text, those that touch or overlap joined; best first, ties in reading order."""
    joined: list[Passage] = []
    for found in sorted(chunks, key=lambda found: (found.chunk.start, found.chunk.end)):
        chunk, last = found.chunk, joined[-1] if joined else None
        if last is None or chunk.start > last.end:
            joined.append(Passage(text=chunk.text, start=chunk.start, end=chunk.end, score=found.score))
            continue
        joined[-1] = Passage(
            text=last.text + chunk.text[last.end - chunk.start :],
            start=last.start,
            end=max(last.end, chunk.end),
            score=max(last.score, found.score),
            best=last.best if last.score >= found.score else chunk.start - last.start,
        )
    return tuple(sorted(joined, key=lambda passage: (-passage.score, passage.start)))


def _hit(chunks: list[Scored]) -> Hit:
    """A document from its chunks, best first."""
    card = chunks[0].card
    # While a document is being replaced both its revisions may be found; offsets only agree within one.
    same = [found for found in chunks if found.card.fingerprint == card.fingerprint]
    return Hit(
        document_id=card.document_id,
        title=card.title,
        link=card.link,
        author=card.author,
        kind=card.kind,
        platform=card.platform,
        published_at=card.published_at,
        score=chunks[0].score,
        passages=passages(same),
    )
