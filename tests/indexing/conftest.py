"""A twin with a small embedding model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexing_world import WordsEmbedder, opened
from llm_twin import Twin


@pytest.fixture
def embedder() -> WordsEmbedder:
    return WordsEmbedder()


@pytest.fixture
def twin(tmp_path: Path, embedder: WordsEmbedder) -> Iterator[Twin]:
    with opened(tmp_path / "home", embedder) as twin:
        yield twin
