"""LinkedIn's long-form articles: the tab that lists a profile's own, and each one as a document."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from llm_twin.collect.archives.linkedin import published
from llm_twin.collect.extract import describe, extract
from llm_twin.collect.linkedin.kept import changed
from llm_twin.collect.linkedin.posts import ARTICLE, OWNER
from llm_twin.collect.linkedin.single import refuse_others
from llm_twin.collect.pages import Page
from llm_twin.collect.sessions.sites import SITES
from llm_twin.collect.sessions.walking import Walk, down, step, walk
from llm_twin.collect.sites.article import document
from llm_twin.documents import Document, Link, now
from llm_twin.errors import Permanent, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page as Tab

    from llm_twin.collect.web import Web

VERSION = "linkedin article 1"
LINKEDIN = SITES["linkedin"]
TAB = "https://www.linkedin.com/in/{}/recent-activity/articles/"
# Of authors, above the text; in it stand those of people who are mentioned.
PROFILES = "(//main | //article)//a[contains(@href, '/in/')][not(ancestor::p or ancestor::li or ancestor::aside)]"
# Links to articles with the post that each stands in; what stands at the side of the page is of others.
LISTED = """pattern => [...(document.querySelector('main') || document.body).querySelectorAll('a[href*="/pulse/"]')]
  .filter(link => !link.closest('aside, nav, footer'))
  .map(link => [link.href.split(/[?#]/)[0], link.closest('[data-urn], [data-id]')])
  .filter(([link]) => new RegExp(pattern).test(link))
  .map(([link, post]) => [link, post ? post.dataset.urn || post.dataset.id || '' : ''])"""


async def listed(
    author: str, handle: str, walked: Walk, enough: Callable[[dict[str, datetime | None]], bool]
) -> dict[str, datetime | None]:
    """The links of a profile's own articles with the dates of their posts, as its tab lists them, newest first.

    Raises `Permanent` at a wall, and `Permanent(LAYOUT_CHANGED)` where there are articles and no link leads to one.
    """
    found: dict[str, datetime | None] = {}
    try:
        await step(walked, TAB.format(handle))
    except Permanent as error:
        if error.reason in (Reason.NOT_FOUND, Reason.GONE):  # of a profile without articles
            return found
        raise

    async def gather() -> int:
        before = len(found)
        for link, urn in await walked.tab.evaluate(LISTED, ARTICLE.pattern):
            found.setdefault(article_link(str(link)), published(str(urn)))
        return len(found) - before

    await down(walked, gather, lambda: enough(found))
    web, tab = walked.web, walked.tab
    source = "" if found or await tab.locator("a[href*='/pulse/']").count() else await tab.content()
    if "linkedin.com/pulse/" in source:
        raise changed(web, author, handle, TAB.format(handle), source, "articles, and none")
    return found


async def article_at(
    url: str, link: Link, web: Web, walked: Walk | None = None, handle: str = "", *, own: bool = False
) -> Document | None:
    """A long-form article, in a tab that is there or in one of its own.

    With `handle`, None where it is somebody else's. `own`: it is theirs unless the page says otherwise.
    """
    if walked is None:
        async with walk(LINKEDIN, web, url) as new:
            return await article_at(url, link, web, new)
    tab = walked.tab
    if tab.url.partition("?")[0] != url:
        await step(walked, url)
    if handle and not _is_of(handle, await _author(tab), own):
        return None
    body = web.signed.masked(url, (await tab.content()).encode("utf-8", "replace"))
    page = Page(url, 200, {"content-type": "text/html; charset=utf-8"}, now(), body)
    return await web.compute(article_of if handle else own_article_of, page, link)


async def _author(tab: Tab) -> str:
    """Whose profile the page names first, above the text; "" where it names none."""
    links = tab.locator("main a[href*='/in/'], article a[href*='/in/']")
    return str(await links.first.get_attribute("href") or "") if await links.count() else ""


def _is_of(handle: str, profile: str, own: bool) -> bool:
    named = OWNER.search(profile)
    return unquote(named[1]).lower() == handle.lower() if named else own


def article_link(link: str) -> str:
    """The link of an article as LinkedIn's data export writes it."""
    return f"https://www.linkedin.com{urlsplit(link).path.rstrip('/')}"


def own_article_of(page: Page, link: Link) -> Document:
    """The same as `article_of`, of a page that nobody has vouched for. Raises `Permanent`, also `(OTHER_AUTHOR)`."""
    from llm_twin.collect.archives.plain import body_of
    from llm_twin.collect.reading.trees import select

    found = article_of(page, link)
    links = select(body_of(page.text), PROFILES)
    first = OWNER.search(str(links[0].get("href"))) if links else None
    shown = [str(each.text_content()) for each in links if first and first[0] in str(each.get("href"))]
    name = found.metadata.get("byline") or " ".join(" ".join(shown).split())
    refuse_others(link.author, name, unquote(first[1]) if first else "")
    return found


def article_of(page: Page, link: Link) -> Document:
    """A long-form article without the page around it. Raises `Permanent`."""
    from lxml.html import tostring

    from llm_twin.collect.archives.plain import body_of
    from llm_twin.collect.reading.trees import select

    tree = body_of(page.text)
    for part in select(tree, "//code | //style | //header[not(ancestor::article)] | //nav | //aside"):
        part.drop_tree()
    for part in select(tree, "//script[not(@type='application/ld+json')]"):
        part.drop_tree()
    found = extract(str(tostring(tree, encoding="unicode")), page.url)
    told = describe(page.text, page.url)
    update = {"kind": "article", "canonical": page.url, "published_at": told.published_at or found.published_at}
    return document(page, link, found.model_copy(update=update), "linkedin", {"parser": VERSION})
