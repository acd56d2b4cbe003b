"""Embedding models: text to unit vectors. `OnnxEmbedder` runs sentence-transformers models on onnxruntime.

Where a model's files come from is in `fetch.py`, how they are read in `folder.py`, how the graph is run in `graph.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from llm_twin.errors import ConfigError
from llm_twin.models.folder import GRAPHS, Recipe, first_line, graph_file, load_tokenizer, read_recipe
from llm_twin.models.graph import Array, Graph

# What graphs call one vector for a whole text, and one for each token, the likelier first.
SENTENCE_OUTPUTS = ("sentence_embedding", "sentence_embeddings", "text_embeds", "embeddings")
TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings", "hidden_states")


class Embedder(Protocol):
    """Turns texts into vectors. Longer texts than `max_tokens` must not be passed: `encode` refuses them."""

    name: str  # of model and precision: two embedders of one name give the same vectors

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads of one text; its special tokens and the prompt before a passage not counted."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own, without padding and truncation, or one that counts at least as many tokens."""
        ...

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Vectors of passages, shape (n, dimension), rows L2-normalised, in the order of the texts.

        `on_done` is called with the number of further texts that are done, every second or so. Raises `ValueError`
        when a text has more than `max_tokens` tokens or can't be embedded, `ConfigError` when no text can.
        """
        ...

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a question, shape (dimension,). What it has beyond the model's limit is not read.

        Raises `ConfigError` when it can't be embedded.
        """
        ...


class OnnxEmbedder:
    """A sentence-transformers model from a folder: `model.onnx`, `tokenizer.json`, and what else describes it.

    Its vectors are normalised whether or not it has a module for that: the index compares by cosine.
    The graph is loaded when something is embedded, or at once where the files don't say what it gives: loading takes
    most of the time of an index run that has nothing to do, and of a search by words.
    Raises `ConfigError` when the files are not those of an embedding model; of the graph when it is loaded.
    """

    def __init__(self, folder: Path, name: str, family: str = "") -> None:
        self.name = name
        self.recipe = read_recipe(folder, family or name)
        self.tokenizer = load_tokenizer(folder)
        self._folder = folder
        self._special: int = self.tokenizer.num_special_tokens_to_add(False)
        before = self._prompt_tokens(self.recipe.passage)
        self.max_tokens = self.recipe.tokens - self._special - before
        if self.max_tokens < 1:
            raise ConfigError(f"the model in {folder} reads {self.recipe.tokens} tokens: none are left for a text")
        if not graph_file(folder):
            raise ConfigError(f"the model in {folder}: no {GRAPHS[0]}")
        self.dimension: int = self.recipe.dimension or self._measured()

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """See `Embedder`."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return self._encoded(texts, self.recipe.passage, on_done)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """See `Embedder`."""
        room = self.recipe.tokens - self._special - self._prompt_tokens(self.recipe.query)
        try:
            return np.asarray(
                self._encoded([first_tokens(text, self.tokenizer, room)], self.recipe.query)[0], np.float32
            )
        except ValueError as error:
            raise ConfigError(f"the question can't be embedded with {self.name}: {error}") from None

    def _encoded(self, texts: Sequence[str], prompt: str, on_done: Callable[[int], None] | None = None) -> Array:
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch_fast([prompt + text for text in texts])]
        if longest := next((len(row) for row in rows if len(row) > self.recipe.tokens), 0):
            tokens = longest - self._special - self._prompt_tokens(prompt)
            raise ValueError(f"a text of {tokens} tokens is over the {self.max_tokens} that {self.name} reads")
        skipped = 0 if self.recipe.pools_prompt or not prompt else self._leading(prompt)
        graph, output, pooled = self._loaded

        def finish(found: Array, mask: NDArray[np.int64]) -> Array:
            if found.ndim != (2 if pooled else 3):
                raise ValueError(f"its output {output} has the shape {found.shape}")
            if found.shape[-1] != (self.recipe.dimension or found.shape[-1]):
                raise ConfigError(
                    f"the model in {self._folder} gives vectors of {found.shape[-1]} dimensions, "
                    f"its configuration says {self.recipe.dimension}; correct the latter"
                )
            mask[:, :skipped] = 0
            return normalised(found if pooled else pool(found, mask, self.recipe))

        return graph.map(rows, output, finish, on_done=on_done)

    @cached_property
    def _loaded(self) -> tuple[Graph, str, bool]:
        """The graph, the output to take, and whether it is pooled already."""
        graph = Graph(self._folder, self.recipe.pad)
        return graph, *_output(graph, self.recipe, self._folder)

    def _measured(self) -> int:
        try:
            return int(self._encoded(["a"], "").shape[1])
        except ValueError as error:
            raise ConfigError(f"the model in {self._folder} can't embed a text: {first_line(error)}") from None

    def _prompt_tokens(self, prompt: str) -> int:
        """How many tokens to keep free for a prompt: one more than it has, for where it meets the text."""
        return len(self.tokenizer.encode(prompt, add_special_tokens=False).ids) + 1 if prompt else 0

    def _leading(self, prompt: str) -> int:
        """Tokens up to the end of the prompt, special ones before it counted."""
        special = self.tokenizer.encode(prompt).special_tokens_mask
        return len(special) - next((index for index, flag in enumerate(reversed(special)) if not flag), 0)


def pool(hidden: Array, mask: NDArray[np.int64], recipe: Recipe) -> Array:
    """One vector for each text from those of its tokens: (n, tokens, d) and the mask (n, tokens) to (n, d)."""
    match recipe.pooling:
        case "cls":
            return np.asarray(hidden[np.arange(len(mask)), mask.argmax(1)])
        case "lasttoken":
            return np.asarray(hidden[np.arange(len(mask)), mask.shape[1] - 1 - mask[:, ::-1].argmax(1)])
        case "max":
            return np.asarray(np.where(mask[:, :, None] > 0, hidden, -np.inf).max(1))
        case "mean":
            weights = mask.astype(np.float32)
            return np.asarray(np.einsum("nt,ntd->nd", weights, hidden) / weights.sum(1, keepdims=True))


def normalised(rows: Array) -> Array:
    """Rows of unit length. Raises `ValueError` for one that is zero or not finite."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("the model gave a vector that is zero or not finite")
    return np.asarray(rows / lengths, np.float32)


def first_tokens(text: str, tokenizer: Tokenizer, limit: int) -> str:
    """The beginning of `text` that has at most `limit` tokens."""
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    return text if len(offsets) <= limit else text[: offsets[limit - 1][1]]


def _output(graph: Graph, recipe: Recipe, folder: Path) -> tuple[str, bool]:
    """The output to take, and whether it is pooled already."""
    for name in SENTENCE_OUTPUTS:
        if graph.outputs.get(name) in (0, 2):  # 0: the graph doesn't say
            return name, True
    tokens = [name for name in TOKEN_OUTPUTS if graph.outputs.get(name) in (0, 3)]
    tokens += [name for name, dimensions in graph.outputs.items() if dimensions == 3 and name != "logits"]
    if not tokens:
        raise ConfigError(
            f"the model in {folder} is no embedding model: its graph gives {', '.join(graph.outputs)}, "
            f"not {TOKEN_OUTPUTS[0]} or {SENTENCE_OUTPUTS[0]}"
        )
    if recipe.further:
        raise ConfigError(
            f"the model in {folder}: its module {recipe.further[0]} after the pooling is not supported; "
            f"export it as a graph with the output {SENTENCE_OUTPUTS[0]}"
        )
    return tokens[0], False
