"""Children that are at work within milliseconds: they come from a fork server that has imported all they need."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PROCESSES = multiprocessing.get_context("forkserver")
IMPORTED = ["kill_child", "queue_child", "searching_child"]
PATIENCE = 120  # seconds, on a very busy machine


def start(work: Callable[..., None], *args: Any) -> tuple[BaseProcess, Connection]:
    """A child that is at work: `work` is given `args` and the end of a pipe by which it has said "begin"."""
    ensure_server()
    ours, theirs = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=work, args=(*args, theirs))
    child.start()
    theirs.close()
    assert ours.poll(PATIENCE)
    assert ours.recv() == "begin"
    return child, ours


def ensure_server() -> None:
    """Start the fork server where it finds the modules that it is to import: it passes over those that it does not."""
    PROCESSES.set_forkserver_preload(IMPORTED)  # here: there is one list for all test files
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        os.environ |= {"PYTHONPATH": before} if before else {}
