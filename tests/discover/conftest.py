"""A local server that plays https hosts, and one expansion of a link against it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from llm_twin.collect.discover import Found, discover
from llm_twin.collect.web import Web
from llm_twin.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the local server beside the test folders

from server import LocalServer

Expand = Callable[..., list[str]]
Discover = Callable[..., list[Found]]


@pytest.fixture
def web_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """Plays https hosts; clients made during the test trust it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with LocalServer(tls=True) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        yield running


@pytest.fixture
def discovered(web_of: LocalServer, tmp_path: Path) -> Discover:
    """What a link holds. Raises what `discover` raises."""

    def found(url: str, limit: int = 100, since: datetime | None = None, **options: Any) -> list[Found]:
        async def run() -> list[Found]:
            usual = {"home": tmp_path, "resolve": web_of.resolve, "allow_private": True, "delay": 0, "retries": 0}
            async with Web(Settings(**{**usual, **options})) as web:
                return await discover(url, web, limit, since)

        return asyncio.run(run())

    return found


@pytest.fixture
def expanded(discovered: Discover) -> Expand:
    """The links alone."""

    def links(url: str, limit: int = 100, **options: Any) -> list[str]:
        return [found.link for found in discovered(url, limit, **options)]

    return links
