"""What can be said about a block without understanding it: the witnesses' word, its place, its links, its names.

The witnesses are trafilatura's text, JSON-LD's `articleBody`, and the container that a readability score (Arc90) puts
first. Everything is relative to the page, so that no site is special.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_twin.collect.content_blocks import WORD, Block, folded

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# Words in classes and ids that people give to what stands around a text, and to the text.
AROUND = re.compile(
    r"(?:^|[^a-z])(?:share|sharing|social|related|recommend|newsletter|subscri|signup|sign-up|comment|disqus|author|bio"
    r"|byline|cookie|consent|gdpr|nav|menu|breadcrumb|sidebar|footer|header|banner|promo|advert|ads?|sponsor|widget"
    r"|popup|modal|tags?|categor|meta|pagination|pager|prev|next|more|popular|trending|latest|toc|table-of-contents"
    r"|login|search|skip|copyright|rating|vote|reply|respond|cta|rail|teaser|card|outbrain|taboola|toolbar|hidden"
    r"|sr-only|screen-reader|edit-page|feedback|print)(?:[^a-z]|$|s[^a-z]|s$)",
    re.I,
)
WITHIN = re.compile(r"article|post|entry|content|body|story|main|text|blog|markdown|prose|rich", re.I)
PHRASE = re.compile(
    r"share (this|on|article)|subscribe|newsletter|related (posts?|articles?|stories)|you (may|might) also"
    r"|read (more|next)|sign up|log ?in|follow us|all rights reserved|©|cookie|privacy policy|terms of"
    r"|leave a (comment|reply)|min(ute)?s? read|posted (on|in|by)|filed under|tagged|previous|next (post|article)"
    r"|back to|table of contents|on this page|in this article|advertis|last (updated|modified)|published|was this"
    r"|edit this page|skip to|photo by|image credit|click here|learn more|contact us|download",
    re.I,
)
SECTION = re.compile(
    r"(related|comments?\b|\d+ (comments?|responses|thoughts)|leave a|about (the )?author|share|subscribe"
    r"|you (may|might)|more (from|on|in|stories|articles)|recommended|latest|recent|popular|trending"
    r"|read (more|next)|further reading|join|sign up|newsletter|tags|categories|follow|get in touch|contact"
    r"|keep reading|what to read|similar|explore|featured|post navigation|stay|don.t miss|ready to|our |discover"
    r"|see also|written by|search|archives)",
    re.I,
)
TAGS = ("p", "li", "h1", "h2", "h3", "h4", "td", "th", "pre", "blockquote", "figcaption", "div", "dt", "dd", "section")
AROUND_TAGS = ("nav", "footer", "figure", "table", "article", "main")
INSIDE_TAGS = ("header", "aside", "form", "section", "article", "ul", "ol", "figure", "details")
FEW = 6  # words; shorter blocks are compared as a whole
SILENT = 0.35  # of the words that the readability score's container holds: a witness with less has lost the text
MOST = 0.85  # of the witness's words: an element with these is around the text, not beside it


@dataclass(frozen=True)
class Witnesses:
    """What others take for the page's text."""

    lines: Sequence[str]  # of trafilatura, one a block
    title: str = ""
    article_body: str = ""  # of JSON-LD


@dataclass
class _Share:
    """Sums over the blocks in an element."""

    words: int = 0
    seen: float = 0  # words that the witness has too
    linked: int = 0  # characters
    characters: int = 0
    blocks: int = 0
    score: float = 0  # Arc90

    @property
    def of_seen(self) -> float:
        return self.seen / max(self.words, 1)

    @property
    def of_links(self) -> float:
        return self.linked / max(self.characters, 1)


def testimony(blocks: Sequence[Block], lines: Sequence[str]) -> list[float]:
    """How much of each block the witness has, 0 to 1: three-word shingles of long ones, the whole of short ones."""
    tokens = WORD.findall("\n".join(lines).lower())
    shingles = set(zip(tokens, tokens[1:], tokens[2:], strict=False))
    whole, everything = {folded(line) for line in lines}, "".join(tokens)
    told = []
    for block in blocks:
        words = block.words
        if len(words) >= FEW:
            own = list(zip(words, words[1:], words[2:], strict=False))
            told.append(sum(shingle in shingles for shingle in own) / len(own))
        else:
            text = "".join(words)
            told.append(1.0 if text in whole else 0.5 if len(words) >= 3 and text in everything else 0.0)
    return told


def features(blocks: Sequence[Block], witnesses: Witnesses) -> list[list[float]]:
    """One row of numbers for each block, in the order that the model was fitted with."""
    chains = [[block.owner, *block.owner.iterancestors()] for block in blocks]
    told = testimony(blocks, witnesses.lines)
    shares = _shares(blocks, chains, told)
    best = max(shares, key=lambda e: shares[e].score * (1 - shares[e].of_links))
    second = [float(best in c and 2 * b.linked < len(b.text)) for b, c in zip(blocks, chains, strict=True)]
    held = sum(in_best * len(block.words) for in_best, block in zip(second, blocks, strict=True))
    silent = sum(seen * len(block.words) for seen, block in zip(told, blocks, strict=True)) < SILENT * held
    if silent:
        told = second
        shares = _shares(blocks, chains, told)
    return _rows(blocks, chains, told, shares, best, witnesses, silent)


