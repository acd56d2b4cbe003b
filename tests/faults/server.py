"""A server on loopback that plays one host and does one thing wrong, over sockets of its own.

A behaviour is a generator over a request that gives what to send: bytes, or seconds to wait. The connection closes at
its end. A raw behaviour is a coroutine that has the connection from its first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Thread
from types import TracebackType
from typing import Any, Self

Behaviour = Callable[["Ask"], Iterator[bytes | float]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

HANG = 3600.0  # seconds


@dataclass(frozen=True)
class Ask:
    """A request: its path, and how often this path was asked for, this time included."""

    path: str
    count: int


@dataclass
class Misbehaving:
    """Serves `behaviour` (or `raw`) on `port` for the time of a `with` block. robots.txt is 404 but where `rules`
    say that the behaviour answers for it. `context` makes it speak TLS."""

    behaviour: Behaviour | None = None
    raw: Raw | None = None
    rules: bool = False
    context: ssl.SSLContext | None = None
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # clients that hang up, handshakes that fail
        self._loop.run_until_complete(self._start())
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    async def _start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context, backlog=100)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.001))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            if self.raw:
                await self.raw(reader, writer)
            elif self.behaviour:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                path = "/" + target.split("/", 3)[3] if "://" in target else target  # as a proxy is asked
                self.asked[path] += 1
                if path == "/robots.txt" and not self.rules:
                    parts = iter([answer(b"no rules", "404 Not Found")])
                else:
                    parts = self.behaviour(Ask(path, self.asked[path]))
                for part in parts:
                    if isinstance(part, float):
                        await asyncio.sleep(part)
                    else:
                        writer.write(part)
                        await writer.drain()
        writer.close()


def answer(
    body: bytes | str = b"", status: str = "200 OK", headers: Mapping[str, str] | None = None, *, length: int = -1
) -> bytes:
    """A whole answer as it goes over the wire. `length` announces another length than the body's."""
    body = body.encode() if isinstance(body, str) else body
    fields = {"content-type": "text/html; charset=utf-8", "connection": "close", **(headers or {})}
    if not (status.startswith("1") or status[:3] in ("204", "304") or "transfer-encoding" in fields):
        fields["content-length"] = str(length if length >= 0 else len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body
