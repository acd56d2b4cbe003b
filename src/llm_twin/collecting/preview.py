"""What a link or a saved page would give, without storing it."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from llm_twin.documents import Author, Document, Link, now
from llm_twin.errors import Permanent, Reason, UsageError
from llm_twin.links import parse_link

if TYPE_CHECKING:
    from llm_twin.collect.web import Web

STANDARD_INPUT = "-"


async def preview(source: str, web: Web, url: str = "") -> Document:
    """The document that a link, or a page saved as a file (fetched from `url`), would give. Nothing is stored.

    Files may be packed with gzip; "-" is standard input. Raises `LinkError` as collecting does, `UsageError` for what
    is neither a link nor a file that can be read.
    """
    from llm_twin.collect.crawlers import crawler_for
    from llm_twin.collect.sites.article import document_of
    from llm_twin.collect.web import Page

    nobody = Author.named("nobody")
    file = Path(source)
    if source != STANDARD_INPUT and not await asyncio.to_thread(_is_file, file):
        link = Link(url=_link(source), author=nobody)
        _, crawl = crawler_for(link.url)
        async for document in crawl(link, web):
            return _masked(document)
        raise Permanent(Reason.EMPTY, f"nothing to extract at {source}")
    name = "standard input" if source == STANDARD_INPUT else str(file)
    link = Link(url=parse_link(url or f"http://localhost/{quote(file.name)}"), author=nobody)
    try:
        body = await asyncio.to_thread(sys.stdin.buffer.read if source == STANDARD_INPUT else file.read_bytes)
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}") from None
    body = _unpacked(body, name, web.settings.max_page_bytes)
    if not body.strip():
        raise Permanent(Reason.EMPTY, f"there is nothing in {name}")
    page = Page(url=link.url, status=200, headers={}, fetched_at=now(), body=body)
    return _masked(document_of(page, link))


def _unpacked(body: bytes, name: str, most: int) -> bytes:
    from llm_twin.collect.reading.walls import GZIP

    if not body.startswith(GZIP):
        return body
    try:
        with gzip.open(BytesIO(body)) as stream:
            unpacked = stream.read(most + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise Permanent(Reason.BAD_DATA, f"{name} is no valid gzip file") from None
    if len(unpacked) > most:
        raise Permanent(Reason.TOO_LARGE, f"{name} is larger than {most:,} bytes, unpacked; see TWIN_MAX_PAGE_BYTES")
    return unpacked


def _is_file(file: Path) -> bool:
    try:
        if file.is_dir():
            raise UsageError(f"{file} is a folder; give one saved page (`twin import` takes folders)")
        return file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _link(source: str) -> str:
    if "://" not in source:
        raise UsageError(f"{source!r}: there is no such file, and a link begins with https://")
    return parse_link(source)


def _masked(document: Document) -> Document:
    from llm_twin.collect.secrets import masked

    return masked([document])[0][0]
