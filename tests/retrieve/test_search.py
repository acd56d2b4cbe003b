"""Search over a real embedded index: fusion of both rankings, passages, order, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_twin.documents import Chunk, digest
from llm_twin.errors import UsageError
from llm_twin.retrieve.search import fuse, passages, search
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.store import ChunkFilter, DocumentCard, Indexed, Scored, Vectors

ALL = ChunkFilter()
AXES = np.eye(8, dtype=np.float32)


def card(name: str, fingerprint: str = "1") -> DocumentCard:
    return DocumentCard(
        document_id=digest(name),
        author_id="ada",
        author="Ada Lovelace",
        kind="article",
        platform="medium",
        link=f"https://example.org/{name}",
        title=name,
        published_at=None,
        model="tiny",
        fingerprint=fingerprint,
    )


def chunk(name: str, text: str, start: int = 0, end: int | None = None) -> Chunk:
    end = len(text) if end is None else end
    return Chunk(
        id=digest(name, str(start), str(end)), document_id=digest(name), start=start, end=end, text=text[start:end]
    )


def document(name: str, *texts: str, axis: int = 0) -> Indexed:
    """A document of chunks that follow each other, all pointing along one axis."""
    whole, chunks, start = "".join(texts), [], 0
    for text in texts:
        chunks.append(chunk(name, whole, start, start + len(text)))
        start += len(text)
    return Indexed(card=card(name), chunks=tuple(chunks), vectors=np.repeat(AXES[axis : axis + 1], len(texts), axis=0))


def along(axis: int) -> Callable[[str], Vectors]:
    return lambda question: AXES[axis]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeVectors]:
    with EdgeVectors(tmp_path / "vectors", "tiny", 8, 10) as opened:
        yield opened


def test_a_document_that_both_rankings_know_comes_before_those_that_one_knows(store: EdgeVectors) -> None:
    store.put(
        [document("both", "mergekit", axis=1), document("words", "mergekit", axis=2), document("sense", "x", axis=1)]
    )
    hits = search("mergekit", store, along(1), ALL, 9)
    assert hits[0].title == "both"
    assert {hit.title for hit in hits} == {"both", "words", "sense"}
    assert hits[0].score > hits[1].score >= hits[2].score > 0


def test_a_hit_carries_what_is_shown_of_a_document(store: EdgeVectors) -> None:
    store.put([document("essay", "Some words.")])
    (hit,) = search("words", store, along(0), ALL, 5)
    assert (hit.title, hit.link, hit.author) == ("essay", "https://example.org/essay", "Ada Lovelace")
    assert (hit.kind, hit.platform, hit.published_at) == ("article", "medium", None)
    assert [(passage.text, passage.start, passage.end) for passage in hit.passages] == [("Some words.", 0, 11)]
    assert hit.score == hit.passages[0].score == pytest.approx(2 / 61)


def test_chunks_that_touch_become_one_passage_and_the_best_passage_comes_first(store: EdgeVectors) -> None:
    long = document("long", "alpha ", "beta ", "gap ", "delta ")
    vectors = np.stack([AXES[0], AXES[0], -AXES[0], AXES[0]])
    others = [document(f"other{number}", f"{number}", axis=1) for number in range(60)]  # nearer than the gap
    store.put([long.model_copy(update={"vectors": vectors}), *others])
    hit = search("delta", store, along(0), ALL, 5)[0]
    assert [(passage.text, passage.start, passage.end) for passage in hit.passages] == [
        ("delta ", 15, 21),
        ("alpha beta ", 0, 11),
    ]


def test_the_limit_counts_documents_not_chunks(store: EdgeVectors) -> None:
    store.put([document(f"doc{number}", *(f"word {part} " for part in range(10))) for number in range(12)])
    assert len(search("word", store, along(0), ALL, 10)) == 10
    assert len(search("word", store, along(0), ALL, 1)) == 1


def test_equal_documents_come_in_the_same_order_every_time(store: EdgeVectors) -> None:
    store.put([document(name, "same words") for name in "fedcba"])
    first = search("same", store, along(0), ALL, 6)
    store.put([document(name, "same words") for name in "abcdef"])
    assert search("same", store, along(0), ALL, 6) == first


def test_conditions_hold_for_both_rankings(store: EdgeVectors) -> None:
    store.put([document("essay", "word")])
    assert search("word", store, along(0), ChunkFilter(kind="code"), 5) == []


def test_an_empty_index_finds_nothing(store: EdgeVectors) -> None:
    assert search("word", store, along(0), ALL, 5) == []


@pytest.mark.parametrize(("question", "limit", "text"), [(" \n", 5, "question is empty"), ("word", 0, "at least 1")])
def test_a_question_that_makes_no_sense_is_refused(store: EdgeVectors, question: str, limit: int, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        search(question, store, along(0), ALL, limit)


def test_passages_never_mix_two_revisions_of_a_document(store: EdgeVectors) -> None:
    new, old = document("essay", "new beginning, "), document("essay", "old beginning", " and end")
    mixed = [
        Scored(card=card("essay", "2"), chunk=new.chunks[0], score=0.9),
        Scored(card=card("essay", "1"), chunk=old.chunks[1], score=0.8),
    ]

    class Both(EdgeVectors):
        """An index found in the middle of a replacement."""

        def dense(self, vector: Vectors, where: ChunkFilter, limit: int) -> list[Scored]:
            return mixed

    with Both(store.path, "tiny", 8, 10) as both:
        (hit,) = search("zebra", both, along(0), ALL, 5)
    assert [passage.text for passage in hit.passages] == ["new beginning, "]


names = st.text("abcdefgh", min_size=1, max_size=1)
rankings = st.lists(st.lists(names, unique=True, max_size=8), max_size=3)


@given(rankings)
def test_fused_scores_are_the_sums_of_reciprocal_ranks(lists: list[list[str]]) -> None:
    scored = [[Scored(card=card(name), chunk=chunk(name, "text"), score=7) for name in names] for names in lists]
    fused = fuse(scored)
    expected = {
        name: sum(1 / (60 + names.index(name) + 1) for names in lists if name in names)
        for name in {name for names in lists for name in names}
    }
    assert {found.card.title: found.score for found in fused} == pytest.approx(expected)
    assert [found.score for found in fused] == sorted((found.score for found in fused), reverse=True)
    assert len(fused) == len(expected)


@st.composite
def text_and_spans(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    text = draw(st.text("abcdefghijklmnop \n", min_size=1, max_size=60))
    starts = st.integers(0, len(text) - 1)
    spans = draw(
        st.lists(starts.flatmap(lambda start: st.tuples(st.just(start), st.integers(start + 1, len(text)))), max_size=9)
    )
    return text, spans


@given(text_and_spans())
def test_passages_cover_exactly_the_characters_of_their_chunks(drawn: tuple[str, list[tuple[int, int]]]) -> None:
    text, spans = drawn
    found = [
        Scored(card=card("a"), chunk=chunk("a", text, start, end), score=1 / (number + 1))
        for number, (start, end) in enumerate(spans)
    ]
    joined = passages(found)
    assert all(passage.text == text[passage.start : passage.end] for passage in joined)
    covered = {position for start, end in spans for position in range(start, end)}
    assert sorted(position for passage in joined for position in range(passage.start, passage.end)) == sorted(covered)
    in_order = sorted(joined, key=lambda passage: passage.start)
    assert all(one.end < other.start for one, other in pairwise(in_order)), "touching passages"
    assert [passage.score for passage in joined] == sorted((passage.score for passage in joined), reverse=True)
    assert max((passage.score for passage in joined), default=1.0) == 1.0
