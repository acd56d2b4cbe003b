"""A real HTTP(S) server on loopback that plays any number of hosts and misbehaves on demand.

    with LocalServer(tls=True) as server:
        server.route("medium.com", "/a", body="<h1>…")
        settings = Settings(resolve=server.resolve, allow_private=True, delay=0)

With TLS it presents, by SNI, a certificate for every name it is asked for. Clients trust them through its CA: set the
environment variable `SSL_CERT_FILE` to `server.ca_file` before the client is made (httpx2 reads it when it makes its
TLS context; git reads `GIT_SSL_CAINFO`).
"""

from __future__ import annotations

import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request as it came in. `at` is `time.monotonic()`; header names are in lower case."""

    method: str
    host: str  # without the port
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    at: float


@dataclass(frozen=True)
class Answer:
    """What to send. An iterable body is sent in chunks. `length` announces another length than the body's: more than
    it has cuts the body off. `hang` sends nothing until the server stops."""

    body: bytes | str | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    hang: bool = False


Handler = Callable[[Request], Answer]


class LocalServer:
    """See the module. Unknown paths are answered 404, so there is no robots.txt unless it is routed."""

    def __init__(self, *, tls: bool = False) -> None:
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self._routes: dict[tuple[str, str], Handler] = {}
        self._tls = tls
        self._authority: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="local-server-")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._http = _Threads(("127.0.0.1", 0), _answerer(self))
        if tls:
            import trustme

            self._authority = trustme.CA()
            self._authority.cert_pem.write_to_path(str(self.ca_file))
            self._http.context = self._context_for("localhost")
            self._http.context.sni_callback = self._choose

    def route(
        self,
        host: str,
        path: str,
        handler: Handler | None = None,
        *,
        body: bytes | str | Iterable[bytes] = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str = "text/html; charset=utf-8",
        **more: Any,
    ) -> str:
        """Answer `path` on `host` with a fixed answer, or with what `handler` returns. A path that ends in `*` takes
        all paths that start so. Returns the URL."""
        answer = Answer(body, status, {"content-type": content_type, **(headers or {})}, **more)
        self._routes[host, path] = handler or (lambda _: answer)
        return f"{'https' if self._tls else 'http'}://{host}{path}"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self._http.server_address[1])

    @property
    def resolve(self) -> dict[str, str]:
        """`Settings.resolve` for all hosts that have routes, on their scheme's usual port."""
        usual = 443 if self._tls else 80
        return {f"{host}:{usual}": f"127.0.0.1:{self.port}" for host, _ in self._routes}

    @property
    def ca_file(self) -> Path:
        """The certificate that signs all of this server's certificates (PEM)."""
        return Path(self._folder.name) / "ca.pem"

    def asked(self, path: str) -> list[Request]:
        """The requests for a path, in order."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        self.requests.append(request)
        handler = self._routes.get((request.host, request.path))
        if not handler:
            prefixes = [key for key in self._routes if key[0] == request.host and key[1].endswith("*")]
            fitting = [key for key in prefixes if request.path.startswith(key[1][:-1])]
            if not fitting:
                return Answer("not found", 404, {"content-type": "text/plain"})
            handler = self._routes[max(fitting, key=lambda key: len(key[1]))]
        return handler(request)

    def certify(self, context: ssl.SSLContext, name: str) -> None:
        """Give a server's TLS context a certificate for `name` that clients of this server trust."""
        self._authority.issue_cert(name, "127.0.0.1").configure_cert(context)

    def _context_for(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            self._contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.certify(self._contexts[name], name)
        return self._contexts[name]

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._context_for(name or "localhost")

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._folder.cleanup()


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    context: ssl.SSLContext | None = None

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self.context:  # the handshake happens in the connection's own thread, on the first read
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


def _answerer(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Answerer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            host = urlsplit(f"//{self.headers.get('host', '')}").hostname or ""
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            request = Request(self.command, host, unquote(url.path), url.query, headers, body, time.monotonic())
            self._send(server.answer(request))

        do_POST = do_HEAD = do_GET  # noqa: N815

        def _send(self, answer: Answer) -> None:
            if answer.hang:
                server.stopped.wait()
                self.close_connection = True
                return
            body = answer.body.encode() if isinstance(answer.body, str) else answer.body
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if isinstance(body, bytes):
                length = len(body) if answer.length is None else answer.length
                self.send_header("content-length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                self.close_connection = self.close_connection or length != len(body)
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for part in body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Quiet: the requests are recorded."""

    return Answerer
