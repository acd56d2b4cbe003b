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
    versions = [int(fingerprint or "0") for fingerprint in store.ledger().values()]
    os.write(ready, b".")
    for version in count(max(versions, default=0) + 1):
        store.put([document(name, version) for name in NAMES])


def check(folder: Path) -> None:
    store = edge.EdgeVectors(folder, "tiny", 4, 5)
    ledger, found = store.ledger(), {name: set(ids) for name, ids in store.chunk_ids().items()}
    for name in NAMES:
        ids = found.get(digest(name), set())
        version = int(ledger.get(digest(name)) or "0")
        assert not ids or digest(name) in ledger, f"{name}: chunks that the ledger knows nothing of"
        old = chunk_ids(name, version) if version else set()
        new = chunk_ids(name, version + 1)
        assert ids <= old | new, f"{name}: chunks of no version near {version}"
        assert old <= ids or new <= ids, f"{name}: version {version} was removed before {version + 1} was complete"
    last = 1 + max((int(fingerprint or "0") for fingerprint in ledger.values()), default=0)
    store.put([document(name, last) for name in NAMES])
    assert store.ledger() == {digest(name): str(last) for name in NAMES}
    assert store.chunk_ids() == {digest(name): sorted(chunk_ids(name, last)) for name in sorted(NAMES, key=digest)}
    store.close()


def main(folder: Path, rounds: int, seed: int) -> int:
    dice = random.Random(seed)
    for _ in range(rounds):
        read, ready = os.pipe()
        writer = forked(lambda ready=ready: write(folder, ready))  # type: ignore[misc]
        if dice.random() < 0.7:  # the others may be killed while the index is being created
            os.read(read, 1)
        select.select([], [], [], dice.uniform(0, 0.4))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.close(read)
        os.close(ready)
        if os.waitpid(forked(lambda: check(folder)), 0)[1]:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
