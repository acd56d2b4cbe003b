"""Collect, ingest, find, forget: plain functions over the stores' contracts. Indexing is a page of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from llm_twin.documents import KINDS, Author, Document, Hit, Link, Outcome, Report, Status, now
from llm_twin.errors import LinkError, Permanent, Reason, TwinError, UsageError
from llm_twin.links import canonical, parse_link
from llm_twin.runs import Progress, RunLog, Silent, failure
from llm_twin.warehouse.store import DocumentFilter, Warehouse

if TYPE_CHECKING:
    from llm_twin.collect.web import Web
    from llm_twin.models.embed import Embedder
    from llm_twin.models.rerank import Reranker
    from llm_twin.vectors.store import Vectors, VectorStore

log = logging.getLogger(__name__)

BATCH_DOCUMENTS = 200  # stored in one transaction by an import


# --- collect: links -> warehouse -----------------------------------------------------------------------------------


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
            log_book.plan((link.author.name, link.url) for link in await _expanded(links, web, log_book))
        authors = {link.author.name: link.author for link in links}
        todo = [
            Link(url=url, author=authors[name])
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
    return sorted(f"{link.author.id} {link.url} {link.expand}" for link in links)


async def _expanded(links: Sequence[Link], web: Web, log_book: RunLog) -> list[Link]:
    """The links to collect: lists replaced by their items, the same link in another spelling noted as a duplicate."""
    found: dict[tuple[str, str], Link] = {}
    for link in links:
        for url in await _items(link, web, log_book) if link.expand else [link.url]:
            try:
                key = (link.author.id, canonical(url))
            except Permanent:
                key = (link.author.id, url)  # its own outcome will say that it is no link
            first = found.setdefault(key, Link(url=url, author=link.author))
            if first.url != url:
                log_book.add(failure(url, link.author.name, Permanent(Reason.DUPLICATE, f"the same as {first.url}")))
    return list(found.values())


async def _items(link: Link, web: Web, log_book: RunLog) -> list[str]:
    """The links that one link stands for, itself when it is no list. A list has an outcome of its own."""
    from llm_twin.collect.discover import expand

    try:
        items = await expand(parse_link(link.url), web, link.expand)
    except TwinError as error:
        outcome = failure(link.url, link.author.name, _of_link(error))
        log_book.add(outcome.model_copy(update={"expand": link.expand}))
        return []
    except Exception as error:  # as for a page: see _collect_link
        log.debug("while expanding %s", link.url, exc_info=True)
        log_book.add(failure(link.url, link.author.name, _unexpected(error)))
        return []
    if [canonical(item) for item in items] == [canonical(link.url)]:
        return [link.url]
    detail = f"stands for {len(items)} link{'' if len(items) == 1 else 's'}"
    log_book.add(Outcome(link=link.url, author=link.author.name, status="expanded", detail=detail))
    return items


def _of_link(error: TwinError) -> LinkError:
    """The error of a single link; any other error ends the run."""
    if not isinstance(error, LinkError):
        raise error
    return error


def _unexpected(error: Exception) -> Permanent:
    return Permanent(Reason.INTERNAL, f"{type(error).__name__}: {error}")


async def _collect_link(link: Link, web: Web, warehouse: Warehouse) -> Outcome:
    from llm_twin.collect.crawlers import crawler_for

    started = time.perf_counter()
    name = link.author.name
    try:
        _, crawl = crawler_for(parse_link(link.url))
        documents = [document async for document in crawl(link, web)]
        if not documents:
            raise Permanent(Reason.EMPTY, "nothing to store on this page")
        statuses = await asyncio.to_thread(warehouse.put, documents)
    except LinkError as error:
        return failure(link.url, name, error, time.perf_counter() - started)
    except TwinError:
        raise
    except Exception as error:
        log.debug("while collecting %s", link.url, exc_info=True)
        unexpected = Permanent(Reason.INTERNAL, f"{type(error).__name__}: {error}")
        return failure(link.url, name, unexpected, time.perf_counter() - started)
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


async def preview(source: str, web: Web, url: str = "") -> Document:
    """The document that a link, or a page saved as a file (fetched from `url`), would give. Nothing is stored."""
    from llm_twin.collect.crawlers import crawler_for
    from llm_twin.collect.sites.article import document_of
    from llm_twin.collect.web import Page

    nobody = Author.named("nobody")
    file = Path(source)
    if not await asyncio.to_thread(file.is_file):
        link = Link(url=parse_link(source), author=nobody)
        _, crawl = crawler_for(link.url)
        async for document in crawl(link, web):
            return document
        raise Permanent(Reason.EMPTY, f"nothing to extract at {source}")
    link = Link(url=parse_link(url or f"http://localhost/{quote(file.name)}"), author=nobody)
    body = await asyncio.to_thread(file.read_bytes)
    page = Page(url=link.url, status=200, headers={"content-type": "text/html"}, fetched_at=now(), body=body)
    return document_of(page, link)


# --- ingest: an archive's documents -> warehouse -------------------------------------------------------------------


def ingest(
    warehouse: Warehouse, authors: Iterable[Author], documents: Sequence[Document], progress: Progress | None = None
) -> Report:
    """Store documents that were read from an archive. What was collected from the web already is not overwritten."""
    progress = progress or Silent()
    progress.plan("import", len(documents))
    with RunLog(warehouse, "import") as log_book:
        for author in authors:
            warehouse.put_author(author)
        for start in range(0, len(documents), BATCH_DOCUMENTS):
            batch = documents[start : start + BATCH_DOCUMENTS]
            taken = [document for document in batch if warehouse.raw(document.id) is None]
            statuses = dict(zip((document.id for document in taken), warehouse.put(taken), strict=True))
            for document in batch:
                if status := statuses.get(document.id):
                    outcome = Outcome(
                        link=document.link, author=document.author, status=status, title=document.title, documents=1
                    )
                else:
                    kept = Permanent(Reason.DUPLICATE, "already collected from the web, which has the better text")
                    outcome = failure(document.link, document.author, kept)
                log_book.add(outcome)
                progress.step("import", 1, outcome)
    return log_book.report()


# --- find and forget -----------------------------------------------------------------------------------------------


QUESTION_CHARACTERS = 10_000  # some 2,000 words: beyond that, more words find nothing better, and cost


def find(
    question: str,
    warehouse: Warehouse,
    vectors: VectorStore,
    embedder: Embedder,
    limit: int = 5,
    *,
    mode: str = "hybrid",
    diversity: float = 0.0,
    reranker: Reranker | None = None,
    context: int = 0,
    explain: bool = False,
    progress: Progress | None = None,
    **where: Any,
) -> list[Hit]:
    """The documents that answer `question` best, best first; see `retrieve.search.Query` for the options.

    `where`: author (name, alias or id), kind, platform, language, link, since (a datetime). `progress` is told when a
    question is not read to its end. Raises `UsageError` for what is unknown or makes no sense.
    """
    from llm_twin.retrieve.search import Query, check_mode, search
    from llm_twin.vectors.payloads import encodable
    from llm_twin.vectors.store import ChunkFilter

    if name := where.pop("author", None):
        where["author_id"] = known_author(warehouse, name).id
    if link := where.get("link"):
        where["link"] = canonical(link)
    if unknown := set(where) - set(ChunkFilter.model_fields):
        raise UsageError(f"no filter {min(unknown)!r}; there are author, kind, platform, language, link and since")
    if where.get("kind") not in (None, *KINDS):
        raise UsageError(f"no kind {where['kind']!r}; there are {', '.join(KINDS)}")
    question, cut = encodable(question[:QUESTION_CHARACTERS]), len(question) > QUESTION_CHARACTERS
    if cut and progress:
        progress.say(f"the question is long: only its first {QUESTION_CHARACTERS:,} characters are searched for")

    def embed(text: str) -> Vectors:
        tokens = len(embedder.tokenizer.encode(text, add_special_tokens=False).ids)
        if tokens > embedder.max_tokens and progress:
            progress.say(
                f"the question has {tokens} tokens, of which {embedder.name} reads the first {embedder.max_tokens};"
                " those after them count as words only"
            )
        return embedder.encode_query(text)

    query = Query(
        question=question,
        limit=limit,
        mode=check_mode(mode),
        where=ChunkFilter(**where),
        diversity=diversity,
        context=context,
        explain=explain,
    )
    return search(query, vectors, embed, reranker)


def known_author(warehouse: Warehouse, name: str) -> Author:
    """The author with this name, alias or id. Raises `UsageError` that suggests the closest one."""
    if found := warehouse.author(name):
        return found
    names = [author.name for author in warehouse.authors()]
    close = get_close_matches(name, names, 1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else "`twin authors` lists those that are known"
    raise UsageError(f"no author {name!r}; {hint}")


def documents_of(warehouse: Warehouse, link: str) -> list[Document]:
    """The documents that a link was collected as, for all authors; pages and repositories may name another link."""
    links = [canonical(link)]
    if not warehouse.count(DocumentFilter(link=links[0])):
        told = {
            each.stored_as for each in warehouse.last_outcomes() if each.stored_as and canonical(each.link) in links
        }
        links = sorted(told)
    return [document for each in links for document in warehouse.documents(DocumentFilter(link=each))]


def forget_author(warehouse: Warehouse, vectors: VectorStore, name: str) -> int:
    """Remove an author and all documents from index and warehouse; how many documents went. Raises `UsageError`."""
    author = known_author(warehouse, name)
    ids = [document.id for document in warehouse.documents(DocumentFilter(author_id=author.id))]
    # The index first: killed in between, the author is still known, and forgetting again completes it.
    vectors.delete(ids)
    warehouse.delete_author(author.id)
    return len(ids)


def forget_link(warehouse: Warehouse, vectors: VectorStore, link: str) -> int:
    """Remove the documents of a link, for all authors, with their parts; how many went. Raises `UsageError`."""
    whole = documents_of(warehouse, link)
    if not whole:
        raise UsageError(f"no document with the link {link}; `twin documents list` shows what there is")
    ids = [document.id for document in whole]
    parts = [part.id for each in ids for part in warehouse.documents(DocumentFilter(parent_id=each))]
    vectors.delete([*ids, *parts])
    return warehouse.delete([*ids, *parts])
