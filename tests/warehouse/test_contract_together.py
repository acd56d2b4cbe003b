"""What every warehouse promises when threads and processes write together, and when one of them is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_twin.documents import Author
from llm_twin.warehouse import open_warehouse
from llm_twin.warehouse.store import DocumentFilter, Warehouse
from stored_values import ADA, document, outcome, response, run

TESTS = Path(__file__).parent.parent
BATCH = 20

# Writes numbered batches until it is killed, or as many as asked for, and says when each is stored.
WRITER = """
import sys
from itertools import count
from llm_twin.documents import Author
from llm_twin.warehouse import open_warehouse
from stored_values import ADA, document, outcome, response

name, batches, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open_warehouse(sys.stdin.readline().strip()) as warehouse:
    for number in range(batches) if batches else count():
        own = [document(f"{name}/{number}/{n}", kind=("article", "post")[n % 2], raw=response()) for n in range(size)]
        shared = document("shared", text=f"{name} {number}")
        warehouse.put([*own, shared])
        warehouse.put_author(Author(id=ADA.id, name=ADA.name, aliases=(f"{name} {number}",)))
        warehouse.put_outcomes("one", [outcome(f"{name}/{number}")])
        print(number, flush=True)
"""


def start_writer(address: str, name: str, batches: int = 0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(batches), str(BATCH)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(address + "\n")
    process.stdin.close()
    return process


def test_two_processes_write_to_one_store_that_neither_finds_made(address: str) -> None:
    writers = [start_writer(address, name, batches=5) for name in ("left", "right")]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.read().split() == ["0", "1", "2", "3", "4"]
        writer.stdout.close()
        assert writer.wait(60) == 0
    with open_warehouse(address) as warehouse:
        assert warehouse.count() == 2 * 5 * BATCH + 1
        assert len(warehouse.outcomes("one")) == 10
        (author,) = warehouse.authors()
        if "replicaSet" in address or address.startswith("sqlite"):  # reading and writing are one step there
            assert len(author.aliases) == 10
            assert warehouse.get(document("shared").id).revision == 10  # type: ignore[union-attr]


@pytest.mark.parametrize("stored", [1, 4])
def test_a_writer_killed_at_work_leaves_whole_batches_and_what_it_reported(address: str, stored: int) -> None:
    writer = start_writer(address, "left")
    assert writer.stdout
    reported = [int(writer.stdout.readline()) for _ in range(stored)]
    writer.kill()
    reported += map(int, writer.stdout.read().split())
    writer.stdout.close()
    writer.wait(60)
    with open_warehouse(address) as warehouse:
        found = [one.link.split("/")[-2] for one in warehouse.documents() if "left" in one.link]
        sizes = {number: found.count(number) for number in set(found)}
        assert all(sizes[str(number)] == BATCH for number in reported)
        if "replicaSet" in address or address.startswith("sqlite"):
            assert set(sizes.values()) == {BATCH}
        batch = [
            document(f"left/{len(reported)}/{n}", kind=("article", "post")[n % 2], raw=response()) for n in range(BATCH)
        ]
        warehouse.put(batch)
        assert set(warehouse.put(batch)) == {"unchanged"}
        assert all(warehouse.raw(one.id) == response() for one in batch)


def test_threads_share_one_warehouse(warehouse: Warehouse) -> None:
    def work(thread: int) -> int:
        for number in range(10):
            one = document(f"{thread}/{number}", raw=response())
            warehouse.put([one, document("shared", text=f"{thread} {number}")])
            assert warehouse.get(one.id) == document(f"{thread}/{number}")
            warehouse.put_outcomes("one", [outcome(f"{thread}/{number}")])
            warehouse.put_run(run(f"{thread}"))
        return sum(1 for _ in warehouse.documents(DocumentFilter(kind="article")))

    with ThreadPoolExecutor(4) as threads:
        assert max(threads.map(work, range(4))) == 4 * 10 + 1
    assert (warehouse.count(), len(warehouse.outcomes("one")), len(warehouse.runs())) == (41, 40, 4)


def test_threads_that_add_one_author_at_once_add_one(warehouse: Warehouse) -> None:
    names = [f"Name {number}" for number in range(8)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: warehouse.put_author(Author.named("Ada Lovelace", [name])), names))
    (author,) = warehouse.authors()
    assert author.id == ADA.id
    assert set(author.aliases) <= set(names)
