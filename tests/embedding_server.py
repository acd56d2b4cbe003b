"""A server that speaks OpenAI's protocol for embeddings, over a real socket, and misbehaves on demand.

    with EmbeddingServer() as server:
        embedder = open_embedder(Settings(model_url=server.url, model_key="k", model="words", models=tmp_path))
        server.next = [Answer(status=429, headers={"retry-after": "0"})]     # instead of the next answer

A text's vector counts its letters a to h: its dimension is 8, and vectors of like texts are alike.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server import Answer, LocalServer, Request

DIMENSION = 8


def vector_of(text: str) -> NDArray[np.float32]:
    """What the server embeds a text as; not of unit length."""
    return np.asarray([1 + text.lower().count(letter) for letter in "abcdefgh"], "<f4")


class EmbeddingServer(LocalServer):
    """See the module."""

    def __init__(self, key: str = "k", model: str = "words", max_inputs: int = 100) -> None:
        super().__init__()
        self.key = key
        self.model = model
        self.max_inputs = max_inputs
        self.knows_base64 = True
        self.limit: int | None = None  # in the list of models
        self.next: list[Answer] = []
        self.refused = "\0"  # a text that has this is refused
        self.change: Callable[[list[dict[str, Any]]], Any] = lambda data: data  # what is made of the answer's data
        self.route("127.0.0.1", "/v1/embeddings", self._embed)
        self.route("127.0.0.1", "/v1/models", self._models)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def inputs(self) -> list[list[str]]:
        """The texts of each request so far."""
        return [json.loads(request.body)["input"] for request in self.asked("/v1/embeddings")]

    def _models(self, request: Request) -> Answer:
        entry = {"id": self.model, "object": "model", "created": 0, "owned_by": "tests"}
        return _json({"object": "list", "data": [entry | ({"max_model_len": self.limit} if self.limit else {})]})

    def _embed(self, request: Request) -> Answer:
        if self.next:
            return self.next.pop(0)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return refusal(401, f"Incorrect API key provided: {request.headers.get('authorization')}")
        asked = json.loads(request.body)
        if asked["model"] != self.model:
            return refusal(404, f"The model `{asked['model']}` does not exist")
        texts: Sequence[str] = asked["input"]
        if len(texts) > self.max_inputs:
            return refusal(422, f"batch size {len(texts)} > maximum allowed batch size {self.max_inputs}")
        if any(self.refused in text for text in texts):
            return refusal(400, "not this one")
        if "encoding_format" in asked and not self.knows_base64:
            return refusal(400, "Unrecognized request argument supplied: encoding_format")
        data = [
            {"object": "embedding", "index": index, "embedding": self._written(vector_of(text), asked)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return _json({"object": "list", "model": self.model, "data": self.change(data), "usage": usage})

    def _written(self, vector: NDArray[np.float32], asked: dict[str, Any]) -> str | list[float]:
        if asked.get("encoding_format") == "base64":
            return base64.b64encode(vector.tobytes()).decode()
        return [float(number) for number in vector]


def refusal(status: int, message: str, code: str = "", **headers: str) -> Answer:
    """An error as OpenAI words it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code or None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps({"error": error}), status, {"content-type": "application/json", **named})


def _json(body: Any) -> Answer:
    return Answer(json.dumps(body), 200, {"content-type": "application/json"})
