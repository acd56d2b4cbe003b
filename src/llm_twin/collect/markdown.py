"""HTML fragments -> Markdown (html-to-markdown, Rust), and the pieces of Markdown that parsers write themselves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from html_to_markdown import ConversionOptions


@cache
def _options(output: str, base_url: str | None) -> ConversionOptions:
    from html_to_markdown import ConversionOptions, PreprocessingOptions

    return ConversionOptions(
        output_format=output,
        base_url=base_url,
        bullets="-",
        compact_tables=True,
        autolinks=False,
        extract_metadata=False,
        preprocessing=PreprocessingOptions(enabled=False),  # it guesses what is navigation; the caller knows
    )


def markdown_of(html: str, base_url: str | None = None) -> str:
    """`html` as Markdown; relative links become absolute where `base_url` is given."""
    return _convert(html, "markdown", base_url)


def plain_of(html: str) -> str:
    """`html` as plain text, one block a paragraph."""
    return _convert(html, "plain", None)


def _convert(html: str, output: str, base_url: str | None) -> str:
    from html_to_markdown import convert

    text = convert(html.replace("\0", ""), _options(output, base_url)).content or ""
    return re.sub(r"\n{3,}(?!.*^```)", "\n\n", text, flags=re.S | re.M).strip() if "```" not in text else text.strip()


def fenced(code: str, language: str = "") -> str:
    """`code` between fences that are longer than any run of backticks in it. Nothing in it is changed."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.rstrip(chr(10))}\n{fence}"


def code_span(text: str) -> str:
    """`text` as inline code, whatever backticks it holds (CommonMark 6.1)."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    mark = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def link(text: str, target: str) -> str:
    """A Markdown link; a target with brackets or spaces goes between angle brackets."""
    if re.search(r"[()\s<>]", target):
        target = "<" + re.sub(r"[\s<>]", lambda found: f"%{ord(found[0]):02X}", target) + ">"
    return f"[{text}]({target})"


def quoted(lines: Sequence[str]) -> str:
    """Lines as a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in lines)


Mark = Literal["link", "strong", "em", "code"]
DEPTH: dict[Mark, int] = {"link": 0, "strong": 1, "em": 2, "code": 3}  # which of two equal stretches is outside


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
    of = {mark: _merged([s for s in map(partial(_trimmed, text), spans) if s and s.mark == mark]) for mark in DEPTH}
    codes = of["code"]
    links: list[Span] = []
    for link in (_around(span, codes) for span in of["link"]):
        start = max([link.start, *(other.end for other in links)])  # links do not nest
        if start < link.end:
            links.append(replace(link, start=start))
    settled = codes + links
    for mark in ("strong", "em"):
        for span in (_around(span, codes) for span in of[mark]):
            cuts = {edge for other in settled if _cross(span, other) for edge in (other.start, other.end)}
            edges = [span.start, *sorted(cut for cut in cuts if span.start < cut < span.end), span.end]
            for start, end in pairwise(edges):
                if piece := _flanked(text, replace(span, start=start, end=end), codes + links):
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


def _merged(spans: list[Span]) -> list[Span]:
    """Spans of one mark with those joined that touch or overlap and mean the same."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if merged and merged[-1].target == span.target and span.start <= merged[-1].end:
            merged[-1] = replace(merged[-1], end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _around(span: Span, codes: list[Span]) -> Span:
    """The span grown so that none of its edges lies inside code, where marks mean nothing."""
    start = min([span.start, *(code.start for code in codes if code.start < span.start < code.end)])
    end = max([span.end, *(code.end for code in codes if code.start < span.end < code.end)])
    return replace(span, start=start, end=end)


def _cross(one: Span, other: Span) -> bool:
    return one.start < other.start < one.end < other.end or other.start < one.start < other.end < one.end


def _flanked(text: str, span: Span, inner: list[Span]) -> Span | None:
    """The emphasis with edges that count as such: beside a letter outside, there has to be a letter inside."""
    trimmed = _trimmed(text, span)
    if trimmed is None:
        return None
    start, end = trimmed.start, trimmed.end
    inside_link = {(s.start, s.end) for s in inner if s.mark == "link" and s.start <= start and end <= s.end}

    def loose(outer: int, first: int, link_edge: bool) -> bool:
        at_inner = any(first in (s.start, s.end - 1) and not (s.start <= start and end <= s.end) for s in inner)
        return (
            0 <= outer < len(text)
            and not link_edge
            and not text[outer].isspace()
            and not unicodedata.category(text[outer]).startswith("P")
            and (at_inner or not text[first].isalnum())
        )

    while start < end and loose(start - 1, start, any(s == start for s, _ in inside_link)):
        start += 1
    while start < end and loose(end, end - 1, any(e == end for _, e in inside_link)):
        end -= 1
    moved = _trimmed(text, replace(span, start=start, end=end))
    return moved if moved and not any(_cross(moved, other) for other in inner) else None


def _render(text: str, start: int, end: int, spans: list[Span], in_link: bool) -> str:
    parts: list[str] = []
    at = start
    for index, span in enumerate(spans):
        if span.start < at or span.end > end:
            continue
        parts.append(_escaped(text, at, span.start, in_link))
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
    special = "*`[]" if in_link else "*`"
    parts = []
    for index in range(start, end):
        character = text[index]
        inside_word = text[index - 1 : index].isalnum() and text[index + 1 : index + 2].isalnum()
        if character in special or (character == "_" and not inside_word):
            parts.append("\\")
        parts.append(character)
    return re.sub(r"[ \t]*[\r\n]\s*", "  \n", "".join(parts))


def _block_starts(paragraph: str) -> str:
    """The paragraph with line starts escaped that would begin a heading, list, quote or rule."""
    return re.sub(
        r"(?m)^[ \t]*(?:(\d{1,9})(?=[.)](?:\s|$))|(?=(?:#{1,6}|[-+])(?:\s|$)|>|~~~|={1,}\s*$|-{2,}\s*$))",
        lambda found: f"{found[1] or ''}\\",
        paragraph,
    )


def without_marks(markdown: str) -> str:
    """Markdown as plain text, near enough to count its words and show its first line."""
    text = re.sub(r"!?\[((?:\\.|[^\]\\])*)\]\((?:<[^>]*>|[^)\s]*)\)", r"\1", markdown)
    text = re.sub(r"(?m)^[ \t]*(?:#{1,6} |> ?|[-*+] |`{3,}.*$)", "", text)
    return re.sub(r"\\([!-/:-@\[-`{-~])|\*+|`+", r"\1", text)
