"""What others see while an index run writes, and what the run holds in memory."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from indexing_world import IN_MEMORY, WordsEmbedder, article, opened
from llm_twin.indexing import embedding, run

WRITER = """
import sys
from pathlib import Path
from typing import Any
sys.path.insert(0, sys.argv[2])
from indexing_world import WordsEmbedder, opened
from llm_twin.indexing import embedding, run
embedding.BATCH_CHUNKS = run.BATCH_DOCUMENTS = 2
with opened(Path(sys.argv[1]), WordsEmbedder()) as twin:
    for rebuild in (False, True):
        report = twin.index(rebuild=rebuild)
        assert not report.failed, report.failed
print(report.summary["chunks"])
"""


def test_searches_of_another_process_are_answered_while_a_run_writes_and_while_it_rebuilds() -> None:
    number = 14
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as home, opened(Path(home), WordsEmbedder()) as twin:
        twin.warehouse.put([article(0, "Bread and butter, the very first.")])
        twin.index()
        twin.warehouse.put([article(each, f"Bread number {each}.") for each in range(1, number)])
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, home, str(Path(__file__).parents[1])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        seen = []
        while writer.poll() is None:
            assert twin.search("butter", k=1, mode="sparse")[0].link == article(0, "").link
            assert list(twin.cleaned_documents())
            seen.append(twin.vectors.count())
        out, err = writer.communicate()
        assert (writer.returncode, err, int(out)) == (0, "", number)
        assert len(set(seen)) > 3, "the searches had to wait until all was written"
        assert twin.vectors.count() == number


class Forgetting(WordsEmbedder):
    def encode(self, texts: Any, on_done: Any = None) -> Any:
        self.embedded.clear()
        gc.collect()  # what waits for that is no growth
        return super().encode(texts, on_done)


def peak_megabytes(documents: int) -> float:
    """Python's memory at its highest while so many documents of 30 KB are indexed."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as home, opened(Path(home), Forgetting()) as twin:
        twin.index()  # opens everything
        twin.warehouse.put([article(number, f"{number} " + "z" * 30_000) for number in range(documents)])
        gc.freeze()  # what was there before need not be looked at each time
        tracemalloc.start()
        twin.index()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gc.unfreeze()
        assert twin.vectors.count() >= documents
        return peak / 1e6


def test_memory_does_not_grow_with_the_number_of_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_DOCUMENTS", 4)
    monkeypatch.setattr(embedding, "BATCH_CHUNKS", 4)
    peak_megabytes(1)  # what is loaded once
    few, many = peak_megabytes(8), peak_megabytes(24)
    assert many < few + 0.2, f"{few:.2f} MB for 0.24 MB of documents, {many:.2f} MB for 0.72 MB"


def test_a_searching_twin_sees_a_rebuilt_index_without_being_opened_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with opened(home, WordsEmbedder()) as reader, opened(home, WordsEmbedder()) as writer:
        writer.warehouse.put([article(0, "Bread and butter.")])
        writer.index()
        assert reader.search("butter")
        writer.warehouse.put([article(0, "Jam.")])
        writer.index(rebuild=True)
        assert [hit.passages[0].text for hit in reader.search("jam")] == ["Jam."]
        assert reader.index().summary["documents"]["unchanged"] == 1
