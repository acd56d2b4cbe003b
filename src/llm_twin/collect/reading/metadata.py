"""What a page says about itself: title, author, date, language, canonical link, kind.

Structured data and meta tags come first, then what readers see around the heading: `titles.py`, `bylines.py`,
`dates.py`. Measured on 881 labelled pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from llm_twin.collect.reading.bylines import find_author
from llm_twin.collect.reading.claims import Claims
from llm_twin.collect.reading.dates import find_published
from llm_twin.collect.reading.dates import moment as moment  # the door for those that read dates elsewhere
from llm_twin.collect.reading.near_heading import runs_near
from llm_twin.collect.reading.titles import MAX_TITLE, Names, find_title, fold
from llm_twin.collect.reading.trees import has_class, select
from llm_twin.errors import Permanent
from llm_twin.links import parse_link, same_site

if TYPE_CHECKING:
    from lxml.html import HtmlElement

MAX_NODES = 2000  # of JSON-LD that are looked at; real pages have under a hundred
PAGES = {"WebPage", "ItemPage", "AboutPage", "MedicalWebPage", "FAQPage", "QAPage"}
SITES = {"WebSite", "Organization", "NewsMediaOrganization", "Corporation", "Blog"}
POSTS = {"SocialMediaPosting", "DiscussionForumPosting"}
ARTICLES = re.compile(r"(?:\w*Article|BlogPosting|LiveBlogPosting|Report|Review|HowTo|Chapter)$")
STATUS_TYPES = {"status", "note", "microblog"}  # og:type of services that show one short post


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


def read_metadata(tree: HtmlElement, url: str, claims: Claims | None = None) -> Metadata:
    """All metadata of a parsed page. `claims` is told who said what, and who was believed."""
    claims = claims or Claims()
    nodes = list(_json_ld(tree))
    meta = _meta_tags(tree)
    articles = [node for node in nodes if _types(node) & POSTS or any(map(ARTICLES.match, _types(node)))]
    article = articles[0] if articles else {}
    pages = [node for node in nodes if _types(node) & PAGES]
    known = Names(_sites(nodes, meta), url)
    post = _is_post(tree, nodes, meta)
    tags = [(f"JSON-LD {name}", _text(article.get(name))) for name in ("headline", "name")]
    tags = [tag for tag in (*tags, *((name, meta.get(name, "")) for name in ("og:title", "twitter:title"))) if tag[1]]
    window = next((_text("".join(map(str, element.itertext()))) for element in tree.iter("title")), "")[:MAX_TITLE]
    title, heading = find_title(tree, tags, window, known, claims)
    confirmed = heading is not None and fold(title) == fold(meta.get("og:title", ""))
    runs = runs_near(tree, heading if heading is not None else next(iter(tree.iter("h1")), None))
    told = [*articles, *pages]
    authors = [node.get("author") or node.get("creator") for node in told]
    published, modified = ([node.get(name) for node in told] for name in ("datePublished", "dateModified"))
    named = title
    if post and not confirmed:  # its tags name the service and the person; a thread in a forum has a title
        named = _text(article.get("headline"))[:MAX_TITLE]
        claims.believe("title", "JSON-LD headline" if named else "", "a post has no other title")
    return Metadata(
        title=named,
        author=find_author(tree, authors, nodes, meta, runs, title, known, claims),
        published_at=find_published(tree, published, modified, meta, runs, url, claims),
        language=_language(tree, meta, nodes, claims),
        description=_text(article.get("description")) or _named(meta, "og:description", "description") or None,
        canonical=_canonical(tree, meta, url),
        kind="post" if post else "article",
        article_body=_text(article.get("articleBody") or article.get("text")) or None,
    )


def _sites(nodes: list[dict[str, Any]], meta: dict[str, str]) -> set[str]:
    """The names, folded, that a site and its publisher give themselves."""
    publishers = [node.get("publisher") for node in nodes]
    told = [node.get("name") for node in nodes if _types(node) & SITES]
    told += [node.get("name") for node in publishers if isinstance(node, dict)]
    return {fold(_text(name)) for name in (*told, meta.get("og:site_name"), meta.get("application-name"))} - {""}


def _json_ld(tree: HtmlElement) -> Iterator[dict[str, Any]]:
    """Every JSON-LD object that has a type, outermost first; broken scripts are passed over."""
    waiting: list[Any] = []
    for script in select(tree, "//script[@type='application/ld+json']"):
        source = re.sub(r"^\s*(?:<!--|//\s*<!\[CDATA\[)|(?:-->|//\s*\]\]>)\s*$", "", script.text or "")
        try:
            waiting.append(json.loads(source, strict=False))
        except (ValueError, RecursionError):
            continue
    for node in islice(waiting, MAX_NODES):  # to which what they hold is added behind
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


def _language(tree: HtmlElement, meta: dict[str, str], nodes: list[dict[str, Any]], claims: Claims) -> str | None:
    root = tree.getroottree().getroot()
    told = (
        ("html lang", root.get("lang")),
        ("html lang", root.get("xml:lang")),
        ("meta og:locale", meta.get("og:locale")),
        *(("JSON-LD inLanguage", node.get("inLanguage")) for node in nodes),
        *((f"meta {name}", meta.get(name)) for name in ("content-language", "language")),
    )
    found = None
    for source, value in told:
        if isinstance(value, str) and (match := re.match(r"([a-z]{2})(?:$|[-_])", value.strip().lower())):
            claims.add("language", source, match[1])
            if found is None:
                claims.believe("language", source, "the first that is stated")
            found = found or match[1]
    return found


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
