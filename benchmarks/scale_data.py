"""Synthetic chunks for benchmarks/scale.py: vectors in clusters, text with the word frequencies of English.

Batches are made one by one from their number alone, so that nothing has to be kept to make them again.

A vector is the sum of a topic's (of 500), a document's and its own, each Gaussian with the variance of dimension i
falling as 1 / (i + 1): two chunks of a document have a cosine of .58 in the mean, two of a topic .25, others 0. A
question's vector is as near to a chunk as to chance (cosine .7). Words follow Zipf and Mandelbrot, p ~ 1 / (rank +
2.7), over 50,000 words of which the first hundred are stop words of English. They come in phrases of six, which come
again as words do, so that 76 articles have about as many different pairs of words as real ones: 57 in 100, theirs 53.
Lengths are log-normal, 150 words in the median, at most 260.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_twin.documents import Chunk, digest
from llm_twin.vectors.store import DocumentCard, Indexed

DIMENSION, TOPICS, AUTHORS, PER_DOCUMENT = 384, 500, 20, 20
BATCH = 64 * PER_DOCUMENT  # chunks: as many documents as an index run finishes together
MODEL = "synthetic"
VOCABULARY = 50_000
PHRASES, PHRASE = 500_000, 6  # how many there are, and words in one
STOP_WORDS = """
    the of and to a in is that it was for on are as with his they at be this from have or by one had not but what all
    were when we there can an your which their said if do will each about how up out them then she many some so these
    would other into has her two like him see time could no make than first been its who now people my made over did
    down only way find use may long little very after
"""
COMMON = STOP_WORDS.split()
SYLLABLES = [first + vowel + last for first in "bdfgklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "s")]

Array = NDArray[np.float32]


class Question(NamedTuple):
    """A search: its words, its vector, and the author that it may be restricted to."""

    words: str
    vector: Array
    author_id: str


def batches(chunks: int) -> Iterator[list[Indexed]]:
    """Documents of `PER_DOCUMENT` chunks each, `BATCH` chunks at a time."""
    for number in range(-(-chunks // BATCH)):
        vectors, written = batch_vectors(number), texts(number)
        yield [_document(number, index, vectors, written) for index in range(BATCH // PER_DOCUMENT)]


def batch_vectors(number: int) -> Array:
    """The vectors of a batch, shape (BATCH, DIMENSION)."""
    random = np.random.default_rng((1, number))
    documents = BATCH // PER_DOCUMENT
    topics = np.repeat(_topics()[random.integers(0, TOPICS, documents)], PER_DOCUMENT, 0)
    own = np.repeat(_gaussian(random, documents), PER_DOCUMENT, 0)
    return _unit(0.5 * topics + 0.57 * own + 0.65 * _gaussian(random, BATCH))


def texts(number: int) -> list[str]:
    """The texts of a batch."""
    random = np.random.default_rng((3, number))
    words, _ = _vocabulary()
    lengths = np.clip(random.lognormal(np.log(150), 0.5, BATCH), 5, 260).astype(int)
    phrases, shares = _phrases()
    total = lengths.sum()
    drawn = words[phrases[np.searchsorted(shares, random.random(total // PHRASE + 1) * shares[-1])].ravel()[:total]]
    ends = np.cumsum(lengths)
    return [" ".join(drawn[end - length : end]) + " " for end, length in zip(ends, lengths, strict=True)]


def questions(chunks: int, number: int) -> list[Question]:
    """Questions that chunks drawn at random answer."""
    random = np.random.default_rng((2, number))
    found = []
    for _ in range(number):
        batch = int(random.integers(0, chunks // BATCH))
        row = int(random.integers(0, BATCH))
        words = list(dict.fromkeys(word for word in texts(batch)[row].split() if word not in COMMON))
        chosen = [words[index] for index in random.choice(len(words), min(6, len(words)), replace=False)]
        vector = _unit(batch_vectors(batch)[row : row + 1] + _gaussian(random, 1))[0]
        found.append(Question(" ".join(chosen), vector, author_of(batch, row // PER_DOCUMENT)))
    return found


def author_of(batch: int, index: int) -> str:
    """The author of a document."""
    return digest("author", str((batch * (BATCH // PER_DOCUMENT) + index) % AUTHORS))


def chunk_id(batch: int, row: int) -> str:
    """The id of a chunk."""
    return digest("chunk", str(batch), str(row))


def _document(batch: int, index: int, vectors: Array, written: list[str]) -> Indexed:
    name = digest("document", str(batch), str(index))
    rows = range(index * PER_DOCUMENT, (index + 1) * PER_DOCUMENT)
    chunks, start = [], 0
    for row in rows:
        end = start + len(written[row])
        about = {"document_id": name, "heading": f"Article {index} › Part {row}"}
        chunks.append(Chunk(id=chunk_id(batch, row), start=start, end=end, text=written[row], **about))
        start = end
    card = DocumentCard(
        document_id=name,
        author_id=author_of(batch, index),
        author="Ann Author",
        kind="article",
        platform="medium",
        link=f"https://example.com/{batch}/{index}",
        title=f"Article {index} of {batch}",
        published_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=(batch * 64 + index) % 2000),
        model=MODEL,
        fingerprint=digest("fingerprint", name),
    )
    return Indexed(card=card, chunks=tuple(chunks), vectors=vectors[rows.start : rows.stop])


@cache
def _topics() -> Array:
    return _gaussian(np.random.default_rng(0), TOPICS)


def _gaussian(random: np.random.Generator, rows: int) -> Array:
    """Of expected length 1."""
    scale = (np.arange(DIMENSION) + 1.0) ** -0.5
    scale /= np.linalg.norm(scale)
    return random.standard_normal((rows, DIMENSION), np.float32) * scale.astype(np.float32)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@cache
def _vocabulary() -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """The words, the most frequent first, and the distribution function over them."""
    count = len(SYLLABLES)
    rare = ["".join(SYLLABLES[rank // step % count] for step in (1, count, 7)) for rank in range(VOCABULARY)]
    words = np.array([*COMMON, *dict.fromkeys(rare)])
    share = 1 / (np.arange(len(words)) + 2.7)
    return words, np.cumsum(share / share.sum())


@cache
def _phrases() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ranks of each phrase's words, the most frequent phrase first, and the distribution function over phrases."""
    random = np.random.default_rng(4)
    _, distribution = _vocabulary()
    ranks = np.searchsorted(distribution, random.random((PHRASES, PHRASE)) * distribution[-1])
    return ranks, np.cumsum((np.arange(PHRASES) + 20.0) ** -1.1)
