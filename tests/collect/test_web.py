"""Fetching: every way it can end has its reason, and none of them costs the server or this machine too much."""

from __future__ import annotations

import asyncio
import gzip
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

import brotli
import pytest

from llm_twin.collect.web import Page, Web
from llm_twin.documents import now
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.settings import Settings
from server import Answer, LocalServer, Request

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]

BLOG = "blog.example"
MEGABYTE = 1_000_000


def failure(fetch: Fetch, settings: Settings, url: str, **options: object) -> LinkError:
    with pytest.raises(LinkError) as caught:
        fetch(settings, url, **options)
    assert caught.value.detail
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_page_comes_with_its_text_its_headers_and_where_it_was_found(
    server: LocalServer, settings_for: SettingsFor, fetch: Fetch
) -> None:
    link = server.route(BLOG, "/a", body="<p>Grüße", headers={"ETag": '"7"', "Set-Cookie": "who=me"})
    page = fetch(settings_for(server), link + "?q=1#part")
    assert (page.url, page.status, page.text) == (f"{link}?q=1", 200, "<p>Grüße")
    assert page.content_type == "text/html"
    assert page.headers["etag"] == '"7"'
    assert page.raw.body == "<p>Grüße".encode()
    assert page.raw.headers == {"content-type": "text/html; charset=utf-8", "etag": '"7"'}
    [request] = server.asked("/a")
    assert request.headers["user-agent"].startswith("llm-twin/")
    assert request.query == "q=1"


def test_https_pages_are_verified_by_name_though_resolve_leads_elsewhere(
    tls_server: LocalServer, settings_for: SettingsFor, fetch: Fetch
) -> None:
    link = tls_server.route("medium.com", "/@ada/a", body="a story")
    assert fetch(settings_for(tls_server), link).text == "a story"


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (204, Permanent, Reason.EMPTY),
        (304, Permanent, Reason.BAD_DATA),
        (400, Permanent, Reason.BLOCKED),
        (401, Permanent, Reason.LOGIN_REQUIRED),
        (402, Permanent, Reason.PAYWALL),
        (403, Permanent, Reason.BLOCKED),
        (404, Permanent, Reason.NOT_FOUND),
        (407, Permanent, Reason.BLOCKED),
        (408, Transient, Reason.TIMEOUT),
        (410, Permanent, Reason.GONE),
        (418, Permanent, Reason.BLOCKED),
        (429, Transient, Reason.RATE_LIMITED),
        (451, Permanent, Reason.GONE),
        (500, Transient, Reason.SERVER_ERROR),
        (503, Transient, Reason.SERVER_ERROR),
        (522, Transient, Reason.SERVER_ERROR),
        (999, Permanent, Reason.BLOCKED),
    ],
)
def test_every_status_has_its_reason(
    server: LocalServer,
    settings_for: SettingsFor,
    fetch: Fetch,
    status: int,
    kind: type[LinkError],
    reason: Reason,
) -> None:
    link = server.route(BLOG, "/a", status=status, body="" if status in (204, 304) else "no")
    error = failure(fetch, settings_for(server), link)
    assert type(error) is kind
    assert error.reason is reason


