"""kill -9 at random moments of collect and index; run again; the stores equal those of an undisturbed run.

KILL_MOMENTS=20 pytest tests/kill/test_kill.py    (takes minutes; without it there are fewer)
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

import kill_child
from llm_twin import Settings, Twin
from llm_twin.demo.server import DemoServer
from llm_twin.models.embed import OnnxEmbedder
from llm_twin.runfile import read_run_file

MOMENTS = int(os.environ.get("KILL_MOMENTS", "6"))
REBUILDS = max(4, MOMENTS // 2)  # which take twice as long; every fourth begins anew
SEED = 20240501
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([kill_child.__name__])
PATIENCE = 120  # seconds, on a very busy machine


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(port=0) as server:
        yield server


@pytest.fixture
def run_file(server: DemoServer, tmp_path: Path) -> Path:
    return server.run_file(tmp_path)


def options(home: Path, server: DemoServer) -> dict[str, Any]:
    return {"home": str(home), "resolve": server.resolve, "allow_private": True, "delay": 0.0, "retries": 0}


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    return Twin().embedder


def opened(home: Path, server: DemoServer, embedder: OnnxEmbedder) -> Twin:
    """A twin on this home that need not load the model again."""
    twin = Twin(Settings.load(**options(home, server)))
    twin.embedder = embedder
    return twin


def contents(twin: Twin) -> dict[str, Any]:
    """Everything in the stores that does not depend on when it was collected."""
    documents = {}
    for document in twin.warehouse.documents():
        raw = twin.warehouse.raw(document.id)
        documents[document.id] = (document.model_dump(exclude={"collected_at"}), raw and (raw.url, raw.body))
    return {
        "authors": [author.model_dump() for author in twin.authors()],
        "documents": documents,
        **index_contents(twin),
    }


def index_contents(twin: Twin) -> dict[str, Any]:
    """Everything in the index but the vectors, whose last digits depend on what was embedded together."""
    vectors = twin.vectors
    return {
        "ledger": vectors.ledger(),
        "cleaned": {document.document_id: document for document in vectors.snapshot()},
        "chunks": {
            document: [(each.card, each.chunk) for each in vectors.chunks_of(document)]
            for document in vectors.chunk_ids()
        },
    }


def start(home: Path, server: DemoServer, what: str, run_file: Path) -> tuple[BaseProcess, Connection]:
    """A child that is at work."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=kill_child.work, args=(options(home, server), what, run_file, theirs))
    child.start()
    theirs.close()
    assert ours.poll(PATIENCE)
    assert ours.recv() == "begin"
    return child, ours


def undisturbed_seconds(home: Path, server: DemoServer, what: str, run_file: Path) -> float:
    child, pipe = start(home, server, what, run_file)
    began = time.monotonic()
    assert pipe.poll(PATIENCE)
    assert pipe.recv() == "end"
    seconds = time.monotonic() - began
    child.join()
    return seconds


def kill_after(seconds: float, home: Path, server: DemoServer, what: str, run_file: Path) -> bool:
    """Run the child and kill it after so many seconds of work; whether it was still at work."""
    child, pipe = start(home, server, what, run_file)
    at_work = not pipe.poll(seconds)
    child.kill()
    child.join()
    return at_work


def test_a_killed_collect_is_made_good_by_the_next(
    server: DemoServer, embedder: OnnxEmbedder, run_file: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    seconds = undisturbed_seconds(whole, server, "collect", run_file)
    with opened(whole, server, embedder) as twin:
        expected = contents(twin)
    assert len(expected["documents"]) > 10
    chance = random.Random(SEED)
    interrupted = 0
    for number in range(MOMENTS):
        home = tmp_path / f"home{number}"
        interrupted += kill_after(chance.uniform(0, seconds), home, server, "collect", run_file)
        with opened(home, server, embedder) as twin:
            report = twin.collect_links(read_run_file(run_file))
            assert not report.failed
            assert contents(twin) == expected
            assert {run.state for run in twin.runs()} == {"finished"}, "the stopped run itself was continued"
        shutil.rmtree(home)
    assert interrupted >= MOMENTS / 3


@pytest.fixture
def old(server: DemoServer, embedder: OnnxEmbedder, run_file: Path, tmp_path: Path) -> Path:
    """A home whose index is an old one: half the documents have changed since, one is gone, others are new."""
    old = tmp_path / "old"
    with opened(old, server, embedder) as twin:
        twin.collect_links(read_run_file(run_file))
        documents = list(twin.warehouse.documents())
        changed = [each.model_copy(update={"text": f"Older. {each.text[::-1]}"}) for each in documents[::2]]
        twin.warehouse.delete([documents[1].id])
        twin.warehouse.put(changed)
        twin.index()
        for each in documents:
            twin.warehouse.put([each])
        twin.warehouse.delete([documents[0].id])
    return old


def test_a_killed_index_is_made_good_by_the_next(
    server: DemoServer, embedder: OnnxEmbedder, run_file: Path, old: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    seconds = undisturbed_seconds(whole, server, "index", run_file)
    with opened(whole, server, embedder) as twin:
        expected = contents(twin)
    assert expected["ledger"].keys() == expected["documents"].keys()
    chance = random.Random(SEED)
    interrupted = 0
    for number in range(MOMENTS):
        home = tmp_path / f"home{number}"
        shutil.copytree(old, home)
        interrupted += kill_after(chance.uniform(0, seconds), home, server, "index", run_file)
        with opened(home, server, embedder) as twin:
            assert not twin.index().failed
            assert contents(twin) == expected
        shutil.rmtree(home)
    assert interrupted >= MOMENTS / 3


def test_a_killed_rebuild_leaves_the_old_index_and_is_made_good_by_the_next(
    server: DemoServer, embedder: OnnxEmbedder, run_file: Path, old: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    with opened(whole, server, embedder) as twin:
        before = index_contents(twin)
    seconds = undisturbed_seconds(whole, server, "rebuild", run_file)
    with opened(whole, server, embedder) as twin:
        expected = contents(twin)
        after = index_contents(twin)
    assert after != before
    chance = random.Random(SEED)
    interrupted = 0
    for number in range(REBUILDS):
        home = tmp_path / f"home{number}"
        shutil.copytree(old, home)
        interrupted += kill_after(chance.uniform(0, seconds), home, server, "rebuild", run_file)
        with opened(home, server, embedder) as twin:
            assert index_contents(twin) in (before, after), "an index is in use as a whole"
            assert not twin.index(rebuild=bool(number % 4)).failed  # the draft may be left to the next rebuild
            assert contents(twin) == expected
            if number % 4:
                assert len(list((home / "vectors").iterdir())) == 2, "nothing is left of the draft"
        shutil.rmtree(home)
    assert interrupted >= REBUILDS / 4
