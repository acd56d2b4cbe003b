"""Which pictures stay with a text, and with them what stands below them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from llm_twin.collect.reading.content_blocks import HEADINGS, Block, Outline

if TYPE_CHECKING:
    from lxml.html import HtmlElement

CAPTION = re.compile(r"(?:^|[\s_-])caption", re.I)  # classes of captions: wp-caption-text, image-caption
NO_PICTURE = re.compile(r"(?:^|[\s_-])(?:avatar|gravatar|logo|icon|emoji|smiley|pixel|spacer|badge)", re.I)
IMAGE = re.compile(r"\.(?:avif|gif|jpe?g|png|svg|webp)(?:$|[?#])", re.I)  # how a picture's own address ends
SIGN = re.compile(r"\b(?:icon|logo)\b", re.I)  # what a drawing (.svg) is of
SMALL = 48  # pixels a side, of signs and portraits beside a name
INSIDE = ("p", "td", "dd", "li", "div", "center", "blockquote")  # in which a picture may be more than a bullet
ROWS = ("li", "div", "center")  # in which one that begins a line of words is a bullet
AROUND = 3  # elements from a caption to what holds it and its picture


def show_fallbacks(body: HtmlElement) -> None:
    """Bring out pictures that a page shows without scripts only, where it has no other in their place."""
    held: dict[HtmlElement, int] = {}  # pictures within an element; it may hold thousands of such
    for fallback in list(body.iter("noscript")):
        around = fallback.getparent()
        if around is None or fallback.find(".//img") is None or str(fallback.text_content()).strip():
            continue
        if around not in held:
            held[around] = len(list(around.iter("img")))
        if held[around] == len(list(fallback.iter("img"))):
            fallback.drop_tag()


def pictures_of(outline: Outline, kept: Sequence[bool]) -> tuple[list[HtmlElement], list[Block]]:
    """The pictures inside kept blocks and between two of them, and the captions of those, kept or not."""
    if not outline.pictures:
        return [], []
    captions = {
        index: figure for index, block in enumerate(outline.blocks) if (figure := _captioned(block)) is not None
    }
    of: dict[HtmlElement, list[int]] = {}
    for index, figure in captions.items():
        of.setdefault(figure, []).append(index)
    # The nearest blocks before and behind, if they are kept; what goes with a picture may stand between.
    aside = captions.keys() | _companions(outline)
    before: list[Block | None] = [None]
    behind: list[Block | None] = [None]
    for index, (block, keep) in enumerate(zip(outline.blocks, kept, strict=True)):
        before.append(block if keep else before[-1] if index in aside else None)
    for index in range(len(kept) - 1, -1, -1):
        behind.append(outline.blocks[index] if kept[index] else behind[-1] if index in aside else None)
    behind.reverse()
    stays = {id(block) for block, keep in zip(outline.blocks, kept, strict=True) if keep}
    pictures: list[HtmlElement] = []
    below: list[Block] = []
    for index, picture, block in outline.pictures:
        own = next((of[above] for above in islice(picture.iterancestors(), 2 * AROUND) if above in of), [])
        if _is_sign(picture):
            continue
        if block.words:
            within = id(block) in stays and block.owner.tag in INSIDE
            if within and picture.get("alt") and not _begins_row(picture, block):
                pictures.append(picture)
        elif _begins_item(picture, outline.blocks[index - 1].owner if index else None):
            continue
        elif (
            (before[index] and behind[index])
            or any(kept[each] for each in own)
            or any(near is not None and _beside(picture, near) for near in (before[index], behind[index]))
        ):
            pictures.append(picture)
            below += [outline.blocks[each] for each in own if not kept[each]]
    return pictures, below


def _captioned(block: Block) -> HtmlElement | None:
    """What holds a picture and the block as its caption; None where the block is none."""
    if block.owner.tag in HEADINGS:
        return None
    around = [block.owner, *islice(block.owner.iterancestors(), AROUND)]
    for caption, holder in pairwise(around):
        if caption.tag == "figcaption" or CAPTION.search(caption.get("class") or ""):
            return holder if holder.find(".//img") is not None else None
    return None


def _companions(outline: Outline) -> set[int]:
    """The blocks that stand with a picture in an element of their own: its file's name and size, a line below it.

    A heading, or a link to elsewhere, makes a card of both.
    """
    numbers = {element: number for number, element in enumerate(outline.elements)}
    found: set[int] = set()
    for _, picture, _ in outline.pictures:
        for holder in islice(picture.iterancestors(), 2 * AROUND):
            number = numbers.get(holder)
            start, end = (outline.starts[number], outline.ends[number]) if number is not None else (0, 0)
            if end - start > 1 or (end > start and _is_card(picture, outline.blocks[start])):
                break
            found.update(range(start, end))
    return found


def _is_card(picture: HtmlElement, block: Block) -> bool:
    if block.owner.tag in HEADINGS or 2 * block.linked <= len(block.text):
        return block.owner.tag in HEADINGS
    link = next(picture.iterancestors("a"), None)
    return link is None or not IMAGE.search(link.get("href") or "")


def _beside(picture: HtmlElement, block: Block) -> bool:
    """Whether a figure stands in one row with a paragraph: the first or last one of a text."""
    figure = next(picture.iterancestors("figure"), None)
    return figure is not None and block.owner.tag == "p" and figure.getparent() is block.owner.getparent()


def _begins_row(picture: HtmlElement, block: Block) -> bool:
    """Whether a picture stands before the words of an item or division, on their line: a bullet."""
    if block.owner.tag not in ROWS:
        return False
    for at in (picture, *picture.iterancestors()):
        if at is block.owner:
            return True
        following = at.getnext()
        alone = following is not None and following.tag == "br" and not (at.tail or "").strip()
        if at.getprevious() is not None or (at.getparent().text or "").strip() or alone:
            return False
    return False


def _begins_item(picture: HtmlElement, before: HtmlElement | None) -> bool:
    """Whether a picture stands where an item of a list begins, before its words."""
    item = next(picture.iterancestors("li"), None)
    return item is not None and (before is None or (before is not item and item not in before.iterancestors("li")))


def _is_sign(picture: HtmlElement) -> bool:
    sides = [side for name in ("width", "height") if (side := (picture.get(name) or "").removesuffix("px")).isdigit()]
    drawn = ".svg" in (picture.get("src") or "").lower() and SIGN.search(picture.get("alt") or "")
    return bool(drawn or NO_PICTURE.search(picture.get("class") or "")) or any(int(side) <= SMALL for side in sides)
