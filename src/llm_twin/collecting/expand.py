"""One link -> many: feeds, sitemaps, profiles; the same link twice is taken once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from llm_twin.documents import Document, Link, Outcome
from llm_twin.errors import LinkError, Permanent, Reason, TwinError
from llm_twin.links import canonical, parse_link
from llm_twin.runs import RunLog, failure, unexpected

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

log = logging.getLogger(__name__)


async def expanded(links: Sequence[Link], web: Web, log_book: RunLog) -> AsyncIterator[Link]:
    """The links to collect, one list at a time: lists replaced by their items, which keep the list's `since`.

    The same link in another spelling is noted as a duplicate. A list has an outcome of its own.
    """
    found: dict[tuple[str, str], str] = {}
    for link in links:
        for url in await _items(link, web, log_book) if link.expand else [link.url]:
            try:
                key = (link.author.id, canonical(url))
            except Permanent:
                key = (link.author.id, url)  # its own outcome will say that it is no link
            if key not in found:
                found[key] = url
                yield Link(url=url, author=link.author, since=link.since)
            elif found[key] != url:
                why = Permanent(Reason.DUPLICATE, f"the same as {found[key]}")
                log_book.add(failure(url, link.author.name, why))


def older(link: Link, document: Document) -> Permanent | None:
    """Why what was fetched for a link is left out by its `since`, if it is: no list had told its date."""
    if link.since is None or document.published_at is None or document.published_at >= link.since:
        return None
    return Permanent(Reason.OLDER, f"of {document.published_at:%Y-%m-%d}, before {link.since:%Y-%m-%d}")


async def _items(link: Link, web: Web, log_book: RunLog) -> list[str]:
    """The links that one link stands for, itself when it is no list."""
    from llm_twin.collect.discover import expand

    try:
        items = await expand(parse_link(link.url), web, link.expand)
    except TwinError as error:
        outcome = failure(link.url, link.author.name, _of_link(error))
        log_book.add(outcome.model_copy(update={"expand": link.expand, "since": link.since}))
        return []
    except Exception as error:  # as for a page: see _collect_link
        log.debug("while expanding %s", link.url, exc_info=True)
        log_book.add(failure(link.url, link.author.name, unexpected(error)))
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
