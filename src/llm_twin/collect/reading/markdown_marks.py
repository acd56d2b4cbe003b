"""Text with marked stretches (bold, italic, code, links) -> Markdown that a CommonMark reader takes for just that."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from llm_twin.collect.reading.markdown import code_span, link

Mark = Literal["link", "strong", "em", "code"]
DEPTH: dict[Mark, int] = {"link": 0, "strong": 1, "em": 2, "code": 3}  # which of two equal stretches is outside

MARKS = re.compile(r"[*`]|(?<![^\W_])_|_(?![^\W_])")
IN_LINK = re.compile(rf"[\[\]]|{MARKS.pattern}")


@dataclass(frozen=True)
class Span:
    """A marked stretch `text[start:end]`, in characters."""

    start: int
    end: int
    mark: Mark
    target: str = ""  # of a link


def styled(text: str, spans: Iterable[Span]) -> str:
    """`text` with its marked stretches in Markdown. Any spans will do; every character of `text` is kept.

    Markdown can't express all spans: marks have to nest, must not touch white space inside, and next to a letter they
    only count beside another letter (CommonMark 6.2). So overlapping ones are cut, and edges moved inwards.
    """
    settled = _settle(text, list(spans))
    return _block_starts(_render(text, 0, len(text), settled, in_link=False).strip())


def _settle(text: str, spans: list[Span]) -> list[Span]:
    """The spans as they can be written: none empty, any two apart or one inside the other."""
    of = {mark: _parts(text, [span for span in spans if span.mark == mark]) for mark in DEPTH}
    codes = of["code"]
    links: list[Span] = []
    for anchor in (_around(span, codes) for span in of["link"]):
        start = max([anchor.start, *(other.end for other in links)])  # links do not nest
        if start < anchor.end:
            links.append(replace(anchor, start=start))
    settled = codes + links
    for mark in ("strong", "em"):
        for span in (_around(span, codes) for span in of[mark]):
            cuts = {edge for other in settled if _cross(span, other) for edge in (other.start, other.end)}
            edges = [span.start, *sorted(cut for cut in cuts if span.start < cut < span.end), span.end]
            for start, end in pairwise(edges):
                if piece := _flanked(text, replace(span, start=start, end=end), settled):
                    settled.append(piece)
    return sorted(set(settled), key=lambda s: (s.start, -s.end, DEPTH[s.mark]))


def _trimmed(text: str, span: Span) -> Span | None:
    """The span within the text and without white space at its edges; None when nothing is left."""
    start, end = max(span.start, 0), min(span.end, len(text))
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return replace(span, start=start, end=end) if start < end else None


def _parts(text: str, spans: list[Span]) -> list[Span]:
    """Spans of one mark, in order, with those joined that touch or overlap and mean the same; white space trimmed."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if joined and joined[-1].target == span.target and span.start <= joined[-1].end:
            joined[-1] = replace(joined[-1], end=max(joined[-1].end, span.end))
        elif span.end > span.start:
            joined.append(span)
    return [trimmed for span in joined if (trimmed := _trimmed(text, span))]


def _around(span: Span, codes: list[Span]) -> Span:
    """The span grown so that none of its edges lies inside code, where marks mean nothing."""
    start = min([span.start, *(code.start for code in codes if code.start < span.start < code.end)])
    end = max([span.end, *(code.end for code in codes if code.start < span.end < code.end)])
    return replace(span, start=start, end=end)


def _cross(one: Span, other: Span) -> bool:
    return one.start < other.start < one.end < other.end or other.start < one.start < other.end < one.end


def _flanked(text: str, span: Span, settled: list[Span]) -> Span | None:
    """The emphasis with edges that count as such: beside a letter outside, there has to be a letter inside."""
    trimmed = _trimmed(text, span)
    if trimmed is None:
        return None
    start, end = trimmed.start, trimmed.end
    around = [s for s in settled if s.mark == "link" and s.start <= start and end <= s.end]
    inside = [s for s in settled if s not in around and s.start < end and start < s.end]

    def counts(edge: int, outer: int, inner: int) -> bool:
        if not 0 <= outer < len(text) or text[outer].isspace() or any(edge in (s.start, s.end) for s in around):
            return True  # a space or a link's bracket stands outside
        shared = any(edge in (s.start, s.end) for s in inside)
        if unicodedata.category(text[outer]).startswith("P"):
            # Between two punctuation marks a run of stars could open as well as close; readers disagree about which.
            return text[inner].isalnum() or not shared or Span(start, end, "strong") in inside
        return text[inner].isalnum() and not shared

    while start < end and not counts(start, start - 1, start):
        start += 1
    while start < end and not counts(end, end, end - 1):
        end -= 1
    moved = _trimmed(text, replace(span, start=start, end=end))
    return moved if moved and not any(_cross(moved, other) for other in settled) else None


def _render(text: str, start: int, end: int, spans: list[Span], in_link: bool) -> str:
    parts: list[str] = []
    at = start
    for index, span in enumerate(spans):
        if span.start < at or span.end > end:
            continue
        before = _escaped(text, at, span.start, in_link)
        if span.mark == "link" and before.endswith("!"):  # which would make it an image
            before = before[:-1] + "\\!"
        parts.append(before)
        if span.mark == "code":
            parts.append(code_span(re.sub(r"[\r\n]+", " ", text[span.start : span.end])))
        else:
            inside = [s for s in spans[index + 1 :] if span.start <= s.start and s.end <= span.end]
            content = _render(text, span.start, span.end, inside, in_link or span.mark == "link")
            mark = {"strong": "**", "em": "*"}.get(span.mark, "")
            parts.append(link(content, span.target) if span.mark == "link" else f"{mark}{content}{mark}")
        at = span.end
    return "".join(parts) + _escaped(text, at, end, in_link)


def _escaped(text: str, start: int, end: int, in_link: bool) -> str:
    """`text[start:end]` with what would read as a mark escaped. An underscore inside a word is none."""
    parts: list[str] = []
    at = start
    for found in (IN_LINK if in_link else MARKS).finditer(text, start, end + 1):  # + 1: what follows decides
        if found.start() < end:
            parts += [text[at : found.start()], "\\"]
            at = found.start()
    parts.append(text[at:end])
    return re.sub(r"(?<![ \t])[ \t]*[\r\n]\s*", "  \n", "".join(parts))


def _block_starts(paragraph: str) -> str:
    """The paragraph with line starts escaped that would begin a heading, list, quote or rule."""
    return re.sub(
        r"(?m)^[ \t]*(?:(\d{1,9})(?=[.)](?:\s|$))|(?=(?:#{1,6}|[-+])(?:\s|$)|>|~~~|={1,}\s*$|-{2,}\s*$))",
        lambda found: f"{found[1] or ''}\\",
        paragraph,
    )
