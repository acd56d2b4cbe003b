"""The models at work in a twin: an index is of one model, whichever way it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedding_server import EmbeddingServer, refusal
from llm_twin import Author, Document, Settings, Twin
from llm_twin.errors import ConfigError
from tiny_models import tiny_bert

ADA = Author.named("Ada Example")
TEXTS = ("aaa bbb aaa bbb", "ccc ddd ccc ddd", "eee fff eee fff")


def twin(tmp_path: Path, **options: Any) -> Twin:
    opened = Twin(Settings(home=tmp_path / "home", models=tmp_path / "cache", **options))
    opened.warehouse.put_author(ADA)
    opened.warehouse.put(
        [
            Document.of(ADA, f"https://ada.example/{n}", kind="post", platform="blog", title="", text=text)
            for n, text in enumerate(TEXTS)
        ]
    )
    return opened


def test_documents_are_indexed_and_found_through_an_endpoint(tmp_path: Path) -> None:
    with EmbeddingServer(key="k") as server:
        options = {"model_url": server.url, "model_key": "k", "model": "words"}
        with twin(tmp_path, **options) as opened:
            assert opened.index().summary["model"] == "words (endpoint)"
            assert opened.search("cc dd", k=1, mode="dense")[0].link == "https://ada.example/1"
            assert opened.index().summary["chunks_embedded"] == 0


def test_an_endpoint_that_fails_ends_the_run_in_one_line_and_the_next_run_completes_it(tmp_path: Path) -> None:
    with EmbeddingServer(key="k") as server:
        options = {"model_url": server.url, "model_key": "k", "model": "words"}
        with twin(tmp_path, **options) as opened:
            assert opened.embedder.dimension == 8
            server.next = [refusal(401, "expired")]
            with pytest.raises(ConfigError, match=r"refuses the key \(401\)"):
                opened.index()
            assert opened.index().summary["chunks_embedded"] == len(TEXTS)


def test_a_text_that_the_endpoint_refuses_is_one_documents_failure(tmp_path: Path) -> None:
    with EmbeddingServer(key="k") as server:
        options = {"model_url": server.url, "model_key": "k", "model": "words"}
        server.refused = "ccc"
        with twin(tmp_path, **options) as opened:
            report = opened.index()
            assert {outcome.link: outcome.status for outcome in report.outcomes} == {
                "https://ada.example/0": "new",
                "https://ada.example/1": "failed",
                "https://ada.example/2": "new",
            }
            assert "refuses the text (400): not this one" in report.failed[0].detail


def test_vectors_of_another_precision_are_not_mixed_with_the_old_ones(tmp_path: Path) -> None:
    model = str(tiny_bert(tmp_path / "tiny"))
    with twin(tmp_path, model=model) as opened:
        full = opened.index().summary["model"]
    with twin(tmp_path, model=model, precision="int8") as opened:
        summary = opened.index().summary
        assert summary["model"] == f"{full} int8"
        assert summary["chunks_embedded"] == len(TEXTS), "none of the full model's vectors is taken over"
        assert len(opened.search("ccc", k=3)) == 3
