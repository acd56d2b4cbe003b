"""One link: fetched, read, and made into what is stored about it. Whatever fails about it is its outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from llm_twin.collecting.expand import items_of, older
from llm_twin.documents import Document, Outcome, Seen
from llm_twin.errors import LinkError, Permanent, Reason, RecordError, Transient, TwinError
from llm_twin.links import parse_link
from llm_twin.runs import failure, unexpected
from llm_twin.warehouse.queue import Done, Task, Visit

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

log = logging.getLogger(__name__)


async def collected(task: Task, web: Web, *, refresh: bool = False) -> Done:
    """What a link gives: documents, the links of a list, `unchanged`, or why it gives nothing.

    `refresh` reads the page whether or not it has changed. Raises what ends the whole run: a store that fails.
    """
    started = time.perf_counter()
    try:
        done = await _in_time(task, web, refresh)
    except LinkError as error:
        done = Done(task=task, outcome=_failed(task, error))
    except TwinError:
        raise
    except Exception as error:
        log.debug("while collecting %s", task.link.url, exc_info=True)
        done = Done(task=task, outcome=failure(task.link.url, task.link.author.name, unexpected(error)))
    seconds = round(time.perf_counter() - started, 3)
    return done.model_copy(update={"outcome": done.outcome.model_copy(update={"seconds": seconds})})


def _failed(task: Task, error: LinkError) -> Outcome:
    link = task.link
    more = {"expand": link.expand, "since": link.since} if link.expand else {}
    return failure(link.url, link.author.name, error).model_copy(update={**more, "listed": link.listed})


def refused(done: Done, error: RecordError) -> Done:
    """What is stored of a link whose documents the warehouse does not take."""
    link = done.task.link
    why = Permanent(Reason.BAD_DATA, str(error))
    return Done(task=done.task, outcome=failure(link.url, link.author.name, why, done.outcome.seconds))


async def _in_time(task: Task, web: Web, refresh: bool) -> Done:
    limit = web.settings.link_timeout
    try:
        async with asyncio.timeout(limit) as whole:
            return await _collected(task, web, refresh)
    except TimeoutError:
        if not whole.expired():
            raise
        words = f"it took over {limit:g} s, with all tries, redirects and pauses between; see TWIN_LINK_TIMEOUT"
        raise Transient(Reason.TIMEOUT, words) from None


async def _collected(task: Task, web: Web, refresh: bool) -> Done:
    from llm_twin.collect.crawlers import crawler_for
    from llm_twin.collect.extract import EXTRACTOR
    from llm_twin.collect.pages import Unchanged
    from llm_twin.collect.secrets import masked

    link = task.link
    if link.expand and (items := await items_of(link, web)) is not None:
        detail = f"stands for {len(items.links)} link{'' if len(items.links) == 1 else 's'}"
        outcome = Outcome(link=link.url, author=link.author.name, status="expanded", detail=detail)
        if items.cut:
            outcome = _failed(task, items.cut)
        links = tuple(link.model_copy(update={"url": url, "expand": 0, "listed": True}) for url in items.links)
        return Done(task=task, outcome=outcome, links=links)
    before = task.before if task.before and task.before.extractor == EXTRACTOR and not refresh else None
    view = web.against(before.seen if before else None)
    documents: list[Document] = []
    cut: LinkError | None = None
    try:
        _, crawl = crawler_for(parse_link(link.url))
        async for document in crawl(link, view):
            documents.append(document)  # noqa: PERF401 - what came before an error is not lost
    except LinkError as error:
        if not (error.partial and documents):
            raise
        cut = error
    except Unchanged as same:
        if not before:  # a view without a page to compare with never says so
            raise
        visit = None if same.seen == before.seen else before.model_copy(update={"seen": same.seen})
        return Done(task=task, outcome=_unchanged(task, before), visit=visit)
    if not documents:
        raise Permanent(Reason.EMPTY, "nothing to store on this page")
    if why := older(link, documents[0]):
        raise why
    documents, secrets = await asyncio.to_thread(masked, documents)
    first = documents[0]
    outcome = Outcome(link=link.url, author=link.author.name, status="new")  # the warehouse knows better
    stored = {"title": first.title, "documents": len(documents), "stored_as": first.link, "secrets": secrets}
    if cut:
        outcome = _failed(task, cut).model_copy(update=stored)
        return Done(task=task, outcome=outcome, documents=tuple(documents))
    outcome = outcome.model_copy(update=stored)
    visit = _visit(view.seen, documents, EXTRACTOR)
    return Done(task=task, outcome=outcome, documents=tuple(documents), visit=visit)


def _unchanged(task: Task, before: Visit) -> Outcome:
    return Outcome(
        link=task.link.url,
        author=task.link.author.name,
        status="unchanged",
        title=before.title,
        documents=before.documents,
        stored_as=before.stored_as,
    )


def _visit(seen: Seen | None, documents: list[Document], extractor: str) -> Visit | None:
    """What to remember: of a document that was read from one page, and of a repository."""
    first = documents[0]
    if not seen or not (first.raw or first.kind == "repository"):
        return None
    if first.raw and (first.raw.url, first.raw.headers.get("etag", "")) != (seen.page_url, seen.etag):
        return None  # it has a secret in it, which is masked
    return Visit(
        seen=seen,
        extractor=extractor,
        document_id=first.id,
        content_hash=first.content_hash,
        kind=first.kind,
        title=first.title,
        stored_as=first.link,
        documents=len(documents),
    )
