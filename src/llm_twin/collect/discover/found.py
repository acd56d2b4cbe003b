"""What a list holds: links with dates and how each was found, the same article of several lists once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from llm_twin.collect.reading.metadata import moment
from llm_twin.documents import now
from llm_twin.errors import LinkError, Permanent
from llm_twin.links import canonical, same_site

MOST = 100_000  # items of one link: twice what a sitemap file may hold, and some 50 MB of memory
AHEAD = timedelta(days=2)  # a date further in the future is a mistake, or a placeholder; less is a time zone
OLDEST = datetime.min.replace(tzinfo=UTC)
ASSETS = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|ico|avif|bmp|tiff?|css|m?js|json|map|xml|rss|atom|gz|zip|tar|tgz|7z|rar|pdf|docx?|pptx?"
    r"|xlsx?|od[tsp]|epub|mobi|mp[34]|m4[av]|webm|og[gv]|wav|flac|mov|avi|woff2?|ttf|otf|eot|txt|csv|ics|exe|dmg|apk|deb"
    r"|webmanifest)$",
    re.I,
)
# Lists and forms, where blogs and shops keep them; below a language or a section, too.
NO_ARTICLES = re.compile(
    r"^(?:/[a-z]{2}(?:-[a-z]{2})?)?(?:/(?:blog|news|posts|articles))?"
    r"/(?:tags?|categor(?:y|ies)|topics?|authors?|search|feeds?|comments|wp-(?:json|content|includes|admin|login\.php)"
    r"|cdn-cgi|cgi-bin|log-?in|sign-?(?:in|up|out)|register|cart|checkout|(?:my-)?account|subscribe|unsubscribe)(?:/|$)"
    r"|/page/\d+/?$|/(?:feed|amp|embed|trackback)/?$",
    re.I,
)


class Found(NamedTuple):
    """One item of a list."""

    link: str
    published_at: datetime | None = None
    updated_at: datetime | None = None  # a sitemap's lastmod, a repository's last push
    title: str = ""
    source: str = ""  # how it was found: feed, sitemap, api, archive; joined by + when in several ways
    listed_in: str = ""  # the address of the first list that named it

    @property
    def date(self) -> datetime | None:
        """By which it is ordered and compared with `since`; what was changed can't have been published later."""
        return self.published_at or self.updated_at


class Wanted(NamedTuple):
    """How much of a list is asked for: the newest `limit` items, none that is dated before `since`."""

    limit: int = MOST
    since: datetime | None = None

    def refuses(self, date: datetime | None) -> bool:
        """Whether something of this date is too old. What has no date is not."""
        return bool(self.since and date and date < self.since)


class CutShort(LinkError):
    """A list was not read to its end: what was `found` until then, and `why` no more."""

    def __init__(self, found: list[Found], why: LinkError, wanted: int) -> None:
        self.found, self.why = found, why
        more = f"{wanted:,} are wanted" if wanted < MOST else "there may be more"
        why.detail = f"{len(found)} links are found, {more}: {why.detail}"
        super().__init__(why.reason, why.detail)


class Findings:
    """Items as lists give them, each link once with the best date and all its sources; at most `MOST`."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.left_out = False  # a list was not read, because all in it is too old
        self.cut: LinkError | None = None  # why there may be more than was found, and wanted
        self._found: dict[str, Found] = {}
        self._reached_back = False

    def add(self, items: Iterable[Found]) -> int:
        """Take the items of one list, or of one page of it; how many of them were not known. Newest first, it is told
        from the last one whether the list goes further back than is wanted."""
        known, last = len(self._found), None
        for item in items:
            try:
                link = canonical(item.link)
            except Permanent:
                continue
            last = item.date or last
            if link in self._found:
                self._found[link] = _merged(self._found[link], item)
            elif len(self._found) < MOST:
                self._found[link] = item._replace(link=link)
        self._reached_back = self.wanted.refuses(last)
        return len(self._found) - known

    @property
    def complete(self) -> bool:
        """Whether lists that start with the newest have given all that is wanted."""
        return self._reached_back or len(self._found) >= MOST or len(self.newest()) >= self.wanted.limit

    def newest(self) -> list[Found]:
        """What is wanted: by date, then those without a date in the order in which they were found."""
        wanted = [item for item in self._found.values() if not self.wanted.refuses(item.date)]
        return sorted(wanted, key=lambda item: item.date or OLDEST, reverse=True)[: self.wanted.limit]

    def __len__(self) -> int:
        return len(self._found)


def _merged(one: Found, other: Found) -> Found:
    sources = dict.fromkeys((*one.source.split("+"), *other.source.split("+")))
    return Found(
        link=one.link,
        published_at=one.published_at or other.published_at,
        updated_at=max((date for date in (one.updated_at, other.updated_at) if date), default=None),
        title=one.title or other.title,
        source="+".join(source for source in sources if source),
        listed_in=one.listed_in or other.listed_in,
    )


def date_of(value: object) -> datetime | None:
    """A date in ISO 8601, in UTC where it has no zone; None for what is none, before the Web, or in the future."""
    found = value if isinstance(value, datetime) else moment(value)
    if found is None:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found if 1990 < found.year < 9999 and found < now() + AHEAD else None


def on_site(link: str, *homes: str) -> bool:
    """Whether a link lies on the site of one of these."""
    return any(_one_site(_origin(link), _origin(home)) for home in homes)


def _origin(link: str) -> str:
    return "/".join(link.split("/", 3)[:3])


@lru_cache(1024)  # a sitemap asks the same of 50,000 links
def _one_site(one: str, other: str) -> bool:
    try:
        return same_site(one, other)
    except Permanent:
        return False


def may_be_article(link: str) -> bool:
    """Whether nothing in a link says that it is a file, a list, a form or the home page."""
    path = urlsplit(link).path
    return bool(path.strip("/")) and not ASSETS.search(path) and not NO_ARTICLES.search(path)
