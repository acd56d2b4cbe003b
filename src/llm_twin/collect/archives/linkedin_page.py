"""LinkedIn's activity page as a browser saves it ("Save page as…"), or as a walk that was cut short has kept it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, attempt, reader
from llm_twin.documents import now
from llm_twin.errors import Permanent, Reason

SAVED = re.compile(rb"saved from url=\(\d+\)https://www\.linkedin\.com/in/([^/\s]+)/recent-activity")


def recognises(archive: Archive) -> bool:
    """What browsers note above a page that they save."""
    return any(SAVED.search(archive.head(path)) for path in archive.some(".html", ".htm"))


@reader("linkedin page", "an activity page of LinkedIn, saved in a browser", recognises=recognises)
def read(archive: Archive, wanted: Wanted) -> Iterator[Item]:
    """The posts on each page; plain reposts and posts without words are counted as left out."""
    for path in archive.members:
        found = SAVED.search(archive.head(path)) if path.lower().endswith((".html", ".htm")) else None
        if found:
            handle = unquote(found[1].decode("utf-8", "replace"))
            yield from attempt(path, _posts, archive, path, handle, wanted)


def _posts(archive: Archive, path: str, handle: str, wanted: Wanted) -> Iterator[Item]:
    from llm_twin.collect.linkedin_numbers import shares_in
    from llm_twin.collect.linkedin_posts import parsed, posts_in

    source = archive.read(path)
    posts = posts_in(source)
    result = parsed(posts, shares_in(source), wanted.author, handle, now())
    if not result.known:
        raise Permanent(Reason.LAYOUT_CHANGED, f"{len(posts)} posts on it, and none could be read")
    yield from (document.model_copy(update={"raw": None}) for document in result.documents)
    yield from (Left(path, "repost") for _ in range(result.reposts))
    changed = "a post whose text does not stand where LinkedIn's pages had it"
    yield from (Broken(f"{path}: {urn}", Permanent(Reason.LAYOUT_CHANGED, changed)) for urn in result.unread)
    left = len(posts) - result.reposts - len(result.unread) - len(result.documents)
    yield from (Left(path, "empty") for _ in range(left))
