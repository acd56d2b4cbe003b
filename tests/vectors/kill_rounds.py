"""Puts ever newer versions of documents into an embedded index, is killed at random moments, and is looked at.

Run by the tests as `python kill_rounds.py FOLDER ROUNDS SEED`; every process that opens the index is a fork, since the
engine's threads do not survive one. Ends with 0 when each killed writer left an index in the order of writes.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from llm_twin.documents import Chunk, digest
from llm_twin.vectors import edge
from llm_twin.vectors.store import DocumentCard, Indexed

# Segments of some hundred points, so that optimising is hit by the kills too.
edge.WRITABLE_SEGMENT_KB, edge.LARGEST_SEGMENT_KB = 2, 8
NAMES, CHUNKS = ("a", "b", "c", "d"), 40


def chunk_ids(name: str, version: int) -> set[str]:
    return {digest(name, str(version), str(number)) for number in range(CHUNKS)}


def document(name: str, version: int) -> Indexed:
    card = DocumentCard(
        document_id=digest(name),
        author_id="ada",
        author="Ada",
        kind="article",
        platform="web",
        link=f"https://example.org/{name}",
        title=name,
        published_at=None,
        model="tiny",
        fingerprint=str(version),
    )
    chunks = tuple(
        Chunk(
            id=digest(name, str(version), str(number)),
            document_id=card.document_id,
            start=number,
            end=number + 1,
            text="x",
        )
        for number in range(CHUNKS)
    )
    return Indexed(card=card, chunks=chunks, vectors=np.eye(CHUNKS, 4, dtype=np.float32) + 1)


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            if status:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(status)
    return pid


def write(folder: Path, ready: int) -> None:
    store = edge.EdgeVectors(folder, "tiny", 4, 20)
    versions = [int(entry.fingerprint or "0") for entry in store.ledger().values()]
    os.write(ready, b".")
    for version in count(max(versions, default=0) + 1):
        store.put([document(name, version) for name in NAMES])


def check(folder: Path, first: bool) -> None:
    store = edge.EdgeVectors(folder, "tiny", 4, 5)
    ledger, last = store.ledger(), 0
    for name in NAMES:
        chunks = store.chunks_of(digest(name))
        ids = {each.chunk.id for each in chunks}
        versions = sorted({int(each.card.fingerprint) for each in chunks})
        assert not ids or digest(name) in ledger, f"{name}: chunks that the ledger knows nothing of"
        fingerprint = ledger[digest(name)].fingerprint if digest(name) in ledger else ""
        if fingerprint:
            assert ids == chunk_ids(name, int(fingerprint)), f"{name}: finished, and not exactly its chunks"
        elif not (first and versions in ([], [1])):
            whole = [version for version in versions if chunk_ids(name, version) <= ids]
            assert whole, f"{name}: version {versions} was removed before the next was complete"
            assert versions in ([whole[0]], [whole[0], whole[0] + 1], [whole[0] - 1, whole[0]])
        last = max(last, int(fingerprint or "0"), *versions)
    last += 1
    store.put([document(name, last) for name in NAMES])
    assert {each: entry.fingerprint for each, entry in store.ledger().items()} == dict.fromkeys(
        map(digest, NAMES), str(last)
    )
    assert store.chunk_ids() == {digest(name): sorted(chunk_ids(name, last)) for name in sorted(NAMES, key=digest)}
    store.close()


def main(folder: Path, rounds: int, seed: int) -> int:
    dice = random.Random(seed)
    for number in range(rounds):
        read, ready = os.pipe()
        writer = forked(lambda ready=ready: write(folder, ready))  # type: ignore[misc]
        if dice.random() < 0.7:  # the others may be killed while the index is being created
            os.read(read, 1)
        select.select([], [], [], dice.uniform(0, 0.4))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.close(read)
        os.close(ready)
        if os.waitpid(forked(lambda first=number == 0: check(folder, first)), 0)[1]:  # type: ignore[misc]
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
