"""The way down LinkedIn's activity page: slow, one at a time, so much a run at most, away at the first wall."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from llm_twin.collect.archives.linkedin import published
from llm_twin.collect.discover.found import OLDEST
from llm_twin.collect.linkedin.articles import article_at, article_link, listed
from llm_twin.collect.linkedin.kept import ARCHIVE, changed
from llm_twin.collect.linkedin.numbers import shares_in
from llm_twin.collect.linkedin.posts import POST_URN, Parsed, parsed
from llm_twin.collect.linkedin.single import single
from llm_twin.collect.sessions.sites import SITES, over
from llm_twin.collect.sessions.walking import Walk, down, no_browser, walk
from llm_twin.documents import Document, Link, now
from llm_twin.errors import LinkError, Permanent, Reason, Transient

if TYPE_CHECKING:
    from playwright.async_api import Page as Tab
    from playwright.async_api import Response

    from llm_twin.collect.web import Web

LINKEDIN = SITES["linkedin"]
ACTIVITY = "https://www.linkedin.com/in/{}/recent-activity/all/"
OLD_IN_A_ROW = 5  # posts before `since` that end the walk; a pinned one may stand above newer ones
TIME_TO_READ = 0.8  # of the time that a link may take; the rest is for storing what was read
WALLS = (Reason.BLOCKED, Reason.LOGIN_EXPIRED, Reason.LOGIN_REQUIRED)
MISSING = (Reason.NOT_FOUND, Reason.GONE)
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


@dataclass
class Reading:
    """What a walk has seen of a profile. Whatever ends it, this is not lost."""

    handle: str
    link: Link
    limit: int
    until: float  # by the clock: when it ends, to be stored in the time that a link may take
    posts: dict[str, str] = field(default_factory=dict)  # URN -> HTML
    own: int = 0  # of them that are the author's
    shares: dict[str, str] = field(default_factory=dict)
    articles: list[Document] = field(default_factory=list)
    source: str = ""  # of the page, where no post could be told from the rest
    late: bool = False
    result: Parsed | None = None  # what the posts give, once there are no more
    problem: LinkError | None = None  # the wall that ended it, or the first one with an article

    @property
    def url(self) -> str:
        """The activity page."""
        return ACTIVITY.format(self.handle)

    def over(self) -> bool:
        """Whether the time is."""
        self.late = self.late or time.monotonic() > self.until
        return self.late

    def too_late(self, limit: float) -> LinkError | None:
        """What is to be said where it was, with so many seconds for a link."""
        told = f"LinkedIn is read slowly, and no further than {TIME_TO_READ * limit:g} s go; see TWIN_LINK_TIMEOUT"
        return Transient(Reason.TIMEOUT, told) if self.late else None

    def enough(self, count: int, dates: Iterable[datetime | None]) -> bool:
        """Whether so many of the author's, or all that are newer than these dates, are all that is wanted."""
        return self.over() or count >= self.limit or _old(list(dates), self.link.since)


async def posts_of(handle: str, link: Link, web: Web) -> AsyncIterator[Document]:
    """The posts and long-form articles of a profile, the newest of both. Raises as `walk` does,
    `Permanent(LAYOUT_CHANGED)`, `Permanent(EMPTY)`, `Permanent(OLDER)`, `Transient(TIMEOUT)`.

    What was read before a wall, or before time was over, is given first: the error that follows is `partial`. A page
    that no parser makes anything of is kept below the home folder.
    """
    require(web)
    limit = link.expand or web.settings.posts_per_run
    reading = Reading(handle, link, limit, time.monotonic() + TIME_TO_READ * web.settings.link_timeout)
    try:
        async with walk(LINKEDIN, web, reading.url) as walked:
            await _read_posts(reading, web, walked)
            await _read_articles(reading, web, walked)
    except LinkError as error:
        reading.problem = error
    result = reading.result or await _made(reading, web)
    if reading.source or (reading.posts and not result.known):
        source = reading.source or "\n".join(reading.posts.values())
        raise changed(web, link.author.name, handle, reading.url, source)
    fit = [each for each in (*result.documents, *reading.articles) if not _before(each, link.since)]
    documents = sorted(fit, key=lambda each: each.published_at or OLDEST, reverse=True)[:limit]
    if result.unread and not reading.problem:
        source = "\n".join(reading.posts[urn] for urn in result.unread)
        told = f"{result.looked_at} posts, and all but {len(result.unread)}"
        reading.problem = changed(web, link.author.name, handle, reading.url, source, told)
    for document in documents:
        yield document
    if problem := reading.problem or reading.too_late(web.settings.link_timeout):
        if documents:
            problem.detail += f"; the {len(documents)} posts and articles that were read are stored"
            problem.partial = True
        raise problem
    if not documents and result.documents:
        raise Permanent(Reason.OLDER, f"all {len(result.documents)} posts are from before {link.since:%Y-%m-%d}")
    if not documents:
        told = f"{result.reposts} reposts of others and no post" if result.reposts else "no posts"
        raise Permanent(Reason.EMPTY, f"{told} on {reading.url}")


