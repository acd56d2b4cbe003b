"""Chunking: a cleaned text cut into passages that the embedding model reads to their last token.

The passages cover the text: joined in order they are the text again (without overlap). Cuts follow the document:
sections, blocks and sentences of Markdown, definitions of source code. A passage is embedded under the path of its
headings, "Title › Section", which counts.
"""

from __future__ import annotations

import logging
import re
from functools import reduce
from urllib.parse import parse_qs, unquote, urlsplit

from tokenizers import Tokenizer

from llm_twin.documents import Chunk, Document, Kind, digest
from llm_twin.errors import ConfigError
from llm_twin.features.blocks import Block, TokenCount, Units, line_starts, sentence_ends
from llm_twin.features.clean import VERSION as CLEANER_VERSION
from llm_twin.features.clean import clean
from llm_twin.features.headings import common, fitted
from llm_twin.features.pack import packed

log = logging.getLogger(__name__)

VERSION = "2"  # part of every fingerprint: a change here rebuilds what is indexed

HEADING_SHARE = 4  # the path of headings takes at most one in so many of the tokens
# Two neighbours never share a chunk when each has at least this share of the limit.
OWN_SECTION = 1 / 8
OWN_CODE = 1 / 2  # definitions are many and short
FEWEST_TOKENS = 32  # that make a chunk
MARKDOWN = frozenset({"Markdown", "MDX", "Quarto", "Jupyter Notebook"})  # source files that are Markdown
INTO_FILES = ("/-/blob/", "/blob/", "/src/branch/")  # between a repository's link and the path of its file


class Chunker:
    """Cuts documents for one embedding model, whose own tokenizer counts.

    `max_tokens`: what the model reads of one text, its special tokens not counted. `chunk_tokens`: a limit below that
    of the model, 0 for none. `overlap`: how many tokens of the passage before, at most, are repeated where a section
    was torn. Raises `ConfigError` for numbers that do not go together.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_tokens: int, model: str, *, chunk_tokens: int = 0, overlap: int = 0
    ) -> None:
        if 0 < chunk_tokens < FEWEST_TOKENS:
            raise ConfigError(f"TWIN_CHUNK_TOKENS: {chunk_tokens} is too few; give at least {FEWEST_TOKENS}")
        if chunk_tokens > max_tokens:
            said = "TWIN_CHUNK_TOKENS: %d is over the %d that %s reads; these are taken"
            log.warning(said, chunk_tokens, max_tokens, model)
        self.tokenizer = tokenizer
        self.max_tokens = min(chunk_tokens or max_tokens, max_tokens)
        self.model = model
        self.overlap = overlap
        if overlap and overlap * 2 >= self.max_tokens:
            most = (self.max_tokens - 1) // 2
            raise ConfigError(
                f"TWIN_CHUNK_OVERLAP: {overlap} is half a chunk of {self.max_tokens} tokens or more; "
                f"give at most {most}"
            )

    def fingerprint(self, content_hash: str) -> str:
        """What the index holds of a document depends on this, and on nothing else."""
        limits = (str(self.max_tokens), str(self.overlap))
        return digest(content_hash, CLEANER_VERSION, VERSION, self.model, *limits)

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
        root = (repository_of(link), title) if kind == "code" else (title,)
        dotted = kind == "code" and language not in MARKDOWN
        whole = _Text(
            self, text, _blocks(text, kind, language, title), [" ".join(part.split()) for part in root], dotted
        )
        return tuple(
            Chunk(
                id=digest(document_id, str(start), text[start:end]),
                document_id=document_id,
                start=start,
                end=end,
                text=text[start:end],
                heading=heading,
            )
            for start, end, heading in whole.stretches()
        )

    def tokens(self, text: str) -> int:
        """How many tokens a text has, special ones not counted."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)


def repository_of(link: str) -> str:
    """The repository that a source file's link names: its path up to where the files begin."""
    parts = urlsplit(link)
    path = parts.path if "file" in parse_qs(parts.query) else ""
    for mark in INTO_FILES:
        if not path and mark in parts.path:
            path = parts.path.partition(mark)[0]
    return unquote(path).strip("/").removesuffix(".git")


