"""Whatever happened before it: after an index run the index is what a build from scratch gives."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llm_twin.features.chunk
from indexing_world import ADA, BEN, IN_MEMORY, WordsEmbedder, article, contents, opened
from llm_twin import Twin

# Other ones each time; more of them on demand, as when the order of writes changes.
EXAMPLES = int(os.environ.get("IN_STEP_EXAMPLES", "8"))
PARAGRAPHS = [
    "Bread needs flour, water, salt and time. " * 4,
    "A sail is trimmed to the wind, and eased when it backs. " * 4,
    "```python\ndef rise(hours):\n    return hours * 2\n```",
    "Bread needs flour, water, salt and time. " * 9,
    "Half a \ud83d pair, and a word or two. ",
    "   ",
]
texts = st.lists(st.sampled_from(PARAGRAPHS), min_size=1, max_size=4).map("\n\n".join)
numbers = st.integers(1, 4)
authors = st.sampled_from([ADA, BEN])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), numbers, authors, texts),
        st.tuples(st.just("delete"), numbers, authors),
        st.tuples(st.just("index")),
        st.tuples(st.just("index an author"), authors),
        st.tuples(st.just("rebuild")),
        st.tuples(st.just("change the chunker")),
        st.tuples(st.just("change the model")),
        st.tuples(st.just("stop a run"), st.integers(1, 6), st.booleans()),
        st.tuples(st.just("forget"), numbers, authors),
    ),
    min_size=3,
    max_size=9,
)


class Stopping(WordsEmbedder):
    """Is interrupted, as by Ctrl-C, after so many texts."""

    left: int | None = None

    def encode(self, texts: Any, on_done: Any = None) -> Any:
        if self.left is not None:
            self.left -= len(texts)
            if self.left < 0:
                raise KeyboardInterrupt
        return super().encode(texts, on_done)


def play(twin: Twin, embedder: Stopping, step: tuple[Any, ...]) -> None:
    what, *rest = step
    if what == "put":
        number, author, text = rest
        twin.warehouse.put([article(number, text, author)])
    elif what in ("delete", "forget"):
        number, author = rest
        document = article(number, "", author)
        if what == "delete":
            twin.warehouse.delete([document.id])
        elif twin.warehouse.get(document.id):
            twin.forget_link(document.link)
    elif what == "index":
        assert not twin.index().failed
    elif what == "index an author":
        if twin.vectors.model == embedder.name:
            twin.index([rest[0].name])
    elif what == "rebuild":
        twin.index(rebuild=True)
    elif what == "stop a run":
        embedder.left, rebuild = rest
        twin.index(rebuild=rebuild)
        embedder.left = None


@settings(max_examples=EXAMPLES, deadline=None)
@given(steps=steps)
def test_after_any_changes_the_index_is_what_a_build_from_scratch_gives(steps: list[tuple[Any, ...]]) -> None:
    version, model = llm_twin.features.chunk.VERSION, 1
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("llm_twin.indexing.embedding.BATCH_CHUNKS", 2)
        patch.setattr("llm_twin.indexing.run.BATCH_DOCUMENTS", 2)
        home = Path(folder) / "home"
        embedder = Stopping("model 1")
        twin = opened(home, embedder)
        for step in steps:
            if step[0] == "change the chunker":
                version += "'"
                patch.setattr(llm_twin.features.chunk, "VERSION", version)
            elif step[0] == "change the model":
                twin.close()
                model += 1
                embedder = Stopping(f"model {model}", 8 if model % 2 else 16)
                twin = opened(home, embedder)
                twin.index()
            else:
                play(twin, embedder, step)
        report = twin.index()
        assert not report.failed
        with opened(Path(folder) / "scratch", Stopping(embedder.name, embedder.dimension)) as scratch:
            for document in twin.warehouse.documents():
                scratch.warehouse.put([document])
            scratch.index()
            assert contents(twin.vectors) == contents(scratch.vectors)
        embedder.embedded.clear()
        again = twin.index()
        assert not again.outcomes
        assert not embedder.embedded
        twin.close()
