"""kill -9 at moments all over a collect, an index and a rebuild; run again; the stores equal those left undisturbed.

KILL_MOMENTS=20 pytest tests/kill/test_kill.py    (takes minutes; without it there are few)
"""

from __future__ import annotations

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
from forked import PATIENCE, start
from llm_twin import Settings, Twin
from llm_twin.demo.server import DemoServer
from llm_twin.runfile import read_run_file
from tiny_models import tiny_bert

MOMENTS = int(os.environ.get("KILL_MOMENTS", "3"))
REBUILDS = max(3, MOMENTS // 2)  # every fourth, the first among them, is followed by no other
SEED = 20240501


class World:
    """The demo's sites and a run file of their links, with a model that takes no time, so that kills hit the stores."""

    def __init__(self, server: DemoServer, folder: Path) -> None:
        self.server = server
        self.run_file = server.run_file(folder)
        self.model = tiny_bert(folder / "tiny")

    def options(self, home: Path) -> dict[str, Any]:
        own = {"resolve": self.server.resolve, "allow_private": True, "delay": 0.0, "retries": 0, "workers": 1}
        return own | {"home": str(home), "model": str(self.model)}

    def opened(self, home: Path) -> Twin:
        return Twin(Settings.load(**self.options(home)))

    def start(self, home: Path, what: str) -> tuple[BaseProcess, Connection]:
        """A child that is at work."""
        return start(kill_child.work, self.options(home), what, self.run_file)

    def undisturbed_seconds(self, home: Path, what: str) -> float:
        child, pipe = self.start(home, what)
        began = time.monotonic()
        assert pipe.poll(PATIENCE)
        assert pipe.recv() == "end"
        seconds = time.monotonic() - began
        child.join()
        return seconds

    def kill_after(self, seconds: float, home: Path, what: str) -> bool:
        """Run the child and kill it after so many seconds of work; whether it was still at work."""
        child, pipe = self.start(home, what)
        at_work = not pipe.poll(seconds)
        child.kill()
        child.join()
        return at_work


def moments(number: int, seconds: float) -> Iterator[float]:
    """As many moments within these seconds: one at random in each part of them."""
    chance = random.Random(SEED)
    return (chance.uniform(part, part + 1) * seconds / number for part in range(number))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with DemoServer(port=0) as server:
        yield World(server, tmp_path_factory.mktemp("world"))


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


def test_a_killed_collect_is_made_good_by_the_next(world: World, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    seconds = world.undisturbed_seconds(whole, "collect")
    with world.opened(whole) as twin:
        expected = contents(twin)
    assert len(expected["documents"]) > 10
    interrupted = 0
    for number, moment in enumerate(moments(MOMENTS, seconds)):
        home = tmp_path / f"home{number}"
        interrupted += world.kill_after(moment, home, "collect")
        with world.opened(home) as twin:
            report = twin.collect_links(read_run_file(world.run_file))
            assert not report.failed
            assert contents(twin) == expected
            assert {run.state for run in twin.runs()} == {"finished"}, "the stopped run itself was continued"
        shutil.rmtree(home)
    assert interrupted >= MOMENTS / 3


@pytest.fixture(scope="module")
def old(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose index is an old one: half the documents have changed since, one is gone, others are new."""
    old = tmp_path_factory.mktemp("old")
    with world.opened(old) as twin:
        twin.collect_links(read_run_file(world.run_file))
        documents = list(twin.warehouse.documents())
        changed = [each.model_copy(update={"text": f"Older. {each.text[::-1]}"}) for each in documents[::2]]
        twin.warehouse.delete([documents[1].id])
        twin.warehouse.put(changed)
        twin.index()
        for each in documents:
            twin.warehouse.put([each])
        twin.warehouse.delete([documents[0].id])
    return old


def test_a_killed_index_is_made_good_by_the_next(world: World, old: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    seconds = world.undisturbed_seconds(whole, "index")
    with world.opened(whole) as twin:
        expected = contents(twin)
    assert expected["ledger"].keys() == expected["documents"].keys()
    interrupted = 0
    for number, moment in enumerate(moments(MOMENTS, seconds)):
        home = tmp_path / f"home{number}"
        shutil.copytree(old, home)
        interrupted += world.kill_after(moment, home, "index")
        with world.opened(home) as twin:
            assert not twin.index().failed
            assert contents(twin) == expected
        shutil.rmtree(home)
    assert interrupted >= MOMENTS / 3


def test_a_killed_rebuild_leaves_the_old_index_and_is_made_good_by_the_next(
    world: World, old: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(old, whole)
    with world.opened(whole) as twin:
        before = index_contents(twin)
    seconds = world.undisturbed_seconds(whole, "rebuild")
    with world.opened(whole) as twin:
        expected = contents(twin)
        after = index_contents(twin)
    assert after != before
    interrupted = 0
    for number, moment in enumerate(moments(REBUILDS, seconds)):
        home = tmp_path / f"home{number}"
        shutil.copytree(old, home)
        interrupted += world.kill_after(moment, home, "rebuild")
        with world.opened(home) as twin:
            assert index_contents(twin) in (before, after), "an index is in use as a whole"
            assert not twin.index(rebuild=bool(number % 4)).failed  # the draft may be left to the next rebuild
            assert contents(twin) == expected
            if number % 4:
                assert len(list((home / "vectors").iterdir())) == 2, "nothing is left of the draft"
        shutil.rmtree(home)
    assert interrupted >= REBUILDS / 4
