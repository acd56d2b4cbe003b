"""Writes the ONNX graph of a BERT encoder from its weights (safetensors), for machines without the Hugging Face Hub.

The graph is that of Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers", post-norm, exact GELU.
Attention is onnxruntime's fused operator (domain com.microsoft); sums, norms and GELU are plain ones, which it computes
up to four times as fast as its fused SkipLayerNormalization and BiasGelu.
Inputs `input_ids` and `attention_mask`, both (batch, tokens) int64; output `last_hidden_state` (batch, tokens, hidden).
Weights with a classifier on top (a cross-encoder) give a graph with the further input `token_type_ids` and the output
`logits` (batch, labels) instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto

OPSET = 20
IR_VERSION = 10  # the newest that onnxruntime 1.20 reads


def write_bert(weights: Path, config: Path, target: Path) -> None:
    """Write the graph of the model with these weights and this `config.json` to `target`."""
    from onnx import TensorProto, helper, save
    from safetensors.numpy import load_file

    shape = json.loads(config.read_text())
    weights_of = {name.removeprefix("bert."): array for name, array in load_file(weights).items()}
    graph = _Graph(weights_of, heads=shape["num_attention_heads"], epsilon=shape["layer_norm_eps"])
    pairs = "classifier.weight" in weights_of
    hidden = graph.embeddings(pairs)
    for number in range(shape["num_hidden_layers"]):
        hidden = graph.layer(f"encoder.layer.{number}", hidden)
    size = ["batch", "tokens"]
    inputs = ["input_ids", "attention_mask"]
    if pairs:
        inputs.append("token_type_ids")
        graph.classifier(hidden)
        output = helper.make_tensor_value_info(
            "logits", TensorProto.FLOAT, ["batch", len(weights_of["classifier.bias"])]
        )
    else:
        graph.node("Identity", [hidden], output="last_hidden_state")
        output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*size, shape["hidden_size"]])
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, size) for name in inputs],
            [output],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)],
        ir_version=IR_VERSION,
        producer_name="llm-twin",
    )
    save(model, str(target))


class _Graph:
    """The nodes and weights written so far. Methods return the name of the tensor that they add."""

    def __init__(self, weights: dict[str, NDArray[Any]], heads: int, epsilon: float) -> None:
        self.weights = weights
        self.heads = heads
        self.epsilon = epsilon
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def node(self, op: str, inputs: list[str], *, output: str = "", domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        import numpy as np
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def transposed(self, name: str) -> str:
        """A `Linear` weight, stored (out, in), as MatMul wants it."""
        return self.constant(name, self.weights[name].T)

    def embeddings(self, pairs: bool) -> str:
        import numpy as np

        prefix = "embeddings."
        words = self.node("Gather", [self.weight(prefix + "word_embeddings.weight"), "input_ids"])
        length = self.node("Shape", ["input_ids"], start=1, end=2)
        table = self.weight(prefix + "position_embeddings.weight")
        positions = self.node("Slice", [table, self.constant("start", np.zeros(1, np.int64)), length])
        segments = self.weights[prefix + "token_type_embeddings.weight"]
        if pairs:
            segment = self.node("Gather", [self.constant("segments", segments), "token_type_ids"])
        else:  # every token is of the first segment, so its vector is a constant
            segment = self.constant("segment", segments[0])
        total = self.node("Add", [self.node("Add", [words, segment]), positions])
        self.node("Cast", ["attention_mask"], output="mask", to=6)  # INT32, as Attention takes it
        return self.norm(prefix + "LayerNorm", total)

    def layer(self, prefix: str, hidden: str) -> str:
        import numpy as np

        kinds = [f"{prefix}.attention.self.{kind}" for kind in ("query", "key", "value")]
        joined = self.constant(
            f"{prefix}.qkv.weight", np.concatenate([self.weights[f"{k}.weight"].T for k in kinds], 1)
        )
        bias = self.constant(f"{prefix}.qkv.bias", np.concatenate([self.weights[f"{k}.bias"] for k in kinds]))
        attended = self.node("Attention", [hidden, joined, bias, "mask"], domain="com.microsoft", num_heads=self.heads)
        hidden = self.dense_and_norm(f"{prefix}.attention.output", attended, hidden)
        wide = self.node("Gelu", [self.linear(f"{prefix}.intermediate.dense", hidden)])
        return self.dense_and_norm(f"{prefix}.output", wide, hidden)

    def classifier(self, hidden: str) -> str:
        """The logits: tanh of a dense layer on the first token's vector, then a linear one."""
        import numpy as np

        first = self.node("Gather", [hidden, self.constant("first", np.asarray(0))], axis=1)
        pooled = self.node("Tanh", [self.linear("pooler.dense", first)])
        return self.linear("classifier", pooled, output="logits")

    def dense_and_norm(self, prefix: str, value: str, skip: str) -> str:
        """LayerNorm(skip + Linear(value))."""
        total = self.node("Add", [self.linear(f"{prefix}.dense", value), skip])
        return self.norm(f"{prefix}.LayerNorm", total)

    def linear(self, prefix: str, value: str, output: str = "") -> str:
        product = self.node("MatMul", [value, self.transposed(f"{prefix}.weight")])
        return self.node("Add", [product, self.weight(f"{prefix}.bias")], output=output)

    def norm(self, prefix: str, value: str) -> str:
        parts = [self.weight(f"{prefix}.{part}") for part in ("weight", "bias")]
        return self.node("LayerNormalization", [value, *parts], epsilon=self.epsilon)
