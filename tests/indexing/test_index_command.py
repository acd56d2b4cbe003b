"""`twin index` as a user types it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexing_world import ADA, BEN, article
from llm_twin import Twin, cli
from tiny_models import tiny_bert

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Twin(home=tmp_path / "home") as twin:
        for author in (ADA, BEN):
            twin.warehouse.put_author(author)
        twin.warehouse.put([article(1, "Bread needs time."), article(2, "Sails need wind."), article(3, "Tea.", BEN)])
        return twin.home


@pytest.fixture
def twin(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `twin …` and returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("TWIN_HOME", str(home))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twin", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def test_a_plan_shows_each_document_with_its_reason_and_the_whole_with_its_time(twin: Run) -> None:
    code, out, err = twin("index", "--plan")
    assert (code, err) == (0, "")
    assert "new  https://ada.example/1  1 to embed, 0 reused" in out
    assert "3 documents to index (3 new), 0 unchanged, 0 removed; 3 chunks to embed, 0 reused" in out
    assert "chunks a second, as measured by a calibration on 3 chunks" in out
    code, out, _ = twin("index", "--plan", "--author", BEN.name, "--json")
    plan = json.loads(out)
    assert [item["link"] for item in plan["items"]] == ["https://ben.example/3"]
    assert plan["chunks_to_embed"] == 1
    assert plan["seconds"] > 0


def test_authors_and_rebuilds_by_option(twin: Run) -> None:
    assert "1 new" in twin("index", "--author", BEN.name)[1]
    assert "2 new, 1 unchanged; 2 chunks embedded, 0 reused, 3 in the index" in twin("index")[1]
    assert "3 updated; 0 chunks embedded, 3 reused, 3 in the index" in twin("index", "--rebuild")[1]
    summary = json.loads(twin("index", "--json")[1])["summary"]
    assert summary["documents"] == {"new": 0, "updated": 0, "failed": 0, "unchanged": 3, "removed": 0}
    code, _, err = twin("index", "--rebuild", "--author", BEN.name)
    assert (code, err) == (2, "twin: a rebuild is of the whole index; leave out the authors\n")


def test_another_model_is_one_line_for_a_search_and_a_rebuild_for_an_index_run(twin: Run, tmp_path: Path) -> None:
    twin("index")
    other = tiny_bert(tmp_path / "other")
    code, out, err = twin("search", "bread", "--set", f"model={other}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "all-MiniLM-L6-v2 (384 dimensions), not with" in err
    assert "`twin index` rebuilds it" in err
    code, out, err = twin("index", "--set", f"model={other}")
    assert code == 0
    assert "building it anew, aside" in err
    assert "3 updated" in out
    assert twin("search", "bread", "--set", f"model={other}")[0] == 0
    assert twin("search", "bread")[0] == 2


@pytest.mark.parametrize("name", ["features.jsonl", "features.parquet", "folder"])
def test_the_cleaned_documents_are_exported(twin: Run, tmp_path: Path, name: str) -> None:
    twin("index")
    target = tmp_path / name
    code, out, _ = twin("documents", "export", target, "--cleaned", "--author", ADA.name)
    assert (code, out) == (0, f"2 documents written to {target}\n")
    exported: list[Any]
    if target.suffix == ".jsonl":
        exported = [json.loads(line)["text"] for line in target.read_text().splitlines()]
    elif target.suffix == ".parquet":
        exported = pytest.importorskip("pyarrow.parquet").read_table(target).column("text").to_pylist()
    else:
        exported = [path.read_text().strip().rpartition("\n")[2] for path in target.rglob("*.md")]
    assert sorted(exported) == ["Bread needs time.", "Sails need wind."]
