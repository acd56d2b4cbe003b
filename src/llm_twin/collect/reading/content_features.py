"""What can be said about a block without understanding it: its place, its links, its names, its neighbours.

The one witness beside the page itself is the container that a readability score (Arc90) puts first; JSON-LD's
`articleBody` and the title are told. Everything is relative to the page, so that no site is special. A row of numbers
for each block; sums over an element are differences of running sums, as its blocks stand side by side.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from llm_twin.collect.reading.content_blocks import Outline, folded, kind_of

if TYPE_CHECKING:
    from lxml.html import HtmlElement
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]

# Words in classes and ids that people give to what stands around a text, and to the text; in lower case.
AROUND = re.compile(
    r"(?:^|[^a-z])(?:share|sharing|social|related|recommend|newsletter|subscri|signup|sign-up|comment|disqus|author|bio"
    r"|byline|cookie|consent|gdpr|nav|menu|breadcrumb|sidebar|footer|header|banner|promo|advert|ads?|sponsor|widget"
    r"|popup|modal|tags?|categor|meta|pagination|pager|prev|next|more|popular|trending|latest|toc|table-of-contents"
    r"|login|search|skip|copyright|rating|vote|reply|respond|cta|rail|teaser|card|outbrain|taboola|toolbar|hidden"
    r"|sr-only|screen-reader|edit-page|feedback|print)(?:[^a-z]|$|s[^a-z]|s$)"
)
WITHIN = re.compile(r"article|post|entry|content|body|story|main|text|blog|markdown|prose|rich")
PHRASE = re.compile(  # in lower case
    r"share (this|on|article)|subscribe|newsletter|related (posts?|articles?|stories)|you (may|might) also"
    r"|read (more|next)|sign up|log ?in|follow us|all rights reserved|©|cookie|privacy policy|terms of"
    r"|leave a (comment|reply)|min(ute)?s? read|posted (on|in|by)|filed under|tagged|previous|next (post|article)"
    r"|back to|table of contents|on this page|in this article|advertis|last (updated|modified)|published|was this"
    r"|edit this page|skip to|photo by|image credit|click here|learn more|contact us|download"
)
SECTION = re.compile(
    r"(related|comments?\b|\d+ (comments?|responses|thoughts)|leave a|about (the )?author|share|subscribe"
    r"|you (may|might)|more (from|on|in|stories|articles)|recommended|latest|recent|popular|trending"
    r"|read (more|next)|further reading|join|sign up|newsletter|tags|categories|follow|get in touch|contact"
    r"|keep reading|what to read|similar|explore|featured|post navigation|stay|don.t miss|ready to|our |discover"
    r"|see also|written by|search|archives)",
    re.I,
)
# The commonest words of eight languages: running text is full of them, menus are not.
COMMON_WORDS = (
    "the of and to in is that for it as with on be are was this by you or from at have an not we can your their they "
    "which but has will if more i de la que el en y los del las un una es por con para le les des et du est dans une "
    "pour der die und das den von zu ist mit nicht ein eine auf im dem il che di e per non sono da o a os do em um het "
    "van een dat op te voor"
)
COMMON = frozenset(COMMON_WORDS.split())
TAGS = ("p", "li", "h1", "h2", "h3", "h4", "td", "th", "pre", "blockquote", "figcaption", "div", "dt", "dd", "section")
AROUND_TAGS = ("nav", "footer", "figure", "table", "article", "main", "aside", "form", "header", "ul", "details")
INSIDE_TAGS = ("header", "aside", "form", "section", "article", "ul", "ol", "figure", "details")
BIT = {tag: 1 << number for number, tag in enumerate(dict.fromkeys(AROUND_TAGS + INSIDE_TAGS))}
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LONG = 12  # words, from which a block without links is running text
SEEN = 300  # characters of a block that are looked at
MOST = 0.85  # of the witness's words: an element with these is around the text, not beside it
WINDOW = 8  # blocks before and behind


@dataclass(frozen=True)
class _Sums:
    """What is known of each element, and of each block: how much text there is, and how much of it is linked."""

    start: Numbers
    end: Numbers
    parent: Numbers
    owner: Numbers  # the element of each block
    words: Floats
    linked: Floats  # of a block's characters, 0 to 1
    in_words: Floats
    in_linked: Floats
    in_blocks: Floats
    around: list[bool]  # of elements: class or id speaks of what surrounds a text
    within: list[bool]
    tags: list[str]


def features(outline: Outline, title: str, article_body: str) -> NDArray[np.float32]:
    """One row of numbers for each block, in the order that the model was fitted with."""
    blocks = outline.blocks
    texts, count = [block.text for block in blocks], len(blocks)
    owner = np.array([block.at for block in blocks])
    words = np.array([float(len(block.words)) for block in blocks])
    characters = np.array([float(len(text)) for text in texts])
    linked = np.minimum(np.array([float(block.linked) for block in blocks]), characters)
    start, end, parent = np.array(outline.starts), np.array(outline.ends), np.array(outline.parents)

    def total(values: Floats) -> Floats:
        running = np.concatenate(([0.0], np.cumsum(values)))
        inside: Floats = running[end] - running[start]
        return inside

    names = [_names(element) for element in outline.elements]
    sums = _Sums(
        start=start,
        end=end,
        parent=parent,
        owner=owner,
        words=words,
        linked=linked / characters,
        in_words=total(words),
        in_linked=total(linked) / np.maximum(total(characters), 1),
        in_blocks=(end - start).astype(float),
        around=[name[0] for name in names],
        within=[name[1] for name in names],
        tags=[str(element.tag) for element in outline.elements],
    )
    commas = np.array([float(text.count(",")) for text in texts])
    best = _best_container(sums, characters, commas)
    where = np.arange(count)
    in_best = (start[best] <= where) & (where < end[best])
    kinds: dict[tuple[object, ...], int] = {}
    kind = np.array([kinds.setdefault(kind_of(outline, at), len(kinds)) for at in owner.tolist()])
    columns = _own(outline, sums, texts, commas, title, article_body)
    columns += _place(outline, sums, best, in_best, [name[2] for name in names])
    of_kind, of_kind_words = np.bincount(kind), np.bincount(kind, words)
    kind_linked = np.bincount(kind, linked) / np.bincount(kind, characters)
    columns += [of_kind_words[kind] / words.sum(), np.log1p(of_kind)[kind]]
    columns += [np.log1p(of_kind_words / of_kind)[kind], kind_linked[kind]]
    told = (in_best & (sums.linked < 0.5)).astype(float)
    columns += _by_witness(outline, sums, told, kind, best)
    return np.stack(columns, 1).astype(np.float32)


@lru_cache(maxsize=4096)
def _spoken(named: str) -> tuple[bool, bool]:
    return AROUND.search(named) is not None, WITHIN.search(named) is not None


def _names(element: HtmlElement) -> tuple[bool, bool, bool]:
    """Whether class and id speak of what is around a text, of the text itself, and whether it is hidden."""
    told = dict(element.items())
    if not told:
        return False, False, False
    named = f"{told.get('class', '')} {told.get('id', '')}"[:SEEN]
    around, within = _spoken(named.lower()) if named != " " else (False, False)
    return around, within, hidden(element) or told.get("aria-hidden") == "true"


def hidden(element: HtmlElement) -> bool:
    """Whether an element says that it is not shown."""
    style = element.get("style", "")[:SEEN].replace(" ", "").lower()
    return "hidden" in element.attrib or "display:none" in style or "visibility:hidden" in style


def _best_container(sums: _Sums, characters: Floats, commas: Floats) -> int:
    """The element with the highest readability score: text and its commas count for the two elements around it."""
    texts = np.array([sums.tags[at] not in ("li", "a", "nav") for at in sums.owner.tolist()]) & (characters >= 25)
    points = np.where(texts, (1 + commas + np.minimum(characters / 100, 3)) * (1 - sums.linked), 0)
    score = np.zeros(len(sums.tags))
    above = sums.parent[sums.owner]
    np.add.at(score, above, points)
    np.add.at(score, sums.parent[above], points / 2)
    return int(np.argmax(score * (1 - sums.in_linked)))


def _own(
    outline: Outline, sums: _Sums, texts: list[str], commas: Floats, title: str, article_body: str
) -> list[Floats]:
    """What a block says by itself and as one of several with the same text."""
    count = len(texts)
    seen = [text[:SEEN] for text in texts]
    lower = [text.lower() for text in seen]
    folds = ["".join(block.words) for block in outline.blocks]
    number: dict[str, int] = {}
    same = np.array([number.setdefault(fold, len(number)) for fold in folds])
    before, counts = np.zeros(count), [0] * len(number)
    for index, which in enumerate(same.tolist()):
        before[index] = counts[which]
        counts[which] += 1
    codes = np.frombuffer("".join(seen).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.array([len(text) for text in seen])
    firsts = np.cumsum(lengths) - lengths
    digits = np.add.reduceat((codes >= 48) & (codes <= 57), firsts, dtype=float) / lengths
    capitals = np.add.reduceat((codes >= 65) & (codes <= 90), firsts, dtype=float) / lengths
    whole, body = folded(title), folded(article_body)
    is_title = np.array([bool(whole) and fold == whole for fold in folds])
    common = [sum(word in COMMON for word in block.words[:60]) / len(block.words[:60]) for block in outline.blocks]
    tags = [sums.tags[at] for at in sums.owner.tolist()]
    section, since = _sections(tags, texts)
    return [
        np.log1p(sums.words),
        sums.linked,
        *(np.array([tag == name for tag in tags], float) for name in TAGS),
        np.array([PHRASE.search(text) is not None for text in lower], float),
        section,
        since,
        np.array([text[-1] in '.!?:;”"' for text in texts], float),
        commas / sums.words,
        np.minimum(np.array(counts)[same], 4).astype(float),
        np.minimum(before, 3),
        is_title.astype(float),
        np.full(count, float(bool(body))),
        np.array([bool(body) and fold[:80] in body for fold in folds], float),
        np.array(common),
        digits,
        capitals,
        np.array([len(text) for text in texts]) / sums.words,
        _from_title(tags, is_title),
    ]


def _sections(tags: list[str], texts: list[str]) -> tuple[Floats, Floats]:
    """Whether the heading above speaks of what surrounds a text, and how many blocks ago there was a heading."""
    section, since = np.zeros(len(tags)), np.zeros(len(tags))
    beside, level, ago = False, 9, 20
    for index, (tag, text) in enumerate(zip(tags, texts, strict=True)):
        ago += 1
        if own := HEADINGS.get(tag):
            if own <= level or not beside:
                beside, level = SECTION.match(text) is not None, own
            ago = 0
        section[index], since[index] = beside, min(ago, 20)
    return section, since


def _from_title(tags: list[str], is_title: NDArray[np.bool_]) -> Floats:
    """How far behind the title a block stands, in tens."""
    headings = [index for index, tag in enumerate(tags) if tag == "h1"]
    named = [index for index in headings if is_title[index]] or headings or np.flatnonzero(is_title).tolist()
    if not named:
        return np.full(len(tags), -9.0)
    distance: Floats = np.clip((np.arange(len(tags)) - named[0]) / 10, -5, 20)
    return distance


def _place(outline: Outline, sums: _Sums, best: int, in_best: NDArray[np.bool_], hides: list[bool]) -> list[Floats]:
    """Where a block stands: its neighbours, the elements around it, the running text before and behind it."""
    count, owner, parent = len(outline.blocks), sums.owner, sums.parent
    where = np.arange(count)
    log_words = np.log1p(sums.words)
    running = np.where((sums.words >= LONG) & (sums.linked < 0.5), sums.words, 0)
    total = np.concatenate(([0.0], np.cumsum(running)))
    in_running, whole = total[sums.end] - total[sums.start], max(total[-1], 1.0)
    columns = [shift(log_words, 1), shift(log_words, -1), shift(sums.linked, 1), shift(sums.linked, -1)]
    columns += [shift(log_words, 2), shift(log_words, -2)]
    at = owner
    for _ in range(4):
        at = parent[at]
        columns += [sums.in_linked[at], np.log1p(sums.in_words[at]), np.log1p(sums.in_blocks[at])]
        columns += [in_running[at] / np.maximum(sums.in_words[at], 1)]
    size = len(sums.tags)
    hidden, bits, depth, around, within = [False] * size, [0] * size, [0] * size, [0] * size, [0] * size
    for element, (above, tag) in enumerate(zip(outline.parents, sums.tags, strict=True)):
        hidden[element] = hides[element] or hidden[above]
        bits[element] = BIT.get(tag, 0) | bits[above]
        depth[element] = depth[above] + 1 if element else 0
        around[element] = around[above] + sums.around[element]
        within[element] = within[above] + sums.within[element]
    named, meant = np.array(sums.around, float), np.array(sums.within, float)
    columns += [named[owner], named[parent[owner]], meant[owner], meant[parent[owner]]]
    columns += [np.array(values, float)[owner] for values in (around, within, hidden, depth)]
    held = np.array(bits)[owner]
    columns += [(held & BIT[tag] != 0).astype(float) for tag in AROUND_TAGS]
    first, end = sums.start[parent[best]], sums.end[parent[best]]
    columns += [where / count, np.full(count, math.log1p(count)), np.full(count, math.log1p(whole))]
    columns += [in_best.astype(float), ((first <= where) & (where < end)).astype(float)]
    for share in (0.4, 0.6, 0.8):  # the innermost element that has this much of the running text
        inner = int(np.flatnonzero(in_running >= share * total[-1])[-1])
        columns.append(((sums.start[inner] <= where) & (where < sums.end[inner])).astype(float))
    last = np.maximum.accumulate(np.where(running > 0, where, -50))
    following = np.minimum.accumulate(np.where(running > 0, where, count + 50)[::-1])[::-1]
    columns += [np.minimum(where - last, 30.0), np.minimum(following - where, 30.0)]
    columns += [total[:-1] / whole, (total[-1] - total[1:]) / whole]
    columns += [sums.words / np.maximum(sums.in_words[parent[owner]], 1), sums.in_words[owner] / sums.in_words[0]]
    return columns


def _by_witness(outline: Outline, sums: _Sums, told: Floats, kind: Numbers, best: int) -> list[Floats]:
    """What a witness says of a block, its neighbours, and the elements around it: `told`, 0 to 1 for each block."""
    count, owner, parent = len(told), sums.owner, sums.parent
    where = np.arange(count)
    words = np.concatenate(([0.0], np.cumsum(sums.words)))
    seen = np.concatenate(([0.0], np.cumsum(told * sums.words)))
    blocks = np.concatenate(([0.0], np.cumsum(told)))
    in_seen, whole = seen[sums.end] - seen[sums.start], max(seen[-1], 1e-9)
    of_seen = in_seen / np.maximum(sums.in_words, 1)
    outer, bits, depth, around, within = _inside(outline, sums, (in_seen >= MOST * whole).tolist())
    near = np.concatenate((np.zeros(3), told, np.zeros(3)))
    beside = [near[step : step + count] for step in range(7)]
    low, high = np.maximum(where - WINDOW, 0), np.minimum(where + WINDOW + 1, count)
    columns = [told, beside[2], beside[4], beside[1], beside[5]]
    columns += [sum(beside[:3], np.zeros(count)) / 3, sum(beside[4:], np.zeros(count)) / 3]
    columns += [(seen[high] - seen[low]) / (words[high] - words[low]), (blocks[high] - blocks[low]) / (high - low)]
    at = owner
    columns.append(of_seen[at])
    for _ in range(4):
        at = parent[at]
        columns.append(of_seen[at])
    columns += [of_seen[outer], sums.in_linked[outer], np.log1p(sums.in_words[outer])]
    columns += [sums.in_words[outer] / words[-1], in_seen[outer] / whole]
    columns += [np.minimum(around, 4.0), np.minimum(within, 4.0), np.minimum(depth, 12.0)]
    columns += [(bits & BIT[tag] != 0).astype(float) for tag in INSIDE_TAGS]
    marked = np.flatnonzero((told >= 0.5) & (sums.words > 4))
    first, last = (int(marked[0]), int(marked[-1])) if len(marked) else (0, count - 1)
    columns += [np.maximum(0, first - where) / 10, np.minimum(np.maximum(0, where - last) / 10, 5)]
    columns += [(where - first) / max(last - first, 1), np.full(count, whole / words[-1])]
    columns += [np.full(count, math.log1p(whole)), np.full(count, whole / max(sums.in_words[best], 1.0))]
    columns.append((np.bincount(kind, told * sums.words) / np.bincount(kind, sums.words))[kind])
    return [*columns, seen[:-1] / whole, 1 - seen[1:] / whole]


def _inside(outline: Outline, sums: _Sums, most: list[bool]) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
    """Of each block the outermost element that is not around the whole text, and what lies from there to the block.

    That is: tags (see `BIT`), how many elements, how many with names of what surrounds a text and of the text.
    """
    size = len(most)
    outer, bits, depth, around, within = list(range(size)), [0] * size, [0] * size, [0] * size, [0] * size
    for element, (above, tag) in enumerate(zip(outline.parents, sums.tags, strict=True)):
        if most[element]:
            continue
        if not most[above]:
            outer[element] = outer[above]
        bits[element] = bits[above] | BIT.get(tag, 0)
        depth[element] = depth[above] + 1
        around[element] = around[above] + sums.around[element]
        within[element] = within[above] + sums.within[element]
    found = [np.array(values)[sums.owner] for values in (outer, bits, depth, around, within)]
    return found[0], found[1], found[2], found[3], found[4]


def shift(values: Floats, by: int) -> Floats:
    """The values of the block `by` places before; 0 where there is none."""
    moved = np.zeros_like(values)
    if by > 0:
        moved[by:] = values[:-by]
    else:
        moved[:by] = values[-by:]
    return moved
