"""Real models that are small enough to be made in a test: folders as sentence-transformers lays them out.

folder = tiny_bert(tmp_path / "bge-small-en-v1.5", pooling="cls")     # random weights, the same for the same seed
folder = overlap_cross_encoder(tmp_path / "judge", texts)             # judges by the words in common
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from llm_twin.models.bert_onnx import IR_VERSION, OPSET, write_bert

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
HIDDEN, HEADS, LAYERS, POSITIONS = 32, 4, 2, 64

Weights = dict[str, NDArray[np.float32]]


def write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), "utf-8")


def tiny_tokenizer(folder: Path) -> Tokenizer:
    """Words by their letters, in lower case, with [CLS] and [SEP] as BERT has them."""
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789:.,?!"]
    words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def tiny_bert(
    folder: Path,
    *,
    pooling: str | dict[str, Any] = "mean",
    prompts: dict[str, str] | None = None,
    max_seq_length: int | None = None,
    further: Sequence[str] = ("Normalize",),
    labels: int = 0,
    seed: int = 1,
) -> Path:
    """A BERT with random weights. `labels` > 0 puts a classifier on top; `pooling` may be a whole configuration."""
    folder.mkdir(parents=True)
    words = tiny_tokenizer(folder).get_vocab_size()
    save_file(random_weights(words, labels, seed), folder / "model.safetensors")
    config = {
        "model_type": "bert",
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 0,
    }
    write_json(folder / "config.json", config)
    write_bert(folder / "model.safetensors", folder / "config.json", folder / "model.onnx")
    if labels:
        return folder
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), *((f"{n}_{k}", k) for n, k in enumerate(further, 2))]
    write_json(
        folder / "modules.json",
        [{"idx": n, "path": path, "type": f"sentence_transformers.models.{k}"} for n, (path, k) in enumerate(kinds)],
    )
    flags = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "lasttoken": "lasttoken"}
    legacy = {f"pooling_mode_{flag}": mode == pooling for mode, flag in flags.items()}
    write_json(folder / "1_Pooling/config.json", legacy if isinstance(pooling, str) else pooling)
    if prompts is not None:
        write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    if max_seq_length is not None:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_seq_length})
    return folder


def random_weights(words: int, labels: int, seed: int) -> Weights:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.3, shape).astype(np.float32)

    weights: Weights = {
        "embeddings.word_embeddings.weight": normal(words, HIDDEN),
        "embeddings.position_embeddings.weight": normal(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": normal(2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    linears: list[tuple[str, int, int]] = []
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        linears += [(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN) for part in ("query", "key", "value")]
        linears += [(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)]
        linears += [(f"{layer}.intermediate.dense", 4 * HIDDEN, HIDDEN), (f"{layer}.output.dense", HIDDEN, 4 * HIDDEN)]
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    if labels:
        linears += [("pooler.dense", HIDDEN, HIDDEN), ("classifier", labels, HIDDEN)]
    for name, out, given in linears:
        weights |= {f"{name}.weight": normal(out, given), f"{name}.bias": normal(out)}
    for name in norms:
        weights |= {f"{name}.weight": 1 + normal(HIDDEN), f"{name}.bias": normal(HIDDEN)}
    return {f"bert.{name}" if labels and name != "classifier" else name: array for name, array in weights.items()}


def overlap_cross_encoder(folder: Path, texts: Iterable[str], tokens: int = 512) -> Path:
    """A classifier whose logit is the share of the question's words that the passage has: -4 for none, 4 for all.

    It knows the words of `texts` only.
    """
    folder.mkdir(parents=True)
    words = sorted({word for text in texts for word in re.findall(r"\w+", text.lower())})
    numbered = {word: number for number, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(numbered, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", {"model_type": "bert", "max_position_embeddings": tokens, "pad_token_id": 0})
    node = helper.make_node
    one = TensorProto.FLOAT
    nodes = [
        node("GreaterOrEqual", ["input_ids", "special"], ["is_word"]),
        node("Cast", ["is_word"], ["word"], to=one),
        node("Cast", ["token_type_ids"], ["second"], to=one),
        node("Mul", ["word", "second"], ["in_passage"]),
        node("Sub", ["word", "in_passage"], ["in_question"]),
        node("Unsqueeze", ["input_ids", "last"], ["rows"]),
        node("Unsqueeze", ["input_ids", "middle"], ["columns"]),
        node("Equal", ["rows", "columns"], ["is_same"]),
        node("Cast", ["is_same"], ["same"], to=one),
        node("Unsqueeze", ["in_passage", "last"], ["passage_column"]),
        node("MatMul", ["same", "passage_column"], ["times"]),
        node("Squeeze", ["times", "last"], ["count"]),
        node("Min", ["count", "one"], ["hit"]),
        node("Mul", ["in_question", "hit"], ["found"]),
        node("ReduceSum", ["found", "middle"], ["founds"]),
        node("ReduceSum", ["in_question", "middle"], ["words"]),
        node("Max", ["words", "one"], ["at_least_one"]),
        node("Div", ["founds", "at_least_one"], ["share"]),
        node("Mul", ["share", "eight"], ["scaled"]),
        node("Sub", ["scaled", "four"], ["logits"]),
    ]
    integer = TensorProto.INT64
    save_graph(
        folder / "model.onnx",
        nodes,
        {"input_ids": integer, "attention_mask": integer, "token_type_ids": integer},
        {"logits": ("batch", 1)},
        {
            "special": np.asarray(len(SPECIAL)),
            "middle": np.asarray([1]),
            "last": np.asarray([2]),
            **{name: np.asarray(value, np.float32) for name, value in (("one", 1), ("four", 4), ("eight", 8))},
        },
    )
    return folder


def save_graph(
    file: Path,
    nodes: Sequence[Any],
    inputs: dict[str, int],
    outputs: dict[str, tuple[str | int | None, ...]],
    constants: dict[str, NDArray[Any]],
) -> None:
    """A graph from its nodes; all inputs (batch, tokens) of the given type, outputs float of the given shapes."""
    model = helper.make_model(
        helper.make_graph(
            list(nodes),
            "tiny",
            [helper.make_tensor_value_info(name, kind, ["batch", "tokens"]) for name, kind in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    save(model, str(file))
