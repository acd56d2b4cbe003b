"""Cross-encoders: questions and passages are read together, as the model's files say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from llm_twin.errors import ConfigError
from llm_twin.models import open_reranker
from llm_twin.models.rerank import Reranker
from llm_twin.settings import Settings
from tiny_models import HEADS, HIDDEN, LAYERS, overlap_cross_encoder, tiny_bert

PASSAGES = ["the wind vane on the roof", "a rain gauge loses water in a downpour", "water", ""]


def opened(folder: Path) -> Reranker:
    reranker = open_reranker(Settings(reranker=str(folder), models=folder.parent / "cache"))
    assert reranker
    return reranker


def logits(folder: Path, ids: list[int], types: list[int]) -> Any:
    """BertForSequenceClassification in plain NumPy and double precision, shape (labels,)."""
    w = {
        name.removeprefix("bert."): array.astype(float)
        for name, array in load_file(folder / "model.safetensors").items()
    }

    def norm(x: Any, name: str) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: Any, name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def heads(x: Any) -> Any:
        return x.reshape(len(x), HEADS, -1).transpose(1, 0, 2)

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
    x = norm(x + w[e + "token_type_embeddings.weight"][types], e + "LayerNorm")
    for layer in (f"encoder.layer.{n}" for n in range(LAYERS)):
        q, k, v = (heads(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = linear(x, f"{layer}.intermediate.dense")
        wide *= 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = norm(x + linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return linear(np.tanh(linear(x[0], "pooler.dense")), "classifier")


@pytest.mark.parametrize("labels", [1, 2])
def test_a_cross_encoder_computes_the_classifier_of_the_original(tmp_path: Path, labels: int) -> None:
    folder = tiny_bert(tmp_path / "judge", labels=labels)
    reranker = opened(folder)
    letters = {**{letter: 4 + n for n, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789:.,?!")}}
    scores = reranker.score("a b c", ["d e f g", "h", ""])
    for passage, score in zip(("defg", "h", ""), scores, strict=True):
        first = [2, *(letters[letter] for letter in "abc"), 3]
        second = [*(letters[letter] for letter in passage), 3]
        wanted = logits(folder, first + second, [0] * len(first) + [1] * len(second))
        margin = wanted[0] if labels == 1 else wanted[1] - wanted[0]
        assert score == pytest.approx(1 / (1 + math.exp(-margin)), abs=1e-5)


def test_passages_are_scored_in_their_order_between_nothing_and_one(tmp_path: Path) -> None:
    reranker = opened(overlap_cross_encoder(tmp_path / "judge", PASSAGES))
    scores = reranker.score("when does a rain gauge lose water", PASSAGES)
    assert scores.dtype == np.float32
    assert scores.shape == (4,)
    assert ((scores > 0) & (scores < 1)).all()
    assert list(np.argsort(-scores)) == [1, 2, 0, 3]
    assert reranker.score("water", []).shape == (0,)


def test_only_the_passage_is_cut_and_the_question_keeps_half(tmp_path: Path) -> None:
    reranker = opened(overlap_cross_encoder(tmp_path / "judge", PASSAGES, tokens=16))
    late, early = "the " * 40 + "gauge", "gauge " + "the " * 40
    scores = reranker.score("gauge", [late, early])
    assert scores[1] > 0.9 > 0.1 > scores[0], "the end of a long passage is not read, its beginning is"
    question = "rain " * 6 + "water " * 100
    assert reranker.score(question, ["rain"])[0] > 0.9, "six of the question's tokens fit, and are read"


def test_without_a_name_there_is_no_reranker() -> None:
    assert open_reranker(Settings()) is None


def test_what_is_no_cross_encoder_is_one_clear_line(tmp_path: Path) -> None:
    for folder, line in (
        (tiny_bert(tmp_path / "embedder"), "is no cross-encoder: its graph gives last_hidden_state, not logits"),
        (
            tiny_bert(tmp_path / "topics", labels=5),
            r"can't score a passage: its graph gives logits of shape \(5,\): it has other labels",
        ),
        (tmp_path, "TWIN_RERANKER: no model.onnx in the folder"),
    ):
        with pytest.raises(ConfigError, match=line) as caught:
            opened(folder)
        assert "\n" not in str(caught.value)
