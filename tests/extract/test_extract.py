"""Extraction through its one door: text, Markdown and metadata of pages as they are, and as they are broken."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_twin.collect.extract import describe, extract

URL = "https://log.example/2024/a"
PAGES = Path(__file__).parents[3] / "shared" / "data" / "pages"
PARAGRAPH = (
    "<p>Words that stand in a paragraph of the article, enough of them to be taken for its text and no menu.</p>"
)


def page(body: str, head: str = "", html: str = "") -> str:
    return f"<!doctype html><html {html}><head>{head}</head><body>{body}</body></html>"


def article(content: str, head: str = "") -> str:
    return page(f"<article><h1>A heading</h1>{PARAGRAPH * 2}{content}{PARAGRAPH}</article>", head)


def json_ld(**fields: object) -> str:
    return f'<script type="application/ld+json">{json.dumps({"@context": "https://schema.org", **fields})}</script>'


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_result(body: bytes) -> None:
    assert isinstance(extract(body, URL).text, str)


TAGS = [
    "article",
    "p",
    "pre",
    "code",
    "table",
    "tr",
    "td",
    "ul",
    "li",
    "h1",
    "title",
    "script",
    "meta",
    "link",
    "body",
    "a",
]
ATTRIBUTES = ["", " class='h-entry gutter language-x'", " rel=canonical href='http://['", " type='application/ld+json'"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.builds("<{}{}>".format, st.sampled_from(TAGS), st.sampled_from(ATTRIBUTES)),
            st.sampled_from([f"</{tag}>" for tag in TAGS]),
            st.text(max_size=12),
            st.just(PARAGRAPH),
        ),
        max_size=25,
    )
)
def test_any_soup_of_tags_gives_a_result(parts: list[str]) -> None:
    found = extract("".join(parts), URL)
    assert found.kind in ("article", "post")
    assert bool(found.text) == bool(found.markdown)


@pytest.mark.parametrize("html", ["", "   ", "\0", "<!-- -->", "plain", "<html></html>", "{}", "<div>" * 5000])
def test_a_page_without_text_gives_none_or_what_there_is(html: str) -> None:
    assert extract(html, URL).text in ("", "plain", "{}")


def test_code_keeps_its_spaces_blank_lines_and_language() -> None:
    code = "def f(x):\n\n    if x:\n\n\n        return  1\n\ttab  \n"
    shown = code.replace("def", '<span class="k">def</span>').replace("\n", "<br>", 1)
    found = extract(article(f'<pre><code class="hljs language-python">{shown}</code></pre>'), URL)
    assert f"```python\n{code}```" in found.markdown
    assert code.rstrip("\n") in found.text


def test_line_numbers_beside_code_are_left_out() -> None:
    table = (
        '<div class="highlight"><table><tr><td class="gutter"><pre>1\n2\n</pre></td>'
        '<td class="code"><pre><span>for x in y:</span>\n<span>    print(x)</span>\n</pre></td></tr></table></div>'
    )
    assert "```\nfor x in y:\n    print(x)\n```" in extract(article(table), URL).markdown


def test_code_with_backticks_stays_inside_its_fence() -> None:
    markdown = extract(article("<pre>```\ninside\n```</pre>"), URL).markdown
    assert "````\n```\ninside\n```\n````" in markdown


def test_structure_becomes_markdown_with_absolute_links() -> None:
    content = (
        '<h2>Part</h2><p>See <a href="../b?x=1">the other</a> and <b>mind</b> the gap between the two of them.</p>'
        "<ul><li>one<ul><li>two</li></ul></li></ul><table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table>"
    )
    found = extract(article(content), URL)
    for piece in ("## Part", "[the other](https://log.example/b?x=1)", "**mind**", "- one\n  - two", "| 1 | 2 |"):
        assert piece in found.markdown
    assert "the other and mind the gap" in found.text
    assert "https://" not in found.text


@pytest.mark.parametrize("text", ["Grüße aus Köln", "日本語のテキスト", "Привет, мир"])
@pytest.mark.parametrize("charset", ["utf-8", "named"])
def test_the_encoding_that_the_page_names_is_used(text: str, charset: str) -> None:
    named = {"G": "iso-8859-1", "日": "shift_jis", "П": "windows-1251"}[text[0]] if charset == "named" else charset
    html = article(f"<p>{text}, {text}</p>", f'<meta charset="{named}">')
    assert text in extract(html.encode(named), URL).text


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>A heading | The Log</title>", "<h1>A heading</h1>", "A heading"),
        ("<title>The Log</title>", "<h1>A heading</h1>", "A heading"),
        ("<title>A heading » Log</title>", "<h1>Log</h1><h1>A heading</h1>", "A heading"),
        ('<title>A heading - Log</title><meta property="og:site_name" content="Log">', "<h1>Log</h1>", "A heading"),
        ('<meta property="og:title" content="Told &amp; tagged">', "", "Told & tagged"),
        (json_ld(**{"@type": "BlogPosting", "headline": "From data"}), "<h1>From data</h1><h1>Other</h1>", "From data"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_the_title_is_the_heading_that_tags_confirm(head: str, body: str, title: str) -> None:
    assert describe(page(body + PARAGRAPH, head), URL).title == title


def test_authors_and_dates_come_from_structured_data_through_references() -> None:
    graph = [
        {
            "@type": "Article",
            "headline": "H",
            "datePublished": "2024-08-14T23:30:00-05:00",
            "author": [{"@id": "#1"}, "Ann"],
        },
        {"@type": "Person", "@id": "#1", "name": "Maren Okonkwo"},
    ]
    found = describe(page(PARAGRAPH, json_ld(**{"@graph": graph})), URL)
    assert found.author == "Maren Okonkwo; Ann"
    assert found.published_at is not None
    assert found.published_at.isoformat() == "2024-08-14T23:30:00-05:00"


@pytest.mark.parametrize(
    "data", ["{", "[1, null]", '{"@graph": 3}', '{"@type": [3], "author": {"name": []}}', "[" * 5000]
)
def test_broken_structured_data_is_passed_over(data: str) -> None:
    html = article("", f'<title>A heading</title><script type="application/ld+json">{data}</script>')
    assert extract(html, URL).title == "A heading"


@pytest.mark.parametrize(
    ("link", "canonical"),
    [
        ("/2024/a/", "https://log.example/2024/a/"),
        ("https://www.log.example/2024/a", "https://www.log.example/2024/a"),
        ("https://elsewhere.example/2024/a", None),
        ("https://log.example/", None),  # the front page, by mistake
        ("javascript:void(0)", None),
        ("http://[", None),
        ("", None),
    ],
)
def test_a_canonical_link_counts_on_its_own_site(link: str, canonical: str | None) -> None:
    assert describe(page(PARAGRAPH, f'<link rel="canonical" href="{link}">'), URL).canonical == canonical
    assert describe(page(PARAGRAPH, f'<meta property="og:url" content="{link}">'), URL).canonical == canonical


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        (page(PARAGRAPH), "article"),
        (page(PARAGRAPH, json_ld(**{"@type": "SocialMediaPosting"})), "post"),
        (page(PARAGRAPH, json_ld(**{"@type": "https://schema.org/DiscussionForumPosting"})), "post"),
        (page(PARAGRAPH, json_ld(**{"@type": ["SocialMediaPosting", "BlogPosting"]})), "article"),
        (page(PARAGRAPH, '<meta property="og:type" content="mastodon:status">'), "post"),
        (page(f'<div class="h-entry"><div class="e-content">{PARAGRAPH}</div></div>'), "post"),
        (page(f'<div class="h-entry"><h1 class="p-name">T</h1>{PARAGRAPH}</div>'), "article"),
        (page(f'<div class="h-entry">{PARAGRAPH}</div><div class="h-entry">{PARAGRAPH}</div>'), "article"),
    ],
)
def test_a_post_is_one_that_the_page_calls_so(html: str, kind: str) -> None:
    assert extract(html, URL).kind == kind


def test_the_marked_part_of_a_post_is_its_text_however_short() -> None:
    html = page(
        '<nav>Home</nav><div class="h-entry"><a class="p-author">M</a><p class="e-content">Rain <b>again</b>.</p></div>'
    )
    found = extract(html, URL)
    assert (found.text, found.markdown) == ("Rain again.", "Rain **again**.")


@pytest.mark.parametrize(
    ("attribute", "language"), [('lang="de-AT"', "de"), ('lang="EN"', "en"), ('lang="x-klingon"', None)]
)
def test_the_language_is_two_letters_or_none(attribute: str, language: str | None) -> None:
    assert describe(page(PARAGRAPH, html=attribute), URL).language == language


@pytest.mark.skipif(not PAGES.exists(), reason="../shared/data/pages is not there")
def test_real_pages_give_the_title_and_most_words_that_people_labelled() -> None:
    with gzip.open(PAGES / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = [json.loads(line) for line in lines][::60]
    titles = found = 0
    for label in gold:
        result = extract(gzip.decompress((PAGES / "html" / f"{label['id']}.html.gz").read_bytes()), label["url"])
        wanted = set(label["text"].lower().split())
        found += len(wanted & set(result.text.lower().split())) >= 0.8 * len(wanted)
        titles += result.title.casefold() == label["title"].casefold()
    assert (found, titles) >= (0.8 * len(gold), 0.6 * len(gold))
