"""The part of a page that is its text: every block is judged, and the rest of the tree cut away.

What is kept is converted as HTML, so that nested lists, tables, quotes and code survive as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_twin.collect.reading.content_blocks import INLINE, UNREAD, Block, Outline, folded, kind_of, outline_of, unread
from llm_twin.collect.reading.content_markup import mend
from llm_twin.collect.reading.content_notes import indented
from llm_twin.collect.reading.content_pictures import pictures_of, show_fallbacks
from llm_twin.collect.reading.formulas import literal, shield, unshield
from llm_twin.collect.reading.markdown import counted, markdown_of
from llm_twin.collect.reading.trees import body_of

if TYPE_CHECKING:
    import numpy as np
    from lxml.html import HtmlElement
    from numpy.typing import NDArray

LIKELY = 0.45
LIKELY_CELL = 0.25  # of a table of data, which is rarely beside a text: cells' F1 .782 -> .801, held-out by sites
LIKELY_WITHIN = 0.3  # of a quotation, code or answer between two kept blocks
LIKELY_HEADING = 0.2  # where most of its section is kept: headings' F1 .855 -> .860
WITHIN = ("blockquote", "pre", "details")
FEW = 6  # words; shorter blocks may be said twice
COPY = 3  # blocks that are said twice somewhere else
WHOLES = ("ul", "ol", "dl", "table")
DRAWN = 0.6  # of the way to the mean: shingle F1 .9468 -> .9472, held-out
MOST_WORDS = 30  # of one item or cell that count for the mean
NO_CELLS = ("h1", "h2", "h3", "h4", "pre", "blockquote", "p")  # a table with these places things
MAX_BLOCKS = 8_000  # a usual page has 300; judging more would take seconds
CELLS = ("td", "th")
# A block of signs alone goes with its group, or stays between two others.
MEMBERS = ("li", "dt", "dd", *CELLS)
GROUPS = ("ul", "ol", "dl", "tr")
ALONE = ("p", "pre", "blockquote", "h2", "h3", "h4", "h5", "h6")
SINGLE = ("p", "h2", "h3", "h4", "h5", "h6")  # left out where hidden; a hidden tab or answer is a part of the page
PROMPT = re.compile(r"(?:In|Out)\s*\[\d*\]:?")  # that notebooks write beside a cell
LEVELS = {f"h{level}": level for level in range(1, 7)}
TABLE_PARTS = ("caption", "colgroup", "tbody", "thead", "tfoot", "tr", *CELLS)
LAYOUT = ".//h1 | .//h2 | .//h3 | .//h4 | .//table | .//pre | .//blockquote"  # no cell of data has these
MEANT = {"href", "src", "alt", "colspan", "rowspan", "start"}  # attributes that say something to a reader


def content_of(tree: HtmlElement, title: str, article_body: str, base: str) -> tuple[str, str] | None:
    """Markdown and plain text of the page's content; the tree is cut down to it. None where no block is likely.

    `title`, `article_body`: as the page's data give them. `base`: what links are relative to.
    """
    from lxml.html import tostring

    body = body_of(tree)
    show_fallbacks(body)
    judgement = judge(outline_of(body), title, article_body)
    if judgement is None:
        return None
    shown = _shown(judgement)
    pictures, captions = pictures_of(judgement.outline, judgement.kept)
    _cut(body, judgement.outline, [*shown, *captions], pictures)
    mend(body, base)
    _flatten_layout(body)
    _fold_space(body)
    shield(body)
    markdown = markdown_of(tostring(body, encoding="unicode", with_tail=False), base)
    markdown = counted(indented(unshield(markdown)))
    if not markdown:
        return None
    return markdown, _plain(shown)


@dataclass(frozen=True)
class Judgement:
    """Which blocks of a page are its text."""

    outline: Outline
    alone: list[float]  # the likelihood of each block by itself
    drawn: list[float]  # with those of its list or table
    kept: list[bool]  # the likely ones that were not said before


def judge(outline: Outline, title: str, article_body: str) -> Judgement | None:
    """The blocks judged; None where there are too many, or none is likely."""
    from llm_twin.collect.reading.content_features import features
    from llm_twin.collect.reading.content_model import likelihoods

    if not outline.blocks or len(outline.blocks) > MAX_BLOCKS:
        return None
    alone = likelihoods(features(outline, title, article_body))
    drawn = _together(outline, alone)
    kept = _untitled(outline.blocks, _once(outline, _likely(outline, drawn)), title)
    return Judgement(outline, alone.tolist(), drawn.tolist(), kept) if any(kept) else None


def _untitled(blocks: Sequence[Block], kept: list[bool], title: str) -> list[bool]:
    """Without the page's heading where that is its title, which is told apart; kept where there is nothing else."""
    said = [block.owner.tag == "h1" and "".join(block.words) == folded(title) for block in blocks]
    others = [keep and not titled for keep, titled in zip(kept, said, strict=True)]
    return others if any(others) else kept


