"""A dev.to user or organisation: a list of articles, from the public API, a thousand a request."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from llm_twin.collect.crawlers import crawler, expander
from llm_twin.collect.discover import Findings, Found
from llm_twin.collect.discover.api import entries
from llm_twin.collect.discover.found import date_of
from llm_twin.collect.web import Web
from llm_twin.documents import Document, Link
from llm_twin.errors import Permanent, Reason

PER_PAGE = 1000  # the most that the API gives: https://developers.forem.com/api/v1
MAX_PAGES = 20
NAME = re.compile(r"/(?:feed/)?([a-z0-9_]{1,100})/?$", re.I)
# Paths of the site itself.
PAGES = re.compile(
    r"/(?:about|api|challenges|code-of-conduct|connect|contact|dashboard|enter|faq|feed|guides|latest|listings|mod|new"
    r"|notifications|pod|podcasts|privacy|reading-?list|search|settings|shop|signout_confirm|subscriptions|tags|terms|top"
    r"|users|videos|welcome)/?",
    re.I,
)


def is_user(path: str) -> bool:
    """Whether a path on dev.to is a user's or an organisation's."""
    return NAME.fullmatch(path) is not None and not PAGES.fullmatch(path)


@crawler("devto", "dev.to", path=is_user)
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """No document: a user stands for many articles."""
    raise Permanent(Reason.LIST_PAGE, "a dev.to profile, not an article: collect its articles with --expand")
    yield


@expander("devto", "dev.to", path=is_user)
async def expand(url: str, web: Web, findings: Findings) -> None:
    """The published articles of a user or organisation, last published first, as the API orders them."""
    match = NAME.fullmatch(urlsplit(url).path)
    name = match[1] if match else ""
    for number in range(1, MAX_PAGES + 1):
        address = f"https://dev.to/api/articles?username={name}&per_page={PER_PAGE}&page={number}"
        articles = await entries(address, web, {"accept": "application/vnd.forem.api-v1+json"})
        findings.add(
            Found(
                link=str(article.get("url") or ""),
                published_at=date_of(article.get("published_at") or article.get("published_timestamp")),
                updated_at=date_of(article.get("edited_at")),
                title=str(article.get("title") or ""),
                source="api",
                listed_in=address,
            )
            for article in articles
        )
        if len(articles) < PER_PAGE or findings.complete:
            break
    if not findings:
        raise Permanent(Reason.EMPTY, f"dev.to knows no published articles of {name}")
