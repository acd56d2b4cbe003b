"""Cleaning and chunking: nothing lost, nothing over the model's limit."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_twin.documents import Author, Document, Kind
from llm_twin.features.chunk import Chunker
from llm_twin.features.clean import clean
from llm_twin.models.embed import OnnxEmbedder
from llm_twin.models.fetch import model_folder
from llm_twin.settings import Settings

HANDBOOK = Path(__file__).parents[2].parent / "shared/data/handbook/ArticleDocument.json.gz"
ADA = Author.named("Ada Example")


def document(text: str, kind: Kind = "article") -> Document:
    return Document.of(ADA, "https://a.example/1", kind=kind, platform="a.example", title="T", text=text)


@pytest.fixture(scope="module")
def chunker() -> Chunker:
    loaded = Settings.load()
    embedder = OnnxEmbedder(model_folder(loaded.model, loaded.models), loaded.model)
    return Chunker(embedder.tokenizer, embedder.max_tokens, embedder.name)


prose = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
markdown = st.lists(
    st.one_of(
        prose,
        st.sampled_from(
            ["# Heading", "- item\n  - nested", "```python\n\n\n\ndef f():\n\treturn '\u200b'\n```", "> quote"]
        ),
        st.just("A rather long sentence about nothing in particular, repeated until it matters. " * 12),
    ),
    max_size=8,
).map("\n\n".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=markdown, kind=st.sampled_from(["article", "post", "repository", "code"]))
def test_chunks_cover_the_cleaned_text_and_fit_the_model(chunker: Chunker, text: str, kind: Kind) -> None:
    cleaned = clean(document(text, kind))
    chunks = chunker.chunk(document(text, kind))
    assert "".join(chunk.text for chunk in chunks) == (cleaned if cleaned.strip() else "")
    assert all(chunk.text == cleaned[chunk.start : chunk.end] for chunk in chunks)
    tokens = [len(chunker.tokenizer.encode(chunk.text, add_special_tokens=False).ids) for chunk in chunks]
    assert max(tokens, default=0) <= chunker.max_tokens
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@settings(max_examples=100, deadline=None)
@given(text=markdown, kind=st.sampled_from(["article", "code"]))
def test_cleaning_twice_is_cleaning_once(text: str, kind: Kind) -> None:
    once = clean(document(text, kind))
    assert clean(document(once, kind)) == once


@settings(max_examples=100, deadline=None)
@given(prose)
def test_code_passes_unchanged(text: str) -> None:
    assert clean(document(text, "code")) == text


def test_cleaning_keeps_code_blocks_and_removes_what_no_reader_sees() -> None:
    text = (
        "a\u00a0b\u200b\r\n\r\n\r\n\r\nc   \n\n```py\nx =  1\u00a0\n\n\n\ny\n```\n![logo](data:image/png;base64,AAAA)\n"
    )
    assert clean(document(text)) == "a b\n\nc\n\n```py\nx =  1\u00a0\n\n\n\ny\n```\nlogo"


def test_the_fingerprint_changes_with_content_and_model(chunker: Chunker) -> None:
    other = Chunker(chunker.tokenizer, chunker.max_tokens, "another/model")
    shorter = Chunker(chunker.tokenizer, 100, chunker.model)
    prints = {chunker.fingerprint("a"), chunker.fingerprint("b"), other.fingerprint("a"), shorter.fingerprint("a")}
    assert len(prints) == 4


@pytest.mark.skipif(not HANDBOOK.is_file(), reason="../shared is absent")
def test_no_token_of_the_handbooks_articles_is_cut_off(chunker: Chunker) -> None:
    for entry in json.loads(gzip.decompress(HANDBOOK.read_bytes()))[:10]:
        chunks = chunker.chunk(document(entry["content"]["Content"]))
        tokens = [len(encoding.ids) for encoding in chunker.tokenizer.encode_batch([chunk.text for chunk in chunks])]
        assert max(tokens) <= 256
