"""Keeping the book of a run: what was planned, how each link ended, and going on where a stopped run left off."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import uuid4

from llm_twin.documents import Outcome, Report, Run, RunState, digest, now
from llm_twin.warehouse.store import Warehouse

# A run that stopped longer ago is not continued: what it had finished may have changed since.
RESUME_WITHIN = timedelta(hours=24)
# A run on another machine whose end can't be seen counts as running for this long.
BELIEVED_ALIVE = timedelta(hours=24)


def is_alive(run: Run) -> bool:
    """Whether the process of a run goes on. On other machines that can't be seen, so it is believed for a day."""
    if run.state != "running":
        return False
    if run.host != socket.gethostname():
        return now() - run.started_at < BELIEVED_ALIVE
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def seen(run: Run) -> Run:
    """The run as it really stands: one that says it is running while its process is gone was interrupted."""
    return run.model_copy(update={"state": "interrupted"}) if run.state == "running" and not is_alive(run) else run


class RunLog:
    """The record of one run in the warehouse.

    As a context manager it ends as finished, or, on an exception, interrupted;
    Ctrl-C and cancellation stop there, so that the report of what was done can be returned.

    `key_of` what the run works on decides what is continued: a run over the same input that stopped within the last
    day goes on under its old id, and `done` says what it has behind it.
    """

    def __init__(self, warehouse: Warehouse, command: str, key_of: Sequence[str] = ()) -> None:
        self.warehouse = warehouse
        self.summary: dict[str, object] = {}
        self.interrupted = False
        self._clock = time.perf_counter()
        key = digest(command, *key_of)
        before = warehouse.run_with_key(key) if key_of else None
        if before and before.pid != os.getpid():
            before = seen(before)
        self.resumed = bool(before and before.state == "interrupted" and now() - before.started_at < RESUME_WITHIN)
        self.run = Run(id=uuid4().hex, command=command, key=key, host=socket.gethostname(), pid=os.getpid())
        if self.resumed and before:
            kept = before.model_dump(include={"id", "started_at", "planned"})
            self.run = self.run.model_copy(update=kept)
        self.done = {(outcome.author, outcome.link) for outcome in self.outcomes()} if self.resumed else set()
        warehouse.put_run(self.run)

    def plan(self, links: Iterable[tuple[str, str]]) -> None:
        """Note the (author name, link) pairs that the run is about to work on."""
        self.run = self.run.model_copy(update={"planned": tuple(links)})
        self.warehouse.put_run(self.run)

    def add(self, *outcomes: Outcome) -> None:
        """Store outcomes as they come, so that a killed run keeps them."""
        self.warehouse.put_outcomes(self.run.id, outcomes)

    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes of the run, those of before it was continued included."""
        return tuple(self.warehouse.outcomes(self.run.id))

    def report(self) -> Report:
        """What the run did; `seconds` counts this process's share."""
        return Report(
            run_id=self.run.id,
            command=self.run.command,
            outcomes=self.outcomes(),
            seconds=time.perf_counter() - self._clock,
            interrupted=self.interrupted,
            summary=self.summary,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.interrupted = kind is not None
        state: RunState = "interrupted" if self.interrupted else "finished"
        self.warehouse.put_run(
            self.run.model_copy(update={"state": state, "finished_at": now(), "summary": self.summary})
        )
        # Stopped by the user: what is done is done, and the report says that there is more.
        return kind is not None and issubclass(kind, (KeyboardInterrupt, asyncio.CancelledError))
