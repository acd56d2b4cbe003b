"""Cleaning and chunking: nothing lost, nothing over the model's limit, whatever the text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from llm_twin.documents import Chunk, Document, Kind
from llm_twin.errors import ConfigError
from llm_twin.features.chunk import Chunker
from llm_twin.features.clean import clean

Make = Callable[..., Document]

prose = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
structured = st.lists(
    st.one_of(
        prose,
        st.sampled_from(
            [
                "# Heading",
                "### Deep › heading with [a link](https://a.example/b)",
                "- item\n  - nested\n    - deeper",
                "```python\n\n\n\ndef f():\n\treturn '\u200b'\n```",
                "> quote\n> - in it",
                "| a | b |\n|---|---|\n" + "| cell | another |\n" * 60,
                "class A:\n    @property\n    # why\n    def b(self):\n" + "        x = [1,\n        2]\n\n" * 40,
                "See [this](https://a.example/a/very/long/path?with=parameters&more=1) " * 20,
                "x" * 3000,
                "漢字かな" * 120,
                "👩‍👩‍👧‍👧" * 60,
                "\n" * 40,
                "word " * 400,
            ]
        ),
        st.just("A rather long sentence about nothing in particular, repeated until it matters. " * 12),
    ),
    max_size=8,
).map("\n\n".join)
languages = st.sampled_from(["Python", "Go", "Markdown", "Jupyter Notebook", "Cobol", None])
limits = st.sampled_from([(0, 0), (32, 0), (32, 15), (100, 20), (254, 126)])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=structured,
    title=st.one_of(prose, st.just("A title of many words " * 30)),
    kind=st.sampled_from(["article", "post", "repository", "code"]),
    language=languages,
    limit=limits,
)
def test_chunks_cover_the_cleaned_text_in_order_and_fit_the_model(
    make_chunker: Callable[..., Chunker],
    document: Make,
    text: str,
    title: str,
    kind: Kind,
    language: str | None,
    limit: tuple[int, int],
) -> None:
    most, overlap = limit
    chunker = make_chunker(chunk_tokens=most, overlap=overlap)
    given_document = document(text, kind, title, language=language)
    cleaned = clean(given_document)
    chunks = chunker.chunk(given_document)
    assert bool(chunks) == bool(cleaned.strip())
    assert all(chunk.text == cleaned[chunk.start : chunk.end] for chunk in chunks)
    assert [chunk.start for chunk in chunks] == sorted({chunk.start for chunk in chunks})
    covered = 0
    for chunk in chunks:
        assert chunk.start <= covered < chunk.end, "a gap, or a passage that adds nothing"
        assert overlap or chunk.start == covered
        repeated = chunk.model_copy(update={"text": cleaned[chunk.start : covered], "heading": ""})
        assert count(chunker.tokenizer, repeated.to_embed) <= overlap + 1  # a link may be torn
        covered = chunk.end
    assert covered == (len(cleaned) if chunks else 0)
    assert max((count(chunker.tokenizer, chunk.to_embed) for chunk in chunks), default=0) <= (most or 254)
    assert max((count(chunker.tokenizer, chunk.heading) for chunk in chunks), default=0) <= (most or 254) // 4
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert chunker.chunk(given_document) == chunks
    again = chunker.cut(
        cleaned,
        document_id=given_document.id,
        kind=kind,
        title=title,
        link=given_document.link,
        language=language,
    )
    assert again == chunks


def count(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=structured, kind=st.sampled_from(["article", "code"]))
def test_cleaning_twice_is_cleaning_once(document: Make, text: str, kind: Kind) -> None:
    once = clean(document(text, kind))
    assert clean(document(once, kind)) == once


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=prose)
def test_code_passes_unchanged(document: Make, text: str) -> None:
    assert clean(document(text, "code")) == text


def test_cleaning_keeps_code_blocks_and_removes_what_no_reader_sees(document: Make) -> None:
    text = (
        "a\u00a0b\u200b\r\n\r\n\r\n\r\nc   \n\n```py\nx =  1\u00a0\n\n\n\ny\n```\n![logo](data:image/png;base64,AAAA)\n"
    )
    assert clean(document(text)) == "a b\n\nc\n\n```py\nx =  1\u00a0\n\n\n\ny\n```\nlogo"


def test_a_passage_is_embedded_without_the_targets_of_its_links() -> None:
    chunk = Chunk(
        id="1",
        document_id="1",
        start=0,
        end=0,
        text='See [the *docs*](https://a.example/x_(y)), ![a plot](./p.png "P") and handlers[name](request).',
        heading="Title › Section",
    )
    assert chunk.to_embed == "Title › Section\n\nSee the *docs*, a plot and handlers[name](request)."


def test_a_tokenizer_whose_parts_do_not_add_up_is_never_exceeded(document: Make) -> None:
    from tokenizers import models, pre_tokenizers

    pairs = Tokenizer(models.WordPiece({"[UNK]": 0, "ab": 1, "a": 2, "b": 3, "##b": 4, "c": 5}, unk_token="[UNK]"))
    pairs.pre_tokenizer = pre_tokenizers.Split(" ", "isolated")  # every space is a token, unknown words are one
    chunker = Chunker(pairs, 40, "pairs")
    chunks = chunker.chunk(document("ab a b c " * 300 + "abab" * 500))
    assert max(count(pairs, chunk.to_embed) for chunk in chunks) <= 40


def test_the_fingerprint_changes_with_content_model_and_limits(
    chunker: Chunker, make_chunker: Callable[..., Chunker]
) -> None:
    other = Chunker(chunker.tokenizer, chunker.max_tokens, "another/model")
    chunkers = [chunker, other, make_chunker(chunk_tokens=100), make_chunker(chunk_tokens=100, overlap=20)]
    prints = {each.fingerprint("a") for each in chunkers} | {chunker.fingerprint("b")}
    assert len(prints) == 5
    for as_the_model_reads in (254, 1000):
        assert make_chunker(chunk_tokens=as_the_model_reads).fingerprint("a") == chunker.fingerprint("a")


def test_a_limit_over_the_models_own_is_said(
    make_chunker: Callable[..., Chunker], caplog: pytest.LogCaptureFixture
) -> None:
    assert make_chunker(chunk_tokens=1000).max_tokens == 254
    (said,) = caplog.messages
    assert said.startswith("TWIN_CHUNK_TOKENS: 1000 is over the 254 that ")
    make_chunker(chunk_tokens=254)
    assert caplog.messages == [said]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"chunk_tokens": 10}, "TWIN_CHUNK_TOKENS: 10 is too few; give at least 32"),
        ({"overlap": 127}, "TWIN_CHUNK_OVERLAP: 127 is half a chunk of 254 tokens or more; give at most 126"),
        ({"chunk_tokens": 100, "overlap": 50}, "TWIN_CHUNK_OVERLAP: 50 .* at most 49"),
    ],
)
def test_limits_that_do_not_go_together_are_refused(
    make_chunker: Callable[..., Chunker], limits: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_chunker(**limits)
