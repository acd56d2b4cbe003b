"""A collect run: links into the queue, and off it into the warehouse, by this process and whoever helps it.

How the work is shared: `warehouse/queue.py`. In what order a process works: `hand.py`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import uuid4

from llm_twin.collect.same_post import SamePosts
from llm_twin.collecting.hand import Hand
from llm_twin.collecting.link import collected, refused
from llm_twin.documents import Link, Outcome, Report, Run, digest, now
from llm_twin.errors import RecordError
from llm_twin.runs import Progress, Silent
from llm_twin.warehouse.queue import Collector, Done, Rules, Task
from llm_twin.warehouse.store import Warehouse

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

P = ParamSpec("P")
T = TypeVar("T")

EACH = 8  # links of a domain that are taken off the queue at a time
DOMAINS = 4  # held for every link collected at the same time: enough that hardly one has to wait for its host
BATCH = 32  # links stored in one transaction, at most
BEAT = 1.0  # seconds between two signs of life
POLL = 0.25  # seconds between two looks for links that others give back


async def collect(
    warehouse: Warehouse,
    web: Web,
    links: Sequence[Link],
    progress: Progress | None = None,
    concurrency: int = 8,
    *,
    refresh: bool = False,
) -> Report:
    """Collect links into the warehouse; every one ends in one outcome. Cancelled, it returns what was done until then.

    A run over the same links that goes on in another process is joined, one that was stopped within the last day
    continued. Pages that have not changed are not read again, unless `refresh` says so. Raises `StoreError` when the
    warehouse fails; whatever fails about a single link is an outcome.
    """
    clock = time.perf_counter()
    stored = {author.id: warehouse.put_author(author) for author in dict.fromkeys(link.author for link in links)}
    links = [link.model_copy(update={"author": stored[link.author.id]}) for link in links]
    run = Run(
        id=uuid4().hex,
        command="collect",
        key=digest("collect", *input_of(links)),
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    collector = Collector(run_id=run.id)
    run = warehouse.queue.begin(run, links, collector)
    collector = collector.model_copy(update={"run_id": run.id})
    state = "interrupted"
    try:
        await _Shift(warehouse, web, run, collector, progress or Silent(), concurrency, refresh).work()
        state = "finished"
    except asyncio.CancelledError:
        pass  # stopped by the user: what is done is done, and the report says that there is more
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # a failing store fails all workers alike
    finally:
        helped = warehouse.queue.leave(collector)
        if state == "interrupted" and not helped:
            warehouse.put_run(run.model_copy(update={"state": "interrupted", "finished_at": now()}))
    return Report(
        run_id=run.id,
        command=run.command,
        outcomes=tuple(warehouse.outcomes(run.id)),
        seconds=time.perf_counter() - clock,
        interrupted=state == "interrupted",
    )


def input_of(links: Iterable[Link]) -> list[str]:
    """What a collect run works on: two runs with the same links are runs over the same input."""
    return sorted(f"{link.author.id} {link.url} {link.expand} {link.since or ''}".rstrip() for link in links)


class _Shift:
    """What one process does for a run. The store is used by one thread, so that its calls keep their order."""

    def __init__(
        self,
        warehouse: Warehouse,
        web: Web,
        run: Run,
        collector: Collector,
        progress: Progress,
        concurrency: int,
        refresh: bool,
    ) -> None:
        self._queue, self._web, self._run, self._collector = warehouse.queue, web, run, collector
        self._same = SamePosts(warehouse)
        self._progress, self._concurrency, self._refresh = progress, concurrency, refresh
        self._hand = Hand()
        self._thread = ThreadPoolExecutor(1, "queue")
        self._rules: list[Rules] = []  # that were read, and are not stored yet
        self._origins: list[str] = []  # to look up
        self._recalled: asyncio.Task[dict[str, Rules]] | None = None
        web.remember(self._recall, self._rules.append)
        self._unstored: list[tuple[Done, asyncio.Future[Outcome | None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._moved = asyncio.Event()  # a link was finished
        self._claimed_all_at = float("-inf")  # when no domain was left to claim
        self._wanted: list[str] = []  # domains that others ask for, which are given back soon
        self._ended = False
        self._mine = 0
        self._total = 0

    async def work(self) -> None:
        """Collect until the run is at its end, whoever gets it there."""
        try:
            await self._tell_total()
            async with asyncio.TaskGroup() as group:
                beat = group.create_task(self._beat())
                workers = [group.create_task(self._collect()) for _ in range(self._concurrency)]
                await asyncio.wait(workers)
                beat.cancel()
            await self._store_rules()
        finally:
            if self._writer:
                await self._writer
            self._thread.shutdown()

    async def _collect(self) -> None:
        while task := await self._next():
            done = await collected(task, self._web, refresh=self._refresh)
            outcome = await self._store(done)
            self._hand.done(task, time.monotonic())
            if done.links:
                self._hand.look_again()
                self._claimed_all_at = float("-inf")
                await self._tell_total()
            self._mine += 1
            self._moved.set()
            if outcome:
                self._progress.step("collect", 1, outcome)

    async def _next(self) -> Task | None:
        """The next link, once there is one; None when none of the run is left."""
        async with self._turn:
            while not self._ended:
                self._moved.clear()
                if self._wanted or not self._hand.rested:
                    await self._refill()
                if task := self._hand.next():
                    return task
                if not self._hand.busy:
                    self._ended = await self._asked(self._queue.end, self._finished())
                    if self._ended:
                        break
                    await self._asked(self._queue.want, self._collector)
                try:
                    async with asyncio.timeout(POLL):
                        await self._moved.wait()
                except TimeoutError:
                    continue
        return None

    async def _refill(self) -> None:
        """Take links off the queue, and give back the domains that have no more."""
        spent = self._hand.spent(time.monotonic() - self._web.settings.delay)
        if spent:
            await self._asked(self._queue.release, self._collector, spent)
        for domain, in_hand in self._hand.empty():
            found = await self._asked(self._queue.more, self._collector, domain, EACH, in_hand)
            self._hand.take(found, EACH)
            if not found:
                self._hand.no_more(domain)
        room = DOMAINS * self._concurrency - self._hand.live
        if room > 0 and time.monotonic() - self._claimed_all_at >= POLL:
            tasks = await self._asked(self._queue.claim, self._collector, room, EACH, self._hand.held)
            self._hand.take(tasks, EACH)
            if len({task.domain for task in tasks}) < room:
                self._claimed_all_at = time.monotonic()

    async def _store(self, done: Done) -> Outcome | None:
        """Store a link's results, together with those that came while the ones before were being stored."""
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._unstored.append((done, future))
        if not self._writer or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        most = BATCH
        while self._unstored:
            batch, self._unstored = self._unstored[:most], self._unstored[most:]
            try:
                outcomes = await self._asked(self._finish, [done for done, _ in batch])
            except RecordError as error:
                if len(batch) > 1:  # one of them
                    self._unstored[:0] = batch
                    most = 1
                else:
                    done, future = batch[0]
                    self._unstored.insert(0, (refused(done, error), future))
                continue
            except Exception as error:  # noqa: BLE001 - raised again where it is waited for
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    def _finish(self, batch: list[Done]) -> list[Outcome | None]:
        self._same.make_way(document for done in batch for document in done.documents)
        return self._queue.finish(batch)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._wanted = await self._asked(self._queue.beat, self._collector)
            for domain in self._wanted:
                self._hand.no_more(domain)
            await self._tell_total()
            await self._store_rules()

    async def _recall(self, origin: str) -> Rules | None:
        """What is stored of an origin's robots.txt, looked up with those of the links that begin at the same time."""
        self._recalled = self._recalled or asyncio.create_task(self._look_up())
        self._origins.append(origin)
        return (await asyncio.shield(self._recalled)).get(origin)

    async def _look_up(self) -> dict[str, Rules]:
        await asyncio.sleep(0)  # the others come
        origins, self._origins, self._recalled = self._origins, [], None
        return {rules.origin: rules for rules in await self._asked(self._queue.rules, origins)}

    async def _store_rules(self) -> None:
        rules, self._rules[:] = [*self._rules], []
        if rules:
            await self._asked(self._queue.put_rules, rules)

    async def _tell_total(self) -> None:
        total = self._mine + await self._asked(self._queue.to_do, self._run.id)
        if total != self._total:
            self._total = total
            self._progress.plan("collect", total)
            self._web.expect(total)

    def _finished(self) -> Run:
        return self._run.model_copy(update={"state": "finished", "finished_at": now()})

    async def _asked(self, call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: call(*args, **options))
