"""Fetching: every way it can end has its reason, and none of them costs the server or this machine too much."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.settings import Settings
from server import Answer, LocalServer

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]
Failure = Callable[..., LinkError]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOG = "blog.example"
MEGABYTE = 1_000_000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


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


def test_http_2_is_spoken_and_a_page_too_large_does_not_stall_the_next(
    tls_server: LocalServer, settings_for: SettingsFor
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])  # and nothing else
    tls_server.certify(context, BLOG)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = H2Connection(H2Configuration(client_side=False))
        wire.initiate_connection()
        while data := await reader.read(65_536):
            for event in wire.receive_data(data):
                if isinstance(event, RequestReceived):
                    large = (b":path", b"/large") in event.headers
                    wire.send_headers(event.stream_id, [(":status", "200"), ("content-type", "text/plain")])
                    for _ in range(1000 if large else 1):  # as far as the client's window goes
                        part = b"in frames" * (1000 if large else 1)
                        if wire.local_flow_control_window(event.stream_id) >= len(part):
                            wire.send_data(event.stream_id, part)
                    if not large:
                        wire.end_stream(event.stream_id)
            writer.write(wire.data_to_send())
        writer.close()

    async def run() -> Page:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as h2_server:
            port = h2_server.sockets[0].getsockname()[1]
            settings = settings_for(resolve={f"{BLOG}:443": f"127.0.0.1:{port}"}, robots=False, max_page_bytes=5000)
            async with Web(settings) as web:
                for _ in range(3):  # the third would find the connection's window used up
                    with pytest.raises(Permanent, match="larger than 5,000 bytes"):
                        await web.get(f"https://{BLOG}/large")
                return await web.get(f"https://{BLOG}/a")

    assert asyncio.run(run()).text == "in frames"


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
    server: LocalServer, settings_for: SettingsFor, failure: Failure, status: int, kind: type[LinkError], reason: Reason
) -> None:
    link = server.route(BLOG, "/a", status=status, body="" if status in (204, 304) else "no")
    error = failure(settings_for(server), link)
    assert type(error) is kind
    assert error.reason is reason


def test_a_challenge_in_the_body_of_an_error_names_who_blocks(
    server: LocalServer, settings_for: SettingsFor, failure: Failure
) -> None:
    body = "<title>Just a moment...</title><script>window._cf_chl_opt={}</script>"
    for status in (403, 429, 503):
        link = server.route(BLOG, "/a", status=status, body=body)
        error = failure(settings_for(server), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.BLOCKED
        assert "Cloudflare" in error.detail


def test_an_empty_answer_is_not_a_page(server: LocalServer, settings_for: SettingsFor, failure: Failure) -> None:
    link = server.route(BLOG, "/a", body=" \n")
    assert failure(settings_for(server), link).reason is Reason.EMPTY


class TestTimeAndSize:
    def test_a_server_that_does_not_answer_ends_in_a_timeout(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", hang=True)
        error = failure(settings_for(server, timeout=0.2, robots=False), link)
        assert isinstance(error, Transient)
        assert error.reason is Reason.TIMEOUT

    def test_the_time_limit_covers_a_body_that_trickles(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        def trickle() -> Iterator[bytes]:
            while not server.stopped.wait(0.05):
                yield b"."

        link = server.route(BLOG, "/a", lambda _: Answer(trickle()))
        assert failure(settings_for(server, timeout=0.3), link).reason is Reason.TIMEOUT

    def test_a_page_that_announces_more_than_the_cap_is_not_read(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", body="start", length=2 * MEGABYTE)
        error = failure(settings_for(server, max_page_bytes=MEGABYTE), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.TOO_LARGE

    def test_a_page_at_the_cap_passes(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", body=gzip.compress(b"x" * 1000), headers={"content-encoding": "gzip"})
        assert len(fetch(settings_for(server, max_page_bytes=1000), link).body) == 1000
        assert failure(settings_for(server, max_page_bytes=999), link).reason is Reason.TOO_LARGE

    @pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "br", "zstd"])
    def test_a_bomb_is_stopped_while_it_unpacks(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, failure: Failure, encoding: str
    ) -> None:
        body = _bomb(encoding)
        link = server.route(BLOG, "/a", lambda _: Answer(body(), headers={"content-encoding": encoding}))
        settings = settings_for(server, max_page_bytes=MEGABYTE)
        fetch(settings_for(server), server.route(BLOG, "/warm-up", body="imports are not what is measured"))
        tracemalloc.start()
        try:
            error = failure(settings, link)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert error.reason is Reason.TOO_LARGE
        assert peak < 12 * MEGABYTE

    def test_an_endless_error_page_still_ends_as_what_it_is(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", lambda _: Answer(_bomb("identity")(), status=404))
        assert failure(settings_for(server), link).reason is Reason.NOT_FOUND


def _bomb(encoding: str) -> Callable[[], Iterator[bytes]]:
    """A body of 60 MB of nothing, packed piece by piece."""
    piece = bytes(MEGABYTE)
    if encoding == "br":
        compressor = brotli.Compressor(quality=1)
        packed = b"".join(compressor.process(piece) for _ in range(60)) + compressor.finish()
    elif encoding == "zstd":
        packed = zstd.compress(piece) * 60
    elif encoding in ("gzip", "deflate"):
        stream = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
        packed = b"".join(stream.compress(piece) for _ in range(60)) + stream.flush()
    else:
        return lambda: (piece for _ in range(60))
    return lambda: iter([packed])


class TestConnections:
    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_that_breaks_off_is_no_page(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure, chunked: bool
    ) -> None:
        def broken() -> Iterator[bytes]:
            yield b"<p>The first half"
            raise ConnectionError

        answer = Answer(broken()) if chunked else Answer("<p>The first half", length=1000)
        error = failure(settings_for(server), server.route(BLOG, "/a", lambda _: answer))
        assert isinstance(error, Transient)
        assert error.reason is Reason.UNREACHABLE

    def test_a_closed_port_is_unreachable(self, settings_for: SettingsFor, failure: Failure) -> None:
        with LocalServer() as gone:
            link = gone.route(BLOG, "/a")
            settings = settings_for(gone)
        error = failure(settings, link)
        assert isinstance(error, Transient)
        assert error.reason is Reason.UNREACHABLE
        assert BLOG in error.detail

    def test_a_certificate_that_nobody_vouches_for_is_final(
        self, tls_server: LocalServer, settings_for: SettingsFor, failure: Failure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with LocalServer(tls=True) as stranger:
            link = stranger.route(BLOG, "/a", body="x")
            error = failure(settings_for(stranger, retries=2), link)
        assert isinstance(error, Permanent)
        assert error.reason is Reason.UNREACHABLE
        assert "certificate of blog.example is not valid" in error.detail

    def test_a_body_that_is_not_packed_as_it_says_is_bad_data(
        self, server: LocalServer, settings_for: SettingsFor, failure: Failure
    ) -> None:
        link = server.route(BLOG, "/a", body="<p>plain", headers={"content-encoding": "gzip"})
        assert failure(settings_for(server), link).reason is Reason.BAD_DATA

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "br, gzip"])
    def test_half_of_a_packed_body_is_no_page_though_the_connection_ends_well(
        self, server: LocalServer, settings_for: SettingsFor, fetch: Fetch, failure: Failure, encoding: str
    ) -> None:
        packed = "".join(f"<p>Paragraph {number}" for number in range(300)).encode()
        for coding in encoding.split(", "):
            packed = PACKERS[coding](packed)
        whole = server.route(BLOG, "/a", body=packed, headers={"content-encoding": encoding})
        half = server.route(BLOG, "/b", body=packed[: len(packed) // 2], headers={"content-encoding": encoding})
        assert "Paragraph 299" in fetch(settings_for(server), whole).text
        assert failure(settings_for(server), half).reason in (Reason.UNREACHABLE, Reason.BAD_DATA)

    def test_a_link_that_is_none_is_refused_before_anything_is_asked(
        self, settings_for: SettingsFor, failure: Failure
    ) -> None:
        for link in ("ftp://blog.example/a", "blog.example", "http://", "http://user:secret@blog.example/"):
            assert failure(settings_for(), link).reason is Reason.BAD_LINK

    def test_plain_http_goes_through_the_proxy_of_the_environment_but_not_to_private_hosts(
        self,
        server: LocalServer,
        settings_for: SettingsFor,
        fetch: Fetch,
        failure: Failure,
        monkeypatch: pytest.MonkeyPatch,
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
            assert failure(settings, f"http://{BLOG}/in").reason is Reason.PRIVATE_ADDRESS
            assert failure(settings, target).reason is Reason.PRIVATE_ADDRESS
