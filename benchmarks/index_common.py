"""What the contestants of benchmarks/index.py share: how they are measured and what they report."""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

READ, SPECIAL = 254, 2  # tokens that all-MiniLM-L6-v2 reads of a text, beside its two special ones


@dataclass
class Sync:
    """One run of one contestant over the documents."""

    load_seconds: float  # imports, the model, opening what was stored
    seconds: float
    cpu_seconds: float
    embedded: Sequence[str]  # the texts that the model was given
    texts: Mapping[str, str]  # by document id: what was cut into chunks
    chunks: Mapping[str, Sequence[str]]  # by document id: what it should be cut into
    stored: Mapping[str, Sequence[str]]  # by document id: the vectors that are stored, by their text or id
    expected: Mapping[str, Sequence[str]]  # by document id: those that should be


def cpu_seconds() -> float:
    """User and system seconds of this process and its children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def write(sync: Sync, tokenizer_file: Path, result: Path) -> None:
    """Write the figures of a run. Tokens are the model's own, counted after the run."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def counts(texts: Sequence[str]) -> list[int]:
        return [len(found.ids) for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    given = counts(sync.embedded)
    pieces = counts([text for texts in sync.chunks.values() for text in texts])
    figures = {
        "load_seconds": sync.load_seconds,
        "seconds": sync.seconds,
        "cpu_seconds": sync.cpu_seconds,
        "embedded": len(sync.embedded),
        "chunks": len(pieces),
        "chunks_by_document": {name: len(texts) for name, texts in sync.chunks.items()},
        "over_limit": sum(count > READ for count in given),
        "tokens_given": sum(min(count, READ) + SPECIAL for count in given),
        "tokens_of_text": sum(counts(list(sync.texts.values()))),
        "tokens_read": sum(min(count, READ) for count in pieces),  # of the text, under headings or not
        "vectors": sum(map(len, sync.stored.values())),
        "vectors_by_document": {name: len(items) for name, items in sync.stored.items()},
        "stale": sum(len(set(items) - set(sync.expected.get(name, ()))) for name, items in sync.stored.items()),
        "missing": sum(len(set(items) - set(sync.stored.get(name, ()))) for name, items in sync.expected.items()),
    }
    result.write_text(json.dumps(figures))
