"""Posts on LinkedIn's activity pages -> documents, as the data export gives them.

A layout is what the pages of some years look like. Each has a version and the day until which it is known to be valid;
pages of that time are read by it first, then by all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from llm_twin.collect.archives.formats import first_line
from llm_twin.collect.archives.linkedin import post_link, published
from llm_twin.collect.archives.plain import as_markdown, body_of
from llm_twin.collect.reading.language import language_of
from llm_twin.collect.reading.trees import has_class, select
from llm_twin.documents import Author, Document, Raw

if TYPE_CHECKING:
    from lxml.html import HtmlElement

SITE = "https://www.linkedin.com"
POST_URN = re.compile(r"urn:li:(?:activity|share|ugcPost):\d{15,20}")
OWNER = re.compile(r"/in/([^/?#]+)")
ARTICLE = re.compile(r"https://(?:[a-z]+\.)?linkedin\.com/pulse/[^/?#]+/?$")
NUMBER = re.compile(r"\d[\d.,\u00a0\u202f ]*")
NO_ALT = re.compile(r"\s*(no alternative text.*|image preview|view image|image)?\s*$", re.I)


@dataclass(frozen=True)
class Layout:
    """Where the parts of a post stand: classes, the first that is there counts."""

    version: str
    until: date
    text: tuple[str, ...]
    actor: tuple[str, ...]
    nested: tuple[str, ...] = ("update-components-mini-update-v2", "feed-shared-mini-update-v2")


# Newest first; written in November 2026 from what pages of these years have in common.
LAYOUTS = (
    Layout(
        "linkedin 2024-1",
        date(2026, 12, 31),
        ("update-components-update-v2__commentary",),
        ("update-components-actor__title", "update-components-actor__meta-link"),
    ),
    Layout(
        "linkedin 2023-1",
        date(2024, 6, 30),
        ("feed-shared-update-v2__commentary",),
        ("update-components-actor__name",),
    ),
    Layout(
        "linkedin 2021-1",
        date(2023, 3, 31),
        ("feed-shared-text", "update-components-text-view"),
        ("update-components-actor__name", "feed-shared-actor__name"),
    ),
)
ACTORS = ("update-components-actor", "feed-shared-actor")
HEADERS = ("update-components-header", "feed-shared-header")
IMAGES = ("update-components-image", "feed-shared-image")
DOCUMENTS = ("update-components-document__container", "feed-shared-document__container")
CARDS = ("update-components-article", "feed-shared-article", "update-components-mini-update-v2__link-to-details")
UNSEEN = "visually-hidden"
# Parts that have words and are none of what the author wrote, by what their classes begin with or have inside.
BESIDE = re.compile(r"actor|header|social-|control-menu|visually-hidden|poll|event|celebration|video|player|caption")
MANY_WORDS = 5  # beside those parts, in a post of which no layout finds the text: there is one
BLOCKS = {"p", "div", "li"}


class Parsed(NamedTuple):
    """What stands on a page. `known`: of how many posts a parser made something."""

    documents: list[Document]
    known: int
    reposts: int  # of others' posts, without a word of one's own
    unread: list[str]  # URNs of posts that have words, none of which stands where a layout has them
    articles: list[tuple[str, str]]  # (URN of the post, link) of long-form articles that posts are about
    looked_at: int = 0

    @property
    def own(self) -> int:
        """How many are the author's: those that were read, and those that could not be."""
        return len(self.documents) + len(self.unread)


def posts_in(source: str) -> list[tuple[str, str]]:
    """(URN, HTML) of the posts in a whole page, as a browser saved it."""
    from lxml.html import tostring

    tree = body_of(source)
    found: dict[str, str] = {}
    for element in select(tree, "//*[@data-urn or @data-id]"):
        urn = str(element.get("data-urn") or element.get("data-id"))
        inside = any(POST_URN.fullmatch(str(above.get("data-urn") or "")) for above in element.iterancestors())
        if POST_URN.fullmatch(urn) and not inside:
            found.setdefault(urn, str(tostring(element, encoding="unicode", with_tail=False)))
    return list(found.items())


