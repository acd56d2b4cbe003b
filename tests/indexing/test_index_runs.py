"""Index runs: what is planned, what is embedded, what happens to a document that fails."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import llm_twin.features.chunk
from indexing_world import ADA, BEN, WordsEmbedder, article, contents, opened
from llm_twin import Twin
from llm_twin.errors import ConfigError, Reason, StoreError, UsageError
from llm_twin.indexing import IndexPlan, embedding, plan

BREAD = "Bread needs flour, water, salt and time."
SAILS = "A sail is trimmed to the wind."
LONG = "\n\n".join(f"## Part {number}\n\n" + f"Sentence {number} goes on. " * 9 for number in range(6))


def whys(plan: IndexPlan) -> dict[str, str]:
    return {item.link.rpartition("/")[2]: item.why for item in plan.items}


def summary(report: Any) -> tuple[int, int]:
    return report.summary["chunks_embedded"], report.summary["chunks_reused"]


def test_a_plan_says_what_would_be_done_and_why_and_stores_nothing(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    twin.warehouse.put([article(1, BREAD), article(2, SAILS), article(3, LONG)])
    first = twin.index_plan()
    assert whys(first) == {"1": "new", "2": "new", "3": "new"}
    assert not (twin.home / "vectors").exists()
    report = twin.index()
    assert (first.chunks_to_embed, first.chunks_reused) == summary(report)
    before = contents(twin.vectors)
    twin.warehouse.put([article(1, BREAD + " And heat."), article(4, SAILS)])
    twin.warehouse.delete([article(2, "").id])
    second = twin.index_plan()
    assert whys(second) == {"1": "content changed", "4": "new"}
    assert (second.unchanged, list(second.removed)) == (1, [article(2, "").id])
    assert {item.link[-1]: (item.chunks_to_embed, item.chunks_reused) for item in second.items}["1"] == (1, 0)
    assert contents(twin.vectors) == before
    monkeypatch.setattr(llm_twin.features.chunk, "VERSION", "next")
    assert whys(twin.index_plan()) == {
        "1": "content changed",
        "3": "cleaner, chunker or model changed",
        "4": "new",
    }


def test_a_plan_estimates_the_time_by_a_calibration_and_then_by_the_last_run(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_twin.indexing.estimate.ENOUGH_CHUNKS", 2)
    twin.warehouse.put([article(1, LONG)])
    guessed = twin.index_plan()
    assert guessed.measured == "a calibration on 2 chunks"
    assert guessed.chunks_a_second
    assert guessed.seconds is not None
    twin.index()
    twin.warehouse.put([article(2, SAILS)])
    assert twin.index_plan().measured == "the last run"
    twin.index()
    nothing = twin.index_plan()
    assert (nothing.chunks_to_embed, nothing.seconds, nothing.chunks_a_second) == (0, 0.0, None)


def test_passages_whose_text_is_unchanged_keep_their_vector(twin: Twin, embedder: WordsEmbedder) -> None:
    twin.warehouse.put([article(1, LONG)])
    total = twin.index().summary["chunks_embedded"]
    assert total > 4
    embedder.embedded.clear()
    twin.warehouse.put([article(1, LONG.replace("Sentence 3 goes", "Sentence three went"))])
    report = twin.index()
    assert 0 < len(embedder.embedded) < total / 2
    assert all("three went" in text or "Part" in text for text in embedder.embedded)
    assert summary(report) == (len(embedder.embedded), report.summary["chunks"] - len(embedder.embedded))


def test_the_same_text_in_another_document_is_embedded_once(twin: Twin, embedder: WordsEmbedder) -> None:
    twin.warehouse.put([article(1, BREAD, title="T"), article(2, BREAD, title="T")])
    assert summary(twin.index()) == (1, 1)
    twin.warehouse.put([article(3, BREAD, BEN, title="T")])
    assert summary(twin.index()) == (0, 1)
    assert len(embedder.embedded) == 1


def test_only_the_named_authors_documents_are_looked_at_and_removed(twin: Twin) -> None:
    twin.warehouse.put([article(1, BREAD), article(2, SAILS), article(1, BREAD, BEN), article(2, SAILS, BEN)])
    assert twin.index([ADA.name]).summary["documents"]["new"] == 2
    twin.index()
    twin.warehouse.delete([article(1, "").id, article(1, "", BEN).id])
    assert list(twin.index_plan(["ben example"]).removed) == [article(1, "", BEN).id]
    assert twin.index(["ben example"]).summary["documents"]["removed"] == 1
    assert twin.vectors.ledger().keys() == {article(1, "").id, article(2, "").id, article(2, "", BEN).id}
    with pytest.raises(UsageError, match="no author 'Bem'; did you mean"):
        twin.index(["Bem"])


def test_a_document_that_can_not_be_embedded_fails_alone_and_is_tried_again(
    twin: Twin, embedder: WordsEmbedder
) -> None:
    twin.warehouse.put([article(number, f"Text {number}. {BREAD}") for number in range(9)])
    twin.index()
    twin.warehouse.put([article(number, f"Poison{number % 3} {number}. {BREAD}") for number in range(9)])
    embedder.fails = {"Poison1": ValueError("no\nsuch word")}
    embedder.spoilt = "Poison2"
    report = twin.index()
    assert report.summary["documents"] == {"new": 0, "updated": 3, "failed": 6, "unchanged": 0, "removed": 0}
    assert {outcome.reason for outcome in report.failed} == {Reason.INTERNAL}
    details = {outcome.link.rpartition("/")[2]: outcome.detail for outcome in report.failed}
    assert details["1"] == "can't be embedded: ValueError: no such word"
    assert "no numbers" in details["2"]
    (found,) = twin.vectors.chunks_of(article(1, "").id)
    assert found.chunk.text.startswith("Text 1"), "what was there before is still found"
    assert {item.why for item in twin.index_plan().items} == {"unfinished"}
    embedder.fails, embedder.spoilt = {}, ""
    assert not twin.index().failed
    assert twin.vectors.chunks_of(article(1, "").id)[0].chunk.text.startswith("Poison1")


def test_a_document_whose_record_is_broken_fails_alone(twin: Twin) -> None:
    twin.warehouse.put([article(1, BREAD), article(2, SAILS)])
    with sqlite3.connect(twin.home / "warehouse.sqlite") as db:
        db.execute("UPDATE documents SET body = '{}' WHERE id = ?", (article(1, "").id,))
    db.close()
    assert {item.document_id: item.chunks_to_embed for item in twin.index_plan().items}[article(1, "").id] is None
    report = twin.index()
    (failed,) = report.failed
    assert failed.link == article(1, "").id
    assert failed.detail.startswith("can't be cleaned")
    assert list(twin.vectors.chunk_ids()) == [article(2, "").id]


def test_a_model_that_fails_at_everything_ends_the_run_clearly(twin: Twin, embedder: WordsEmbedder) -> None:
    twin.warehouse.put([article(number, f"{BREAD} {number}") for number in range(50)])
    embedder.fails = {"Bread": RuntimeError("out of\nmemory")}
    with pytest.raises(StoreError, match=r"20 documents in a row .* with words, .*RuntimeError: out of memory$"):
        twin.index()
    assert [(run.command, run.state) for run in twin.runs()] == [("index", "interrupted")]
    assert len(twin.warehouse.outcomes(twin.runs()[0].id)) == embedding.HOPELESS


def test_a_lost_endpoint_ends_the_run_and_what_is_embedded_is_not_lost(
    twin: Twin, embedder: WordsEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH_CHUNKS", 2)
    twin.warehouse.put([article(number, f"{BREAD} Word{number}") for number in range(9)])
    embedder.fails = {"Word5": ConfigError("the endpoint is gone")}
    with pytest.raises(ConfigError, match="the endpoint is gone"):
        twin.index()
    done = len(embedder.embedded)
    assert done
    embedder.fails = {}
    assert summary(twin.index()) == (9 - done, done)


def test_forgetting_leaves_nothing_in_either_collection(twin: Twin) -> None:
    twin.warehouse.put([article(1, BREAD), article(2, SAILS), article(1, BREAD, BEN)])
    twin.index()
    twin.forget_link(article(2, "").link)
    twin.forget_author(BEN.name)
    left = article(1, "").id
    assert twin.vectors.ledger().keys() == twin.vectors.chunk_ids().keys() == {left}
    assert [document.document_id for document in twin.cleaned_documents()] == [left]


def test_the_snapshot_gives_the_cleaned_documents_for_training(twin: Twin) -> None:
    about = {"metadata": {"subtitle": "B\u200bread", "tags": ["x"]}, "language": "en", "parent_id": "p"}
    twin.warehouse.put([article(1, "Soft\u00adhyphen\u00a0here ", **about), article(2, SAILS), article(1, BREAD, BEN)])
    assert not list(twin.cleaned_documents())
    twin.index()
    (found, _) = sorted(twin.cleaned_documents("ada example"), key=lambda document: document.link)
    assert found.text == "Softhyphen here"
    assert (found.metadata, found.language, found.parent_id) == (about["metadata"], "en", "p")
    assert (found.model, found.author, found.kind) == ("words", ADA.name, "article")
    assert found.fingerprint == twin.vectors.ledger()[found.document_id].fingerprint != ""
    assert not list(twin.cleaned_documents(kind="code"))


def test_the_stages_may_be_done_one_after_the_other_and_again(
    twin: Twin, embedder: WordsEmbedder, tmp_path: Path
) -> None:
    from llm_twin.indexing import clean_documents, embed_documents, finish

    twin.warehouse.put([article(number, f"{LONG} {number}") for number in range(3)])
    todo = plan(twin.warehouse, twin.vectors, twin.chunker)
    for _ in range(2):
        assert clean_documents(twin.warehouse, twin.vectors, todo.items) == []
        done = list(embed_documents(twin.vectors, embedder, twin.chunker, todo.items))
        assert len(done) == 3
    for _ in range(2):
        finish(twin.vectors, done, todo.removed)
        assert not list(embed_documents(twin.vectors, embedder, twin.chunker, todo.items)), "all are finished"
    assert len(embedder.embedded) == len(set(embedder.embedded))
    with opened(tmp_path / "other", embedder) as other:
        other.warehouse.put(list(twin.warehouse.documents()))
        other.index()
        assert contents(twin.vectors) == contents(other.vectors)
