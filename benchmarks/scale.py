#!/usr/bin/env python3
"""The index at 100,000 and 1,000,000 chunks: writing, searching, recall, disk, memory; and the memory of index runs.

    python benchmarks/scale.py                          100,000 chunks, and 20,000 documents through `twin index`
    python benchmarks/scale.py --chunks 1000000         about 40 minutes, 10 GB of disk
    python benchmarks/scale.py --engine graph           another way to search, see scale_engines.py

Chunks are synthetic (scale_data.py): vectors and texts are made, nothing is embedded. They go through the embedded
store's own `put`, 64 documents of 20 chunks a call, as an index run finishes them; they are found through its own
`dense` and `sparse` and through `retrieve.search`. Writing and searching are processes of their own. Recall is that of
the ten nearest chunks against all vectors compared in NumPy, with and without a filter that one document in twenty
passes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import scale_data as data
from numpy.typing import NDArray
from scale_engines import ENGINES, choose
from tokenizers import Tokenizer

from llm_twin import Settings, Twin
from llm_twin.documents import Author, Document
from llm_twin.vectors import open_vectors
from llm_twin.vectors.store import ChunkFilter, VectorStore

QUESTIONS = 200
NEAREST = 10
DEPTH = 100  # chunks that a search takes from each ranking
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--documents", type=int, default=20_000, help="through `twin index`; 0: leave that out")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="other settings of the engine, to compare")
    parser.add_argument("--folder", type=Path, help="where the indexes are built; a temporary folder without")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--part", choices=("write", "search", "memory"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        choose(given.engine)
        parts = {"write": write, "search": search, "memory": memory}
        count = given.documents if given.part == "memory" else given.chunks
        given.json.write_text(json.dumps(parts[given.part](given.folder, count)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = {}
        for part in ("write", "search") if given.chunks else ():
            found[part] = in_process(part, given, Path(folder) / "index")
        if given.documents:
            found["memory"] = in_process("memory", given, Path(folder) / "memory")
    print(table(given.chunks, found, given.documents))
    if given.json:
        given.json.write_text(json.dumps({"chunks": given.chunks, **found}, indent=1))


def in_process(part: str, given: argparse.Namespace, home: Path) -> Figures:
    """The figures of a part, from a process of its own."""
    print(f"{part} …", file=sys.stderr)
    home.mkdir(exist_ok=True)
    result = home.with_suffix(".json")
    counts = ["--chunks", str(given.chunks), "--documents", str(given.documents), "--engine", given.engine]
    command = [sys.executable, __file__, "--part", part, "--folder", str(home), "--json", str(result), *counts]
    subprocess.run(command, check=True)
    figures: Figures = json.loads(result.read_text())
    return figures


def store_in(home: Path) -> VectorStore:
    return open_vectors(Settings.load(home=home), data.MODEL, data.DIMENSION)


def write(home: Path, chunks: int) -> Figures:
    """Put all chunks. Only the calls of `put` are timed."""
    seconds: list[float] = []
    memory: list[float] = []
    mapped: list[float] = []
    whole = -(-chunks // data.BATCH)  # calls
    with store_in(home) as store:
        for batch in data.batches(chunks):
            started = time.perf_counter()
            store.put(batch)
            seconds.append(time.perf_counter() - started)
            memory.append(anonymous_mb())
            mapped.append(status_mb("RssFile"))
            if len(seconds) * 10 // whole > (len(seconds) - 1) * 10 // whole:
                rate = len(seconds) * data.BATCH / sum(seconds)
                print(f"  {len(seconds) * data.BATCH:,} chunks, {rate:,.0f} a second", file=sys.stderr)
        count = store.count()
    return {
        "chunks": count,
        "chunks_per_second": count / sum(seconds),
        "put_p50_seconds": float(np.median(seconds)),
        "put_max_seconds": max(seconds),
        "disk_mb": sum(file.stat().st_blocks * 512 for file in home.rglob("*") if file.is_file()) / 1e6,
        "memory_mb": tenths(memory),
        "mapped_mb": tenths(mapped),
        "peak_mb": status_mb("VmHWM"),
    }


def search(home: Path, chunks: int) -> Figures:
    """Questions to the index that was written, each to a store that is open."""
    asked = data.questions(chunks, QUESTIONS)
    nearest, filtered = exact(asked, chunks)
    before = anonymous_mb()
    with store_in(home) as store:
        started = time.perf_counter()
        store.count()
        opened = time.perf_counter() - started
        started = time.perf_counter()
        store.dense(asked[0].vector, ChunkFilter(), DEPTH)
        first = time.perf_counter() - started
        figures: Figures = {"open_seconds": opened, "first_search_seconds": first}
        for name, where in (("all", everywhere), ("one author", by_author)):
            truth = filtered if where is by_author else nearest
            figures[name] = {mode: timed(asked, store, ask, where) for mode, ask in MODES.items()}
            for depth in (NEAREST, DEPTH):
                hits = [store.dense(each.vector, where(each), depth)[:NEAREST] for each in asked]
                shares = [
                    len({hit.chunk.id for hit in some} & wanted) / len(wanted)
                    for some, wanted in zip(hits, truth, strict=True)
                ]
                figures[name][f"recall@10 of {depth}"] = sum(shares) / len(shares)
        figures |= {"memory_mb": anonymous_mb() - before, "resident_mb": status_mb("VmRSS")}
    return figures


def everywhere(_: data.Question) -> ChunkFilter:
    return ChunkFilter()


def by_author(question: data.Question) -> ChunkFilter:
    return ChunkFilter(author_id=question.author_id)


def dense(store: VectorStore, question: data.Question, where: ChunkFilter) -> object:
    return store.dense(question.vector, where, DEPTH)


def sparse(store: VectorStore, question: data.Question, where: ChunkFilter) -> object:
    return store.sparse(question.words, where, DEPTH)


def hybrid(store: VectorStore, question: data.Question, where: ChunkFilter) -> object:
    from llm_twin.retrieve.search import Query
    from llm_twin.retrieve.search import search as find

    return find(Query(question=question.words, where=where), store, lambda _: question.vector)


Ask = Callable[[VectorStore, data.Question, ChunkFilter], object]
MODES: dict[str, Ask] = {"dense": dense, "sparse": sparse, "hybrid": hybrid}


def timed(
    asked: list[data.Question], store: VectorStore, ask: Ask, where: Callable[[data.Question], ChunkFilter]
) -> Figures:
    """Milliseconds a question."""
    spent = []
    for question in asked:
        started = time.perf_counter()
        ask(store, question, where(question))
        spent.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": float(np.percentile(spent, 50)), "p95_ms": float(np.percentile(spent, 95))}


def exact(asked: list[data.Question], chunks: int) -> tuple[list[set[str]], list[set[str]]]:
    """The ids of the nearest chunks of each question: of all, and of the question's author's."""
    vectors = np.stack([question.vector for question in asked])
    owners = np.array([question.author_id for question in asked])
    best: dict[bool, list[list[tuple[float, str]]]] = {True: [[] for _ in asked], False: [[] for _ in asked]}
    for batch in range(-(-chunks // data.BATCH)):
        scores = vectors @ data.batch_vectors(batch).T
        authors = np.repeat(
            [data.author_of(batch, index) for index in range(data.BATCH // data.PER_DOCUMENT)], data.PER_DOCUMENT
        )
        for only in (False, True):
            these = np.where(authors[None] == owners[:, None], scores, -2) if only else scores
            top = np.argpartition(-these, NEAREST, axis=1)[:, :NEAREST]
            for row, columns in enumerate(top):
                found = [(float(these[row, column]), data.chunk_id(batch, int(column))) for column in columns]
                best[only][row] = sorted([*best[only][row], *found], reverse=True)[:NEAREST]
    return tuple([{name for _, name in rows} for rows in best[only]] for only in (False, True))  # type: ignore[return-value]


def memory(home: Path, documents: int) -> Figures:
    """One `twin index` over small documents, with an embedder that costs nothing; memory is looked at all along."""
    with Twin(Settings.load(home=home)) as twin:
        twin.__dict__["embedder"] = Instant(twin.embedder.tokenizer)
        author = Author.named("Ann Author")
        twin.warehouse.put_author(author)
        for batch in range(-(-documents // data.BATCH)):
            texts = data.texts(batch)[: documents - batch * data.BATCH]
            twin.warehouse.put([post(author, batch * data.BATCH + index, text) for index, text in enumerate(texts)])
        stop, used = Event(), []

        def look() -> None:
            while not stop.wait(0.2):
                used.append(anonymous_mb())

        watcher = Thread(target=look)
        watcher.start()
        started, cpu = time.perf_counter(), time.process_time()
        report = twin.index()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        stop.set()
        watcher.join()
        started, again_cpu = time.perf_counter(), time.process_time()
        twin.index()
        again, again_cpu = time.perf_counter() - started, time.process_time() - again_cpu
    return {
        "documents": documents,
        "chunks": report.summary["chunks"],
        "seconds": seconds,
        "cpu_seconds": cpu,
        "again_seconds": again,
        "again_cpu_seconds": again_cpu,
        "memory_mb": tenths(used),
        "peak_mb": status_mb("VmHWM"),
    }


def post(author: Author, number: int, text: str) -> Document:
    link = f"https://example.com/{number}"
    return Document.of(author, link, kind="post", platform="linkedin", title=f"Post {number}", text=text)


class Instant:
    """An `Embedder` that costs nothing."""

    name, dimension, max_tokens = "instant", data.DIMENSION, 254

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._random = np.random.default_rng(0)

    def encode(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        vectors = self._random.standard_normal((len(texts), self.dimension), np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return np.asarray(self.encode([text])[0])


def tenths(values: Sequence[float]) -> list[int]:
    """The highest value in each of ten parts of a run."""
    return [round(max(part)) for part in np.array_split(np.asarray(values), min(10, len(values)))]


def status_mb(name: str) -> float:
    """A line of /proc/self/status in MB. VmRSS, and VmHWM at its highest, count mapped files that were read."""
    return float(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / 1024


def anonymous_mb() -> float:
    """Memory that no file stands behind: what the process really needs."""
    return status_mb("RssAnon")


def table(chunks: int, found: dict[str, Figures], documents: int) -> str:
    """The figures as Markdown."""
    lines = []
    if written := found.get("write"):
        lines += [
            f"{written['chunks']:,} chunks",
            "",
            "| writing | |",
            "| --- | --- |",
            f"| chunks/s through `put` | {written['chunks_per_second']:,.0f} |",
            f"| seconds of a call with {data.BATCH:,} chunks, median and longest | {written['put_p50_seconds']:.2f},"
            f" {written['put_max_seconds']:.1f} |",
            f"| MB on disk | {written['disk_mb']:,.0f} |",
            f"| MB of memory in ten parts of the run | {' '.join(map(str, written['memory_mb']))} |",
            f"| MB of mapped files, which the system takes back | {' '.join(map(str, written['mapped_mb']))} |",
            "",
        ]
    if searched := found.get("search"):
        lines += [
            f"opened in {searched['open_seconds']:.2f} s, first search {searched['first_search_seconds']:.2f} s,"
            f" {searched['memory_mb']:,.0f} MB of memory after {QUESTIONS} searches of each kind",
            "",
            f"| search | dense p50 / p95 ms | sparse | hybrid | recall@10, 10 asked for | {DEPTH} asked for |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for name in ("all", "one author"):
            row = searched[name]
            times = [f"{row[mode]['p50_ms']:.1f} / {row[mode]['p95_ms']:.1f}" for mode in ("dense", "sparse", "hybrid")]
            recalls = [f"{row[f'recall@10 of {depth}']:.4f}" for depth in (NEAREST, DEPTH)]
            lines.append(f"| {' | '.join([name, *times, *recalls])} |")
        lines.append("")
    if indexed := found.get("memory"):
        lines += [
            f"`twin index` over {documents:,} posts, {indexed['chunks']:,} chunks, embedding left out:"
            f" {indexed['seconds']:.0f} s (CPU {indexed['cpu_seconds']:.0f}), again {indexed['again_seconds']:.1f} s"
            f" (CPU {indexed['again_cpu_seconds']:.1f});"
            f" MB of memory in ten parts of the run: {' '.join(map(str, indexed['memory_mb']))}",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
