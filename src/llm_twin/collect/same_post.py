"""By what else than its link a post is known: archives and pages may give one post two links.

Medium's stories move to publications, Substack's publications to domains of their own, and LinkedIn numbers a post
twice: its export names the share, its pages the activity. Sites move from http to https.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from llm_twin.documents import Document, digest
from llm_twin.warehouse.store import DocumentFilter, Warehouse

PLATFORMS = {"medium", "substack", "linkedin"}
MEDIUM = re.compile(r"(?:^|[-/])([0-9a-f]{8,12})/?$")
SHARE = re.compile(r"urn:li:(?:share|ugcPost):\d{15,20}")
ACTIVITY = re.compile(r"urn:li:activity:\d{15,20}")
LINK = re.compile(r"https?://\S+|\blnkd\.in/\S+")
# LinkedIn's two numbers of a post are ms apart, more where a video is made ready in between.
EDITED = 10  # seconds in which nobody publishes two posts that begin alike
REPEATED = 600  # seconds in which nobody publishes the same text twice


def marks(document: Document) -> Iterator[str]:
    """What names a post of one author beside its link; two documents with one of them in common are one post."""
    path = urlsplit(document.link).path
    match document.platform:
        case "medium":
            if found := MEDIUM.search(path):
                yield f"medium {found[1]}"
        case "substack" if document.published_at and path.startswith("/p/"):
            yield f"substack {path[3:].rstrip('/')} {document.published_at:%Y-%m-%d %H:%M}"
        case "linkedin" if document.kind == "article":
            yield f"linkedin {unquote(path).rstrip('/')}"
        case "linkedin" if document.metadata.get("type") != "comment":
            share, activity = _numbers(document)
            yield from filter(None, (share, activity))
            # Two shares are two posts, however alike, and so are two activities: of posts that have one number only,
            # words join those that have the one with those that have the other.
            if (share is None) != (activity is None):
                yield from _worded(document, "share" if share else "activity")


def sought(document: Document) -> Iterator[str]:
    """The marks of those stored documents that are the same post as this one."""
    for mark in marks(document):
        kind, _, rest = mark.partition(" of words ")
        yield f"{'activity' if kind == 'share' else 'share'} of words {rest}" if rest else mark


def _numbers(document: Document) -> tuple[str | None, str | None]:
    named = f"{unquote(document.link)} {document.metadata.get('urn', '')}"
    share, activity = SHARE.search(named), ACTIVITY.search(named)
    return share and share[0], activity and activity[0]


def _worded(document: Document, kind: str) -> Iterator[str]:
    """Marks of what a post says and when: its first line to some seconds, all of it to some minutes."""
    if not document.published_at:
        return
    shown = document.metadata.get("images", []), document.metadata.get("documents", [])
    beside = [*(image["alt"] for image in shown[0]), *shown[1]]  # stands in texts of pages alone, at the end
    for text, within in ((document.title, EDITED), (document.text, REPEATED)):
        words = " ".join(re.findall(r"\w+", LINK.sub(" ", text).casefold()))
        for each in reversed(beside):
            words = words.removesuffix(" ".join(re.findall(r"\w+", LINK.sub(" ", each).casefold()))).rstrip()
        if words:
            # Of overlapping spans of time, what is closer than half of one has one in common.
            spans = document.published_at.timestamp() / (within * 2)
            yield f"{kind} of words {within} {int(spans)}a {words}"
            yield f"{kind} of words {within} {int(spans + 0.5)}b {words}"


class SamePosts:
    """Finds the stored document of a post that has come by another link. Reads those of an author at first need."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._marks: dict[tuple[str, str], dict[bytes, str]] = {}  # by author and platform: mark -> document id

    def stored(self, document: Document) -> str | None:
        """The id of the stored document that is this post by another link; None where there is none."""
        if "." in document.platform and urlsplit(document.link).port is None:  # a host, of what has no platform
            return self._by_other_scheme(document)
        if document.platform not in PLATFORMS or not (known := self._known(document)):
            return None
        if _short(document.id) in known:
            return None
        return next((known[short] for mark in sought(document) if (short := _short(mark)) in known), None)

    def _by_other_scheme(self, document: Document) -> str | None:
        scheme, _, rest = document.link.partition("://")
        other = digest(document.author_id, f"{'http' if scheme == 'https' else 'https'}://{rest}")
        return other if not self._warehouse.get(document.id) and self._warehouse.get(other) else None

    def make_way(self, documents: Iterable[Document]) -> None:
        """Remove what archives brought by other links of these documents, which are about to be stored: collected from
        the web they have the better text. A process that is killed in between collects them again.
        """
        others = [other for document in documents if (other := self.stored(document))]
        if gone := [other for other in others if self._warehouse.raw(other) is None]:
            self._warehouse.delete(gone)

    def _known(self, document: Document) -> dict[bytes, str]:
        key = document.author_id, document.platform
        if key not in self._marks:
            known: dict[bytes, str] = {}
            for each in self._warehouse.documents(DocumentFilter(author_id=key[0], platform=key[1])):
                known |= dict.fromkeys(map(_short, (each.id, *marks(each))), each.id)
            self._marks[key] = known
        return self._marks[key]


def _short(mark: str) -> bytes:
    return bytes.fromhex(digest(mark)[:16])
