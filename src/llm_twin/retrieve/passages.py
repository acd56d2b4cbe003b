"""Found chunks to passages: those that touch are joined, neighbours added on request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llm_twin.documents import Passage
from llm_twin.vectors.store import Scored


def passages(chunks: Iterable[Scored]) -> tuple[Passage, ...]:
    """The chunks of one text, those that touch or overlap joined; best first, ties in reading order."""
    joined: list[Passage] = []
    for found in sorted(chunks, key=lambda found: (found.chunk.start, found.chunk.end)):
        chunk, last = found.chunk, joined[-1] if joined else None
        if last is None or chunk.start > last.end:
            joined.append(
                Passage(text=chunk.text, start=chunk.start, end=chunk.end, score=found.score, heading=chunk.heading)
            )
            continue
        better = found.score > last.score
        joined[-1] = Passage(
            text=last.text + chunk.text[last.end - chunk.start :],
            start=last.start,
            end=max(last.end, chunk.end),
            score=found.score if better else last.score,
            best=chunk.start - last.start if better else last.best,
            heading=chunk.heading if better else last.heading,
        )
    return tuple(sorted(joined, key=lambda passage: (-passage.score, passage.start)))


def with_neighbours(found: Sequence[Scored], document: Sequence[Scored], reach: int) -> list[Scored]:
    """`found` with up to `reach` chunks before and after each one, taken from its whole document in reading order."""
    same = [each for each in document if each.card.fingerprint == found[0].card.fingerprint]
    chosen = {each.chunk.id: each for each in found}
    for place, each in enumerate(same):
        if each.chunk.id in chosen and chosen[each.chunk.id].score != NEIGHBOUR:
            for beside in same[max(0, place - reach) : place + reach + 1]:
                chosen.setdefault(beside.chunk.id, beside.model_copy(update={"score": NEIGHBOUR}))
    return list(chosen.values())


NEIGHBOUR = float("-inf")  # below every score: a joined passage has that of what was found
