"""Feeds, sitemaps and home pages of any site, as they are and as they are broken."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest

from llm_twin.errors import Permanent, Reason
from server import LocalServer

Expand = Callable[..., list[str]]
HOST = "log.example"
HOME = f"https://{HOST}"


def rss(*items: tuple[str, str]) -> str:
    """An RSS feed of (link, date) pairs."""
    entries = "".join(
        f"<item><title>t</title><link>{link}</link><pubDate>{date}</pubDate></item>" for link, date in items
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Log</title>{entries}</channel></rss>'


def urlset(*entries: tuple[str, str]) -> str:
    """A sitemap of (link, date) pairs."""
    urls = "".join(f"<url><loc>{link}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>" for link, day in entries)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


def index(*entries: tuple[str, str]) -> str:
    """A sitemap index of (link, date) pairs."""
    return (
        urlset(*entries).replace("urlset", "sitemapindex").replace("<url>", "<sitemap>").replace("</url>", "</sitemap>")
    )


def test_a_feed_gives_its_items_newest_first_each_once(web_of: LocalServer, expanded: Expand) -> None:
    feed = rss(
        (f"{HOME}/old", "Mon, 01 Jan 2024 10:00:00 GMT"),
        (f"{HOME}/new?utm_source=rss", "Tue, 05 Mar 2024 10:00:00 GMT"),
        (f"{HOME}/new#comments", "Tue, 05 Mar 2024 09:00:00 GMT"),
        ("/relative", "Fri, 02 Feb 2024 10:00:00 +0200"),
        (f"{HOME}/undated", "the day after tomorrow"),
    )
    url = web_of.route(HOST, "/feed", body=feed, content_type="application/rss+xml")
    assert expanded(url) == [f"{HOME}/new", f"{HOME}/relative", f"{HOME}/old", f"{HOME}/undated"]
    assert expanded(url, limit=2) == [f"{HOME}/new", f"{HOME}/relative"]


def test_a_feed_is_known_by_its_content_whatever_its_label(web_of: LocalServer, expanded: Expand) -> None:
    atom = (
        '<?xml version="1.0"?><!-- made by hand --><feed xmlns="http://www.w3.org/2005/Atom"><entry>'
        '<link rel="alternate" href="https://log.example/a"/><updated>2024-01-01T00:00:00Z</updated></entry></feed>'
    )
    assert expanded(web_of.route(HOST, "/atom.php", body=atom, content_type="text/html")) == [f"{HOME}/a"]


def test_a_json_feed_is_read(web_of: LocalServer, expanded: Expand) -> None:
    items = [
        {"url": f"{HOME}/1", "date_published": "2024-01-01T00:00:00Z"},
        {"id": "x"},
        {"url": "/2", "date_published": 7},
    ]
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items})
    url = web_of.route(HOST, "/feed.json", body=body, content_type="application/json")
    assert expanded(url) == [f"{HOME}/1", f"{HOME}/2"]


def test_a_sitemap_gives_the_links_of_its_own_site_by_date(web_of: LocalServer, expanded: Expand) -> None:
    entries = [
        (f"{HOME}/a", "2024-01-01"),
        (f"{HOME}/b", "2024-05-01T10:00:00+02:00"),
        (f"{HOME}/c", "soon"),
        (HOME, ""),
    ]
    body = urlset(*entries, ("https://other.example/d", "2024-06-01"))
    url = web_of.route(HOST, "/sitemap.xml", body=body, content_type="application/xml")
    assert expanded(url) == [f"{HOME}/b", f"{HOME}/a", f"{HOME}/c"]


def test_a_sitemap_index_is_followed_from_the_newest_part_until_the_limit(
    web_of: LocalServer, expanded: Expand
) -> None:
    parts = [
        (f"{HOME}/2022.xml", "2022-12-31"),
        (f"{HOME}/2024.xml.gz", "2024-12-31"),
        (f"{HOME}/gone.xml", "2023-12-31"),
    ]
    url = web_of.route(HOST, "/sitemap_index.xml", body=index(*parts), content_type="text/xml")
    newest = gzip.compress(urlset((f"{HOME}/x", "2024-02-01"), (f"{HOME}/y", "2024-03-01")).encode())
    web_of.route(HOST, "/2024.xml.gz", body=newest, content_type="application/gzip")
    web_of.route(HOST, "/2022.xml", body=urlset((f"{HOME}/z", "2022-02-01")), content_type="text/xml")
    assert expanded(url, limit=2) == [f"{HOME}/y", f"{HOME}/x"]
    assert not web_of.asked("/2022.xml")
    assert expanded(url) == [f"{HOME}/y", f"{HOME}/x", f"{HOME}/z"]


def test_sitemaps_that_point_at_each_other_end(web_of: LocalServer, expanded: Expand) -> None:
    url = web_of.route(HOST, "/a.xml", body=index((f"{HOME}/b.xml", "")), content_type="text/xml")
    web_of.route(HOST, "/b.xml", body=index((f"{HOME}/a.xml", ""), (f"{HOME}/c.xml", "")), content_type="text/xml")
    web_of.route(HOST, "/c.xml", body=urlset((f"{HOME}/found", "")), content_type="text/xml")
    assert expanded(url) == [f"{HOME}/found"]


def test_entities_and_outside_files_are_not_read_into_a_sitemap(web_of: LocalServer, expanded: Expand) -> None:
    bomb = '<!DOCTYPE urlset [<!ENTITY f SYSTEM "file:///etc/hostname">]>' + urlset(
        (f"{HOME}/&f;x", ""), (f"{HOME}/y", "")
    )
    body = bomb.replace('<?xml version="1.0"?>', "")
    found = expanded(web_of.route(HOST, "/sitemap.xml", body=body, content_type="text/xml"))
    assert f"{HOME}/y" in found
    assert all(len(link) < 30 for link in found)


def test_a_feed_that_defines_entities_is_refused(web_of: LocalServer, expanded: Expand) -> None:
    body = '<!DOCTYPE rss [<!ENTITY a "aaaaaaaa">]><rss version="2.0"><channel><title>&a;</title></channel></rss>'
    assert reason_of(expanded, web_of.route(HOST, "/feed", body=body, content_type="text/xml")) is Reason.BAD_DATA


def test_a_sitemap_that_unpacks_beyond_all_bounds_is_refused(web_of: LocalServer, expanded: Expand) -> None:
    body = gzip.compress(b"<urlset>" + b" " * 60_000_000)
    url = web_of.route(HOST, "/sitemap.xml.gz", body=body, content_type="application/gzip")
    assert reason_of(expanded, url) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("body", "path"), [(rss(), "/feed"), (urlset(), "/sitemap.xml"), (urlset((HOME, "")), "/map.xml")]
)
def test_a_list_without_links_says_so(web_of: LocalServer, expanded: Expand, body: str, path: str) -> None:
    assert reason_of(expanded, web_of.route(HOST, path, body=body, content_type="text/xml")) is Reason.EMPTY


def reason_of(expanded: Expand, url: str) -> Reason:
    with pytest.raises(Permanent) as caught:
        expanded(url)
    return caught.value.reason


FEEDS = """<link rel="alternate" type="application/rss+xml" title="Log &raquo; Comments Feed" href="/comments/feed/">
<link rel="alternate" type="application/rss+xml" title="Log &raquo; Feed" href="/feed/">
<link rel="alternate" type="application/rss+xml" title="Log &raquo; Maren" href="/author/maren/feed/">
<link rel="alternate" type="application/json" href="/wp-json/">"""


def test_a_home_page_stands_for_the_feed_that_it_names(web_of: LocalServer, expanded: Expand) -> None:
    url = web_of.route(HOST, "/", body=f"<html><head><title>Log</title>{FEEDS}</head><body><h1>Log</h1></body></html>")
    web_of.route(HOST, "/feed/", body=rss((f"{HOME}/a", "")), content_type="application/rss+xml")
    assert expanded(url) == [f"{HOME}/a"]


def test_an_author_page_stands_for_its_own_feed_rather_than_the_site_s(web_of: LocalServer, expanded: Expand) -> None:
    url = web_of.route(HOST, "/author/maren", body=f"<html><head>{FEEDS}</head><body><h1>Maren</h1></body></html>")
    web_of.route(HOST, "/author/maren/feed/", body=rss((f"{HOME}/hers", "")), content_type="application/rss+xml")
    assert expanded(url) == [f"{HOME}/hers"]


def test_an_article_stands_for_itself_though_it_names_the_feed(web_of: LocalServer, expanded: Expand) -> None:
    head = f'<meta property="og:type" content="article">{FEEDS}'
    url = web_of.route(HOST, "/2024/a", body=f"<html><head>{head}</head><body><h1>One</h1><p>Text.</p></body></html>")
    assert expanded(url) == [url]


def test_a_home_page_without_a_feed_stands_for_the_sitemap(web_of: LocalServer, expanded: Expand) -> None:
    url = web_of.route(HOST, "/", body="<html><body><h1>Log</h1><p>Hello</p></body></html>")
    web_of.route(HOST, "/sitemap.xml", body=urlset((f"{HOME}/a", "")), content_type="text/xml")
    assert expanded(url) == [f"{HOME}/a"]


def test_a_home_page_with_neither_feed_nor_sitemap_says_so(web_of: LocalServer, expanded: Expand) -> None:
    url = web_of.route(HOST, "/", body="<html><body><h1>Log</h1><p>Hello</p></body></html>")
    assert reason_of(expanded, url) is Reason.EMPTY


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("<html><body><h1>A page</h1><p>Text.</p></body></html>", "text/html"), ("%PDF-1.7", "application/pdf")],
)
def test_what_is_no_list_stands_for_itself(web_of: LocalServer, expanded: Expand, body: str, content_type: str) -> None:
    url = web_of.route(HOST, "/some/page", body=body, content_type=content_type)
    assert expanded(url) == [url]
