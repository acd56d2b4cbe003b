"""The way out of a signed-in browser: a proxy on loopback that opens TCP connections to checked addresses alone.

TLS goes through it untouched, so that the browser is what the site sees. What is asked for without TLS is sent on to
https: the cookies of a session never travel in the clear. Each tunnel has a password of its own, which the browser is
told by its pipe alone, so that no other process of the machine gets through.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from llm_twin.collect.addresses import Resolver
from llm_twin.errors import ConfigError, LinkError

CONNECT_SECONDS = 15.0
HEAD_BYTES = 16_384
PART_BYTES = 65_536
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNREACHED = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
UNKNOWN = (
    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="llm-twin"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
USER = "llm-twin"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Way:
    """Where a tunnel begins, and the password that opens it."""

    address: str
    password: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The header's value that is let through (RFC 7617)."""
        return f"Basic {base64.b64encode(f'{USER}:{self.password}'.encode()).decode()}"


@asynccontextmanager
async def tunnel(resolver: Resolver, allowed: Callable[[str], bool]) -> AsyncIterator[Way]:
    """A proxy that runs for the time of the block. `allowed` says which hosts may be reached by it.

    Goes through the environment's proxy where there is one. Raises `ConfigError` for one of a kind that it can't use.
    """
    _upstream("example.com:443")
    lines: set[asyncio.Task[None]] = set()
    password = secrets.token_urlsafe(24)
    expected = Way("", password).authorization

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            lines.add(task)
            task.add_done_callback(lines.discard)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _serve(reader, writer, resolver, allowed, expected)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=HEAD_BYTES)
    try:
        yield Way(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", password)
    finally:
        server.close()
        for line in list(lines):
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    resolver: Resolver,
    allowed: Callable[[str], bool],
    expected: str,
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if not hmac.compare_digest(_authorization(head).encode("latin-1"), expected.encode()):
        writer.write(UNKNOWN)
        await writer.drain()
        return
    method, target, *_ = [*head.partition("\r\n")[0].split(" "), "", ""]
    if method != "CONNECT":
        secure = target.replace("http://", "https://", 1) if target.startswith("http://") and method == "GET" else ""
        writer.write(
            f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {secure}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
            if secure
            else REFUSED
        )
        await writer.drain()
        return
    host, _, port = target.rpartition(":")
    host = host.strip("[]").lower()
    if not port.isdigit() or not allowed(host):
        writer.write(REFUSED)
        await writer.drain()
        return
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            there, onward = await _connected(host, int(port), resolver)
    except (LinkError, OSError, TimeoutError, asyncio.IncompleteReadError):
        writer.write(UNREACHED)
        await writer.drain()
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await writer.drain()
    try:
        await asyncio.gather(_pass(reader, onward), _pass(there, writer))
    finally:
        onward.close()


def _authorization(head: str) -> str:
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    return next((value.strip() for name, _, value in fields if name.strip().lower() == "proxy-authorization"), "")


async def _pass(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await source.read(PART_BYTES):
            to.write(part)
            await to.drain()
    with suppress(OSError):
        to.close()


async def _connected(host: str, port: int, resolver: Resolver) -> Streams:
    upstream = None if resolver.redirected(host, port) else _upstream(f"{host}:{port}")
    if upstream:
        await resolver.check_ahead(host)
        return await _by_proxy(upstream, host, port)
    problem: OSError | None = None
    for address, to_port in (await resolver.addresses(host, port))[:4]:
        try:
            return await asyncio.open_connection(address, to_port)
        except OSError as error:
            problem = error
    raise problem or OSError(f"no address of {host}")


def _upstream(place: str) -> str:
    """The environment's proxy for https, "" for none. Raises `ConfigError` for one that is none of HTTP."""
    proxies = urllib.request.getproxies()
    found = proxies.get("https") or proxies.get("all") or ""
    if not found or urllib.request.proxy_bypass(place):
        return ""
    found = found if "://" in found else f"http://{found}"
    try:
        fits = (
            urlsplit(found).scheme in ("http", "https")
            and urlsplit(found).hostname
            and urlsplit(found).port is not None
        )
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError("signing in goes through HTTP proxies alone: set HTTPS_PROXY to one, with its port")
    return found


async def _by_proxy(proxy: str, host: str, port: int) -> Streams:
    parts = urlsplit(proxy)
    tls = True if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if parts.username:
        whose = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(whose.encode()).decode()}")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        writer.close()
        raise OSError("the proxy refuses")
    return reader, writer
