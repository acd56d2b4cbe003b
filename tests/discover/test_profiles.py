"""Profiles and publications on platforms that have a way of their own to list what is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_twin.collect.crawlers import crawler_for
from llm_twin.collect.web import Web
from llm_twin.documents import Author, Link
from llm_twin.errors import Permanent, Reason
from llm_twin.settings import Settings
from server import Answer, LocalServer, Request

Expand = Callable[..., list[str]]
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
