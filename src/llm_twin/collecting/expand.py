"""One link -> many: feeds, sitemaps, profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from llm_twin.documents import Document, Link
from llm_twin.errors import LinkError, Permanent, Reason
from llm_twin.links import canonical, parse_link

if TYPE_CHECKING:
    from llm_twin.collect.web import Web


class Items(NamedTuple):
    """The links that a list stands for, and why it was not read to its end, where it was not."""

    links: list[str]
    cut: LinkError | None = None


async def items_of(link: Link, web: Web) -> Items | None:
    """The links that a list stands for, at most `link.expand`; None for a link that is no list. Raises `LinkError`."""
    from llm_twin.collect.discover import CutShort, expand

    try:
        items = await expand(parse_link(link.url), web, link.expand, link.since)
    except CutShort as error:
        return Items([found.link for found in error.found], error.why)
    return None if [canonical(item) for item in items] == [canonical(link.url)] else Items(items)


def older(link: Link, document: Document) -> Permanent | None:
    """Why what was fetched for a link is left out by its `since`, if it is: no list had told its date."""
    if link.since is None or document.published_at is None or document.published_at >= link.since:
        return None
    return Permanent(Reason.OLDER, f"of {document.published_at:%Y-%m-%d}, before {link.since:%Y-%m-%d}")
