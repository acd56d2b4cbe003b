"""Why `extract` took one part of a page for its text and left another out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_twin.collect.content import LIKELY, judge
from llm_twin.collect.content_blocks import outline_of
from llm_twin.collect.content_features import AROUND
from llm_twin.collect.extract import marked_text
from llm_twin.collect.extract_metadata import read_metadata
from llm_twin.collect.extract_trees import body_of, flatten_code, parse
from llm_twin.documents import Value

if TYPE_CHECKING:
    from lxml.html import HtmlElement

SHOWN = 80  # characters of a block
FRAMES = ("nav", "footer", "aside", "form")


class Opinion(Value):
    """What was decided of one block of text."""

    kept: bool
    likelihood: float  # that it belongs to the text, with its list or table
    element: str
    words: int
    begins: str
    because: str  # what speaks against it or decided; empty where the likelihood alone did


def explain(html: str, url: str) -> list[Opinion]:
    """What was decided of each block of a page, in reading order; empty where the page's own marks decided instead.

    They do where a post says in microformats where it begins and ends, where no block is likely, or where there are
    more blocks than are judged.
    """
    tree = parse(html)
    if tree is None:
        return []
    told = read_metadata(tree, url)
    flatten_code(tree)
    if told.kind == "post" and marked_text(tree, url):
        return []
    judgement = judge(outline_of(body_of(tree)), told.title, told.article_body or "")
    if judgement is None:
        return []
    opinions = []
    judged = zip(judgement.outline.blocks, judgement.alone, judgement.drawn, judgement.kept, strict=True)
    for block, alone, drawn, kept in judged:
        reasons = ["its list or table decided"] if (alone >= LIKELY) != (drawn >= LIKELY) else []
        if drawn >= LIKELY and not kept:
            reasons.append("said before")
        elif not kept:
            reasons += _against(block.owner)
            if 2 * block.linked > len(block.text):
                reasons.append(f"{min(100 * block.linked // len(block.text), 100)} % linked")
        opinions.append(
            Opinion(
                kept=kept,
                likelihood=round(drawn, 2),
                element=_named(block.owner),
                words=len(block.words),
                begins=" ".join(block.text[:SHOWN].split()),
                because=", ".join(reasons),
            )
        )
    return opinions


def _against(owner: HtmlElement) -> list[str]:
    """The closest element around a block whose name speaks of what surrounds a text."""
    for element in (owner, *owner.iterancestors()):
        if element.tag in ("body", "html"):
            break
        named = f"{element.get('class') or ''} {element.get('id') or ''}".lower()
        if element.tag in FRAMES or AROUND.search(named):
            return [f"in {_named(element)}"]
    return []


def _named(element: HtmlElement) -> str:
    classes = (element.get("class") or "").split()
    return ".".join([str(element.tag), *classes[:2]])[:SHOWN]
