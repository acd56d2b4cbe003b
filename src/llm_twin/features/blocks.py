"""The shape of a text: blocks within blocks, each known by where it starts and what a cut before it would cost.

A block is torn into its parts only when it does not fit. Blocks and their parts tile the text: each ends where the next
starts.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from zlib import crc32

from tokenizers import Tokenizer

from llm_twin.documents import LINK
from llm_twin.features.costs import CLOSING, GLUED, LINE, PARAGRAPH, SENTENCE, WORD

SMALL_LEAD = 1 / 8  # of the room: what is glued and larger may stand alone
CHARACTERS = 64  # of a token at most: some tokenizers take a word of any length for one unknown token
JOINER = "\u200d"  # between the parts of one emoji
SMALLEST = 1 / 32  # of the room: lines of fewer tokens are taken together, so that the ways to cut stay few
PREFERENCE = 0.1  # at most
TOLD_APART = 64  # characters by which one unit is told from another
LARGE_STATEMENT = 1 / 2  # of the room: a larger statement within a torn definition may be cut as well
SLICE = 50_000  # characters given to the tokenizer at a time: memory stays flat

# Unicode UAX 29, sentence boundaries: a terminator, closing marks, white space; full-width ones need no space.
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]*_`]*\s+|[。！？｡]+[”’」』）]*\s*")  # noqa: RUF001
INITIAL = re.compile(r"(?:^|[\s(])(?:\w|e\.g|i\.e|cf|vs|Dr|Mr|Mrs|Ms|Prof|St|No|Fig|etc)\.$")
LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class Block:
    """Characters `start` to `end`. `parts` gives the finer blocks; one without is prose, or lines that count."""

    start: int
    end: int
    cut: float = PARAGRAPH  # the cost of a cut before it
    name: str = ""  # what it adds to the path of headings
    parts: Callable[[], Sequence[Block]] | None = None
    lines: bool = False
    firm: bool = False  # code, tables and list items: whole if they fit, whatever stands before


@dataclass(frozen=True, slots=True)
class Unit:
    """What is not torn any further: a stretch of text with its tokens, the path of its headings and its section."""

    start: int
    end: int
    tokens: int
    cut: float
    path: tuple[str, ...]
    section: int


class TokenCount:
    """The tokens that are embedded of any stretch of a text, from one tokenisation; targets of links are not."""

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self._starts: list[int] = []
        ends = [0]
        while ends[-1] < len(text):
            end = ends[-1] + SLICE
            ends.append(text.rfind("\n", ends[-1], end) + 1 or end if end < len(text) else len(text))
        slices = list(pairwise(ends))
        for first in range(0, len(slices), 8):
            group = slices[first : first + 8]
            encodings = tokenizer.encode_batch([text[start:end] for start, end in group], add_special_tokens=False)
            for (start, _), encoding in zip(group, encodings, strict=True):
                self._starts += [start + offset for offset, _ in encoding.offsets]
        self._starts = _without(self._starts, text)

    def __call__(self, start: int, end: int) -> int:
        """How many tokens begin in `text[start:end]`, but at least one for every `CHARACTERS` of them."""
        found = bisect_left(self._starts, end) - bisect_left(self._starts, start)
        return max(found, (end - start) // CHARACTERS)

    def reach(self, start: int, tokens: int) -> int:
        """Where the text with that many tokens from `start` ends."""
        last = bisect_left(self._starts, start) + tokens
        reach = start + tokens * CHARACTERS
        return min(reach, self._starts[last]) if last < len(self._starts) else reach


def _without(starts: list[int], text: str) -> list[int]:
    """The starts of tokens that are not part of a link's marks or target."""
    kept: list[int] = []
    done = 0
    for link in LINK.finditer(text):
        for end, resume in ((link.start(), link.start(1)), (link.end(1), link.end())):
            kept += starts[done : bisect_left(starts, end)]
            done = bisect_left(starts, resume)
    return kept + starts[done:] if kept or done else starts


