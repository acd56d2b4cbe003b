"""Any sentence-transformers model from a folder: pooling, prompts, limits and outputs as its files say."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import load_file

from llm_twin.errors import ConfigError
from llm_twin.models import open_embedder
from llm_twin.models.embed import OnnxEmbedder
from llm_twin.settings import Settings
from tiny_models import HEADS, HIDDEN, LAYERS, save_graph, tiny_bert, tiny_tokenizer, write_json

TEXTS = ["a short one", "one that is a little longer than that", "b"]


def opened(folder: Path, **options: Any) -> OnnxEmbedder:
    embedder = open_embedder(Settings(model=str(folder), models=folder.parent / "cache", **options))
    assert isinstance(embedder, OnnxEmbedder)
    return embedder


def hidden_states(folder: Path, ids: list[int]) -> NDArray[np.float64]:
    """BERT in plain NumPy and double precision, shape (tokens, hidden)."""
    w = {name: array.astype(np.float64) for name, array in load_file(folder / "model.safetensors").items()}

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def heads(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x.reshape(len(x), HEADS, -1).transpose(1, 0, 2)

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
    x = norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
    for layer in (f"encoder.layer.{n}" for n in range(LAYERS)):
        q, k, v = (heads(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        x = norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = linear(x, f"{layer}.intermediate.dense")
        wide *= 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        x = norm(x + linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return x


POOLED = {
    "mean": lambda hidden: hidden.mean(0),
    "cls": lambda hidden: hidden[0],
    "max": lambda hidden: hidden.max(0),
    "lasttoken": lambda hidden: hidden[-1],
}


@pytest.mark.parametrize("pooling", list(POOLED))
def test_a_text_is_pooled_as_the_folder_says(tmp_path: Path, pooling: str) -> None:
    embedder = opened(tiny_bert(tmp_path / "model", pooling=pooling))
    for text, vector in zip(TEXTS, embedder.encode(TEXTS), strict=True):
        wanted = POOLED[pooling](hidden_states(tmp_path / "model", embedder.tokenizer.encode(text).ids))
        assert vector == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-5)


def test_the_newer_way_to_name_the_pooling_is_read_too(tmp_path: Path) -> None:
    old = opened(tiny_bert(tmp_path / "old", pooling="cls")).encode(TEXTS)
    new = opened(tiny_bert(tmp_path / "new", pooling={"pooling_mode": "cls", "embedding_dimension": HIDDEN}))
    assert np.array_equal(new.encode(TEXTS), old)


def test_other_poolings_and_modules_after_it_are_refused_by_name(tmp_path: Path) -> None:
    both = {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}
    with pytest.raises(ConfigError, match="pooling by cls and max is not supported; known are mean, cls"):
        opened(tiny_bert(tmp_path / "both", pooling=both))
    with pytest.raises(ConfigError, match="its module Dense after the pooling is not supported; export it"):
        opened(tiny_bert(tmp_path / "dense", further=["Dense", "Normalize"]))


def test_prompts_go_before_questions_and_passages_and_count_against_the_limit(tmp_path: Path) -> None:
    plain = opened(tiny_bert(tmp_path / "plain"))
    prompted = opened(tiny_bert(tmp_path / "prompted", prompts={"query": "ask: ", "document": "text: "}))
    assert np.allclose(prompted.encode(TEXTS), plain.encode([f"text: {text}" for text in TEXTS]))
    assert np.allclose(prompted.encode_query("why"), plain.encode(["ask: why"])[0], atol=1e-6)
    assert plain.max_tokens == 62
    assert prompted.max_tokens == 62 - len("text:") - 1


def test_a_prompt_may_be_left_out_of_the_pooling(tmp_path: Path) -> None:
    pooling = {"pooling_mode_mean_tokens": True, "include_prompt": False}
    embedder = opened(tiny_bert(tmp_path / "model", pooling=pooling, prompts={"query": "ask: "}))
    hidden = hidden_states(tmp_path / "model", embedder.tokenizer.encode("ask: why").ids)
    wanted = hidden[len(["[CLS]", *"ask:"]) :].mean(0)
    assert embedder.encode_query("why") == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-5)


def test_a_graph_is_loaded_when_something_is_embedded_and_held_to_what_the_files_say(tmp_path: Path) -> None:
    pooling = {"pooling_mode_mean_tokens": True, "word_embedding_dimension": HIDDEN}
    embedder = opened(tiny_bert(tmp_path / "model", pooling=pooling))
    (tmp_path / "model/model.onnx").write_bytes(b"no graph")
    assert embedder.dimension == HIDDEN
    with pytest.raises(ConfigError, match=r"model\.onnx can't be loaded"):
        embedder.encode(TEXTS)
    other = opened(tiny_bert(tmp_path / "other", pooling=pooling | {"word_embedding_dimension": 384}))
    with pytest.raises(ConfigError, match=f"{HIDDEN} dimensions, its configuration says 384"):
        other.encode_query("why")


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("e5-small-v2", "query: ", "passage: "),
        ("multilingual-e5-large", "query: ", "passage: "),
        ("bge-base-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("bge-m3", "", ""),
        ("my-e5-small-v2-notes", "", ""),
    ],
)
def test_a_known_family_has_its_prompts_where_the_files_name_none(
    tmp_path: Path, name: str, query: str, passage: str
) -> None:
    recipe = opened(tiny_bert(tmp_path / name, prompts={"query": "", "document": ""})).recipe
    assert (recipe.query, recipe.passage) == (query, passage)


def test_the_files_own_prompts_come_before_those_of_the_family(tmp_path: Path) -> None:
    recipe = opened(tiny_bert(tmp_path / "e5-small-v2", prompts={"query": "q: "})).recipe
    assert (recipe.query, recipe.passage) == ("q: ", "")


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "positions", "model_type", "limit"),
    [
        (16, None, 64, "bert", 16),
        (256, 32, 64, "bert", 32),
        (256, 10**30, 64, "bert", 64),
        (None, None, 64, "roberta", 62),
        (None, None, None, "bert", 512),
    ],
)
def test_the_least_of_all_limits_counts(
    tmp_path: Path, sentence: int | None, tokenizer: int | None, positions: int | None, model_type: str, limit: int
) -> None:
    folder = tiny_bert(tmp_path / "model", max_seq_length=sentence)
    config = json.loads((folder / "config.json").read_text())
    pad = {"pad_token_id": 1} if model_type == "roberta" else {}
    write_json(folder / "config.json", config | pad | {"model_type": model_type, "max_position_embeddings": positions})
    write_json(folder / "tokenizer_config.json", {"model_max_length": tokenizer})
    embedder = opened(folder)
    assert embedder.max_tokens == limit - 2
    if limit <= 64:
        assert embedder.encode(["a " * embedder.max_tokens]).shape == (1, HIDDEN)
    with pytest.raises(ValueError, match=f"a text of {limit - 1} tokens is over the {limit - 2} that"):
        embedder.encode(["b", "a " * (limit - 1)])


def test_a_long_question_is_read_up_to_the_limit(tmp_path: Path) -> None:
    embedder = opened(tiny_bert(tmp_path / "model", prompts={"query": "ask: "}, max_seq_length=16))
    room = 16 - 2 - len("ask:") - 1
    assert np.array_equal(embedder.encode_query("a " * 500), embedder.encode_query("a " * room))
    assert not np.allclose(embedder.encode_query("a " * 500), embedder.encode_query("a"))


def graph_of_words(folder: Path, node: str, outputs: dict[str, Any], keepdims: int = 1, **constants: Any) -> Path:
    """A model that looks its tokens up in a table; `node` makes the output of what it finds."""
    folder.mkdir()
    tiny_tokenizer(folder)
    words = np.random.default_rng(2).normal(size=(100, 5)).astype(np.float32)
    (output,) = outputs
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["found"])]
    attributes = {} if keepdims else {"keepdims": keepdims}
    nodes.append(helper.make_node(node, ["found", *constants], [output], **attributes))
    inputs = {"input_ids": TensorProto.INT64, "token_type_ids": TensorProto.INT32, "position_ids": TensorProto.INT64}
    save_graph(folder / "model.onnx", nodes, inputs, outputs, {"words": words, **constants})
    return folder


def test_a_dimension_that_the_graph_leaves_open_is_found(tmp_path: Path) -> None:
    shape = ("batch", "tokens", "width")
    assert opened(graph_of_words(tmp_path / "open", "Identity", {"last_hidden_state": shape})).dimension == 5


def test_a_graph_that_pools_itself_is_taken_at_its_word(tmp_path: Path) -> None:
    axis = np.asarray([1])
    output = {"sentence_embedding": ("batch", "width")}
    embedder = opened(graph_of_words(tmp_path / "model", "ReduceMax", output, axis=axis, keepdims=0))
    (vector,) = embedder.encode(["ab"])
    words = np.random.default_rng(2).normal(size=(100, 5)).astype(np.float32)
    wanted = words[embedder.tokenizer.encode("ab").ids].max(0)
    assert vector == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
    with pytest.raises(ConfigError, match=r"can't embed a text: its output sentence_embedding has the shape \(1, 1, 5"):
        opened(graph_of_words(tmp_path / "wrong", "ReduceMax", output, axis=axis))


def test_a_decoder_is_given_an_empty_memory(tmp_path: Path) -> None:
    folder = tmp_path / "decoder"
    folder.mkdir()
    tiny_tokenizer(folder)
    write_json(folder / "1_Pooling/config.json", {"pooling_mode_lasttoken": True})
    words = np.random.default_rng(2).normal(size=(100, 6)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["found"]),
        helper.make_node("Reshape", ["found", "split"], ["heads"]),
        helper.make_node("Transpose", ["heads"], ["turned"], perm=[0, 2, 1, 3]),
        helper.make_node("Concat", ["past_key_values.0.key", "turned"], ["joined"], axis=2),
        helper.make_node("Transpose", ["joined"], ["back"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["back", "join"], ["last_hidden_state"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "decoder",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"]),
                helper.make_tensor_value_info("past_key_values.0.key", TensorProto.FLOAT, ["batch", 2, "past", 3]),
            ],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", 6])],
            [
                helper.make_tensor("words", TensorProto.FLOAT, words.shape, words.ravel()),
                helper.make_tensor("split", TensorProto.INT64, [4], [0, 0, 2, 3]),
                helper.make_tensor("join", TensorProto.INT64, [3], [0, 0, 6]),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    embedder = opened(folder)
    last = words[embedder.tokenizer.encode("ab").ids[-1]]
    assert embedder.encode(["ab", "abc"])[0] == pytest.approx(last / np.linalg.norm(last), abs=1e-6)


def test_files_that_are_not_a_model_are_one_line_each(tmp_path: Path) -> None:
    good = tiny_bert(tmp_path / "good")

    def spoilt(name: str, file: str, content: bytes | None) -> Path:
        folder = tmp_path / name
        shutil.copytree(good, folder)
        (folder / file).write_bytes(content) if content is not None else (folder / file).unlink()
        return folder

    weights = (good / "model.onnx").read_bytes()
    for folder, line in (
        (spoilt("cut", "model.onnx", weights[: len(weights) // 2]), "model.onnx can't be loaded"),
        (spoilt("text", "model.onnx", b"not a graph"), "model.onnx can't be loaded"),
        (spoilt("wordless", "tokenizer.json", None), "no tokenizer.json"),
        (spoilt("words", "tokenizer.json", b"{}"), "tokenizer.json can't be read"),
        (spoilt("config", "config.json", b"{"), "config.json can't be read"),
        (spoilt("list", "config.json", b"[]"), "config.json is no JSON object"),
        (spoilt("modules", "modules.json", b'{"a": 1}'), "modules.json is no list of modules"),
        (spoilt("short", "sentence_bert_config.json", b'{"max_seq_length": 2}'), "reads 2 tokens: none are left"),
        (tiny_bert(tmp_path / "classifier", labels=1), "is no embedding model: its graph gives logits"),
    ):
        with pytest.raises(ConfigError, match=line) as caught:
            pytest.fail(f"{folder} opened: {opened(folder)}")
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_a_graph_that_reads_no_tokens_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    tiny_tokenizer(folder)
    node = helper.make_node("Cast", ["pixels"], ["last_hidden_state"], to=TensorProto.FLOAT)
    save_graph(folder / "model.onnx", [node], {"pixels": TensorProto.INT64}, {"last_hidden_state": ("a", "b")}, {})
    with pytest.raises(ConfigError, match="the graph reads pixels, not the tokens of a text"):
        opened(folder)


def test_a_model_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    shape = ("batch", "tokens", 5)
    nothing = np.full((1, 1, 5), np.nan, np.float32)
    folder = graph_of_words(tmp_path / "nan", "Add", {"last_hidden_state": shape}, nothing=nothing)
    with pytest.raises(ConfigError, match="can't embed a text: the model gave a vector that is zero or not finite"):
        opened(folder)


def test_a_token_that_the_graph_does_not_know_fails_that_text_in_one_line(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    known = json.loads((folder / "tokenizer.json").read_text())
    known["model"]["vocab"]["z"] = 5000
    write_json(folder / "tokenizer.json", known)
    embedder = opened(folder)
    with pytest.raises(ValueError, match=r"the model in .*: .*(bounds|range)") as caught:
        embedder.encode(["z"])
    assert "\n" not in str(caught.value)


def test_a_folders_name_follows_its_files_not_its_place(tmp_path: Path) -> None:
    first = opened(tiny_bert(tmp_path / "a" / "model"))
    moved = opened(Path(shutil.copytree(tmp_path / "a" / "model", tmp_path / "b" / "model")))
    trained = opened(tiny_bert(tmp_path / "c" / "model", seed=2))
    prompted = opened(tiny_bert(tmp_path / "d" / "model", prompts={"query": "q: "}))
    assert first.name == moved.name
    assert first.name.startswith("model-")
    assert len({first.name, trained.name, prompted.name}) == 3


def test_a_clone_of_a_hub_repository_is_a_folder_too(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "model")
    vectors = opened(folder).encode(TEXTS)
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx/model.onnx")
    assert np.array_equal(opened(folder).encode(TEXTS), vectors)


def test_batches_and_their_order_do_not_matter(tmp_path: Path) -> None:
    embedder = opened(tiny_bert(tmp_path / "model"))
    random = np.random.default_rng(3)
    texts = [" ".join("abc"[n % 3] for n in range(random.integers(1, 60))) for _ in range(200)]
    done: list[int] = []
    together = embedder.encode(texts, done.append)
    assert sum(done) == 200
    assert len(done) > 2
    alone = np.concatenate([embedder.encode([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-5)