def parsed(
    posts: Iterable[tuple[str, str]],
    shares: Mapping[str, str],
    author: Author,
    handle: str,
    fetched_at: datetime,
    limit: int | None = None,
) -> Parsed:
    """The documents of posts, in their order; `handle` is whose profile it is. Empty posts and plain reposts are left
    out. What follows the first `limit` that are the author's is not looked at.
    """
    result = Parsed([], 0, 0, [], [])
    known = reposts = looked_at = 0
    for urn, html in posts:
        if result.own == limit:
            break
        looked_at += 1
        tree = body_of(html)
        layout = _layout(tree, fetched_at.date())
        own, nested = _own(tree, layout)
        header = _first(own, HEADERS)
        whose = _owner(own)
        if header is not None and whose != handle.lower():
            reposts += 1
            known += 1
            continue
        text = _first(own, layout.text)
        if text is None and _has_words(own):
            result.unread.append(urn)
            continue
        words = as_markdown(_text(text)) if text is not None else ""
        if not words and nested is not None:
            reposts += 1
            continue
        details = dict(_details(own, nested, text, layout))
        result.articles.extend((urn, link) for link in details.get("links", []) if ARTICLE.match(link))
        if document := _document(urn, shares.get(urn, urn), words, details, author, html, fetched_at):
            result.documents.append(document)
            known += 1
    return result._replace(known=known, reposts=reposts, looked_at=looked_at)


def posted_by(html: str, day: date) -> tuple[str, str]:
    """(Name, handle) of who a post is by, as the page shows them; "" for what it does not."""
    tree = body_of(html)
    layout = _layout(tree, day)
    own, _ = _own(tree, layout)
    return _seen(_first(own, layout.actor)), _owner(own)


def _layout(tree: HtmlElement, day: date) -> Layout:
    """The layout of a post: of those that were valid on the day, else of all, the first that finds its text."""
    ordered = sorted(LAYOUTS, key=lambda each: each.until < day)
    return next((layout for layout in ordered if _first(tree, layout.text) is not None), ordered[0])


def _own(tree: HtmlElement, layout: Layout) -> tuple[HtmlElement, HtmlElement | None]:
    """A post without what it is a reshare of, and that."""
    own = deepcopy(tree)
    nested = _first(own, layout.nested)
    if nested is None:
        actors = [each for name in ACTORS for each in select(own, f".//*[{has_class(name)}]")]
        if len(actors) > 1:
            nested, first = actors[1], set(actors[0].iterancestors())
            while (above := nested.getparent()) is not None and above not in first:
                nested = above
    if nested is None:
        return own, None
    apart = deepcopy(nested)
    nested.drop_tree()
    return own, apart


def _first(tree: HtmlElement, names: Iterable[str]) -> HtmlElement | None:
    for name in names:
        if found := select(tree, f"descendant-or-self::*[{has_class(name)}]"):
            return found[0]
    return None


def _has_words(own: HtmlElement) -> bool:
    """Whether a post says something beside the parts that say who posted it, when, and how it was received."""
    copy = deepcopy(own)
    for part in select(copy, ".//button | .//*[@class]"):
        above = part.getparent()
        if above is not None and (part.tag == "button" or BESIDE.search(str(part.get("class")))):
            part.drop_tree()
    return len(_seen(copy).split()) >= MANY_WORDS


def _owner(tree: HtmlElement) -> str:
    """The handle of who posted; "" where no link says it."""
    actor = _first(tree, ACTORS)
    links = select(actor, ".//a/@href") if actor is not None else []
    found = (OWNER.search(str(link)) for link in links)
    return next((unquote(match[1]).lower() for match in found if match), "")


def _text(element: HtmlElement) -> str:
    """The text as it is seen, with its line breaks; what is doubled for screen readers once."""
    copy = deepcopy(element)
    for extra in select(copy, f".//*[{has_class(UNSEEN)}] | .//button | .//script | .//style"):
        extra.drop_tree()
    joined = "".join(_pieces(copy))
    return "\n".join(re.sub(r" {2,}", " ", line).strip() for line in joined.split("\n")).strip()


def _pieces(node: HtmlElement) -> Iterator[str]:
    """What an element shows; line breaks of the source are spaces."""
    if node.tag == "br" or node.tag in BLOCKS:
        yield "\n"
    yield re.sub(r"\s+", " ", node.text or "")
    for child in node:
        yield from _pieces(child)
        yield re.sub(r"\s+", " ", child.tail or "")


