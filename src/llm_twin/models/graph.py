"""An ONNX graph that reads tokens: fed in small batches of like length, on every core at once.

Several runs with one thread each, side by side, take a fifth less CPU time than one run with several threads, and
batches of some 500 tokens stay in the cores' own caches: measured with MiniLM on 2 cores, see benchmarks/embedding.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_twin.errors import ConfigError
from llm_twin.models.folder import first_line, graph_file

BATCH_TOKENS = 512
# Operators that onnxruntime 1.32 computes up to four times as slowly as those that they stand for.
SLOW_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]

Array = NDArray[Any]
Finish = Callable[[Array, NDArray[np.int64]], Array]  # (a batch's output, its attention mask) -> one row for each text


class Graph:
    """The graph in a model's folder. Raises `ConfigError` where it is missing, broken, or wants other inputs."""

    def __init__(self, folder: Path, pad: int = 0) -> None:
        import onnxruntime

        self.folder = folder
        self.pad = pad
        file = graph_file(folder)
        if not file:
            raise ConfigError(f"the model in {folder}: no model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the batches run side by side instead
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                file, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
            )
        except Exception as error:  # noqa: BLE001 - a dozen private exceptions
            raise ConfigError(f"the model in {folder}: {file.name} can't be loaded: {_reason(error)}") from None
        self._inputs = {entry.name: entry for entry in self._session.get_inputs()}
        known = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
        strange = [name for name in self._inputs if name not in known and not name.startswith("past_key_values.")]
        if strange or "input_ids" not in self._inputs:
            wanted = ", ".join(strange or self._inputs) or "nothing"
            raise ConfigError(f"the model in {folder}: the graph reads {wanted}, not the tokens of a text")
        self.outputs: dict[str, int] = {  # name -> number of dimensions
            entry.name: len(entry.shape or ()) for entry in self._session.get_outputs()
        }

    def map(
        self,
        rows: Sequence[Sequence[int]],
        output: str,
        finish: Finish,
        *,
        types: Sequence[Sequence[int]] | None = None,
        on_done: Callable[[int], None] | None = None,
    ) -> Array:
        """What `finish` makes of `output` for each row of token ids, in the order of the rows, as float32.

        `types` are the token type ids, zeros without. `on_done` is called with the number of further rows done.
        Raises `ValueError` when the graph can't be run on a row.
        """
        batches = _batches([len(row) for row in rows])

        def run(batch: list[int]) -> Array:
            ids, mask = self._padded([rows[index] for index in batch])
            kinds = _filled([types[index] for index in batch], ids.shape, 0) if types else np.zeros_like(ids)
            try:
                (found,) = self._session.run([output], self._feed(ids, mask, kinds))
            except Exception as error:  # noqa: BLE001 - as above
                raise ValueError(f"the model in {self.folder}: {_reason(error)}") from None
            return finish(np.asarray(found, np.float32), mask)

        results: Array | None = None
        threads = min(len(batches), cores())
        pool = ThreadPoolExecutor(threads) if threads > 1 else None
        try:
            for batch, part in zip(batches, pool.map(run, batches) if pool else map(run, batches), strict=True):
                if results is None:
                    results = np.empty((len(rows), *part.shape[1:]), np.float32)
                results[batch] = part
                if on_done:
                    on_done(len(batch))
        finally:
            if pool:
                pool.shutdown(cancel_futures=True)
        return np.empty((0,), np.float32) if results is None else results

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shape = (len(rows), max(map(len, rows)))
        return _filled(rows, shape, self.pad), _filled([[1] * len(row) for row in rows], shape, 0)

    def _feed(self, ids: Array, mask: Array, kinds: Array) -> dict[str, Array]:
        positions = np.maximum(mask.cumsum(1) - 1, 0)
        known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds, "position_ids": positions}
        feed: dict[str, Array] = {}
        for name, entry in self._inputs.items():
            if name in known:
                feed[name] = known[name].astype(np.int32) if entry.type == "tensor(int32)" else known[name]
            else:  # a decoder's memory of what it read before: of nothing
                batch, heads, _, width = entry.shape
                half = np.float16 if entry.type == "tensor(float16)" else np.float32
                feed[name] = np.zeros((len(ids) if isinstance(batch, str) else batch, heads, 0, width), half)
        return feed


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indexes of rows in batches of some `BATCH_TOKENS`, longest first: little is padded, and no core waits long."""
    order = sorted(range(len(lengths)), key=lambda index: lengths[index], reverse=True)
    batches = []
    while order:
        size = max(1, BATCH_TOKENS // max(1, lengths[order[0]]))
        batches.append(order[:size])
        order = order[size:]
    return batches


def _filled(rows: Sequence[Sequence[int]], shape: tuple[int, ...], pad: int) -> NDArray[np.int64]:
    filled = np.full(shape, pad, np.int64)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    return filled


def _reason(error: BaseException) -> str:
    """What onnxruntime says, without its codes: one line."""
    return first_line(error).split(" : ")[-1]
