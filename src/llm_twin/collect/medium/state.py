"""The state that Medium embeds in its pages (`window.__APOLLO_STATE__`) -> Markdown.

Version 1, written in 2026 from the structure of pages of 2020 to 2025. References come in two forms,
`{"type": "id", "id": …}` until about 2021 and `{"__ref": …}` since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from llm_twin.collect.reading.markdown import fenced, link, quoted
from llm_twin.collect.reading.markdown_marks import Mark, Span, styled

VERSION = "medium 1"
STATE = re.compile(r"window\.__APOLLO_STATE__\s*=\s*(?=\{)")
MARKS: dict[str, Mark] = {"A": "link", "STRONG": "strong", "EM": "em", "CODE": "code"}
HEADINGS = {"H1": "## ", "H2": "## ", "H3": "## ", "H4": "### "}
RESPONSE_TO = ("inResponseToPostResult", "inResponseToCatalogResult")  # a story, or a list of stories
IMAGES = "https://miro.medium.com/v2/"
TITLE_WITHIN = 4  # paragraphs from the top; a kicker or an image may stand before the repeated title

Entity = dict[str, Any]


class State:
    """The entities of a page, with references followed."""

    def __init__(self, entities: Entity) -> None:
        self.entities = entities

    @classmethod
    def of(cls, html: str) -> State | None:
        """The state that a page embeds; None where there is none or it is broken."""
        if not (match := STATE.search(html)):
            return None
        try:
            found, _ = json.JSONDecoder(strict=False).raw_decode(html, match.end())
        except (ValueError, RecursionError):
            return None
        return cls(found) if isinstance(found, dict) else None

    def follow(self, value: object) -> Entity:
        """The object that `value` is or refers to; empty where it is neither."""
        for _ in range(4):  # a reference to a reference is rare, a circle an error
            if not isinstance(value, dict):
                break
            key = value.get("__ref") or (value.get("id") if value.get("type") == "id" else None)
            if key is None:
                inner = value.get("json") if value.get("type") == "json" else None
                return inner if isinstance(inner, dict) else value
            value = self.entities.get(str(key))
        return {}

    def each(self, value: object) -> Iterator[Entity]:
        """The objects of a list, in either form."""
        if isinstance(value, dict) and value.get("type") == "json":
            value = value.get("json")
        for item in value if isinstance(value, list) else []:
            if found := self.follow(item):
                yield found

    def post(self, ids: list[str]) -> Entity:
        """The post that the page shows: the first of `ids` that is there, else the only one with content; or empty."""
        posts = {key: value for key, value in self.entities.items() if re.fullmatch(r"Post:[0-9a-f]{6,12}", key)}
        for name in ids:
            if isinstance(found := posts.get(f"Post:{name}"), dict):
                return found
        full = [post for post in posts.values() if isinstance(post, dict) and self.paragraphs(post)]
        return full[0] if len(full) == 1 else {}

    def contents(self, post: Entity) -> list[Entity]:
        """What the state holds as the post's content; its key carries the arguments of the query."""
        return [self.follow(value) for key, value in post.items() if re.match(r"content(?:$|\()", key)]

    def paragraphs(self, post: Entity) -> list[Entity]:
        """The paragraphs of the fullest content."""
        found = [
            list(self.each(self.follow(content.get("bodyModel")).get("paragraphs"))) for content in self.contents(post)
        ]
        return max(found, key=len, default=[])

    def tags(self, post: Entity) -> list[str]:
        """The post's tags as readers see them, slugs where they have no other name."""
        named = (tag.get("displayTitle") or tag.get("normalizedTagSlug") or tag.get("id") for tag in self._tags(post))
        return [name for name in named if isinstance(name, str) and name]

    def _tags(self, post: Entity) -> Iterator[Entity]:
        return self.each(post.get("tags"))


def is_response(post: Entity) -> bool:
    """Whether a post answers a story or a list, whose own entity need not be there."""
    return any(post.get(name) for name in RESPONSE_TO)


def body(state: State, post: Entity) -> str:
    """The post in Markdown, without the title that its first paragraphs repeat."""
    paragraphs = _without_title(state.paragraphs(post), str(post.get("title") or ""))
    blocks: list[str] = []
    before, number = "", 0
    for paragraph in paragraphs:
        kind = str(paragraph.get("type") or "P")
        number = number + 1 if kind == "OLI" else 0
        block = _block(state, paragraph, kind, number)
        if not block:
            continue
        joined = {"ULI": "\n", "OLI": "\n", "BQ": "\n>\n"}.get(kind) if kind == before else None
        blocks.append((joined if joined is not None else "\n\n" if blocks else "") + block)
        before = kind
    return "".join(blocks)


