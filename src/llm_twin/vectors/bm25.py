"""BM25 as sparse vectors: term weights made here, inverse document frequencies by the engine (modifier IDF).

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. Both backends use this one.
Passages are weighted by their words, whole documents by their words and by pairs of neighbouring words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise
from zlib import crc32

from qdrant_edge import Bm25, Bm25Config, SparseVector, TokenizerType

# Terms in 1,000 characters of an article (mean over 76 real ones), about what the embedding model reads at once. For
# whole documents too: on seven collections with 45 to 1,580 terms a document it ranked better than each one's own mean
# (MRR@10 .836 against .832), and it needs no second pass.
AVERAGE_LENGTH = 136.0
K, B = 1.2, 0.75  # the usual saturation and length normalisation
# Longer ones are no words but data: base64, hashes, minified code.
MAX_TERM_LENGTH = 64
# What a pair counts beside a word, after Metzler and Croft, "A Markov Random Field Model for Term Dependencies", SIGIR
# 2005 (theirs: .85 : .10). On the same collections all from .2 to .5 rank better than none, as a mean and on most.
PAIR_WEIGHT = 0.45
# Pairs kept of a document: those that come most often, then those that come first. On nine collections this ranks as
# all pairs do (mean MRR@10 of hybrid .838, with all .837), and an article has some 700.
PAIRS = 128
# Distinct terms that pairs are folded into: the engine keeps every term of a segment in memory, and text has new pairs
# without end. A query's pair is taken for another in one of 2,000 documents; in a quarter as many, ranks still hold.
PAIR_TERMS = 2**18
WORD = re.compile(r"\w+")


def passage_terms(text: str) -> SparseVector:
    """The weighted terms of a passage."""
    return _model().embed_document(text)


def document_terms(text: str) -> SparseVector:
    """The weighted terms of a whole document: its words, and its foremost pairs of neighbouring words."""
    words = _model().embed_document(text)
    weights = dict(zip(words.indices, words.values, strict=True))
    terms = [term for _, term in _terms(text)]
    damping = K * (1 - B + B * len(terms) / AVERAGE_LENGTH)
    for pair, count in Counter(map(_pair, pairwise(terms))).most_common(PAIRS):
        weights[pair] = count * (K + 1) / (count + damping)
    return SparseVector(list(weights), list(weights.values()))


def passage_query(text: str) -> SparseVector:
    """The terms of a question, weight 1 each; none when it has only stop words."""
    return _model().embed_query(text)


def document_query(text: str) -> SparseVector:
    """The terms of a question that is asked of whole documents; none when it has only stop words."""
    words = _model().embed_query(text)
    pairs = dict.fromkeys(map(_pair, pairwise(term for _, term in _terms(text))), PAIR_WEIGHT)
    weights = pairs | dict(zip(words.indices, words.values, strict=True))
    return SparseVector(list(weights), list(weights.values()))


def named_terms(text: str) -> dict[str, SparseVector]:
    """`document_query` taken apart: its terms by the word or pair of the question that they come from."""
    named: dict[str, SparseVector] = {}
    seen: set[int] = set()
    for word in WORD.findall(text):
        terms = [term for term in _model().embed_query(word).indices if term not in seen]
        seen.update(terms)
        if terms:
            named[word] = SparseVector(terms, [1.0] * len(terms))
    for (one, first), (two, second) in pairwise(_terms(text)):
        named.setdefault(f"{one} {two}", SparseVector([_pair((first, second))], [PAIR_WEIGHT]))
    return named


def _terms(text: str) -> Iterator[tuple[str, int]]:
    """The words of a text that are no stop words, in order, with one term each."""
    for word in WORD.findall(text):
        if len(word) <= MAX_TERM_LENGTH and (term := _term(word)) is not None:
            yield word, term


@lru_cache(maxsize=200_000)  # a corpus has fewer words that come often; some 30 MB
def _term(word: str) -> int | None:
    """The term of a word; of the several that a compound name has, always the same one."""
    return min(_model().embed_query(word).indices, default=None)


def _pair(terms: tuple[int, int]) -> int:
    """The term of two words that follow each other: a hash, as the terms of words are."""
    return crc32(b"%d %d" % terms) % PAIR_TERMS


@cache
def _model() -> Bm25:
    # One configuration for all languages, since a question doesn't say in which one the answer is written: English
    # stop words and stems, which do little to other languages and the same to question and passage. The code tokenizer
    # treats prose as usual and finds `snake_case` and `CamelCase` names whole and by their parts.
    return Bm25(
        Bm25Config(
            k=K,
            b=B,
            avg_len=AVERAGE_LENGTH,
            tokenizer=TokenizerType.Code,
            language="english",
            lowercase=True,
            ascii_folding=True,
            max_token_len=MAX_TERM_LENGTH,
        )
    )
