"""HTML -> Markdown, plain text and metadata of the one article or post that a page shows.

`extract(html, url)` is the door. trafilatura finds the main text on a tree that is parsed once; code blocks are taken
past it, because it drops their blank lines and languages. Where it finds nothing, the page's own `<article>`, `<main>`
or JSON-LD `articleBody` is used. Metadata: `extract_metadata.py`.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_twin.collect.extract_metadata import Metadata, read_metadata
from llm_twin.collect.extract_trees import NO_LANGUAGE, flatten_code, has_class, language_class, parse, select
from llm_twin.collect.markdown import fenced, markdown_of, plain_of, spaced
from llm_twin.collect.pages import Page
from llm_twin.documents import Value, now

if TYPE_CHECKING:
    from lxml.html import HtmlElement

logger = logging.getLogger(__name__)

NOT_CONTENT = ("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button", "svg", "dialog")
# A word that no page contains and no cleaning touches, in the place of a code block; two lines of it make a fence.
PLACEHOLDER = "xqcodeblock{0}qx"
FENCED = re.compile(r"(?m)^([ \t]*)`{3,}\s*(?:xqcodeblock(\d+)qx\s*){2}`{3,}")
BARE = re.compile(r"xqcodeblock(\d+)qx\s+xqcodeblock\d+qx")


class Extraction(Value):
    """What a page says. Empty `text` means that nothing was found, for instance because JavaScript draws the page."""

    text: str = Field(repr=False)  # plain, no Markdown marks
    markdown: str = Field(repr=False)
    title: str = ""
    author: str | None = None
    published_at: datetime | None = None  # as the page says it, in its own time zone
    language: str | None = None  # ISO 639-1
    description: str | None = None
    canonical: str | None = None  # the page's own canonical link, where it stays on the same site
    kind: Literal["article", "post"] = "article"


def extract(html: bytes | str, url: str) -> Extraction:
    """The article or post that `html`, fetched from `url`, shows. Never raises, whatever the bytes."""
    return _guarded(html, url, with_text=True)


def describe(html: bytes | str, url: str) -> Extraction:
    """The metadata alone, for pages whose text is read from elsewhere: five times as fast. Never raises."""
    return _guarded(html, url, with_text=False)


def _guarded(html: bytes | str, url: str, with_text: bool) -> Extraction:
    try:
        if isinstance(html, bytes):
            html = Page(url=url, status=200, headers={}, fetched_at=now(), body=html).text
        return _extract(html, url, with_text)
    except Exception as error:  # broken pages break parsers in endless ways; what is found then is: nothing
        logger.warning("nothing extracted from %s: %s", url, type(error).__name__, exc_info=True)
        return Extraction(text="", markdown="")


def _extract(html: str, url: str, with_text: bool) -> Extraction:
    tree = parse(html)
    if tree is None:
        return Extraction(text="", markdown="")
    found = read_metadata(tree, url)
    markdown = text = ""
    if with_text:
        tree.make_links_absolute(url, handle_failures="ignore")  # trafilatura would resolve them against the host alone
        flatten_code(tree)
        markdown, text = (found.kind == "post" and _marked_text(tree, url)) or _main_text(tree, url)
        if not text.strip():
            markdown, text = _fallback_text(tree, found, url)
    return Extraction(
        text=text.strip(),
        markdown=markdown.strip(),
        title=found.title,
        author=found.author,
        published_at=found.published_at,
        language=found.language,
        description=found.description,
        canonical=found.canonical,
        kind=found.kind,
    )


def _marked_text(tree: HtmlElement, url: str) -> tuple[str, str] | None:
    """Markdown and plain text of a post in microformats, which say where it begins and ends."""
    from lxml.html import tostring

    contents = select(tree, f"//*[{has_class('h-entry')}]//*[{has_class('e-content')}]")
    if len(contents) != 1:
        return None
    html = tostring(contents[0], encoding="unicode", with_tail=False)
    return markdown_of(html, url), plain_of(html)


def _main_text(tree: HtmlElement, url: str) -> tuple[str, str]:
    """Markdown and plain text as trafilatura finds them; empty where it finds nothing."""
    from copy import deepcopy

    from lxml.etree import strip_tags
    from trafilatura import bare_extraction
    from trafilatura.xml import xmltotxt

    found = bare_extraction(
        tree,
        url=url,
        include_comments=False,
        include_links=True,
        include_formatting=True,
        include_tables=True,
    )
    if found is None or isinstance(found, dict):
        return "", ""
    blocks: list[tuple[str, str]] = []
    body = found.body
    for code in list(body.iter("code")):
        language = next((named for part in code.iter("code") if (named := language_class(part))), None)
        if language is None or code.getparent() is None:  # inline, or inside a block that was dealt with
            continue
        text = "".join(map(str, code.itertext()))
        blocks.append(("" if language in NO_LANGUAGE else language, text))
        for child in list(code):
            code.remove(child)
        code.text = "\n".join([PLACEHOLDER.format(len(blocks) - 1)] * 2)
    markdown = xmltotxt(body, True)
    plain = deepcopy(body)
    strip_tags(plain, "ref", "hi")
    return _with_code(markdown, blocks), BARE.sub(lambda m: blocks[int(m[1])][1], xmltotxt(plain, False))


def _with_code(markdown: str, blocks: list[tuple[str, str]]) -> str:
    def block(match: re.Match[str]) -> str:
        language, code = blocks[int(match[2])]
        return "".join(f"{match[1]}{line}" for line in fenced(code, language).splitlines(keepends=True)) + "\n"

    def inline(match: re.Match[str]) -> str:  # in a table's cell, where no block can stand
        return " ".join(blocks[int(match[1])][1].split())

    return BARE.sub(inline, FENCED.sub(block, spaced(markdown)))


def _fallback_text(tree: HtmlElement, found: Metadata, url: str) -> tuple[str, str]:
    """Markdown and plain text of what the page itself marks as its content."""
    from lxml.html import tostring

    candidates = [found.article_body] if found.article_body else []
    for path in ("//article", "//main | //*[@role='main']", "//body"):
        for element in select(tree, path)[:1]:
            for unwanted in list(element.iter(*NOT_CONTENT)):
                unwanted.drop_tree()
            candidates.append(tostring(element, encoding="unicode"))
    for html in candidates:
        if markdown := markdown_of(html, url):
            return markdown, plain_of(html)
    return "", ""
