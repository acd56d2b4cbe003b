"""A page as the row of text blocks that a reader sees, each with the places in the tree where its text stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lxml.html import HtmlElement

INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "label", "mark", "math", "nobr", "picture", "q", "rp", "rt", "ruby", "s", "samp", "small",
    "source", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
# What holds no text of the page; `content.py` drops it.
UNREAD = frozenset({
    "button", "canvas", "dialog", "embed", "head", "iframe", "input", "link", "meta", "noscript", "object", "option",
    "script", "select", "style", "svg", "template", "textarea", "title",
})  # fmt: skip
MAX_DEPTH = 250  # nested elements; deeper ones are no page that somebody reads
WORD = re.compile(r"\w+")

Place = Literal["text", "tail"]


@dataclass(eq=False, slots=True)
class Block:
    """Text between two block-level edges: a paragraph, an item, a cell, or a run of text beside other blocks."""

    owner: HtmlElement  # the block-level element that the text belongs to
    parts: list[tuple[HtmlElement, Place]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    linked: int = 0  # characters inside links
    text: str = ""  # white space folded, except in code
    words: list[str] = field(default_factory=list)  # in lower case


def unread(element: HtmlElement) -> bool:
    """Whether an element's text is none of the page's. A button that was never closed swallows the whole page."""
    if element.tag == "button":
        return element.find(".//p") is None
    return element.tag in UNREAD


def blocks_of(body: HtmlElement) -> list[Block]:
    """The blocks under `body` that have a letter or digit, in document order."""
    found: list[Block] = []
    current = Block(body)

    def close(owner: HtmlElement) -> None:
        nonlocal current
        joined = "".join(current.raw)
        if WORD.search(joined):
            current.text = joined.strip("\n") if current.owner.tag == "pre" else " ".join(joined.split())
            current.words = WORD.findall(joined.lower())
            found.append(current)
        current = Block(owner)

    def add(element: HtmlElement, place: Place, text: str | None, linked: bool) -> None:
        if text:
            current.parts.append((element, place))
            current.raw.append(text)
            current.linked += len(text.strip()) if linked else 0

    def walk(element: HtmlElement, owner: HtmlElement, linked: bool, depth: int) -> None:
        block = element.tag not in INLINE
        if block:
            close(element)
        elif element.tag == "br":
            current.raw.append("\n")
        inner = element if block else owner
        linked = linked or element.tag == "a"
        add(element, "text", element.text, linked)
        if depth < MAX_DEPTH:
            for child in element:
                if isinstance(child.tag, str) and not unread(child):
                    walk(child, inner, linked, depth + 1)
                add(child, "tail", child.tail, linked)
        if block:
            close(owner)

    walk(body, body, False, 0)
    close(body)
    return found


def folded(text: str) -> str:
    """The letters and digits of a text alone, in lower case."""
    return "".join(WORD.findall(text.lower()))
