"""Medium articles: on medium.com, on its subdomains, and on domains of their own, where the page shows it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from llm_twin.collect.crawlers import crawler, expander, parser
from llm_twin.collect.discover import Findings, add_site_sitemaps
from llm_twin.collect.discover.feeds import read_feed
from llm_twin.collect.extract import Extraction, describe, extract
from llm_twin.collect.gists import with_gists
from llm_twin.collect.medium.lists import add_shown, post_id, stories, without_source
from llm_twin.collect.medium.state import RESPONSE_TO, VERSION, Entity, State, body, is_response, moment
from llm_twin.collect.reading.markdown import without_marks
from llm_twin.collect.sites.article import document, read
from llm_twin.collect.web import Page, Web
from llm_twin.documents import Document, Link
from llm_twin.errors import LinkError, Permanent, Reason

APP_LINK = re.compile(rb"<meta[^>]{1,80}al:android:package[^>]{1,80}com\.medium\.reader")
POST_KEY = re.compile(rb'"Post:[0-9a-f]{6,12}"')
APP_POST = re.compile(r"medium://p/([0-9a-f]{6,12})")
TEASER = re.compile(
    r"author made this story available to (?:M|m)edium members|Create an account to read the full story"
    r"|(?:Become a member|Upgrade) to (?:read|continue reading) this (?:story|article)"
    r"|\"isAccessibleForFree\"\s*:\s*(?:false|\"False\")|\"isLocked\"\s*:\s*true"
)
PAYWALL = "a story for Medium members"
FEED_ITEMS = 10  # in Medium's feeds, at most


def is_list(path: str) -> bool:
    """Whether a path on Medium is none of a post."""
    return post_id(path) is None


def recognises(page: Page) -> bool:
    """Medium's app link, or a Medium post in the page's state."""
    return bool(APP_LINK.search(page.body) or (b"__APOLLO_STATE__" in page.body and POST_KEY.search(page.body)))


@crawler("medium", "medium.com", ".medium.com")
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """The story behind the link. A short link (`link.medium.com`) shows what it is only after its redirect."""
    short = urlsplit(link.url).hostname == "link.medium.com"
    if post_id(link.url) is None and not short:
        raise Permanent(Reason.LIST_PAGE, "a Medium profile or list, not a story: collect its stories with --expand")
    yield await with_gists(await read(link, web, parse), web)


@expander("medium", "medium.com", ".medium.com", path=is_list)
@expander("medium", recognises=recognises, path=is_list)
async def expand(url: str, web: Web, findings: Findings) -> None:
    """The stories of a profile, publication or tag: from its feed, which holds ten; then, where more are wanted, from
    the sitemap that a subdomain or a domain of its own has, and from the page, scrolled down in a browser.
    """
    address = feed_of(url)
    feed = await web.compute(read_feed, await web.get(address), False)  # stories may lie on domains of publications
    findings.add(item._replace(link=without_source(item.link)) for item in feed.items)
    if findings.complete:
        return
    problem: LinkError | None = None
    if urlsplit(address).hostname != "medium.com":
        listed = Findings(findings.wanted)
        problem = await add_site_sitemaps(address, web, listed)
        findings.add(item for item in listed.newest() if post_id(item.link))
    elif len(feed.items) >= FEED_ITEMS:
        shown = address.replace("/feed/", "/", 1)
        with suppress(LinkError):  # the browser may get on
            findings.add(await web.compute(stories, await web.get(shown)))
        if not findings.complete:
            try:
                await add_shown(shown, web, findings)
            except LinkError as error:
                problem = error
    if len(feed.items) >= FEED_ITEMS:  # else the feed has them all
        findings.cut = problem


def feed_of(url: str) -> str:
    """The feed of a profile, publication or tag."""
    parts = urlsplit(url)
    path = parts.path.strip("/")
    if path.split("/")[0] in ("feed", "sitemap"):
        return url
    if not (parts.hostname or "").removeprefix("www.").removesuffix("medium.com"):
        if not path:
            raise Permanent(Reason.LIST_PAGE, "Medium's front page is no author's; give a profile, such as /@name")
        first, _, rest = path.partition("/")
        path = f"tag/{rest.split('/')[0]}" if first == "tag" else first
        return f"https://medium.com/feed/{path}"
    return urlunsplit((parts.scheme, parts.netloc, "/feed", "", ""))


@parser("medium", recognises=recognises)
def parse(page: Page, link: Link) -> Document:
    """The story that a page shows. Raises `Permanent(PAYWALL)` when the page has only its opening, and
    `Permanent(RESPONSE)` for an answer to another story that nobody but a list has named.
    """
    found = describe(page.text, page.url)
    named = [post_id(page.url), post_id(found.canonical or ""), *APP_POST.findall(page.text)[:1]]
    state = State.of(page.text)
    post = state.post([name for name in named if name]) if state else {}
    if state is None or not state.paragraphs(post):
        if TEASER.search(page.text):
            raise Permanent(Reason.PAYWALL, f"{PAYWALL}; only its opening is shown")
        if not any(named) and is_list(urlsplit(page.url).path):
            raise Permanent(Reason.LIST_PAGE, "a Medium profile or list: collect its stories with --expand")
        return document(page, link, _without_state(page), "medium")
    answered = is_response(post)
    if answered and link.listed:
        raise Permanent(Reason.RESPONSE, "an answer to another story; collected where its own link is given")
    _refuse_openings(state, post)
    markdown = body(state, post)
    return document(
        page,
        link,
        found.model_copy(
            update={
                "text": without_marks(markdown),
                "markdown": markdown,
                "title": str(post.get("title") or "") or found.title,
                "author": state.follow(post.get("creator")).get("name") or found.author,
                "published_at": moment(post.get("firstPublishedAt")) or found.published_at,
                "language": str(post.get("detectedLanguage") or "")[:2] or found.language,
                "kind": "post" if answered else "article",
            }
        ),
        "medium",
        {"parser": VERSION, "description": None} | _metadata(state, post),
    )


def _without_state(page: Page) -> Extraction:
    """What general extraction finds. Medium calls every story a posting, and the title stands above the text again."""
    found = extract(page.text, page.url)
    first, _, rest = found.markdown.partition("\n")
    doubled = first.startswith("#") and first.lstrip("# ").casefold() == found.title.casefold()
    return found.model_copy(update={"kind": "article", "markdown": rest.strip() if doubled else found.markdown})


def _refuse_openings(state: State, post: Entity) -> None:
    locked = post.get("isLocked") is True or post.get("visibility") == "LOCKED"
    previews = [content.get("isLockedPreviewOnly") for content in state.contents(post)]
    # A story for members that a friend link opens is whole; where the page does not say so, it is not believed.
    if True in previews or (locked and False not in previews):
        words = len(" ".join(str(each.get("text") or "") for each in state.paragraphs(post)).split())
        told = f'{PAYWALL}; of "{post.get("title") or "it"}" only the opening can be read, {words} words'
        raise Permanent(Reason.PAYWALL, told)


def _metadata(state: State, post: Entity) -> dict[str, Any]:
    answered = next((found for name in RESPONSE_TO if (found := state.follow(post.get(name)))), {})
    updated = moment(post.get("latestPublishedAt"))
    return {
        "post_id": post.get("id"),
        "subtitle": state.follow(post.get("previewContent")).get("subtitle"),
        "tags": state.tags(post),
        "publication": state.follow(post.get("collection")).get("name"),
        "series": state.follow(post.get("sequence")).get("title"),
        "updated_at": updated.isoformat() if updated else None,
        "response": True if is_response(post) else None,
        "response_to": answered.get("mediumUrl") or answered.get("id"),
    }
