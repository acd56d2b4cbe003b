"""Chunking: a cleaned text cut into passages that the embedding model reads to their last token.

The passages cover the text: joined in order they are the text again. Cuts follow Markdown's structure
(headings, blocks, sentences), in code its lines, by semantic-text-splitter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from llm_twin.documents import Chunk, Document, Kind, digest
from llm_twin.features.clean import VERSION as CLEANER_VERSION
from llm_twin.features.clean import clean

VERSION = "1"  # part of every fingerprint: a change here rebuilds what is indexed


class Chunker:
    """Cuts documents for one embedding model. `max_tokens` is counted by the model's own tokenizer."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, model: str) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.model = model

    @cached_property
    def _markdown(self) -> MarkdownSplitter:
        return MarkdownSplitter.from_huggingface_tokenizer(self.tokenizer, self.max_tokens, trim=False)

    @cached_property
    def _lines(self) -> TextSplitter:
        return TextSplitter.from_huggingface_tokenizer(self.tokenizer, self.max_tokens, trim=False)

    def fingerprint(self, content_hash: str) -> str:
        """What the index holds of a document depends on this, and on nothing else."""
        return digest(content_hash, CLEANER_VERSION, VERSION, self.model, str(self.max_tokens))

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """The passages of the cleaned document, in order. A document of white space has none."""
        fields = {name: getattr(document, name) for name in ("kind", "title", "link", "language")}
        return self.cut(clean(document), document_id=document.id, **fields)

    def cut(
        self, text: str, *, document_id: str, kind: Kind, title: str = "", link: str = "", language: str | None = None
    ) -> tuple[Chunk, ...]:
        """The passages of a text that is cleaned already, in order; the other arguments are the document's fields."""
        if not text.strip():
            return ()
        split: Callable[[str], list[tuple[int, str]]] = (
            self._lines.chunk_indices if kind == "code" else self._markdown.chunk_indices
        )
        return tuple(
            Chunk(
                id=digest(document_id, str(start), piece),
                document_id=document_id,
                start=start,
                end=start + len(piece),
                text=piece,
            )
            for start, piece in split(text)
        )
