"""By what else than its link a post is known: archives and pages may give one post two links.

Medium's stories move to publications, Substack's publications to domains of their own, and LinkedIn numbers a post
twice: its export names the share, its pages the activity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from llm_twin.documents import Document, digest
from llm_twin.warehouse.store import DocumentFilter, Warehouse

PLATFORMS = {"medium", "substack", "linkedin"}
MEDIUM = re.compile(r"(?:^|[-/])([0-9a-f]{8,12})/?$")
LINKEDIN = re.compile(r"urn:li:(?:share|ugcPost|activity):\d{15,20}")
MINUTES = 10  # in which a person does not publish two posts on LinkedIn that begin alike; its two numbers are ms apart


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
            named = (unquote(document.link), str(document.metadata.get("urn", "")))
            yield from (found[0] for name in named if (found := LINKEDIN.search(name)))
            words = " ".join(re.findall(r"\w+", document.title.casefold()))
            if document.published_at and words:
                # Of overlapping spans of time, what is closer than half of one has one in common.
                spans = document.published_at.timestamp() / (MINUTES * 120)
                yield f"linkedin {int(spans)}a {words}"
                yield f"linkedin {int(spans + 0.5)}b {words}"


class SamePosts:
    """Finds the stored document of a post that has come by another link. Reads those of an author at first need."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._marks: dict[tuple[str, str], dict[bytes, str]] = {}  # by author and platform: mark -> document id

    def stored(self, document: Document) -> str | None:
        """The id of the stored document that is this post by another link; None where there is none."""
        if document.platform not in PLATFORMS or not (known := self._known(document)):
            return None
        if _short(document.id) in known:
            return None
        return next((known[short] for mark in marks(document) if (short := _short(mark)) in known), None)

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
