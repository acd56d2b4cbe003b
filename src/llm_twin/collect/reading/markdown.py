"""HTML fragments -> Markdown (html-to-markdown, Rust), and the pieces of Markdown that parsers write themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from html_to_markdown import ConversionOptions


FENCE = re.compile(r"\s*(`{3,}|~{3,})")
# A placeholder that a script would fill in, or a megabyte of letters.
INLINE_PICTURE = re.compile(r"""<img\b[^<>]{0,1000}?\ssrc=["']data:[^<>]*>""", re.I)


@lru_cache(maxsize=32)  # every page has an address of its own
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

    html = INLINE_PICTURE.sub("", html.replace("\0", ""))
    return spaced(convert(html, _options(output, base_url)).content or "").strip()


def spaced(markdown: str) -> str:
    """Markdown with one blank line, not more, between blocks, and one around quotes; code blocks as they are."""
    lines: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        before = lines[-1] if lines else ""
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match := FENCE.match(line):
            fence = match[1]
        elif not line.strip() and not before.strip():
            continue
        elif line.strip() and before.strip() and line.startswith(">") != before.startswith(">"):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def counted(markdown: str) -> str:
    """Markdown whose paragraphs may begin with a number or bullet as items do: authors who wrote one meant it."""
    lines: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match := FENCE.match(line):
            fence = match[1]
        elif "\\" in line[:11]:
            line = re.sub(r"^(\d{1,9})?\\([.)]|[-+](?= ))(?=\s)", r"\1\2", line)
        lines.append(line)
    return "\n".join(lines)


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


def without_marks(markdown: str) -> str:
    """Markdown as plain text, near enough to count its words and show its first line."""
    text = re.sub(r"!?\[((?:\\.|[^\]\\]){0,500})\]\((?:<[^>]{0,2000}>|[^)\s]{0,2000})\)", r"\1", markdown)
    text = re.sub(r"(?m)^[ \t]*(?:#{1,6} |> ?|[-*+] |`{3,}.*$)", "", text)
    return re.sub(r"\\([!-/:-@\[-`{-~])|\*+|`+", r"\1", text)