@dataclass
class Units:
    """Tears a block as far as needed. `room` gives the tokens that are free below a path."""

    text: str
    count: TokenCount
    room: Callable[[tuple[str, ...]], int]
    _sections: int = field(default=0, init=False)

    def of(self, block: Block) -> list[Unit]:
        """The units of a block, in order; none without a token of its own but where the whole has none."""
        units: list[Unit] = []
        for unit in self._torn(block, (), 0, block.cut):
            if units and self._tiny(units[-1], unit):
                units[-1] = _joined(units[-1], unit)
            else:
                units.append(unit)
        return [replace(unit, cut=unit.cut + self._preference(unit)) for unit in units]

    def _preference(self, unit: Unit) -> float:
        """A small cost that only the text decides: of equally good cuts the same one is taken after an edit."""
        beginning = self.text[unit.start : unit.start + TOLD_APART].encode("utf-8", "replace")
        return PREFERENCE * (crc32(beginning) % 1024) / 1024

    def _tiny(self, before: Unit, unit: Unit) -> bool:
        """Whether there is no point in a cut between the two."""
        if not unit.tokens or not before.tokens:
            return True
        small = before.tokens + unit.tokens <= self.room(unit.path) * SMALLEST
        return small and unit.cut >= LINE and unit.section == before.section

    def _torn(self, block: Block, path: tuple[str, ...], section: int, cut: float, lead: int = 0) -> Iterator[Unit]:
        """`lead`: tokens of what stands glued before the block, a heading, for which there should be room as well."""
        if block.name:
            path = (*path, block.name)
            self._sections += 1
            section = self._sections
        tokens = self.count(block.start, block.end)
        room = self.room(path)
        statement = block.lines and not block.name and not block.firm and block.parts and section
        most = room * LARGE_STATEMENT if statement else room if block.firm else room - lead
        if tokens <= most:
            yield Unit(block.start, block.end, tokens, cut, path, section)
        elif block.parts and (parts := block.parts()):
            for number, part in enumerate(parts):
                lead = lead if not number or part.cut == GLUED else 0
                yield from self._torn(part, path, section, part.cut if number else cut, lead)
                lead += self.count(part.start, part.end)
                lead = lead if lead <= room * SMALL_LEAD else 0
        else:
            for start, end, price in self._pieces(block, room):
                price = cut if start == block.start else price
                yield Unit(start, end, self.count(start, end), price, path, section)

    def _pieces(self, block: Block, room: int) -> Iterator[tuple[int, int, float]]:
        """Lines or sentences, and what is finer only where those are too long."""
        text = self.text[block.start : block.end]
        for first, last, cut in priced_lines(text) if block.lines else _sentences(text):
            start, end = block.start + first, block.start + last
            if self.count(start, end) <= room:
                yield start, end, cut
                continue
            rows = [] if block.lines else [(start + a, start + b) for a, b, _ in priced_lines(self.text[start:end])]
            for row_start, row_end in rows or [(start, end)]:
                if self.count(row_start, row_end) <= room:
                    yield row_start, row_end, cut if row_start == start else SENTENCE + 0.1
                    continue
                for a, b in pairwise(self._crumbs(row_start, row_end, room)):
                    yield a, b, cut if a == start else WORD

    def _crumbs(self, start: int, end: int, room: int) -> list[int]:
        """Where to cut what has neither lines nor sentences that fit: between words, else between characters."""
        edges = [start]
        while self.count(edges[-1], end) > room:
            last = min(self.count.reach(edges[-1], room), end - 1)
            half = (edges[-1] + last) // 2
            word = max(self.text.rfind(space, half, last) for space in " \t\n") + 1
            place = max(word or last, edges[-1] + 1)
            while place - 1 > half and self._joins(place):
                place -= 1
            edges.append(place)
        return [*edges, end]

    def _joins(self, place: int) -> bool:
        """Whether the characters before and at `place` are seen as one."""
        before, after = self.text[place - 1], self.text[place]
        return JOINER in (before, after) or unicodedata.category(after) in ("Mn", "Me", "Mc", "Sk")


def _joined(first: Unit, second: Unit) -> Unit:
    named = first if first.tokens else second
    return Unit(first.start, second.end, first.tokens + second.tokens, first.cut, named.path, named.section)


def sentence_ends(text: str) -> Iterator[int]:
    """Where a sentence ends, its white space included; the end of the text is not told."""
    for found in SENTENCE_END.finditer(text):
        after = text[found.end() : found.end() + 1]
        if after and not after.islower() and not INITIAL.search(text[max(0, found.start() - 8) : found.start() + 1]):
            yield found.end()


def _sentences(text: str) -> list[tuple[int, int, float]]:
    ends = [0, *sentence_ends(text), len(text)]
    return [(start, end, SENTENCE) for start, end in pairwise(ends) if end > start]


def line_starts(text: str) -> list[int]:
    """Where each line starts; a last line without characters does not count."""
    starts = [0, *(found.end() for found in LINE_END.finditer(text))]
    return starts[:-1] if len(starts) > 1 and starts[-1] == len(text) else starts


def priced_lines(text: str) -> list[tuple[int, int, float]]:
    """(start, end, cost of a cut before it) of lines: cheap after a blank line, dear when indented or closing."""
    starts = line_starts(text)
    lines: list[tuple[int, int, float]] = []
    blank = False
    for start, end in pairwise([*starts, len(text)]):
        line = text[start:end]
        bare = line.strip()
        if not bare and lines:
            lines[-1] = (lines[-1][0], end, lines[-1][2])
            blank = True
            continue
        indent = len(line) - len(line.lstrip())
        cost = (PARAGRAPH if blank else LINE) + min(indent, 20) * 0.02
        lines.append((start, end, GLUED if CLOSING.match(line) else cost))
        blank = not bare
    return lines
