"""A repository that has not changed is not cloned again, and its secrets are never stored."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llm_twin import Settings, Twin
from llm_twin.cli import main

if TYPE_CHECKING:
    from conftest import GitHost
    from server import Answer, Request

FILES = {"README.md": "# Notes\n", "app.py": "print(1)\n"}
PASSWORD = "-".join(("correct", "horse", "battery", "staple"))


@pytest.fixture
def twin(host: GitHost, tmp_path: Path) -> Iterator[Twin]:
    host.server.route("git.example", "/")  # so that the settings know the host
    settings = Settings.load(
        home=tmp_path / "home", resolve=host.server.resolve, allow_private=True, delay=0, retries=0
    )
    with Twin(settings) as opened:
        yield opened


def fetches(host: GitHost) -> int:
    """How many packs the server was asked for since the last time."""
    asked = [request for request in host.server.requests if b"command=fetch" in request.body]
    host.server.requests.clear()
    return len(asked)


def test_an_unchanged_repository_is_not_cloned_again(host: GitHost, twin: Twin) -> None:
    url = host.publish("/ada/notes.git", FILES)
    assert twin.collect("Ada", [url]).counts == {"new": 1}
    assert fetches(host) == 1
    report = twin.collect("Ada", [url])
    assert report.counts == {"unchanged": 1}
    assert (report.outcomes[0].title, report.outcomes[0].documents) == ("ada/notes", 2)
    assert fetches(host) == 0
    assert twin.collect("Ada", [url], refresh=True).counts == {"unchanged": 1}
    assert fetches(host) == 1


def test_a_repository_with_a_new_commit_is_cloned_again(host: GitHost, twin: Twin) -> None:
    url = host.publish("/ada/notes.git", FILES)
    twin.collect("Ada", [url])
    host.publish("/ada/notes.git", {**FILES, "app.py": "print(2)\n"})
    assert twin.collect("Ada", [url]).counts == {"updated": 1}
    assert twin.document("http://git.example/ada/notes.git").metadata["files"] == 2
    assert {"print(2)\n"} == {each.text for each in twin.documents(kind="code")}


def test_a_forgotten_repository_is_cloned_again(host: GitHost, twin: Twin) -> None:
    url = host.publish("/ada/notes.git", FILES)
    twin.collect("Ada", [url])
    twin.forget_link(url)
    assert twin.collect("Ada", [url]).counts == {"new": 1}


@pytest.mark.parametrize("said", [b"0000", b"not git", b"z" * 200_000, b"fffe" + b"x" * 70_000])
def test_a_server_that_does_not_tell_its_head_is_cloned(said: bytes, host: GitHost, twin: Twin) -> None:
    url = host.publish("/ada/notes.git", FILES)
    twin.collect("Ada", [url])
    fetches(host)
    left = [1]

    def answer(request: Request) -> Answer:
        usual = host.answer(request)
        if b"command=ls-refs" not in request.body or not left:
            return usual
        left.pop()
        return type(usual)(said, 200, {"content-type": "application/x-git-upload-pack-result"})

    host.server.route("git.example", "/ada/notes.git/git-upload-pack", answer)
    assert twin.collect("Ada", [url]).counts == {"unchanged": 1}
    assert fetches(host) == 1


def test_secrets_of_a_repository_are_masked_and_counted(
    host: GitHost, twin: Twin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**FILES, ".env": f"DB_PASSWORD={PASSWORD}\n", "db.py": f"connect('{PASSWORD}')\n"}
    url = host.publish("/ada/notes.git", files)
    (outcome,) = twin.collect("Ada", [url]).outcomes
    assert (outcome.status, outcome.secrets) == ("new", 1)
    assert not [each for each in twin.documents() if PASSWORD in each.model_dump_json()]
    assert "connect('***masked: setting***')\n" in {each.text for each in twin.documents()}
    twin.close()
    for path in twin.settings.home.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()
    monkeypatch.setenv("TWIN_HOME", str(twin.settings.home))
    assert "1 secret masked before storing" in said(monkeypatch, capsys, "status")
    assert json.loads(said(monkeypatch, capsys, "status", "--json"))["runs"][0]["secrets"] == 1


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints."""
    monkeypatch.setattr(sys, "argv", ["twin", *words])
    with pytest.raises(SystemExit):
        main()
    return capsys.readouterr().out
