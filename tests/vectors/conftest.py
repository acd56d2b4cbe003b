"""Builders of small documents with made-up vectors, and the backends that the contract suite runs on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from qdrant_client import QdrantClient

from llm_twin.documents import Chunk, digest
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.qdrant import QdrantVectors
from llm_twin.vectors.store import DocumentCard, Indexed, Vectors, VectorStore

DIMENSION = 4


def unit(*values: float) -> Vectors:
    """A unit vector in the direction of these values."""
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def indexed(name: str, *texts: str, vectors: list[Vectors] | None = None, **fields: Any) -> Indexed:
    """A document whose chunks follow each other."""
    document_id = digest(name)
    chunks, start = [], 0
    for text in texts:
        chunk_id = digest(document_id, str(start), text)
        chunks.append(Chunk(id=chunk_id, document_id=document_id, start=start, end=start + len(text), text=text))
        start += len(text)
    rows = vectors or [unit(1, 0, 0, 0)] * len(texts)
    card: dict[str, Any] = {
        "document_id": document_id,
        "author_id": digest("ada"),
        "author": "Ada Lovelace",
        "kind": "article",
        "platform": "medium",
        "link": f"https://example.org/{name}",
        "title": name.title(),
        "published_at": datetime(2024, 5, 1, 12, 30, 15, 123_000, UTC),
        "model": "tiny",
        "fingerprint": f"{name}-1",
    }
    return Indexed(
        card=DocumentCard(**card | fields),
        chunks=tuple(chunks),
        vectors=np.array(rows, np.float32).reshape(len(texts), DIMENSION),
    )


@pytest.fixture(name="indexed")
def indexed_builder() -> Callable[..., Indexed]:
    """`indexed(name, *texts, vectors=None, **card_fields)`."""
    return indexed


Opener = Callable[..., VectorStore]  # opens one and the same store, time and again


def _edge(tmp_path: Path) -> Iterator[tuple[Opener, Callable[[], bool]]]:
    path = tmp_path / "home" / "vectors"

    def opener(model: str = "tiny", dimension: int = DIMENSION, draft: bool = False) -> VectorStore:
        return EdgeVectors(path, model, dimension, 10, draft=draft)

    yield opener, lambda: path.parent.exists()


def _client(client: QdrantClient) -> Iterator[tuple[Opener, Callable[[], bool]]]:
    collection = f"test-{uuid4().hex}"

    def opener(model: str = "tiny", dimension: int = DIMENSION, draft: bool = False) -> VectorStore:
        return QdrantVectors("http://test", None, collection, model, dimension, client, draft=draft)

    def names() -> list[str]:
        return [each.name for each in client.get_collections().collections if each.name.startswith(collection)]

    yield opener, lambda: bool(names())
    for name in names():
        client.delete_collection(name)
    client.close()


SERVER = os.environ.get("QDRANT_URL")  # of a live Qdrant; without one, the contract runs on the other two


@pytest.fixture(params=["edge", "client", *(["server"] if SERVER else [])])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Opener, Callable[[], bool]]]:
    """A store's opener, and whether anything of it exists."""
    if request.param == "edge":
        yield from _edge(tmp_path)
    elif request.param == "client":
        yield from _client(QdrantClient(":memory:"))
    else:
        yield from _client(QdrantClient(url=SERVER, api_key=os.environ.get("QDRANT_KEY"), timeout=60))


@pytest.fixture
def opener(backend: tuple[Opener, Callable[[], bool]]) -> Opener:
    return backend[0]


@pytest.fixture
def exists(backend: tuple[Opener, Callable[[], bool]]) -> Callable[[], bool]:
    return backend[1]


@pytest.fixture
def store(opener: Opener) -> Iterator[VectorStore]:
    with opener() as opened:
        yield opened
