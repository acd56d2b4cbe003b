"""HTML -> Markdown, plain text and metadata of the one article or post that a page shows.

`extract(html, url)` is the door. The tree is parsed once; `content.py` cuts it down to the text and converts what is
left. Where nothing is found, the page's own `<article>`, `<main>` or JSON-LD
`articleBody` is used. Metadata: `extract_metadata.py`.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from pydantic import Field

from llm_twin.collect.content import content_of
from llm_twin.collect.extract_metadata import Metadata, read_metadata
from llm_twin.collect.extract_trees import flatten_code, has_class, parse, select
from llm_twin.collect.markdown import markdown_of, plain_of
from llm_twin.collect.pages import Page
from llm_twin.documents import Value, now

if TYPE_CHECKING:
    from lxml.html import HtmlElement

logger = logging.getLogger(__name__)

EXTRACTOR = "3"  # another one whenever results change: pages that did not change are read again then
NOT_CONTENT = ("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button", "svg", "dialog")


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
    except MemoryError:  # says more than that nothing was found
        raise
    except Exception as error:  # broken pages break parsers in endless ways; what is found then is: nothing
        logger.warning("nothing extracted from %s: %s", url, type(error).__name__, exc_info=True)
        return Extraction(text="", markdown="")


def _extract(html: str, url: str, with_text: bool) -> Extraction:
    tree = parse(html)
    if tree is None:
        return Extraction(text="", markdown="")
    _alive = list(tree.iter())  # kept: lxml would make each of them again wherever one is touched
    found = read_metadata(tree, url)
    markdown = text = ""
    if with_text:
        base = _base(tree, url)
        flatten_code(tree)
        marked = marked_text(tree, base) if found.kind == "post" else None
        markdown, text = marked or content_of(tree, found.title, found.article_body or "", base) or ("", "")
        if not text.strip():
            markdown, text = _fallback_text(tree, found, base)
        if not (text.strip() and markdown.strip()):  # an empty link is Markdown, but no text
            markdown = text = ""
    return Extraction(
        text=text.strip("\n"),  # code may begin and end with spaces
        markdown=markdown.strip(),
        title=found.title,
        author=found.author,
        published_at=found.published_at,
        language=found.language,
        description=found.description,
        canonical=found.canonical,
        kind=found.kind,
    )


def _base(tree: HtmlElement, url: str) -> str:
    """What the page's links are relative to."""
    told = next((base.get("href") for base in tree.iter("base")), None)
    try:
        return urljoin(url, told.strip()) if told else url
    except ValueError:
        return url


def marked_text(tree: HtmlElement, url: str) -> tuple[str, str] | None:
    """Markdown and plain text of a post in microformats, which say where it begins and ends."""
    from lxml.html import tostring

    contents = select(tree, f"//*[{has_class('h-entry')}]//*[{has_class('e-content')}]")
    if len(contents) != 1:
        return None
    html = tostring(contents[0], encoding="unicode", with_tail=False)
    return markdown_of(html, url), plain_of(html)


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
