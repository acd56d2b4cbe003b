"""A small world on loopback, and twins with a home of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Settings, Twin
from server import LocalServer


@pytest.fixture
def world() -> Iterator[LocalServer]:
    """A server that plays `blog.example` with two articles."""
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        server.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS, day=2))
        yield server


@pytest.fixture
def options(world: LocalServer, tmp_path: Path) -> dict[str, Any]:
    """Settings for a twin that sees only the world."""
    return {"home": tmp_path / "home", "resolve": world.resolve, "allow_private": True, "delay": 0.0, "retries": 0}


@pytest.fixture
def twin(options: dict[str, Any]) -> Iterator[Twin]:
    """A twin with an empty home."""
    with Twin(Settings.load(**options)) as opened:
        yield opened


@pytest.fixture
def contents() -> Callable[[Twin], dict[str, Any]]:
    """Everything a twin's stores hold that does not depend on when it was collected."""

    def read(twin: Twin) -> dict[str, Any]:
        documents = {}
        for document in twin.warehouse.documents():
            raw = twin.warehouse.raw(document.id)
            documents[document.id] = (
                document.model_dump(exclude={"collected_at"}),
                raw and (raw.url, raw.status, raw.body),
            )
        return {
            "authors": [author.model_dump() for author in twin.authors()],
            "documents": documents,
            "ledger": twin.vectors.ledger(),
            "chunks": {key: list(ids) for key, ids in twin.vectors.chunk_ids().items()},
        }

    return read
