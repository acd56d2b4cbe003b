"""One link -> many: feeds, sitemaps, home pages, and what the sites' own expanders know.

What a link stands for is read from the content that comes back, never from its file name.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import zlib
from calendar import timegm
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from typing import Literal
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.crawlers import crawler_for, expander_for
from llm_twin.collect.extract_metadata import is_item, moment
from llm_twin.collect.pages import Page
from llm_twin.collect.web import Web
from llm_twin.errors import LinkError, Permanent, Reason
from llm_twin.links import canonical, same_site

logger = logging.getLogger(__name__)

Dated = tuple[datetime | None, str]
Content = Literal["html", "feed", "sitemap", "other"]

MAX_SITEMAP_BYTES = 50_000_000  # unpacked; sitemaps.org allows 50 MB
MAX_SITEMAPS = 50  # read below one index; each is a request to one host
HTML_TYPES = {"text/html", "application/xhtml+xml"}
UNTOLD_TYPES = {"", "application/octet-stream", "text/plain", "binary/octet-stream"}
FEED_ROOTS = {"rss", "feed", "rdf"}
SITEMAP_ROOTS = {"urlset", "sitemapindex"}
# Atomic, so that a page of broken comments can't make it try all ways to pair them.
PROLOGUE = rb"((?>\xef\xbb\xbf|\s|<\?[^>]*\?>|<!--.*?-->|<!doctype\s+[^\[>]*(?:\[.*?\]\s*)?>)*+)"
ROOT = re.compile(PROLOGUE + rb"<(?:[\w-]+:)?(\w+)", re.S | re.I)
PROLOGUE_WITHIN = 4000  # bytes
FEED_TYPES = re.compile(r"application/(?:rss\+xml|atom\+xml|rdf\+xml|feed\+json)")


def content_of(page: Page) -> Content:
    """What a response holds. Servers mislabel feeds, so the root element decides before the content type does."""
    if page.content_type == "application/feed+json" or (
        page.content_type == "application/json" and b"jsonfeed.org/version/" in page.body[:1000]
    ):
        return "feed"
    if page.body.startswith(b"\x1f\x8b") and urlsplit(page.url).path.endswith(".gz"):
        return "sitemap"
    match = ROOT.match(page.body[:PROLOGUE_WITHIN])
    root = match[2].decode("ascii", "replace").lower() if match else ""
    if root in FEED_ROOTS:
        return "feed"
    if root in SITEMAP_ROOTS:
        return "sitemap"
    if page.content_type in HTML_TYPES or (page.content_type in UNTOLD_TYPES and root == "html"):
        return "html"
    return "other"


async def expand(url: str, web: Web, limit: int) -> list[str]:
    """The links that `url` stands for: canonical, newest first, each once, at most `limit`.

    A link that nothing shows to be a list is returned as it is. Raises `LinkError` as `Web.get` does, and
    `Permanent(EMPTY)` for a list without links.
    """
    if own := expander_for(url):
        return unique(await own(url, web, limit), limit)
    if crawler_for(url)[0] != "article":
        return [url]
    page = await web.get(url)
    content = content_of(page)
    if content in ("feed", "sitemap"):
        return await listed(page, web, limit)
    if content == "other":
        return [url]
    is_item, feed = await asyncio.to_thread(_look, page)
    if is_item:
        return [url]
    if feed:
        return await listed(await web.get(feed), web, limit)
    if urlsplit(page.url).path.strip("/"):
        return [url]
    try:
        page = await web.get(urljoin(page.url, "/sitemap.xml"))
    except Permanent as error:
        raise Permanent(Reason.EMPTY, f"the home page names no feed, and its /sitemap.xml: {error}") from None
    return await listed(page, web, limit)


async def listed(page: Page, web: Web, limit: int) -> list[str]:
    """The links of a feed or sitemap that was fetched, as `expand` returns them."""
    content = content_of(page)
    if content == "feed":
        found = await asyncio.to_thread(_feed, page)
    elif content == "sitemap":
        found = await _sitemap(page, web, limit)
    else:
        raise Permanent(Reason.BAD_DATA, f"{page.url} is no feed or sitemap but {page.content_type or 'unlabelled'}")
    links = unique(_newest_first(found), limit)
    if not links:
        raise Permanent(Reason.EMPTY, f"the {content} at {page.url} has no links")
    return links


def unique(links: Iterable[str], limit: int) -> list[str]:
    """Canonical links, each once, in the order given, at most `limit`; what is no link is left out."""
    found: dict[str, None] = {}
    for link in links:
        if len(found) >= limit:
            break
        try:
            found[canonical(link)] = None
        except Permanent:
            continue
    return list(found)


def _newest_first(found: list[Dated]) -> list[str]:
    """Dated links by date, then those without a date in the order in which they stand."""
    oldest = datetime.min.replace(tzinfo=UTC)
    return [link for _, link in sorted(found, key=lambda item: item[0] or oldest, reverse=True)]


def _aware(value: object) -> datetime | None:
    found = moment(value)
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _feed(page: Page) -> list[Dated]:
    """Dates and links of an RSS, Atom, RDF or JSON feed."""
    if page.body.lstrip().startswith(b"{"):
        return _json_feed(page)
    if (match := ROOT.match(page.body[:PROLOGUE_WITHIN])) and b"<!ENTITY" in match[1]:
        raise Permanent(Reason.BAD_DATA, f"the feed at {page.url} defines entities, which no honest feed does")
    import feedparser

    # Bytes in a stream: feedparser would fetch a string that looks like an address.
    parsed = feedparser.parse(
        BytesIO(page.body), response_headers={"content-location": page.url, "content-type": "application/xml"}
    )
    found: list[Dated] = []
    for entry in map(dict, parsed.entries):  # feedparser's own dictionaries pass one date off as another
        time = entry.get("published_parsed") or entry.get("updated_parsed")
        if link := entry.get("link") or entry.get("id"):
            try:
                date = datetime.fromtimestamp(timegm(time), UTC) if time else None
            except (ValueError, OverflowError, OSError):
                date = None
            found.append((date, urljoin(page.url, str(link))))
    return found


def _json_feed(page: Page) -> list[Dated]:
    """https://www.jsonfeed.org/version/1.1/"""
    try:
        items = json.loads(page.body)["items"]
        return [
            (_aware(item.get("date_published") or item.get("date_modified")), urljoin(page.url, item["url"]))
            for item in items
            if isinstance(item, dict) and isinstance(item.get("url"), str)
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Permanent(Reason.BAD_DATA, f"the JSON feed at {page.url} is broken") from None


async def _sitemap(page: Page, web: Web, limit: int) -> list[Dated]:
    """Dates and same-site links of a sitemap, or of the newest sitemaps below an index."""
    found: list[Dated] = []
    waiting: list[Dated] = [(None, page.url)]
    read: set[str] = set()
    problem: LinkError | None = None
    while waiting and len(read) < MAX_SITEMAPS:
        date, address = waiting.pop(0)
        # All that is left is older than what was found; without dates the rest has to be read to know.
        if date and sum(bool(other and other >= date) for other, _ in found) >= limit:
            break
        if address in read:
            continue
        read.add(address)
        try:
            child = page if address == page.url else await web.get(address)
            is_index, entries = await asyncio.to_thread(_sitemap_entries, child)
        except LinkError as error:  # one missing part does not hide the others
            logger.warning("sitemap left out: %s: %s", address, error)
            problem = error
            continue
        entries = [(day, link) for day, link in entries if _is_same_site(link, page.url)]
        if is_index:
            oldest = datetime.min.replace(tzinfo=UTC)
            waiting = sorted(waiting + entries, key=lambda item: item[0] or oldest, reverse=True)
        else:
            found += [(day, link) for day, link in entries if urlsplit(link).path.strip("/")]
    if problem and not found:
        raise problem
    return found


def _is_same_site(link: str, other: str) -> bool:
    try:
        return same_site(link, other)
    except Permanent:
        return False


def _sitemap_entries(page: Page) -> tuple[bool, list[Dated]]:
    """Whether this is an index, and its entries (https://www.sitemaps.org/protocol.html)."""
    from lxml.etree import XMLParser, XMLSyntaxError, fromstring

    body = page.body
    if body.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            body = unpack.decompress(body, MAX_SITEMAP_BYTES)
        except zlib.error:
            raise Permanent(Reason.BAD_DATA, f"the sitemap at {page.url} is no valid gzip file") from None
        if unpack.unconsumed_tail:
            raise Permanent(Reason.TOO_LARGE, f"the sitemap at {page.url} is over 50 MB unpacked")
    parser = XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_comments=True)
    try:
        root = fromstring(body, parser=parser)
    except (XMLSyntaxError, ValueError):
        root = None
    if root is None:
        raise Permanent(Reason.BAD_DATA, f"the sitemap at {page.url} is no XML")
    entries: list[Dated] = []
    for entry in root:
        fields = {str(child.tag).rpartition("}")[2]: (child.text or "").strip() for child in entry}
        # Images and news have a `loc` of their own, further down.
        if link := fields.get("loc"):
            entries.append((_aware(fields.get("lastmod")), urljoin(page.url, link)))
    return str(root.tag).rpartition("}")[2] == "sitemapindex", entries


def _look(page: Page) -> tuple[bool, str | None]:
    """Whether a page shows one item, and the feed that fits it best: its own section's before the whole site's."""
    from llm_twin.collect.extract_trees import parse

    tree = parse(page.text)
    if tree is None:
        return False, None
    best: tuple[int, str] | None = None
    path = urlsplit(page.url).path
    for link in tree.iter("link"):
        href, kind, rel = (str(link.get(name) or "") for name in ("href", "type", "rel"))
        if "alternate" not in rel.lower().split() or not FEED_TYPES.match(kind.lower()) or not href:
            continue
        feed = urljoin(page.url, href)
        if "comments" in f"{feed} {link.get('title') or ''}".lower():
            continue
        fit = len(path) if path.strip("/") and urlsplit(feed).path.startswith(path.rstrip("/") + "/") else 0
        if best is None or fit > best[0]:
            best = (fit, feed)
    return is_item(tree), best[1] if best else None
