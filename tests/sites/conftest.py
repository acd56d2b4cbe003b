"""A local server that plays https hosts, and one crawl of a link against it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_twin.collect.crawlers import crawler_for
from llm_twin.collect.web import Web
from llm_twin.documents import Author, Document, Link
from llm_twin.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the local server beside the test folders

from server import LocalServer

Crawl = Callable[[str], list[Document]]
MAREN = Author.named("Maren Okonkwo-Lindqvist")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """Plays https hosts; clients made during the test trust it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with LocalServer(tls=True) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        yield running


@pytest.fixture
def crawl(site: LocalServer, tmp_path: Path) -> Crawl:
    """The documents of a link, collected as a run collects them. Raises what the crawler raises."""

    def documents(url: str) -> list[Document]:
        async def run() -> list[Document]:
            settings = Settings(home=tmp_path, resolve=site.resolve, allow_private=True, delay=0, retries=0, timeout=10)
            async with Web(settings) as web:
                _, crawler = crawler_for(url)
                return [document async for document in crawler(Link(url=url, author=MAREN), web)]

        return asyncio.run(run())

    return documents
