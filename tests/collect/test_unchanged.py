"""Pages that were seen before: asked for on condition, and told from those that have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_twin.collect.pages import Unchanged
from llm_twin.collect.web import Web
from llm_twin.documents import Seen
from llm_twin.errors import Permanent, Reason
from llm_twin.settings import Settings
from server import Answer, Handler, LocalServer, Request

SettingsFor = Callable[..., Settings]
BLOG = "blog.example"


def seen_of(settings: Settings, *links: str) -> Seen | None:
    """What is to be remembered after a view has fetched these links."""

    async def run() -> Seen | None:
        async with Web(settings) as web:
            view = web.against(None)
            for link in links:
                await view.get(link)
            return view.seen

    return asyncio.run(run())


def again(settings: Settings, seen: Seen | None, link: str) -> Unchanged | str:
    """A second visit: how it is unchanged, or the page's text."""

    async def run() -> Unchanged | str:
        async with Web(settings) as web:
            try:
                return (await web.against(seen).get(link)).text
            except Unchanged as same:
                return same

    return asyncio.run(run())


def conditional(**headers: str) -> Handler:
    """A server that keeps to RFC 9110: 304 when a validator fits."""

    def handler(request: Request) -> Answer:
        asked = {request.headers.get("if-none-match"), request.headers.get("if-modified-since")}
        if asked & set(headers.values()):
            return Answer(status=304)
        return Answer("<p>the page", headers={"content-type": "text/html", **headers})

    return handler


@pytest.mark.parametrize("validator", [{"etag": 'W/"7"'}, {"last-modified": "Sat, 01 Jun 2024 08:00:00 GMT"}])
def test_a_page_that_the_server_calls_unchanged_costs_no_body(
    server: LocalServer, settings_for: SettingsFor, validator: dict[str, str]
) -> None:
    link = server.route(BLOG, "/a", conditional(**validator))
    seen = seen_of(settings_for(server), link)
    same = again(settings_for(server), seen, link)
    assert isinstance(same, Unchanged)
    assert (same.page, same.seen) == (None, seen)


def test_a_page_sent_again_with_the_same_body_is_unchanged_and_its_validators_are_renewed(
    server: LocalServer, settings_for: SettingsFor
) -> None:
    tags = iter(['"1"', '"2"'])
    link = server.route(BLOG, "/a", lambda _: Answer("<p>the page", headers={"etag": next(tags)}))
    same = again(settings_for(server), seen_of(settings_for(server), link), link)
    assert isinstance(same, Unchanged)
    assert same.page
    assert (same.page.text, same.seen.etag) == ("<p>the page", '"2"')


def test_a_page_that_has_changed_is_given(server: LocalServer, settings_for: SettingsFor) -> None:
    bodies = iter(["<p>one", "<p>two"])
    link = server.route(BLOG, "/a", lambda _: Answer(next(bodies), headers={"etag": '"1"'}))
    assert again(settings_for(server), seen_of(settings_for(server), link), link) == "<p>two"


def test_an_unchanged_page_that_is_gone_now_is_gone(server: LocalServer, settings_for: SettingsFor) -> None:
    link = server.route(BLOG, "/a", conditional(etag='"1"'))
    seen = seen_of(settings_for(server), link)
    server.route(BLOG, "/a", status=410)
    with pytest.raises(Permanent) as caught:
        again(settings_for(server), seen, link)
    assert caught.value.reason is Reason.GONE


def test_validators_go_to_the_page_they_came_from_alone(server: LocalServer, settings_for: SettingsFor) -> None:
    end = server.route("www.blog.example", "/b", conditional(etag='"b"'))
    link = server.route(BLOG, "/a", status=301, headers={"location": end})
    other = server.route(BLOG, "/c", body="<p>other")
    seen = seen_of(settings_for(server), link)
    assert isinstance(again(settings_for(server), seen, link), Unchanged)
    assert again(settings_for(server), seen, other) == "<p>other"
    assert [request.headers.get("if-none-match") for request in server.asked("/a")] == [None, None]
    assert [request.headers.get("if-none-match") for request in server.asked("/b")] == [None, '"b"']
    assert server.asked("/c")[0].headers.get("if-none-match") is None


def test_a_304_that_nobody_asked_for_is_no_page(server: LocalServer, settings_for: SettingsFor) -> None:
    link = server.route(BLOG, "/a", status=304)
    with pytest.raises(Permanent) as caught:
        again(settings_for(server), None, link)
    assert caught.value.reason is Reason.BAD_DATA


def test_nothing_stands_for_a_link_that_took_several_pages(server: LocalServer, settings_for: SettingsFor) -> None:
    links = [server.route(BLOG, f"/{name}", conditional(etag=f'"{name}"')) for name in "ab"]
    assert seen_of(settings_for(server), *links) is None
    assert seen_of(settings_for(server)) is None
