"""LinkedIn: a profile stands for its author's posts, read in a browser that is signed in; articles and single posts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

from llm_twin.collect.crawlers import crawler
from llm_twin.collect.sites.article import fetch_html
from llm_twin.collect.web import Web
from llm_twin.documents import Document, Link

PROFILE = re.compile(r"/in/([^/]+)(?:/|/recent-activity(?:/[a-z]+)?/?)?$")
POST = re.compile(r"/feed/update/urn(?::|%3A)li|/posts/[^/]+$", re.I)
ARTICLE = re.compile(r"/pulse/[^/]+/?$")


def is_ours(path: str) -> bool:
    """Whether a path is that of a profile, a post or an article."""
    return bool(PROFILE.match(path) or POST.match(path) or ARTICLE.match(path))


@crawler("linkedin", "linkedin.com", ".linkedin.com", path=is_ours)
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """The posts and articles of a profile, the newest `expand` or `TWIN_POSTS_PER_RUN`; one post; one article."""
    from llm_twin.collect.linkedin.articles import article_at, article_link, own_article_of
    from llm_twin.collect.linkedin.walk import post_at, posts_of

    path = urlsplit(link.url).path
    if profile := PROFILE.match(path):
        async for document in posts_of(unquote(profile[1]), link, web):
            yield document
    elif POST.match(path):
        yield await post_at(link, web)
    elif web.signed.session("linkedin.com"):
        if found := await article_at(article_link(link.url), link, web):
            yield found
    else:
        yield await web.read(own_article_of, await fetch_html(link.url, web), link)
