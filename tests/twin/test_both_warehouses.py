"""Real input on both warehouses: this repository over git, and pages of the real web, give the same documents."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm_twin import Author, Link, Settings, Twin
from llm_twin.demo.githttp import serve_git
from server import Answer, LocalServer, Request

ROOT = Path(__file__).parents[2]
PAGES = ROOT.parent / "shared/data/pages"
ADA = Author.named("Ada Example")
COUNT = 50


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare clone of this repository below `served/`."""
    target = tmp_path / "served" / "llm-twin.git"
    if not (ROOT / ".git").exists():
        pytest.skip("the tests do not run from a git checkout")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(target)], check=True)
    return target


@pytest.fixture
def world(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LocalServer, list[str]]]:
    """A server that plays 50 real hosts and a git server; and the links to collect."""

    def git(request: Request) -> Answer:
        status, headers, body = serve_git(
            repository.parent, request.method, request.path, request.query, request.headers, request.body
        )
        return Answer(body, status, headers)

    with LocalServer(tls=True) as server:
        server.route("git.example", "/llm-twin.git*", git)
        links = ["https://git.example/llm-twin.git"]
        if PAGES.is_dir():
            gold = gzip.decompress((PAGES / "gold.jsonl.gz").read_bytes()).decode()
            for entry in [json.loads(line) for line in gold.split("\n")[:COUNT]]:
                parts = urlsplit(entry["url"])
                body = gzip.decompress((PAGES / f"html/{entry['id']}.html.gz").read_bytes())
                links.append(server.route(parts.hostname or "", parts.path or "/", body=body, content_type="text/html"))
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        monkeypatch.setenv("GIT_SSL_CAINFO", str(server.ca_file))
        yield server, links


def collected(settings: Settings, links: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Every document and its raw response, and the status and reason of every link."""
    with Twin(settings) as twin:
        report = twin.collect_links([Link(url=link, author=ADA) for link in links])
        assert len(report.outcomes) == len(links)
        documents = {}
        for document in twin.warehouse.documents():
            raw = twin.warehouse.raw(document.id)
            documents[document.id] = (document.model_dump(exclude={"collected_at"}), raw and (raw.url, raw.body))
        return documents, {outcome.link: f"{outcome.status} {outcome.reason}" for outcome in report.outcomes}


def test_the_same_documents_come_out_of_sqlite_and_mongodb(
    world: tuple[LocalServer, list[str]], mongo_warehouse_address: str, tmp_path: Path
) -> None:
    server, links = world
    common = {"resolve": server.resolve, "allow_private": True, "delay": 0.0, "retries": 0}
    in_sqlite, outcomes = collected(Settings.load(home=tmp_path / "a", **common), links)
    in_mongo, same = collected(Settings.load(home=tmp_path / "b", warehouse=mongo_warehouse_address, **common), links)
    assert in_mongo == in_sqlite
    assert same == outcomes
    assert outcomes[links[0]] == "new None"
    code = {document["title"]: document["text"] for document, _ in in_sqlite.values() if document["kind"] == "code"}
    shown = subprocess.run(["git", "show", "HEAD:src/llm_twin/links.py"], cwd=ROOT, capture_output=True, check=True)
    assert code["src/llm_twin/links.py"] == shown.stdout.decode()
    if len(links) > 1:
        assert sum(outcome == "new None" for outcome in outcomes.values()) >= COUNT * 0.9, outcomes
    else:
        pytest.skip("../shared is absent: the repository alone was compared")
