"""HTML trees: parsing, selecting, and code blocks freed from what highlighters put around them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, cast

from llm_twin.collect.reading.content_blocks import INLINE
from llm_twin.collect.reading.tame import bounded, tame

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

LANGUAGE_CLASS = re.compile(
    r"(?:^|\s)(?:language-|lang-|highlight-source-|highlight-(?=[\w+#.]+ notranslate)|brush:\s*"
    r"|(?:hljs|sourceCode|prettyprint|highlight)\s+)([\w+#.]{1,20})(?![\w-])"
    r"|(?:^|\s)([\w+#.]{1,20})\s+hljs(?![\w-])"
)
WRAPPER = re.compile(r"highlight|(?:^|\s)language-")
NO_LANGUAGE = {"plaintext", "text", "txt", "plain", "none", "nohighlight", "default", "undefined", "linenums"}
NO_LANGUAGE |= {"hljs", "highlight"}  # what has these classes alone says none
MOST_BESIDE = 1_000  # inline elements in one; no paragraph that somebody reads has as many
IN_CODE = ("button", "script", "style", "svg", "select", "textarea", "noscript", "template")  # that are no code
LINE_CELLS = ("blob-code", "js-file-line", "hljs-ln-code", "crayon-code", "rouge-code")  # classes of cells with code
# What no tree may hold, and two private characters that stand in for others until all is Markdown.
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ue0ef\ue0f2-\ufffd\U00010000-\U0010ffff]")
UNWRITABLE_REFERENCE = re.compile(
    r"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01]|6553[45]|5758[45])(?!\d)|x0*(?:[0-8bcef]|1[\da-f]|fff[ef]|e0f[01])(?![\da-f]));?",
    re.I,
)
GUTTER_CELL = "td[contains(@class, 'gutter') or contains(@class, 'lineno') or descendant::span[@class='lnt']]"
GUTTERS = (
    f"descendant::{GUTTER_CELL} | "
    "descendant::*[self::span or self::a or self::div][@class='lineno' or @class='linenos' or @class='ln' "
    "or contains(@class, 'line-number') or contains(@class, 'LineNumber') or (self::div and @class='gutter')]"
)


def parse(html: str) -> HtmlElement | None:
    """The tree of a page, of its beginning where it is far larger than pages are; None when there is nothing in it."""
    from lxml import etree
    from lxml.html import HTMLParser, document_fromstring

    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False)
    try:
        # As bytes: a text with an encoding in its XML declaration would be refused.
        return document_fromstring(_writable(tame(bounded(html))).encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, ValueError):
        return None


def spread(elements: Iterable[HtmlElement]) -> None:
    """Make several paragraphs of thousands of inline elements: converting one takes the square of how many it has."""
    for element in [element for element in elements if len(element) > MOST_BESIDE]:
        held: HtmlElement | None = None
        for child in list(element):
            if child.tag not in INLINE:
                held = None
                continue
            if held is None or len(held) >= MOST_BESIDE:
                held = element.makeelement("div")
                child.addprevious(held)
            held.append(child)


def _writable(source: str) -> str:
    """The source without control characters, which parsers take in but no tree lets be written."""
    source = UNWRITABLE.sub("", source.replace("\f", " "))
    return UNWRITABLE_REFERENCE.sub("", source) if "&#" in source else source


def body_of(tree: HtmlElement) -> HtmlElement:
    """A page's body; what stands for it where there is none."""
    body = tree if tree.tag == "body" else tree.find("body")
    return tree if body is None else body


def select(tree: HtmlElement, path: str) -> list[HtmlElement]:
    """The elements that an XPath expression finds, in document order."""
    return cast("list[HtmlElement]", tree.xpath(path))


def has_class(name: str) -> str:
    """The XPath condition that an element carries a class."""
    return f"contains(@class, '{name}') and contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


def flatten_code(tree: HtmlElement) -> None:
    """Leave of every `<pre>` one `<code class="language-…">`: no highlighting, line numbers or layout tables."""
    from lxml.etree import SubElement

    for table in select(tree, f"//table[descendant::{GUTTER_CELL} and descendant::pre]"):
        blocks = select(table, f"descendant::pre[not(ancestor::{GUTTER_CELL})]")
        if len(blocks) == 1:
            blocks[0].tail = table.tail
            table.getparent().replace(table, blocks[0])
    _find_code(tree)
    for pre in select(tree, "//pre[not(ancestor::pre)]"):
        for gutter in [*select(pre, GUTTERS), *pre.iter(*IN_CODE)]:
            if gutter.getparent() is not None:
                gutter.drop_tree()
        language = _language(pre)
        _drop_labels(pre, language)
        _unframe(pre)
        text = _text_of_pre(pre).strip("\n")
        tail = pre.tail
        for child in list(pre):
            pre.remove(child)
        pre.text, pre.tail = None, tail
        code = SubElement(pre, "code")
        code.text = UNWRITABLE.sub("", text)
        if language:
            code.set("class", f"language-{language}")
        if "\n" not in text and _fills_cell(pre):
            pre.drop_tag()


