"""Rebuilds: aside, swapped in at once, started again where one was killed; and what a changed model does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexing_world import WordsEmbedder, article, contents, opened
from llm_twin import Twin
from llm_twin.errors import OutdatedError, StoreError, UsageError
from llm_twin.indexing import embedding
from llm_twin.runs import Silent

BREAD = "Bread needs flour, water, salt and time."


class Saying(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def filled(twin: Twin, number: int = 6) -> Twin:
    twin.warehouse.put([article(each, f"{BREAD} Word{each}.") for each in range(number)])
    return twin


def files(twin: Twin) -> list[str]:
    return sorted(path.name for path in (twin.home / "vectors").iterdir())


def test_a_rebuild_takes_over_the_vectors_and_leaves_one_index(twin: Twin, embedder: WordsEmbedder) -> None:
    filled(twin).index()
    before, old = contents(twin.vectors), files(twin)
    embedder.embedded.clear()
    planned = twin.index_plan(rebuild=True)
    assert (planned.rebuild, {item.why for item in planned.items}) == ("a rebuild was asked for", {"rebuild"})
    report = twin.index(rebuild=True)
    assert (planned.chunks_to_embed, planned.chunks_reused) == (0, report.summary["chunks_reused"])
    assert not embedder.embedded
    assert contents(twin.vectors) == before
    assert len(files(twin)) == len(old) == 2
    assert files(twin) != old


def test_searches_are_answered_by_the_old_index_until_the_new_one_is_whole(home: Path) -> None:
    answers: list[tuple[int, list[str]]] = []

    class Watched(WordsEmbedder):
        def encode(self, texts: Any, on_done: Any = None) -> Any:
            with opened(home, WordsEmbedder()) as other:
                answers.append((other.vectors.count(), [hit.link for hit in other.search("Word3", k=1)]))
            return super().encode(texts, on_done)

    with opened(home, WordsEmbedder()) as twin:
        filled(twin).index()
        twin.warehouse.put([article(3, "Nothing of the kind.")])
    with opened(home, Watched()) as twin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "BATCH_CHUNKS", 1)
        twin.index(rebuild=True)
        assert answers
        assert set(map(str, answers)) == {str((6, [article(3, "").link]))}
        assert twin.vectors.chunks_of(article(3, "").id)[0].chunk.text == "Nothing of the kind."


def test_a_stopped_rebuild_leaves_the_old_index_and_is_gone_on_with(home: Path) -> None:
    embedder = WordsEmbedder()
    with opened(home, embedder) as twin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "BATCH_CHUNKS", 1)
        filled(twin).index()
        before = contents(twin.vectors)
        twin.warehouse.put([article(each, f"{BREAD} Changed{each}.") for each in range(6)])
        last = max(range(6), key=lambda each: article(each, "").id)
        embedder.fails = {f"Changed{last}": KeyboardInterrupt()}
        assert twin.index(rebuild=True).interrupted
        assert contents(twin.vectors) == before
        assert "draft.json" in files(twin)
        embedder.fails = {}
        assert len(embedder.embedded) == 6 + 5
        assert twin.index(rebuild=True).summary["chunks_embedded"] == 1
        assert "draft.json" not in files(twin)
        assert twin.index().summary["documents"]["unchanged"] == 6


def test_a_rebuild_of_which_nothing_can_be_embedded_leaves_the_old_index(twin: Twin, embedder: WordsEmbedder) -> None:
    filled(twin).index()
    before = contents(twin.vectors)
    twin.warehouse.put([article(each, f"{BREAD} Changed{each}.") for each in range(6)])
    embedder.fails = {"Bread": ValueError("no")}
    assert len(twin.index(rebuild=True).failed) == 6
    assert contents(twin.vectors) == before


def test_an_index_that_can_not_be_read_is_rebuilt(twin: Twin) -> None:
    filled(twin).index()
    twin.close()
    for path in (twin.home / "vectors").rglob("segment.json"):
        path.write_text("{")
    with pytest.raises(StoreError, match="`twin index --rebuild` builds it anew"):
        twin.search("bread")
    assert twin.index(rebuild=True).summary["chunks_embedded"] == 6
    assert twin.search("Word3", k=1)[0].link == article(3, "").link


def test_another_model_is_refused_by_a_search_and_makes_an_index_run_rebuild(home: Path) -> None:
    with opened(home, WordsEmbedder("old model")) as twin:
        filled(twin).index()
    told = Saying()
    with opened(home, WordsEmbedder("new model", 8), told) as twin:
        with pytest.raises(OutdatedError, match=r"built with old model \(16 dimensions\), not with new model") as error:
            twin.search("bread")
        assert "`twin index` rebuilds it" in str(error.value)
        assert "\n" not in str(error.value)
        with pytest.raises(OutdatedError):
            twin.index(["Ada Example"])
        planned = twin.index_plan()
        assert "built with old model" in planned.rebuild
        assert {item.why for item in planned.items} == {"cleaner, chunker or model changed"}
        assert planned.chunks_to_embed == 6
        assert twin.index().summary["chunks_embedded"] == 6
        assert any("built with old model" in text and "anew, aside" in text for text in told.said)
        assert twin.search("Word3", k=1)[0].link == article(3, "").link
        assert {entry.card.model for entry in twin.vectors.chunks_of(article(3, "").id)} == {"new model"}
    with opened(home, WordsEmbedder("old model")) as twin, pytest.raises(OutdatedError):
        twin.search("bread")


def test_a_draft_of_another_model_is_not_gone_on_with(home: Path) -> None:
    embedder = WordsEmbedder("first")
    with opened(home, embedder) as twin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "BATCH_CHUNKS", 1)
        filled(twin)
        embedder.fails = {"Word4": KeyboardInterrupt()}
        twin.index(rebuild=True)
    with opened(home, WordsEmbedder("second")) as twin:
        assert twin.index(rebuild=True).summary["chunks_embedded"] == 6
        assert {entry.card.model for entry in twin.vectors.chunks_of(article(0, "").id)} == {"second"}
        assert len(files(twin)) == 2


def test_an_index_of_the_version_before_is_rebuilt(twin: Twin) -> None:
    folder = filled(twin).home / "vectors"
    (folder / "segments").mkdir(parents=True)
    (folder / "edge_config.json").write_text("{}")
    (folder / "index.json").write_text('{"format": 1, "model": "words", "dimension": 16}')
    with pytest.raises(OutdatedError, match="another version of llm-twin; `twin index` rebuilds it"):
        twin.search("bread")
    assert "another version" in twin.index_plan().rebuild
    assert twin.index().summary["documents"]["new"] == 6
    assert len(files(twin)) == 2


def test_forgetting_removes_what_a_stopped_rebuild_left(twin: Twin, embedder: WordsEmbedder) -> None:
    filled(twin).index()
    embedder.fails = {"Changed": KeyboardInterrupt()}
    twin.warehouse.put([article(0, "Changed.")])
    twin.index(rebuild=True)
    assert "draft.json" in files(twin)
    twin.forget_link(article(1, "").link)
    assert len(files(twin)) == 2


def test_a_rebuild_is_of_the_whole_index(twin: Twin) -> None:
    with pytest.raises(UsageError, match="leave out the authors"):
        twin.index(["Ada Example"], rebuild=True)
