"""How a host that struggles is treated: slower at once, as fast as before by itself, and left alone when it is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from llm_twin.collect import pace as pace_module
from llm_twin.collect import robots as robots_module
from llm_twin.collect.pace import Closed, Pace
from llm_twin.collect.robots import Robots, freshness, product
from llm_twin.collect.web import Page, Web
from llm_twin.documents import now
from llm_twin.errors import ConfigError, LinkError, Permanent, Reason, Transient
from llm_twin.settings import Settings
from server import Answer, LocalServer

SettingsFor = Callable[..., Settings]
BLOG = "blog.example"


def pauses(settings: Settings, link: str, times: int) -> list[float]:
    """The pause after each of some requests."""

    async def run() -> list[float]:
        found = []
        async with Web(settings, backoff=0.01) as web:
            for _ in range(times):
                with suppress(LinkError):
                    await web.get(link, robots=False)
                found.append(web.pause(BLOG))
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_the_pause_doubles_with_every_sign_of_overload_and_shrinks_back_by_itself(
    server: LocalServer, settings_for: SettingsFor, status: int
) -> None:
    answers = [Answer("busy", status)] * 3
    link = server.route(BLOG, "/a", lambda _: answers.pop() if answers else Answer("there"))
    found = pauses(settings_for(server, delay=0.01), link, 18)
    assert found[:3] == [0.02, 0.04, 0.08]
    assert found[3:] == sorted(found[3:], reverse=True)
    assert found[3] > 0.05
    assert found[-1] == 0.01


def test_a_time_out_slows_a_host_down_and_a_page_that_is_missing_does_not(
    server: LocalServer, settings_for: SettingsFor
) -> None:
    silent = server.route(BLOG, "/a", hang=True)
    missing = server.route(BLOG, "/b", status=404)
    assert pauses(settings_for(server, timeout=0.1), silent, 2) == [0.01, 0.02]
    assert pauses(settings_for(server), missing, 2) == [0, 0]


def test_requests_that_were_under_way_together_slow_a_host_down_once(
    server: LocalServer, settings_for: SettingsFor
) -> None:
    link = server.route(BLOG, "/a", hang=True)

    async def run() -> float:
        async with Web(settings_for(server, timeout=0.2), backoff=0.01) as web:
            await asyncio.gather(*(web.get(link, robots=False) for _ in range(2)), return_exceptions=True)
            return web.pause(BLOG)

    assert asyncio.run(run()) == 0.01


def test_a_host_that_is_down_is_left_alone_so_that_its_links_cost_nothing(settings_for: SettingsFor) -> None:
    with LocalServer() as gone:
        link = gone.route(BLOG, "/a")
        settings = settings_for(gone, robots=False)

    async def run() -> list[Transient]:
        errors = []
        async with Web(settings, backoff=0.0001) as web:
            for _ in range(12):
                with pytest.raises(Transient) as caught:
                    await web.get(link)
                errors.append(caught.value)
        return errors

    errors = asyncio.run(run())
    assert {error.reason for error in errors} == {Reason.UNREACHABLE}
    assert "cannot connect" in errors[9].detail
    assert "has failed 10 times in a row, the last with: cannot connect" in errors[10].detail
    assert "left alone for 300 s more" in errors[10].detail


def test_a_host_that_was_left_alone_is_asked_again_after_its_rest(
    server: LocalServer, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace_module, "REST", 0.2)
    answers = [Answer("busy", 503)] * pace_module.GIVE_UP
    link = server.route(BLOG, "/a", lambda _: answers.pop() if answers else Answer("there"))

    async def run() -> str:
        async with Web(settings_for(server, robots=False), backoff=0.0001) as web:
            for _ in range(pace_module.GIVE_UP):
                with pytest.raises(Transient):
                    await web.get(link)
            with pytest.raises(Closed) as caught:
                await web.get(link)
            await asyncio.sleep(caught.value.retry_after or 0)
            return (await web.get(link)).text

    assert asyncio.run(run()) == "there"


def test_a_robots_txt_that_always_fails_is_not_asked_for_by_every_link(
    server: LocalServer, settings_for: SettingsFor
) -> None:
    server.route(BLOG, "/robots.txt", status=500)
    links = [server.route(BLOG, f"/{number}", body="x") for number in range(30)]

    async def run() -> set[Reason]:
        reasons = set()
        async with Web(settings_for(server), backoff=0.0001) as web:
            for link in links:
                with pytest.raises(Transient) as caught:
                    await web.get(link)
                reasons.add(caught.value.reason)
        return reasons

    assert asyncio.run(run()) == {Reason.ROBOTS}
    assert len(server.requests) == pace_module.GIVE_UP


def test_hundreds_of_thousands_of_hosts_are_not_all_remembered() -> None:
    pace = Pace(0, 2, 1)

    async def run() -> None:
        for number in range(30_000):
            async with pace.turn(f"{number}.example"):
                pass

    asyncio.run(run())
    assert len(pace) <= pace_module.MAX_HOSTS + 1


def test_hosts_that_have_to_wait_are_remembered_before_all_others() -> None:
    pace = Pace(0, 2, 30)

    async def run() -> None:
        pace.failed(BLOG, Transient(Reason.TIMEOUT, "no answer"))
        for number in range(pace_module.MAX_HOSTS + 100):
            async with pace.turn(f"{number}.example"):
                pass
        assert pace.pause(BLOG) == 30

    asyncio.run(run())


class TestRules:
    """What is kept of robots.txt."""

    def rules(self, *bodies: str) -> tuple[Robots, list[str]]:
        """Rules that read one body after the other, and the addresses they have asked for."""
        asked: list[str] = []

        async def fetch(url: str) -> Page:
            body = bodies[min(len(asked), len(bodies) - 1)]
            asked.append(url)
            return Page(url, 200, {}, now(), body.encode())

        return Robots("llm-twin/0.1 (+https://x.example)", fetch), asked

    def test_they_are_read_again_after_a_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        robots, asked = self.rules("", "", "User-agent: *\nDisallow: /")
        asyncio.run(robots.check("http://blog.example/a"))
        asyncio.run(robots.check("http://blog.example/a"))
        assert len(asked) == 1
        monkeypatch.setattr(robots_module, "MAX_AGE", -1)
        asyncio.run(robots.check("http://other.example/a"))
        assert len(asked) == 2
        with pytest.raises(Permanent):
            asyncio.run(robots.check("http://other.example/a"))

    def test_what_the_site_says_of_their_age_counts(self) -> None:
        def told(**headers: str) -> tuple[float, bool]:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return freshness(Page("http://blog.example/robots.txt", 200, sent, now(), b""))

        day = 24 * 3600
        assert told() == (day, True)
        assert told(cache_control="public, max-age=3600") == (3600, True)
        assert told(cache_control="max-age=3600", age="600") == (3000, True)
        assert told(cache_control="max-age=604800") == (day, True)
        assert told(cache_control="max-age=0") == (300, True)
        assert told(cache_control="no-store") == told(cache_control="no-cache, max-age=3600") == (300, False)
        assert told(cache_control="s-maxage=5, max-age=much") == (day, True)

    def test_those_not_used_for_longest_go_when_there_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(robots_module, "KEPT_BYTES", 10_000)
        robots, asked = self.rules("")

        async def run() -> None:
            for number in range(20):
                await robots.check(f"http://{number}.example/")
            await robots.check("http://19.example/")
            assert len(asked) == 20
            await robots.check("http://0.example/")
            assert len(asked) == 21

        asyncio.run(run())

    def test_one_that_stops_waiting_leaves_the_attempt_to_the_others(
        self, server: LocalServer, settings_for: SettingsFor
    ) -> None:
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /b")
        link = server.route(BLOG, "/a", body="x")

        async def run() -> str:
            async with Web(settings_for(server)) as web:
                first, second = (asyncio.create_task(web.get(link)) for _ in range(2))
                await asyncio.sleep(0)
                first.cancel()
                return (await second).text

        assert asyncio.run(run()) == "x"
        assert len(server.asked("/robots.txt")) == 1

    def test_rules_are_looked_up_by_the_name_of_the_program(self) -> None:
        assert product("llm-twin/0.1 (+https://pypi.org/project/llm-twin/)") == "llm-twin"
        assert product("AdaBot") == "AdaBot"
        assert "AdaBot" in product("Mozilla/5.0 (compatible; AdaBot/1.0)")
        robots, _ = self.rules("User-agent: pypi\nDisallow: /")
        assert asyncio.run(robots.check("http://blog.example/a")) == 0

    def test_an_origin_that_is_exempt_is_not_asked(self, server: LocalServer, settings_for: SettingsFor) -> None:
        for host in (BLOG, "www.blog.example", "other.example", "www.other.example"):
            server.route(host, "/robots.txt", body="User-agent: *\nDisallow: /")
            server.route(host, "/a", body="x")

        async def run() -> list[str]:
            async with Web(settings_for(server, own_sites=["Blog.example", ".other.example"])) as web:
                pages = [await web.get(f"http://{host}/a") for host in (BLOG, "www.blog.example", "www.other.example")]
                with pytest.raises(Permanent) as caught:
                    await web.get("http://other.example/a")
                assert caught.value.reason is Reason.ROBOTS
                return [page.text for page in pages]

        assert asyncio.run(run()) == ["x"] * 3
        assert [request.host for request in server.asked("/robots.txt")] == ["other.example"]


def test_own_sites_come_as_hosts_with_commas_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_OWN_SITES", "Ada.dev, .bücher.example")
    assert Settings.load().own_sites == ("ada.dev", ".xn--bcher-kva.example")
    monkeypatch.setenv("TWIN_OWN_SITES", "https://ada.dev/")
    with pytest.raises(ConfigError, match="is no host"):
        Settings.load()
