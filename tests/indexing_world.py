"""A small embedding model that counts words, documents to index, and everything that a twin's index holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from llm_twin import Author, Document, Settings, Twin
from llm_twin.vectors.store import VectorStore

ADA, BEN = Author.named("Ada Example"), Author.named("Ben Example")
Vectors = NDArray[np.float32]
# Where dozens of indexes are made or hundreds of writes flushed: on a busy disk that takes minutes.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


class WordsEmbedder:
    """Vectors that say which words a text has; counts what it is given, and fails at texts with a marked word."""

    max_tokens = 40

    def __init__(self, name: str = "words", dimension: int = 16) -> None:
        self.name = name
        self.dimension = dimension
        self.tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self.embedded: list[str] = []
        self.fails: dict[str, BaseException] = {}  # by a word of the text
        self.spoilt = ""  # a word whose texts get vectors that are no numbers

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        for text in texts:
            for word, error in self.fails.items():
                if word in text:
                    raise error
        rows = np.stack([self.encode_query(text) for text in texts])
        rows[[bool(self.spoilt) and self.spoilt in text for text in texts]] = np.nan
        self.embedded += texts
        if on_done:
            on_done(len(texts))
        return rows

    def encode_query(self, text: str) -> Vectors:
        row = np.full(self.dimension, 0.01, np.float32)
        for word in text.split():
            row[crc32(f"{self.name} {word}".encode()) % self.dimension] += 1
        return row / np.linalg.norm(row)


def article(number: int, text: str, author: Author = ADA, **fields: Any) -> Document:
    return Document.of(
        author,
        f"https://{author.name.split()[0].lower()}.example/{number}",
        **{"kind": "article", "platform": "blog", "title": f"Title {number}", "text": text} | fields,
    )


def opened(home: Path, embedder: WordsEmbedder, progress: Any = None) -> Twin:
    """A twin on this home with the small model."""
    twin = Twin(Settings.load(home=home), progress)
    twin.embedder = embedder
    for author in (ADA, BEN):
        twin.warehouse.put_author(author)
    return twin


def contents(vectors: VectorStore) -> dict[str, Any]:
    """Everything that an index holds, vectors included."""
    chunks = {}
    for document_id in vectors.chunk_ids():
        found = vectors.chunks_of(document_id)
        rows = vectors.vectors_of([each.chunk.id for each in found])
        chunks[document_id] = [
            (each.card, each.chunk, [round(float(number), 5) for number in rows[each.chunk.id]]) for each in found
        ]
    return {
        "ledger": vectors.ledger(),
        "documents": {document.document_id: document for document in vectors.snapshot()},
        "chunks": chunks,
        "count": vectors.count(),
    }
