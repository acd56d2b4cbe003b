"""The embedded index: one folder, several processes, crashes and damage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_edge import EdgeShard

from llm_twin.documents import digest
from llm_twin.errors import LockedError, StoreError
from llm_twin.vectors import edge
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.store import ChunkFilter, Indexed

Build = Callable[..., Indexed]
FILTERS = ChunkFilter.model_fields
X = np.array([1, 0, 0, 0], np.float32)
HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
def open_index(folder: Path) -> Iterator[Callable[..., EdgeVectors]]:
    """Opens the index at `folder`, and closes what was opened."""
    opened: list[EdgeVectors] = []

    def run(wait: float = 10, on_wait: Callable[[str], None] | None = None) -> EdgeVectors:
        opened.append(EdgeVectors(folder, "tiny", 4, wait, on_wait))
        return opened[-1]

    yield run
    for store in opened:
        store.close()


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_writer_killed_at_any_moment_leaves_the_order_of_writes(folder: Path, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_rounds.py"), str(folder), "4", str(seed)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_generation_half_made_by_a_killed_process_is_removed(
    folder: Path, open_index: Callable[..., EdgeVectors], indexed: Build
) -> None:
    half = folder / "g-0123abcd"
    (half / "chunks" / "segments").mkdir(parents=True)
    store = open_index()
    assert store.count() == 0
    store.put([indexed("a", "one")])
    assert store.count() == 1
    assert not half.exists()


def test_every_field_that_is_filtered_by_has_a_payload_index_in_both_collections(
    open_index: Callable[..., EdgeVectors], indexed: Build
) -> None:
    filtered = {{"since": "published_at", "document_ids": "document_id"}.get(name, name) for name in FILTERS}
    with open_index() as store:
        store.put([indexed("a", "one")])
    for name in ("chunks", "documents"):
        (folder,) = store.path.glob(f"g-*/{name}")
        shard = EdgeShard.load(str(folder))
        assert filtered <= shard.info().payload_schema.keys()
        shard.close()


def test_searches_come_in_between_the_batches_of_another_process(
    folder: Path, open_index: Callable[..., EdgeVectors], indexed: Build
) -> None:
    open_index().put([indexed("first", "one")])
    writer = python(
        f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from kill_rounds import document, edge
from pathlib import Path
with edge.EdgeVectors(Path(sys.argv[1]), "tiny", 4, 60) as store:
    for number in range(10):
        store.put([document(str(number), 1)])
    print("done", flush=True)
""",
        str(folder),
    )
    reader = open_index(wait=60)
    seen: list[int] = []
    while writer.poll() is None:
        assert reader.dense(X, ChunkFilter(), 1)
        seen.append(reader.count())
    assert writer.communicate()[0].strip() == "done"
    assert reader.count() == 1 + 10 * 40
    assert len(set(seen)) > 3, "the searches had to wait until all was written"


def test_what_is_read_together_is_of_one_state_and_others_wait_for_it(
    open_index: Callable[..., EdgeVectors], indexed: Build
) -> None:
    reader, writer, impatient = open_index(), open_index(), open_index(wait=0.05)
    reader.put([indexed("a", "one ", "two ")])
    with reader.reading():
        assert reader.count() == 2
        with pytest.raises(LockedError):
            impatient.delete([digest("a")])
        (found, *_) = reader.nearest(X, ChunkFilter(), 2)
        assert reader.chunks([found.chunk_id])
    writer.delete([digest("a")])
    assert reader.count() == 0
    with reader.reading(), pytest.raises(StoreError, match="does not fit an index of 4 dimensions"):
        reader.nearest(X[:2], ChunkFilter(), 2)
    writer.put([indexed("b", "three ")])
    assert reader.count() == 1


def test_another_store_on_the_same_folder_gets_its_turn_after_each_call(
    open_index: Callable[..., EdgeVectors], indexed: Build
) -> None:
    one, other = open_index(), open_index()
    for number in range(3):
        one.put([indexed(str(number), "text")])
        assert other.count() == number + 1


