#!/usr/bin/env python3
"""How well search finds what is meant: dense, sparse and hybrid, through the same doors as `twin index` and `search`.

    python benchmarks/retrieval.py --handbook DUMP
    python benchmarks/retrieval.py --corpus FILE --queries FILE --qrels FILE

The first is known-item search on the articles of the handbook's warehouse dump (a folder with ArticleDocument.json(.gz)
and UserDocument.json): each article is looked for by its subtitle, where that has more than 20 characters; title and
subtitle are removed from its text. Measured are MRR@10 and its 95 % interval (bootstrap over queries): with the title
blank everywhere, with the title kept as a document's title, and on the passages that the handbook's cleaning and
chunking would make. "plain RRF" is a baseline: the two rankings of passages fused with equal weights by reciprocal rank
(Cormack, Clarke and Büttcher 2009).

The second takes any collection in the form of BEIR (jsonl, jsonl, tsv) or TREC (<DOC> records or jsonl, topics, qrels)
and prints nDCG@10 and recall@10. Nothing is tuned to a collection: there is nothing to set.

Metrics as in trec_eval: nDCG with gain rel / log2(rank + 1) against the ideal order of all that is relevant (Järvelin
and Kekäläinen 2002), averaged over the queries that have a relevant document. As in BEIR, a document with the id of the
query is not counted as found, unless it is judged to answer it: ids that are numbers may agree by chance.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from retrieval_collections import read_corpus, read_judgements, read_queries

from llm_twin import Settings, Twin
from llm_twin.collect.archives.handbook import read_dump
from llm_twin.documents import SEARCH_MODES, Author, Chunk, Document, digest
from llm_twin.models.embed import Embedder
from llm_twin.retrieve.search import Query, check_mode, search
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.store import ChunkFilter, DocumentCard, Indexed, VectorStore

DEPTH = 10
RESAMPLES = 10_000
RRF_K = 60
BATCH = 200  # documents stored at once
Rank = Callable[[str, str], list[str]]  # (question, mode) to document ids, best first


class Asked(NamedTuple):
    """A query with the relevance of the documents that answer it."""

    id: str
    text: str
    relevant: dict[str, int]


# --- metrics, of one query


def reciprocal_rank(found: Sequence[str], relevant: dict[str, int]) -> float:
    """1 / rank of the first relevant document among the first ten."""
    return next((1 / rank for rank, name in enumerate(found[:DEPTH], start=1) if name in relevant), 0.0)


def ndcg(found: Sequence[str], relevant: dict[str, int]) -> float:
    """Discounted cumulative gain of the first ten, as a share of the best possible."""
    ideal = sorted(relevant.values(), reverse=True)[:DEPTH]
    gains = [relevant.get(name, 0) for name in found[:DEPTH]]
    return _discounted(gains) / _discounted(ideal)


def recall(found: Sequence[str], relevant: dict[str, int]) -> float:
    """Share of the relevant documents that are among the first ten."""
    return len(set(found[:DEPTH]) & set(relevant)) / len(relevant)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile interval of the mean, by bootstrap over queries (Efron 1979), the same every time."""
    random, known = np.random.default_rng(0), np.asarray(values)
    means = [random.choice(known, len(known)).mean() for _ in range(RESAMPLES)]  # one by one: queries may be many
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


# --- the two kinds of index


def ranker(store: VectorStore, embedder: Embedder) -> Rank:
    """Search as the product does it, and plain RRF beside."""

    def rank(question: str, mode: str) -> list[str]:
        if not question.strip():
            return []
        if mode == "plain RRF":
            return _reciprocal_rank_fusion(question, store, embedder)
        query = Query(question=question, limit=DEPTH + 1, mode=check_mode(mode))
        hits = search(query, store, embedder.encode_query)
        return [hit.document_id for hit in hits]

    return rank


