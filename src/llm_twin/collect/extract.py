"""HTML -> Markdown, plain text and metadata of the one article or post that a page shows.

`extract(html, url)` is the door, `reading/` what stands behind it. The tree is parsed once; `content.py` cuts it down
to the text and converts what is left. Where nothing is found, the page's own `<article>`, `<main>` or JSON-LD
`articleBody` is used. Metadata: `metadata.py`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from pydantic import Field

from llm_twin.collect.pages import Page
from llm_twin.collect.reading.content import content_of
from llm_twin.collect.reading.formulas import write_formulas
from llm_twin.collect.reading.language import language_for
from llm_twin.collect.reading.markdown import markdown_of, plain_of
from llm_twin.collect.reading.metadata import Metadata, read_metadata
from llm_twin.collect.reading.not_articles import not_article
from llm_twin.collect.reading.trees import flatten_code, has_class, parse, select, spread
from llm_twin.collect.reading.walls import wall
from llm_twin.documents import Value, now
from llm_twin.errors import Reason

if TYPE_CHECKING:
    from lxml.html import HtmlElement

logger = logging.getLogger(__name__)

EXTRACTOR = "8"  # another one whenever results change: pages that did not change are read again then
# Letters and digits. A handful of words has more; counted in characters because not all scripts put spaces.
MIN_LETTERS = {"article": 20, "post": 1}
PARTLY = {Reason.PAYWALL, Reason.LOGIN_REQUIRED}  # of such pages an opening can be read
NOT_CONTENT = ("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button", "svg", "dialog")


class Extraction(Value):
    """What a page says. Where it is no article, `reason` tells why, and `text` is what could be read, or empty."""

    text: str = Field(repr=False)  # plain, no Markdown marks
    markdown: str = Field(repr=False)
    reason: Reason | None = None  # blocked, login_required, paywall, not_found, list_page, empty, not_html
    detail: str = ""  # the reason in words
    title: str = ""
    author: str | None = None
    published_at: datetime | None = None  # as the page says it, in its own time zone
    language: str | None = None  # ISO 639-1
    description: str | None = None
    canonical: str | None = None  # the page's own canonical link, where it stays on the same site
    kind: Literal["article", "post"] = "article"


def extract(html: bytes | str, url: str) -> Extraction:
    """The article or post that `html`, fetched from `url`, shows, or why it shows none. Never raises."""
    headers = {} if isinstance(html, bytes) else {"content-type": "text/html; charset=utf-8"}
    body = html if isinstance(html, bytes) else html.encode("utf-8", "replace")
    page = Page(url=url, status=200, headers=headers, fetched_at=now(), body=body)
    return _guarded(page.url, lambda: refused(*why) if (why := wall(page)) else _read(page))


def extract_page(page: Page) -> Extraction:
    """The same for a page that is known to be no wall (see `walls.py`). Never raises."""
    return _guarded(page.url, lambda: _read(page))


def describe(html: str, url: str) -> Extraction:
    """The metadata alone, for pages whose text is read from elsewhere: five times as fast. Never raises."""
    return _guarded(url, lambda: _extract(html, url, with_text=False))


def refused(reason: Reason, detail: str) -> Extraction:
    """A page of which nothing can be read."""
    return Extraction(text="", markdown="", reason=reason, detail=detail)


def _guarded(url: str, read: Callable[[], Extraction]) -> Extraction:
    try:
        return read()
    except MemoryError:  # says more than that nothing was found
        raise
    except Exception as error:  # broken pages break parsers in endless ways; what is found then is: nothing
        logger.warning("nothing extracted from %s: %s", url, type(error).__name__, exc_info=True)
        return refused(Reason.EMPTY, f"nothing could be read: {type(error).__name__}")


def _read(page: Page) -> Extraction:
    found = _extract(page.text, page.url)
    if why := not_article(page, found.text) or next_to_nothing(found):
        reason, detail = why
        readable = {} if reason in PARTLY else {"text": "", "markdown": ""}
        return found.model_copy(update={"reason": reason, "detail": detail, **readable})
    return found


def next_to_nothing(found: Extraction) -> tuple[Reason, str] | None:
    """Why a text is too short to be one, and a word on it; None for all others."""
    if len(list(islice(re.finditer(r"[^\W_]", found.text), MIN_LETTERS[found.kind]))) < MIN_LETTERS[found.kind]:
        return Reason.EMPTY, "next to no text on the page; JavaScript may have to draw it"
    return None


def _extract(html: str, url: str, with_text: bool = True) -> Extraction:
    tree = parse(html)
    if tree is None:
        return Extraction(text="", markdown="")
    alive = list(tree.iter())  # kept: lxml would make each of them again wherever one is touched
    found = read_metadata(tree, url)
    markdown = text = ""
    if with_text:
        base = _base(tree, url)
        flatten_code(tree)
        spread(alive)
        write_formulas(tree)
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
        language=language_for(found.language, text) if with_text else found.language,
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
