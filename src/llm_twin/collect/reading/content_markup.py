"""What is kept of a page, in the forms that a converter writes as what they are for a reader.

Headings out of what emphasises or links them, lists whose items are their children, numbers as they were counted,
notes with their references, pictures with the address that a script would have filled in.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from llm_twin.collect.reading.content_blocks import INLINE, WORD
from llm_twin.collect.reading.content_notes import said, tie_notes

if TYPE_CHECKING:
    from lxml.html import HtmlElement

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
AROUND_HEADINGS = INLINE | {"summary", "button", "label"}
LAZY = ("data-src", "data-original", "data-lazy-src")  # where scripts find a picture
SETS = ("data-srcset", "srcset")  # addresses for screens of several sizes
RUNS = ("javascript:", "vbscript:", "data:")  # addresses that are no place to go to
POWER = re.compile(r"[-+\u2212]?\d{1,4}")
OUTER = re.compile(r"([^\w\s]*)([\w].*?)([^\w\s]*)", re.S)  # what is marked, without punctuation at its edges
MOST_AROUND = 30  # elements around a heading that are looked at
BULLET = re.compile(r"[•·∙▪▫◦‣\u2013\u2014-]")
NUMBER = re.compile(r"\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)]", re.I)
MOST_NUMBERS = 1_000_000_000  # CommonMark reads nine digits


def mend(body: HtmlElement, base: str) -> None:
    """Bring the tree under `body` into such forms, in place. `base`: what links are relative to."""
    _free_headings(body)
    _drop_bullets(body)
    _nest_lists(body)
    _count_items(body)
    tie_notes(body)
    _raise_powers(body)
    _move_marks(body)
    _find_pictures(body)
    _free_links(body, base.partition("#")[0])


def _free_headings(body: HtmlElement) -> None:
    """Headings inside emphasis or a link come out of it; the link goes into the heading."""
    from lxml.html import Element

    for heading in list(body.iter(*HEADINGS, "li")):
        link: HtmlElement | None = None
        around = heading.getparent()
        inline = True
        for _ in range(MOST_AROUND):
            if around is None or around is body:
                break
            outer = around.getparent()
            inline = inline and around.tag in AROUND_HEADINGS
            if around.tag == "a":
                link = around
                around.tag = "div"
                break
            if around.tag == "summary":  # written as emphasis, which holds no blocks
                around.tag = "div"
            elif inline:
                around.drop_tag()
            around = outer
        if link is not None and link.get("href") and heading.find(".//a") is None:
            inner = Element("a", href=link.get("href"))
            inner.text, heading.text = heading.text, None
            for child in list(heading):
                inner.append(child)
            heading.append(inner)


def _drop_bullets(body: HtmlElement) -> None:
    """Bullets and numbers that a page writes itself, before the words of an item."""
    for item in body.iter("li"):
        first = item[0] if len(item) and not (item.text or "").strip() else None
        if first is not None and first.tag == "span":
            written = str(first.text_content()).strip()
            numbered = item.getparent().tag == "ol" and NUMBER.fullmatch(written)
            if numbered or BULLET.fullmatch(written):
                first.drop_tree()


def _nest_lists(body: HtmlElement) -> None:
    """Lists as children of the item before them, and items as children of their list."""
    for listed in list(body.iter("ul", "ol")):
        for child in list(listed):
            if child.tag in ("ul", "ol") and (before := child.getprevious()) is not None and before.tag == "li":
                before.append(child)
            elif child.tag in ("div", "span") and len(child) and all(inner.tag == "li" for inner in child):
                child.drop_tag()


def _count_items(body: HtmlElement) -> None:
    """Lists that do not simply count up become several that do, each with the number that it begins with."""
    for listed in list(body.iter("ol")):
        items = [child for child in listed if child.tag == "li"]
        backwards = listed.get("reversed") is not None
        if not items or not (backwards or any(item.get("value") for item in items)):
            continue
        number = _number(listed.get("start"), len(items) if backwards else 1)
        first: list[tuple[int, HtmlElement]] = []  # of each part
        expected = None
        for item in items:
            number = _number(item.get("value"), number)
            if number != expected:
                first.append((number, item))
            expected = number + 1
            number += -1 if backwards else 1
        if any(not 0 <= number < MOST_NUMBERS for number, _ in first):
            continue
        listed.set("start", str(first[0][0]))
        for number, item in reversed(first[1:]):
            part = listed.makeelement("ol", start=str(number))
            for moved in [item, *item.itersiblings()]:
                part.append(moved)
            listed.addnext(part)


def _number(value: str | None, other: int) -> int:
    try:
        return int(value) if value else other
    except ValueError:
        return other


def _raise_powers(body: HtmlElement) -> None:
    """A raised number behind a number, letter or bracket with a `^` between: they are not one number."""
    for raised in list(body.iter("sup")):
        before, parent = raised.getprevious(), raised.getparent()
        text = (before.tail if before is not None else parent.text) or ""
        if len(raised) == 0 and re.search(r"[\w)\]]$", text) and POWER.fullmatch((raised.text or "").strip()):
            raised.text = f"^{(raised.text or '').strip()}"


def _move_marks(body: HtmlElement) -> None:
    """Emphasis without the punctuation at its edges where letters touch it, which CommonMark reads as no emphasis."""
    for marked in list(body.iter("strong", "b", "em", "i", "s", "del", "strike")):
        if not WORD.search(said(marked)) and marked.find(".//img") is None:
            _unmark(marked)  # a point or a space alone
            continue
        around, before, text, tail = marked.getparent(), marked.getprevious(), marked.text or "", marked.tail or ""
        inner = OUTER.fullmatch(text)
        if len(marked) or inner is None:
            continue
        touching = (before.tail if before is not None else around.text) or ""
        opening = inner[1] if touching[-1:].isalnum() else ""
        closing = inner[3] if tail[:1].isalnum() else ""
        marked.text = text[len(opening) : len(text) - len(closing)]
        marked.tail = closing + tail
        if before is not None:
            before.tail = touching + opening
        else:
            around.text = touching + opening


def _find_pictures(body: HtmlElement) -> None:
    """Pictures with the address that is no placeholder, and out of links: a link in Markdown is one line of text."""
    for picture in list(body.iter("img")):
        told = [picture.get(name) for name in (*LAZY, "src")]
        addresses = ["%20".join(address.split()) for address in told if address and address.strip()]
        sets = [picture.get(name) for name in SETS]
        sets += [source.get("srcset") for source in picture.itersiblings("source", preceding=True)]
        addresses += [each.split()[0].rstrip(",") for each in sets if each and each.strip()]
        real = [address for address in addresses if not address.startswith(("data:", "about:"))]
        if not real:
            picture.drop_tree()
            continue
        picture.set("src", real[0])
        link = next((above for above in islice(picture.iterancestors(), MOST_AROUND) if above.tag == "a"), None)
        if link is not None and not said(link):
            _unmark(link)
        elif link is not None:
            picture.drop_tree()  # which keeps what follows it
            picture.tail = None
            link.addprevious(picture)


def _free_links(body: HtmlElement, page: str) -> None:
    """Links within the page become text: they lead nowhere from a text that stands alone. Others stay on one line."""
    for link in list(body.iter("a")):
        address, mark, _ = (link.get("href") or "").strip().partition("#")
        if not WORD.search(said(link)) and link.find(".//img") is None:
            if mark and said(link):
                link.drop_tree()  # the sign beside a heading that links to itself
            else:
                _unmark(link)  # a space or a hyphen between two words
            continue
        if (mark and address in ("", page)) or re.sub(r"[\x00-\x20]", "", address).lower().startswith(RUNS):
            _unmark(link)
            continue
        for line_break in list(link.iter("br")):
            line_break.tail = f" {line_break.tail or ''}"
            line_break.drop_tree()


def _unmark(element: HtmlElement) -> None:
    """Make an inline element one that says nothing; to take it out would cost time with each that stands beside it."""
    element.tag = "span"
    element.attrib.clear()
