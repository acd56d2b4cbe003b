"""Units packed into chunks: as full as the model reads, cut where it costs least.

The best line breaks of Knuth and Plass (1981), for text: of all ways to cut, the one with the least sum of squared
empty shares and costs of cuts. Unlike filling from the left it leaves no crumbs at the end, and where a text is changed
it falls back into the old cuts after a few chunks. Large sections are packed each by itself, which makes that certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, groupby, pairwise

from llm_twin.features.blocks import Unit
from llm_twin.features.costs import GLUED
from llm_twin.features.headings import common

APART = 3  # limits between two cuts that are certain
MIXED = 0.1  # what it costs that a chunk holds two sections,
MIXED_TORN = 0.4  # or a part of one beside another


def packed(
    units: Sequence[Unit], room: Callable[[tuple[str, ...]], int], limit: int, own: float
) -> Iterator[tuple[int, int]]:
    """(first, end) indices of the units of each chunk, in order. `room` gives the tokens that are free below a path.

    Neighbouring sections that each have the share `own` of the limit, or more, have no chunk in common.
    """
    edges = [0, *_walls(units, limit * own), len(units)]
    for start, end in pairwise(sorted({*edges, *_anchors(units, edges, limit * APART)})):
        for first, last in _best(units[start:end], room, limit):
            yield start + first, start + last


def _walls(units: Sequence[Unit], large: float) -> list[int]:
    """Where a large section begins after another; not between what is glued, a table's columns and its rows."""
    sizes = [(len(group), sum(unit.tokens for unit in group)) for group in _by_section(units)]
    ends = accumulate(length for length, _ in sizes)
    neighbours = zip(ends, pairwise(size for _, size in sizes), strict=False)
    return [end for end, pair in neighbours if min(pair) >= large and units[end].cut < GLUED]


def _anchors(units: Sequence[Unit], edges: Sequence[int], apart: float) -> Iterator[int]:
    """Cuts in long stretches without walls: the cheapest one within `apart` tokens on both sides.

    They depend on nothing farther away, so that an edit ends there (content-defined chunking by local minima, Bjorner
    et al., 2010); without them a text without paragraphs may be cut anew to its end.
    """
    places = [0, *accumulate(unit.tokens for unit in units)]
    for start, end in pairwise(edges):
        for index in range(start + 1, end):
            if places[index] - places[start] > apart < places[end] - places[index]:
                near = chain(_within(places, index, -1, apart), _within(places, index, 1, apart))
                if all(units[other].cut > units[index].cut for other in near):
                    yield index


def _within(places: Sequence[int], index: int, step: int, apart: float) -> Iterator[int]:
    """The indices on one side that are at most `apart` tokens away, the nearest first."""
    index, here = index + step, places[index]
    while abs(places[index] - here) <= apart:
        yield index
        index += step


def _by_section(units: Sequence[Unit]) -> list[list[Unit]]:
    return [list(group) for _, group in groupby(units, lambda unit: unit.section)]


def _best(units: Sequence[Unit], room: Callable[[tuple[str, ...]], int], limit: int) -> Iterator[tuple[int, int]]:
    whole = [len(group) == 1 for group in _by_section(units) for _ in group]
    costs, befores = [0.0], [0]
    for end in range(1, len(units) + 1):
        after = units[end - 1]
        path, free, tokens, mixed = after.path, room(after.path), 0, 0.0
        best, before = float("inf"), end - 1
        for first in range(end - 1, -1, -1):
            unit = units[first]
            tokens += unit.tokens
            if unit.section != after.section:
                mixed += MIXED if whole[first] and whole[first + 1] else MIXED_TORN
                path = common(path, unit.path)
                free = room(path)
            after = unit
            if tokens > free and first < end - 1:
                if tokens > limit:
                    break
                continue
            empty = 1 - tokens / free if tokens < free else 0.0
            cost = costs[first] + empty * empty + mixed + (unit.cut if first else 0.0)
            if cost < best:
                best, before = cost, first
        costs.append(best)
        befores.append(before)
    cuts = [len(units)]
    while cuts[-1]:
        cuts.append(befores[cuts[-1]])
    yield from pairwise(reversed(cuts))
