"""Collect links into the warehouse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llm_twin.collecting.expand import expanded, older
from llm_twin.documents import Link, Outcome, Report, Status
from llm_twin.errors import LinkError, Permanent, Reason, TwinError
from llm_twin.links import parse_link
from llm_twin.runs import Progress, RunLog, Silent, failure, unexpected
from llm_twin.warehouse.store import Warehouse

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

log = logging.getLogger(__name__)


async def collect(
    warehouse: Warehouse, web: Web, links: Sequence[Link], progress: Progress | None = None, concurrency: int = 8
) -> Report:
    """Collect links into the warehouse; every one ends in one outcome. Cancelled, it returns what was done until then.

    A run over the same links that was stopped within the last day is continued. Raises `StoreError` when the
    warehouse fails; whatever fails about a single link is an outcome.
    """
    progress = progress or Silent()
    stored = {link.author.id: warehouse.put_author(link.author) for link in links}
    links = [link.model_copy(update={"author": stored[link.author.id]}) for link in links]
    with RunLog(warehouse, "collect", input_of(links)) as log_book:
        if not (log_book.resumed and log_book.run.planned):
            log_book.plan([(link.author.name, link.url) async for link in expanded(links, web, log_book)])
        authors = {link.author.name: link.author for link in links}
        # A list's items have its limit; which list a link came from is not noted yet.
        since = {link.author.name: link.since for link in links}
        todo = [
            Link(url=url, author=authors[name], since=since[name])
            for name, url in log_book.run.planned
            if (name, url) not in log_book.done
        ]
        progress.plan("collect", len(todo))
        waiting = iter(todo)

        async def work() -> None:
            for link in waiting:
                outcome = await _collect_link(link, web, warehouse)
                await asyncio.to_thread(log_book.add, outcome)
                progress.step("collect", 1, outcome)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(todo))):
                    group.create_task(work())
        except ExceptionGroup as several:
            raise several.exceptions[0] from None  # a failing store fails all workers alike
    return log_book.report()


def input_of(links: Iterable[Link]) -> list[str]:
    """What a collect run works on: two runs with the same links are runs over the same input."""
    return sorted(f"{link.author.id} {link.url} {link.expand} {link.since or ''}".rstrip() for link in links)


async def _collect_link(link: Link, web: Web, warehouse: Warehouse) -> Outcome:
    from llm_twin.collect.crawlers import crawler_for

    started = time.perf_counter()
    name = link.author.name
    try:
        _, crawl = crawler_for(parse_link(link.url))
        documents = [document async for document in crawl(link, web)]
        if not documents:
            raise Permanent(Reason.EMPTY, "nothing to store on this page")
        if why := older(link, documents[0]):
            raise why
        statuses = await asyncio.to_thread(warehouse.put, documents)
    except LinkError as error:
        return failure(link.url, name, error, time.perf_counter() - started)
    except TwinError:
        raise
    except Exception as error:
        log.debug("while collecting %s", link.url, exc_info=True)
        return failure(link.url, name, unexpected(error), time.perf_counter() - started)
    return Outcome(
        link=link.url,
        author=name,
        status=_combined(statuses),
        title=documents[0].title,
        documents=len(documents),
        stored_as=documents[0].link,
        seconds=round(time.perf_counter() - started, 3),
    )


def _combined(statuses: Sequence[Status]) -> Status:
    """One status for a link that stands for several documents."""
    if statuses[0] == "new":
        return "new"
    return "unchanged" if all(status == "unchanged" for status in statuses) else "updated"