def test_a_folder_held_too_long_is_a_locked_error_and_the_wait_is_announced(
    folder: Path, open_index: Callable[..., EdgeVectors], indexed: Build
) -> None:
    told: list[str] = []
    open_index().put([indexed("a", "one")])
    holder = python(
        """
import sys
from pathlib import Path
from llm_twin.locks import held
with held(Path(sys.argv[1] + ".lock"), "it", 10):
    print("held", flush=True)
    sys.stdin.read()
""",
        str(folder),
    )
    assert holder.stdout and holder.stdout.readline()
    with pytest.raises(LockedError, match=rf"the index in {folder} is held by python \(pid {holder.pid}\)"):
        open_index(wait=0.5, on_wait=told.append).count()
    holder.communicate()
    assert len(told) == 1
    assert open_index().count() == 1


def test_a_store_survives_many_small_segments(
    open_index: Callable[..., EdgeVectors], indexed: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "WRITABLE_SEGMENT_KB", 2)
    monkeypatch.setattr(edge, "LARGEST_SEGMENT_KB", 8)
    store = open_index()
    for name in "abcdef":
        store.put([indexed(name, *(f"{name} {number} " for number in range(150)))])
    store.put([indexed("a", "a new text", fingerprint="a-2")])
    store.delete([digest("b")])
    store.close()
    assert len(list(store.path.glob("*/chunks/segments/*"))) > 1
    assert store.count() == 4 * 150 + 1
    assert [hit.chunk.text for hit in store.sparse("new", ChunkFilter(), 9)] == ["a new text"]
    assert len(store.ledger()) == 5


def damaged(folder: Path, pattern: str) -> None:
    for path in folder.rglob(pattern):
        path.write_bytes(b"\x00 damaged")


@pytest.mark.parametrize("pattern", ["index.json", "edge_config.json", "segment.json", "config.json"])
def test_a_damaged_folder_is_named_with_what_to_do(
    folder: Path, open_index: Callable[..., EdgeVectors], indexed: Build, pattern: str
) -> None:
    with open_index() as store:
        store.put([indexed("a", "one")])
    damaged(folder, pattern)
    with pytest.raises(StoreError, match=rf"{folder} .*`twin index --rebuild` builds it anew") as error:
        open_index().count()
    assert "\n" not in str(error.value)
    with EdgeVectors(folder, "tiny", 4, 10, draft=True) as draft:
        draft.put([indexed("a", "one")])
        draft.publish()
    assert open_index().count() == 1


def test_a_foreign_folder_is_left_alone(folder: Path, open_index: Callable[..., EdgeVectors]) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="is no index of llm-twin"):
        open_index()
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_a_store_error(folder: Path, open_index: Callable[..., EdgeVectors]) -> None:
    folder.write_text("")
    with pytest.raises(StoreError, match=rf"{folder} can't be read: Not a directory"):
        open_index()


def test_nothing_is_written_to_a_disk_that_is_nearly_full(
    open_index: Callable[..., EdgeVectors], indexed: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_index()
    store.put([indexed("a", "one")])
    store.close()
    monkeypatch.setattr(edge, "FREE_BYTES", 10**18)
    with pytest.raises(StoreError, match=r"only \d+ MB are free"):
        store.put([indexed("b", "two")])
    assert list(store.ledger()) == [digest("a")]


def test_what_was_erased_is_in_no_file(folder: Path, open_index: Callable[..., EdgeVectors], indexed: Build) -> None:
    def files_with(word: str) -> list[str]:
        return [file.name for file in folder.rglob("*") if file.is_file() and word.encode() in file.read_bytes()]

    store = open_index()
    store.put(
        [indexed("a", "a word to forget: Xylocopa"), *(indexed(f"b{number}", f"{number}") for number in range(9))]
    )
    store.delete([digest("a")])
    store.close()
    assert files_with("Xylocopa")
    store.erase()
    store.close()
    assert files_with("Xylocopa") == []
    assert store.count() == len(store.ledger()) == 9
    store.put([indexed("a", "zebra")])
    assert [hit.chunk.text for hit in store.sparse("zebra", ChunkFilter(), 9)] == ["zebra"]
