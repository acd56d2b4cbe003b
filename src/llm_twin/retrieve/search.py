"""Search: the documents that answer a question, with their passages.

Dense evidence for a document is its best passage. Sparse evidence is its whole text and its best passage: the words of
a question are often spread over passages, its sense rarely is. Both are fused; then reranked, made diverse on request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from llm_twin.documents import SEARCH_MODES, Explanation, Hit, SearchMode, Value
from llm_twin.errors import UsageError
from llm_twin.retrieve.diversify import diversified
from llm_twin.retrieve.fuse import DENSE_WEIGHT, LEAST_BM25, LEAST_COSINE, Ranking, fused, with_passages
from llm_twin.retrieve.passages import passages, with_neighbours
from llm_twin.vectors.store import ChunkFilter, Found, Scored, Vectors, VectorStore

if TYPE_CHECKING:
    from llm_twin.models.rerank import Reranker

CANDIDATES = 100  # of each ranking; more when that many documents are asked for
CHUNKS_PER_HIT = 5
POOL = 50  # documents that diversity chooses from
RERANKED = 40  # passages that a cross-encoder reads: 1 to 2 seconds on two cores
RERANKED_PER_HIT = 2


class Query(Value):
    """What is asked, and how it is searched. `diversity` and `context` of 0 change nothing."""

    question: str
    limit: int = 5
    mode: SearchMode = "hybrid"
    where: ChunkFilter = ChunkFilter()
    diversity: float = 0.0  # 0 to 1, see `diversified`
    context: int = 0  # neighbouring chunks on each side of a found one
    explain: bool = False

    def checked(self) -> Query:
        """Itself. Raises `UsageError` when it makes no sense."""
        if not self.question.strip():
            raise UsageError("the question is empty; say what to search for")
        if self.limit < 1:
            raise UsageError(f"a search for {self.limit} documents finds none; ask for at least 1")
        if not 0 <= self.diversity <= 1:
            raise UsageError(f"a diversity of {self.diversity:g} is out of range; give 0 (none) to 1")
        if self.context < 0:
            raise UsageError(f"{self.context} neighbouring passages can't be shown; give 0 or more")
        return self


@dataclass(frozen=True)
class _Candidate:
    """A candidate document with its chunks, best first; `read` are those with their texts, once these are needed."""

    document_id: str
    score: float
    chunks: list[Found]
    fused: float
    read: list[Scored] = field(default_factory=list)
    reranked: float | None = None


def check_mode(mode: str) -> SearchMode:
    """The mode of this name. Raises `UsageError` when there is none."""
    if mode not in SEARCH_MODES:
        raise UsageError(f"no search mode {mode!r}; there are {', '.join(SEARCH_MODES)}")
    return mode


def search(
    query: Query, store: VectorStore, embed: Callable[[str], Vectors], reranker: Reranker | None = None
) -> list[Hit]:
    """The documents that answer a question best, best first; ties in the order of their ids.

    `embed` turns the question into a vector of shape (dimension,). Raises `UsageError` for a query that makes no
    sense, and what the store raises.
    """
    query = query.checked()
    vector = embed(query.question) if query.mode != "sparse" else None
    # The index is held for all of it, but not while a cross-encoder reads: where another process writes meanwhile,
    # a search waits for its turn once instead of ten times, and what was ranked is there when it is read.
    with ExitStack() as held:
        held.enter_context(store.reading())
        rankings = _Rankings(query, store, vector)
        found = rankings.documents(max(query.limit, POOL if query.diversity else 0, RERANKED if reranker else 0))
        if reranker:
            found = _read(found, store)
            held.close()
            found = _reranked(query.question, found, reranker)
            held.enter_context(store.reading())
        if query.diversity:
            found = _diverse(found, store, query.diversity)
        found = found[: query.limit]
        if not reranker:
            found = _read(found, store)
        return _hits(query, found, rankings, store)


def _hits(query: Query, found: list[_Candidate], rankings: _Rankings, store: VectorStore) -> list[Hit]:
    """With neighbouring passages and explanations, where they were asked for."""
    words = store.word_scores(query.question, [each.document_id for each in found]) if query.explain else {}
    hits = []
    for each in found:
        chunks = each.read
        if query.context:
            chunks = with_neighbours(chunks, store.chunks_of(each.document_id), query.context)
        hit = _hit(each, chunks)
        if query.explain:
            hit = hit.model_copy(update={"explanation": rankings.explanation(each, words.get(each.document_id, {}))})
        hits.append(hit)
    return hits


class _Rankings:
    """The candidates of a query in each mode, and what they come to together."""

    def __init__(self, query: Query, store: VectorStore, vector: Vectors | None) -> None:
        self._query = query
        self._store = store
        self._depth = max(CANDIDATES, CHUNKS_PER_HIT * query.limit)
        question, where, depth = query.question, query.where, self._depth
        self._dense = store.nearest(vector, where, depth) if vector is not None else []
        self._sparse = store.matching(question, where, depth) if query.mode != "dense" else []
        by_words = store.sparse_documents(question, where, depth) if query.mode != "dense" else []
        self.dense = Ranking.of(_by_document(self._dense), depth, LEAST_COSINE)
        self.passages = Ranking.of(_by_document(self._sparse), depth, LEAST_BM25)
        self.sparse = with_passages(Ranking.of(by_words, depth, LEAST_BM25), self.passages)

    def documents(self, limit: int) -> list[_Candidate]:
        """The best `limit` documents with their best chunks."""
        scores = self._combined(self.dense, self.sparse)
        order = sorted(scores, key=lambda name: (-scores[name], name))
        chunks = self._chunks(self._dense, self._sparse, set(order[:limit]))
        # Those whose words are spread so thinly that none of their chunks is a candidate.
        missing = [name for name in order[:limit] if name not in chunks]
        if missing:
            where = self._query.where.model_copy(update={"document_ids": tuple(missing)})
            depth = CHUNKS_PER_HIT * len(missing)
            chunks |= self._chunks([], self._store.matching(self._query.question, where, depth), set(missing))
        for name in missing:  # found by its title alone; what has no chunks is being indexed for the first time
            if name not in chunks and (beginning := self._store.chunks_of(name, 0, 1)):
                first = beginning[0]
                chunks[name] = [Found(first.chunk.id, name, first.card.fingerprint, first.chunk.start, first.score)]
        names = [name for name in order if name in chunks][:limit]
        return [_Candidate(name, scores[name], chunks[name], fused=scores[name]) for name in names]

    def explanation(self, found: _Candidate, words: dict[str, float]) -> Explanation:
        """Why a document was found."""
        name = found.document_id
        return Explanation(
            mode=self._query.mode,
            dense_rank=self.dense.rank(name),
            dense_score=self.dense.scores.get(name),
            sparse_rank=self.sparse.rank(name),
            sparse_score=self.sparse.scores.get(name),
            passage_score=self.passages.scores.get(name),
            dense_weight={"dense": 1.0, "sparse": 0.0}.get(self._query.mode, DENSE_WEIGHT),
            fused_score=found.fused,
            rerank_score=found.reranked,
            words=dict(sorted(words.items(), key=lambda word: -word[1])),
        )

    def _combined(self, dense: Ranking, sparse: Ranking) -> Mapping[str, float]:
        if self._query.mode == "hybrid":
            return fused(dense, sparse)
        return dense.scores if self._query.mode == "dense" else sparse.scores

    def _chunks(
        self, dense: Sequence[Found], sparse: Sequence[Found], wanted: Collection[str]
    ) -> dict[str, list[Found]]:
        """The best chunks of each wanted document, best first."""
        ranked = [
            Ranking.of(((found.chunk_id, found.score) for found in ranking), self._depth, least)
            for ranking, least in ((dense, LEAST_COSINE), (sparse, LEAST_BM25))
        ]
        scores = self._combined(*ranked)
        by_document: dict[str, list[Found]] = {}
        chunks = {found.chunk_id: found for found in (*sparse, *dense) if found.document_id in wanted}
        for name in sorted(chunks, key=lambda name: (-scores[name], chunks[name].start, name)):
            found = chunks[name]._replace(score=scores[name])
            of_document = by_document.setdefault(found.document_id, [])
            # While a document is being replaced both its revisions may be found; offsets only agree within one.
            same = not of_document or of_document[0].fingerprint == found.fingerprint
            if same and len(of_document) < CHUNKS_PER_HIT:
                of_document.append(found)
        return by_document


def _by_document(found: Sequence[Found]) -> list[tuple[str, float]]:
    return [(each.document_id, each.score) for each in found]


def _read(found: list[_Candidate], store: VectorStore) -> list[_Candidate]:
    """With texts and cards. Of a document replaced meanwhile, the passage that stands in its place now."""
    whole = store.chunks([chunk.chunk_id for each in found for chunk in each.chunks])
    done = []
    for each in found:
        read = [
            whole[chunk.chunk_id].model_copy(update={"score": chunk.score})
            for chunk in each.chunks
            if chunk.chunk_id in whole
        ]
        if not read:
            start, score = each.chunks[0].start, each.chunks[0].score
            now = store.chunks_of(each.document_id, start, start + 1) or store.chunks_of(each.document_id, 0, 1)
            read = [chunk.model_copy(update={"score": score}) for chunk in now[:1]]
        if read:  # else deleted
            done.append(replace(each, read=read))
    return done


def _reranked(question: str, found: list[_Candidate], reranker: Reranker) -> list[_Candidate]:
    """In the order of the cross-encoder's scores, a document's being that of its best passage; then what it left."""
    read = [(place, chunk) for place, each in enumerate(found) for chunk in each.read[:RERANKED_PER_HIT]][:RERANKED]
    if not read:
        return found
    scores = reranker.score(question, [chunk.chunk.to_embed for _, chunk in read]).tolist()
    by_chunk = {chunk.chunk.id: score for (_, chunk), score in zip(read, scores, strict=True)}
    done: list[_Candidate] = []
    for place in dict.fromkeys(place for place, _ in read):
        each = found[place]
        chunks = [
            chunk.model_copy(update={"score": by_chunk[chunk.chunk.id]})
            for chunk in each.read
            if chunk.chunk.id in by_chunk
        ]
        chunks.sort(key=lambda chunk: -chunk.score)
        done.append(replace(each, score=chunks[0].score, reranked=chunks[0].score, read=chunks))
    return sorted(done, key=lambda each: (-each.score, each.document_id)) + found[len(done) :]


def _diverse(found: list[_Candidate], store: VectorStore, diversity: float) -> list[_Candidate]:
    best = [each.read[0].chunk.id if each.read else each.chunks[0].chunk_id for each in found]
    vectors = store.vectors_of(best)
    known = [(each, vectors[name]) for each, name in zip(found, best, strict=True) if name in vectors]
    if not known:  # they went meanwhile
        return found
    # What a cross-encoder did not read comes after what it read, whatever its scores.
    scores = np.minimum.accumulate([each.score for each, _ in known])
    return [known[place][0] for place in diversified(scores, np.stack([row for _, row in known]), diversity)]


def _hit(found: _Candidate, chunks: Sequence[Scored]) -> Hit:
    card = found.read[0].card
    fields = {name: getattr(card, name) for name in ("title", "link", "author", "kind", "platform", "published_at")}
    return Hit(document_id=found.document_id, score=found.score, passages=passages(chunks), **fields)
