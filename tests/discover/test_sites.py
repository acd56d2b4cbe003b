"""What a whole site holds: its feed with older pages, its sitemaps and archives, put together."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from llm_twin.collect.discover import Found
from llm_twin.documents import now
from llm_twin.errors import Permanent, Reason, Transient
from server import Answer, LocalServer, Request

Discover = Callable[..., list[Found]]
HOST = "log.example"
HOME = f"https://{HOST}"
XML = {"content-type": "text/xml"}


def at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def item(link: str, date: str = "", title: str = "") -> str:
    return f"<item><title>{title}</title><link>{link}</link><pubDate>{date}</pubDate></item>"


def rss(*items: str, head: str = "") -> str:
    return (
        '<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>Log</title>'
        f"<link>{HOME}</link>{head}{''.join(items)}</channel></rss>"
    )


def urlset(*entries: tuple[str, str]) -> str:
    urls = "".join(f"<url><loc>{link}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>" for link, day in entries)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


def home(web_of: LocalServer, head: str = "", body: str = "<p>Hello</p>") -> str:
    return web_of.route(HOST, "/", body=f"<html><head>{head}</head><body><h1>Log</h1>{body}</body></html>")


NAMED = '<link rel="alternate" type="application/rss+xml" href="/feed/">'


def sources(found: list[Found]) -> dict[str, str]:
    return {each.link.removeprefix(HOME): each.source for each in found}


def test_an_article_of_feed_and_sitemap_is_one_item_with_the_best_date(
    web_of: LocalServer, discovered: Discover
) -> None:
    url = home(web_of, NAMED)
    feed = rss(item(f"{HOME}/new?utm_source=rss", "Tue, 05 Mar 2024 10:00:00 GMT", "News"), item(f"{HOME}/undated"))
    web_of.route(HOST, "/feed/", body=feed, content_type="application/rss+xml")
    entries = [(f"{HOME}/new", "2024-06-01"), (f"{HOME}/undated", "2023-01-01"), (f"{HOME}/old", "2022-01-01")]
    web_of.route(HOST, "/sitemap.xml", body=urlset(*entries), content_type="text/xml")
    new, undated, old = discovered(url)
    assert new == Found(
        f"{HOME}/new", datetime(2024, 3, 5, 10, tzinfo=UTC), at(2024, 6), "News", "feed+sitemap", f"{HOME}/feed/"
    )
    assert (undated.source, undated.date) == ("feed+sitemap", at(2023))
    assert (old.source, old.date, old.listed_in) == ("sitemap", at(2022), f"{HOME}/sitemap.xml")


def test_files_lists_forms_and_other_sites_are_left_out_of_a_sitemap(web_of: LocalServer, discovered: Discover) -> None:
    paths = (
        *("/a", "/notes/b.html", "/2024/05/c/", "/blog/authors-i-like", "/search-engines", "/de/kategorien"),
        *("/photo.jpg", "/paper.PDF", "/tag/x/", "/category/y", "/blog/tags/z", "/author/maren/", "/page/2/", "/feed/"),
        *("/en/tag/q", "/wp-content/uploads/x", "/search", "/login", "/", "/a/amp/"),
    )
    entries = [(f"{HOME}{path}", "") for path in paths] + [("https://shop.example/x", ""), ("not a link", "")]
    found = discovered(web_of.route(HOST, "/sitemap.xml", body=urlset(*entries), content_type="text/xml"))
    assert [each.link.removeprefix(HOME) for each in found] == list(paths[:6])


def test_the_sitemap_is_not_asked_for_when_the_feed_has_enough(web_of: LocalServer, discovered: Discover) -> None:
    url = home(web_of, NAMED)
    items = (item(f"{HOME}/{day}", f"{day:02} Mar 2024 10:00:00 GMT") for day in (9, 8, 7))
    web_of.route(HOST, "/feed/", body=rss(*items), content_type="text/xml")
    assert len(discovered(url, limit=2)) == 2
    assert len(discovered(url, since=at(2024, 3, 8))) == 2
    assert not web_of.asked("/sitemap.xml")


def wordpress(web_of: LocalServer, pages: int) -> str:
    """A WordPress feed with two items a page, a day apart, newest first."""

    def page(request: Request) -> Answer:
        number = int(request.query.partition("paged=")[2] or 1)
        if number > pages:
            return Answer("no such page", 404, {"content-type": "text/html"})
        days = (at(2024, 6, 30) - timedelta(days=2 * (number - 1) + each) for each in (0, 1))
        items = (item(f"{HOME}/{day:%m-%d}", f"{day:%d %b %Y} 00:00:00 GMT") for day in days)
        return Answer(rss(*items, head="<generator>https://wordpress.org/?v=6.5</generator>"), headers=XML)

    return web_of.route(HOST, "/feed/", page)


def test_the_older_pages_of_a_wordpress_feed_are_read_to_the_end(web_of: LocalServer, discovered: Discover) -> None:
    found = discovered(wordpress(web_of, pages=5))
    assert [each.link for each in found[:3]] == [f"{HOME}/06-30", f"{HOME}/06-29", f"{HOME}/06-28"]
    assert len(found) == 10
    assert [request.query for request in web_of.asked("/feed/")] == ["", *(f"paged={n}" for n in range(2, 7))]


def test_older_pages_are_read_only_as_far_as_is_wanted(web_of: LocalServer, discovered: Discover) -> None:
    url = wordpress(web_of, pages=5)
    assert len(discovered(url, limit=3)) == 3
    assert len(web_of.asked("/feed/")) == 2
    assert [each.link for each in discovered(url, since=at(2024, 6, 28))][-1] == f"{HOME}/06-28"
    assert len(web_of.asked("/feed/")) == 4


@pytest.mark.parametrize("rel", ["next", "prev-archive"])
def test_feeds_in_pages_and_archives_are_followed_and_circles_end(
    web_of: LocalServer, discovered: Discover, rel: str
) -> None:
    def page(request: Request) -> Answer:
        number = int(request.query.partition("p=")[2] or 1)
        link = f'<link rel="{rel}" href="/atom?p={number % 3 + 1}"/>'
        entry = f'<entry><link href="{HOME}/{number}"/><updated>2024-01-0{number}T00:00:00Z</updated></entry>'
        return Answer(f'<feed xmlns="http://www.w3.org/2005/Atom">{link}{entry}</feed>', headers=XML)

    found = discovered(web_of.route(HOST, "/atom", page))
    assert [each.link for each in found] == [f"{HOME}/{number}" for number in (3, 2, 1)]
    assert len(web_of.asked("/atom")) == 4


def test_a_json_feed_is_followed_by_its_next_url(web_of: LocalServer, discovered: Discover) -> None:
    def page(request: Request) -> Answer:
        items = [{"url": f"{HOME}/{request.query or 'p=1'}", "title": "T", "date_published": "2024-01-01"}]
        feed = {"version": "https://jsonfeed.org/version/1.1", "items": items}
        more = {} if request.query else {"next_url": f"{HOME}/feed.json?p=2"}
        return Answer(json.dumps(feed | more), headers={"content-type": "application/feed+json"})

    found = discovered(web_of.route(HOST, "/feed.json", page))
    assert [(each.link, each.title, each.date) for each in found] == [
        (f"{HOME}/p=1", "T", at(2024)),
        (f"{HOME}/p=2", "T", at(2024)),
    ]


def test_an_older_page_that_fails_does_not_cost_what_was_read(web_of: LocalServer, discovered: Discover) -> None:
    head = '<atom:link rel="next" href="/broken"/>'
    web_of.route(HOST, "/broken", status=500, body="sorry")
    url = web_of.route(HOST, "/feed", body=rss(item(f"{HOME}/a"), head=head), content_type="text/xml")
    assert [each.link for each in discovered(url)] == [f"{HOME}/a"]


@pytest.mark.parametrize(
    "date",
    ["", "soon", "32 Foo 2024", "Thu, 01 Jan 1970 00:00:00 GMT", "0001-01-01", "9999-12-31T00:00:00Z", "{later}"],
)
def test_an_item_with_a_bad_date_has_none(web_of: LocalServer, discovered: Discover, date: str) -> None:
    date = date.format(later=f"{now() + timedelta(days=40):%a, %d %b %Y %H:%M:%S} GMT")
    url = web_of.route(HOST, "/feed", body=rss(item(f"{HOME}/a", date, "A")), content_type="text/xml")
    assert discovered(url) == [Found(f"{HOME}/a", None, None, "A", "feed", url)]
    assert len(discovered(url, since=at(2020))) == 1


def test_items_of_a_feed_that_lead_to_other_sites_are_left_out(web_of: LocalServer, discovered: Discover) -> None:
    linked = f"<item><link>https://other.example/x</link><guid>{HOME}/on-x</guid></item>"
    items = (item("https://other.example/y"), linked, item(f"{HOME}/own"), item(f"{HOME}/show.mp3"))
    url = web_of.route(HOST, "/feed", body=rss(*items), content_type="text/xml")
    assert [each.link for each in discovered(url)] == [f"{HOME}/on-x", f"{HOME}/own"]
    url = web_of.route(HOST, "/planet", body=rss(item("https://other.example/y")), content_type="text/xml")
    with pytest.raises(Permanent, match="all 1 items of the feed .* lead to other sites"):
        discovered(url)


@pytest.mark.parametrize("place", ["/feed", "/atom.xml", "/index.xml", "/feed.json"])
def test_a_feed_that_no_page_names_is_found_in_its_usual_place(
    web_of: LocalServer, discovered: Discover, place: str
) -> None:
    url = home(web_of)
    web_of.route(HOST, place, body=rss(item(f"{HOME}/a")), content_type="text/xml")
    assert sources(discovered(url)) == {"/a": "feed"}


def test_sitemaps_are_those_that_robots_txt_names_wherever_they_lie(web_of: LocalServer, discovered: Discover) -> None:
    url = home(web_of)
    lines = "User-agent: *\nAllow: /\nSitemap: https://cdn.example/maps/log.txt\nSitemap: /map.xml.gz\n"
    web_of.route(HOST, "/robots.txt", body=lines, content_type="text/plain")
    web_of.route(
        "cdn.example",
        "/maps/log.txt",
        body=f"{HOME}/a\n{HOME}/b\nhttps://cdn.example/c\n#\n",
        content_type="text/plain",
    )
    packed = gzip.compress(urlset((f"{HOME}/d", "2024-01-01")).encode())
    web_of.route(HOST, "/map.xml.gz", body=packed, content_type="application/gzip")
    assert sources(discovered(url)) == {"/d": "sitemap", "/a": "sitemap", "/b": "sitemap"}


def test_parts_of_an_index_that_list_no_articles_are_not_read(web_of: LocalServer, discovered: Discover) -> None:
    names = ("wp-sitemap-posts-post-1", "wp-sitemap-taxonomies-category-1", "wp-sitemap-users-1", "post_tag-sitemap2")
    parts = (
        urlset(*((f"{HOME}/{name}.xml", "") for name in names))
        .replace("url>", "sitemap>")
        .replace("urlset", "sitemapindex")
    )
    url = web_of.route(HOST, "/wp-sitemap.xml", body=parts, content_type="text/xml")
    for name in names:
        web_of.route(HOST, f"/{name}.xml", body=urlset((f"{HOME}/of-{name}", "")), content_type="text/xml")
    assert sources(discovered(url)) == {f"/of-{names[0]}": "sitemap"}
    assert len(web_of.requests) <= 3


def test_parts_of_an_index_that_are_too_old_are_not_read(web_of: LocalServer, discovered: Discover) -> None:
    parts = urlset((f"{HOME}/2020.xml", "2020-12-31"), (f"{HOME}/2024.xml", "2024-12-31"))
    parts = parts.replace("url>", "sitemap>").replace("urlset", "sitemapindex")
    url = web_of.route(HOST, "/sitemap.xml", body=parts, content_type="text/xml")
    entries = ((f"{HOME}/new", "2024-02-01"), (f"{HOME}/old", "2021-01-01"), (f"{HOME}/undated", ""))
    web_of.route(HOST, "/2024.xml", body=urlset(*entries), content_type="text/xml")
    assert sources(discovered(url, since=at(2023))) == {"/new": "sitemap", "/undated": "sitemap"}
    assert not web_of.asked("/2020.xml")


def test_of_a_sitemap_with_20_000_entries_the_newest_are_taken(web_of: LocalServer, discovered: Discover) -> None:
    entries = [(f"{HOME}/{number}", f"{at(2000) + timedelta(days=number % 9000):%Y-%m-%d}") for number in range(20_000)]
    url = web_of.route(HOST, "/sitemap.xml", body=urlset(*entries), content_type="text/xml")
    assert [each.link for each in discovered(url, limit=3)] == [f"{HOME}/{n}" for n in (8999, 17999, 8998)]
    assert len(discovered(url, limit=100_000)) == 20_000


def test_google_s_news_sitemap_tells_title_and_day_of_publication(web_of: LocalServer, discovered: Discover) -> None:
    news = "<n:news><n:publication_date>2024-02-03</n:publication_date><n:title>Scoop</n:title></n:news>"
    body = urlset((f"{HOME}/a", "2024-05-01")).replace("</url>", f"{news}</url>")
    body = body.replace("<urlset", '<urlset xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"')
    (found,) = discovered(web_of.route(HOST, "/news.xml", body=body, content_type="text/xml"))
    assert (found.title, found.published_at, found.updated_at) == ("Scoop", at(2024, 2, 3), at(2024, 5))


ARCHIVE = """<html><body><nav><ul><li><a href="/a-menu-1">Menu</a></li><li><a href="/a-menu-2">Menu</a></li>
<li><a href="/a-menu-3">Menu</a></li></ul></nav><h1>Archive</h1><ul>{rows}</ul>
<p><a href="/photo.jpg">A photo</a></p><a href="{next}">Older</a></body></html>"""


def archive(*rows: tuple[str, str], next_page: str = "#") -> str:
    items = "".join(f'<li>{date} <a href="{path}">Title of {path}</a></li>' for path, date in rows)
    return ARCHIVE.format(rows=items, next=next_page)


def test_a_site_without_feed_and_sitemap_is_read_from_its_archive_pages(
    web_of: LocalServer, discovered: Discover
) -> None:
    url = home(web_of, body='<a href="/archive/">All posts</a>')
    first = [(f"/post-{n}", f'<time datetime="2024-01-{n:02}">a day</time>') for n in (9, 8, 7)]
    second = [("/post-6", "6 January 2024"), ("/post-5", "2024-01-05"), ("/post-4", "")]
    web_of.route(HOST, "/archive/", body=archive(*first, next_page="/archive/page/2/"))
    web_of.route(HOST, "/archive/page/2/", body=archive(*second))
    found = discovered(url)
    assert sources(found) == {f"/post-{n}": "archive" for n in (9, 8, 7, 6, 5, 4)}
    assert [each.date for each in found] == [*(at(2024, 1, n) for n in (9, 8, 7, 6, 5)), None]
    assert found[0].title == "Title of /post-9"


def test_a_list_of_articles_that_names_no_feed_stands_for_them(web_of: LocalServer, discovered: Discover) -> None:
    rows = [(f"/post-{n}", f"2024-01-{n:02}") for n in range(10, 20)]
    url = web_of.route(HOST, "/writing", body=archive(*rows))
    assert len(discovered(url)) == 10
    assert {each.source for each in discovered(url)} == {"archive"}


def test_a_section_of_a_site_stands_for_what_the_sitemap_has_below_it(
    web_of: LocalServer, discovered: Discover
) -> None:
    feed = '<link rel="alternate" type="application/rss+xml" href="/notes/feed.xml">'
    url = web_of.route(HOST, "/notes/", body=f"<html><head>{feed}</head><body><h1>Notes</h1></body></html>")
    web_of.route(HOST, "/notes/feed.xml", body=rss(item(f"{HOME}/notes/new")), content_type="text/xml")
    entries = ((f"{HOME}/notes/old", ""), (f"{HOME}/shop/pan", ""))
    web_of.route(HOST, "/sitemap.xml", body=urlset(*entries), content_type="text/xml")
    assert sources(discovered(url)) == {"/notes/new": "feed", "/notes/old": "sitemap"}


def test_a_site_that_is_down_may_be_tried_again(web_of: LocalServer, discovered: Discover) -> None:
    url = home(web_of, NAMED)
    web_of.route(HOST, "/feed/", status=503, body="later")
    with pytest.raises(Transient) as caught:
        discovered(url)
    assert caught.value.reason is Reason.SERVER_ERROR


def test_a_home_page_that_scripts_would_have_to_fill_stands_for_what_lies_beside_it(
    web_of: LocalServer, discovered: Discover
) -> None:
    shell = f"<html><head><title>Log</title>{NAMED}</head><body><div id=app></div><script src=/app.js></script></body>"
    url = web_of.route(HOST, "/", body=shell)
    web_of.route(HOST, "/feed/", body=rss(item(f"{HOME}/new")), content_type="application/rss+xml")
    assert sources(discovered(url, limit=1, render="never")) == {"/new": "feed"}
    web_of.route(HOST, "/feed/", status=404)
    web_of.route(HOST, "/sitemap.xml", body=urlset((f"{HOME}/old", "")), content_type="text/xml")
    assert sources(discovered(url, render="never")) == {"/old": "sitemap"}
