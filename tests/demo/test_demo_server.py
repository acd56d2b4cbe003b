"""The demo's server: what it serves, and what it refuses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from llm_twin.demo import sample
from llm_twin.demo.server import DemoServer
from llm_twin.errors import UsageError

GIT = os.environ | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_PROXY": "*",
}


def clone(server: DemoServer, path: str, target: Path) -> str:
    """Clone with the real git; returns the commit."""
    host = f"git.localhost:{server.port}"
    subprocess.run(
        ["git", "-c", f"http.extraHeader=Host: {host}", "clone", "--quiet", "--depth=1",
         f"http://127.0.0.1:{server.port}{path}", str(target)],
        check=True, env=GIT, capture_output=True,
    )  # fmt: skip
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=target, check=True, env=GIT, capture_output=True, text=True)
    return head.stdout.strip()


@pytest.mark.parametrize(
    ("host", "path", "content_type"),
    [
        ("blog", "/", "text/html; charset=utf-8"),
        ("blog", "/feed.xml", "application/xml; charset=utf-8"),
        ("blog", "/sitemap.xml", "application/xml; charset=utf-8"),
        ("blog", "/robots.txt", "text/plain; charset=utf-8"),
        ("blog", "/images/shield-error.svg", "image/svg+xml"),
        ("blog", "/style.css", "text/css; charset=utf-8"),
        *(("blog", path, "text/html; charset=utf-8") for path in sample.BLOG_POSTS),
        *((link.host, link.path, "text/html; charset=utf-8") for link in sample.LINKS if link.host in "letters social"),
        ("letters", sample.LOCKED.path, "text/html; charset=utf-8"),
        ("newsletter", "/p/two-barometers", "text/html; charset=utf-8"),
        ("newsletter", "/feed", "application/xml; charset=utf-8"),
    ],
)
def test_every_host_serves_its_pages(ask, host, path, content_type):
    answer = ask(host, path)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert len(answer.body) == int(answer.headers["content-length"]) > 0


def test_hosts_are_told_apart(ask):
    assert ask("blog", "/p/two-barometers").status == 404
    assert ask("nobody", "/").status == 404
    assert ask("blog", "/", Host="BLOG.localhost").status == 200


def test_a_page_that_was_not_changed_is_not_sent_again(ask):
    etag = ask("blog", "/").headers["etag"]
    again = ask("blog", "/", If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")


def test_head_says_how_long_a_page_is_and_sends_none_of_it(ask):
    head, whole = ask("blog", "/", method="HEAD"), ask("blog", "/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]


def test_pages_take_no_posts(ask):
    assert ask("blog", "/", method="POST").status == 405


@pytest.mark.parametrize("host", ["blog", "git"])
@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/server.py",
        "/posts/..%2f..%2f..%2fserver.py",
        "/mira/rainlog.git/../../../../../../etc/passwd",
        "/mira/rainlog.git/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/mira/rainlog.git/objects/..%5c..%5cconfig",
        "//etc/passwd",
        "/etc/passwd",
        "/git.localhost/mira/rainlog/README.md",
    ],
)
def test_no_path_leads_out_of_the_sites(ask, host, path):
    answer = ask(host, path)
    assert answer.status in {400, 403, 404}
    assert b"root:" not in answer.body
    assert b"DemoServer" not in answer.body


def test_a_body_beyond_all_reason_is_refused(ask):
    assert ask("git", "/mira/rainlog.git/git-upload-pack", method="POST", Content_Length="99999999999").status == 413


def test_the_repository_clones_and_its_program_runs(demo, tmp_path):
    clone(demo, "/mira/rainlog.git", tmp_path / "rainlog")
    files = {str(f.relative_to(tmp_path / "rainlog")) for f in (tmp_path / "rainlog").rglob("*") if f.is_file()}
    assert {file for file in files if not file.startswith(".git/")} == {
        "LICENSE", "README.md", "pyproject.toml", "uv.lock", "data/2024-11-22.csv", "notebooks/calibration.ipynb",
        "src/rainlog/__init__.py", "src/rainlog/__main__.py", "src/rainlog/rain.py", "src/rainlog/tips.py",
        "tests/test_rain.py",
    }  # fmt: skip
    shown = subprocess.run(
        [sys.executable, "-m", "rainlog", "../data/2024-11-22.csv"],
        cwd=tmp_path / "rainlog" / "src", check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert shown in (tmp_path / "rainlog" / "README.md").read_text()


def test_a_port_that_is_taken_is_replaced_by_a_free_one(demo):
    with DemoServer(port=demo.port) as other:
        assert other.port != demo.port


def test_every_start_on_a_port_serves_the_same(ask, tmp_path):
    def served(server: DemoServer, name: str) -> tuple[str, list[bytes]]:
        pages = [ask(link.host, link.path, server=server).body for link in sample.LINKS[:4]]
        return clone(server, "/mira/rainlog.git", tmp_path / name), pages

    with DemoServer(port=0) as server:
        port, first = server.port, served(server, "first")
    with DemoServer(port=port) as server:
        assert server.port == port
        assert served(server, "second") == first


def test_nothing_listens_after_the_end():
    with DemoServer(port=0) as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(UsageError, match="does not run"):
        _ = server.links


def test_the_run_file_names_the_author_and_expands_the_feed(demo, tmp_path):
    file = demo.run_file(tmp_path / "new")
    (author,) = yaml.safe_load(file.read_text())["authors"]
    assert (author["name"], author["aliases"]) == (demo.author, ["mira"])
    feed, *links = author["links"]
    assert feed == {"link": f"http://blog.localhost:{demo.port}/feed.xml", "expand": 10}
    assert [feed["link"], *links] == demo.links