def _likely(outline: Outline, drawn: NDArray[np.float64]) -> list[bool]:
    """Which blocks are kept: likely ones, quotations and code between them, and headings of sections that are."""
    from llm_twin.collect.reading.content_features import hidden

    blocks = outline.blocks
    tags = [block.owner.tag for block in blocks]
    chances = [
        0.0 if (_is_single(block.owner) and hidden(block.owner)) or PROMPT.fullmatch(block.text) else chance
        for block, tag, chance in zip(blocks, tags, drawn.tolist(), strict=True)
    ]
    limits = [LIKELY_CELL if tag in CELLS else LIKELY for tag in tags]
    kept = [chance >= limit for chance, limit in zip(chances, limits, strict=True)]
    for element, start, end in zip(outline.elements, outline.starts, outline.ends, strict=True):
        if element.tag in WITHIN and 0 < start < end < len(blocks) and kept[start - 1] and kept[end]:
            for index in range(start, end):
                links = 2 * blocks[index].linked > len(blocks[index].text)
                kept[index] = kept[index] or (chances[index] >= LIKELY_WITHIN and not links)
    below = [[0, 0] for _ in range(7)]  # up to the next heading of a level or above: words, and those that are kept
    for index in range(len(blocks) - 1, -1, -1):
        level = LEVELS.get(tags[index])
        if level is None:
            for section in below:
                section[0] += len(blocks[index].words)
                section[1] += len(blocks[index].words) * kept[index]
            continue
        words, taken = below[level]
        if level > 1 and chances[index] >= LIKELY_HEADING and 0 < words <= 2 * taken:
            kept[index] = True
        below[level:] = [[0, 0] for _ in below[level:]]
    return kept


def _is_single(element: HtmlElement) -> bool:
    return element.tag in SINGLE or "noprint" in (element.get("class") or "")


