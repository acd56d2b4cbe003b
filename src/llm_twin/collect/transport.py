"""The wire: an httpx2 transport that connects to checked addresses only, and its failures as link errors.

Built on httpcore2's public pool and network backend, because httpx2's own transport takes no backend.
TLS keeps the host's name for SNI and verification; only the TCP connection goes to the pinned address.
"""

from __future__ import annotations

import re
import ssl
import urllib.request
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import httpcore2
import httpx2

from llm_twin.collect.addresses import Resolver
from llm_twin.collect.streams import Backend
from llm_twin.errors import ConfigError, LinkError, Permanent, Reason, Transient

CONNECT_SECONDS = 10.0  # for all addresses of a host together; a dead host should not hold a link for long
MAX_ADDRESSES = 4  # tried per host
H2_EVENT = re.compile(r"<(StreamReset|ConnectionTerminated) .*?error_code:(\w+)")
ENCODINGS = "gzip, deflate, br, zstd"
KEPT_HOSTS = 20  # whose connections are kept while nothing is asked of them


class CheckedBackend(Backend):
    """Opens TCP connections to what the resolver lets through, one address after the other."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore2's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        found = (await self._resolver.addresses(host, port))[:MAX_ADDRESSES]
        share = (timeout or CONNECT_SECONDS) / len(found)
        for address, to_port in found[:-1]:
            try:
                return await super().connect_tcp(address, to_port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await super().connect_tcp(*found[-1], share, local_address, socket_options)


@dataclass
class Connections:
    """Those to one origin. One pool for all of them would look at each, sockets included, with every request."""

    pool: httpcore2.AsyncConnectionPool
    requests: int = 0  # under way


class Body(httpx2.AsyncByteStream):
    """The body of a response as it comes from the pool; `abandon` is called when it is closed before its end."""

    def __init__(
        self, stream: AsyncIterable[bytes], connections: Connections, abandon: Callable[[], Awaitable[None]]
    ) -> None:
        self._stream = stream
        self._connections = connections
        self._abandon = abandon
        self._ended = self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part
        self._ended = True

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._connections.requests -= 1
        close = getattr(self._stream, "aclose", None)
        if close:
            await close()
        if not self._ended:
            await self._abandon()


class Transport(httpx2.AsyncBaseTransport):
    """HTTP/1.1 and HTTP/2 over a backend's connections, or by a proxy. Raises httpcore2's errors as they are."""

    def __init__(
        self,
        ssl_context: ssl.SSLContext,
        backend: httpcore2.AsyncNetworkBackend | None = None,
        proxy: httpcore2.Proxy | None = None,
    ) -> None:
        self._new_pool = partial(
            httpcore2.AsyncConnectionPool,
            ssl_context=ssl_context,
            proxy=proxy,
            http2=True,
            max_connections=None,  # how many there are at once is the callers' concern
            keepalive_expiry=5.0,
            network_backend=backend,
        )
        self._kept: OrderedDict[tuple[bytes, bytes, int | None], Connections] = OrderedDict()  # last used last

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore2.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        connections = await self._connections((url.scheme, url.host, url.port))
        try:
            response = await connections.pool.handle_async_request(sent)
        except BaseException:
            connections.requests -= 1
            raise
        if not isinstance(response.stream, AsyncIterable):
            raise TypeError("the connection pool gave no asynchronous body")

        async def abandon() -> None:
            # HTTP/1.1 closes its connection by itself. With HTTP/2 what is still on its way would fill the connection's
            # window and stall the next response; httpcore2 has no call to reset one stream.
            if response.extensions.get("http_version") == b"HTTP/2":
                for connection in connections.pool.connections:
                    await connection.aclose()

        return httpx2.Response(
            response.status,
            headers=response.headers,
            stream=Body(response.stream, connections, abandon),
            extensions=response.extensions,
            request=request,
        )

    async def _connections(self, origin: tuple[bytes, bytes, int | None]) -> Connections:
        """Those to an origin, a request counted; made if there are none, and others that are not needed make room."""
        if origin in self._kept:
            self._kept.move_to_end(origin)
            self._kept[origin].requests += 1
            return self._kept[origin]
        idle = [key for key, others in self._kept.items() if not others.requests]
        connections = self._kept[origin] = Connections(self._new_pool(), requests=1)
        for others in [self._kept.pop(key) for key in idle[: max(0, len(self._kept) - KEPT_HOSTS)]]:
            await others.pool.aclose()
        return connections

    async def aclose(self) -> None:
        for connections in self._kept.values():
            await connections.pool.aclose()


class Wire:
    """The ways that requests go out by: straight to checked addresses, or through the environment's proxy.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` count. A proxy looks names
    up itself; what can be known of them here is checked before it is asked. Raises `ConfigError` for settings of the
    environment that cannot work.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        try:
            context = httpx2.create_ssl_context()
        except OSError as error:  # SSLError, too
            raise ConfigError(f"no certificates to check TLS by, see SSL_CERT_FILE: {error}") from None
        self._direct = Transport(context, CheckedBackend(resolver))
        # macOS and Windows add proxies of their system settings, as for every urllib program.
        self._proxied = {
            scheme: (Transport(context, proxy=proxy), f" through the proxy {proxy.url.host.decode()}")
            for scheme in ("http", "https")
            if (proxy := _proxy(scheme, context))
        }

    async def way(self, url: httpx2.URL) -> tuple[Transport, str]:
        """What sends requests to a URL, and words on the way there for errors.

        Raises `Permanent(PRIVATE_ADDRESS)` for a host that is private, as far as that is known ahead of a proxy.
        """
        proxied = self._proxied.get(url.scheme)
        port = url.port or (443 if url.scheme == "https" else 80)
        place = url.host if ":" in url.host else f"{url.host}:{port}"  # NO_PROXY may name ports
        if not proxied or self._resolver.redirected(url.host, port) or urllib.request.proxy_bypass(place):
            return self._direct, ""
        await self._resolver.check_ahead(url.host)
        return proxied

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in (self._direct, *(transport for transport, _ in self._proxied.values())):
            await transport.aclose()


