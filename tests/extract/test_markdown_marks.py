"""Marked text to Markdown: what CommonMark makes of it is what was marked, and no character is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_twin.collect.reading.markdown import code_span, fenced, link
from llm_twin.collect.reading.markdown_marks import Mark, Span, styled

TARGETS = ("https://a.example/one", "https://b.example/(two) three")
MARKS: tuple[Mark, ...] = ("link", "strong", "em", "code")

spans = st.lists(
    st.builds(
        lambda start, length, mark, target: Span(start, start + length, mark, target if mark == "link" else ""),
        st.integers(-3, 45),
        st.integers(-2, 30),
        st.sampled_from(MARKS),
        st.sampled_from(TARGETS),
    ),
    max_size=7,
)


def rendered(markdown: str) -> str:
    """The text that a CommonMark reader sees."""
    from markdown_it import MarkdownIt  # comes with rich

    tokens = [token for block in MarkdownIt().parse(markdown) for token in block.children or []]
    return "".join("\n" if token.type in ("hardbreak", "softbreak") else token.content for token in tokens)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@settings(deadline=None)
@given(text=st.text(alphabet='ab1 .!,("*_`[]#->~é\u4e2d😀\n', max_size=50), spans=spans)
def test_no_visible_mark_is_left_over_and_no_character_is_lost(text: str, spans: list[Span]) -> None:
    assert squeezed(rendered(styled(text, spans))) == squeezed(text)


@settings(deadline=None)
@given(text=st.text(max_size=60), spans=spans)
def test_every_letter_of_any_text_is_kept_in_order(text: str, spans: list[Span]) -> None:
    markdown = styled(text, spans)
    for target in TARGETS:
        markdown = markdown.replace(link("", target)[2:], "")
    assert re.findall(r"[^\W_]", markdown) == re.findall(r"[^\W_]", text)


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        ("plain words", [], "plain words"),
        ("a bold word", [Span(2, 6, "strong")], "a **bold** word"),
        ("white space stays outside", [Span(5, 12, "em")], "white *space* stays outside"),
        ("bold in italic", [Span(0, 14, "em"), Span(0, 4, "strong")], "***bold** in italic*"),
        ("all in one", [Span(0, 10, "strong"), Span(0, 10, "em"), Span(0, 10, "link", "https://a.example/")],
         "[***all in one***](https://a.example/)"),
        ("they overlap here", [Span(0, 12, "strong"), Span(5, 17, "em")], "**they *overlap*** *here*"),
        ("touching parts join", [Span(0, 8, "em"), Span(8, 14, "em")], "*touching parts* join"),
        ("run make test now", [Span(4, 13, "code"), Span(0, 8, "strong")], "**run `make test`** now"),
        ("Note:then", [Span(0, 5, "strong")], "**Note**:then"),
        ("snake_case and _this_", [], "snake_case and \\_this\\_"),
        ("5 * 3", [], "5 \\* 3"),
        ("# no heading", [], "\\# no heading"),
        ("1. no list", [], "1\\. no list"),
        ("two\nlines", [], "two  \nlines"),
        ("see [1]", [Span(4, 7, "link", "https://a.example/(1)")], "see [\\[1\\]](<https://a.example/(1)>)"),
    ],
)  # fmt: skip
def test_marks_as_a_person_would_write_them(text: str, marked: list[Span], expected: str) -> None:
    assert styled(text, marked) == expected


@settings(deadline=None)
@given(code=st.text(alphabet="`a b\n\t", max_size=40))
def test_a_fence_is_longer_than_any_run_of_backticks_inside(code: str) -> None:
    fence, *lines, end = fenced(code, "py").split("\n")
    assert fence.removesuffix("py") == end
    assert not any(line.startswith(end) for line in lines)
    assert "\n".join(lines) == code.rstrip("\n")


def test_inline_code_may_hold_backticks() -> None:
    assert rendered(code_span("a `b` c`")) == "a `b` c`"
