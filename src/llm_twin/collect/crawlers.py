"""Which crawler takes which link, and which parser takes which page. A new site is one file in `sites/`.

A crawler turns a link into documents; it is picked by the parsed host (and path), never by a string prefix.
A parser turns a fetched page into a document wherever it is hosted, recognised by what stands in the page: that is how
Medium and Substack articles on domains of their own are read. An expander lists what one link stands for.
Third parties register through the entry point group `llm_twin.crawlers`; an entry point names a module.
"""

from __future__ import annotations

import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_twin.collect.web import Page, Web
from llm_twin.documents import Document, Link
from llm_twin.links import host_of

if TYPE_CHECKING:
    from llm_twin.collect.discover import Findings

Crawl = Callable[[Link, Web], AsyncIterator[Document]]
Parse = Callable[[Page, Link], Document]
Expand = Callable[[str, Web, "Findings"], Awaitable[None]]
Matches = Callable[[str], bool]  # a checked link, or for parsers a page's


@dataclass(frozen=True)
class Site:
    """What one decorated function of a site file handles."""

    name: str
    domains: tuple[str, ...]
    path: Matches

    def takes(self, url: str) -> bool:
        """Whether the link is on one of the site's domains (or they are open) and has the right path.

        `example.com` means this host and its `www.` alone, `.example.com` every host below it.
        """
        host = host_of(url)
        return self.path(urlsplit(url).path) and (
            not self.domains
            or any(
                host.endswith(domain) if domain.startswith(".") else host.removeprefix("www.") == domain
                for domain in self.domains
            )
        )


_crawlers: list[tuple[Site, Crawl]] = []
_expanders: list[tuple[Site, Callable[[Page], bool] | None, Expand]] = []
_parsers: list[tuple[str, Callable[[Page], bool], Parse]] = []


def _any_path(path: str) -> bool:
    return True


def crawler(name: str, *domains: str, path: Matches = _any_path) -> Callable[[Crawl], Crawl]:
    """Register a crawler for links on `domains` whose path satisfies `path`. No domains: all hosts."""

    def register(crawl: Crawl) -> Crawl:
        _crawlers.append((Site(name, domains, path), crawl))
        return crawl

    return register


def expander(
    name: str, *domains: str, path: Matches = _any_path, recognises: Callable[[Page], bool] | None = None
) -> Callable[[Expand], Expand]:
    """Register a function (link, web, findings) for links that stand for many: it adds what it finds, newest first,
    until `findings.complete`, and raises `LinkError` where there is nothing.

    `recognises`: for fetched pages instead of links, on any host.
    """

    def register(expand: Expand) -> Expand:
        _expanders.append((Site(name, domains, path), recognises, expand))
        return expand

    return register


def parser(name: str, *, recognises: Callable[[Page], bool]) -> Callable[[Parse], Parse]:
    """Register a parser for pages that `recognises` returns True for."""

    def register(parse: Parse) -> Parse:
        _parsers.append((name, recognises, parse))
        return parse

    return register


@cache
def _load_sites() -> None:
    from llm_twin.collect import sites

    for module in pkgutil.iter_modules(sites.__path__):
        import_module(f"{sites.__name__}.{module.name}")
    for entry in entry_points(group="llm_twin.crawlers"):
        entry.load()


def crawler_for(url: str) -> tuple[str, Crawl]:
    """Name and crawler for a checked link; the article crawler takes what no other does."""
    _load_sites()
    from llm_twin.collect.sites.article import crawl

    return next(((site.name, found) for site, found in _crawlers if site.takes(url)), ("article", crawl))


def expander_for(url: str, page: Page | None = None) -> Expand | None:
    """The site's own expander for a checked link, or for the page that was fetched for it, if one takes it."""
    _load_sites()
    for site, recognises, found in _expanders:
        if site.takes(url) and (recognises(page) if page and recognises else not page and not recognises):
            return found
    return None


def parser_for(page: Page) -> Parse | None:
    """The parser of the platform that a page shows itself to be from, if any."""
    _load_sites()
    return next((parse for _, recognises, parse in _parsers if recognises(page)), None)


def parser_modules() -> list[str]:
    """The modules that parsers are from: what has to be imported where pages are parsed."""
    _load_sites()
    return sorted({parse.__module__ for *_, parse in _parsers})


def site_names() -> list[str]:
    """Names of all sites that have a crawler or parser, sorted."""
    _load_sites()
    return sorted({site.name for site, _ in _crawlers} | {name for name, _, _ in _parsers} | {"article"})
