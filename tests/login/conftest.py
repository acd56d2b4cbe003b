"""The played sites, the command line against them, and a Chromium that trusts their certificates."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the played sites

from played import Played, Run

from llm_twin import cli
from server import LocalServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Chromium as it is installed, without a screen, trusting the local server."""
    if not CHROMIUM or find_spec("playwright") is None:
        pytest.skip("no Chromium, or no Playwright, on this machine")
    script = tmp_path / "chromium"
    script.write_text(f'#!/bin/sh\nexec {CHROMIUM} --headless --ignore-certificate-errors "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("TWIN_BROWSER", str(script))
    return script


@pytest.fixture
def close_window(browser: Path, tmp_path: Path) -> Callable[[], None]:
    """What a user does who closes the window: its tab is closed from outside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    browser.write_text(browser.read_text().replace('"$@"', f'--remote-debugging-port={port} "$@"'))

    def close() -> None:
        with urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
            (tab,) = [each["id"] for each in json.load(answer) if each["type"] == "page"]
        with urlopen(f"http://127.0.0.1:{port}/json/close/{tab}", timeout=5):
            pass

    return close


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Played]:
    """LinkedIn, Medium and a blog, reached under their own names."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with LocalServer(tls=True) as server:
        played = Played(server)
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        monkeypatch.setenv("TWIN_RESOLVE", json.dumps(server.resolve))
        for name, value in {"ALLOW_PRIVATE": "1", "DELAY": "0", "RETRIES": "0", "TIMEOUT": "15"}.items():
            monkeypatch.setenv(f"TWIN_{name}", value)
        yield played


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def twin(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `twin …` and returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("TWIN_HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twin", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit_.value.code or 0), out, err

    return run