def _without_title(paragraphs: list[Entity], title: str) -> list[Entity]:
    def fold(text: object) -> str:
        return " ".join(re.findall(r"\w+", str(text or "").casefold()))

    for index, paragraph in enumerate(paragraphs[:TITLE_WITHIN]):
        if paragraph.get("type") in HEADINGS and fold(paragraph.get("text")) == fold(title) != "":
            rest = paragraphs[index + 1 :]
            if rest and rest[0].get("type") == "H4":  # the subtitle, which is no heading of a section
                rest = [{**rest[0], "type": "P"}, *rest[1:]]
            return paragraphs[:index] + rest
    return paragraphs


def _block(state: State, paragraph: Entity, kind: str, number: int) -> str:
    text = str(paragraph.get("text") or "")
    if kind == "PRE":
        language = state.follow(paragraph.get("codeBlockMetadata")).get("lang")
        return fenced(text, language if isinstance(language, str) else "") if text.strip() else ""
    if kind == "MIXTAPE_EMBED":
        return _card(state, paragraph, text)
    words = styled(text, list(spans(state, paragraph, text)))
    if kind in HEADINGS:
        return HEADINGS[kind] + " ".join(words.split()) if words else ""
    if kind in ("ULI", "OLI"):
        mark = "- " if kind == "ULI" else f"{number}. "
        return mark + words.replace("\n", "\n" + " " * len(mark)) if words else ""
    if kind in ("BQ", "PQ"):
        return quoted(words.split("\n")) if words else ""
    if kind == "IMG":
        return _with_caption(_image(state, paragraph), words)
    if kind == "IFRAME":
        return _with_caption(_embed(state, paragraph), words)
    return words  # P, and whatever Medium adds next: its text is kept


def spans(state: State, paragraph: Entity, text: str) -> Iterator[Span]:
    """The marked stretches, their UTF-16 offsets turned into characters."""
    index_at = [0]
    for index, character in enumerate(text):
        # The second half of a pair counts to its character.
        index_at += [index + 1] if ord(character) < 0x10000 else [index, index + 1]
    last = len(index_at) - 1
    for markup in state.each(paragraph.get("markups")):
        mark = MARKS.get(str(markup.get("type")))
        start, end = markup.get("start"), markup.get("end")
        if mark is None or not isinstance(start, int) or not isinstance(end, int):
            continue
        target = ""
        if mark == "link":
            user = markup.get("userId")
            target = str(markup.get("href") or (f"https://medium.com/u/{user}" if user else ""))
            if not target:
                continue
        yield Span(index_at[min(max(start, 0), last)], index_at[min(max(end, 0), last)], mark, target)


def _image(state: State, paragraph: Entity) -> str:
    metadata = state.follow(paragraph.get("metadata"))
    name = str(metadata.get("id") or "").removeprefix("ImageMetadata:")
    return "!" + link(_label(metadata.get("alt")), IMAGES + name) if name else ""


def _embed(state: State, paragraph: Entity) -> str:
    resource = state.follow(state.follow(paragraph.get("iframe")).get("mediaResource"))
    name = str(resource.get("id") or "")
    address = resource.get("href") or resource.get("iframeSrc") or (f"https://medium.com/media/{name}" if name else "")
    return link(_label(resource.get("title")) or str(address), str(address)) if address else ""


def _card(state: State, paragraph: Entity, text: str) -> str:
    """A link card: title, description and host on lines of their own."""
    address = state.follow(paragraph.get("mixtapeMetadata")).get("href")
    for span in spans(state, paragraph, text):
        if span.mark == "em" and text[span.end : span.end + 1] not in ("", "\n"):  # between description and host
            text = f"{text[: span.end]}\n{text[span.end :]}"
            break
    title, _, rest = text.partition("\n")
    head = link(_label(title) or str(address), str(address)) if address else styled(title, [])
    return _with_caption(head, styled(rest, []))


def _with_caption(block: str, caption: str) -> str:
    return "\n\n".join(part for part in (block, caption) if part)


def _label(text: object) -> str:
    """Text that is fit to stand between the brackets of a link."""
    return re.sub(r"([\[\]])", r"\\\1", " ".join(str(text or "").split()))


def moment(milliseconds: object) -> datetime | None:
    """Milliseconds since the epoch as a moment; None for anything else."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float) or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