def _reciprocal_rank_fusion(question: str, store: VectorStore, embedder: Embedder) -> list[str]:
    depth, where, scores = 50, ChunkFilter(), dict[str, float]()
    document_of: dict[str, str] = {}
    for ranking in (store.dense(embedder.encode_query(question), where, depth), store.sparse(question, where, depth)):
        for rank, found in enumerate(ranking, start=1):
            scores[found.chunk.id] = scores.get(found.chunk.id, 0.0) + 1 / (RRF_K + rank)
            document_of[found.chunk.id] = found.chunk.document_id
    return list(dict.fromkeys(document_of[name] for name in sorted(scores, key=lambda name: -scores[name])))


def handbook_passages(text: str) -> Iterator[str]:
    """What the handbook would embed of an article: its cleaning and its chunks, after its published description.

    Everything but word characters, white space and . , ! ? becomes a space; runs of white space one space. Sentences
    are added up to 2,000 characters; a passage shorter than 1,000 is dropped.
    """
    cleaned = re.sub(r"\s+", " ", re.sub(r"[^\w\s.,!?]", " ", text)).strip()
    passage = ""
    for sentence in re.split(r"(?<!\w\.\w.)(?<![A-Z][a-z]\.)(?<=[.?!])\s", cleaned):
        if passage and len(passage) + len(sentence) > 2_000:
            if len(passage) >= 1_000:
                yield passage.strip()
            passage = ""
        passage += sentence + " "
    if len(passage) >= 1_000:
        yield passage.strip()


def index_as_the_handbook(documents: Sequence[Document], store: VectorStore, embedder: Embedder) -> None:
    """Put the handbook's passages of these documents into a store; of what is too long the end is not embedded."""
    for document in documents:
        texts = list(handbook_passages(document.text))
        offsets = [embedder.tokenizer.encode(text, add_special_tokens=False).offsets for text in texts]
        read = [
            text[: spans[embedder.max_tokens - 1][1]] if len(spans) > embedder.max_tokens else text
            for text, spans in zip(texts, offsets, strict=True)
        ]
        fields = document.model_dump(include=set(DocumentCard.model_fields))
        card = DocumentCard(**fields | {"title": ""}, document_id=document.id, model=embedder.name, fingerprint="1")
        chunks = tuple(
            Chunk(id=digest(document.id, str(at)), document_id=document.id, start=at, end=at + len(text), text=text)
            for at, text in zip(np.cumsum([0, *map(len, texts)]).tolist(), texts, strict=False)
        )
        vectors = embedder.encode(read) if read else np.empty((0, embedder.dimension), np.float32)
        store.put([Indexed(card=card, chunks=chunks, vectors=vectors)])


def index_as_we_do(documents: Sequence[Document], twin: Twin) -> None:
    """Store the documents in an empty twin and index them."""
    twin.warehouse.put_author(Author.named(documents[0].author))
    for start in range(0, len(documents), BATCH):
        twin.warehouse.put(documents[start : start + BATCH])
    report = twin.index()
    if report.failed:
        print(f"{len(report.failed)} documents could not be indexed: {report.failed[0].detail}", file=sys.stderr)


# --- the two measurements


def known_items(dump: Path, settings: Settings) -> None:
    """The table of known-item search."""
    _, documents = read_dump(dump)
    subtitles = {document.id: str(document.metadata.get("subtitle") or "") for document in documents}
    asked = [Asked(name, text, {name: 1}) for name, text in subtitles.items() if len(text) > 20]
    kept = [
        document.model_copy(update={"text": without(document.text, document.title, subtitles[document.id])})
        for document in documents
    ]
    blank = [document.model_copy(update={"title": ""}) for document in kept]
    print(f"{len(asked)} subtitles, {len(documents)} articles; MRR@10 with its 95 % interval\n")
    modes = (*SEARCH_MODES, "plain RRF")
    print(f"{'':<38}{'chunks':>7}  " + "".join(f"{mode:<20}" for mode in modes))
    for title, some in (("llm-twin, titles blank", blank), ("llm-twin, titles kept", kept)):
        with tempfile.TemporaryDirectory() as home, Twin(settings.model_copy(update={"home": Path(home)})) as twin:
            index_as_we_do(some, twin)
            _row(title, twin.vectors, twin.embedder, asked, modes)
    with (
        tempfile.TemporaryDirectory() as home,
        Twin(settings) as twin,
        EdgeVectors(Path(home) / "vectors", twin.embedder.name, twin.embedder.dimension, 30) as store,
    ):
        index_as_the_handbook(blank, store, twin.embedder)
        _row("the handbook's cleaning and chunking", store, twin.embedder, asked, modes)


