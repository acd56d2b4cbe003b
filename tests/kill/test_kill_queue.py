"""A few of the rounds of `tests/queue_rounds.py`, which kills a hundred times over each warehouse."""

from __future__ import annotations

from pathlib import Path

import queue_rounds


def test_a_killed_run_on_sqlite_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    assert queue_rounds.rounds("", 5, 1, tmp_path).kills >= 5


def test_a_killed_run_on_mongodb_loses_nothing_and_does_nothing_twice(mongod_uri: str, tmp_path: Path) -> None:
    assert queue_rounds.rounds(mongod_uri, 5, 2, tmp_path).kills >= 5
