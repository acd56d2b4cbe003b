"""Redirects: where they may lead and what travels along."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Permanent, Reason
from llm_twin.settings import Settings
from server import LocalServer

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]
Failure = Callable[..., LinkError]

BLOG = "blog.example"
MEGABYTE = 1_000_000


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_the_page_at_the_end_is_taken_with_its_own_address(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, status: int
    ) -> None:
        end = server.route("www.blog.example", "/b", body="the end")
        start = server.route(BLOG, "/a", status=status, headers={"location": f"{end}#there"})
        page = fetch(settings_for(server), start)
        assert (page.url, page.text) == (end, "the end")

    def test_a_page_that_only_forwards_is_followed(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        end = server.route(BLOG, "/new/", body="the end")
        body = '<!doctype html><meta http-equiv="refresh" content="0; url=../new/"><a href="../new/">Here</a>'
        assert fetch(settings_for(server), server.route(BLOG, "/old/", body=body)).url == end

    def test_a_page_that_reloads_itself_is_a_page(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/live", body='<meta http-equiv=refresh content="5; url=/live"><p>News at 5')
        assert "News" in fetch(settings_for(server), link).text
        assert len(server.asked("/live")) == 1

    def test_a_circle_is_left(self, server: LocalServer, settings_for: SettingsFor, failure: Failure) -> None:
        link = server.route(BLOG, "/a", status=302, headers={"location": "/a"})
        error = failure(settings_for(server), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.REDIRECT_LOOP
        assert len(server.asked("/a")) == 11

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x.example/", "http://[", "//user:pw@x.example/"])
    def test_only_web_addresses_are_followed(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure, target: str
    ) -> None:
        link = server.route(BLOG, "/a", status=302, headers={"location": target})
        assert failure(settings_for(server), link).reason is Reason.BAD_LINK

    def test_headers_stay_with_the_host_they_are_meant_for(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        end = server.route("other.example", "/c", body="the end")
        server.route(BLOG, "/b", status=302, headers={"location": end})
        start = server.route(BLOG, "/a", status=302, headers={"location": "/b"})
        fetch(settings_for(server), start, headers={"Authorization": "Bearer secret", "X-Key": "k"})
        assert server.asked("/b")[0].headers["authorization"] == "Bearer secret"
        [foreign] = server.asked("/c")
        assert "secret" not in str(foreign.headers)
        assert "x-key" not in foreign.headers

    def test_cookies_live_as_long_as_one_chain_of_redirects(
        self, server: LocalServer, settings_for: SettingsFor
    ) -> None:
        server.route(BLOG, "/b", body="the end")
        start = server.route(BLOG, "/a", status=302, headers={"location": "/b", "set-cookie": "seen=1; Path=/"})

        async def run() -> None:
            async with Web(settings_for(server)) as web:
                await web.get(start)
                await web.get(start)

        asyncio.run(run())
        assert [request.headers.get("cookie") for request in server.asked("/b")] == ["seen=1"] * 2
        assert [request.headers.get("cookie") for request in server.asked("/a")] == [None] * 2

    def test_a_redirect_to_a_login_is_no_article(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        login = server.route(BLOG, "/login", body="<h1>Welcome back</h1><form><input type=password></form>")
        link = server.route(BLOG, "/a", status=302, headers={"location": login + "?next=/a"})
        assert failure(settings_for(server), link).reason is Reason.LOGIN_REQUIRED
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /login")
        assert failure(settings_for(server), link).reason is Reason.LOGIN_REQUIRED