def without(text: str, *parts: str) -> str:
    """A text with these parts removed."""
    for part in parts:
        text = text.replace(part, "") if part else text
    return text


def _row(title: str, store: VectorStore, embedder: Embedder, asked: Sequence[Asked], modes: Sequence[str]) -> None:
    rank, cells = ranker(store, embedder), []
    for mode in modes:
        values = [reciprocal_rank(rank(each.text, mode), each.relevant) for each in asked]
        low, high = interval(values)
        cells.append(f"{np.mean(values):.3f} [{low:.2f}, {high:.2f}]".ljust(20))
    print(f"{title:<38}{store.count():>7}  {''.join(cells)}", flush=True)


def collection(corpus: Path, queries: Path, qrels: Path, settings: Settings) -> None:
    """The table of a collection that comes with judgements."""
    judged = read_judgements(qrels)
    texts = {each.id: each.text for each in read_queries(queries)}
    asked = [Asked(name, text, judged[name]) for name, text in texts.items() if name in judged]
    if not asked:
        raise SystemExit(f"none of the queries in {queries} is judged in {qrels}: the ids don't agree")
    author, names, documents = Author.named("corpus"), dict[str, str](), list[Document]()
    for number, item in enumerate(read_corpus(corpus)):
        text = item.text if item.text.strip() else item.title
        document = Document.of(
            author, f"https://corpus.example/{number}", kind="article", platform="corpus", title=item.title, text=text
        )
        names[document.id] = item.id
        documents.append(document)
    if not documents:
        raise SystemExit(f"{corpus}: no documents found in it: neither jsonl, nor <DOC> records, nor lines with tabs")
    known = set(names.values())
    missing = sum(name not in known for each in asked for name in each.relevant)
    with tempfile.TemporaryDirectory() as home, Twin(settings.model_copy(update={"home": Path(home)})) as twin:
        started = time.perf_counter()
        index_as_we_do(documents, twin)
        seconds = time.perf_counter() - started
        print(
            f"{len(documents)} documents, {twin.vectors.count()} chunks, {len(asked)} queries; {seconds:.0f} s to index"
        )
        if missing:
            print(f"{missing} relevant documents are not in the corpus; they count as not found")
        print(f"\n{'':<10}{'nDCG@10':<20}{'recall@10':<20}{'MRR@10':<20}")
        rank = ranker(twin.vectors, twin.embedder)
        for mode in (*SEARCH_MODES, "plain RRF"):
            found = {
                each.id: [
                    names[name] for name in rank(each.text, mode) if names[name] != each.id or each.id in each.relevant
                ][:DEPTH]
                for each in asked
            }
            cells = []
            for metric in (ndcg, recall, reciprocal_rank):
                values = [metric(found[each.id], each.relevant) for each in asked]
                low, high = interval(values)
                cells.append(f"{np.mean(values):.4f} [{low:.2f}, {high:.2f}]".ljust(20))
            print(f"{mode:<10}{''.join(cells)}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--handbook", type=Path, metavar="DUMP", help="folder with the handbook's warehouse dump")
    parser.add_argument("--corpus", type=Path, help="documents, or a folder of such files")
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--qrels", type=Path)
    chosen = parser.parse_args()
    files = (chosen.corpus, chosen.queries, chosen.qrels)
    if not (chosen.handbook or all(files)) or (any(files) and not all(files)):
        parser.error("give --handbook DUMP, or --corpus, --queries and --qrels")
    for path in (chosen.handbook, *files):
        if path and not path.exists():
            parser.error(f"{path} does not exist")
    settings = Settings.load(vectors="", warehouse="")
    if chosen.handbook:
        known_items(chosen.handbook, settings)
    if all(files):
        collection(*files, settings)


if __name__ == "__main__":
    main()
