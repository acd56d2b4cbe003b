"""One link -> many: what a site, feed, sitemap or profile holds, with dates and how each was found.

Sites with a list of their own (GitHub, dev.to, Substack, …) register an expander; all others are read here: a feed's
older pages, then sitemaps, then archive pages, until there is as much as is wanted.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.crawlers import crawler_for, expander_for
from llm_twin.collect.discover.contents import Content, content_of
from llm_twin.collect.discover.feeds import add_feed
from llm_twin.collect.discover.found import MOST, CutShort, Findings, Found, Wanted
from llm_twin.collect.discover.pages import add_archive, look
from llm_twin.collect.discover.sitemaps import add_sitemaps
from llm_twin.collect.pages import Shell
from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Permanent, Reason, Transient

__all__ = ["MOST", "Content", "CutShort", "Findings", "Found", "Wanted", "content_of", "discover", "expand"]

ITSELF = "itself"
# Where blog engines keep their feeds: WordPress, Jekyll, Hugo, Hashnode, Ghost, Gatsby, …
FEED_PLACES = ("/feed", "/feed.xml", "/rss.xml", "/atom.xml", "/index.xml", "/feed.json", "/rss", "/blog/feed.xml")
SITEMAP_PLACES = ("/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml")
ARCHIVE_PLACES = ("/archive", "/archives", "/blog", "/posts")


async def discover(url: str, web: Web, limit: int = MOST, since: datetime | None = None) -> list[Found]:
    """What `url` holds: canonical links, newest first, each once, at most `limit`, none dated before `since`.

    A link that nothing shows to be a list is found in itself. Raises `LinkError` as `Web.get` does,
    `Permanent(EMPTY)` for a list without links, and `CutShort`, which has what was found until then.
    """
    findings = Findings(Wanted(limit, since))
    if own := expander_for(url):
        await own(url, web, findings)
        return _checked(findings, url)
    if crawler_for(url)[0] != "article":
        return [Found(url, source=ITSELF)]
    page = await _shown(url, web)
    content = content_of(page)
    if content == "feed":
        await add_feed(page, web, findings)
    elif content == "sitemap":
        if problem := await add_sitemaps([page.url], web, findings, page.url, page=page):
            _raise_if_empty(findings, problem)
    elif content == "html":
        if own := expander_for(url, page):
            await own(page.url, web, findings)
        elif not await _site(page, web, findings):
            return [Found(url, source=ITSELF)]
    else:
        return [Found(url, source=ITSELF)]
    return _checked(findings, url)


async def _shown(url: str, web: Web) -> Page:
    """The page at a link, drawn where it is a shell; undrawn, where it may not be: feed and sitemap may stand by."""
    try:
        return await web.get(url)
    except Shell as shell:
        return shell.page if web.settings.render == "never" or web.no_browser else await web.drawn(shell.page)


async def expand(url: str, web: Web, limit: int, since: datetime | None = None) -> list[str]:
    """The links alone of what `discover` finds."""
    return [found.link for found in await discover(url, web, limit, since)]


def _checked(findings: Findings, url: str) -> list[Found]:
    if not findings and not findings.left_out:
        raise findings.cut or Permanent(Reason.EMPTY, f"the list at {url} has no links to articles of its own site")
    if findings.cut and not findings.complete:
        raise CutShort(findings.newest(), findings.cut, findings.wanted.limit)
    return findings.newest()


def _raise_if_empty(findings: Findings, problem: LinkError) -> None:
    if not findings:
        raise problem


async def _site(page: Page, web: Web, findings: Findings) -> bool:
    """Add what a page stands for: its feed, then the sitemaps, then archive pages. False: it stands for itself."""
    shown = await web.compute(look, page)
    path = urlsplit(page.url).path
    home = not path.strip("/")
    if shown.item or not (home or shown.feed or shown.listing):
        return False
    problem: LinkError | None = None
    for place in [shown.feed] if shown.feed else FEED_PLACES if home else ():
        try:
            feed = await web.get(urljoin(page.url, place))
            if content_of(feed) == "feed":
                await add_feed(feed, web, findings)
                break
        except Permanent as error:
            problem = error
    if not findings.complete:
        below = "/" if home else path.rstrip("/") + "/"
        problem = await add_site_sitemaps(page.url, web, findings, below=below) or problem
    if not findings and not findings.left_out:
        await _archives(page, shown.archives, home, web, findings)
    if problem and not findings and not findings.left_out:
        if isinstance(problem, Transient):
            raise problem
        raise Permanent(Reason.EMPTY, f"no feed, sitemap or archive page is found at {page.url}; the last: {problem}")
    return True


async def add_site_sitemaps(url: str, web: Web, findings: Findings, *, below: str = "/") -> LinkError | None:
    """Add what the sitemaps of a site hold: those that its robots.txt names, else those in the usual places."""
    problem: LinkError | None = None
    if named := await _named_sitemaps(url, web):
        problem = await add_sitemaps(named, web, findings, url, below=below)
        if not problem:
            return None
    for place in SITEMAP_PLACES:
        if (address := urljoin(url, place)) in named:
            continue
        before = len(findings)
        found = await add_sitemaps([address], web, findings, url, below=below)
        if not found or len(findings) > before:
            return None
        problem = problem if isinstance(problem, Transient) else found  # one that fails says more than one that is not
    return problem


async def _named_sitemaps(url: str, web: Web) -> list[str]:
    from protego import Protego

    try:
        page = await web.get(urljoin(url, "/robots.txt"), robots=False)
    except LinkError:
        return []
    return [urljoin(url, place) for place in Protego.parse(page.text).sitemaps]


async def _archives(page: Page, named: list[str], home: bool, web: Web, findings: Findings) -> None:
    """Add what archive pages hold: for a home page those that it links to or the usual ones, else the page itself."""
    for place in named or ARCHIVE_PLACES if home else ():
        try:
            archive = await web.get(urljoin(page.url, place))
        except LinkError:
            continue
        if content_of(archive) == "html":
            await add_archive(archive, web, findings, page.url)
        if findings:
            return
    await add_archive(page, web, findings, page.url)