def _seen(element: HtmlElement | None) -> str:
    return " ".join(_text(element).split()) if element is not None else ""


def _details(
    own: HtmlElement, nested: HtmlElement | None, text: HtmlElement | None, layout: Layout
) -> Iterator[tuple[str, Any]]:
    links = (
        [(_seen(link), _address(str(link.get("href") or ""))) for link in select(text, ".//a[@href]")]
        if (text is not None)
        else []
    )
    yield "type", "reshare" if nested is not None else "post"
    yield "parser", layout.version
    yield "hashtags", list(dict.fromkeys(seen.lstrip("#") for seen, _ in links if seen.startswith("#")))
    mentions = [{"name": seen, "link": at} for seen, at in links if re.search(r"/(?:in|company|school)/", at)]
    yield "mentions", mentions
    named = [at for seen, at in links if not seen.startswith("#") and at not in [each["link"] for each in mentions]]
    cards = [
        _address(str(link))
        for name in CARDS
        for link in select(own, f".//*[{has_class(name)}]/descendant-or-self::a/@href")
    ]
    yield "links", list(dict.fromkeys(at for at in [*named, *cards] if at.startswith("http")))
    yield (
        "images",
        [
            {"alt": _alt(image), "address": str(image.get("src") or "")}
            for name in IMAGES
            for image in select(own, f".//*[{has_class(name)}]//img")
        ],
    )
    yield (
        "documents",
        [
            title
            for name in DOCUMENTS
            for part in select(own, f".//*[{has_class(name)}]/descendant-or-self::*[@title or @aria-label]")
            if (title := " ".join(str(part.get("title") or part.get("aria-label")).split()))
        ][:1],
    )
    yield "reactions", _count(own, "social-details-social-counts__reactions")
    yield "comments", _count(own, "social-details-social-counts__comments")
    when = _first(own, ("update-components-actor__sub-description", "feed-shared-actor__sub-description"))
    yield "edited", (when is not None and "Edited" in str(when.text_content())) or None
    if nested is not None:
        actor = _first(nested, ACTORS)
        named_by = _first(nested, (*layout.actor, "update-components-actor__name"))
        link = next(iter(select(actor, ".//a/@href")), "") if actor is not None else ""
        yield "reshare_of", {"author": _seen(named_by), "profile": _address(str(link))}


def _document(
    urn: str, name: str, words: str, details: dict[str, Any], author: Author, html: str, fetched_at: datetime
) -> Document | None:
    said = [words] if words else []
    described = [*(image["alt"] for image in details["images"]), *details["documents"]]
    said += [as_markdown(each) for each in described if each]
    said += [at for at in details["links"] if at not in words and not at.startswith(SITE)]
    text = "\n\n".join(said)
    if not re.search(r"[^\W_]", text):
        return None
    link = post_link(name)
    body = html.encode("utf-8", "replace")
    raw = Raw(
        url=link, status=200, headers={"content-type": "text/html; charset=utf-8"}, fetched_at=fetched_at, body=body
    )
    return Document.of(
        author,
        link,
        kind="post",
        platform="linkedin",
        title=first_line(text),
        text=text,
        published_at=published(name) or published(urn),
        language=language_of(words),
        metadata={key: value for key, value in {"urn": urn, **details}.items() if value not in (None, "", [], {})},
        raw=raw,
    )


def _address(link: str) -> str:
    """Where a link leads, without what says where it was followed."""
    parts = urlsplit(urljoin(SITE, link))
    own = (parts.hostname or "").endswith("linkedin.com")
    return parts._replace(query="", fragment="").geturl() if own else parts.geturl()


def _alt(image: HtmlElement) -> str:
    alt = " ".join(str(image.get("alt") or "").split())
    return "" if NO_ALT.fullmatch(alt) else alt


def _count(tree: HtmlElement, name: str) -> int | None:
    """A number as it is shown, "1,234 reactions"; None where there is none."""
    found = _first(tree, (name,))
    if found is None:
        return None
    labels = [str(label) for label in select(found, "descendant-or-self::*/@aria-label")]
    for text in (*labels, _seen(found)):
        if match := NUMBER.search(text):
            return int(re.sub(r"\D", "", match[0])[:12])
    return None
