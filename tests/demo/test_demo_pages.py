"""The sample author's pages have the structure of the platforms that they stand for."""

from __future__ import annotations

import json
import re

import feedparser
import lxml.html
import pytest
from lxml import etree

from llm_twin.demo import sample

PAGES = [
    *(("blog", path) for path in ("/", *sample.BLOG_POSTS)),
    *((link.host, link.path) for link in (*sample.LINKS[1:4], sample.LOCKED)),
]
ARTICLE, NEWSLETTER, STATUS = sample.LINKS[1:4]


def words(text: str) -> int:
    return len(text.split())


def linked_data(page: str) -> dict[str, object]:
    (script,) = lxml.html.document_fromstring(page).xpath("//script[@type='application/ld+json']")
    return json.loads(script.text)


def apollo_state(page: str) -> dict[str, dict[str, object]]:
    state, _ = json.JSONDecoder().raw_decode(page, page.index("window.__APOLLO_STATE__ = ") + 26)
    return state


def preloads(page: str) -> dict[str, dict[str, object]]:
    start = re.search(r"window\._preloads\s*= JSON\.parse\(", page)
    assert start
    return json.loads(json.JSONDecoder().raw_decode(page, start.end())[0])


@pytest.mark.parametrize(("host", "path"), PAGES)
def test_no_placeholder_is_left_and_every_link_of_the_sites_carries_the_port(ask, demo, host, path):
    page = ask(host, path).text
    assert "{{" not in page
    assert "origin:" not in page
    for name, port in re.findall(r"https?://(\w+)\.localhost(:\d+)?", page):
        assert name in sample.HOSTS
        assert port == f":{demo.port}"


@pytest.mark.parametrize(("host", "path"), PAGES)
def test_html_is_well_formed_and_names_its_canonical_link(ask, demo, host, path):
    page = ask(host, path).text
    parser = etree.HTMLParser()
    tree = etree.fromstring(page.encode(), parser)
    # libxml2 knows HTML 4; of HTML 5 it complains about new elements only.
    unknown = [error for error in parser.error_log if error.type_name != "HTML_UNKNOWN_TAG"]
    assert not unknown, unknown[0]
    assert tree.xpath("string(//link[@rel='canonical']/@href)") == demo.link(host, path)
    assert len(tree.xpath("//h1")) == (0 if host == "social" else 1)


@pytest.mark.parametrize("path", sample.BLOG_POSTS)
def test_blog_posts_are_of_a_readable_length_and_dated(ask, path):
    page = ask("blog", path).text
    (body,) = lxml.html.document_fromstring(page).find_class("post-body")
    assert 400 <= words(body.text_content()) <= 900
    assert linked_data(page)["author"] == {
        "@type": "Person", "name": sample.AUTHOR, "url": linked_data(page)["author"]["url"],
    }  # fmt: skip
    assert linked_data(page)["datePublished"] in page.split("</head>")[0]


def test_blog_posts_hold_what_an_extractor_has_to_keep(ask):
    posts = [lxml.html.document_fromstring(ask("blog", path).text) for path in sample.BLOG_POSTS]
    for needed in ("//pre/code", "//table", "//li//li//li", "//blockquote", "//figure[img]/figcaption"):
        found = [post for post in posts if post.xpath(f"//*[@class='post-body']{needed}")]
        assert found, needed


def test_feed_and_sitemap_list_the_posts(ask, demo):
    links = [demo.link("blog", path) for path in sample.BLOG_POSTS]
    feed = feedparser.parse(ask("blog", "/feed.xml").body)
    assert not feed.bozo
    assert [entry.id for entry in feed.entries] == links
    dates = [entry.published_parsed for entry in feed.entries]
    assert dates == sorted(dates, reverse=True)
    sitemap = etree.fromstring(ask("blog", "/sitemap.xml").body)
    assert sitemap.xpath("//*[local-name()='loc']/text()")[1:] == links


