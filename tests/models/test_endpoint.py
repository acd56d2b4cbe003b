"""Embedding through an OpenAI-compatible endpoint, spoken with over a real socket."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_server import DIMENSION, EmbeddingServer, refusal, vector_of
from llm_twin.errors import ConfigError
from llm_twin.models import endpoint, open_embedder
from llm_twin.models.embed import Embedder
from llm_twin.settings import Settings
from server import Answer

KEY = "sk-hemlock-9f3"
NOW = {"retry_after": "0"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingServer]:
    monkeypatch.setattr(endpoint, "FIRST_PAUSE", 0.01)
    with EmbeddingServer(key=KEY) as running:
        yield running


@pytest.fixture
def opened(server: EmbeddingServer, tmp_path: Path) -> Callable[..., Embedder]:
    def open_it(**options: Any) -> Embedder:
        given = {"model_url": server.url, "model_key": KEY, "model": "words", "models": tmp_path, **options}
        return open_embedder(Settings(**given))

    return open_it


def unit(text: str) -> Any:
    return vector_of(text) / np.linalg.norm(vector_of(text))


def test_texts_are_embedded_in_their_order_in_batches(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    embedder = opened()
    texts = ["abc" * (n % 7) + "h" * (n % 5) + "." for n in range(100)]
    done: list[int] = []
    vectors = embedder.encode(texts, done.append)
    assert vectors.shape == (100, DIMENSION)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [unit(text) for text in texts], atol=1e-6)
    assert sum(done) == 100
    assert embedder.dimension == DIMENSION
    assert embedder.encode([]).shape == (0, DIMENSION)
    assert max(map(len, server.inputs)) == endpoint.MAX_INPUTS
    assert embedder.name == "words (endpoint)"


def test_vectors_are_put_in_order_by_their_index(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    server.change = lambda data: data[::-1]
    assert np.allclose(opened().encode(["a", "b", "c"]), [unit(text) for text in "abc"], atol=1e-6)


def test_the_dimension_is_asked_for_once(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    embedder = opened()
    assert not server.requests, "opening asks nothing"
    assert (embedder.dimension, embedder.dimension) == (DIMENSION, DIMENSION)
    embedder.encode_query("a")
    embedder.encode_query("b")
    assert len(server.inputs) == 3


def test_base64_is_asked_for_and_numbers_are_read_too(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    exact = opened().encode(["abcdef"])
    assert json.loads(server.asked("/v1/embeddings")[-1].body)["encoding_format"] == "base64"
    server.knows_base64 = False
    assert np.allclose(opened().encode(["abcdef"]), exact, atol=1e-6)
    assert "encoding_format" not in json.loads(server.asked("/v1/embeddings")[-1].body)


def test_a_request_holds_no_more_tokens_than_servers_take(
    server: EmbeddingServer, opened: Callable[..., Embedder]
) -> None:
    embedder = opened(model_tokens=60_000)
    vectors = embedder.encode(["a" * 50_000, "b", "c" * 40_000, "d" * 30_000])
    assert np.allclose(vectors[1], unit("b"), atol=1e-6)
    assert max(sum(map(len, texts)) for texts in server.inputs) <= endpoint.MAX_REQUEST_TOKENS
    assert len(server.inputs) == 3, "one of them for the dimension"


def test_a_request_with_too_many_texts_is_halved(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    server.max_inputs = 5
    texts = [letter * 3 for letter in "abcdefgh" * 3]
    assert np.allclose(opened().encode(texts), [unit(text) for text in texts], atol=1e-6)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(429, "Rate limit reached", **NOW),
        refusal(503, "overloaded"),
        refusal(500, "internal error"),
        refusal(429, "slow down", retry_after=format_datetime(datetime.now(UTC) - timedelta(seconds=5))),
        Answer(b"{", length=500, headers={"content-type": "application/json"}),
    ],
    ids=["429", "503", "500", "date", "cut off"],
)
def test_what_passes_is_tried_again(server: EmbeddingServer, opened: Callable[..., Embedder], answer: Answer) -> None:
    server.next = [answer, answer]
    assert np.allclose(opened().encode(["a", "b"]), [unit("a"), unit("b")], atol=1e-6)
    assert len(server.inputs) >= 3


def test_a_server_that_does_not_answer_in_time_is_tried_again(
    server: EmbeddingServer, opened: Callable[..., Embedder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "FIRST_SECONDS", 0.5)
    server.next = [Answer(hang=True)]
    assert opened().encode_query("a") == pytest.approx(unit("a"), abs=1e-6)


def test_a_server_that_has_answered_is_given_more_time_and_tries(
    server: EmbeddingServer, opened: Callable[..., Embedder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "ANSWER_SECONDS", 0.2)
    embedder = opened()
    assert embedder.dimension == DIMENSION
    server.next = [Answer(hang=True)] * (endpoint.TRIES - 1)
    assert embedder.encode_query("a") == pytest.approx(unit("a"), abs=1e-6)
    server.next = [refusal(503, "gone to lunch")] * endpoint.TRIES
    with pytest.raises(ConfigError, match=r"answers 503: gone to lunch; tried 7 times"):
        embedder.encode_query("a")


def test_the_pause_that_the_server_asks_for_is_kept(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    embedder = opened()
    embedder.encode_query("a")
    server.next = [refusal(429, "slow down", retry_after="1")]
    embedder.encode_query("b")
    refused, taken = server.asked("/v1/embeddings")[-2:]
    assert 1 <= taken.at - refused.at < 10


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (refusal(401, f"Incorrect API key provided: {KEY}"), r"TWIN_MODEL_KEY: .* refuses the key \(401\)"),
        (refusal(403, "forbidden"), r"TWIN_MODEL_KEY: .* refuses the key \(403\)"),
        (refusal(404, "The model does not exist"), r"TWIN_MODEL: .* has no embedding model 'words' \(404\): The model"),
        (refusal(400, f"bad\nrequest with {KEY}"), r"refuses the text \(400\): bad request with \*\*\*"),
        (refusal(429, "You exceeded", "insufficient_quota"), r"its quota is used up \(429\)"),
        (refusal(429, "later", retry_after="86400"), r"asks to wait for 86400 s \(429\): later"),
        (Answer("", 302, {"location": "http://elsewhere.example/"}), "answers 302"),
        (Answer("<html>", 200, {"content-type": "text/html"}), "its answer can't be read"),
        (Answer("[]", 200), "its answer can't be read"),
        (Answer('{"data": []}', 200), "gave 0 vectors for 1 texts"),
        (Answer('{"data": [{"index": 0, "embedding": []}]}', 200), "vectors of 0 numbers"),
        (Answer('{"data": [{"index": 0, "embedding": [1, NaN]}]}', 200), "zero or not finite"),
        (Answer('{"data": [{"index": 0, "embedding": [0, 0]}]}', 200), "zero or not finite"),
        (Answer('{"data": [{"index": 0, "embedding": "!!!!"}]}', 200), "its answer can't be read"),
        (Answer('{"data": [{"index": 0, "embedding": {"a": 1}}]}', 200), "its answer can't be read"),
    ],
)
def test_what_does_not_pass_is_one_clear_line_without_the_key(
    server: EmbeddingServer, opened: Callable[..., Embedder], answer: Answer, line: str
) -> None:
    server.next = [answer]
    with pytest.raises(ConfigError, match=line) as caught:
        assert opened().dimension
    assert len(server.requests) == 1, "it is not tried again"
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda data: data[:-1], "gave 2 vectors for 3 texts"),
        (lambda data: [*data, data[0]], "gave 4 vectors for 3 texts"),
        (lambda data: [{**entry, "index": 0} for entry in data], "gave 3 vectors for 3 texts, or not one for each"),
        (lambda data: [*data[:-1], {"index": 2, "embedding": [1.0]}], "gave vectors of 1, 8 numbers"),
        (lambda data: [{**entry, "embedding": [1.0, 2.0]} for entry in data], "vectors of 2 numbers, of 8 before"),
    ],
)
def test_vectors_that_are_not_one_for_each_text_are_refused(
    server: EmbeddingServer, opened: Callable[..., Embedder], change: Callable[[Any], Any], line: str
) -> None:
    embedder = opened()
    assert embedder.dimension == DIMENSION
    server.change = change
    with pytest.raises(ConfigError, match=line):
        embedder.encode(["a", "b", "c"])


def test_a_text_that_the_server_refuses_fails_alone(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    embedder = opened()
    assert embedder.dimension == DIMENSION
    server.next = [refusal(400, "This model's maximum context length is 512 tokens")]
    with pytest.raises(ValueError, match="refuses the text .* maximum context length"):
        embedder.encode(["a"])
    assert embedder.encode(["a"]).shape == (1, DIMENSION)
    server.next = [refusal(400, "no such input")]
    with pytest.raises(ConfigError, match="refuses the text .* no such input"):
        embedder.encode_query("a")


def test_a_server_that_is_not_there_is_one_clear_line(opened: Callable[..., Embedder]) -> None:
    with pytest.raises(ConfigError, match=r"TWIN_MODEL_URL: http://127.0.0.1:1/v1 can't be reached .*; tried 2 times"):
        opened(model_url="http://127.0.0.1:1/v1").encode_query("a")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("localhost:8080/v1", "is no http:// or https:// address"),
        ("ftp://localhost/v1", "is no http:// or https:// address"),
        ("http://", "is no http:// or https:// address"),
        (f"http://me:{KEY}@localhost/v1", r"http://\*\*\*@localhost/v1 holds a password; give it as TWIN_MODEL_KEY"),
    ],
)
def test_an_address_that_is_none_is_refused(opened: Callable[..., Embedder], url: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as caught:
        opened(model_url=url)
    assert KEY not in str(caught.value)


def test_int8_is_for_models_that_run_here(opened: Callable[..., Embedder]) -> None:
    with pytest.raises(ConfigError, match="TWIN_PRECISION: int8 is for models that run here"):
        opened(precision="int8")


def test_the_key_is_in_no_log(
    server: EmbeddingServer, opened: Callable[..., Embedder], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.next = [refusal(503, f"busy with {KEY}")]
    embedder = opened()
    embedder.encode_query("a")
    assert embedder.max_tokens
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text
    assert KEY not in repr(vars(embedder)["_client"])


def test_without_the_models_tokenizer_texts_are_counted_in_bytes(opened: Callable[..., Embedder]) -> None:
    embedder = opened()
    text = "Grüße, ☃ and 漢字\n\t  end"
    assert len(embedder.tokenizer.encode(text).ids) == len(text.encode())
    assert embedder.max_tokens == 510
    assert embedder.encode(["a" * 510]).shape == (1, DIMENSION)
    with pytest.raises(ValueError, match="a text of 511 tokens is over the 510 that words"):
        embedder.encode(["a" * 511])


def test_the_limit_is_given_or_asked_of_the_endpoint(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    server.limit = 2048
    assert opened().max_tokens == 2046
    assert opened(model_tokens=100).max_tokens == 98
    server.limit = None
    server.route("127.0.0.1", "/info", body='{"model_id": "words", "max_input_length": 8192}')
    assert opened().max_tokens == 8190


def test_a_long_question_is_cut_to_the_limit(server: EmbeddingServer, opened: Callable[..., Embedder]) -> None:
    opened(model_tokens=10).encode_query("abcdefghijkl")
    assert server.inputs[-1] in (["abcdefgh"], ["dimension"])
    assert ["abcdefgh"] in server.inputs


def test_a_known_family_gets_its_prompts(
    server: EmbeddingServer, opened: Callable[..., Embedder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    server.model = "nomic-embed-text:latest"
    embedder = opened(model=server.model)
    embedder.encode(["abc"])
    embedder.encode_query("why")
    assert ["search_document: abc"] in server.inputs
    assert server.inputs[-1] == ["search_query: why"]
    assert embedder.max_tokens == 510 - len("search_document: ") - 1
