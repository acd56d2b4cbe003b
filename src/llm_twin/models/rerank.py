"""Cross-encoders: a question and a passage read together, to how well the passage answers.

Sequence classification models as sentence-transformers' CrossEncoder uses them, on onnxruntime.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from llm_twin.errors import ConfigError
from llm_twin.models.embed import first_tokens
from llm_twin.models.folder import first_line, load_tokenizer, read_recipe
from llm_twin.models.graph import Array, Graph


class Reranker(Protocol):
    """Scores passages against a question."""

    name: str

    def score(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """How well each passage answers, shape (n,), in the order of the passages: between 0 and 1, 1 best.

        Of a passage that is longer than the model reads the end is not read; nor is that of a question that takes up
        more than half of it.
        """
        ...


class CrossEncoder:
    """A sequence classification model from a folder: `model.onnx`, `tokenizer.json`, and what else describes it.

    With one label its logit is the score, through the logistic function; with two the second one's probability.
    Raises `ConfigError` when the files are not those of such a model.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        recipe = read_recipe(folder, name)
        self._tokenizer = load_tokenizer(folder)
        special = self._tokenizer.num_special_tokens_to_add(True)
        self._question_tokens = (recipe.tokens - special) // 2
        if self._question_tokens < 1:
            raise ConfigError(f"the model in {folder} reads {recipe.tokens} tokens: too few for a pair of texts")
        self._pairs = load_tokenizer(folder)
        self._pairs.enable_truncation(recipe.tokens, strategy="only_second")
        self._graph = Graph(folder, recipe.pad)
        outputs = [output for output, dimensions in self._graph.outputs.items() if dimensions in (0, 2)]
        if not outputs:
            given = ", ".join(self._graph.outputs)
            raise ConfigError(f"the model in {folder} is no cross-encoder: its graph gives {given}, not logits")
        self._output = "logits" if "logits" in outputs else outputs[0]
        try:
            self.score("a", ["a"])
        except ValueError as error:
            raise ConfigError(f"the model in {folder} can't score a passage: {first_line(error)}") from None

    def score(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """See `Reranker`. Raises `ValueError` when the model gives no number."""
        cut = first_tokens(question, self._tokenizer, self._question_tokens)
        pairs = self._pairs.encode_batch([(cut, passage) for passage in passages])
        return np.asarray(
            self._graph.map(
                [pair.ids for pair in pairs], self._output, _scores, types=[pair.type_ids for pair in pairs]
            ),
            np.float32,
        )


def _scores(logits: Array, _: NDArray[np.int64]) -> Array:
    """Logits of shape (n, 1) or (n, 2) to scores of shape (n,)."""
    if logits.ndim != 2 or logits.shape[1] not in (1, 2):
        raise ValueError(
            f"its graph gives logits of shape {logits.shape[1:]}: it has other labels than a cross-encoder"
        )
    if not np.isfinite(logits).all():
        raise ValueError("its graph gives a logit that is not finite")
    margin = logits[:, -1].astype(np.float64) - (logits[:, 0] if logits.shape[1] == 2 else 0.0)
    return np.asarray(1 / (1 + np.exp(-margin.clip(-80, 80))))
