"""HTML pages: the feeds and archives that a page names, and the articles that an archive lists."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.discover.contents import content_of
from llm_twin.collect.discover.found import Findings, Found, date_of, may_be_article, on_site
from llm_twin.collect.reading.metadata import is_item, moment
from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Reason

if TYPE_CHECKING:
    from lxml.html import HtmlElement

FEED_TYPES = re.compile(r"application/(?:rss\+xml|atom\+xml|rdf\+xml|feed\+json)")
ARCHIVES = re.compile(
    r"^(?:/[a-z]{2})?/(?:blog|archives?|posts|articles|writing|essays|notes|all|news)(?:\.html?)?/?$", re.I
)
NEXT_PAGE = re.compile(r"/page/\d+/?$|[?&](?:page|paged|p)=\d+$")
MAX_PAGES = 50  # of one archive
MAX_ARCHIVES = 4  # that a home page links to
ALIKE = 3  # links in the same place of a page make a list
WRITTEN_DATES = 1000  # read in words on one page; each takes a millisecond
ROW_TEXT = 400  # characters of an entry in which its date is looked for
TITLE = 300


class Shown(NamedTuple):
    """What a page says of itself."""

    item: bool  # it shows one article
    listing: bool  # it shows a list of articles
    feed: str  # the feed that fits it best
    archives: list[str]


class Listed(NamedTuple):
    """One page of an archive."""

    items: list[Found]
    next: str


def look(page: Page) -> Shown:
    """What a page says of itself: its own section's feed counts before the whole site's."""
    from llm_twin.collect.reading.not_articles import not_article
    from llm_twin.collect.reading.trees import parse

    tree = parse(page.text)
    if tree is None:
        return Shown(False, False, "", [])
    best = (-1, "")
    path = urlsplit(page.url).path
    for link in tree.iter("link"):
        href, kind, rel = (str(link.get(name) or "") for name in ("href", "type", "rel"))
        if "alternate" not in rel.lower().split() or not FEED_TYPES.match(kind.lower()) or not href:
            continue
        feed = _joined(page.url, href)
        if not feed or "comments" in f"{feed} {link.get('title') or ''}".lower():
            continue
        fit = len(path) if path.strip("/") and urlsplit(feed).path.startswith(path.rstrip("/") + "/") else 0
        if fit > best[0]:
            best = (fit, feed)
    anchors = (_joined(page.url, str(anchor.get("href") or "")) for anchor in tree.iter("a"))
    archives = [link for link in anchors if ARCHIVES.match(urlsplit(link).path) and on_site(link, page.url)]
    others = [link for link in dict.fromkeys(archives) if link != page.url]
    why = not_article(page, page.text)
    return Shown(is_item(tree), bool(why and why[0] is Reason.LIST_PAGE), best[1], others[:MAX_ARCHIVES])


async def add_archive(page: Page, web: Web, findings: Findings, site: str) -> None:
    """Add the articles that an archive page and the pages after it list. A page that fails ends it."""
    read: set[str] = set()
    while len(read) < MAX_PAGES:
        read.add(page.url)
        listed = await web.compute(read_archive, page, site)
        if not findings.add(listed.items) or findings.complete or not listed.next or listed.next in read:
            return
        try:
            page = await web.get(listed.next)
        except LinkError:
            return
        if content_of(page) != "html":
            return


def read_archive(page: Page, site: str) -> Listed:
    """The articles of `site` that a page lists: links that stand alike, three at least, outside of menus."""
    from llm_twin.collect.reading.not_articles import content_tree
    from llm_twin.collect.reading.trees import parse

    tree = content_tree(page.text)
    if tree is None:
        return Listed([], "")
    groups: dict[str, dict[str, HtmlElement]] = defaultdict(dict)
    own = urlsplit(page.url).path.rstrip("/") + "/"
    for anchor in tree.iter("a"):
        link = _joined(page.url, str(anchor.get("href") or "")).partition("#")[0]
        path = urlsplit(link).path
        if not may_be_article(link) or not on_site(link, site) or own.startswith(path.rstrip("/") + "/"):
            continue
        if not ARCHIVES.match(path) and _title(anchor):
            place = "/".join(str(above.tag) for above in anchor.iterancestors())
            groups[place].setdefault(link, anchor)
    found: dict[str, Found] = {}
    for links in groups.values():
        if len(links) < ALIKE:
            continue
        for link, anchor in links.items():
            dated = _date(anchor, len(found) < WRITTEN_DATES)
            found.setdefault(link, Found(link, dated, None, _title(anchor), "archive", page.url))
    whole = parse(page.text)  # the way to the next page often stands in a menu
    return Listed(list(found.values()), _next_page(whole, page.url) if whole is not None else "")


def _title(anchor: HtmlElement) -> str:
    heading = next(anchor.iter("h1", "h2", "h3", "h4", "h5", "h6"), anchor)
    return " ".join(heading.text_content().split())[:TITLE]


def _date(anchor: HtmlElement, in_words: bool) -> datetime | None:
    """The date that stands in the anchor or in its entry: the nearest row, list item or article around it."""
    from llm_twin.collect.reading.dates import WRITTEN, parsed

    row = next(anchor.iterancestors("li", "tr", "article", "dd", "dt", "section", "div", "p"), anchor)
    for time in row.iter("time"):
        if found := date_of(time.get("datetime")) or date_of(time.text):
            return found
    text = " ".join(row.text_content().split())[:ROW_TEXT]
    written = WRITTEN.search(text.replace(_title(anchor), " ", 1)) if in_words else None
    return date_of(moment(written[0]) or parsed(written[0])) if written else None


def _next_page(tree: HtmlElement, url: str) -> str:
    """The page after this one: marked as the next, or the first numbered one with a higher number."""
    for element in tree.iter("link", "a"):
        if "next" in str(element.get("rel") or "").lower().split():
            link = _joined(url, str(element.get("href") or ""))
            if on_site(link, url):
                return link
    now = _number(url) or 1
    links = {_joined(url, str(anchor.get("href") or "")) for anchor in tree.iter("a")}
    return min((link for link in links if _number(link) == now + 1 and on_site(link, url)), default="")


def _number(link: str) -> int:
    match = NEXT_PAGE.search(link)
    return int(re.sub(r"\D", "", match[0])) if match else 0


def _joined(base: str, href: str) -> str:
    try:
        return urljoin(base, href.strip()) if href.strip() else ""
    except ValueError:
        return ""