def test_the_letter_carries_its_state_as_a_page_on_a_custom_domain_does(ask):
    page = ask(ARTICLE.host, ARTICLE.path).text
    assert '<meta data-rh="true" property="al:android:package" content="com.medium.reader">' in page
    state = apollo_state(page)
    post = state["Post:7c1e94a0b35d"]
    content = next(value for key, value in post.items() if key.startswith("content("))
    assert (post["isLocked"], content["isLockedPreviewOnly"]) == (False, False)
    paragraphs = [state[reference["__ref"]] for reference in content["bodyModel"]["paragraphs"]]
    assert paragraphs[0]["text"] == post["title"]
    assert {p["type"] for p in paragraphs} >= {"P", "H3", "H4", "PRE", "OLI", "BQ", "IMG", "MIXTAPE_EMBED"}
    assert words(" ".join(p["text"] for p in paragraphs)) > 400
    marked = {
        p["text"].encode("utf-16-le")[2 * mark["start"] : 2 * mark["end"]].decode("utf-16-le")
        for p in paragraphs
        if p["type"] != "MIXTAPE_EMBED"
        for mark in p["markups"]
    }
    assert marked == {"Larder", "not come down", "if", "on my blog"}


def test_the_locked_letter_shows_its_beginning_only(ask):
    state = apollo_state(ask(sample.LOCKED.host, sample.LOCKED.path).text)
    post = state["Post:2f80d6e4a91b"]
    content = next(value for key, value in post.items() if key.startswith("content("))
    assert (post["isLocked"], post["visibility"], content["isLockedPreviewOnly"]) == (True, "LOCKED", True)
    assert sample.LOCKED not in sample.LINKS


def test_the_newsletter_carries_its_post_as_json_within_a_string(ask, demo):
    post = preloads(ask(NEWSLETTER.host, NEWSLETTER.path).text)["post"]
    assert (post["type"], post["audience"], post["is_published"]) == ("newsletter", "everyone", True)
    assert post["canonical_url"] == demo.link(NEWSLETTER.host, NEWSLETTER.path)
    body = lxml.html.fragment_fromstring(post["body_html"], create_parent="div")
    for name in ("subscription-widget-wrap", "button-wrapper", "footnote", "image-caption"):
        assert len(body.find_class(name)) == 1
    assert body.xpath("string(//pre/code)").startswith("from math import exp\n\n\ndef ")
    assert abs(words(body.text_content()) - post["wordcount"]) < 30


def test_the_status_is_short_and_says_what_it_is(ask):
    page = ask(STATUS.host, STATUS.path).text
    data = linked_data(page)
    assert data["@type"] == "SocialMediaPosting"
    (shown,) = lxml.html.document_fromstring(page).find_class("status__content")
    assert " ".join(shown.text_content().split())[:60] in data["articleBody"]
    assert len(data["articleBody"]) < 500


def test_boilerplate_is_on_the_pages_and_in_no_text(ask):
    pages = [ask(host, path).text for host, path in PAGES]
    bodies = [body for page in pages for body in lxml.html.document_fromstring(page).find_class("post-body")]
    states = [value for page in pages if "__APOLLO_STATE__" in page for value in apollo_state(page).values()]
    texts = [
        *(body.text_content() for body in bodies),
        *(str(value["text"]) for value in states if "text" in value),
        str(linked_data(ask(STATUS.host, STATUS.path).text)["articleBody"]),
    ]
    for phrase in sample.BOILERPLATE:
        assert any(phrase in page for page in pages), phrase
        assert not any(phrase in text for text in texts), phrase


def test_the_questions_share_no_word_with_the_titles_of_what_they_should_find(ask):
    for question, fragment in sample.QUESTIONS:
        (page,) = [ask(host, path).text for host, path in PAGES if fragment in path]
        title = lxml.html.document_fromstring(page).xpath("string(//h1)")
        assert not {word for word in title.lower().split() if len(word) > 4} & set(question.lower().split())
