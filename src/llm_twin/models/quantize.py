"""Embedding with 8-bit integers: a graph whose weights are quantised per channel, made once into the model cache.

Dynamic quantisation by onnxruntime: weights per output channel (one scale for a whole matrix loses far too much),
activations as they come. What it costs is measured on the spot, as the cosine to the vectors of the full graph.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llm_twin.errors import ConfigError
from llm_twin.models.embed import OnnxEmbedder, first_tokens
from llm_twin.models.fetch import cache_key, cached, model_folder
from llm_twin.models.folder import first_line, graph_file
from llm_twin.models.graph import SLOW_FUSIONS

REPORT = "int8.json"
QUANTISED = ("MatMul", "Attention")  # the products that take the time; the embedding table keeps its precision
LEAST_COSINE = 0.97  # of any of the sentences below; a model that falls short is refused
SENTENCES = (
    "The kettle boils.",
    "How many chunks does an index hold, and how is each of them found again?",
    "def area(width: float, height: float) -> float:\n    return width * height\n",
    "In 1969 the first message crossed the network: two letters arrived before the other computer went down.",
    "| city | rain in mm |\n| --- | --- |\n| Bergen | 2250 |\n| Cairo | 18 |",
    "Le pain est encore chaud ; la boulangère l'enveloppe dans du papier.",
    "Gradient descent follows the slope of the loss. With a learning rate that is too large it leaps over the valley, "
    "with one that is too small it hardly moves; a schedule starts with a warm-up, then decays along a cosine.",
    "She planted beans along the southern wall, lettuce in the shade of the pear tree, and left the far corner to the "
    "nettles, because the butterflies that she wanted to come back lay their eggs nowhere else.",
)


def int8_folder(name: str, cache: Path) -> Path:
    """The folder of the quantised model; made from the full one when it is not in the cache.

    Raises `ConfigError` when the model is not to be had, the package onnx is missing, or the vectors would be poor.
    """

    def make(target: Path) -> None:
        if not find_spec("onnx"):
            raise ConfigError("TWIN_PRECISION: int8 needs the package onnx once: pip install 'llm-twin[int8]'")
        _quantise(model_folder(name, cache), target, name)

    return cached(cache, int8_key(name), make, whole=REPORT)


def is_quantised(name: str, cache: Path) -> bool:
    """Whether the quantised model is in the cache."""
    return (cache / int8_key(name) / REPORT).is_file()


def int8_key(name: str) -> str:
    """The name of the quantised model's folder in the cache."""
    return f"{cache_key(name)}--int8"


def _quantise(source: Path, target: Path, name: str) -> None:
    for file in source.rglob("*.json"):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    model = OnnxEmbedder(source, name)
    texts = [first_tokens(sentence, model.tokenizer, model.max_tokens) for sentence in SENTENCES]
    full = model.encode(texts)
    cosine = 0.0
    # Processors without 8-bit dot products add up in 16 bits, which overflow unless the weights have 7 bits only.
    for bits in (8, 7):
        _write(source, target / "model.onnx", bits)
        cosine = _least_cosine(full, target, name, texts)
        if cosine >= LEAST_COSINE:
            report = {"bits": bits, "cosine": round(cosine, 4)}
            (target / REPORT).write_text(json.dumps(report), "utf-8")
            return
    raise ConfigError(
        f"TWIN_PRECISION: {name} loses too much with int8 (cosine {cosine:.3f} to its own vectors); use fp32"
    )


def _least_cosine(full: NDArray[np.float32], folder: Path, name: str, texts: list[str]) -> float:
    try:
        return float((full * OnnxEmbedder(folder, name).encode(texts)).sum(1).min())
    except (ConfigError, ValueError):  # rounded to nothing
        return 0.0


def _write(source: Path, target: Path, bits: int) -> None:
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    fused = target.with_suffix(".fused.onnx")
    try:
        _fuse(source, fused)
        with _without_advice():
            quantize_dynamic(
                fused,
                target,
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                reduce_range=bits == 7,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": TensorProto.FLOAT},  # of what onnxruntime's own operators give
            )
    except Exception as error:  # noqa: BLE001 - the quantiser raises anything
        raise ConfigError(f"TWIN_PRECISION: the model in {source} can't be quantised: {first_line(error)}") from None
    finally:
        fused.unlink(missing_ok=True)


def _fuse(source: Path, target: Path) -> None:
    """The graph with the fused operators that onnxruntime finds by itself: attention is quantised as one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(
        graph_file(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
    )


@contextmanager
def _without_advice() -> Iterator[None]:
    """The quantiser logs advice on pre-processing to the root logger, which is of no use to a user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
