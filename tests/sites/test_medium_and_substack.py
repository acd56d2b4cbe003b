"""Medium and Substack at their limits: damaged states, stories that are for sale, and pages that people saved."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_twin.collect.crawlers import parser_for
from llm_twin.collect.medium.state import State, body
from llm_twin.collect.web import Page
from llm_twin.documents import Author, Document, Link, now
from llm_twin.errors import Permanent, Reason

HERE = Path(__file__).parent
SAVED = HERE.parents[2] / "shared" / "data" / "pages"
STORY = (HERE / "medium" / "story.html").read_text("utf-8")
LOCKED = (HERE / "medium" / "member_story.html").read_text("utf-8")
KINDS = ("P", "H3", "H4", "PRE", "ULI", "OLI", "BQ", "PQ", "IMG", "IFRAME", "MIXTAPE_EMBED", "OTHER")
PAID = (HERE / "substack" / "paid_post.html").read_text("utf-8")


def parsed(html: str | bytes, url: str = "https://stories.example/a-3f9a1c5b7d2e") -> Document:
    raw = html if isinstance(html, bytes) else html.encode()
    page = Page(url=url, status=200, headers={"content-type": "text/html"}, fetched_at=now(), body=raw)
    parse = parser_for(page)
    assert parse is not None
    return parse(page, Link(url=url, author=Author.named("Maren")))


def reason_of(html: str) -> Reason:
    with pytest.raises(Permanent) as caught:
        parsed(html)
    return caught.value.reason


@pytest.mark.parametrize(
    "broken",
    [
        re.sub(r"__APOLLO_STATE__ = \{", "__APOLLO_STATE__ = {{{", STORY),
        STORY.replace("__APOLLO_STATE__ = {", "__APOLLO_STATE__ = {} || {"),
        STORY.replace('"__ref":"Paragraph:', '"__ref":"Gone:'),
        STORY.replace('"bodyModel"', '"otherModel"'),
    ],
)
def test_a_damaged_state_leaves_the_visible_text(broken: str) -> None:
    document = parsed(broken)
    assert document.title == "A valve that asks twice"
    assert "nothing opens because one sensor says so" in document.text
    assert "parser" not in document.metadata


def test_a_members_story_opened_by_a_friend_link_is_whole_and_kept() -> None:
    opened = LOCKED.replace('"isLockedPreviewOnly":true', '"isLockedPreviewOnly":false')
    assert "It has never been wrong" in parsed(opened).text


def test_a_members_story_is_not_believed_to_be_whole_without_a_word_on_it() -> None:
    assert reason_of(LOCKED.replace('"isLockedPreviewOnly":true,', "")) is Reason.PAYWALL
    assert reason_of(LOCKED.replace("__APOLLO_STATE__ = {", "__APOLLO_STATE__ = !")) is Reason.PAYWALL


def test_the_title_is_dropped_from_the_text_only_where_it_repeats() -> None:
    assert not parsed(STORY).text.startswith("#")
    assert parsed(STORY.replace('"type":"H3"', '"type":"P"', 1)).text.startswith("A valve that asks twice\n\n")


def test_a_paragraph_of_a_kind_that_is_not_known_yet_keeps_its_text() -> None:
    assert "Three things follow" in parsed(STORY.replace('"type":"P"', '"type":"HOLOGRAM"')).text


@settings(deadline=None)
@given(
    texts=st.lists(st.text(alphabet="ab é中😀\U0001d4b3\n*_", max_size=12), max_size=6),
    kinds=st.lists(st.sampled_from(KINDS), min_size=6),
    marks=st.lists(
        st.tuples(st.sampled_from(["A", "STRONG", "EM", "CODE", "?"]), st.integers(-2, 20), st.integers(-2, 20))
    ),
)
def test_a_story_never_loses_a_letter(texts: list[str], kinds: list[str], marks: list[tuple[str, int, int]]) -> None:
    markups = [{"type": kind, "start": start, "end": end, "href": "//"} for kind, start, end in marks]
    paragraphs: list[Any] = [
        {"type": kind, "text": text, "markups": markups} for kind, text in zip(kinds, texts, strict=False)
    ]
    story = body(State({}), {"title": "t", "content": {"bodyModel": {"paragraphs": paragraphs}}})
    # Digits are those of numbered lists; the alphabet has none.
    assert re.findall(r"[^\W\d_]", story) == re.findall(r"[^\W_]", "".join(texts))


def test_a_paid_post_that_is_there_as_a_whole_is_kept() -> None:
    text = "".join(f"word{number} " for number in range(1840))
    whole = re.sub(r"Winter in a greenhouse.*?past two\.", text, PAID)
    assert parsed(whole, "https://glasshouse.substack.com/p/the-winter-plan").metadata["audience"] == "only_paid"
    assert reason_of(PAID) is Reason.PAYWALL


def test_a_damaged_substack_state_leaves_the_visible_text() -> None:
    html = (HERE / "substack" / "free_post.html").read_text("utf-8")
    broken = html.replace('JSON.parse("{', 'JSON.parse("{{')
    document = parsed(broken, "https://glasshouse.substack.com/p/the-cheapest-instrument")
    assert "jam jar with a line on it" in document.text
    assert document.title == "The cheapest instrument"


@pytest.mark.parametrize("path", ["/", "/archive"])
def test_the_front_page_of_a_publication_is_a_list_on_its_own_domain_too(path: str) -> None:
    html = (HERE / "substack" / "post_on_own_domain.html").read_text("utf-8").replace('\\"post\\":', '\\"was\\":')
    with pytest.raises(Permanent) as caught:
        parsed(html, f"https://www.glasshouse-letters.example{path}")
    assert caught.value.reason is Reason.LIST_PAGE


def saved_pages() -> list[tuple[str, dict[str, Any]]]:
    """Those of the labelled pages that Medium or Substack served with a state or mark that their parsers know."""
    if not SAVED.exists():
        return []
    ids = ("0416", "0420", "0460", "0472", "0486", "2414", "4433", "4460")
    with gzip.open(SAVED / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        labels = {label["id"]: label for label in map(json.loads, lines)}
    return [(name, labels[name]) for name in ids]


@pytest.mark.skipif(not SAVED.exists(), reason="../shared/data/pages is not there")
def test_saved_pages_give_what_people_labelled() -> None:
    for name, label in saved_pages():
        document = parsed(gzip.decompress((SAVED / "html" / f"{name}.html.gz").read_bytes()), label["url"])
        assert document.title == label["title"], name
        assert document.metadata["byline"] == label["author"], name
        words = re.findall(r"\w+", label["text"])
        text = set(re.findall(r"\w+", document.text))
        assert sum(word in text for word in words) >= 0.97 * len(words), name
