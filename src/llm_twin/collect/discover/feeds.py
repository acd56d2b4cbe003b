"""Feeds: RSS, Atom, RDF and JSON Feed, with the pages that lie behind the first one."""

from __future__ import annotations

import json
import logging
from calendar import timegm
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from llm_twin.collect.discover.contents import content_of, defines_entities
from llm_twin.collect.discover.found import ASSETS, Findings, Found, date_of, on_site
from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Permanent, Reason

log = logging.getLogger(__name__)

MAX_PAGES = 200  # of one feed, each a request to one host; WordPress gives ten items a page
TITLE = 300  # characters kept of a title


class Feed(NamedTuple):
    """One page of a feed."""

    items: list[Found]
    next: str = ""  # the page with what is older
    elsewhere: int = 0  # items that lead to other sites


async def add_feed(page: Page, web: Web, findings: Findings, *, own: bool = True) -> None:
    """Add a feed's items, and those of its older pages until there are enough; `own`: only those on its own site.

    Raises `Permanent(BAD_DATA)` for a first page that can't be read; one further on ends the feed.
    """
    feed = await web.compute(read_feed, page, own)
    if not findings.add(feed.items) and not feed.items and feed.elsewhere:
        raise Permanent(Reason.EMPTY, f"all {feed.elsewhere} items of the feed {page.url} lead to other sites")
    read = {page.url}
    while feed.next and feed.next not in read and not findings.complete and len(read) < MAX_PAGES:
        read.add(feed.next)
        try:
            page = await web.get(feed.next)
            if content_of(page) != "feed":
                return
            feed = await web.compute(read_feed, page, own)
        except LinkError as error:
            if error.reason is not Reason.NOT_FOUND:  # which is how WordPress ends
                log.warning("feed ends early: %s: %s", page.url, error)
            return
        if not findings.add(feed.items):
            return


def read_feed(page: Page, own: bool = True) -> Feed:
    """The items of one page of a feed. Dates that are none are left out. Raises `Permanent(BAD_DATA)`."""
    if page.body.lstrip().startswith(b"{"):
        return _json_feed(page, own)
    if defines_entities(page.body):
        raise Permanent(Reason.BAD_DATA, f"the feed at {page.url} defines entities, which no honest feed does")
    import feedparser

    # Bytes in a stream: feedparser would fetch a string that looks like an address.
    parsed = feedparser.parse(
        BytesIO(page.body), response_headers={"content-location": page.url, "content-type": "application/xml"}
    )
    about = dict(parsed.feed)
    home = urljoin(page.url, str(about.get("link") or ""))
    items, elsewhere = [], 0
    for entry in map(dict, parsed.entries):  # feedparser's own dictionaries pass one date off as another
        link = _link(entry, page.url, home if own else "")
        elsewhere += not link
        published, updated = (_parsed(entry, name) for name in ("published", "updated"))
        title = str(entry.get("title") or "")[:TITLE].strip()
        if link and not ASSETS.search(urlsplit(link).path):
            items.append(Found(link, published, updated, title, "feed", page.url))
    return Feed(items, _next(about, page.url, bool(items)), elsewhere)


def _link(entry: dict[str, Any], feed: str, home: str) -> str:
    """Where an entry leads. A link on another site is passed over for the entry's own address, where it has one."""
    told = (entry.get("feedburner_origlink"), entry.get("link"), entry.get("id"))
    links = [urljoin(feed, str(link)) for link in told if link]
    if home:
        links = [link for link in links if on_site(link, feed, home)]
    return links[0] if links else ""


def _parsed(entry: dict[str, Any], name: str) -> datetime | None:
    if time := entry.get(f"{name}_parsed"):
        try:
            return date_of(datetime.fromtimestamp(timegm(time), UTC))
        except (ValueError, OverflowError, OSError):
            return None
    return date_of(entry.get(name))


def _next(about: dict[str, Any], url: str, has_items: bool) -> str:
    """The older page: as RFC 5005 has it, or as WordPress has it, which names none."""
    for rel in ("next", "prev-archive"):
        for link in about.get("links") or ():
            if link.get("rel") == rel and link.get("href"):
                return urljoin(url, str(link["href"]))
    if has_items and "wordpress" in str(about.get("generator") or "").lower():
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        number = int(query["paged"]) if query.get("paged", "").isdecimal() else 1
        return urlunsplit(parts._replace(query=urlencode(query | {"paged": str(number + 1)}), fragment=""))
    return ""


def _json_feed(page: Page, own: bool) -> Feed:
    """https://www.jsonfeed.org/version/1.1/"""
    try:
        feed = json.loads(page.body)
        entries = [item for item in feed["items"] if isinstance(item, dict) and isinstance(item.get("url"), str)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Permanent(Reason.BAD_DATA, f"the JSON feed at {page.url} is broken") from None
    home, following = (feed.get(name) for name in ("home_page_url", "next_url"))
    items = []
    for item in entries:
        link = urljoin(page.url, item["url"])
        published, updated = date_of(item.get("date_published")), date_of(item.get("date_modified"))
        if not own or on_site(link, page.url, home if isinstance(home, str) else page.url):
            items.append(Found(link, published, updated, str(item.get("title") or "")[:TITLE], "feed", page.url))
    further = urljoin(page.url, following) if isinstance(following, str) and following else ""
    return Feed(items, further, len(entries) - len(items))
