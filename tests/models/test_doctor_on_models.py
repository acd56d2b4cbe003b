"""`twin doctor` says which models are in use, what they read, and whether they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedding_server import EmbeddingServer
from llm_twin import Twin
from llm_twin.doctor import Check, check, setting_rows
from llm_twin.settings import Settings
from tiny_models import overlap_cross_encoder, tiny_bert


def checks(tmp_path: Path, **options: Any) -> dict[str, Check]:
    with Twin(Settings(home=tmp_path / "home", models=tmp_path / "cache", **options)) as twin:
        return {each.name: each for each in check(twin)}


def test_a_model_from_a_folder_with_its_precision_limit_and_dimension(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "tiny", max_seq_length=40)
    found = checks(tmp_path, model=str(folder))["model"]
    assert found.state == "ok"
    assert found.detail.startswith("tiny-")
    assert found.detail.endswith(": 32 dimensions, reads 38 tokens, from the folder")
    quantised = checks(tmp_path, model=str(folder), precision="int8")["model"]
    assert " int8: 32 dimensions, reads 38 tokens, from the folder" in quantised.detail
    assert checks(tmp_path, model=str(folder), precision="int8")["model"].detail.endswith("from the cache")


def test_models_that_are_not_here_yet_are_missing_and_broken_ones_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = checks(tmp_path, model="nobody/nothing", reranker="nobody/judge")
    assert (found["model"].state, found["model"].detail) == ("missing", "nobody/nothing: not here yet")
    assert (found["reranker"].state, found["reranker"].detail) == ("missing", "nobody/judge: not here yet")
    folder = tiny_bert(tmp_path / "tiny")
    (folder / "tokenizer.json").unlink()
    judge = overlap_cross_encoder(tmp_path / "judge", ["a"])
    found = checks(tmp_path, model=str(folder), reranker=str(judge))
    assert (found["model"].state, "no tokenizer.json" in found["model"].detail) == ("broken", True)
    assert (found["reranker"].state, found["reranker"].detail) == ("ok", f"{judge}, from the folder")


def test_an_endpoint_is_asked_and_its_key_is_not_shown(tmp_path: Path) -> None:
    with EmbeddingServer(key="hemlock") as server:
        options: dict[str, Any] = {"model_url": f"{server.url}?version=2", "model": "words"}
        found = checks(tmp_path, model_key="hemlock", **options)["model"]
        assert found.state == "ok"
        assert found.detail == (
            "words (endpoint): 8 dimensions, reads 510 bytes, for want of its tokenizer, "
            f"from the endpoint {server.url}?***"
        )
        refused = checks(tmp_path, model_key="monkshood", **options)["model"]
        assert (refused.state, "refuses the key" in refused.detail) == ("broken", True)
    shown = str(setting_rows(Settings(model_key="hemlock", model_url="http://me:hemlock@host/v1")))
    assert "hemlock" not in shown
