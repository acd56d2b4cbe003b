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
SMALL = 48  # pixels a side, of signs and portraits beside a name
INSIDE = ("p", "td", "dd", "blockquote")  # in which a picture is more than a bullet
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
    # Whether the nearest blocks before and behind are kept; captions of other pictures may stand between.
    before, behind = [False], [False]
    for index, keep in enumerate(kept):
        before.append(before[-1] if index in captions else keep)
    for index in range(len(kept) - 1, -1, -1):
        behind.append(behind[-1] if index in captions else kept[index])
    behind.reverse()
    stays = {id(block) for block, keep in zip(outline.blocks, kept, strict=True) if keep}
    pictures: list[HtmlElement] = []
    below: list[Block] = []
    for index, picture, block in outline.pictures:
        own = next((of[above] for above in islice(picture.iterancestors(), 2 * AROUND) if above in of), [])
        if _is_sign(picture) or _begins_item(picture, outline.blocks[index - 1].owner if index else None):
            continue
        if block.words:
            if id(block) in stays and picture.get("alt") and block.owner.tag in INSIDE:
                pictures.append(picture)
        elif (before[index] and behind[index]) or any(kept[each] for each in own):
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


def _begins_item(picture: HtmlElement, before: HtmlElement | None) -> bool:
    """Whether a picture stands where an item of a list begins, before its words."""
    item = next(picture.iterancestors("li"), None)
    return item is not None and (before is None or (before is not item and item not in before.iterancestors("li")))


def _is_sign(picture: HtmlElement) -> bool:
    sides = [side for name in ("width", "height") if (side := (picture.get(name) or "").removesuffix("px")).isdigit()]
    return bool(NO_PICTURE.search(picture.get("class") or "")) or any(int(side) <= SMALL for side in sides)
