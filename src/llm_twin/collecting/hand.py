"""The links that a process has claimed, and which of them is next: domains take turns, so that none fills all slots."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from llm_twin.warehouse.queue import Task

AT_ONCE = (
    4  # links of one domain: two that are fetched, as many as a host is asked for at a time, and two that are read
)


@dataclass
class _Domain:
    """A domain that this process holds."""

    ready: deque[Task] = field(default_factory=deque)
    busy: set[str] = field(default_factory=set)  # ids of tasks that are being collected
    turn: int = 0  # when a link of it was started last
    ended: float = 0.0  # by the clock, when one was finished last
    dry: bool = False  # the queue has no more of it, or it is to be given back


class Hand:
    """Holds domains with their next links. Every domain is at one moment asked for `AT_ONCE` links at most."""

    def __init__(self) -> None:
        self._domains: dict[str, _Domain] = {}
        self._turn = 0

    def take(self, tasks: Iterable[Task], each: int) -> None:
        """Take tasks from the queue; a domain that got fewer than `each` has no more."""
        count: dict[str, int] = {}
        for task in tasks:
            self._domains.setdefault(task.domain, _Domain()).ready.append(task)
            count[task.domain] = count.get(task.domain, 0) + 1
        for name, number in count.items():
            self._domains[name].dry = number < each

    def next(self) -> Task | None:
        """The link to collect next: of the domain that is asked least, and was asked longest ago."""
        able = [each for each in self._domains.values() if each.ready and len(each.busy) < AT_ONCE]
        if not able:
            return None
        chosen = min(able, key=lambda each: (len(each.busy), each.turn))
        self._turn += 1
        chosen.turn = self._turn
        task = chosen.ready.popleft()
        chosen.busy.add(task.id)
        return task

    def done(self, task: Task, at: float) -> None:
        """A link has been stored, at this moment."""
        domain = self._domains[task.domain]
        domain.busy.discard(task.id)
        domain.ended = at

    def no_more(self, name: str) -> None:
        """The queue has nothing left of a domain, or another process wants it: what is not begun goes back."""
        if domain := self._domains.get(name):
            domain.ready.clear()
            domain.dry = True

    def look_again(self) -> None:
        """Links have been added to the queue, maybe of domains that had no more."""
        for domain in self._domains.values():
            domain.dry = False

    def spent(self, before: float) -> list[str]:
        """Domains to give back: nothing to do, and nothing done since the moment `before`. They are held no more."""
        names = [
            name
            for name, each in self._domains.items()
            if each.dry and not (each.ready or each.busy) and each.ended <= before
        ]
        for name in names:
            del self._domains[name]
        return names

    def empty(self) -> list[tuple[str, Collection[str]]]:
        """Domains that the queue may have more links of, each with the ids of those that are in hand."""
        return [(name, set(each.busy)) for name, each in self._domains.items() if not (each.ready or each.dry)]

    @property
    def held(self) -> list[str]:
        """All domains that this process holds."""
        return list(self._domains)

    @property
    def live(self) -> int:
        """How many of them still have links."""
        return sum(not each.dry or bool(each.ready) for each in self._domains.values())

    @property
    def busy(self) -> bool:
        """Whether any link is being collected."""
        return any(each.busy for each in self._domains.values())

    @property
    def rested(self) -> bool:
        """Whether a link is ready of a domain that is not being asked for another."""
        return any(each.ready and not each.busy for each in self._domains.values())
