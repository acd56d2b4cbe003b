"""A blog on loopback, a run file over it, and twins with a small embedding model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from indexing_world import WordsEmbedder
from llm_twin import Settings, Twin
from server import LocalServer


@pytest.fixture
def world() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        server.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS, day=2))
        yield server


@pytest.fixture
def options(world: LocalServer, tmp_path: Path) -> dict[str, Any]:
    return {"home": tmp_path / "home", "resolve": world.resolve, "allow_private": True, "delay": 0.0, "retries": 0}


@pytest.fixture
def opened(options: dict[str, Any]) -> Callable[[], Twin]:
    """Opens a twin as each round does."""

    def twin() -> Twin:
        found = Twin(Settings.load(**options))
        found.embedder = WordsEmbedder()
        return found

    return twin


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "ada.yaml"
    path.write_text("authors:\n  - name: Ada Example\n    links: [http://blog.example/bread]\n")
    return path
