"""Sitemaps (https://www.sitemaps.org/protocol.html): files, indexes, gzip, text; read in a stream and bounded."""

from __future__ import annotations

import gzip
import heapq
import logging
import re
import zlib
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.discover.contents import content_of
from llm_twin.collect.discover.feeds import read_feed
from llm_twin.collect.discover.found import MOST, OLDEST, Findings, Found, Wanted, date_of, may_be_article, on_site
from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Permanent, Reason

if TYPE_CHECKING:
    from lxml.etree import _Element

log = logging.getLogger(__name__)

MAX_BYTES = 50_000_000  # of one file, unpacked: what the protocol allows
MAX_FILES = 200  # read below one index; each is a request to one host
MAX_PARTS = 50_000  # of an index: what the protocol allows
EVERYTHING = Wanted()
PIECE = 1 << 16  # bytes unpacked and parsed at a time
# How WordPress, Yoast, Ghost and others name the parts of an index that list no articles.
NO_ARTICLES = re.compile(
    r"(?:^|[-_/])(?:taxonomies|categor(?:y|ies)|(?:post[-_])?tags?|users?|authors?|images?|videos?|products?|attachments?)"
    r"(?:[-_]|\d|\.|$)",
    re.I,
)


class Sitemap(NamedTuple):
    """One file: the parts of an index, or items."""

    parts: list[tuple[datetime | None, str]]
    items: list[Found]


async def add_sitemaps(
    start: list[str], web: Web, findings: Findings, site: str, *, below: str = "/", page: Page | None = None
) -> LinkError | None:
    """Add the articles of `site` (a link on it) in sitemaps and what they index, the newest files first.

    `below`: only those below this path. `page`: the first sitemap, fetched already. Missing files do not hide the
    others; what went wrong last is returned.
    """
    wanted = findings.wanted
    waiting: list[tuple[datetime | None, str]] = [(None, address) for address in start]
    read: set[str] = set()
    problem: LinkError | None = None
    dates: list[datetime] = []
    while waiting and len(read) < MAX_FILES and len(findings) < MOST:
        date, address = waiting.pop(0)
        # All that is left is older than what was found; without dates the rest has to be read to know.
        if date and (wanted.refuses(date) or sum(other >= date for other in dates) >= wanted.limit):
            findings.left_out = True
            break
        if address in read:
            continue
        read.add(address)
        try:
            got = page if page and address == page.url else await web.get(address)
            found = await web.compute(read_sitemap, got, site, below, wanted)
        except LinkError as error:
            log.debug("sitemap left out: %s: %s", address, error)
            problem = error
            continue
        findings.add(found.items)
        dates += [item.date for item in found.items if item.date]
        parts = [part for part in found.parts if on_site(part[1], site, address)]
        waiting = sorted(waiting + parts, key=lambda part: part[0] or OLDEST, reverse=True)
    return problem


def read_sitemap(page: Page, site: str, below: str = "/", wanted: Wanted = EVERYTHING) -> Sitemap:
    """One file: the articles of `site` below a path, the newest that are wanted. Raises `Permanent`."""

    def fits(item: Found) -> bool:
        return urlsplit(item.link).path.startswith(below) and may_be_article(item.link) and on_site(item.link, site)

    content = content_of(page)
    if content == "feed":  # which may stand in for a sitemap
        return Sitemap([], [item._replace(source="sitemap") for item in read_feed(page).items if fits(item)])
    if content == "other" and page.content_type in ("text/plain", ""):
        lines = (line.strip() for line in page.text.splitlines())
        links = (Found(line, source="sitemap", listed_in=page.url) for line in lines if line.startswith("http"))
        return Sitemap([], [item for item in islice(links, MOST) if fits(item)])
    if content != "sitemap":
        raise Permanent(Reason.BAD_DATA, f"{page.url} is no sitemap but {page.content_type or 'unlabelled'}")
    parts: list[tuple[datetime | None, str]] = []

    def items() -> Iterator[Found]:
        for tag, fields in _entries(page):
            link = urljoin(page.url, fields["loc"])
            changed = date_of(fields.get("lastmod"))
            if tag == "url":
                published = date_of(fields.get("publication_date"))
                item = Found(link, published, changed, fields.get("title", ""), "sitemap", page.url)
                if fits(item):
                    yield item
            elif len(parts) < MAX_PARTS and not NO_ARTICLES.search(urlsplit(link).path.rpartition("/")[2]):
                parts.append((changed, link))

    def rank(item: Found) -> tuple[bool, datetime]:
        return not wanted.refuses(item.date), item.date or OLDEST

    # Of a file of any size only as much is held as is wanted.
    newest = heapq.nlargest(min(wanted.limit, MOST), items(), key=rank)
    return Sitemap(parts, newest)


def _entries(page: Page) -> Iterator[tuple[str, dict[str, str]]]:
    """`url` and `sitemap` elements with their fields, and the date and title of Google's news extension."""
    from lxml.etree import XMLPullParser, XMLSyntaxError

    parser = XMLPullParser(
        events=("end",), resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_comments=True
    )
    known = False
    try:
        for piece in _unpacked(page):
            parser.feed(piece)
            for _, element in cast("Iterator[tuple[str, _Element]]", parser.read_events()):
                tag = str(element.tag).rpartition("}")[2]
                known = known or tag in ("url", "sitemap", "urlset", "sitemapindex")
                if tag not in ("url", "sitemap"):
                    continue
                # Images and videos have a `loc` of their own, further down.
                fields = {str(child.tag).rpartition("}")[2]: (child.text or "").strip() for child in element}
                for news in element.iterfind("{*}news/*"):
                    fields.setdefault(str(news.tag).rpartition("}")[2], (news.text or "").strip())
                if fields.get("loc"):
                    yield tag, fields
                element.clear()
                parent = element.getparent()
                while parent is not None and element.getprevious() is not None:
                    del parent[0]
        parser.close()
    except (XMLSyntaxError, ValueError):
        if not known:
            raise Permanent(Reason.BAD_DATA, f"the sitemap at {page.url} is no XML") from None


def _unpacked(page: Page) -> Iterator[bytes]:
    """The file in pieces, unpacked where it is gzip. Raises `Permanent` for what is broken or too large."""
    stream = gzip.GzipFile(fileobj=BytesIO(page.body)) if page.body.startswith(b"\x1f\x8b") else BytesIO(page.body)
    size = 0
    try:
        while piece := stream.read(PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise Permanent(Reason.TOO_LARGE, f"the sitemap at {page.url} is over 50 MB unpacked")
            yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise Permanent(Reason.BAD_DATA, f"the sitemap at {page.url} is no valid gzip file") from None
