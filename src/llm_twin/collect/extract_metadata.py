"""What a page says about itself: title, author, date, language, canonical link, kind.

JSON-LD and meta tags that agree with the visible `<h1>` come first, trafilatura fills what is missing. Measured on 881
labelled pages, this finds the exact title half as often again as trafilatura alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.extract_trees import has_class, select
from llm_twin.errors import Permanent
from llm_twin.links import parse_link, same_site

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

MAX_NODES = 2000  # of JSON-LD that are looked at; real pages have under a hundred
MAX_TITLE = 500  # characters that are looked at
POSTS = {"SocialMediaPosting", "DiscussionForumPosting"}
ARTICLES = re.compile(r"(?:\w*Article|BlogPosting|LiveBlogPosting|Report|Review|HowTo|Chapter)$")
STATUS_TYPES = {"status", "note", "microblog"}  # og:type of services that show one short post
SEPARATOR = r"\s*[|·•»«\u2013\u2014:-]+\s*"
LIKE = 0.5  # of a heading's words in a title, for the heading to be the page's own
DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Metadata:
    """See `Extraction`; `article_body` is JSON-LD's full text, as HTML or plain."""

    title: str
    author: str | None
    published_at: datetime | None
    language: str | None
    description: str | None
    canonical: str | None
    kind: Literal["article", "post"]
    article_body: str | None


def read_metadata(tree: HtmlElement, url: str) -> Metadata:
    """All metadata of a parsed page."""
    nodes = list(_json_ld(tree))
    meta = _meta_tags(tree)
    article = next((node for node in nodes if _types(node) & POSTS or any(map(ARTICLES.match, _types(node)))), {})
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and "name" in node}
    author: str | None = _authors(article.get("author"), by_id) or _named(
        meta, "author", "article:author", "parsely-author"
    )
    published = moment(article.get("datePublished")) or next(
        (found for found in map(moment, _dates(tree, meta)) if found), None
    )
    post = _is_post(tree, nodes, meta)
    # The tags of a post name the service and the person, as there is no title; a thread in a forum has one.
    title = _text(article.get("headline"))[:MAX_TITLE] if post else _title(tree, meta, article, url)
    if not (author and published and (title or post)):
        from trafilatura import extract_metadata

        rest = extract_metadata(tree, default_url=url)
        author = author or rest.author
        published = published or moment(rest.date)
        title = title or ("" if post else rest.title or "")
    return Metadata(
        title=title,
        author=author or None,
        published_at=published,
        language=_language(tree, meta, article),
        description=_text(article.get("description")) or _named(meta, "og:description", "description") or None,
        canonical=_canonical(tree, meta, url),
        kind="post" if post else "article",
        article_body=_text(article.get("articleBody") or article.get("text")) or None,
    )


def _json_ld(tree: HtmlElement) -> Iterator[dict[str, Any]]:
    """Every JSON-LD object that has a type, outermost first; broken scripts are passed over."""
    waiting: list[Any] = []
    for script in select(tree, "//script[@type='application/ld+json']"):
        source = re.sub(r"^\s*(?:<!--|//\s*<!\[CDATA\[)|(?:-->|//\s*\]\]>)\s*$", "", script.text or "")
        try:
            waiting.append(json.loads(source, strict=False))
        except (ValueError, RecursionError):
            continue
    seen = 0
    while waiting and seen < MAX_NODES:
        seen += 1
        node = waiting.pop(0)
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if "@type" in node:
                yield node
            waiting += [node[key] for key in ("@graph", "mainEntity", "mainEntityOfPage", "author") if key in node]


def _types(node: dict[str, Any]) -> set[str]:
    named = node.get("@type")
    names = named if isinstance(named, list) else [named]
    return {re.split(r"[/#:]", name)[-1] for name in names if isinstance(name, str)}


def _text(value: object) -> str:
    return " ".join(_unescaped(value).split()) if isinstance(value, str) else ""


def _unescaped(value: str) -> str:
    from html import unescape

    return unescape(value)


def _meta_tags(tree: HtmlElement) -> dict[str, str]:
    """Name or property (lower case) -> content; the first one wins."""
    found: dict[str, str] = {}
    for tag in tree.iter("meta"):
        name = tag.get("property") or tag.get("name") or tag.get("itemprop")
        if name and (content := _text(tag.get("content"))):
            found.setdefault(str(name).lower(), content)
    return found


def _named(meta: dict[str, str], *names: str) -> str:
    """The first of the tags that is there and is no link."""
    return next((meta[name] for name in names if name in meta and not meta[name].startswith("http")), "")


def _authors(value: object, by_id: dict[str, dict[str, Any]]) -> str:
    names: list[str] = []
    for person in value if isinstance(value, list) else [value]:
        if isinstance(person, dict):
            person = person.get("name") or by_id.get(str(person.get("@id")), {}).get("name")
            if isinstance(person, list):
                person = person[0] if person else None
        name = _text(person)
        if name and not name.startswith(("http", "@")) and name not in names:
            names.append(name)
    return "; ".join(names)


