"""Manners: robots.txt, pauses, and how often a server is asked again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.settings import Settings
from server import Answer, LocalServer, Request

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]
Failure = Callable[..., LinkError]

BLOG = "blog.example"
MEGABYTE = 1_000_000


class TestFurtherTries:
    def test_a_passing_failure_is_tried_again(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        answers = iter([Answer("busy", 503), Answer("cut", length=99), Answer("there")])
        link = server.route(BLOG, "/a", lambda _: next(answers))
        assert fetch(settings_for(server, retries=2), link).text == "there"
        assert len(server.asked("/a")) == 3

    def test_a_failure_that_stays_ends_after_the_allowed_tries(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", status=503)
        assert failure(settings_for(server, retries=2), link).reason is Reason.SERVER_ERROR
        assert len(server.asked("/a")) == 3

    def test_what_will_not_change_is_asked_for_once(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", status=403)
        failure(settings_for(server, retries=2), link)
        assert len(server.asked("/a")) == 1

    def test_retry_after_is_waited_for_by_all_requests_to_the_host(
        self, server: LocalServer, settings_for: SettingsFor
    ) -> None:
        answers = iter([Answer("slow down", 429, {"retry-after": "1"}), Answer("there")])
        limited = server.route(BLOG, "/a", lambda _: next(answers))
        others = [server.route(BLOG, f"/b{number}", body="b") for number in range(2)]

        async def run() -> str:
            async with Web(settings_for(server, retries=1, delay=0.3), backoff=0.001) as web:
                pages = await asyncio.gather(*(web.get(link, robots=False) for link in (limited, *others)))
                return pages[0].text

        assert asyncio.run(run()) == "there"
        first, again = server.asked("/a")
        assert again.at - first.at >= 1
        # On a busy machine one more may have set out before the answer was in.
        assert sum(request.at - first.at < 1 for request in server.requests) <= 2

    def test_a_host_that_asks_to_wait_long_is_left_alone(self, server: LocalServer, settings_for: SettingsFor) -> None:
        busy = server.route(BLOG, "/a", status=429, headers={"retry-after": "3600"}, body="come back later")
        other = server.route(BLOG, "/b", body="b")

        async def run() -> list[LinkError]:
            errors = []
            async with Web(settings_for(server, retries=2), backoff=0.001) as web:
                for link in (busy, other):
                    with pytest.raises(Transient, match=r"asks to wait 3[56]\d\d s") as caught:
                        await web.get(link, robots=False)
                    errors.append(caught.value)
            return errors

        assert [error.reason for error in asyncio.run(run())] == [Reason.RATE_LIMITED] * 2
        assert [request.path for request in server.requests] == ["/a"]


class TestRobots:
    def test_a_forbidden_page_is_not_asked_for(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, failure: Failure
    ) -> None:
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /private\nAllow: /private/but")
        link = server.route(BLOG, "/private/a", body="x")
        allowed = server.route(BLOG, "/private/but-this", body="y")
        error = failure(settings_for(server), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.ROBOTS
        assert not server.asked("/private/a")
        assert fetch(settings_for(server), allowed).text == "y"
        assert fetch(settings_for(server), link, robots=False).text == "x"
        assert fetch(settings_for(server, robots=False), link).text == "x"

    def test_rules_for_this_program_go_before_those_for_all(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, failure: Failure
    ) -> None:
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /\n\nUser-agent: llm-twin\nDisallow: /b")
        assert fetch(settings_for(server), server.route(BLOG, "/a", body="x")).text == "x"
        assert failure(settings_for(server), server.route(BLOG, "/b")).reason is Reason.ROBOTS

    def test_a_redirect_must_be_allowed_where_it_leads(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        server.route("other.example", "/robots.txt", body="User-agent: *\nDisallow: /")
        target = server.route("other.example", "/b", body="x")
        link = server.route(BLOG, "/a", status=301, headers={"location": target})
        assert failure(settings_for(server), link).reason is Reason.ROBOTS
        assert not server.asked("/b")

    def test_it_is_read_once_per_origin_though_many_wait_for_it(
        self, server: LocalServer, settings_for: SettingsFor
    ) -> None:
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /b")
        links = [server.route(BLOG, f"/a{number}", body="x") for number in range(5)]

        async def run() -> None:
            async with Web(settings_for(server)) as web:
                await asyncio.gather(*(web.get(link) for link in links))

        asyncio.run(run())
        assert len(server.asked("/robots.txt")) == 1

    @pytest.mark.parametrize(
        ("status", "reason"), [(500, Reason.ROBOTS), (503, Reason.ROBOTS), (429, Reason.RATE_LIMITED)]
    )
    def test_rules_that_cannot_be_read_now_forbid_all_for_now(
        self,
        server: LocalServer,
        settings_for: SettingsFor,
        fetch: Fetch,
        failure: Failure,
        status: int,
        reason: Reason,
    ) -> None:
        link = server.route(BLOG, "/a", body="x")
        answers = iter([Answer("", status), Answer("User-agent: *\nDisallow: /b")])
        server.route(BLOG, "/robots.txt", lambda _: next(answers))
        error = failure(settings_for(server), link)
        assert isinstance(error, Transient)
        assert error.reason is reason
        assert not server.asked("/a")
        assert fetch(settings_for(server), link).text == "x"

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_rules_that_are_not_there_forbid_nothing(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, status: int
    ) -> None:
        server.route(BLOG, "/robots.txt", status=status, body="User-agent: *\nDisallow: /")
        assert fetch(settings_for(server), server.route(BLOG, "/a", body="x")).text == "x"

    def test_only_the_first_500_kb_are_read(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, failure: Failure
    ) -> None:
        rules = "User-agent: *\nDisallow: /early\n" + "# filler\n" * 100_000 + "Disallow: /late\n"
        server.route(BLOG, "/robots.txt", body=rules)
        assert failure(settings_for(server), server.route(BLOG, "/early")).reason is Reason.ROBOTS
        assert fetch(settings_for(server), server.route(BLOG, "/late", body="x")).text == "x"


class TestPoliteness:
    @pytest.mark.parametrize("asked_by", ["settings", "robots.txt"])
    def test_requests_to_a_host_start_a_pause_apart(
        self, server: LocalServer, settings_for: SettingsFor, asked_by: str
    ) -> None:
        pause, started = 0.15, time.monotonic()
        if asked_by == "robots.txt":
            server.route(BLOG, "/robots.txt", body=f"User-agent: *\nCrawl-delay: {pause}")
        links = [server.route(BLOG, f"/a{number}", body="x") for number in range(4)]

        async def run() -> None:
            async with Web(settings_for(server, delay=pause if asked_by == "settings" else 0)) as web:
                await asyncio.gather(*(web.get(link) for link in links))

        asyncio.run(run())
        pages = [request.at for request in server.requests if request.path != "/robots.txt"]
        before = (
            len(server.requests) - len(pages) if asked_by == "settings" else 0
        )  # robots.txt counts, once it is known
        assert len(pages) == 4
        assert all(at - started >= (before + number) * pause for number, at in enumerate(pages))

    def test_a_host_never_has_more_than_two_requests_at_once(
        self, server: LocalServer, settings_for: SettingsFor
    ) -> None:
        guard, running, peak = threading.Lock(), 0, 0

        def handler(_: Request) -> Answer:
            nonlocal running, peak
            with guard:
                running += 1
                peak = max(peak, running)
            server.stopped.wait(0.05)  # long enough for a third to come in, if it were let
            with guard:
                running -= 1
            return Answer("x")

        links = [server.route(BLOG, f"/a{number}", handler) for number in range(6)]

        async def run() -> None:
            async with Web(settings_for(server)) as web:
                await asyncio.gather(*(web.get(link, robots=False) for link in links))

        asyncio.run(run())
        assert peak == 2

    def test_a_wait_for_one_host_holds_up_no_other(self, server: LocalServer, settings_for: SettingsFor) -> None:
        slow = server.route(BLOG, "/a", body="x")
        other = server.route("other.example", "/b", body="y")

        async def run() -> tuple[str, bool]:
            async with Web(settings_for(server, delay=60, robots=False)) as web:
                await web.get(slow)
                waiting = [asyncio.create_task(web.get(slow)) for _ in range(4)]
                async with asyncio.timeout(5):
                    page = await web.get(other)
                done = any(task.done() for task in waiting)
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
                return page.text, done

        assert asyncio.run(run()) == ("y", False)
