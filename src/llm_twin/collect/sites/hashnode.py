"""A Hashnode blog: its posts from feed and sitemap. The GraphQL API is for paying customers alone since May 2026."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

from llm_twin.collect.crawlers import crawler, expander
from llm_twin.collect.discover import Findings, add_site_sitemaps
from llm_twin.collect.discover.feeds import add_feed
from llm_twin.collect.web import Web
from llm_twin.documents import Document, Link
from llm_twin.errors import LinkError, Permanent, Reason

LISTS = re.compile(r"/?|/(?:archive|rss\.xml|sitemap\.xml|newsletter|(?:series|tag)/[^/]+)/?")


def is_list(path: str) -> bool:
    """Whether a path on a blog's host lists posts."""
    return LISTS.fullmatch(path) is not None


@crawler("hashnode", ".hashnode.dev", path=is_list)
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """No document: a blog stands for many posts."""
    raise Permanent(Reason.LIST_PAGE, "a Hashnode blog, not a post: collect its posts with --expand")
    yield


@expander("hashnode", ".hashnode.dev", path=is_list)
async def expand(url: str, web: Web, findings: Findings) -> None:
    """The posts of a blog: the latest from its feed, the others from its sitemap."""
    problem: LinkError | None = None
    try:
        await add_feed(await web.get(urljoin(url, "/rss.xml")), web, findings)
    except Permanent as error:
        problem = error
    if not findings.complete:
        listed = Findings(findings.wanted)
        problem = await add_site_sitemaps(url, web, listed) or problem
        findings.add(
            item for item in listed.newest() if not re.match(r".*\.dev/(?:series|newsletter|archive)\b", item.link)
        )
    if not findings:
        raise problem or Permanent(Reason.EMPTY, f"no posts in the feed and sitemap of {url}")
