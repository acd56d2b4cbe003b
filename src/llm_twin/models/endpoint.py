"""Embedding models behind an OpenAI-compatible endpoint: `POST {url}/embeddings`.

Spoken with httpx2 and tenacity, which are here anyway, and not with the package openai: one request of one shape needs
no client of its own (0.8 s to import), and the checks of what comes back, the waiting that a server asks for beyond a
minute, and errors without secrets would have to be written all the same.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llm_twin.errors import ConfigError
from llm_twin.models.embed import first_tokens, normalised
from llm_twin.models.folder import Recipe
from llm_twin.settings import masked

if TYPE_CHECKING:
    from httpx2 import Response
    from tenacity import RetryCallState

log = logging.getLogger(__name__)

MAX_INPUTS = 32  # texts in a request: what text-embeddings-inference takes by default
MAX_REQUEST_TOKENS = 100_000  # OpenAI takes three times as many
CONNECTIONS = 4  # requests under way at once: the server's time, not ours
TRIES = 7  # some two minutes with the pauses between them
FIRST_TRIES = 2  # as long as nothing has ever answered: the address may be wrong, or the server off
FIRST_PAUSE = 1.0  # seconds; doubles
MAX_PAUSE = 120.0  # seconds that a server may ask to wait, beyond which the run ends
CONNECT_SECONDS = 10.0
FIRST_SECONDS = 60.0  # for the first answer, before which a server may load the model
ANSWER_SECONDS = 120.0  # for a batch of long texts on a server without an accelerator
SPECIAL_TOKENS = 2  # that a server may add to a text: BERT's
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# What servers call the limit, in a model's entry of `GET {url}/models`.
LIMITS = ("max_model_len", "max_input_length", "max_context_length", "context_length", "context_window")


class _Again(Exception):
    """May go through later, after `pause` seconds where the server named them."""

    def __init__(self, what: str, pause: float | None = None) -> None:
        super().__init__(what)
        self.pause = pause


class _TooMany(Exception):
    """The request held more than the server takes at once."""


class EndpointEmbedder:
    """See `Embedder`. Nothing is asked of the endpoint before a limit, a dimension or a vector is needed.

    `tokens` is the limit where it is known, else 0. Raises `ConfigError` for an address that is none.
    """

    def __init__(self, url: str, key: str, model: str, tokenizer: Tokenizer, recipe: Recipe, tokens: int = 0) -> None:
        import httpx2

        try:
            address = httpx2.URL(url)
        except httpx2.InvalidURL:
            address = httpx2.URL("")
        if address.scheme not in ("http", "https") or not address.host:
            raise ConfigError(f"TWIN_MODEL_URL: {masked(url)} is no http:// or https:// address")
        if address.userinfo:
            raise ConfigError(f"TWIN_MODEL_URL: {masked(url)} holds a password; give it as TWIN_MODEL_KEY")
        self.model = model
        self.name = f"{model} (endpoint)"  # not the name of the same model run here, whose vectors differ a little
        self.tokenizer = tokenizer
        self._recipe = recipe
        self._tokens = tokens
        self._url = address
        self._shown = masked(url)
        self._key = key
        self._answered = False
        self._encoding: dict[str, str] = {"encoding_format": "base64"}  # a third of the bytes of decimal numbers
        self._client = httpx2.Client(
            headers={"authorization": f"Bearer {key}"} if key else {},
            limits=httpx2.Limits(max_connections=CONNECTIONS),
        )

    @cached_property
    def dimension(self) -> int:
        """See `Embedder`; one request finds it."""
        try:
            return int(self._request(["dimension"]).shape[1])
        except ValueError as error:
            raise ConfigError(f"TWIN_MODEL_URL: {error}") from None

    @cached_property
    def max_tokens(self) -> int:
        """See `Embedder`: as it was given or the endpoint says, else as the model's own files do."""
        limit = self._tokens or self._said_limit() or self._recipe.tokens
        return max(1, limit - SPECIAL_TOKENS - self._prompt_tokens(self._recipe.passage))

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """See `Embedder`."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        lengths = [len(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        if max(lengths) > self.max_tokens:
            raise ValueError(f"a text of {max(lengths)} tokens is over the {self.max_tokens} that {self.name} reads")
        batches = _batches(lengths)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        pool = ThreadPoolExecutor(min(CONNECTIONS, len(batches)))
        try:
            asked = [[self._recipe.passage + texts[index] for index in batch] for batch in batches]
            for batch, rows in zip(batches, pool.map(self._rows, asked), strict=True):
                vectors[batch] = rows
                if on_done:
                    on_done(len(batch))
        finally:
            pool.shutdown(cancel_futures=True)
        return vectors

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`."""
        room = self.max_tokens + self._prompt_tokens(self._recipe.passage) - self._prompt_tokens(self._recipe.query)
        cut = first_tokens(text, self.tokenizer, max(1, room))
        try:
            return np.asarray(self._rows([self._recipe.query + cut])[0], np.float32)
        except ValueError as error:
            raise ConfigError(f"TWIN_MODEL_URL: {error}") from None

    def _prompt_tokens(self, prompt: str) -> int:
        return len(self.tokenizer.encode(prompt, add_special_tokens=False).ids) + 1 if prompt else 0

    def _rows(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors of the dimension that this model has had so far."""
        rows = self._request(texts)
        if rows.shape[1] != self.dimension:
            raise ConfigError(
                f"TWIN_MODEL_URL: {self.model} at {self._shown} gave vectors of {rows.shape[1]} numbers, "
                f"of {self.dimension} before"
            )
        return rows

    def _request(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors of the texts; in two requests where one holds too many for the server."""
        from tenacity import Retrying, retry_if_exception_type

        tries = Retrying(stop=self._enough, retry=retry_if_exception_type(_Again), wait=_pause, reraise=True)
        try:
            return normalised(tries(self._asked_once, texts))
        except _Again as error:
            raise ConfigError(f"TWIN_MODEL_URL: {self._shown} {error}; tried {self._tries()} times") from None
        except _TooMany:
            half = len(texts) // 2
            return np.concatenate([self._request(texts[:half]), self._request(texts[half:])])

    def _tries(self) -> int:
        return TRIES if self._answered else min(TRIES, FIRST_TRIES)

    def _enough(self, state: RetryCallState) -> bool:
        return state.attempt_number >= self._tries()

    def _asked_once(self, texts: list[str]) -> NDArray[np.float32]:
        import httpx2

        url = self._url.copy_with(path=self._url.path.rstrip("/") + "/embeddings")
        encoding = self._encoding
        seconds = ANSWER_SECONDS if self._answered else FIRST_SECONDS
        try:
            answer = self._client.post(
                url,
                json={"model": self.model, "input": texts, **encoding},
                timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
            )
        except httpx2.TimeoutException as error:
            raise _Again(f"does not answer in time ({type(error).__name__})") from None
        except httpx2.TransportError as error:
            self._answered = self._answered or not isinstance(error, httpx2.ConnectError)
            raise _Again(f"can't be reached ({type(error).__name__})") from None
        self._answered = True
        if answer.status_code in (400, 422) and encoding and "encoding_format" in answer.text:
            self._encoding = {}
            return self._asked_once(texts)
        if answer.status_code != 200:
            raise self._refusal(answer, len(texts))
        return self._vectors(answer, len(texts))

    def _refusal(self, answer: Response, asked: int) -> Exception:
        """The error that an answer other than 200 stands for; its text holds no key."""
        status, said = answer.status_code, self._message(answer)
        if status in (401, 403):
            return ConfigError(f"TWIN_MODEL_KEY: {self._shown} refuses the key ({status}); set the right one")
        if status == 404:
            return ConfigError(f"TWIN_MODEL: {self._shown} has no embedding model {self.model!r} (404){said}")
        if status == 429 and "quota" in said:
            return ConfigError(f"TWIN_MODEL_KEY: {self._shown} says that its quota is used up (429){said}")
        if status in BUSY:
            pause = _asked_pause(answer.headers)
            if pause is not None and pause > MAX_PAUSE:
                return ConfigError(f"TWIN_MODEL_URL: {self._shown} asks to wait for {pause:.0f} s ({status}){said}")
            return _Again(f"answers {status}{said}", pause)
        if asked > 1 and (status == 413 or (status in (400, 422) and "batch" in said.lower())):
            return _TooMany()
        if status in (400, 413, 422):
            return ValueError(f"{self.model} at {self._shown} refuses the text ({status}){said}")
        return ConfigError(f"TWIN_MODEL_URL: {self._shown} answers {status}{said}")

    def _message(self, answer: Response) -> str:
        """What the server says, as ": …" in one line without the key; nothing where it says nothing readable."""
        try:
            body: Any = answer.json()
        except ValueError:
            return ""
        if isinstance(body, dict):
            body = body.get("error") or body.get("message") or body.get("detail")
        if isinstance(body, dict):
            body = f"{body.get('message') or ''} {body.get('code') or ''}"
        if not isinstance(body, str) or not body.strip():
            return ""
        said = " ".join("".join(letter if letter.isprintable() else " " for letter in body).split())
        return ": " + (said.replace(self._key, "***") if self._key else said)[:200]

    def _vectors(self, answer: Response, asked: int) -> NDArray[np.float32]:
        """The vectors by their index. Raises `ConfigError` unless there is exactly one for each text."""
        wrong = f"TWIN_MODEL_URL: {self._shown} is no OpenAI-compatible endpoint for embeddings: "
        try:
            data = answer.json()["data"]
            indexes = [int(entry.get("index", place)) for place, entry in enumerate(data)]
            found = [_numbers(entry["embedding"]) for entry in data]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{wrong}its answer can't be read ({type(error).__name__})") from None
        if sorted(indexes) != list(range(asked)):
            raise ConfigError(f"{wrong}it gave {len(found)} vectors for {asked} texts, or not one for each")
        lengths = {len(vector) for vector in found}
        if len(lengths) != 1 or 0 in lengths:
            raise ConfigError(f"{wrong}it gave vectors of {', '.join(map(str, sorted(lengths)))} numbers")
        rows = np.empty((asked, lengths.pop()), np.float32)
        rows[indexes] = found
        return rows

    def _said_limit(self) -> int:
        """The tokens that the endpoint says its model reads; 0 where it does not say. Never an error."""
        import httpx2

        base = self._url.path.rstrip("/")
        # As vLLM and others answer, and as text-embeddings-inference does, beside its /v1.
        for path, listed in ((f"{base}/models", True), (f"{base.rsplit('/', 1)[0]}/info", False)):
            url = self._url.copy_with(path=path)
            try:
                body: Any = self._client.get(url, timeout=CONNECT_SECONDS).json()
                entries = body["data"] if listed else [{**body, "id": self.model}]
                mine = next(entry for entry in entries if entry["id"] == self.model)
                return next(int(mine[name]) for name in LIMITS if int(mine.get(name) or 0) > 0)
            except (httpx2.HTTPError, ValueError, TypeError, KeyError, AttributeError, StopIteration):
                log.debug("no limit told by %s", masked(str(url)))
        return 0


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indexes in batches that one request may hold, of like length: a server pads as we do."""
    batches: list[list[int]] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index], reverse=True):
        if not batches or len(batches[-1]) == MAX_INPUTS or tokens + lengths[index] > MAX_REQUEST_TOKENS:
            batches.append([])
            tokens = 0
        batches[-1].append(index)
        tokens += lengths[index]
    return batches


def _numbers(embedding: Any) -> NDArray[np.float32]:
    """One vector, as base64 of little-endian floats or as a list. Raises `ValueError`."""
    if not isinstance(embedding, str):
        return np.asarray(embedding, np.float32).reshape(-1)
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4").astype(np.float32)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _pause(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asked for, else growing ones."""
    from tenacity import wait_exponential_jitter

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Again) and error.pause is not None:
        return error.pause
    return wait_exponential_jitter(multiplier=FIRST_PAUSE, jitter=FIRST_PAUSE, max=MAX_PAUSE)(state)


def _asked_pause(headers: Any) -> float | None:
    """`Retry-After` in seconds, as RFC 9110 has it: a number or a date."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
