"""Cross-encoders: a question and a passage read together, to how well the passage answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Reranker(Protocol):
    """Scores passages against a question."""

    name: str

    def score(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """How well each passage answers, shape (n,), in the order of the passages: between 0 and 1, 1 best.

        A passage that is longer than the model reads is cut at its end, the question never below half of the limit.
        """
        ...


class CrossEncoder:
    """A sequence classification model with one label, from a folder with `model.onnx` and `tokenizer.json`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        raise NotImplementedError

    def score(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """See `Reranker`."""
        raise NotImplementedError
