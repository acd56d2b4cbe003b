"""A GitHub user or organisation: a list of repositories, one API request a hundred."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from llm_twin.collect.crawlers import crawler, expander
from llm_twin.collect.hosting import GITHUB_PAGES
from llm_twin.collect.web import Web
from llm_twin.documents import Document, Link
from llm_twin.errors import Permanent, Reason

PER_PAGE = 100  # the most that the API gives
LOGIN = re.compile(r"/(?:orgs/)?([A-Za-z0-9](?:[A-Za-z0-9-]{0,38}))/?$")


def is_user(path: str) -> bool:
    """Whether a path on github.com is a user's or an organisation's."""
    match = LOGIN.fullmatch(path)
    return match is not None and match[1].lower() not in GITHUB_PAGES.split()


@crawler("github_user", "github.com", path=is_user)
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """No document: a user stands for many repositories."""
    raise Permanent(Reason.LIST_PAGE, "a GitHub user, not a repository: collect the repositories with --expand")
    yield


@expander("github_user", "github.com", path=is_user)
async def expand(url: str, web: Web, limit: int) -> list[str]:
    """The user's own repositories, last pushed first; forks are someone else's work and left out."""
    match = LOGIN.fullmatch(urlsplit(url).path)
    user = match[1] if match else ""
    headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
    if token := web.settings.github_token:
        headers["authorization"] = f"Bearer {token.get_secret_value()}"
    found: list[str] = []
    number = 1
    while len(found) < limit:
        address = f"https://api.github.com/users/{user}/repos?sort=pushed&per_page={PER_PAGE}&page={number}"
        page = await web.get(address, headers=headers, robots=False)  # an API's rules are its rate limits
        try:
            repositories = json.loads(page.body)
            found += [
                f"https://github.com/{repository['full_name']}" for repository in repositories if not repository["fork"]
            ]
        except (ValueError, KeyError, TypeError):
            raise Permanent(Reason.BAD_DATA, f"the GitHub API sent no list of repositories for {user}") from None
        if len(repositories) < PER_PAGE:
            break
        number += 1
    if not found:
        raise Permanent(Reason.EMPTY, f"{user} has no public repositories but forks")
    return found[:limit]
