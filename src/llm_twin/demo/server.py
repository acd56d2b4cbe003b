"""Serves the sample author on loopback: five virtual hosts told apart by the Host header, git over HTTP on one of them.

Pages are read into a table when the server starts, so that no request ever becomes a path on the disk.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import socketserver
import tempfile
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import yaml

from llm_twin.demo import sample
from llm_twin.demo.githttp import make_repository, serve_git
from llm_twin.demo.sample import QUESTIONS
from llm_twin.errors import UsageError

__all__ = ["QUESTIONS", "DemoServer"]

logger = logging.getLogger(__name__)

PORT = 8321
MAX_BODY_BYTES = 1_000_000  # a clone's list of wanted commits has a few hundred
IDLE_SECONDS = 30  # after which a silent connection is closed
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
PLACEHOLDER = re.compile(rb"\{\{origin:(\w+)\}\}")

Pages = dict[tuple[str, str], tuple[str, bytes]]  # (host, path) -> content type, body


class DemoServer:
    """The sample author's sites while the context is open. `port` 0 takes any free one.

    A port that is taken is replaced by a free one. The same port gives the same bytes on every start.
    """

    author = sample.AUTHOR

    def __init__(self, port: int = PORT) -> None:
        self._wanted = port
        self._server: _Server | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def port(self) -> int:
        """The port that is served. Raises `UsageError` when the server does not run."""
        if not self._server:
            raise UsageError("the demo server does not run; use it in a with statement")
        return int(self._server.server_address[1])

    @property
    def links(self) -> list[str]:
        """The links that the demo collects: a feed, two articles, a status, a repository."""
        return [self.link(host, path) for host, path, _ in sample.LINKS]

    @property
    def resolve(self) -> dict[str, str]:
        """For `Settings.resolve`, where the machine does not know names below `localhost`."""
        return {f"{host}.localhost:{self.port}": f"127.0.0.1:{self.port}" for host in sample.HOSTS}

    def link(self, host: str, path: str) -> str:
        """The address of `path` on one of the hosts (`blog`, `letters`, …)."""
        return f"http://{host}.localhost:{self.port}{path}"

    def run_file(self, folder: Path) -> Path:
        """Write the run file of the demo into `folder`, which is made if need be."""
        links = [
            {"link": self.link(host, path), "expand": expand} if expand else self.link(host, path)
            for host, path, expand in sample.LINKS
        ]
        authors = {"authors": [{"name": sample.AUTHOR, "aliases": list(sample.ALIASES), "links": links}]}
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "demo.yaml"
        file.write_text(yaml.safe_dump(authors, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return file

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="llm-twin-demo-")
        try:
            repositories = Path(self._folder.name)
            _make_repositories(repositories)
            try:
                self._server = _Server(self._wanted, repositories)
            except OSError:
                self._server = _Server(0, repositories)
        except BaseException:
            self._folder.cleanup()
            raise
        self._server.pages = _pages(self.port)
        # Asking for the shutdown less often than every 50 ms would be felt at the end of every test.
        Thread(target=self._server.serve_forever, args=(0.05,), name="demo-server", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server and self._folder:
            self._server.shutdown()
            self._server.server_close()
            self._folder.cleanup()
        self._server = self._folder = None


def _make_repositories(target: Path) -> None:
    """Commit every `sites/git.localhost/<owner>/<name>/` to a bare repository `<owner>/<name>.git` below `target`."""
    for source in sorted((sample.SITES / "git.localhost").glob("*/*")):
        files = target / "files" / source.name
        # Installing compiles modules, linters leave caches: neither is part of the repository.
        shutil.copytree(source, files, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        make_repository(files, target / "served" / source.parent.name / f"{source.name}.git", "Rain by the hour")


def _pages(port: int) -> Pages:
    """All files of the sites by host and path. `x/index.html` is served as `/x`, and all others under their names."""
    pages: Pages = {}
    for name in sample.HOSTS:
        site = sample.SITES / f"{name}.localhost"
        for file in sorted(site.rglob("*")) if name != "git" else ():
            if not file.is_file():
                continue
            parts = file.relative_to(site).parts
            path = "/" + "/".join(parts[:-1] if file.stem == "index" else parts)
            body = PLACEHOLDER.sub(lambda m: b"http://%s.localhost:%d" % (m[1], port), file.read_bytes())
            pages[site.name, path] = TYPES[file.suffix], body
    return pages


class _Server(ThreadingHTTPServer):
    def __init__(self, port: int, repositories: Path) -> None:
        self.repositories = repositories / "served"
        self.pages: Pages = {}
        super().__init__(("127.0.0.1", port), _Request)

    def server_bind(self) -> None:
        # HTTPServer asks DNS for the machine's name here, which takes seconds where there is no network.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        logger.debug("a request from %s broke off", client_address, exc_info=True)


class _Request(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "llm-twin-demo"
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        host = re.sub(r":\d*$", "", self.headers.get("host", "").lower())
        sent, _, query = self.path.partition("?")
        path = unquote(sent)
        if host == "git.localhost":
            if any(part in {".", ".."} for part in re.split(r"[/\\]", path)):
                self._send(HTTPStatus.NOT_FOUND)
                return
            status, headers, content = serve_git(
                self.server.repositories, self.command, sent, query, dict(self.headers), body
            )
            self._send(status, headers, content)
        elif page := self.server.pages.get((host, path.rstrip("/") or "/")):
            self._send_page(*page)
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def _body(self) -> bytes | None:
        """The request's body, or None when it was refused and answered."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True  # what follows is not read, so it must not be taken for a request
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return self.rfile.read(int(length))

    def _send_page(self, content_type: str, body: bytes) -> None:
        etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
        if self.command == "POST":
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "GET, HEAD"})
        elif etag in self.headers.get("if-none-match", ""):
            self._send(HTTPStatus.NOT_MODIFIED, {"etag": etag})
        else:
            self._send(HTTPStatus.OK, {"content-type": content_type, "etag": etag}, body)

    def _send(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        if status >= HTTPStatus.BAD_REQUEST and not body:
            headers = {"content-type": "text/plain; charset=utf-8"} | (headers or {})
            body = f"{status} {HTTPStatus(status).phrase}\n".encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status != HTTPStatus.NOT_MODIFIED:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the name that the base class gives it)
        logger.debug("%s %s", self.headers.get("host", "") if hasattr(self, "headers") else "", format % arguments)
