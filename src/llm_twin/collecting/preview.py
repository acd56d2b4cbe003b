"""What a link or a saved page would give, without storing it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from llm_twin.documents import Author, Document, Link, now
from llm_twin.errors import Permanent, Reason
from llm_twin.links import parse_link

if TYPE_CHECKING:
    from llm_twin.collect.web import Web


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
            return _masked(document)
        raise Permanent(Reason.EMPTY, f"nothing to extract at {source}")
    link = Link(url=parse_link(url or f"http://localhost/{quote(file.name)}"), author=nobody)
    body = await asyncio.to_thread(file.read_bytes)
    page = Page(url=link.url, status=200, headers={"content-type": "text/html"}, fetched_at=now(), body=body)
    return _masked(document_of(page, link))


def _masked(document: Document) -> Document:
    from llm_twin.collect.secrets import masked

    return masked([document])[0][0]
