"""Title, author, date and language, as pages of every make tell or show them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_twin.collect.extract import Extraction, describe

URL = "https://www.quietlog.example/2024/the-valve-that-stuck"
TEXT = "<p>Words that stand in a paragraph of the article, enough of them to be taken for its text and no menu.</p>" * 4
HEADING = "<h1>The valve that stuck</h1>"


def read(body: str, head: str = "", html: str = "", url: str = URL) -> Extraction:
    return describe(f"<!doctype html><html {html}><head>{head}</head><body>{body}{TEXT}</body></html>", url)


def json_ld(**fields: object) -> str:
    return f'<script type="application/ld+json">{json.dumps({"@context": "https://schema.org", **fields})}</script>'


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>The valve that stuck | Quiet Log</title>", "", "The valve that stuck"),
        ("<title>Quiet Log: The valve that stuck</title>", "<h1>Quiet Log</h1>", "The valve that stuck"),
        ("<title>The valve that stuck - The Grower's Companion</title>", "<h1>The Grower's Companion</h1>",
         "The valve that stuck"),
        ("<title>The valve that stuck | Opinion</title>", "", "The valve that stuck"),
        ("<title>Quiet Log</title>", HEADING, "The valve that stuck"),
        ('<meta property="og:title" content="Why my valve got stuck">',
         "<h1>What a stuck valve taught me this winter</h1>", "What a stuck valve taught me this winter"),
        ('<meta property="og:title" content="The valve that stuck">', "<h1>Articles</h1>", "The valve that stuck"),
        ("<title>The valve that stuck</title>", "<h1>The valve that stuck <button>Copy link</button></h1>",
         "The valve that stuck"),
        ("<title>The valve that stuck</title>", "<h1>The valve that stuck<a class=headerlink href='#v'>\u00b6</a></h1>",
         "The valve that stuck"),
        ('<meta property="og:title" content="The valve that stuck">', "<h1>Blog: The valve that stuck</h1>",
         "The valve that stuck"),
        ("<title>The valve that stuck</title>", "<h1><span>Dec 18 2025</span> The valve that stuck</h1>",
         "The valve that stuck"),
        ('<meta property="og:title" content="Valves of the year">', "<h1>The 2024 Awards: Valves of the year</h1>",
         "The 2024 Awards: Valves of the year"),
        ("<title>Valves: a history</title>", "<h1>Valves: a history</h1>", "Valves: a history"),
    ],
)  # fmt: skip
def test_the_title_is_the_pages_own_without_the_sites_name(head: str, body: str, title: str) -> None:
    assert read(body, head).title == title


@pytest.mark.parametrize(
    ("window", "path"),
    [
        ("The valve that stuck - News", "/news/812"),
        ("News - The valve that stuck", "/news/812"),
        ("The valve that stuck \u2013 Blog", "/blog/?p=812"),
        ("The valve that stuck - Forum", "/forum/viewtopic.php?t=1"),
        ("The valve that stuck - News - \u5c0f\u57ce\u7f51", "/news/2024/8f32"),
        ("Notes on water :: The valve that stuck", "/notes/entry.html"),
    ],
)
def test_a_section_that_the_address_names_is_not_the_title(window: str, path: str) -> None:
    assert read(HEADING, f"<title>{window}</title>", url=f"https://www.quietlog.example{path}").title == (
        "The valve that stuck"
    )


@pytest.mark.parametrize(
    ("window", "heading"),
    [
        ("The valve that stuck", "<h1>The valve that stuck <span>#12</span></h1>"),
        ("The valve that stuck by maren", "<h1>The valve that stuck <span>#12</span></h1>"),
        ("The valve that stuck", HEADING),
        ("The valve that stuck", ""),
    ],
)
def test_the_number_and_the_repository_of_an_issue_are_not_in_its_title(window: str, heading: str) -> None:
    head = f"<title>{window} \u00b7 Issue #12 \u00b7 maren/valves</title>"
    assert read(heading, head, url="https://forge.example/maren/valves/issues/12").title == "The valve that stuck"


def test_a_number_that_is_a_part_of_the_title_stays() -> None:
    head = "<title>Valves, issue #12 - Quiet Log</title>"
    assert read("<h1>Valves, issue #12</h1>", head, url="https://www.quietlog.example/12").title == "Valves, issue #12"


@pytest.mark.parametrize(
    ("body", "author"),
    [
        ("<p>By <a href='/x'>Maren Okonkwo</a></p>", "Maren Okonkwo"),
        ("<p>By Maren Okonkwo, Senior Editor</p>", "Maren Okonkwo"),
        ("<p>by Maren Okonkwo on March 3, 2024</p>", "Maren Okonkwo"),
        ("<div><span>Written by:</span><span>Maren Okonkwo</span></div>", "Maren Okonkwo"),
        ("<p>Words by Maren Okonkwo and Ann de Vries</p>", "Maren Okonkwo; Ann de Vries"),
        ("<p>Author: Maren Okonkwo</p>", "Maren Okonkwo"),
        ("<p>By Jan Nowak</p>", "Jan Nowak"),
        ("<p>By April Smith Jan 18, 2024</p>", "April Smith"),
        ("<a rel=author href='/x'>Maren Okonkwo</a>", "Maren Okonkwo"),
        ("<span itemprop=author><span itemprop=name>Maren Okonkwo</span></span>", "Maren Okonkwo"),
        ("<a href='/authors/maren'>Maren Okonkwo</a>, <a href='/authors/ann'>Ann de Vries</a>",
         "Maren Okonkwo; Ann de Vries"),
        ("<span class='post-author'>maren</span>", "maren"),
        ("<img alt='Maren Okonkwo'><p>Maren Okonkwo</p><time>March 3, 2024</time>", "Maren Okonkwo"),
        (f"{TEXT}<div class='post-footer'>Posted by <a rel=author>Maren Okonkwo</a></div>", "Maren Okonkwo"),
        # no bylines of this page
        ("<p>Reviewed by Ann de Vries</p><p>By Maren Okonkwo</p>", "Maren Okonkwo"),
        ("<figure><figcaption>Photo by Ann de Vries</figcaption></figure>", None),
        ("<p>Photo by Ann de Vries</p>", None),
        ("<p>By using this site you agree to everything that we could think of.</p>", None),
        ("<div class='comment-list'><a rel=author href='/x'>Ann de Vries</a></div>", None),
        ("<p>Personal Finance</p><time>March 3, 2024</time>", None),
        ("<span class='author'>Admin</span>", None),
        ("<p>By May 5, 2024</p>", None),
        ("<span class='byline'>Sunday, March 3</span>", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_author_is_the_one_that_the_byline_names(body: str, author: str | None) -> None:
    assert read(HEADING + body, "<title>The valve that stuck</title>").author == author


@pytest.mark.parametrize(
    ("language", "line", "author"),
    [
        ("ru", "<p>Автор: Анна Соколова</p>", "Анна Соколова"),
        ("tr", "<p>Yazar: Elif Demir | 18.01.2024</p>", "Elif Demir"),
        ("id", "<p>Penulis: Rina Wulandari</p>", "Rina Wulandari"),
        ("de", "<p>Text: Max Müller</p>", "Max Müller"),
        ("de", "<p>Von Max Müller und Eva Klein</p>", "Max Müller; Eva Klein"),
        ("pt", "<p>Por Ana Souza em 3 de março de 2024</p>", "Ana Souza"),
        ("es", "<p>Escrito por <a href='/u'>Ana Souza</a></p>", "Ana Souza"),
        ("fr", "<p>Par Anne Martin, le 3 mars 2024</p>", "Anne Martin"),
        ("en", "<p class='author'>Von Max Müller</p>", "Max Müller"),
        ("en", f"{TEXT * 5}<p class='author-name'>Von Max Müller</p>", "Max Müller"),
        ("zh", "<span class=author>作者\uff1a李文静、王强</span>", "李文静; 王强"),
        ("ja", "<p>文\uff0f佐藤恵子</p>", "佐藤恵子"),
        ("ko", "<span class=author>김하늘 기자</span>", "김하늘"),
        ("en", "<p>Von Neumann Architecture</p>", None),
        ("de", "<p>Von wegen teuer</p>", None),
    ],
)
def test_bylines_in_other_languages_are_read(language: str, line: str, author: str | None) -> None:
    assert read(HEADING + line, html=f"lang={language}").author == author


@pytest.mark.parametrize(
    ("head", "author"),
    [
        (json_ld(**{"@type": "Article", "author": {"@type": "Person", "name": "Maren Okonkwo"}}), "Maren Okonkwo"),
        (json_ld(**{"@type": "Article", "author": {"@type": "Person", "name": "Jan de Vries"}}), "Jan de Vries"),
        (json_ld(**{"@type": "Article", "author": {"@type": "Person", "name": "李文静"}}), "李文静"),
        (json_ld(**{"@graph": [{"@type": "WebPage", "author": {"@id": "#m"}},
                               {"@type": "Person", "@id": "#m", "name": "Maren Okonkwo"}]}), "Maren Okonkwo"),
        ('<meta name="author" content="Maren Okonkwo">', "Maren Okonkwo"),
        ('<meta name="author" content="By Maren Okonkwo">', "Maren Okonkwo"),
        ('<meta name="citation_author" content="Maren Okonkwo"><meta name="citation_author" content="Ann de Vries">',
         "Maren Okonkwo; Ann de Vries"),
        # weaker than the byline that is seen
        (json_ld(**{"@type": "Article", "author": {"@type": "Person", "name": "新华社"}}), "Jo Byline"),
        (json_ld(**{"@type": "Article", "author": {"@type": "Organization", "name": "Quiet Log"}}), "Jo Byline"),
        ('<meta name="author" content="admin">', "Jo Byline"),
        ('<meta name="author" content="mokonkwo77">', "Jo Byline"),
        ('<meta name="author" content="{{ page.author }}">', "Jo Byline"),
        ('<meta property="article:author" content="https://social.example/maren">', "Jo Byline"),
    ],
)  # fmt: skip
def test_a_person_in_the_data_comes_before_the_byline_and_the_byline_before_a_site(head: str, author: str) -> None:
    assert read(f"{HEADING}<p>By Jo Byline</p>", head).author == author


@pytest.mark.parametrize(
    ("article", "author"),
    [
        (f"<article>{{}}<div>{TEXT}</div></article>", "Maren Okonkwo"),
        (f"<article>{TEXT}{{}}</article>", None),
        (f"<article>{TEXT}</article>{{}}<p>{TEXT}</p>", None),
    ],
)
def test_a_footer_before_an_articles_text_is_its_byline(article: str, author: str | None) -> None:
    footer = (
        "<footer>Submitted by <a href='/user/3'>Maren Okonkwo</a> on "
        "<time datetime='2023-09-02T08:00:00+02:00'>Sat, 09/02/2023 - 08:00</time></footer>"
    )
    found = describe(f"<h1>The valve that stuck</h1>{article.format(footer)}", URL)
    assert found.author == author
    if author:
        assert found.published_at is not None
        assert found.published_at.isoformat() == "2023-09-02T08:00:00+02:00"


def test_a_site_counts_as_author_where_nobody_else_is_named() -> None:
    data = json_ld(**{"@type": "Article", "author": {"@type": "Organization", "name": "Quiet Log"}})
    assert read(HEADING, data).author == "Quiet Log"


@pytest.mark.parametrize(
    ("head", "body", "published"),
    [
        (json_ld(**{"@type": "WebPage", "datePublished": "2024-03-03T23:30:00-05:00"}), "",
         "2024-03-03T23:30:00-05:00"),
        ('<meta property="article:published_time" content="2024-03-03T08:00:00Z">', "", "2024-03-03T08:00:00+00:00"),
        ('<meta name="og:published_time" content="2024-03-03">', "", "2024-03-03T00:00:00"),
        ("", '<footer><time class="dt-published" datetime="2024-03-03T18:42:10+01:00">x</time></footer>',
         "2024-03-03T18:42:10+01:00"),
        ('<meta name="published" content="March 3, 2024">', "", "2024-03-03T00:00:00"),
        ("", "<p>March 3, 2024</p>", "2024-03-03T00:00:00"),
        ("", "<p>3 Mar 2024 \u00b7 5 min read</p>", "2024-03-03T00:00:00"),
        ("", "<p>3. M\u00e4rz 2024</p>", "2024-03-03T00:00:00"),
        ("", "<p>Updated: May 5, 2024</p><p>Published: March 3, 2024</p>", "2024-03-03T00:00:00"),
        # the day that readers see, where the data tell of something else
        ('<meta property="article:published_time" content="2021-01-01">', "<p>March 3, 2024</p>",
         "2024-03-03T00:00:00"),
        # but neither an update nor the same day in another time zone
        ('<meta property="article:published_time" content="2021-01-01">', "<p>Updated March 3, 2024</p>",
         "2021-01-01T00:00:00"),
        ('<meta property="article:published_time" content="2024-03-04T01:00:00Z">', "<p>March 3, 2024</p>",
         "2024-03-04T01:00:00+00:00"),
    ],
)  # fmt: skip
def test_the_date_is_that_of_publication(head: str, body: str, published: str) -> None:
    found = read(HEADING + body, head).published_at
    assert found is not None
    assert found.isoformat() == published


def test_a_page_without_a_date_gets_none_from_its_text_or_its_copyright() -> None:
    body = f"{HEADING}{TEXT}<p>In 2019, on May 5, 2019 to be exact, the valve was new; by June 6, 2020 it was not.</p>"
    assert read(body + "<footer>\u00a9 2024 Quiet Log</footer>").published_at is None


@pytest.mark.parametrize(
    ("html", "head", "language"),
    [
        ('lang="de-AT"', '<meta property="og:locale" content="en_US">', "de"),
        ("", '<meta property="og:locale" content="fr_FR">', "fr"),
        ("", json_ld(**{"@type": "WebPage", "inLanguage": "pt-BR"}), "pt"),
        ("", '<meta http-equiv="x" name="language" content="nl">', "nl"),
        ("", "", None),
    ],
)
def test_the_language_is_the_one_that_the_page_states(html: str, head: str, language: str | None) -> None:
    assert read(HEADING, head, html).language == language


PIECES = ["By ", "Written by", "Maren Okonkwo", "\x01A B", "31/31/2024", "March 99, 2024", " | ", ": ", "\u00b7", "'\""]
WRAPS = [
    "<p>{}</p>",
    "<h1>{}</h1>",
    "<a rel=author>{}",
    "<time datetime='{}'>{}",
    "<title>{}</title>",
    "<b class=byline>{}",
]

TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(WRAPS), TEXTS), max_size=12))
def test_odd_names_dates_and_headings_never_cost_the_page(parts: list[tuple[str, list[str]]]) -> None:
    body = "".join(wrap.replace("{}", "".join(pieces)) for wrap, pieces in parts)
    assert read(body, html='lang="da"').language == "da"  # nothing at all is known where reading broke off
