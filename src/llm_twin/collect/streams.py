"""TCP and TLS connections of asyncio itself for httpcore2, at half the CPU time of those it has by way of anyio."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2

READ_AHEAD = 256_000  # bytes that wait to be read before the other side is held up


class Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection. Raises httpcore2's errors; of a connection that was cut off, TLS or not, `read` gives b""."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._arrived = asyncio.Event()  # something to read, or the end
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._error: Exception | None = None
        self._held_up: asyncio.Transport | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """By the event loop, and by TLS once more."""
        if isinstance(transport, asyncio.Transport):  # as those of TCP and TLS are
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """By the event loop."""
        self._received += data
        self._arrived.set()
        if len(self._received) > READ_AHEAD and not self._held_up:
            self._held_up = self._transport
            self._held_up.pause_reading()

    def eof_received(self) -> bool:
        """By the event loop."""
        self._ended = True
        self._arrived.set()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """By the event loop."""
        self._error = self._error or error
        self._ended = True
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """By the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """By the event loop."""
        self._writable.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  (httpcore2's)
        """What has come, at most `max_bytes`; b"" at the end."""
        if not self._received and not self._ended:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
            except TimeoutError as error:
                raise httpcore2.ReadTimeout(error) from error
        if not self._received and self._error:
            raise httpcore2.ReadError(_words(self._error)) from self._error
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if self._held_up and len(self._received) <= READ_AHEAD // 2:
            self._held_up.resume_reading()
            self._held_up = None
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send, once the other side takes it."""
        if not buffer:
            return
        if self._error or self._transport.is_closing():
            raise httpcore2.WriteError(_words(self._error) if self._error else "it was closed")
        self._transport.write(buffer)
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._writable.wait()
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(error) from error
            if self._error:
                raise httpcore2.WriteError(_words(self._error)) from self._error

    async def aclose(self) -> None:
        """Close it, without waiting for what was not sent."""
        self._ended = True
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        """The same connection, encrypted."""
        loop = asyncio.get_running_loop()
        try:
            with _connecting():
                async with asyncio.timeout(timeout):
                    encrypted = await loop.start_tls(
                        self._transport, self, ssl_context, server_hostname=server_hostname
                    )
        except BaseException:
            await self.aclose()
            raise
        if encrypted is None:  # it was closed meanwhile
            raise httpcore2.ConnectError("the connection was closed")
        self._transport = encrypted
        return self

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `socket`, `client_addr`, `server_addr`, and `is_readable`: also when it was closed."""
        if info == "is_readable":
            return bool(self._received) or self._ended
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))


class Backend(httpcore2.AsyncNetworkBackend):
    """Opens them."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to an address."""
        local = (local_address, 0) if local_address else None
        with _connecting():
            async with asyncio.timeout(timeout):
                loop = asyncio.get_running_loop()
                transport, stream = await loop.create_connection(Stream, host, port, local_addr=local)
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Between two tries to connect."""
        await asyncio.sleep(seconds)


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(error) from error
    except OSError as error:  # TLS's too
        raise httpcore2.ConnectError(_words(error)) from error


def _words(error: Exception) -> str:
    """What went wrong: the system's words without the number and address that asyncio puts around them."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return str(error)
