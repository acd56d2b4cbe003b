"""The body of a Substack post, as its page and its export have it: what scripts would draw, and without widgets.

Scripts draw people and companies that are named, formulas, galleries, posts and films, of which the `data-attrs` of an
element have the data, as JSON. Version 1, of 2025.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from llm_twin.collect.reading.content_notes import INDENT, indented
from llm_twin.collect.reading.formulas import TEX, shield, unshield
from llm_twin.collect.reading.markdown import markdown_of, plain_of
from llm_twin.collect.reading.trees import has_class, select

if TYPE_CHECKING:
    from lxml.html import HtmlElement

CLUTTER = (
    *("subscription-widget-wrap", "subscription-widget-wrap-editor", "subscribe-widget", "directMessage"),
    *("button-wrapper", "captioned-button-wrap", "install-substack-app-embed", "community-chat"),
    *("post-ufi", "share-dialog", "poll-embed", "image-link-expand", "header-anchor-parent", "hide-text"),
)
OTHERS = {"embedded-post-wrap", "digest-post-embed", "tweet", "comment"}  # what others say in them is theirs
ORIGINAL = re.compile(r"/(https?%3A%2F%2F[^/?]+)$")  # the picture that a CDN link stands for


def markdown(html: str, base_url: str) -> str:
    """What `cleaned` gives, as Markdown."""
    return indented(unshield(markdown_of(html, base_url)))


def plain(html: str) -> str:
    """What `cleaned` gives, as plain text."""
    return unshield(plain_of(html)).replace(INDENT, "")


def cleaned(html: str) -> str:
    """A post's body without widgets; footnotes in Markdown's notation, pictures by their own addresses."""
    from lxml.html import fragment_fromstring, tostring

    if not html.strip():
        return ""
    body = fragment_fromstring(html, create_parent="div")
    for name in CLUTTER:
        for element in select(body, f".//*[{has_class(name)}]"):
            element.drop_tree()
    for element in select(body, ".//*[@data-attrs and not(self::img)] | .//iframe"):
        _draw(element)
    for anchor in select(body, ".//a[@class='footnote-anchor']"):
        anchor.text, anchor.attrib["class"] = f"[^{(anchor.text or '').strip()}]", ""
        anchor.drop_tag()
    for note in select(body, ".//*[@class='footnote']"):
        for number in select(note, "./a[@class='footnote-number']"):
            label = f"[^{(number.text or '').strip()}]: "
            number.drop_tree()
            paragraphs = list(note.iter("p")) or [note]
            paragraphs[0].text = label + (paragraphs[0].text or "")
            for later in paragraphs[1:]:
                later.text = INDENT + (later.text or "")
    for emphasis in select(body, ".//figcaption//em | .//figcaption//i"):
        emphasis.drop_tag()  # captions are set in italics as a whole
    for picture in body.iter("img"):
        picture.attrib.pop("title", None)  # the same as its alt text
        if match := ORIGINAL.search(picture.get("src") or ""):
            picture.set("src", unquote(match[1]))
    for linked in select(body, ".//a[contains(@class, 'image-link')]"):
        linked.drop_tag()  # it leads to the picture itself, in another size
    shield(body)
    return str(tostring(body, encoding="unicode"))


def _draw(element: HtmlElement) -> None:
    """Put in the place of an element what a script would; of what is somebody else's, and of films, its link."""
    from lxml.html.builder import DIV, FIGCAPTION, FIGURE, IMG, A, E, P

    data, names = _data(element), set(str(element.get("class") or "").split())
    gallery, tex, video = data.get("gallery"), data.get("persistentExpression"), data.get("videoId")
    said = str(element.text_content()).strip()
    if element.tag == "span":
        if not said:  # a person, a publication, a company's shares
            element.text = str(data.get("name") or data.get("symbol") or "")
        return
    if tex:
        drawn = DIV(E(TEX, f"$${' '.join(str(tex).split())}$$"))
    elif isinstance(gallery, dict):
        pictures = [each.get("src") for each in gallery.get("images") or () if isinstance(each, dict)]
        drawn = FIGURE(
            *(P(IMG(src=str(picture), alt=str(gallery.get("alt") or ""))) for picture in pictures if picture)
        )
        drawn.append(FIGCAPTION(str(gallery.get("caption") or "")))
    elif names & OTHERS or not (said or element.find(".//img") is not None):
        inner = next(iter(select(element, "descendant-or-self::*[@src or @href][1]")), element)
        address = data.get("canonical_url") or data.get("url") or inner.get("href") or inner.get("src")
        if video and "youtube-wrap" in names:
            address = f"https://www.youtube.com/watch?v={video}"
        title = data.get("title") or next(iter(select(element, f".//*[{has_class('embedded-post-title')}]/text()")), "")
        if not title and data.get("username"):
            title = f"@{data['username']}"
        if not str(address or "").startswith("http"):
            return
        drawn = P(A(str(title or address), href=str(address)))
    else:
        return
    drawn.tail = element.tail
    parent = element.getparent()
    if parent is not None:
        parent.replace(element, drawn)


def _data(element: HtmlElement) -> dict[str, Any]:
    try:
        data = json.loads(element.get("data-attrs") or "")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