def _together(outline: Outline, chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The likelihoods with those of a list's items and a table's cells drawn to their mean: such stay or go as one."""
    import numpy as np

    drawn = chances.copy()
    weights = np.minimum([len(block.words) for block in outline.blocks], MOST_WORDS)
    for element, start, end in zip(outline.elements, outline.starts, outline.ends, strict=True):
        if element.tag in WHOLES and end - start > 1:
            if element.tag == "table" and any(b.owner.tag in NO_CELLS for b in outline.blocks[start:end]):
                continue
            mean = np.average(chances[start:end], weights=weights[start:end])
            drawn[start:end] = (1 - DRAWN) * chances[start:end] + DRAWN * mean
    return drawn


def _once(outline: Outline, kept: list[bool]) -> list[bool]:
    """Without copies of what was said before: pages carry their text once more for small screens or printing.

    A chorus, or a line that a changelog has for each version, is none: it stands where the first one stands, or is
    short and built as that.
    """
    first: dict[str, Block] = {}
    run: list[int] = []  # of blocks that were said before, from one on that is long enough to be told
    for index, block in enumerate(outline.blocks):
        if not kept[index] or block.owner.tag in ("pre", *CELLS):
            continue
        text = "".join(block.words)
        if text in first and (run or len(block.words) >= FEW):
            run.append(index)
            continue
        _drop_copy(run, outline, first, kept)
        run = []
        first.setdefault(text, block)
    _drop_copy(run, outline, first, kept)
    return kept


def _drop_copy(run: list[int], outline: Outline, first: dict[str, Block], kept: list[bool]) -> None:
    pairs = [(block := outline.blocks[index], first["".join(block.words)]) for index in run]
    alike = all(kind_of(outline, one.at) == kind_of(outline, other.at) for one, other in pairs)
    beside = all(one.owner.getparent() is other.owner.getparent() for one, other in pairs)
    if not (alike and (beside or len(run) < COPY)):
        for index in run:
            kept[index] = False


def _shown(judgement: Judgement) -> list[Block]:
    """The blocks that are kept, in order, with those between them that are signs alone: `✓` in a cell, `{ }` as code.

    A cell goes with its row, an item with its list; others stay between two kept blocks.
    """
    blocks, kept = judgement.outline.blocks, judgement.kept
    groups: dict[HtmlElement, bool] = {}  # rows and lists, and whether something of them is kept
    for block, keep in zip(blocks, kept, strict=True) if judgement.outline.signs else ():
        for above in block.owner.iterancestors():
            if above.tag in GROUPS:
                groups[above] = keep or groups.get(above, False)
    shown: list[Block] = []
    done = 0
    for index, sign in judgement.outline.signs:
        shown += [block for block, keep in zip(blocks[done:index], kept[done:index], strict=True) if keep]
        done = index
        tag = sign.owner.tag
        group = (
            next((above for above in sign.owner.iterancestors() if above in groups), None) if tag in MEMBERS else None
        )
        between = 0 < index < len(blocks) and kept[index - 1] and kept[index]
        if groups[group] if group is not None else between and tag in (*MEMBERS, *ALONE):
            shown.append(sign)
    return shown + [block for block, keep in zip(blocks[done:], kept[done:], strict=True) if keep]


def _cut(body: HtmlElement, outline: Outline, shown: Sequence[Block], pictures: Sequence[HtmlElement]) -> None:
    """Remove the text of all blocks that are not shown, then what is left empty by that, but these pictures."""
    alive: set[HtmlElement] = set()
    stays = set(map(id, shown))
    for block in (*outline.blocks, *(sign for _, sign in outline.signs)):
        for element, place in block.parts:
            if id(block) in stays:
                holder = element if place == "text" else element.getparent()
                while holder is not None and holder not in alive:
                    alive.add(holder)
                    holder = holder.getparent()
            elif place == "text":
                element.text = None
            else:
                element.tail = " "
    for element in [e for e in body.iter() if not isinstance(e.tag, str) or e.tag in UNREAD]:
        if element.getparent() is not None and (not isinstance(element.tag, str) or unread(element)):
            _remove(element)
    for picture in pictures:
        holder = picture
        while holder is not None and holder not in alive:
            alive.add(holder)
            holder = holder.getparent()
    for element in [e for e in body.iter() if e is not body and e not in alive]:
        around = element.getparent()
        if element.tag not in ("br", *CELLS) or around not in alive:
            if element.tag in INLINE and around in alive and element.find(".//br") is not None:
                element.addprevious(element.makeelement("br"))  # that stands in an element of its own
            if element.tag == "a" and around in alive and element.get("id") and not around.get("id"):
                around.set("id", element.get("id"))  # the number of a note, that its reference leads to
            _remove(element)


def _remove(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()


def _fold_space(body: HtmlElement) -> None:
    """One space for every run of white space outside code, and no attribute that could hide or restyle what was kept.

    The source's line breaks would cut items and headings.
    """
    code = {inner for pre in body.iter("pre") for inner in pre.iter()}
    spans = {inner for span in body.iter("code", "tex") for inner in span.iter()}
    for element in body.iter():
        for name in [name for name in element.attrib if name not in MEANT and element.tag != "code"]:
            del element.attrib[name]
        if element.text and element not in code:
            element.text = re.sub(r"\s+", " ", element.text if element in spans else literal(element.text))
        if element.tail and (element not in code or element.tag == "pre"):
            inside = element.getparent() in spans
            element.tail = re.sub(r"\s+", " ", element.tail if inside else literal(element.tail))


def _flatten_layout(body: HtmlElement) -> None:
    """Tables that only place things become plain divisions."""
    for table in [table for table in body.iter("table") if table.xpath(LAYOUT)]:
        # The parts of a table inside it stay what they are.
        for part in [e for e in table.iter(*TABLE_PARTS) if next(e.iterancestors("table"), None) is table]:
            part.tag = "div"
        table.tag = "div"


def _plain(blocks: Sequence[Block]) -> str:
    """The blocks as plain text: cells of a row on one line, items on lines of their own, others with space between."""
    parts: list[str] = []
    before: HtmlElement | None = None
    row: HtmlElement | None = None
    for block in blocks:
        own = next((e for e in (block.owner, *block.owner.iterancestors()) if e.tag == "tr"), None)
        if parts:
            items = block.owner.tag == "li" and before is not None and before.tag == "li"
            parts.append("\t" if own is not None and own is row else "\n" if items else "\n\n")
        parts.append(block.text)
        before, row = block.owner, own
    return "".join(parts)
