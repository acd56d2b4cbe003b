#!/usr/bin/env python3
"""What embedding costs: llm-twin at fp32 and int8, beside plain onnxruntime on the same graph, chunks and machine.

    python benchmarks/embedding.py FOLDER [--every 8] [--rounds 3]

FOLDER holds ArticleDocument.json(.gz). Every nth chunk of its articles is embedded in turn by each, several rounds
interleaved; the best round counts. Plain onnxruntime: batches of 32 chunks sorted by length, its own threads, no
spinning. CPU seconds count all threads. Cosines are to the fp32 vectors.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from llm_twin import Settings, Twin
from llm_twin.models import open_embedder
from llm_twin.models.fetch import model_folder

BATCH = 32

Embed = Callable[[list[str]], Any]


def plain(settings: Settings) -> Embed:
    """onnxruntime as its documentation has it: sorted, padded batches, mean pooling."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    file = model_folder(settings.model, settings.models) / "model.onnx"
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    tokenizer = open_embedder(settings).tokenizer
    tokenizer.enable_padding()

    def embed(texts: list[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        rows = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(texts), BATCH):
            batch = order[start : start + BATCH]
            encodings = tokenizer.encode_batch_fast([texts[index] for index in batch])
            ids = np.asarray([encoding.ids for encoding in encodings])
            mask = np.asarray([encoding.attention_mask for encoding in encodings])
            (hidden,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
            mean = np.einsum("nt,ntd->nd", mask.astype(np.float32), hidden)
            rows[batch] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return rows

    return embed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--every", type=int, default=8, help="take every nth chunk (8)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = Settings.load()
    with tempfile.TemporaryDirectory() as home, Twin(Settings.load(home=home)) as twin:
        twin.import_archive(options.dump)
        chunks = [chunk.to_embed for document in twin.documents() for chunk in twin.chunker.chunk(document)]
    texts = chunks[:: options.every]
    ways: dict[str, Embed] = {
        "plain onnxruntime": plain(settings),
        "llm-twin fp32": open_embedder(settings).encode,
        "llm-twin int8": open_embedder(Settings.load(precision="int8")).encode,
    }
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    vectors: dict[str, Any] = {}
    for _ in range(options.rounds):
        for name, embed in ways.items():
            started = time.perf_counter(), time.process_time()
            vectors[name] = embed(texts)
            wall[name].append((time.perf_counter() - started[0]) / len(texts))
            cpu[name].append((time.process_time() - started[1]) / len(texts))
    reference = vectors["llm-twin fp32"]
    print(f"{len(texts)} of {len(chunks)} chunks, best of {options.rounds} rounds\n")
    print("| | CPU s a chunk | chunks/s | cosine mean | cosine least | same 10 neighbours |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ways:
        cosines = (vectors[name] * reference).sum(1)
        shared = neighbours_shared(vectors[name], reference)
        print(
            f"| {name} | {min(cpu[name]):.4f} | {1 / min(wall[name]):.1f} | {cosines.mean():.4f} "
            f"| {cosines.min():.4f} | {shared:.0%} |"
        )


def neighbours_shared(rows: Any, reference: Any) -> float:
    """The share of each chunk's ten nearest that both sets of vectors agree on."""

    def nearest(vectors: Any) -> Any:
        return np.argsort(-(vectors @ vectors.T), axis=1)[:, 1:11]

    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(nearest(rows), nearest(reference), strict=True)]))


if __name__ == "__main__":
    main()
