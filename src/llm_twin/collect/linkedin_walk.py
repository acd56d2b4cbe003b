"""The way down LinkedIn's activity page: slow, one at a time, so many posts a run at most, away at the first wall."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llm_twin.collect.archives.linkedin import published
from llm_twin.collect.extract import describe, extract
from llm_twin.collect.linkedin_posts import POST_URN, Parsed, parsed, shares_in
from llm_twin.collect.pages import Page
from llm_twin.collect.sessions.sites import SITES
from llm_twin.collect.sessions.walking import down, no_browser, over, walk
from llm_twin.collect.sites.article import document
from llm_twin.documents import Document, Link, now
from llm_twin.errors import Permanent, Reason

if TYPE_CHECKING:
    from playwright.async_api import Page as Tab
    from playwright.async_api import Response

    from llm_twin.collect.web import Web

LINKEDIN = SITES["linkedin"]
ACTIVITY = "https://www.linkedin.com/in/{}/recent-activity/all/"
ARCHIVE = "or ask LinkedIn for your data, which is the allowed way: twin import FILE.zip"
OLD_IN_A_ROW = 5  # posts before `since` that end the walk; a pinned one may stand above newer ones
# Opens what is cut short, then takes what is new; posts within posts are theirs.
GATHER = """async ([known, pattern]) => {
  const before = new Set(known), urn = new RegExp('^(?:' + pattern + ')$'), found = [];
  const posts = [...document.querySelectorAll('[data-urn], [data-id]')].filter(each => {
    const name = each.dataset.urn || each.dataset.id;
    return urn.test(name) && !before.has(name) && each.textContent.trim() &&
      !each.parentElement.closest('[data-urn^="urn:li:activity"], [data-id^="urn:li:activity"]');
  });
  const cut = posts.flatMap(each => [...each.querySelectorAll(
    'button.see-more, button.feed-shared-inline-show-more-text__see-more-less-toggle')]);
  cut.forEach(button => button.click());
  if (cut.length) await new Promise(done => setTimeout(done, 250));
  for (const each of posts) {
    const copy = each.cloneNode(true);
    copy.querySelectorAll('script, style, svg, code, video, [data-id^="urn:li:comment"]').forEach(it => it.remove());
    found.push([each.dataset.urn || each.dataset.id, copy.outerHTML]);
  }
  return found;
}"""


async def posts_of(handle: str, link: Link, web: Web) -> AsyncIterator[Document]:
    """The posts and long-form articles of a profile, newest first. Raises as `walk` does, `Permanent(LAYOUT_CHANGED)`,
    `Permanent(EMPTY)`, `Permanent(OLDER)`.

    What was read before a wall is kept below the home folder, as is a page that no parser makes anything of.
    """
    require(web)
    url, limit = ACTIVITY.format(handle), link.expand or web.settings.posts_per_run
    posts: dict[str, str] = {}
    shares: dict[str, str] = {}
    async with walk(LINKEDIN, web, url) as tab:
        answers: list[Response] = []
        tab.on("response", lambda answer: answers.append(answer) if "/voyager/" in answer.url else None)
        shares |= shares_in(await tab.content())

        async def gather() -> int:
            found = await tab.evaluate(GATHER, [list(posts), POST_URN.pattern])
            posts.update({str(urn): str(html) for urn, html in found})
            while answers:
                shares.update(shares_in(await _body(answers.pop())))
            return len(found)

        try:
            await down(LINKEDIN, web, tab, gather, lambda: len(posts) >= limit or _old(posts, link.since))
        except Permanent as error:
            if not posts:
                raise
            file = keep(web, handle, url, "\n".join(posts.values()))
            told = f"{error.detail}; the {len(posts)} posts read before are kept: twin import {file}"
            raise Permanent(error.reason, told) from None
        if not posts and "urn:li:activity:" in (source := await tab.content()):
            raise _changed(web, handle, url, source)
        wanted = list(posts.items())[:limit]
        result: Parsed = await web.compute(parsed, wanted, shares, link.author, handle, now())
        if posts and not result.known:
            raise _changed(web, handle, url, "\n".join(posts.values()))
        documents = [each for each in result.documents if not _before(each, link.since)]
        for document in documents:
            yield document
        articles = list(dict.fromkeys(result.articles))[: max(0, limit - len(documents))]
        for address in articles:
            if (article := await article_at(address, link, web, tab, handle)) and not _before(article, link.since):
                yield article
                documents.append(article)
    if not documents and result.documents:
        raise Permanent(Reason.OLDER, f"all {len(result.documents)} posts are from before {link.since:%Y-%m-%d}")
    if not documents:
        told = f"{result.reposts} reposts of others and no post" if result.reposts else "no posts"
        raise Permanent(Reason.EMPTY, f"{told} on {url}")


async def post_at(link: Link, web: Web) -> Document:
    """One post, by its own link. Raises as `posts_of` does."""
    require(web)
    async with walk(LINKEDIN, web, link.url) as tab:
        found = await tab.evaluate(GATHER, [[], POST_URN.pattern])
        source = await tab.content()
        posts = [(str(urn), str(html)) for urn, html in found][:1]
        result: Parsed = await web.compute(parsed, posts, shares_in(source), link.author, "", now())
        if not result.known and "urn:li:activity:" in source:
            raise _changed(web, "post", link.url, source)
        if not result.documents:
            raise Permanent(Reason.EMPTY, f"no post with words of its author on {link.url}")
        return result.documents[0]


def require(web: Web) -> None:
    """Raises `Permanent` where nobody is signed in, the session is over, or there is no browser."""
    session = web.signed.session(LINKEDIN.domains[0])
    if not session:
        raise Permanent(Reason.LOGIN_REQUIRED, f"{over(LINKEDIN, '').detail}; {ARCHIVE}")
    if session.problem:
        raise over(LINKEDIN, session.problem)
    if why := no_browser(web):
        raise Permanent(Reason.LOGIN_REQUIRED, f"LinkedIn is read in a browser: {why}; {ARCHIVE}")


async def article_at(url: str, link: Link, web: Web, tab: Tab | None = None, handle: str = "") -> Document | None:
    """A long-form article, in a tab that is there or in one of its own; with `handle`, None where it is not theirs."""
    if tab is None:
        async with walk(LINKEDIN, web, url) as own:
            return await article_at(url, link, web, own)
    from llm_twin.collect.sessions.walking import step

    if tab.url.partition("?")[0] != url:
        await step(LINKEDIN, web, tab, url)
    if handle and not await tab.locator(f"main a[href*='/in/{handle}'], article a[href*='/in/{handle}']").count():
        return None
    page = Page(url, 200, {"content-type": "text/html; charset=utf-8"}, now(), (await tab.content()).encode())
    return await web.compute(article_of, page, link)


def article_of(page: Page, link: Link) -> Document:
    """A long-form article without the page around it. Raises `Permanent`."""
    from lxml.html import tostring

    from llm_twin.collect.archives.plain import body_of
    from llm_twin.collect.extract_trees import select

    tree = body_of(page.text)
    for part in select(tree, "//code | //style | //header[not(ancestor::article)] | //nav | //aside"):
        part.drop_tree()
    for part in select(tree, "//script[not(@type='application/ld+json')]"):
        part.drop_tree()
    found = extract(str(tostring(tree, encoding="unicode")), page.url)
    told = describe(page.text, page.url)
    update = {"kind": "article", "canonical": page.url, "published_at": told.published_at or found.published_at}
    return document(page, link, found.model_copy(update=update), "linkedin", {"parser": "linkedin article 1"})


def keep(web: Web, name: str, url: str, source: str) -> Path:
    """Keep a page below the home folder, as browsers save pages, readable by the user alone."""
    folder = web.settings.home.expanduser() / "kept"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    safe = "".join(each for each in name if each.isalnum() or each in "-_")[:60]
    path = folder / f"linkedin-{safe}-{now():%Y%m%d-%H%M%S}.html"
    path.touch(mode=0o600)
    path.write_text(f"<!DOCTYPE html>\n<!-- saved from url=({len(url):04d}){url} -->\n{source}", "utf-8")
    return path


def _changed(web: Web, handle: str, url: str, source: str) -> Permanent:
    file = keep(web, handle, url, source)
    told = f"LinkedIn's pages look different now: {url} has posts, and none could be read; the page is kept for a"
    return Permanent(Reason.LAYOUT_CHANGED, f"{told} newer version: twin import {file}; {ARCHIVE}")


async def _body(answer: Response) -> str:
    from playwright.async_api import Error

    try:
        return json.dumps(await answer.json(), separators=(",", ":"), ensure_ascii=False)
    except (Error, ValueError):
        return ""


def _old(posts: dict[str, str], since: datetime | None) -> bool:
    dates = [published(urn) for urn in list(posts)[-OLD_IN_A_ROW:]] if since else []
    return len(dates) == OLD_IN_A_ROW and all(date and since and date < since for date in dates)


def _before(document: Document, since: datetime | None) -> bool:
    return bool(since and document.published_at and document.published_at < since)
