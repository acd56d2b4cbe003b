"""LinkedIn's pages with posts as a browser saves them ("Save page as…"), or as they are kept when nobody can read them:
a profile's activity, with its tabs, and single posts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, reader
from llm_twin.documents import now
from llm_twin.errors import Permanent, Reason

SAVED = re.compile(
    rb"saved from url=\(\d+\)(https://(?:[a-z]+\.)?linkedin\.com/(?:in/([^/\s]+)/recent-activity|feed/update/|posts/)\S*)"
)


def recognises(archive: Archive) -> bool:
    """What browsers note above a page that they save."""
    return any(SAVED.search(archive.head(path)) for path in archive.some(".html", ".htm"))


@reader("linkedin page", "a page of LinkedIn's with posts, saved in a browser", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The posts on each page; plain reposts and posts without words are counted as left out."""
    for path in archive.members:
        found = SAVED.search(archive.head(path)) if path.lower().endswith((".html", ".htm")) else None
        if found:
            url, handle = (unquote((part or b"").decode("utf-8", "replace")) for part in found.groups())
            yield from attempt(path, _posts, archive, path, url, handle, wanted)


def _posts(archive: Archive, path: str, url: str, handle: str, wanted: Wanted) -> Iterator[Item]:
    from llm_twin.collect.linkedin_numbers import share_named, shares_in
    from llm_twin.collect.linkedin_posts import parsed, posts_in

    source = archive.read(path)
    posts, shares = posts_in(source), shares_in(source)
    if not handle:  # what stands below a single post is of others
        posts = posts[:1]
        shares |= {urn: share for urn, _ in posts if (share := share_named(url))}
    result = parsed(posts, shares, wanted.author, handle, now())
    if not result.known:
        told = f"{len(posts)} posts on it, and none could be read" if posts else "no posts on it that are known as such"
        raise Permanent(Reason.LAYOUT_CHANGED, told)
    yield from (document.model_copy(update={"raw": None}) for document in result.documents)
    yield from (Left(path, "repost") for _ in range(result.reposts))
    changed = "a post whose text does not stand where LinkedIn's pages had it"
    yield from (Broken(f"{path}: {urn}", Permanent(Reason.LAYOUT_CHANGED, changed)) for urn in result.unread)
    left = len(posts) - result.reposts - len(result.unread) - len(result.documents)
    yield from (Left(path, "empty") for _ in range(left))
