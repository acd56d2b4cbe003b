"""kill -9 at random moments of collect and index; run again; the stores equal those of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_twin import Link, Settings, Twin
from llm_twin.demo.server import DemoServer
from llm_twin.runfile import read_run_file

MOMENTS = 20
SEED = 20240501

# The child says when it begins and when it has ended, so that the moment of the kill falls in between.
CHILD = """
import json, sys
from pathlib import Path
from llm_twin import Settings, Twin
from llm_twin.runfile import read_run_file
options = json.loads(sys.argv[1])
with Twin(Settings.load(**options)) as twin:
    twin.embedder, twin.chunker, twin.warehouse
    links = read_run_file(Path(sys.argv[3]))
    print("begin", flush=True)
    twin.collect_links(links) if sys.argv[2] == "collect" else twin.index()
    print("end", flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(port=0) as server:
        yield server


@pytest.fixture
def run_file(server: DemoServer, tmp_path: Path) -> Path:
    return server.run_file(tmp_path)


def options(home: Path, server: DemoServer) -> dict[str, Any]:
    return {"home": str(home), "resolve": server.resolve, "allow_private": True, "delay": 0.0, "retries": 0}


def links(run_file: Path) -> list[Link]:
    return read_run_file(run_file)


def contents(twin: Twin) -> dict[str, Any]:
    """Everything in the stores that does not depend on when it was collected."""
    documents = {}
    for document in twin.warehouse.documents():
        raw = twin.warehouse.raw(document.id)
        documents[document.id] = (document.model_dump(exclude={"collected_at"}), raw and (raw.url, raw.body))
    return {
        "authors": [author.model_dump() for author in twin.authors()],
        "documents": documents,
        "ledger": twin.vectors.ledger(),
        "chunks": {document: list(ids) for document, ids in twin.vectors.chunk_ids().items()},
    }


def start(home: Path, server: DemoServer, what: str, run_file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, json.dumps(options(home, server)), what, str(run_file)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdout
    assert child.stdout.readline() == "begin\n"
    return child


def undisturbed_seconds(home: Path, server: DemoServer, what: str, run_file: Path) -> float:
    with start(home, server, what, run_file) as child:
        began = time.monotonic()
        assert child.stdout
        assert child.stdout.readline() == "end\n"
        return time.monotonic() - began


def kill_after(seconds: float, home: Path, server: DemoServer, what: str, run_file: Path) -> bool:
    """Run the child and kill it after so many seconds of work; whether it was still at work."""
    with start(home, server, what, run_file) as child:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            assert child.stdout
            return child.stdout.read() != "end\n"
    return False


def test_a_killed_collect_is_made_good_by_the_next(server: DemoServer, run_file: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    seconds = undisturbed_seconds(whole, server, "collect", run_file)
    with Twin(Settings.load(**options(whole, server))) as twin:
        expected = contents(twin)
    assert len(expected["documents"]) > 10
    chance = random.Random(SEED)
    interrupted = 0
    for number in range(MOMENTS):
        home = tmp_path / f"home{number}"
        interrupted += kill_after(chance.uniform(0, seconds), home, server, "collect", run_file)
        with Twin(Settings.load(**options(home, server))) as twin:
            report = twin.collect_links(links(run_file))
            assert not report.failed
            assert contents(twin) == expected
            assert {run.state for run in twin.runs()} == {"finished"}, "the stopped run itself was continued"
        shutil.rmtree(home)
    assert interrupted > MOMENTS / 2


def test_a_killed_index_is_made_good_by_the_next(server: DemoServer, run_file: Path, tmp_path: Path) -> None:
    """The index is an old one: half the documents have changed since, one is gone, others are new."""
    old = tmp_path / "old"
    with Twin(Settings.load(**options(old, server))) as twin:
        twin.collect_links(links(run_file))
        documents = list(twin.warehouse.documents())
        changed = [each.model_copy(update={"text": f"Older. {each.text[::-1]}"}) for each in documents[::2]]
        twin.warehouse.delete([documents[1].id])
        twin.warehouse.put(changed)
        twin.index()
        for each in documents:
            twin.warehouse.put([each])
        twin.warehouse.delete([documents[0].id])
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    seconds = undisturbed_seconds(whole, server, "index", run_file)
    with Twin(Settings.load(**options(whole, server))) as twin:
        expected = contents(twin)
    assert expected["ledger"].keys() == expected["documents"].keys()
    chance = random.Random(SEED)
    interrupted = 0
    for number in range(MOMENTS):
        home = tmp_path / f"home{number}"
        shutil.copytree(old, home)
        interrupted += kill_after(chance.uniform(0, seconds), home, server, "index", run_file)
        with Twin(Settings.load(**options(home, server))) as twin:
            assert not twin.index().failed
            assert contents(twin) == expected
        shutil.rmtree(home)
    assert interrupted > MOMENTS / 2
