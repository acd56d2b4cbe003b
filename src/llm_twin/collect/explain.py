"""Why `extract` took one part of a page for its text and left another out, and whom it believed on the metadata."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llm_twin.collect.extract import marked_text
from llm_twin.collect.reading.claims import Claims, Field
from llm_twin.collect.reading.content import LIKELY, judge
from llm_twin.collect.reading.content_blocks import outline_of
from llm_twin.collect.reading.content_features import AROUND
from llm_twin.collect.reading.formulas import write_formulas
from llm_twin.collect.reading.language import language_of
from llm_twin.collect.reading.metadata import read_metadata
from llm_twin.collect.reading.trees import body_of, flatten_code, parse
from llm_twin.documents import Value

if TYPE_CHECKING:
    from lxml.html import HtmlElement

    from llm_twin.documents import Document

SHOWN = 80  # characters of a block
WORDS = "the words of the text"
ELSEWHERE = "the platform's own data, or the first line of the text"
FIELDS: tuple[Field, ...] = ("title", "author", "published_at", "language")
FRAMES = ("nav", "footer", "aside", "form")


class Opinion(Value):
    """What was decided of one block of text."""

    kept: bool
    likelihood: float  # that it belongs to the text, with its list or table
    element: str
    words: int
    begins: str
    because: str  # what speaks against it or decided; empty where the likelihood alone did


class Said(Value):
    """What one part of a page says."""

    source: str
    value: str


class Verdict(Value):
    """What was taken for a title, author, date or language, on whose word, and what others say."""

    field: Field
    value: str  # empty: nothing was found
    source: str
    because: str
    others: tuple[Said, ...]


class Explanation(Value):
    """What was decided of a page's metadata, and of its blocks of text in reading order."""

    metadata_explained: tuple[Verdict, ...] = ()
    explained: tuple[Opinion, ...] = ()


def explain_metadata(html: str, url: str, document: Document) -> tuple[Verdict, ...]:
    """Where the title, author, date and language of the document that was read from a page come from."""
    claims = Claims(thorough=True)
    if (tree := parse(html)) is not None:
        read_metadata(tree, url, claims)
    claims.add("language", WORDS, language_of(document.text) or "")
    values: dict[Field, str] = {
        "title": document.title,
        "author": str(document.metadata.get("byline") or ""),
        "published_at": _in_utc(document.published_at) if document.published_at else "",
        "language": document.language or "",
    }
    verdicts = []
    for name in FIELDS:
        source, because = claims.believed.get(name, ("", ""))
        made = [claim for claim in claims.made if claim.field == name]
        if name == "published_at":
            made = [claim._replace(value=_in_utc(datetime.fromisoformat(claim.value))) for claim in made]
        if not values[name]:
            source = because = ""
        elif values[name] not in {claim.value for claim in made if claim.source == source}:
            source = next((claim.source for claim in made if claim.value == values[name]), "")
            because = {WORDS: "no tag states it, or the text is plainly in another language", "": ELSEWHERE}.get(
                source, ""
            )
        others = tuple(
            Said(source=claim.source, value=claim.value)
            for claim in made
            if (claim.source, claim.value) != (source, values[name])
        )
        verdicts.append(Verdict(field=name, value=values[name], source=source, because=because, others=others))
    return tuple(verdicts)


def _in_utc(moment: datetime) -> str:
    """A moment as documents have it: without a zone it is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def explain(html: str, url: str) -> tuple[Opinion, ...]:
    """What was decided of each block of a page, in reading order; empty where the page's own marks decided instead.

    They do where a post says in microformats where it begins and ends, where no block is likely, or where there are
    more blocks than are judged.
    """
    tree = parse(html)
    if tree is None:
        return ()
    told = read_metadata(tree, url)
    flatten_code(tree)
    write_formulas(tree)
    if told.kind == "post" and marked_text(tree, url):
        return ()
    judgement = judge(outline_of(body_of(tree)), told.title, told.article_body or "")
    if judgement is None:
        return ()
    opinions = []
    judged = zip(judgement.outline.blocks, judgement.alone, judgement.drawn, judgement.kept, strict=True)
    for block, alone, drawn, kept in judged:
        reasons = ["its list or table decided"] if (alone >= LIKELY) != (drawn >= LIKELY) else []
        if kept and drawn < LIKELY:
            reasons = ["its table or section is kept"]
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
    return tuple(opinions)


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