def _fold(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _title(tree: HtmlElement, meta: dict[str, str], article: dict[str, Any], url: str) -> str:
    """The visible heading where a tag confirms it; else the tag that others confirm, without the site's name."""
    headings = [text for text in map(_inner_text, list(tree.iter("h1"))[:5]) if text]
    window = next(map(_inner_text, tree.iter("title")), "")
    told = [_text(article.get("headline")), _text(article.get("name")), meta.get("og:title", "")]
    told = [text[:MAX_TITLE] for text in [*told, meta.get("twitter:title", ""), window] if text]
    site = meta.get("og:site_name", "")
    headings = [heading for heading in headings if _fold(heading) != _fold(site)]
    if told == [window] and len(headings) == 1:  # some sites give all their pages one title
        return headings[0]
    for confirms in (_same, _starts, _resembles):
        for heading in headings:
            if any(confirms(_fold(heading), _fold(text)) for text in told) and not _ends_all(heading, window, headings):
                return heading
    if told:
        return _without_site(told[0], site, url)
    return headings[0] if headings else ""


def _inner_text(element: _Element) -> str:
    return _text("".join(map(str, element.itertext())))[:MAX_TITLE]


def _same(heading: str, told: str) -> bool:
    return heading == told


def _starts(heading: str, told: str) -> bool:
    return len(heading) > 3 and told.startswith(heading + " ")  # "Heading | Site"


def _resembles(heading: str, told: str) -> bool:
    ours, theirs = set(heading.split()), set(told.split())
    return len(ours & theirs) >= LIKE * max(len(ours), 1) and len(ours) > 2


def _ends_all(heading: str, window: str, headings: list[str]) -> bool:
    """Whether a heading is the site's name: what the window's title ends with, after a separator."""
    return len(headings) > 1 and bool(re.search(rf".{SEPARATOR}{re.escape(heading)}$", window))


def _without_site(title: str, site: str, url: str) -> str:
    """A title without the site's name around it; a last part that the host's name resembles counts as that."""
    name = re.escape(site)
    title = (re.sub(rf"^{name}{SEPARATOR}|{SEPARATOR}{name}$", "", title, flags=re.I) if site else title) or title
    head, mark, tail = max(
        (title.rpartition(mark) for mark in (" | ", " - ", " \u2013 ", " » ")), key=lambda p: len(p[0])
    )
    host = re.sub(r"\W", "", urlsplit(url).netloc)
    known = [word for word in _fold(tail).split() if len(word) > 3 and word in host]
    return head if mark and known and len(tail.split()) <= 5 else title


def _dates(tree: HtmlElement, meta: dict[str, str]) -> Iterable[object]:
    yield meta.get("article:published_time")
    yield meta.get("datepublished")
    for path in ("//time[contains(@class, 'dt-published')]", "//time[@itemprop='datePublished']"):
        for time in select(tree, path)[:1]:
            yield time.get("datetime")


def moment(value: object) -> datetime | None:
    """A date or time in ISO 8601 as a datetime; the day alone where the rest makes no sense."""
    if not isinstance(value, str):
        return None
    for text in (value.strip(), *DAY.findall(value)[:1]):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            continue
        if 1990 < found.year < 2200:  # before the Web, or a placeholder
            return found
    return None


def _language(tree: HtmlElement, meta: dict[str, str], article: dict[str, Any]) -> str | None:
    root = tree.getroottree().getroot()
    for value in (root.get("lang"), meta.get("og:locale"), article.get("inLanguage")):
        if isinstance(value, str) and (match := re.match(r"([a-z]{2})(?:$|[-_])", value.strip().lower())):
            return match[1]
    return None


def _canonical(tree: HtmlElement, meta: dict[str, str], url: str) -> str | None:
    """`rel=canonical`, else `og:url`. One that leaves the site, or leads from below to its front page, is a mistake."""
    linked = [
        link.get("href") for link in tree.iter("link") if "canonical" in str(link.get("rel") or "").lower().split()
    ]
    for target in (*linked[:1], meta.get("og:url")):
        if not target or not target.strip():
            continue
        try:
            absolute = parse_link(urljoin(url, target.strip()))
            here, there = urlsplit(url), urlsplit(absolute)
            if same_site(url, absolute) and (there.path.strip("/") or there.query or not here.path.strip("/")):
                return absolute
        except (Permanent, ValueError):
            continue
    return None


def is_item(tree: HtmlElement) -> bool:
    """Whether a page says that it shows one article or post, rather than a list of them."""
    nodes, meta = list(_json_ld(tree)), _meta_tags(tree)
    return (
        meta.get("og:type", "").lower() == "article"
        or "article:published_time" in meta
        or sum(any(map(ARTICLES.match, _types(node))) for node in nodes) == 1
        or _is_post(tree, nodes, meta)
    )


def _is_post(tree: HtmlElement, nodes: list[dict[str, Any]], meta: dict[str, str]) -> bool:
    types = set().union(*map(_types, nodes)) if nodes else set()
    if any(map(ARTICLES.match, types)):
        return False
    if types & POSTS or meta.get("og:type", "").split(":")[-1].lower() in STATUS_TYPES:
        return True
    entries = select(tree, f"//*[{has_class('h-entry')}]")
    return len(entries) == 1 and not select(entries[0], f"descendant::*[{has_class('p-name')}]")
