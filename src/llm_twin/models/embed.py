"""Embedding models: text to unit vectors, on onnxruntime. Where a model's files come from is in `fetch.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llm_twin.errors import ConfigError

BATCH_TOKENS = 4096  # padded tokens per call: enough to fill two cores, small enough to stay in their caches
DEFAULT_MAX_TOKENS = 256


class Embedder(Protocol):
    """Turns texts into vectors. Longer texts than `max_tokens` must not be passed: `encode` refuses them."""

    name: str
    dimension: int
    max_tokens: int  # that the model reads of one text, its special tokens not counted
    tokenizer: Tokenizer  # without padding and truncation

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Vectors of shape (n, dimension), rows L2-normalised, in the order of the texts.

        `on_done` is called with the number of further texts that are done, every second or so. Raises `ValueError`
        when a text has more than `max_tokens` tokens.
        """
        ...

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a question, shape (dimension,). What it has beyond the model's limit is not read."""
        ...


class OnnxEmbedder:
    """A sentence-transformers model with mean pooling, from a folder with `model.onnx` and `tokenizer.json`."""

    def __init__(self, folder: Path, name: str) -> None:
        import onnxruntime

        self.name = name
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning takes the other core
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                folder / "model.onnx", options, providers=["CPUExecutionProvider"]
            )
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # noqa: BLE001 - both libraries raise bare or private exceptions
            raise ConfigError(f"the embedding model in {folder} can't be loaded: {error}") from None
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self.dimension: int = self._session.get_outputs()[0].shape[-1]
        sentence = folder / "sentence_bert_config.json"
        limit = json.loads(sentence.read_text())["max_seq_length"] if sentence.is_file() else DEFAULT_MAX_TOKENS
        self.max_tokens: int = limit - self.tokenizer.num_special_tokens_to_add(False)

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """See `Embedder`. Texts are sorted by length first, so that little is padded."""
        encodings = self.tokenizer.encode_batch_fast(list(texts))
        rows = [encoding.ids for encoding in encodings]
        limit = self.max_tokens + self.tokenizer.num_special_tokens_to_add(False)
        if longest := next((row for row in rows if len(row) > limit), None):
            raise ValueError(f"a text of {len(longest)} tokens is over the {limit} that {self.name} reads")
        vectors = np.empty((len(rows), self.dimension), np.float32)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        while order:
            size = max(1, BATCH_TOKENS // len(rows[order[-1]]))  # the longest of what is left decides
            batch, order = order[-size:], order[:-size]
            vectors[batch] = self._run([rows[index] for index in batch])
            if on_done:
                on_done(len(batch))
        return vectors

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`."""
        offsets = self.tokenizer.encode(text, add_special_tokens=False).offsets
        cut = text if len(offsets) <= self.max_tokens else text[: offsets[self.max_tokens - 1][1]]
        return np.asarray(self.encode([cut])[0], np.float32)

    def _run(self, rows: list[list[int]]) -> NDArray[np.float32]:
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(["last_hidden_state"], {name: known[name] for name in self._inputs})
        weights = mask[:, :, None].astype(np.float32)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)