def request(
    method: str, url: httpx2.URL, headers: Mapping[str, str], seconds: float, content: bytes | None = None
) -> httpx2.Request:
    """A request whose single steps may take `seconds`, connecting less.

    Without httpx2's client: its redirects, cookies and settings are not wanted here, and take a third of the CPU time.
    """
    # A read gives up a little before the whole does: it marks its connection as dead, while the whole would leave an
    # HTTP/2 connection to be used, and waited for, again.
    times = {"connect": min(CONNECT_SECONDS, seconds / 2), "read": 0.9 * seconds, "write": seconds, "pool": seconds}
    sent = {"accept-encoding": ENCODINGS, "connection": "keep-alive", **headers}
    return httpx2.Request(method, url, headers=sent, content=content, extensions={"timeout": times})


def _proxy(scheme: str, context: ssl.SSLContext) -> httpcore2.Proxy | None:
    """The environment's proxy for a scheme, if it names one."""
    proxies = urllib.request.getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address:
        return None
    name = f"{scheme.upper()}_PROXY" if proxies.get(scheme) else "ALL_PROXY"
    try:
        proxy = httpx2.Proxy(address if "://" in address else f"http://{address}")
        if not proxy.url.host:
            raise ValueError
    except (ValueError, httpx2.InvalidURL):  # its text may hold a password
        raise ConfigError(f"{name} is not the address of a proxy, such as http://proxy.example:3128") from None
    if proxy.url.scheme.startswith("socks") and not find_spec("socksio"):
        raise ConfigError(f"{name} is a SOCKS proxy, for which the package socksio is missing: pip install socksio")
    url = httpcore2.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore2.Proxy(url, proxy.raw_auth, ssl_context=context if proxy.url.scheme == "https" else None)


@contextmanager
def network_errors(host: str) -> Iterator[None]:
    """Turn what can go wrong between here and `host` into link errors, but for an answer that takes too long.

    That is a `TimeoutError`, as if the time for all of it were over.
    """
    try:
        yield
    except httpx2.InvalidURL as error:
        raise Permanent(Reason.BAD_LINK, f"not a link: {error}") from None
    except httpx2.DecodingError as error:
        if "incomplete" in str(error):  # of zstd; `bodies` sees it for the others
            raise Transient(Reason.UNREACHABLE, f"{host} sent a page that breaks off: {error}") from None
        raise Permanent(Reason.BAD_DATA, f"{host} sent a body that cannot be unpacked: {error}") from None
    except (httpx2.ConnectTimeout, httpcore2.ConnectTimeout):
        raise Transient(Reason.TIMEOUT, f"no connection to {host} came about in time") from None
    except (httpx2.TimeoutException, httpcore2.TimeoutException):
        raise TimeoutError from None
    except (httpx2.ConnectError, httpcore2.ConnectError) as error:
        raise _unconnected(host, error) from None
    except (
        httpx2.TransportError,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ConnectionNotAvailable,
        httpcore2.ProxyError,
        OSError,  # TLS errors in mid-stream
    ) as error:
        raise Transient(Reason.UNREACHABLE, f"the connection to {host} broke off: {_said(error)}") from None


def _unconnected(host: str, error: BaseException) -> LinkError:
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Permanent(Reason.UNREACHABLE, f"the certificate of {host} is not valid: {cause.verify_message}")
        cause = cause.__cause__ or cause.__context__
    return Transient(Reason.UNREACHABLE, f"cannot connect to {host}: {_said(error)}")


def _said(error: BaseException) -> str:
    """An error's text in one line, without the place in OpenSSL's binding or h2's own writing."""
    text = re.sub(r" \(_ssl\.c:\d+\)", "", " ".join(str(error).split()))
    if match := H2_EVENT.match(text):
        what = "stream" if match[1] == "StreamReset" else "connection"
        return f"the server ended the HTTP/2 {what} (error {match[2]})"
    return text or ("it was reset" if isinstance(error, httpcore2.ReadError) else type(error).__name__)
