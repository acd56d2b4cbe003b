"""Keeping the book of a run, and showing how it comes along. Collect runs are kept by the link queue."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

from llm_twin.documents import Outcome, Report, Run, RunState, digest, now
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.warehouse.queue import lives
from llm_twin.warehouse.store import Warehouse

# What we chose not to take, as opposed to what went wrong.
SKIPS = frozenset({Reason.ROBOTS, Reason.DUPLICATE, Reason.OLDER, Reason.RESPONSE, Reason.OTHER_AUTHOR})
# A run on another machine whose end can't be seen counts as running for this long.
BELIEVED_ALIVE = timedelta(hours=24)


def seen(run: Run, warehouse: Warehouse) -> Run:
    """The run as it really stands: one that says it is running while its process is gone was interrupted."""
    if run.state != "running" or _is_alive(run, warehouse):
        return run
    return run.model_copy(update={"state": "interrupted"})


def _is_alive(run: Run, warehouse: Warehouse) -> bool:
    """Whether a process works on. On other machines only those that collect are seen; others are believed for a day."""
    if run.command == "collect":
        return warehouse.queue.alive(run.id)
    if run.host != socket.gethostname():
        return now() - run.started_at < BELIEVED_ALIVE
    return lives(run.pid)


class RunLog:
    """The record of one run in the warehouse.

    As a context manager it ends as finished, or, on an exception, interrupted;
    Ctrl-C and cancellation stop there, so that the report of what was done can be returned.
    """

    def __init__(self, warehouse: Warehouse, command: str) -> None:
        self.warehouse = warehouse
        self.summary: dict[str, object] = {}
        self.interrupted = False
        self._clock = time.perf_counter()
        self.run = Run(id=uuid4().hex, command=command, key=digest(command), host=socket.gethostname(), pid=os.getpid())
        warehouse.put_run(self.run)

    def add(self, *outcomes: Outcome) -> None:
        """Store outcomes as they come, so that a killed run keeps them."""
        self.warehouse.put_outcomes(self.run.id, outcomes)

    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes of the run."""
        return tuple(self.warehouse.outcomes(self.run.id))

    def report(self) -> Report:
        """What the run did."""
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


class Progress(Protocol):
    """Told what is planned and what is done, to show it."""

    def plan(self, stage: str, total: int) -> None:
        """`stage` ("collect", "embed", …) has `total` units of work; told again when there turn out to be more."""
        ...

    def step(self, stage: str, done: int = 1, outcome: Outcome | None = None) -> None:
        """`done` more units are finished, one of them with this outcome."""
        ...

    def say(self, text: str) -> None:
        """Something that a waiting person wants to know."""
        ...


class Silent:
    """Shows nothing."""

    def plan(self, stage: str, total: int) -> None:
        """See `Progress`."""

    def step(self, stage: str, done: int = 1, outcome: Outcome | None = None) -> None:
        """See `Progress`."""

    def say(self, text: str) -> None:
        """See `Progress`."""


def failure(link: str, author: str, error: LinkError, seconds: float = 0.0) -> Outcome:
    """The outcome of a link that ended with `error`."""
    return Outcome(
        link=link,
        author=author,
        status="skipped" if error.reason in SKIPS and not isinstance(error, Transient) else "failed",
        reason=error.reason,
        detail=error.detail,
        transient=isinstance(error, Transient),
        seconds=round(seconds, 3),
    )


def unexpected(error: Exception) -> Permanent:
    """What a crawler's own fault is reported as, so that the other links go on."""
    return Permanent(Reason.INTERNAL, f"{type(error).__name__}: {error}")
