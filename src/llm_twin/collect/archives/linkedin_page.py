"""LinkedIn's pages as a browser saves them ("Save page as…"), or as they are kept when nobody can read them: a
profile's activity, with its tabs, single posts, and articles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, reader
from llm_twin.documents import Link, now
from llm_twin.errors import Permanent, Reason

SAVED = re.compile(
    rb"(?:saved from url=\(\d+\)|saved with SingleFile\s+url: )(https://(?:[a-z]+\.)?linkedin\.com/(?:in/([^/\s]+)/recent-activity|(?:feed/update|posts|pulse)/)\S*)"
)


TITLE = re.compile(rb"<title[^>]{0,200}>[^<]{0,500}\| LinkedIn\s*</title>")


def recognises(archive: Archive) -> bool:
    """What browsers note above a page that they save."""
    return any(SAVED.search(archive.head(path)) for path in archive.some(".html", ".htm"))


def _nearly(archive: Archive) -> str:
    if not any(TITLE.search(archive.head(path, 1 << 18)) for path in archive.some(".html", ".htm")):
        return ""
    return "a page of LinkedIn's that does not say where it was saved; Chrome, Edge and Chromium write that down"


@reader(
    "linkedin page",
    "a page of LinkedIn's with posts or an article, saved in a browser",
    recognises=recognises,
    nearly=_nearly,
)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The posts on each page, or its article; plain reposts and posts without words are counted as left out."""
    for path in archive.members:
        found = SAVED.search(archive.head(path)) if path.lower().endswith((".html", ".htm")) else None
        if found:
            url, handle = (unquote((part or b"").decode("utf-8", "replace")) for part in found.groups())
            read = _article if "/pulse/" in url else _posts
            yield from attempt(path, read, archive, path, url, handle, wanted)


def _article(archive: Archive, path: str, url: str, handle: str, wanted: Wanted) -> Item:
    from llm_twin.collect.linkedin.articles import article_link, own_article_of
    from llm_twin.collect.pages import Page
    from llm_twin.collect.reading.walls import wall

    body = archive.read(path).encode("utf-8", "replace")
    page = Page(article_link(url), 200, {"content-type": "text/html; charset=utf-8"}, now(), body)
    if found := wall(page):
        raise Permanent(*found)
    return own_article_of(page, Link(url=page.url, author=wanted.author)).model_copy(update={"raw": None})


def _posts(archive: Archive, path: str, url: str, handle: str, wanted: Wanted) -> Iterator[Item]:
    from llm_twin.collect.linkedin.numbers import shares_in
    from llm_twin.collect.linkedin.posts import parsed, posts_in
    from llm_twin.collect.linkedin.single import single

    source = archive.read(path)
    posts, shares = posts_in(source), shares_in(source)
    if handle:
        result = parsed(posts, shares, wanted.author, handle, now())
    else:  # what stands beside a single post is of others
        result = single(posts, shares, [url], wanted.author, now())
        posts = posts[:1]
    if not result.known:
        told = f"{len(posts)} posts on it, and none could be read" if posts else "no posts on it that are known as such"
        raise Permanent(Reason.LAYOUT_CHANGED, told)
    yield from (document.model_copy(update={"raw": None}) for document in result.documents)
    yield from (Left(path, "repost") for _ in range(result.reposts))
    changed = "a post whose text does not stand where LinkedIn's pages had it"
    yield from (Broken(f"{path}: {urn}", Permanent(Reason.LAYOUT_CHANGED, changed)) for urn in result.unread)
    left = len(posts) - result.reposts - len(result.unread) - len(result.documents)
    yield from (Left(path, "empty") for _ in range(left))