def test_a_challenge_in_the_body_of_an_error_names_who_blocks(
    server: LocalServer, settings_for: SettingsFor, fetch: Fetch
) -> None:
    body = "<title>Just a moment...</title><script>window._cf_chl_opt={}</script>"
    for status in (403, 429, 503):
        link = server.route(BLOG, "/a", status=status, body=body)
        error = failure(fetch, settings_for(server), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.BLOCKED
        assert "Cloudflare" in error.detail


def test_an_empty_answer_is_not_a_page(server: LocalServer, settings_for: SettingsFor, fetch: Fetch) -> None:
    link = server.route(BLOG, "/a", body=" \n")
    assert failure(fetch, settings_for(server), link).reason is Reason.EMPTY


class TestFurtherTries:
    def test_a_passing_failure_is_tried_again(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        answers = iter([Answer("busy", 503), Answer("cut", length=99), Answer("there")])
        link = server.route(BLOG, "/a", lambda _: next(answers))
        assert fetch(settings_for(server, retries=2), link).text == "there"
        assert len(server.asked("/a")) == 3

    def test_a_failure_that_stays_ends_after_the_allowed_tries(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/a", status=503)
        assert failure(fetch, settings_for(server, retries=2), link).reason is Reason.SERVER_ERROR
        assert len(server.asked("/a")) == 3

    def test_what_will_not_change_is_asked_for_once(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/a", status=403)
        failure(fetch, settings_for(server, retries=2), link)
        assert len(server.asked("/a")) == 1

    def test_retry_after_is_waited_for_by_all_requests_to_the_host(
        self, server: LocalServer, settings_for: SettingsFor
    ) -> None:
        answers = iter([Answer("slow down", 429, {"retry-after": "1"}), Answer("there")])
        limited = server.route(BLOG, "/a", lambda _: next(answers))
        others = [server.route(BLOG, f"/b{number}", body="b") for number in range(4)]

        async def run() -> str:
            async with Web(settings_for(server, retries=1, delay=0.1), backoff=0.001) as web:
                pages = await asyncio.gather(*(web.get(link, robots=False) for link in (limited, *others)))
                return pages[0].text

        assert asyncio.run(run()) == "there"
        first, again = server.asked("/a")
        assert again.at - first.at >= 1
        # One more may have set out before the answer was in.
        assert sum(request.at - first.at < 0.9 for request in server.requests) <= 2

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

    def test_retry_after_may_be_a_date(self) -> None:
        date = format_datetime((now() + timedelta(seconds=90)).replace(microsecond=0), usegmt=True)
        for value, least, most in ((date, 80, 90), ("7", 7, 7), ("Thu, 01 Jan 2015 00:00:00 GMT", 0, 0)):
            page = Page("http://x.example/", 503, {"retry-after": value}, now(), b"")
            assert page.retry_after is not None
            assert least <= page.retry_after <= most
        assert Page("http://x.example/", 503, {"retry-after": "soon"}, now(), b"").retry_after is None


class TestTimeAndSize:
    def test_a_server_that_does_not_answer_ends_in_a_timeout(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/a", hang=True)
        error = failure(fetch, settings_for(server, timeout=0.2, robots=False), link)
        assert isinstance(error, Transient)
        assert error.reason is Reason.TIMEOUT

    def test_the_time_limit_covers_a_body_that_trickles(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        def trickle() -> Iterator[bytes]:
            while not server.stopped.wait(0.05):
                yield b"."

        link = server.route(BLOG, "/a", lambda _: Answer(trickle()))
        assert failure(fetch, settings_for(server, timeout=0.3), link).reason is Reason.TIMEOUT

    def test_a_page_that_announces_more_than_the_cap_is_not_read(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/a", body="start", length=2 * MEGABYTE)
        error = failure(fetch, settings_for(server, max_page_bytes=MEGABYTE), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.TOO_LARGE

    def test_a_page_at_the_cap_passes(self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch) -> None:
        link = server.route(BLOG, "/a", body=gzip.compress(b"x" * 1000), headers={"content-encoding": "gzip"})
        assert len(fetch(settings_for(server, max_page_bytes=1000), link).body) == 1000
        assert failure(fetch, settings_for(server, max_page_bytes=999), link).reason is Reason.TOO_LARGE

    @pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "br", "zstd"])
    def test_a_bomb_is_stopped_while_it_unpacks(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, encoding: str
    ) -> None:
        body = _bomb(encoding)
        link = server.route(BLOG, "/a", lambda _: Answer(body(), headers={"content-encoding": encoding}))
        settings = settings_for(server, max_page_bytes=MEGABYTE)
        fetch(settings_for(server), server.route(BLOG, "/warm-up", body="imports are not what is measured"))
        tracemalloc.start()
        try:
            error = failure(fetch, settings, link)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert error.reason is Reason.TOO_LARGE
        assert peak < 12 * MEGABYTE

    def test_an_endless_error_page_still_ends_as_what_it_is(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/a", lambda _: Answer(_bomb("identity")(), status=404))
        assert failure(fetch, settings_for(server), link).reason is Reason.NOT_FOUND


def _bomb(encoding: str) -> Callable[[], Iterator[bytes]]:
    """A body of 200 MB of nothing, packed piece by piece."""
    piece = bytes(MEGABYTE)
    if encoding == "br":
        compressor = brotli.Compressor(quality=1)
        packed = b"".join(compressor.process(piece) for _ in range(200)) + compressor.finish()
    elif encoding == "zstd":
        zstd = pytest.importorskip("backports.zstd")
        packed = zstd.compress(piece) * 200
    elif encoding in ("gzip", "deflate"):
        stream = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
        packed = b"".join(stream.compress(piece) for _ in range(200)) + stream.flush()
    else:
        return lambda: (piece for _ in range(200))
    return lambda: iter([packed])


class TestConnections:
    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_that_breaks_off_is_no_page(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, chunked: bool
    ) -> None:
        def broken() -> Iterator[bytes]:
            yield b"<p>The first half"
            raise ConnectionError

        answer = Answer(broken()) if chunked else Answer("<p>The first half", length=1000)
        error = failure(fetch, settings_for(server), server.route(BLOG, "/a", lambda _: answer))
        assert isinstance(error, Transient)
        assert error.reason is Reason.UNREACHABLE

    def test_a_closed_port_is_unreachable(self, settings_for: SettingsFor, fetch: Fetch) -> None:
        with LocalServer() as gone:
            link = gone.route(BLOG, "/a")
            settings = settings_for(gone)
        error = failure(fetch, settings, link)
        assert isinstance(error, Transient)
        assert error.reason is Reason.UNREACHABLE
        assert BLOG in error.detail

    def test_a_certificate_that_nobody_vouches_for_is_final(
        self, tls_server: LocalServer, settings_for: SettingsFor, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with LocalServer(tls=True) as stranger:
            link = stranger.route(BLOG, "/a", body="x")
            error = failure(fetch, settings_for(stranger, retries=2), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.UNREACHABLE
        assert "certificate of blog.example is not valid" in error.detail

    def test_a_body_that_is_not_packed_as_it_says_is_bad_data(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        link = server.route(BLOG, "/a", body="<p>plain", headers={"content-encoding": "gzip"})
        assert failure(fetch, settings_for(server), link).reason is Reason.BAD_DATA

    def test_a_link_that_is_none_is_refused_before_anything_is_asked(
        self, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        for link in ("ftp://blog.example/a", "blog.example", "http://", "http://user:secret@blog.example/"):
            assert failure(fetch, settings_for(), link).reason is Reason.BAD_LINK

    def test_plain_http_goes_through_the_proxy_of_the_environment_but_not_to_private_hosts(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = f"127.0.0.1:{server.port}"
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.setenv("no_proxy", "inside.localhost")
        server.route(BLOG, "/a", body="by proxy")
        settings = settings_for(allow_private=False)
        assert fetch(settings, f"http://{BLOG}/a").text == "by proxy"
        for target in (
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://metadata.localhost/",
            "http://inside.localhost/",
        ):
            server.route(BLOG, "/in", status=302, headers={"location": target})
            assert failure(fetch, settings, f"http://{BLOG}/in").reason is Reason.PRIVATE_ADDRESS
            assert failure(fetch, settings, target).reason is Reason.PRIVATE_ADDRESS


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

    def test_a_circle_is_left(self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch) -> None:
        link = server.route(BLOG, "/a", status=302, headers={"location": "/a"})
        error = failure(fetch, settings_for(server), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.REDIRECT_LOOP
        assert len(server.asked("/a")) == 11

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x.example/", "http://[", "//user:pw@x.example/"])
    def test_only_web_addresses_are_followed(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, target: str
    ) -> None:
        link = server.route(BLOG, "/a", status=302, headers={"location": target})
        assert failure(fetch, settings_for(server), link).reason is Reason.BAD_LINK

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
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        login = server.route(BLOG, "/login", body="<h1>Welcome back</h1><form><input type=password></form>")
        link = server.route(BLOG, "/a", status=302, headers={"location": login + "?next=/a"})
        assert failure(fetch, settings_for(server), link).reason is Reason.LOGIN_REQUIRED
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /login")
        assert failure(fetch, settings_for(server), link).reason is Reason.LOGIN_REQUIRED


class TestRobots:
    def test_a_forbidden_page_is_not_asked_for(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /private\nAllow: /private/but")
        link = server.route(BLOG, "/private/a", body="x")
        allowed = server.route(BLOG, "/private/but-this", body="y")
        error = failure(fetch, settings_for(server), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.ROBOTS
        assert not server.asked("/private/a")
        assert fetch(settings_for(server), allowed).text == "y"
        assert fetch(settings_for(server), link, robots=False).text == "x"
        assert fetch(settings_for(server, robots=False), link).text == "x"

    def test_rules_for_this_program_go_before_those_for_all(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        server.route(BLOG, "/robots.txt", body="User-agent: *\nDisallow: /\n\nUser-agent: llm-twin\nDisallow: /b")
        assert fetch(settings_for(server), server.route(BLOG, "/a", body="x")).text == "x"
        assert failure(fetch, settings_for(server), server.route(BLOG, "/b")).reason is Reason.ROBOTS

    def test_a_redirect_must_be_allowed_where_it_leads(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch
    ) -> None:
        server.route("other.example", "/robots.txt", body="User-agent: *\nDisallow: /")
        target = server.route("other.example", "/b", body="x")
        link = server.route(BLOG, "/a", status=301, headers={"location": target})
        assert failure(fetch, settings_for(server), link).reason is Reason.ROBOTS
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
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, status: int, reason: Reason
    ) -> None:
        link = server.route(BLOG, "/a", body="x")
        answers = iter([Answer("", status), Answer("User-agent: *\nDisallow: /b")])
        server.route(BLOG, "/robots.txt", lambda _: next(answers))
        error = failure(fetch, settings_for(server), link)
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

    def test_only_the_first_500_kb_are_read(self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch) -> None:
        rules = "User-agent: *\nDisallow: /early\n" + "# filler\n" * 100_000 + "Disallow: /late\n"
        server.route(BLOG, "/robots.txt", body=rules)
        assert failure(fetch, settings_for(server), server.route(BLOG, "/early")).reason is Reason.ROBOTS
        assert fetch(settings_for(server), server.route(BLOG, "/late", body="x")).text == "x"


class TestPoliteness:
    @pytest.mark.parametrize("asked_by", ["settings", "robots.txt"])
    def test_requests_to_a_host_start_a_pause_apart(
        self, server: LocalServer, settings_for: SettingsFor, asked_by: str
    ) -> None:
        pause = 0.15
        if asked_by == "robots.txt":
            server.route(BLOG, "/robots.txt", body=f"User-agent: *\nCrawl-delay: {pause}")
        links = [server.route(BLOG, f"/a{number}", body="x") for number in range(4)]

        async def run() -> None:
            async with Web(settings_for(server, delay=pause if asked_by == "settings" else 0)) as web:
                await asyncio.gather(*(web.get(link) for link in links))

        asyncio.run(run())
        at = [request.at for request in server.requests][0 if asked_by == "settings" else 1 :]
        assert len(at) >= 4
        assert all(later - earlier >= pause - 0.05 for earlier, later in pairwise(at))

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


MOSTLY = "Grüße und vieles, was stimmt: äöü"


@pytest.mark.parametrize(
    ("body", "label", "text"),
    [
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ("Grüße “zitiert”".encode("cp1252"), "iso-8859-1", "Grüße “zitiert”"),
        ("Grüße".encode(), "iso-8859-1", "Grüße"),
        ("Grüße".encode("utf-8-sig"), "iso-8859-1", "Grüße"),
        ("Grüße".encode("utf-16"), "", "Grüße"),
        ('<meta charset="koi8-r">Привет'.encode("koi8-r"), "", '<meta charset="koi8-r">Привет'),
        ('<meta charset="koi8-r">Привет'.encode("koi8-r"), "utf-8", '<meta charset="koi8-r">Привет'),
        ("<?xml version='1.0' encoding='cp1251'?>Да".encode("cp1251"), "", "<?xml version='1.0' encoding='cp1251'?>Да"),
        ("日本語のページ".encode("iso2022_jp"), "iso-2022-jp", "日本語のページ"),
        ("日本語のページ".encode("cp932"), "shift_jis", "日本語のページ"),
        (MOSTLY.encode() + b"\xfc", "utf-8", MOSTLY + "\ufffd"),
        (MOSTLY.encode() + b"\xfc", "", MOSTLY + "\ufffd"),
        (b"\xff\xff\x81", "windows-1252", "ÿÿ\ufffd"),
        (b"", "utf-8", ""),
    ],
)
def test_text_is_read_whatever_its_label_says(body: bytes, label: str, text: str) -> None:
    headers = {"content-type": f"text/html; charset={label}" if label else "text/html"}
    assert Page("http://x.example/", 200, headers, now(), body).text == text


@pytest.mark.parametrize("label", ["no-such-charset", "hex", "undefined", "idna", "utf-16", '"', "utf8; charset="])
def test_a_label_that_means_nothing_is_no_obstacle(label: str) -> None:
    body = "Ein längerer deutscher Satz, in dem für Größe und Maß Umlaute stehen.".encode("cp1252")
    text = Page("http://x.example/", 200, {"content-type": f"text/html; charset={label}"}, now(), body).text
    assert isinstance(text, str)
    assert Page("http://x.example/", 200, {"content-type": f"text/html; charset={label}"}, now(), b"plain").text
    if label != "utf-16":
        assert "längerer deutscher Satz" in text
