"""The embedded index past the size from which vectors are compared as bytes first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm_twin.documents import Chunk, digest
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.store import ChunkFilter, DocumentCard, Indexed

DIMENSION = 4096  # large vectors reach that size with few of them
DOCUMENTS, CHUNKS = 40, 40


def test_the_nearest_chunks_of_a_larger_index_are_found_with_their_true_cosines(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    topics = np.repeat(random.standard_normal((DOCUMENTS, DIMENSION)), CHUNKS, 0)
    rows = (topics + random.standard_normal((DOCUMENTS * CHUNKS, DIMENSION))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with EdgeVectors(tmp_path / "vectors", "large", DIMENSION, 10) as store:
        store.put([_document(number, rows[number * CHUNKS :][:CHUNKS]) for number in range(DOCUMENTS)])
        assert list(tmp_path.rglob("quantized.data")), "this index is too small to test anything"
        for where, wanted in ((ChunkFilter(), rows), (ChunkFilter(author_id=digest("author", "1")), rows[1:])):
            shares = []
            for question in wanted[:: len(wanted) // 20]:
                question = question + 0.02 * random.standard_normal(DIMENSION).astype(np.float32)
                question /= np.linalg.norm(question)
                cosines = rows @ question
                if where.author_id:
                    cosines[np.arange(len(rows)) // CHUNKS % 2 == 0] = -1
                best = np.argsort(-cosines)[:10]
                found = store.dense(question, where, 10)
                assert [hit.score for hit in found[:1]] == pytest.approx([cosines[best[0]]], abs=1e-4)
                shares.append(len({hit.chunk.id for hit in found} & {_chunk_id(int(row)) for row in best}) / 10)
            assert np.mean(shares) >= 0.98


def _chunk_id(row: int) -> str:
    return digest("chunk", str(row))


def _document(number: int, rows: np.ndarray) -> Indexed:
    name = digest("document", str(number))
    chunks = tuple(
        Chunk(id=_chunk_id(number * CHUNKS + index), document_id=name, start=index, end=index + 1, text="x")
        for index in range(CHUNKS)
    )
    card = DocumentCard(
        document_id=name,
        author_id=digest("author", str(number % 2)),
        author="Ada Lovelace",
        kind="article",
        platform="medium",
        link=f"https://example.org/{number}",
        title=str(number),
        published_at=None,
        model="large",
        fingerprint=digest(name),
    )
    return Indexed(card=card, chunks=chunks, vectors=rows)
