"""Repositories made on the spot, a local server that gives them out, and a one-off collect."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from llm_twin.collect.sites.repository import crawl
from llm_twin.collect.web import Web
from llm_twin.demo.githttp import SIGNATURE, make_repository, serve_git
from llm_twin.documents import Author, Document, Link
from llm_twin.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the local server beside the test folders

from server import Answer, LocalServer, Request

ADA = Author.named("Ada Example")


class GitHost:
    """Hosts of repositories, all played by one local server."""

    def __init__(self, root: Path, server: LocalServer) -> None:
        self.root = root
        self.server = server

    def publish(self, path: str, files: Mapping[str, str | bytes], host: str = "git.example") -> str:
        """Commit `files` as all there is to the repository at `path`, on top of what it has; returns its URL."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
            make_repository(Path(folder), self.root / path.strip("/"), "A commit")
        return self.serve(path, host)

    def serve(self, path: str, host: str = "git.example") -> str:
        """The URL of a repository that is in the root."""
        self.server.route(host, f"{path}/*", self.answer)
        return self.server.route(host, path)

    def answer(self, request: Request) -> Answer:
        """What git's own server says."""
        status, headers, body = serve_git(
            self.root, request.method, quote(request.path), request.query, request.headers, request.body
        )
        return Answer(body, status, headers)

    def git(self, path: str, *arguments: str, given: bytes = b"") -> str:
        """Run git on a repository of the root, made if need be."""
        folder = self.root / path.strip("/")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        } | SIGNATURE
        if not folder.exists():
            command = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)]
            subprocess.run(command, check=True, env=environment)
        command = ["git", f"--git-dir={folder}", *arguments]
        return (
            subprocess.run(command, check=True, env=environment, input=given, capture_output=True)
            .stdout.decode()
            .strip()
        )

    def commit_tree(self, path: str, entries: list[tuple[str, str, str, bytes]]) -> str:
        """Commit a tree of (mode, type, object, name), however odd the names."""
        tree = self.make_tree(path, entries)
        commit = self.git(path, "commit-tree", tree, "-m", "Odd")
        self.git(path, "update-ref", "refs/heads/main", commit)
        return commit

    def make_tree(self, path: str, entries: list[tuple[str, str, str, bytes]]) -> str:
        """A tree object, written without any of git's checks."""
        body = b"".join(b"%s %s\0" % (mode.encode(), name) + bytes.fromhex(oid) for mode, _, oid, name in entries)
        return self.git(path, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=body)

    def blob(self, path: str, content: bytes) -> str:
        """A file's content as an object."""
        return self.git(path, "hash-object", "-w", "--stdin", given=content)


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    """Repositories over http."""
    with LocalServer() as server:
        yield GitHost(tmp_path / "served", server)


@pytest.fixture
def tls_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHost]:
    """Repositories over https; clients made during the test trust it."""
    with LocalServer(tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)
        yield GitHost(tmp_path / "served", server)


Collect = Callable[..., list[Document]]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Collect one link in a `Web` of its own; the hosts of the server are found, and nothing else is."""

    def once(url: str, server: LocalServer, **options: Any) -> list[Document]:
        usual = {"home": tmp_path, "resolve": server.resolve, "allow_private": True, "delay": 0, "retries": 0}

        async def run() -> list[Document]:
            async with Web(Settings(**{**usual, **options}), backoff=0.001) as web:
                return [document async for document in crawl(Link(url=url, author=ADA), web)]

        return asyncio.run(run())

    return once


@pytest.fixture
def left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What is still there of all clones: temporary files, running gits."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def find() -> list[str]:
        commands = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                commands.append(process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue
        return [*map(str, temporary.iterdir()), *(command for command in commands if str(temporary) in command)]

    return find
