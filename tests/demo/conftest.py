"""The sample author's server, and a browser that needs no name resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from llm_twin.demo.server import DemoServer


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoServer]:
    with DemoServer(port=0) as server:
        yield server


@pytest.fixture
def ask(demo: DemoServer) -> Ask:
    """Ask a server for a path on a host: `ask("blog", "/feed.xml")`. The path is sent as it is."""

    def ask(host: str, path: str, method: str = "GET", server: DemoServer = demo, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            name = f"{host}.localhost:{server.port}"
            sent = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, headers={"host": name} | sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return ask
