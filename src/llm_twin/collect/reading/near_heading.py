"""What stands around a page's heading, in reading order: where bylines and dates are printed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.html import HtmlElement

BEFORE, AFTER = 40, 250  # elements in front of and behind the heading that are looked at
MAX_BODY = 900  # characters of paragraphs behind the heading, after which the text has begun
PARAGRAPH = 200  # characters of one piece of text that is no line of a byline any more
MAX_PIECES = 200  # elements and texts behind a footer that are looked at
SILENT = {"script", "style", "noscript", "template", "select", "option", "textarea", "iframe", "svg", "head"}
SKIPPED = {"nav", "footer", "figcaption"}
OTHERS = re.compile(  # classes of what belongs to other pages or people
    r"(?:^|[-_ ])(?:comments?(?:[-_ ](?:list|area|body|author|content|section|form))?|related(?:[-_ ]\w{1,30})?|"
    r"recommended|popular|trending|newsletter|breadcrumbs?|(?<!post-)(?<!entry-)footer|sidebar|(?:sub)?menu)(?:$| )",
    re.I,
)


@dataclass(frozen=True)
class Run:
    """One piece of text with the element that holds it; `place` counts elements from the heading on."""

    text: str
    holder: HtmlElement
    place: int


def runs_near(tree: HtmlElement, heading: HtmlElement | None) -> list[Run]:
    """The pieces of text around the heading; at the start of the body where there is none."""
    return list(_runs(*_elements(tree, heading)))


def _elements(tree: HtmlElement, heading: HtmlElement | None) -> tuple[list[HtmlElement], int]:
    body = next(iter(tree.iter("body")), tree)
    before: deque[HtmlElement] = deque(maxlen=BEFORE)
    after: list[HtmlElement] = []
    for element in body.iter("*"):
        if heading is not None and not after and element is not heading:
            before.append(element)
            continue
        after.append(element)
        if len(after) >= AFTER:
            break
    return [*before, *after], len(before)


def _runs(elements: list[HtmlElement], start: int) -> Iterator[Run]:
    """Texts and tails in document order, without what is no part of the page's own head."""
    own = set(elements[start].iterancestors()) | {elements[start]} if start < len(elements) else set()
    open_: list[HtmlElement] = []
    hidden: HtmlElement | None = None
    read = 0
    for place, element in enumerate([*elements, None]):
        parent = None if element is None else element.getparent()
        while open_ and (element is None or open_[-1] is not parent):
            closed = open_.pop()
            holder = closed.getparent()
            if closed is hidden:
                hidden = None
            if hidden is None and holder is not None and (text := _clean(closed.tail)):
                yield Run(text, holder, place - start)
        if element is None:
            break
        open_.append(element)
        if hidden is None and element not in own and _is_silent(element):
            hidden = element
        if hidden is None and (text := _clean(element.text)):
            yield Run(text, element, place - start)
            if place > start and len(text) > PARAGRAPH:
                read += len(text)
                if read > MAX_BODY:
                    return


def _clean(text: str | None) -> str:
    return " ".join(text.split()) if text else ""


def _is_silent(element: HtmlElement) -> bool:
    if element.tag in SILENT or (element.tag in SKIPPED and not _heads_an_article(element)):
        return True
    return bool(OTHERS.search(str(element.get("class") or "")))


def _heads_an_article(element: HtmlElement) -> bool:
    """Whether an element is a footer that stands before its article's text, as Drupal's bylines do."""
    if element.tag != "footer" or next(element.iterancestors("article"), None) is None:
        return False
    behind = chain.from_iterable(after.itertext() for after in islice(element.itersiblings(), MAX_PIECES))
    return sum(map(len, map(_clean, islice(behind, MAX_PIECES)))) > PARAGRAPH
