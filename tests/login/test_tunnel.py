"""The way out of a signed-in browser: checked addresses, allowed hosts, https alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from llm_twin.collect.addresses import Resolver
from llm_twin.collect.sessions.tunnel import tunnel
from llm_twin.errors import ConfigError
from llm_twin.settings import Settings
from server import LocalServer


def asked(
    head: str, settings: Settings, allowed: Callable[[str], bool] = lambda _: True, password: str | None = None
) -> str:
    """What the tunnel answers to a request, sent with its own password or another; with "" none is sent."""

    async def run() -> str:
        resolver = Resolver(settings)
        async with tunnel(resolver, allowed) as way:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(way.address.rpartition(":")[2]))
            given = way if password is None else replace(way, password=password)
            shown = f"Proxy-Authorization: {given.authorization}\r\n" if given.password else ""
            writer.write(f"{head}\r\n{shown}\r\n".encode())
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            writer.close()
        resolver.close()
        return answer.decode()

    return asyncio.run(run())


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize(
    "place", ["127.0.0.1", "localhost", "0x7f.1", "[::1]", "2130706433", "10.0.0.1", "169.254.169.254"]
)
def test_nothing_private_is_reached(place: str, tmp_path: Path) -> None:
    with LocalServer() as server:
        assert asked(f"CONNECT {place}:{server.port} HTTP/1.1", Settings(home=tmp_path)).startswith("HTTP/1.1 502")
        assert server.requests == []


@pytest.mark.usefixtures("direct")
def test_hosts_that_are_not_the_sites_are_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert asked("CONNECT evil.example:443 HTTP/1.1", settings, lambda host: host == "a.example").startswith(
        "HTTP/1.1 403"
    )
    assert asked("CONNECT nowhere HTTP/1.1", settings).startswith("HTTP/1.1 403")
    assert asked("POST http://a.example/ HTTP/1.1", settings).startswith("HTTP/1.1 403")


@pytest.mark.usefixtures("direct")
def test_what_is_asked_for_in_the_clear_is_sent_to_https(tmp_path: Path) -> None:
    answer = asked("GET http://a.example/x?y=z HTTP/1.1", Settings(home=tmp_path))
    assert answer.startswith("HTTP/1.1 307")
    assert "Location: https://a.example/x?y=z\r\n" in answer


@pytest.mark.usefixtures("direct")
def test_a_host_that_is_let_through_is_connected(tmp_path: Path) -> None:
    with LocalServer() as server:
        settings = Settings(home=tmp_path, allow_private=True, resolve={"a.example:443": f"127.0.0.1:{server.port}"})
        assert asked("CONNECT a.example:443 HTTP/1.1", settings).startswith("HTTP/1.1 200")


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("password", ["", "another", "ä"])
def test_nobody_but_the_browser_gets_through(password: str, tmp_path: Path) -> None:
    with LocalServer() as server:
        settings = Settings(home=tmp_path, allow_private=True, resolve={"a.example:443": f"127.0.0.1:{server.port}"})
        answer = asked("CONNECT a.example:443 HTTP/1.1", settings, password=password)
        assert answer.startswith("HTTP/1.1 407")
        assert 'Proxy-Authenticate: Basic realm="llm-twin"\r\n' in answer
        assert asked("GET http://a.example/ HTTP/1.1", settings, password=password).startswith("HTTP/1.1 407")


def test_a_proxy_of_another_kind_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@proxy.example:1080")
    with pytest.raises(ConfigError, match="signing in goes through HTTP proxies alone") as error:
        asked("CONNECT a.example:443 HTTP/1.1", Settings(home=tmp_path))
    assert "secret" not in str(error.value)
