"""`twin demo`: the whole main job, on the bundled author."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from llm_twin import Twin, cli
from llm_twin.demo.sample import BOILERPLATE, QUESTIONS


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home for demos, which take turns at their port: on another one, their links would be others."""
    with FileLock(Path(tempfile.gettempdir(), "llm-twin-demo-test.lock")):
        yield tmp_path / "demo"


def demo(home: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["twin", "demo", "--home", str(home), *options])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return int(exit_.value.code or 0)


def test_the_demo_collects_indexes_and_answers_without_boilerplate(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo(home, monkeypatch, "--json") == 0
    result = json.loads(capfd.readouterr().out)
    assert result["collect"]["counts"] == {"expanded": 1, "new": 8}
    assert set(result["collect"]["domains"]) == {
        f"{host}.localhost" for host in ("blog", "git", "letters", "newsletter", "social")
    }
    for question, expected in QUESTIONS:
        assert expected in result["answers"][question][0]["link"]
    with Twin(home=home) as twin:
        stored = {document.link: document.text for document in twin.documents()}
    assert len(stored) == 16
    assert not [(phrase, link) for phrase in BOILERPLATE for link, text in stored.items() if phrase in text]


def test_the_demo_says_what_it_does_and_what_to_try_next(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo(home, monkeypatch, "--quiet") == demo(home, monkeypatch) == 0
    out = capfd.readouterr().out
    assert out.count("unchanged ") >= 8, "a second demo finds nothing new"
    assert f"16 documents and their index lie in {home}" in out
    assert "twin collect --author" in out
