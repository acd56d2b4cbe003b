"""What others see while an index run writes, and what the run holds in memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from indexing_world import WordsEmbedder, article, opened

WRITER = """
import sys
from pathlib import Path
from typing import Any
sys.path.insert(0, sys.argv[2])
from indexing_world import WordsEmbedder, opened
from llm_twin.indexing import embedding, run
embedding.BATCH_CHUNKS = run.BATCH_DOCUMENTS = 4
with opened(Path(sys.argv[1]), WordsEmbedder()) as twin:
    for rebuild in (False, True):
        report = twin.index(rebuild=rebuild)
        assert not report.failed, report.failed
print(report.summary["chunks"])
"""


def test_searches_of_another_process_are_answered_while_a_run_writes_and_while_it_rebuilds(tmp_path: Path) -> None:
    home, number = tmp_path / "home", 60
    with opened(home, WordsEmbedder()) as twin:
        twin.warehouse.put([article(0, "Bread and butter, the very first.")])
        twin.index()
        twin.warehouse.put([article(each, f"Bread number {each}.") for each in range(1, number)])
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home), str(Path(__file__).parents[1])],
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
        assert len(set(seen)) > 5, "the searches had to wait until all was written"
        assert twin.vectors.count() == number


class Forgetting(WordsEmbedder):
    def encode(self, texts: Any, on_done: Any = None) -> Any:
        self.embedded.clear()
        return super().encode(texts, on_done)


def peak_megabytes(home: Path, documents: int) -> float:
    """Python's memory at its highest while so many documents of 20 KB are indexed."""
    with opened(home, Forgetting()) as twin:
        twin.index()  # opens everything
        twin.warehouse.put([article(number, f"{number} " + "z" * 20_000) for number in range(documents)])
        tracemalloc.start()
        twin.index()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert twin.vectors.count() >= documents
        return peak / 1e6


def test_memory_does_not_grow_with_the_number_of_documents(tmp_path: Path) -> None:
    few, many = peak_megabytes(tmp_path / "few", 100), peak_megabytes(tmp_path / "many", 400)
    assert many < few + 3, f"{few:.1f} MB for 2 MB of documents, {many:.1f} MB for 8 MB"


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
