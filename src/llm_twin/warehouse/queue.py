"""The contract of the link queue: the links of collect runs, worked off by any number of processes on any machines.

What is claimed is a domain, not a link: its lease keeps two processes, of one run or of two, from asking one host twice
as often as one of them would. A collector whose process is gone from this machine, or that has given no sign of life
for `LEASE` seconds, has lost its leases. Whether a link is done is decided where its results are stored, in the same
transaction, so that a collector that lost a lease without knowing stores nothing twice.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from pydantic import Field

from llm_twin.documents import Document, Link, Moment, Outcome, Run, Seen, Status, Value, digest
from llm_twin.errors import Permanent, Reason
from llm_twin.links import canonical

LEASE = timedelta(seconds=30)  # without a sign of life, and a collector counts as dead
# A run that was stopped longer ago is not continued: what it had finished may have changed since.
RESUME_WITHIN = timedelta(hours=24)
KEPT = timedelta(days=30)  # the links that a run never came to, for a retry


@cache
def this_machine() -> str:
    """What tells machines, and containers with process ids of their own, apart."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(path).readlink()) if path.endswith("pid") else Path(path).read_text().strip())
        except OSError:  # not Linux: the name has to do
            continue
    return " ".join(parts)


class Collector(Value):
    """One process, or a thread of one, that takes part in a run."""

    id: str = Field(default_factory=lambda: uuid4().hex)
    run_id: str
    machine: str = Field(default_factory=this_machine)
    pid: int = Field(default_factory=os.getpid)


class Visit(Value):
    """What a link gave when it was last collected, and what its page was then."""

    seen: Seen
    extractor: str  # version of what read the page
    document_id: str  # the first of its documents
    content_hash: str
    kind: str
    title: str
    stored_as: str
    documents: int = 1


class Task(Value):
    """A link of a run that is still to be collected."""

    id: str
    run_id: str
    domain: str
    link: Link
    before: Visit | None = None  # where its document is still the one that was stored then


class Done(Value):
    """A collected link: everything that is stored about it, in one transaction."""

    task: Task
    outcome: Outcome  # with documents, their statuses decide its own
    documents: tuple[Document, ...] = Field(default=(), repr=False)
    visit: Visit | None = None  # to be remembered; None leaves what is remembered
    links: tuple[Link, ...] = ()  # that a list stands for: they join the queue


class Rules(Value):
    """The robots.txt of an origin as it was read."""

    origin: str
    text: str = Field(repr=False)
    until: Moment  # when it is to be read again


class Backlog(Value):
    """How far a run has come with one domain."""

    domain: str
    done: int
    claimed: int  # not done yet, on a domain that a process works on
    waiting: int

    @property
    def total(self) -> int:
        """All its links."""
        return self.done + self.claimed + self.waiting


class Queue(Protocol):
    """The links of collect runs. Methods are atomic and idempotent, and raise `StoreError`, as the warehouse's are.

    A MongoDB server without transactions writes the parts of `finish` in an order in which doing it again, after a
    crash in between, repairs it.
    """

    def begin(self, run: Run, links: Sequence[Link], collector: Collector) -> Run:
        """Join the run with the same key that is not finished and began within `RESUME_WITHIN`; if there is none, add
        `run` and its links. Returns the run that `collector`, whose `run_id` is set aside, now takes part in.

        A link in another spelling of one that is queued already ends at once, as a duplicate.
        """
        ...

    def claim(self, collector: Collector, domains: int, each: int, held: Collection[str] = ()) -> list[Task]:
        """Take up to `domains` more domains that nobody holds; the first `each` links of every one of them.

        Domains that were handed over to the collector, which it does not know of yet (`held`), come first. Collectors
        that are dead lose theirs.
        """
        ...

    def more(self, collector: Collector, domain: str, each: int, in_hand: Collection[str] = ()) -> list[Task]:
        """The next links of a domain that the collector holds, but for those (ids) that it has in hand already."""
        ...

    def finish(self, done: Sequence[Done]) -> list[Outcome | None]:
        """Store what was collected for one run, and its outcomes; the links are done. None for what others had done."""
        ...

    def release(self, collector: Collector, domains: Iterable[str]) -> None:
        """Give domains back: to the collector that wants one, or to anybody."""
        ...

    def want(self, collector: Collector) -> None:
        """Ask for a domain that this collector's run waits for, from another run or from who has several."""
        ...

    def beat(self, collector: Collector) -> list[str]:
        """Give a sign of life. Returns the collector's domains that others want."""
        ...

    def leave(self, collector: Collector) -> bool:
        """Take no part any more: all its domains are free. Whether others go on with the run."""
        ...

    def end(self, run: Run) -> bool:
        """Write down that the run is finished, and remove its links, if none is left to do. Whether it is finished."""
        ...

    def alive(self, run_id: str) -> bool:
        """Whether a process takes part in the run."""
        ...

    def left(self, run_id: str) -> Iterator[Link]:
        """The links of a run that are still to do."""
        ...

    def drop(self, run_id: str, author_id: str | None = None) -> None:
        """Take a run's links (of one author) off the queue: another run has them. The run is not continued."""
        ...

    def backlog(self, run_id: str) -> list[Backlog]:
        """How far a run that is not finished has come, by domain."""
        ...

    def to_do(self, run_id: str) -> int:
        """How many links of a run are not done."""
        ...

    def rules(self, origins: Collection[str]) -> list[Rules]:
        """The rules that were put last of those of the origins that have any, if they still hold."""
        ...

    def put_rules(self, rules: Iterable[Rules]) -> None:
        """Remember rules until they are to be read again, each instead of its origin's former ones."""
        ...


def lives(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def task_key(link: Link) -> str:
    """Equal for links that are the same to a run: of one author, in whatever spelling."""
    try:
        url = canonical(link.url)
    except Permanent:
        url = link.url  # its own outcome will say that it is no link
    return digest(link.author.id, url, "list" if link.expand else "")


def visit_key(link: Link) -> str:
    """Under which it is remembered what a link gave."""
    return digest(link.author.id, link.url)


def duplicate(link: Link, first: str) -> Outcome:
    """The outcome of a link that is queued already in another spelling."""
    detail = f"the same as {first}"
    author = link.author.name
    return Outcome(link=link.url, author=author, status="skipped", reason=Reason.DUPLICATE, detail=detail)


def combined(statuses: Sequence[Status]) -> Status:
    """One status for a link that stands for several documents."""
    if statuses[0] == "new":
        return "new"
    return "unchanged" if all(status == "unchanged" for status in statuses) else "updated"
