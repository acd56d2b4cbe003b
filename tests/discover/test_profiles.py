"""Profiles and publications on platforms that have a way of their own to list what is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from llm_twin.collect.crawlers import crawler_for
from llm_twin.collect.discover import Found
from llm_twin.collect.web import Web
from llm_twin.documents import Author, Link
from llm_twin.errors import Permanent, Reason, Transient
from llm_twin.settings import Settings
from server import Answer, LocalServer, Request

Expand = Callable[..., list[str]]
Discover = Callable[..., list[Found]]
MEDIUM_FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Stories by Maren</title>
<item><link>https://medium.com/@maren/older-3f9a1c5b7d2e?source=rss-8c1e------2</link><pubDate>Mon, 06 Jan 2025 08:00:00 GMT</pubDate></item>
<item><link>https://medium.com/@maren/newer-9e8d7c6b5a41?source=rss-8c1e------2</link><pubDate>Mon, 03 Feb 2025 08:00:00 GMT</pubDate></item>
<item><link>https://machines.example/own-aa11bb22cc33?source=rss-8c1e------2&amp;page=2</link><pubDate>Wed, 01 Jan 2025 08:00:00 GMT</pubDate></item>
</channel></rss>"""  # noqa: E501


@pytest.mark.parametrize(
    ("link", "host", "feed"),
    [
        ("https://medium.com/@maren", "medium.com", "/feed/@maren"),
        ("https://medium.com/@maren/about", "medium.com", "/feed/@maren"),
        ("https://medium.com/small-machines", "medium.com", "/feed/small-machines"),
        ("https://medium.com/tag/gardening", "medium.com", "/feed/tag/gardening"),
        ("https://medium.com/feed/@maren", "medium.com", "/feed/@maren"),
        ("https://maren.medium.com/", "maren.medium.com", "/feed"),
    ],
)
def test_a_medium_profile_stands_for_its_feed(
    web_of: LocalServer, expanded: Expand, link: str, host: str, feed: str
) -> None:
    web_of.route(host, feed, body=MEDIUM_FEED, content_type="text/xml")
    assert expanded(link) == [
        "https://medium.com/@maren/newer-9e8d7c6b5a41",
        "https://medium.com/@maren/older-3f9a1c5b7d2e",
        "https://machines.example/own-aa11bb22cc33?page=2",
    ]


def test_a_substack_publication_stands_for_its_posts_alone(web_of: LocalServer, expanded: Expand) -> None:
    host = "glasshouse.substack.com"
    items = "".join(f"<item><link>https://{host}{path}</link></item>" for path in ("/about", "/p/one", "/p/two?r=1"))
    web_of.route(host, "/feed", body=f'<rss version="2.0"><channel>{items}</channel></rss>', content_type="text/xml")
    urls = "".join(
        f"<url><loc>https://{host}{path}</loc></url>" for path in ("/archive", "/p/one", "/p/two", "/p/three")
    )
    web_of.route(host, "/sitemap.xml", body=f"<urlset>{urls}</urlset>", content_type="text/xml")
    assert expanded(f"https://{host}/archive?sort=new", limit=2) == [f"https://{host}/p/one", f"https://{host}/p/two"]
    assert expanded(f"https://{host}", limit=50) == [f"https://{host}/p/{name}" for name in ("one", "two", "three")]


def repositories(*names: str, **more: object) -> list[dict[str, object]]:
    return [{"full_name": f"maren/{name}", "fork": False, "archived": False, **more} for name in names]


def test_a_github_user_stands_for_the_repositories_that_are_no_forks(web_of: LocalServer, expanded: Expand) -> None:
    first = repositories(*(f"r{number}" for number in range(98))) + repositories("theirs", "also-theirs", fork=True)

    def page(request: Request) -> Answer:
        found = repositories("last", archived=True) if "&page=2" in f"&{request.query}" else first
        return Answer(json.dumps(found), headers={"content-type": "application/json"})

    web_of.route("api.github.com", "/users/maren/repos", page)
    found = expanded("https://github.com/maren", limit=500, github_token="secret-token")
    assert found == [f"https://github.com/maren/{name}" for name in (*(f"r{n}" for n in range(98)), "last")]
    assert web_of.asked("/users/maren/repos")[0].headers["authorization"] == "Bearer secret-token"
    assert "sort=pushed" in web_of.asked("/users/maren/repos")[0].query
    assert expanded("https://github.com/maren/", limit=3) == [f"https://github.com/maren/r{n}" for n in range(3)]
    assert "authorization" not in web_of.asked("/users/maren/repos")[-1].headers


def test_a_github_user_without_repositories_says_so(web_of: LocalServer, expanded: Expand) -> None:
    web_of.route("api.github.com", "/users/maren/repos", body="[]", content_type="application/json")
    with pytest.raises(Permanent) as caught:
        expanded("https://github.com/maren")
    assert caught.value.reason is Reason.EMPTY


