"""Writes the ONNX graph of a BERT encoder from its weights (safetensors), for machines without the Hugging Face Hub.

The graph is that of Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers", post-norm, exact GELU,
in onnxruntime's fused operators (domain com.microsoft), which its own optimizer would otherwise have to find.
Inputs `input_ids` and `attention_mask`, both (batch, tokens) int64; output `last_hidden_state` (batch, tokens, hidden).
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
    graph = _Graph(load_file(weights), heads=shape["num_attention_heads"], epsilon=shape["layer_norm_eps"])
    hidden = graph.embeddings()
    for number in range(shape["num_hidden_layers"]):
        hidden = graph.layer(f"encoder.layer.{number}", hidden)
    graph.node("Identity", [hidden], output="last_hidden_state")
    size = ["batch", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, size) for name in ("input_ids", "attention_mask")],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*size, shape["hidden_size"]])],
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

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def transposed(self, name: str) -> str:
        """A `Linear` weight, stored (out, in), as MatMul wants it."""
        return self.constant(name, self.weights[name].T)

    def embeddings(self) -> str:
        import numpy as np

        prefix = "embeddings."
        words = self.node("Gather", [self.weight(prefix + "word_embeddings.weight"), "input_ids"])
        length = self.node("Shape", ["input_ids"], start=1, end=2)
        table = self.weight(prefix + "position_embeddings.weight")
        positions = self.node("Slice", [table, self.constant("start", np.zeros(1, np.int64)), length])
        # Every token is of the first segment, so its vector is a constant.
        segment = self.constant("segment", self.weights[prefix + "token_type_embeddings.weight"][0])
        total = self.node("Add", [self.node("Add", [words, segment]), positions])
        self.node("Cast", ["attention_mask"], output="mask", to=6)  # INT32, as Attention takes it
        return self.node(
            "LayerNormalization",
            [total, self.weight(prefix + "LayerNorm.weight"), self.weight(prefix + "LayerNorm.bias")],
            epsilon=self.epsilon,
        )

    def layer(self, prefix: str, hidden: str) -> str:
        import numpy as np

        kinds = [f"{prefix}.attention.self.{kind}" for kind in ("query", "key", "value")]
        joined = self.constant(
            f"{prefix}.qkv.weight", np.concatenate([self.weights[f"{k}.weight"].T for k in kinds], 1)
        )
        bias = self.constant(f"{prefix}.qkv.bias", np.concatenate([self.weights[f"{k}.bias"] for k in kinds]))
        attended = self.node("Attention", [hidden, joined, bias, "mask"], domain="com.microsoft", num_heads=self.heads)
        hidden = self.dense_and_norm(f"{prefix}.attention.output", attended, hidden)
        wide = self.node("MatMul", [hidden, self.transposed(f"{prefix}.intermediate.dense.weight")])
        wide = self.node("BiasGelu", [wide, self.weight(f"{prefix}.intermediate.dense.bias")], domain="com.microsoft")
        return self.dense_and_norm(f"{prefix}.output", wide, hidden)

    def dense_and_norm(self, prefix: str, value: str, skip: str) -> str:
        """LayerNorm(skip + Linear(value))."""
        dense = self.node("MatMul", [value, self.transposed(f"{prefix}.dense.weight")])
        norm = [self.weight(f"{prefix}.LayerNorm.{part}") for part in ("weight", "bias")]
        return self.node(
            "SkipLayerNormalization",
            [dense, skip, *norm, self.weight(f"{prefix}.dense.bias")],
            domain="com.microsoft",
            epsilon=self.epsilon,
        )
