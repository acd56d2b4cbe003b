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
    "source", "span", "strike", "strong", "sub", "sup", "tex", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
# What holds no text of the page; `content.py` drops it.
UNREAD = frozenset({
    "button", "canvas", "dialog", "embed", "head", "iframe", "input", "link", "meta", "noscript", "object", "option",
    "script", "select", "style", "svg", "template", "textarea", "title",
})  # fmt: skip
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
QUESTION = 4  # words; what opens a menu has fewer
MAX_DEPTH = 250  # nested elements; deeper ones are no page that somebody reads
# Han and Kana have no spaces: two characters are about a word.
UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
WORD = re.compile(rf"[^\W{UNSPACED}]+|[{UNSPACED}]{{1,2}}")
SIGN = re.compile(r"[^\s.,…\u00ad\u200b-\u200f\u2060\ufeff]")  # no spacer, which themes make of the rest
PAIR = re.compile(f"[{UNSPACED}]{{1,2}}")

Place = Literal["text", "tail"]


@dataclass(eq=False, slots=True)
class Block:
    """Text between two block-level edges: a paragraph, an item, a cell, or a run of text beside other blocks."""

    owner: HtmlElement  # the block-level element that the text belongs to
    at: int  # its number in the outline
    parts: list[tuple[HtmlElement, Place]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    linked: int = 0  # characters inside links
    text: str = ""  # white space folded, except in code
    words: list[str] = field(default_factory=list)  # in lower case


@dataclass(frozen=True, slots=True)
class Outline:
    """The block-level elements of a page, in document order and the body first, with the blocks that each holds."""

    blocks: list[Block] = field(default_factory=list)  # those that have a letter or digit
    signs: list[tuple[int, Block]] = field(default_factory=list)  # others with text, each before that number of block
    pictures: list[tuple[int, HtmlElement, Block]] = field(default_factory=list)  # likewise; inside that block, if any
    elements: list[HtmlElement] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)  # the number of the element around each; the body is its own
    starts: list[int] = field(default_factory=list)  # `blocks[start:end]` stand in the element
    ends: list[int] = field(default_factory=list)


def unread(element: HtmlElement) -> bool:
    """Whether an element's text is none of the page's. A button that was never closed swallows the whole page."""
    if element.tag == "button":  # or what opens and closes a part of the text, which is its heading
        return element.find(".//p") is None and not (
            HEADINGS.intersection(e.tag for e in element.iter())
            or HEADINGS.intersection(e.tag for e in element.iterancestors())
            or (element.get("aria-controls") and len(WORD.findall(str(element.text_content()))) >= QUESTION)
        )
    if element.tag == "span":  # "Section titled …", said to those alone who can't see the heading that it links
        around = element.getparent()
        return around.tag == "a" and "sr-only" in (element.get("class") or "") and around.get("href", "")[:1] == "#"
    return element.tag in UNREAD


def count_words(text: str) -> int:
    """How many words a text has, as people count them: by spaces, in Chinese and Japanese by pairs of characters."""
    return len(text.split()) + len(PAIR.findall(text))


def outline_of(body: HtmlElement) -> Outline:
    """What a reader sees under `body`."""
    outline = Outline()
    found, current = outline.blocks, Block(body, 0)

    def close(owner: HtmlElement, at: int) -> None:
        nonlocal current
        if current.raw:
            joined = "".join(current.raw)
            current.text = joined.strip("\n") if current.owner.tag == "pre" else " ".join(joined.split())
            if WORD.search(joined):
                current.words = WORD.findall(joined.lower())
                found.append(current)
            elif SIGN.search(joined):
                outline.signs.append((len(found), current))
        elif current.at == at:
            return
        current = Block(owner, at)

    def add(element: HtmlElement, place: Place, text: str, linked: bool) -> None:
        current.parts.append((element, place))
        current.raw.append(text)
        if linked:
            current.linked += len(text.strip())

    def walk(element: HtmlElement, owner: HtmlElement, around: int, linked: bool, depth: int) -> None:
        tag, at = element.tag, around
        block = tag not in INLINE
        if block:
            owner, at = element, len(outline.elements)
            close(owner, at)
            outline.elements.append(element)
            outline.parents.append(around)
            outline.starts.append(len(found))
            outline.ends.append(0)
        elif tag == "br":
            current.raw.append("\n")
        elif tag == "img":
            outline.pictures.append((len(found), element, current))
        elif tag == "a":
            linked = True
        if text := element.text:
            add(element, "text", text, linked)
        if depth < MAX_DEPTH:
            for child in element:
                if isinstance(child.tag, str) and not unread(child):
                    walk(child, owner, at, linked, depth + 1)
                if text := child.tail:
                    add(child, "tail", text, linked)
        if block:
            close(outline.elements[around], around)
            outline.ends[at] = len(found)

    walk(body, body, 0, False, 0)
    return outline


def kind_of(outline: Outline, at: int) -> tuple[object, ...]:
    """What elements that are built alike have in common; `at`: the number of one."""
    own, above = outline.elements[at], outline.elements[outline.parents[at]]
    return own.tag, own.get("class"), above.tag, above.get("class")


def folded(text: str) -> str:
    """The letters and digits of a text alone, in lower case."""
    return "".join(WORD.findall(text.lower()))