@pytest.mark.parametrize(
    "link",
    [
        "https://medium.com/@maren/a-valve-3f9a1c5b7d2e",
        "https://glasshouse.substack.com/p/jar",
        "https://github.com/maren/valve",
    ],
)
def test_one_item_of_a_platform_stands_for_itself_unasked(web_of: LocalServer, expanded: Expand, link: str) -> None:
    assert expanded(link) == [link]
    assert not web_of.requests


@pytest.mark.parametrize(
    "link",
    [
        "https://medium.com/@maren",
        "https://medium.com/@maren/list/reading-3f9a1c5b7d2e",
        "https://maren.medium.com/",
        "https://medium.com/small-machines",
        "https://glasshouse.substack.com/",
        "https://glasshouse.substack.com/archive",
        "https://github.com/maren",
        "https://dev.to/maren",
        "https://maren.hashnode.dev/",
    ],
)
def test_a_list_is_refused_as_a_document_with_the_way_to_collect_it(link: str, tmp_path: Path) -> None:
    async def crawl() -> None:
        async with Web(Settings(home=tmp_path)) as web:
            async for _ in crawler_for(link)[1](Link(url=link, author=Author.named("Maren")), web):
                raise AssertionError("a list became a document")

    with pytest.raises(Permanent) as caught:
        asyncio.run(crawl())
    assert caught.value.reason is Reason.LIST_PAGE
    assert "--expand" in caught.value.detail


def json_answer(value: object) -> Answer:
    return Answer(json.dumps(value), headers={"content-type": "application/json"})


def parameters(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query))


def test_repositories_are_dated_by_their_last_push(web_of: LocalServer, discovered: Discover) -> None:
    known = repositories(
        "engine", pushed_at="2024-05-01T10:00:00Z", created_at="2020-01-01T00:00:00Z", description="It"
    )
    web_of.route("api.github.com", "/users/maren/repos", lambda _: json_answer(known))
    (found,) = discovered("https://github.com/orgs/maren")
    assert (found.date, found.title, found.source) == (datetime(2024, 5, 1, 10, tzinfo=UTC), "It", "api")
    assert discovered("https://github.com/maren", since=datetime(2024, 6, 1, tzinfo=UTC)) == []


def test_a_used_up_rate_limit_of_github_is_told_with_the_way_out(web_of: LocalServer, expanded: Expand) -> None:
    limited = Answer('{"message": "API rate limit exceeded"}', 403, {"content-type": "application/json"})
    web_of.route("api.github.com", "/users/maren/repos", lambda _: limited)
    with pytest.raises(Transient, match="TWIN_GITHUB_TOKEN") as caught:
        expanded("https://github.com/maren")
    assert caught.value.reason is Reason.RATE_LIMITED


def test_a_dev_to_user_or_organisation_stands_for_the_articles_of_the_api(
    web_of: LocalServer, discovered: Discover
) -> None:
    articles = [
        {
            "url": f"https://dev.to/maren/a-{number}",
            "title": f"A {number}",
            "published_at": f"2024-05-{number % 28 + 1:02}T08:00:00Z",
            "canonical_url": "https://elsewhere.example/a",
        }
        for number in range(1003)
    ]

    def page(request: Request) -> Answer:
        asked = parameters(request)
        assert asked["username"] == "maren"
        size, number = int(asked["per_page"]), int(asked["page"])
        return json_answer(articles[size * (number - 1) : size * number])

    web_of.route("dev.to", "/api/articles", page)
    found = discovered("https://dev.to/maren", limit=2000)
    assert len(found) == 1003
    assert len(web_of.asked("/api/articles")) == 2
    assert (found[0].link, found[0].title, found[0].source) == ("https://dev.to/maren/a-27", "A 27", "api")
    assert found[0].published_at == datetime(2024, 5, 28, 8, tzinfo=UTC)
    assert len(discovered("https://dev.to/maren", limit=5)) == 5
    assert len(web_of.asked("/api/articles")) == 3


def test_a_dev_to_name_without_articles_says_so(web_of: LocalServer, expanded: Expand) -> None:
    web_of.route("dev.to", "/api/articles", lambda _: json_answer([]))
    with pytest.raises(Permanent, match="no published articles of maren"):
        expanded("https://dev.to/maren")


def archive_of(web_of: LocalServer, host: str, count: int) -> None:
    """Substack's archive: at most twelve posts a request, whatever is asked for."""
    posts = [
        {
            "slug": f"p{number}",
            "title": f"Post {number}",
            "canonical_url": f"https://{host}/p/p{number}",
            "post_date": f"{datetime(2024, 6, 30, tzinfo=UTC) - timedelta(days=number):%Y-%m-%dT%H:%M:%S.000Z}",
            "audience": "everyone",
        }
        for number in range(count)
    ]

    def page(request: Request) -> Answer:
        assert parameters(request)["sort"] == "new"
        start = int(parameters(request)["offset"])
        return json_answer(posts[start : start + min(12, int(parameters(request)["limit"]))])

    web_of.route(host, "/api/v1/archive", page)


