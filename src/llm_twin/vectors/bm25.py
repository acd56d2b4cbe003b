"""BM25 as sparse vectors: term weights made here, inverse document frequencies by the engine (modifier IDF).

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. Both backends use this one.
"""

from __future__ import annotations

from functools import cache

from qdrant_edge import Bm25, Bm25Config, SparseVector, TokenizerType

# Terms in 1,000 characters of an article (mean over 76 real ones), about what the embedding model reads at once.
AVERAGE_LENGTH = 136.0
# Longer ones are no words but data: base64, hashes, minified code.
MAX_TERM_LENGTH = 64


def document_terms(text: str) -> SparseVector:
    """The weighted terms of a passage."""
    return _model().embed_document(text)


def query_terms(text: str) -> SparseVector:
    """The terms of a question, weight 1 each; none when it has only stop words."""
    return _model().embed_query(text)


@cache
def _model() -> Bm25:
    # One configuration for all languages, since a question doesn't say in which one the answer is written: English
    # stop words and stems, which do little to other languages and the same to question and passage. The code tokenizer
    # treats prose as usual and finds `snake_case` and `CamelCase` names whole and by their parts.
    return Bm25(
        Bm25Config(
            avg_len=AVERAGE_LENGTH,
            tokenizer=TokenizerType.Code,
            language="english",
            lowercase=True,
            ascii_folding=True,
            max_token_len=MAX_TERM_LENGTH,
        )
    )
