"""Substack posts: on substack.com subdomains and on domains of their own, where the page shows it.

Pages embed the whole post as JSON (`window._preloads`). Version 1, checked against pages of 2025.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.crawlers import crawler, expander, parser
from llm_twin.collect.discover import Findings, Found, add_site_sitemaps
from llm_twin.collect.discover.api import answer, entries
from llm_twin.collect.discover.feeds import add_feed
from llm_twin.collect.discover.found import MOST, date_of
from llm_twin.collect.extract import describe
from llm_twin.collect.reading.metadata import moment
from llm_twin.collect.sites.article import document, generic, read
from llm_twin.collect.substack import cleaned, markdown, plain
from llm_twin.collect.web import Page, Web
from llm_twin.documents import Document, Link
from llm_twin.errors import Permanent, Reason
from llm_twin.links import same_site

VERSION = "substack 1"
PRELOADS = re.compile(r"window\._preloads\s*=\s*JSON\.parse\(\s*(?=\")")
LISTS = re.compile(
    r"/?|/(?:archive|podcast|notes|posts|feed|sitemap\.xml)/?|/(?:s|t)/[^/]+/?|/@[^/]+(?:/posts|/notes)?/?"
)
POST = re.compile(r"/p/[^/]+/?$")
PROFILE = re.compile(r"/@[^/]+(?:/posts|/notes)?/?")
PER_PAGE = 50  # the most that the archive gives; a shorter page is not its last one
LIST_PAGE = "a Substack publication, not a post: collect its posts with --expand"
WHOLE = 0.9  # of the words that Substack counted; its count takes in captions and widgets


def is_list(path: str) -> bool:
    """Whether a path on a publication's host lists posts."""
    return LISTS.fullmatch(path) is not None


def is_profile(path: str) -> bool:
    """Whether a path on substack.com is a person's."""
    return PROFILE.fullmatch(path) is not None


def recognises(page: Page) -> bool:
    """The embedded state, and Substack's own hosts in the page: other sites have a `_preloads` too."""
    return b"window._preloads" in page.body and b"substackcdn.com" in page.body and b"JSON.parse(" in page.body


@crawler("substack", "substack.com", ".substack.com")
async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
    """The post behind the link."""
    if is_list(urlsplit(link.url).path):
        raise Permanent(Reason.LIST_PAGE, LIST_PAGE)
    yield await read(link, web, parse)


@expander("substack", ".substack.com", path=is_list)
@expander("substack", recognises=recognises, path=is_list)
async def expand(url: str, web: Web, findings: Findings) -> None:
    """The posts of a publication as its archive page asks for them; where that fails, from its feed and sitemap."""
    try:
        await _add_archive(url, web, findings)
    except Permanent as error:
        if findings:
            return
        listed = Findings(findings.wanted._replace(limit=MOST))
        with suppress(Permanent):
            await add_feed(await web.get(urljoin(url, "/feed")), web, listed)
        posts = _posts(listed)
        findings.add(posts)
        if not findings.complete:
            await add_site_sitemaps(url, web, listed)
            findings.add(_posts(listed))
        if not findings:
            raise Permanent(Reason.EMPTY, f"no posts at {url}; its archive: {error}") from None


@expander("substack", "substack.com", path=is_profile)
async def expand_profile(url: str, web: Web, findings: Findings) -> None:
    """The posts of the publications that a person writes, the primary one first."""
    handle = urlsplit(url).path.split("/")[1].removeprefix("@")
    profile = await answer(f"https://substack.com/api/v1/user/{handle}/public_profile", web, robots=True)
    members = profile.get("publicationUsers") if isinstance(profile, dict) else None
    places: list[str] = []
    for member in sorted(filter(_writes, members or ()), key=lambda member: not member.get("is_primary")):
        publication = member["publication"]
        domain = publication.get("custom_domain") if not publication.get("custom_domain_optional") else None
        places.append(f"https://{domain or str(publication.get('subdomain')) + '.substack.com'}/")
    for place in places:
        # Each is asked for as much as is wanted: the newest of one may be older than all of another.
        posts = Findings(findings.wanted)
        await expand(place, web, posts)
        findings.add(posts.newest())
    if not places:
        raise Permanent(Reason.EMPTY, f"@{handle} has no publication on Substack")


