"""A small blog on loopback, and ZenML with a state of its own for the whole test process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Settings, Twin
from server import LocalServer

ADA = "Ada Example"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A server that plays `blog.example` with two articles, and the settings for a twin that sees only it."""
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        server.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS, day=2))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("TWIN_RESOLVE", json.dumps(server.resolve))
        monkeypatch.setenv("TWIN_ALLOW_PRIVATE", "1")
        monkeypatch.setenv("TWIN_DELAY", "0")
        monkeypatch.setenv("TWIN_RETRIES", "0")
        yield server


@pytest.fixture
def twin(world: LocalServer) -> Iterator[Twin]:
    """What the steps open too."""
    with Twin(Settings.load()) as opened:
        yield opened


@pytest.fixture(scope="session")
def zenml_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """ZenML's state of this test process; its database is made once, which takes seconds."""
    if not find_spec("zenml"):
        pytest.skip("ZenML lives in an environment of its own: make zenml && .venv-zenml/bin/pytest tests/orchestrate")
    from llm_twin.orchestrate import local

    with pytest.MonkeyPatch.context() as patch:
        for name in (*local.ENVIRONMENT, "ZENML_CONFIG_PATH", "ZENML_CUSTOM_SOURCE_ROOT", "ZENML_STORE_URL"):
            patch.delenv(name, raising=False)
        folder = local.folder_below(tmp_path_factory.mktemp("home"))
        local.prepare(folder)
        yield folder


Launch = Callable[..., tuple[Any, dict[str, str]]]


@pytest.fixture
def launch(zenml_state: Path, world: LocalServer) -> Launch:
    """Runs a pipeline; (ZenML's run, status of each step)."""
    from llm_twin.orchestrate.zenml import launch

    def run(name: str, parameters: dict[str, Any], **options: Any) -> tuple[Any, dict[str, str]]:
        done = launch(name, parameters, **options)
        return done, {step: str(each.status.value) for step, each in done.steps.items()}

    return run


@pytest.fixture
def both() -> dict[str, Any]:
    """Parameters of the end-to-end pipeline over the blog's two articles."""
    return {
        "author_links": [{"user_full_name": ADA, "links": ["http://blog.example/bread", "http://blog.example/sails"]}]
    }