def _unframe(pre: HtmlElement) -> None:
    """Make a plain division of a figure that holds code alone, since what stands in figures is rarely the text."""
    figure = next((above for above in islice(pre.iterancestors(), 3) if above.tag == "figure"), None)
    if figure is not None and all(inner.tag not in ("img", "table", "video", "iframe") for inner in figure.iter()):
        figure.tag = "div"


def _fills_cell(pre: HtmlElement) -> bool:
    """Whether a block is all that stands in a cell of a table, where one line of code is a value."""
    cell = pre.getparent()
    return (
        cell is not None
        and cell.tag in ("td", "th")
        and len(cell) == 1
        and not f"{cell.text or ''}{pre.tail or ''}".strip()
    )


def _find_code(tree: HtmlElement) -> None:
    """Make code blocks of tables with a row for each line, and of inline code that fills lines of its own."""
    from lxml.etree import SubElement

    tables: dict[HtmlElement, list[str]] = {}
    for cell in tree.iter("td"):
        if any(name in (cell.get("class") or "") for name in LINE_CELLS):
            table = next(cell.iterancestors("table"), None)
            if table is not None and next(table.iterancestors("pre", "table"), None) is None:
                tables.setdefault(table, []).append(_text_of_pre(cell).strip("\n"))
    for table, lines in tables.items():
        if table.find(".//pre") is None:
            for child in list(table):
                table.remove(child)
            table.tag, table.text = "pre", None
            SubElement(table, "code").text = "\n".join(lines)
    for code in list(tree.iter("code")):
        around = code.getparent()
        if around is not None and around.tag in ("div", "p", "td", "li", "figure") and len(around) == 1:
            written = code.find(".//br") is not None or "language-" in (code.get("class") or "")
            if written and not f"{around.text or ''}{code.tail or ''}".strip():
                code.tag = "pre"


def _language(pre: HtmlElement) -> str:
    """The language that highlighters note on the block, its code or one of its two closest wrappers."""
    wrappers = [wrapper for wrapper in islice(pre.iterancestors(), 2) if WRAPPER.search(wrapper.get("class") or "")]
    for element in (pre, *pre.iter("code"), *wrappers):
        named = element.get("data-lang") or element.get("data-language") or language_class(element) or _brush(element)
        if named and re.fullmatch(r"[\w+#.-]{1,20}", named):
            return "" if named.lower() in NO_LANGUAGE else named.lower()
    return ""


def _brush(element: _Element) -> str | None:
    """The language as Confluence notes it."""
    match = re.search(r"brush:\s*([\w+#.]{1,20})", element.get("data-syntaxhighlighter-params") or "")
    return match[1] if match else None


def _drop_labels(pre: HtmlElement, language: str) -> None:
    """Remove what a wrapper shows beside its code: the name of the language, a column of line numbers."""
    around = pre.getparent()
    if around is None or not WRAPPER.search(around.get("class") or ""):
        return
    for beside in list(around):
        said = str(beside.text_content()).split()
        if beside is not pre and said and (said == [language] or all(line.isdigit() for line in said)):
            beside.drop_tree()


def language_class(element: _Element) -> str | None:
    """The language in an element's class; None where its class names none."""
    match = LANGUAGE_CLASS.search(str(element.get("class", "")))
    return (match[1] or match[2]) if match else None


def _text_of_pre(pre: HtmlElement) -> str:
    parts: list[str] = [pre.text or ""]
    for child in pre:
        if isinstance(child.tag, str):
            if child.tag == "br":
                parts.append("\n")
            else:
                inner = _text_of_pre(child)
                # Highlighters that put each line into a block of its own leave the newline to the style sheet.
                lacks_newline = child.tag in ("div", "li", "p", "tr") and not (inner + (child.tail or "")).endswith(
                    "\n"
                )
                parts.append(inner + "\n" if lacks_newline else inner)
        parts.append(child.tail or "")
    return "".join(parts)