def _writes(member: object) -> bool:
    return (
        isinstance(member, dict)
        and isinstance(member.get("publication"), dict)
        and member.get("role") in ("admin", "editor", "contributor")
    )


def _posts(listed: Findings) -> list[Found]:
    return [item for item in listed.newest() if POST.search(urlsplit(item.link).path)]


async def _add_archive(url: str, web: Web, findings: Findings) -> None:
    offset = 0
    while offset < MOST:
        address = urljoin(url, f"/api/v1/archive?sort=new&search=&offset={offset}&limit={PER_PAGE}")
        posts = await entries(address, web, robots=True)
        found = [
            Found(
                link=str(post.get("canonical_url") or urljoin(url, f"/p/{post.get('slug')}")),
                published_at=date_of(post.get("post_date")),
                title=str(post.get("title") or ""),
                source="api",
                listed_in=address,
            )
            for post in posts
        ]
        offset += len(posts)
        if not findings.add(found) or findings.complete:
            return


@parser("substack", recognises=recognises)
def parse(page: Page, link: Link) -> Document:
    """The post that a page embeds. Raises `Permanent(PAYWALL)` when only its free part is there."""
    state = preloads(page.text)
    post = state.get("post")
    if not isinstance(post, dict):
        if is_list(urlsplit(page.url).path):
            raise Permanent(Reason.LIST_PAGE, LIST_PAGE)
        return generic(page, link, "substack")
    html = cleaned(str(post.get("body_html") or ""))
    text = plain(html)
    _refuse_previews(post, text)
    found = describe(page.text, page.url)
    canonical = post.get("canonical_url")
    honoured = isinstance(canonical, str) and canonical.startswith("http") and same_site(canonical, page.url)
    return document(
        page,
        link,
        found.model_copy(
            update={
                "text": text,
                "markdown": markdown(html, page.url),
                "title": str(post.get("title") or "") or found.title,
                "author": _bylines(post) or found.author,
                "published_at": moment(post.get("post_date")) or found.published_at,
                "description": None,
                "canonical": canonical if honoured else found.canonical,
                "kind": "post" if post.get("type") == "thread" else "article",
            }
        ),
        "substack",
        {"parser": VERSION} | _metadata(state, post),
    )


def preloads(html: str) -> dict[str, Any]:
    """The embedded state: JSON in a JSON string. Empty where there is none or it is broken."""
    if match := PRELOADS.search(html):
        try:
            source, _ = json.JSONDecoder().raw_decode(html, match.end())
            state = json.loads(source)
        except (ValueError, TypeError, RecursionError):
            return {}
        return state if isinstance(state, dict) else {}
    return {}


def _refuse_previews(post: dict[str, Any], text: str) -> None:
    if post.get("audience", "everyone") == "everyone":
        return
    counted = post.get("wordcount")
    whole = isinstance(counted, int) and len(text.split()) >= WHOLE * counted > 0
    if not whole:
        raise Permanent(Reason.PAYWALL, "a post for paying subscribers; only its free part is shown")


def _bylines(post: dict[str, Any]) -> str:
    people = post.get("publishedBylines")
    names = [person.get("name") for person in people if isinstance(person, dict)] if isinstance(people, list) else []
    return "; ".join(str(name) for name in names if name)


def _metadata(state: dict[str, Any], post: dict[str, Any]) -> dict[str, Any]:
    tags = post.get("postTags")
    pub = state.get("pub")
    return {
        "subtitle": post.get("subtitle"),
        "tags": [tag["name"] for tag in tags if isinstance(tag, dict) and tag.get("name")]
        if isinstance(tags, list)
        else [],
        "publication": pub.get("name") if isinstance(pub, dict) else None,
        "type": post.get("type"),
        "audience": post.get("audience"),
        "podcast": post.get("podcast_url"),
    }