def _blocks(text: str, kind: Kind, language: str | None, path: str) -> Block:
    # The parsers are imported where something is cut: most of a run that finds nothing to do would go into that.
    if kind != "code" or language in MARKDOWN:
        from llm_twin.features.markdown_blocks import markdown_blocks

        return markdown_blocks(text)
    from llm_twin.features.code_blocks import code_blocks

    return code_blocks(text, language, path)


class _Text:
    """One text on its way into chunks."""

    def __init__(self, chunker: Chunker, text: str, block: Block, root: list[str], dotted: bool) -> None:
        self.chunker = chunker
        self.text = text
        self.block = block
        self.root = root
        self.dotted = dotted  # the path below the root is that of a definition
        self.count = TokenCount(chunker.tokenizer, text)
        self._headings: dict[tuple[str, ...], tuple[str, int]] = {}

    def stretches(self) -> list[tuple[int, int, str]]:
        """(start, end, heading) of each chunk. None is over the limit, which is checked on the finished chunks."""
        limit = self.chunker.max_tokens
        for _ in range(4):
            found = self._stretches(limit)
            over = max(self._sizes(found)) - self.chunker.max_tokens
            if over <= 0:
                return found
            limit -= over  # a tokenizer for which the tokens of the parts are not those of the whole
            if limit < FEWEST_TOKENS:
                break
        return self._halved(found)

    def _stretches(self, limit: int) -> list[tuple[int, int, str]]:
        overlap = self.chunker.overlap

        def room(path: tuple[str, ...]) -> int:
            return limit - overlap - self.heading(path)[1]

        units = Units(self.text, self.count, room).of(self.block)
        found: list[tuple[int, int, str]] = []
        start = 0
        for first, end in packed(units, room, limit - overlap, OWN_CODE if self.dotted else OWN_SECTION):
            path = reduce(common, (unit.path for unit in units[first:end]))
            before, start = start, units[first].start
            torn = first and units[first].section == units[first - 1].section
            begin = self._earlier(before, start) if overlap and torn else start
            found.append((begin, units[end - 1].end, self.heading(path)[0]))
        return found

    def _earlier(self, after: int, start: int) -> int:
        """Where a passage begins that repeats the end of the one before: at a line or sentence, else at a word."""
        before = self.text[after:start]
        edges = sorted({after + edge for edge in [*sentence_ends(before), *line_starts(before)] if edge})
        words = (after + found.end() for found in re.finditer(r"\s+", before) if found.end() < len(before))
        for places in (edges, words):
            for place in places:
                if self.count(place, start) <= self.chunker.overlap:
                    return place
        return start

    def heading(self, path: tuple[str, ...]) -> tuple[str, int]:
        """The line above a chunk, and the tokens that it takes."""
        if path not in self._headings:
            names = [*self.root, ".".join(path)] if self.dotted and path else [*self.root, *path]
            line = fitted(_distinct(names), self.chunker.max_tokens // HEADING_SHARE, self.chunker.tokenizer)
            self._headings[path] = (line, self.chunker.tokens(line))
        return self._headings[path]

    def _sizes(self, found: list[tuple[int, int, str]]) -> list[int]:
        texts = [_to_embed(heading, self.text[start:end]) for start, end, heading in found]
        encodings = self.chunker.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [len(encoding.ids) for encoding in encodings]

    def _halved(self, found: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
        """The last resort: chunks that are over the limit cut in the middle until they fit, without a heading."""
        fitting: list[tuple[int, int, str]] = []
        waiting = list(reversed(found))
        while waiting:
            start, end, heading = waiting.pop()
            if self._sizes([(start, end, heading)])[0] <= self.chunker.max_tokens or end - start == 1:
                fitting.append((start, end, heading))
            elif heading:
                waiting.append((start, end, ""))
            else:
                middle = (start + end) // 2
                word = self.text.rfind(" ", start + (middle - start) // 2, middle) + 1
                waiting += [(word or middle, end, ""), (start, word or middle, "")]
        return fitting


def _to_embed(heading: str, text: str) -> str:
    return Chunk(id="", document_id="", start=0, end=0, text=text, heading=heading).to_embed


def _distinct(names: list[str]) -> list[str]:
    """The names without empty ones and those that say again what stands before: an article's first heading."""
    kept: list[str] = []
    for name in names:
        if name and name.casefold() not in (before.casefold() for before in kept):
            kept.append(name)
    return kept
