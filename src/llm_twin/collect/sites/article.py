"""Any article or post on the open web. Other sites build on `read`, `generic` and `document`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from llm_twin.collect.crawlers import Parse, parser_for
from llm_twin.collect.discover import content_of
from llm_twin.collect.extract import Extraction, extract_page, next_to_nothing
from llm_twin.collect.gists import with_gists
from llm_twin.collect.pages import Shell
from llm_twin.collect.reading.language import language_for
from llm_twin.collect.reading.walls import wall
from llm_twin.collect.web import Page, Web
from llm_twin.documents import Document, Link
from llm_twin.errors import Permanent, Reason
from llm_twin.links import domain_of

TITLE_LENGTH = 80  # characters of the first line, for what has no title


async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """The article behind `link`, by the parser of its platform where the page shows one."""
    yield await with_gists(await read(link, web, document_of), web)


async def read(link: Link, web: Web, parse: Parse) -> Document:
    """What `parse` makes of the page behind a link, drawn by a browser where `settings.render` says so.

    "auto" draws a page that scripts would have to fill: one without text, or that `parse` finds `EMPTY`.
    """
    page, render = None, web.settings.render
    try:
        # Where all are drawn, the same page as before may be drawn otherwise.
        page = await fetch_html(link.url, web.against(None) if render == "always" else web)
        if render != "always":
            return await web.read(parse, page, link)
    except Permanent as error:
        page = error.page if isinstance(error, Shell) else page
        if not page or error.reason is not Reason.EMPTY or render == "never" or b"<script" not in page.body.lower():
            raise
        if missing := web.no_browser:
            raise Permanent(Reason.EMPTY, f"{error.detail}; {missing}") from None
    return await web.compute(_parsed, await web.drawn(page), link, parse)


def _parsed(page: Page, link: Link, parse: Parse) -> Document:
    """What a page shows once it is drawn, which may be a wall as well. Raises `Permanent`."""
    if found := wall(page):
        raise Permanent(*found)
    return parse(page, link)


async def fetch_html(url: str, web: Web) -> Page:
    """The HTML page at `url`. Raises as `Web.get` does, and `Permanent` for feeds, sitemaps and what is no HTML."""
    page = await web.get(url)
    content = content_of(page)
    if content in ("feed", "sitemap"):
        raise Permanent(Reason.LIST_PAGE, f"a {content}: collect its items with --expand")
    if content != "html":
        raise Permanent(Reason.NOT_HTML, f"{page.content_type or 'unlabelled data'}; only HTML pages are collected")
    return page


def document_of(page: Page, link: Link) -> Document:
    """The document that an HTML page holds, fetched or saved. Raises `Permanent`, also when the page is a wall."""
    if found := wall(page):
        raise Permanent(*found)
    if parse := parser_for(page):
        return parse(page, link)
    return generic(page, link, domain_of(page.url))


def generic(page: Page, link: Link, platform: str) -> Document:
    """The document by general extraction alone. Raises `Permanent` when what it finds is no article."""
    return document(page, link, extract_page(page), platform)


def document(
    page: Page, link: Link, found: Extraction, platform: str, metadata: Mapping[str, Any] | None = None
) -> Document:
    """What was extracted from a page, as a document. Raises `Permanent` when it is no article, or next to no text."""
    if found.reason:
        raise Permanent(found.reason, found.detail)
    if why := next_to_nothing(found):
        raise Permanent(*why)
    more = {"byline": found.author, "description": found.description, **(metadata or {})}
    return Document.of(
        link.author,
        found.canonical or page.url,
        kind=found.kind,
        platform=platform,
        title=found.title or _first_line(found.text),
        text=found.markdown,
        published_at=found.published_at,
        language=language_for(found.language, found.text),
        metadata={name: value for name, value in more.items() if value not in (None, "", [])},
        raw=page.raw,
    )


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0].strip()
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"
