"""The article crawler at its limits: what is no article, where a document is filed, and whose parser reads it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llm_twin.documents import Document
from llm_twin.errors import Permanent, Reason
from server import LocalServer

Crawl = Callable[[str], list[Document]]
TEXT = "<p>Words that stand in a paragraph of the article, enough of them to be taken for its text and no menu.</p>" * 3


def refusal(crawl: Crawl, url: str) -> Permanent:
    with pytest.raises(Permanent) as caught:
        crawl(url)
    return caught.value


@pytest.mark.parametrize(
    ("body", "content_type", "reason", "named"),
    [
        (b"%PDF-1.7 ...", "application/pdf", Reason.NOT_HTML, "application/pdf"),
        (b"\x89PNG....", "image/png", Reason.NOT_HTML, "image/png"),
        (b'{"a": 1}', "application/json", Reason.NOT_HTML, "application/json"),
        (b"just words", "text/plain", Reason.NOT_HTML, "text/plain"),
        (b'<?xml version="1.0"?><rss version="2.0"></rss>', "text/html", Reason.LIST_PAGE, "a feed"),
        (b"<feed></feed>", "application/atom+xml", Reason.LIST_PAGE, "--expand"),
        (b"<urlset></urlset>", "application/xml", Reason.LIST_PAGE, "a sitemap"),
        (b"<html><body><div id=app><img></div></body></html>", "text/html", Reason.EMPTY, "JavaScript"),
        (b"<html><body><h1>Hi</h1></body></html>", "text/html", Reason.EMPTY, "next to no text"),
    ],
)
def test_what_is_no_article_is_refused_by_name(
    site: LocalServer, crawl: Crawl, body: bytes, content_type: str, reason: Reason, named: str
) -> None:
    error = refusal(crawl, site.route("log.example", "/x", body=body, content_type=content_type))
    assert error.reason is reason
    assert named in error.detail


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "application/xhtml+xml", "text/html"])
def test_html_is_read_under_any_of_its_labels(site: LocalServer, crawl: Crawl, content_type: str) -> None:
    body = (
        f'<?xml version="1.0"?><!-- saved --><html lang="en"><body><article><h1>One</h1>{TEXT}</article></body></html>'
    )
    (document,) = crawl(site.route("www.log.example", "/x", body=body, content_type=content_type))
    assert (document.title, document.platform, document.language) == ("One", "log.example", "en")


def test_an_article_is_filed_under_its_own_canonical_link(site: LocalServer, crawl: Crawl) -> None:
    head = '<link rel="canonical" href="/2024/one">'
    url = site.route("log.example", "/amp/one", body=f"<html><head>{head}</head><body><h1>One</h1>{TEXT}</body></html>")
    (document,) = crawl(f"{url}?utm_source=mail")
    assert document.link == "https://log.example/2024/one"
    assert document.raw is not None
    assert document.raw.url == f"{url}?utm_source=mail"
    assert b'rel="canonical"' in document.raw.body


def test_a_canonical_link_to_another_site_is_not_believed(site: LocalServer, crawl: Crawl) -> None:
    head = '<link rel="canonical" href="https://bank.example/one">'
    url = site.route("log.example", "/one", body=f"<html><head>{head}</head><body><h1>One</h1>{TEXT}</body></html>")
    assert crawl(url)[0].link == url


def test_a_redirect_is_filed_under_where_it_led(site: LocalServer, crawl: Crawl) -> None:
    target = site.route("log.example", "/new", body=f"<html><body><h1>One</h1>{TEXT}</body></html>")
    url = site.route("short.example", "/x", status=301, headers={"location": target})
    assert crawl(url)[0].link == target


def test_a_short_text_in_a_script_without_spaces_is_an_article(site: LocalServer, crawl: Crawl) -> None:
    text = "春の庭に水をやる時刻を、二つの土のセンサーで決めるための短い覚え書きです。"
    url = site.route("log.example", "/ja", body=f"<html><body><article><p>{text}</p></article></body></html>")
    (document,) = crawl(url)
    assert document.title == text
    assert text in document.text


def test_a_post_without_a_title_is_named_by_its_first_words(site: LocalServer, crawl: Crawl) -> None:
    words = (
        "Rain again, and the barrel is full to the brim, which the probes will not believe until it is far too late."
    )
    url = site.route("log.example", "/n/1", body=f'<html><body><p class="h-entry e-content">{words}</p></body></html>')
    (document,) = crawl(url)
    assert document.kind == "post"
    assert document.title == "Rain again, and the barrel is full to the brim, which the probes will not…"
