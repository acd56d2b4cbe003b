"""The proxy of the environment: used for what it is for, and never a way around the check of addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Thread

import pytest

from llm_twin.collect.web import Page, Web
from llm_twin.errors import ConfigError, LinkError, Reason, Transient
from llm_twin.settings import Settings
from server import LocalServer

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]
Failure = Callable[..., LinkError]
BLOG = "blog.example"


@dataclass
class Proxy:
    """A proxy that opens tunnels, all of them to one port on loopback, and writes down what it is asked."""

    leads_to: int
    port: int = 0
    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n"
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            there, back = await asyncio.open_connection("127.0.0.1", self.leads_to)
            writer.write(self.answer)
            if b" 200 " in self.answer:
                await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
            back.close()
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@pytest.fixture
def proxy(tls_server: LocalServer) -> Iterator[Proxy]:
    """A tunnel to the TLS server."""
    running = Proxy(tls_server.port)
    loop = asyncio.new_event_loop()

    async def start() -> None:
        server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
        running.port = server.sockets[0].getsockname()[1]

    loop.run_until_complete(start())
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield running
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def dns_answers(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let DNS give one address for every name."""

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_https_goes_through_a_tunnel_and_is_verified_to_the_site_itself(
    tls_server: LocalServer, proxy: Proxy, settings_for: SettingsFor, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{proxy.port}")
    link = tls_server.route(BLOG, "/a", body="through the tunnel")
    assert fetch(settings_for(allow_private=False), link).text == "through the tunnel"
    assert {head.partition("\r\n")[0] for head in proxy.heads} == {f"CONNECT {BLOG}:443 HTTP/1.1"}
    assert all("Proxy-Authorization: Basic " in head for head in proxy.heads)
    assert not any("proxy-authorization" in request.headers for request in tls_server.requests)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0x7f.1", "2130706433", "localhost", "a.localhost", "[::ffff:127.0.0.1]", "169.254.169.254",
     "168.63.129.16", "metadata.google.internal", "metadata", "printer.local", "router.home.arpa", "100.64.1.1"],
)  # fmt: skip
def test_a_private_host_is_refused_before_the_proxy_hears_of_it(
    proxy: Proxy,
    tls_server: LocalServer,
    settings_for: SettingsFor,
    failure: Failure,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    settings = settings_for(allow_private=False, robots=False)
    assert failure(settings, f"https://{host}/").reason is Reason.PRIVATE_ADDRESS
    assert proxy.heads == []
    link = tls_server.route(BLOG, "/in", status=302, headers={"location": f"https://{host}/"})
    assert failure(settings, link).reason is Reason.PRIVATE_ADDRESS
    assert len(proxy.heads) == 1


def test_a_name_that_our_own_dns_leads_into_a_private_network_is_refused_too(
    proxy: Proxy, settings_for: SettingsFor, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    dns_answers(monkeypatch, "10.0.0.7")
    error = failure(settings_for(allow_private=False), f"https://{BLOG}/")
    assert error.reason is Reason.PRIVATE_ADDRESS
    assert proxy.heads == []


@pytest.mark.parametrize("spelling", [BLOG, ".example", f"{BLOG}:PORT", "*"])
def test_what_no_proxy_names_is_asked_for_directly(
    tls_server: LocalServer,
    proxy: Proxy,
    settings_for: SettingsFor,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
    spelling: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", f"other.test, {spelling}".replace("PORT", str(tls_server.port)))
    if spelling == "*":
        monkeypatch.setenv("NO_PROXY", "*")
    dns_answers(monkeypatch, "127.0.0.1")
    tls_server.route(BLOG, "/a", body="straight")
    assert fetch(settings_for(), f"https://{BLOG}:{tls_server.port}/a").text == "straight"
    assert proxy.heads == []


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n"])
def test_a_proxy_that_refuses_is_named_without_its_password(
    proxy: Proxy, settings_for: SettingsFor, failure: Failure, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{proxy.port}")
    proxy.answer = answer
    error = failure(settings_for(), f"https://{BLOG}/")
    assert isinstance(error, Transient)
    assert error.reason is Reason.UNREACHABLE
    assert "through the proxy 127.0.0.1" in error.detail
    assert "secret" not in error.detail


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("socks5://ada:secret@127.0.0.1:1080", "socksio"),
        ("ftp://ada:secret@proxy.example", "not the address of a proxy"),
        ("http://ada:secret@proxy:port", "not the address of a proxy"),
        ("http://", "not the address of a proxy"),
    ],
)
def test_a_proxy_that_cannot_work_is_a_configuration_error(
    settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)

    async def run() -> None:
        async with Web(settings_for()):
            pass

    with pytest.raises(ConfigError, match=says) as caught:
        asyncio.run(run())
    assert "ALL_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)
