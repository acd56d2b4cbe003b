"""A chunker for the default model's tokenizer, and documents to cut."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from llm_twin.documents import Author, Document, Kind
from llm_twin.features.chunk import Chunker
from llm_twin.models.fetch import model_folder
from llm_twin.settings import Settings

HANDBOOK = Path(__file__).parents[2].parent / "shared/data/handbook/ArticleDocument.json.gz"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
MAX_TOKENS = 254


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    loaded = Tokenizer.from_file(str(model_folder(MODEL, Settings.load().models.expanduser()) / "tokenizer.json"))
    loaded.no_padding()
    loaded.no_truncation()
    return loaded


@pytest.fixture(scope="session")
def chunker(tokenizer: Tokenizer) -> Chunker:
    return Chunker(tokenizer, MAX_TOKENS, MODEL)


@pytest.fixture(scope="session")
def make_chunker(tokenizer: Tokenizer) -> Callable[..., Chunker]:
    """A chunker with other limits."""

    def make(**limits: int) -> Chunker:
        return Chunker(tokenizer, MAX_TOKENS, MODEL, **limits)

    return make


@pytest.fixture(scope="session")
def document() -> Callable[..., Document]:
    """A document with this text."""

    def make(text: str, kind: Kind = "article", title: str = "T", **fields: Any) -> Document:
        link = fields.pop("link", "https://a.example/1")
        return Document.of(
            Author.named("Ada Example"), link, kind=kind, platform="a.example", title=title, text=text, **fields
        )

    return make


@pytest.fixture(scope="session")
def articles(document: Callable[..., Document]) -> list[Document]:
    """The handbook's 76 articles."""
    if not HANDBOOK.is_file():
        pytest.skip("../shared is absent")
    entries = json.loads(gzip.decompress(HANDBOOK.read_bytes()))
    return [
        document(entry["content"]["Content"], title=entry["content"]["Title"] or "", link=entry["link"])
        for entry in entries
    ]
