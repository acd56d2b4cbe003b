"""A local web in place of the real one: servers that play hosts, settings that lead to them, and a one-off fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from llm_twin.collect.web import Page, Web
from llm_twin.errors import LinkError
from llm_twin.settings import Settings
from server import LocalServer

SettingsFor = Callable[..., Settings]
Fetch = Callable[..., Page]


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of trusted certificates that loads at once; the machine's takes 50 ms, for every client anew."""
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch, one_certificate: str) -> None:
    """Its proxies and certificates play no part."""
    monkeypatch.setenv("SSL_CERT_FILE", one_certificate)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
def tls_server(monkeypatch: pytest.MonkeyPatch, nothing_of_the_machine: None) -> Iterator[LocalServer]:
    """Plays https hosts; clients made during the test trust it."""
    with LocalServer(tls=True) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        yield running


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFor:
    """Settings under which the hosts of the given servers are found, without pauses and without further tries."""

    def build(*servers: LocalServer, **options: Any) -> Settings:
        resolve = {source: target for server in servers for source, target in server.resolve.items()}
        usual = {"home": tmp_path, "resolve": resolve, "allow_private": True, "delay": 0, "retries": 0, "timeout": 10}
        return Settings(**{**usual, **options})

    return build


@pytest.fixture
def fetch() -> Fetch:
    """Fetch one link in a `Web` of its own."""

    def once(settings: Settings, url: str, **options: Any) -> Page:
        async def run() -> Page:
            async with Web(settings, backoff=0.001) as web:
                return await web.get(url, **options)

        return asyncio.run(run())

    return once


@pytest.fixture
def failure(fetch: Fetch) -> Callable[..., LinkError]:
    """Fetch one link, which has to fail with one line that says more than the reason; returns the error."""

    def of(settings: Settings, url: str, **options: Any) -> LinkError:
        with pytest.raises(LinkError) as caught:
            fetch(settings, url, **options)
        assert caught.value.detail
        assert "\n" not in str(caught.value)
        return caught.value

    return of