def _shares(blocks: Sequence[Block], chains: list[list[HtmlElement]], told: list[float]) -> dict[HtmlElement, _Share]:
    shares: dict[HtmlElement, _Share] = {}
    for block, chain, seen in zip(blocks, chains, told, strict=True):
        length, words = len(block.text), len(block.words)
        linked = min(block.linked, length)
        for element in chain:
            share = shares.setdefault(element, _Share())
            share.words += words
            share.seen += seen * words
            share.linked += linked
            share.characters += length
            share.blocks += 1
        if length >= 25 and block.owner.tag not in ("li", "a", "nav"):
            score = (1 + block.text.count(",") + min(length / 100, 3)) * (1 - linked / length)
            for level, element in enumerate(chain[1:3], 1):
                shares[element].score += score / level
    return shares


def _rows(
    blocks: Sequence[Block],
    chains: list[list[HtmlElement]],
    told: list[float],
    shares: dict[HtmlElement, _Share],
    best: HtmlElement,
    witnesses: Witnesses,
    silent: bool,
) -> list[list[float]]:
    count = len(blocks)
    whole = shares[chains[0][-1]]
    around = {element for element, share in shares.items() if share.seen >= MOST * whole.seen}
    marked = [i for i, seen in enumerate(told) if seen >= 0.5 and len(blocks[i].words) > 4] or [0, count - 1]
    first, last = marked[0], marked[-1]
    texts = ["".join(block.words) for block in blocks]
    often, before = Counter(texts), Counter[str]()
    title, body = folded(witnesses.title), folded(witnesses.article_body)
    names = {element: _names(element) for element in shares}
    above = best.getparent()
    padded = [0.0] * 3 + told + [0.0] * 3
    rows: list[list[float]] = []
    section, level, since = 0.0, 9, 20
    for i, (block, chain) in enumerate(zip(blocks, chains, strict=True)):
        text, words, tag = block.text, len(block.words), block.owner.tag
        near = padded[i : i + 7]
        if re.fullmatch("h[1-6]", tag):
            if int(tag[1]) <= level or not section:
                section, level = float(SECTION.match(text) is not None), int(tag[1])
            since = 0
        else:
            since += 1
        inside = [element for element in chain if element not in around]
        row = [told[i], math.log1p(words), min(block.linked / len(text), 1), near[2], near[4], near[1], near[5]]
        row += [sum(near[:3]) / 3, sum(near[4:]) / 3]
        row += [float(tag == name) for name in TAGS]
        for step in (1, 2, 3, 4):
            share = shares[chain[min(step, len(chain) - 1)]]
            row += [share.of_seen, share.of_links, math.log1p(share.words)]
        outer = shares[inside[-1] if inside else block.owner]
        row += [outer.of_seen, outer.of_links, math.log1p(outer.words)]
        row += [outer.words / max(whole.words, 1), outer.seen / max(whole.seen, 1)]
        row += [min(sum(names[e][0] for e in inside), 4), min(sum(names[e][1] for e in inside), 4)]
        row += [names[chain[0]][0], names[chain[min(1, len(chain) - 1)]][0], max(names[e][2] for e in chain)]
        tags, tags_inside = {e.tag for e in chain}, {e.tag for e in inside}
        row += [float(name in tags) for name in AROUND_TAGS] + [float(name in tags_inside) for name in INSIDE_TAGS]
        row += [float(i < first), float(i > last), max(0, first - i) / 10, min(max(0, i - last) / 10, 5), i / count]
        row += [(i - first) / max(last - first, 1), float(best in chain), float(above in chain), float(silent)]
        row += [float(PHRASE.search(text[:300]) is not None), section, min(since, 20), float(text[-1] in '.!?:;”"')]
        row += [text.count(",") / max(words, 1), min(often[texts[i]], 4), min(before[texts[i]], 3)]
        row += [float(bool(title) and texts[i] == title), float(bool(body))]
        row += [float(bool(body) and texts[i][:80] in body)]
        row += [whole.of_seen, math.log1p(whole.seen), math.log1p(count), len(inside)]
        row += [sum(map(str.isdigit, text)) / len(text), sum(map(str.isupper, text)) / len(text)]
        parent = shares[chain[min(1, len(chain) - 1)]]
        row += [words / max(parent.words, 1), parent.blocks, whole.seen / max(shares[best].words, 1)]
        rows.append(row)
        before[texts[i]] += 1
    return rows


def _names(element: HtmlElement) -> tuple[float, float, float]:
    """Whether class and id speak of what is around a text, of the text itself, and whether it is hidden."""
    named = f"{element.get('class') or ''} {element.get('id') or ''}"
    style = str(element.get("style") or "").replace(" ", "").lower()
    hidden = (
        "display:none" in style
        or "visibility:hidden" in style
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
    )
    return float(AROUND.search(named) is not None), float(WITHIN.search(named) is not None), float(hidden)