def test_a_substack_publication_is_listed_by_its_archive(web_of: LocalServer, discovered: Discover) -> None:
    host = "glasshouse.substack.com"
    archive_of(web_of, host, 30)
    found = discovered(f"https://{host}/", limit=100)
    assert [each.link for each in found] == [f"https://{host}/p/p{number}" for number in range(30)]
    assert (found[0].title, found[0].source) == ("Post 0", "api")
    assert len(discovered(f"https://{host}/", since=datetime(2024, 6, 25, tzinfo=UTC))) == 6
    assert len(web_of.asked("/api/v1/archive")) == 5


def test_a_substack_publication_on_a_domain_of_its_own_is_known_by_its_page(
    web_of: LocalServer, discovered: Discover
) -> None:
    host = "letters.example"
    page = '<script>window._preloads = JSON.parse("{}")</script><img src="https://substackcdn.com/x.png">'
    web_of.route(host, "/", body=f"<html><body>{page}<h1>Letters</h1></body></html>")
    archive_of(web_of, host, 3)
    assert [each.link for each in discovered(f"https://{host}/")] == [f"https://{host}/p/p{n}" for n in range(3)]


def test_a_substack_profile_stands_for_the_publications_that_the_person_writes(
    web_of: LocalServer, expanded: Expand
) -> None:
    def member(name: str, role: str, **more: object) -> dict[str, object]:
        about = {"subdomain": name, "custom_domain": None, "custom_domain_optional": False} | more
        return {"role": role, "is_primary": name == "main", "publication": about}

    own = member("second", "editor", custom_domain="letters.example")
    profile = {"handle": "maren", "publicationUsers": [own, member("main", "admin"), member("read", "subscriber")]}
    web_of.route("substack.com", "/api/v1/user/maren/public_profile", lambda _: json_answer(profile))
    archive_of(web_of, "main.substack.com", 2)
    archive_of(web_of, "letters.example", 1)
    found = expanded("https://substack.com/@maren")
    assert set(found) == {
        *(f"https://main.substack.com/p/p{number}" for number in (0, 1)),
        "https://letters.example/p/p0",
    }
    assert not any(request.host == "read.substack.com" for request in web_of.requests)


def test_a_medium_subdomain_stands_for_its_feed_and_for_what_its_sitemap_has_beyond(
    web_of: LocalServer, discovered: Discover
) -> None:
    host = "maren.medium.com"
    feed = MEDIUM_FEED.replace("https://medium.com/@maren/", f"https://{host}/")
    web_of.route(host, "/feed", body=feed, content_type="text/xml")
    robots = f"User-agent: *\nSitemap: https://{host}/sitemap/sitemap.xml\n"
    web_of.route(host, "/robots.txt", body=robots, content_type="text/plain")
    paths = ("newer-9e8d7c6b5a41", "first-1a2b3c4d5e6f", "about", "tag/gardening")
    urls = "".join(f"<url><loc>https://{host}/{path}</loc><lastmod>2025-01-02</lastmod></url>" for path in paths)
    web_of.route(host, "/sitemap/sitemap.xml", body=f"<urlset>{urls}</urlset>", content_type="text/xml")
    found = {each.link.rpartition("/")[2]: each.source for each in discovered(f"https://{host}/")}
    assert found == {
        "newer-9e8d7c6b5a41": "feed+sitemap",
        "older-3f9a1c5b7d2e": "feed",
        "first-1a2b3c4d5e6f": "sitemap",
        "own-aa11bb22cc33?page=2": "feed",
    }


def test_a_hashnode_blog_stands_for_its_feed_and_sitemap(web_of: LocalServer, discovered: Discover) -> None:
    host = "maren.hashnode.dev"
    items = f"<item><link>https://{host}/new</link><pubDate>Mon, 03 Feb 2025 08:00:00 GMT</pubDate></item>"
    web_of.route(host, "/rss.xml", body=f'<rss version="2.0"><channel>{items}</channel></rss>', content_type="text/xml")
    urls = "".join(
        f"<url><loc>https://{host}{path}</loc></url>" for path in ("/", "/new", "/old", "/series/x", "/tag/y")
    )
    web_of.route(host, "/sitemap.xml", body=f"<urlset>{urls}</urlset>", content_type="text/xml")
    found = discovered(f"https://{host}")
    assert [(each.link, each.source) for each in found] == [
        (f"https://{host}/new", "feed+sitemap"),
        (f"https://{host}/old", "sitemap"),
    ]
