"""A GitHub user or organisation: a list of repositories, one API request a hundred."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from llm_twin.collect.crawlers import crawler, expander
from llm_twin.collect.discover import Findings, Found
from llm_twin.collect.discover.api import entries
from llm_twin.collect.discover.found import date_of
from llm_twin.collect.repositories.hosting import GITHUB_PAGES
from llm_twin.collect.web import Web
from llm_twin.documents import Document, Link
from llm_twin.errors import Permanent, Reason, Transient

PER_PAGE = 100  # the most that the API gives
MAX_PAGES = 100
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
async def expand(url: str, web: Web, findings: Findings) -> None:
    """The user's own repositories, last pushed first; forks are someone else's work and left out."""
    match = LOGIN.fullmatch(urlsplit(url).path)
    user = match[1] if match else ""
    headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
    if token := web.settings.github_token:
        headers["authorization"] = f"Bearer {token.get_secret_value()}"
    for number in range(1, MAX_PAGES + 1):
        address = f"https://api.github.com/users/{user}/repos?sort=pushed&per_page={PER_PAGE}&page={number}"
        try:
            repositories = await entries(address, web, headers)
        except Permanent as error:
            if error.reason is Reason.BLOCKED and not token:
                hint = "GitHub's API gives 60 answers an hour; set TWIN_GITHUB_TOKEN, or try again later"
                raise Transient(Reason.RATE_LIMITED, hint) from None
            raise
        findings.add(_found(repository, address) for repository in repositories if not repository.get("fork"))
        if len(repositories) < PER_PAGE or findings.complete:
            break
    if not findings:
        raise Permanent(Reason.EMPTY, f"{user} has no public repositories but forks")


def _found(repository: dict[str, Any], address: str) -> Found:
    return Found(
        link=f"https://github.com/{repository.get('full_name')}",
        updated_at=date_of(repository.get("pushed_at")),  # a repository is of the day of its last commit
        title=str(repository.get("description") or ""),
        source="api",
        listed_in=address,
    )
