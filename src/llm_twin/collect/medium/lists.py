"""Lists of Medium's stories: those that a profile's page has in its state, and those that it shows on the way down.

Version 1, of 2026. Responses to other people's stories are no stories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from llm_twin.collect.discover.found import Findings, Found
from llm_twin.collect.medium.state import State, is_response, moment
from llm_twin.collect.sessions.sites import SITES
from llm_twin.collect.sessions.walking import down, no_browser, walk
from llm_twin.errors import Permanent, Reason

if TYPE_CHECKING:
    from llm_twin.collect.pages import Page
    from llm_twin.collect.web import Web

ITEM = re.compile(r"/(?:[^/]+/){0,3}(?:[^/@][^/]*-)?([0-9a-f]{8,12})/?$")  # the post id ends the path
NO_ITEM = re.compile(r"/(?:@[^/]+/list|tag|series|m|me|feed|sitemap|search|topics?)/")
PROFILE = re.compile(r"/@([^/]+)")
LINKS = """() => [...document.querySelectorAll('article a[href]')].map(link => [link.href,
  (link.closest('article').querySelector('h2, h1, h3') || link).innerText.trim()])"""


def post_id(url: str) -> str | None:
    """The id of the post that a link names; None for profiles, publications, lists and feeds."""
    path = urlsplit(url).path
    match = None if NO_ITEM.match(path) else ITEM.fullmatch(path)
    return match[1] if match else None


def without_source(url: str) -> str:
    """Lists mark their links with where they were followed, on domains of publications as well."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "source"]
    return urlunsplit(parts._replace(query=urlencode(query), fragment=""))


def stories(page: Page) -> list[Found]:
    """The stories that a profile's page has in its state, those of others and responses left out."""
    state = State.of(page.text)
    return list(_stories(state, page.url)) if state else []


def _stories(state: State, url: str) -> Iterator[Found]:
    whose = PROFILE.match(urlsplit(url).path)
    for key, post in state.entities.items():
        if not key.startswith("Post:") or not isinstance(post, dict) or is_response(post):
            continue
        link, name = post.get("mediumUrl"), state.follow(post.get("creator")).get("username")
        if whose and isinstance(name, str) and name.lower() != whose[1].lower():
            continue
        if isinstance(link, str) and post_id(urljoin(url, link)):
            published = moment(post.get("firstPublishedAt"))
            title = str(post.get("title") or "")
            yield Found(without_source(urljoin(url, link)), published, title=title, source="state", listed_in=url)


async def add_shown(url: str, web: Web, findings: Findings) -> None:
    """Add what a profile or publication shows while it is scrolled down, until there is as much as is wanted.

    Raises `LinkError` as `walk` does, `Permanent(INCOMPLETE)` where there is no browser, `Permanent(LAYOUT_CHANGED)`
    where no story stands on the page.
    """
    if why := no_browser(web):
        raise Permanent(Reason.INCOMPLETE, f"Medium shows those beyond in a browser alone, and {why}")
    medium, shows = SITES["medium"], False
    async with walk(medium, web, url) as walked:

        async def gather() -> int:
            nonlocal shows
            shown = [(str(link), str(title)) for link, title in await walked.tab.evaluate(LINKS)]
            items = [
                Found(without_source(link), title=title, source="page", listed_in=url)
                for link, title in shown
                if post_id(link) and not urlsplit(link).fragment
            ]
            shows = shows or bool(items)
            return findings.add(items)

        await down(walked, gather, lambda: findings.complete)
    if not shows:
        raise Permanent(Reason.LAYOUT_CHANGED, f"Medium's pages look different now: no story is seen on {url}")