async def _read_posts(reading: Reading, web: Web, walked: Walk) -> None:
    tab = walked.tab
    answers: list[Response] = []
    tab.on("response", lambda answer: answers.append(answer) if "/voyager/" in answer.url else None)
    reading.shares |= shares_in(await tab.content())

    async def gather() -> int:
        found = await _gathered(web, tab, reading.posts)
        if found:
            made: Parsed = await web.compute(parsed, found, {}, reading.link.author, reading.handle, now())
            reading.posts.update(found)
            reading.own += made.own
        while answers:
            reading.shares.update(shares_in(await _body(answers.pop())))
        return len(found)

    await down(walked, gather, lambda: reading.enough(reading.own, map(published, reading.posts)))
    if not reading.posts and "urn:li:activity:" in (source := await tab.content()):
        reading.source = source


async def _read_articles(reading: Reading, web: Web, walked: Walk) -> None:
    """Read the articles among the newest of what there is: those that its tab lists, and those that posts lead to."""
    if reading.over() or reading.source:
        return
    handle, since = reading.handle, reading.link.since
    reading.result = posts = await _made(reading, web)
    own = await listed(
        reading.link.author.name, handle, walked, lambda found: reading.enough(len(found), found.values())
    )
    known = {article_link(link): (published(urn), False) for urn, link in reversed(posts.articles)}
    known |= {link: (date, True) for link, date in own.items()}
    newest = sorted((each.published_at or OLDEST for each in posts.documents), reverse=True)
    # Where so many posts are wanted and newer, an article is not looked at.
    after = newest[reading.limit - 1] if len(newest) >= reading.limit else OLDEST
    wanted = [
        (date or now(), link, theirs)
        for link, (date, theirs) in known.items()
        if not date or (date >= after and not (since and date < since))
    ]
    for _, link, theirs in sorted(wanted, reverse=True)[: reading.limit]:
        if reading.over():
            return
        try:
            found = await article_at(link, reading.link, web, walked, handle, own=theirs)
        except Permanent as error:
            if error.reason in WALLS:
                raise
            if error.reason not in MISSING:
                reading.problem = reading.problem or Permanent(error.reason, f"{link}: {error.detail}")
            continue
        if found:
            reading.articles.append(found)


async def _made(reading: Reading, web: Web) -> Parsed:
    posts, author = list(reading.posts.items()), reading.link.author
    made: Parsed = await web.compute(parsed, posts, reading.shares, author, reading.handle, now(), reading.limit)
    return made


async def post_at(link: Link, web: Web) -> Document:
    """The post that a link names. Raises as `posts_of` does, `Permanent(NOT_FOUND)` where its page does not have it,
    and `Permanent(OTHER_AUTHOR)` where that shows it to be by somebody else.
    """
    require(web)
    async with walk(LINKEDIN, web, link.url) as walked:
        tab = walked.tab
        posts = await _gathered(web, tab)
        source = await tab.content()
        at = [link.url, tab.url]
        result: Parsed = await web.compute(single, posts, shares_in(source), at, link.author, now())
        if not result.known and "urn:li:activity:" in source:
            raise changed(web, link.author.name, "post", link.url, source)
        if not result.documents:
            raise Permanent(Reason.EMPTY, f"no post with words of its author on {link.url}")
        return result.documents[0]


async def _gathered(web: Web, tab: Tab, known: Iterable[str] = ()) -> list[tuple[str, str]]:
    """(URN, HTML) of the posts on a page that are not known yet, without the session."""
    found = await tab.evaluate(GATHER, [list(known), POST_URN.pattern])
    return [(str(urn), _masked(web, str(html))) for urn, html in found]


def require(web: Web) -> None:
    """Raises `Permanent` where nobody is signed in, the session is over, or there is no browser."""
    session = web.signed.session(LINKEDIN.domains[0])
    if not session:
        raise Permanent(Reason.LOGIN_REQUIRED, f"{over(LINKEDIN, '').detail}; {ARCHIVE}")
    if session.problem:
        raise over(LINKEDIN, session.problem)
    if why := no_browser(web):
        raise Permanent(Reason.LOGIN_REQUIRED, f"LinkedIn is read in a browser: {why}; {ARCHIVE}")


def _masked(web: Web, html: str) -> str:
    """A part of a page without the session, which pages show again to their scripts and links."""
    return web.signed.masked(f"https://{LINKEDIN.domains[0]}/", html.encode("utf-8", "replace")).decode()


async def _body(answer: Response) -> str:
    from playwright.async_api import Error

    try:
        return json.dumps(await answer.json(), separators=(",", ":"), ensure_ascii=False)
    except (Error, ValueError):
        return ""


def _old(dates: list[datetime | None], since: datetime | None) -> bool:
    last = dates[-OLD_IN_A_ROW:] if since else []
    return len(last) == OLD_IN_A_ROW and all(date and since and date < since for date in last)


def _before(document: Document, since: datetime | None) -> bool:
    return bool(since and document.published_at and document.published_at < since)
