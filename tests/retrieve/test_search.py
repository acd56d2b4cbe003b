"""Search over a real embedded index: both rankings, passages and their neighbours, order, limits, explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llm_twin.documents import Chunk, Hit, SearchMode, digest
from llm_twin.errors import UsageError
from llm_twin.retrieve.fuse import PASSAGE_SHARE
from llm_twin.retrieve.passages import passages
from llm_twin.retrieve.search import Query, search
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.store import ChunkFilter, CleanedDocument, DocumentCard, Indexed, Scored, Vectors, VectorStore

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


def ask(question: str, store: VectorStore, embed: Callable[[str], Vectors], **options: Any) -> list[Hit]:
    return search(Query(question=question, **options), store, embed)


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
    hits = ask("mergekit", store, along(1), limit=9)
    assert hits[0].title == "both"
    assert {hit.title for hit in hits} == {"both", "words", "sense"}
    assert 1 > hits[0].score > hits[1].score
    assert 1 > hits[1].score >= hits[2].score > 0


def test_a_hit_carries_what_is_shown_of_a_document(store: EdgeVectors) -> None:
    store.put([document("essay", "Some words.")])
    (hit,) = ask("words", store, along(0), limit=5)
    assert (hit.title, hit.link, hit.author) == ("essay", "https://example.org/essay", "Ada Lovelace")
    assert (hit.kind, hit.platform, hit.published_at) == ("article", "medium", None)
    assert [(passage.text, passage.start, passage.end) for passage in hit.passages] == [("Some words.", 0, 11)]
    assert hit.score == hit.passages[0].score == pytest.approx(1)
    assert hit.explanation is None


def test_chunks_that_touch_become_one_passage_and_the_best_passage_comes_first(store: EdgeVectors) -> None:
    long = document("long", "alpha ", "beta ", "gap ", "delta ")
    vectors = np.stack([AXES[0], AXES[0], -AXES[0], AXES[0]])
    others = [document(f"other{number}", f"{number}", axis=1) for number in range(120)]  # nearer than the gap
    store.put([long.model_copy(update={"vectors": vectors}), *others])
    hit = ask("delta", store, along(0), limit=5)[0]
    assert [(passage.text, passage.start, passage.end) for passage in hit.passages] == [
        ("delta ", 15, 21),
        ("alpha beta ", 0, 11),
    ]


def test_the_limit_counts_documents_not_chunks(store: EdgeVectors) -> None:
    store.put([document(f"doc{number}", *(f"word {part} " for part in range(10))) for number in range(12)])
    assert len(ask("word", store, along(0), limit=10)) == 10
    assert len(ask("word", store, along(0), limit=1)) == 1


def test_equal_documents_come_in_the_same_order_every_time(store: EdgeVectors) -> None:
    store.put([document(name, "same words") for name in "fedcba"])
    first = ask("same", store, along(0), limit=6)
    store.put([document(name, "same words") for name in "abcdef"])
    assert ask("same", store, along(0), limit=6) == first


def test_conditions_hold_for_both_rankings(store: EdgeVectors) -> None:
    store.put([document("essay", "word")])
    assert ask("word", store, along(0), where=ChunkFilter(kind="code")) == []


def test_an_empty_index_finds_nothing(store: EdgeVectors) -> None:
    assert ask("word", store, along(0), limit=5) == []


@pytest.mark.parametrize(("question", "limit", "text"), [(" \n", 5, "question is empty"), ("word", 0, "at least 1")])
def test_a_question_that_makes_no_sense_is_refused(store: EdgeVectors, question: str, limit: int, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        ask(question, store, along(0), limit=limit)


def test_passages_never_mix_two_revisions_of_a_document(store: EdgeVectors) -> None:
    old, new = document("essay", "old beginning", " and end", axis=1), document("essay", "new beginning, ")
    store.put([old])
    store.put_chunks([new.model_copy(update={"card": card("essay", "2")})])  # in the middle of a replacement
    (hit,) = ask("zebra", store, along(0))
    assert [passage.text for passage in hit.passages] == ["new beginning, "]


def test_words_spread_over_passages_find_a_document_that_no_passage_alone_would(store: EdgeVectors) -> None:
    spread = document("spread", "The boat left. ", "Later its sails were torn. ", "An anchor was lost.", axis=3)
    half = [document(f"half{number}", "A boat and a boat and the anchor.", axis=3) for number in range(3)]
    store.put([spread, *half])
    hits = ask("boat sails anchor", store, along(0), mode="sparse")
    assert hits[0].title == "spread"
    assert hits[0].passages[0].text.startswith("The boat left.")


def test_a_title_alone_is_enough(store: EdgeVectors) -> None:
    store.put([document("Zymurgy", "How beer is made.", axis=2)])
    (hit,) = ask("zymurgy", store, along(0), mode="sparse")
    assert hit.passages[0].text == "How beer is made."


@pytest.mark.parametrize(("mode", "titles"), [("dense", ["sense", "words"]), ("sparse", ["words"])])
def test_a_single_mode_ranks_by_its_own_scores(store: EdgeVectors, mode: SearchMode, titles: list[str]) -> None:
    store.put([document("sense", "planks", axis=1), document("words", "boats", axis=2)])
    hits = ask("boats", store, along(1), mode=mode)
    assert [hit.title for hit in hits] == titles
    if mode == "dense":
        assert [hit.score for hit in hits] == pytest.approx([1.0, 0.0])


def test_a_document_whose_passages_are_still_to_come_takes_no_place(store: EdgeVectors) -> None:
    coming = document("coming", "word word word", axis=0)
    store.put([coming, document("there", "word and more", axis=1)])
    store.delete([coming.card.document_id])
    store.put_documents([CleanedDocument(**coming.card.model_dump(), text="word word word", content_hash="1")])
    assert [hit.title for hit in ask("word", store, along(0), limit=1)] == ["there"]


def test_context_adds_neighbours_and_keeps_the_offsets(store: EdgeVectors) -> None:
    texts = [f"part {number}. " for number in range(9)]
    texts[4] = "the zebra. "
    vectors = np.repeat(AXES[1:2], 9, axis=0)
    vectors[4] = AXES[0]
    others = [document(f"other{number}", f"{number}", axis=2) for number in range(120)]
    zebra = document("zebra", *texts).model_copy(update={"vectors": -vectors})
    store.put([zebra.model_copy(update={"vectors": np.where(np.arange(9)[:, None] == 4, vectors, -vectors)}), *others])
    whole = "".join(texts)
    for reach, expected in ((0, "the zebra. "), (1, "".join(texts[3:6])), (2, "".join(texts[2:7])), (50, whole)):
        (passage, *_) = ask("zebra", store, along(0), context=reach, limit=1)[0].passages
        assert passage.text == whole[passage.start : passage.end] == expected
        assert passage.text[passage.best :].startswith("the zebra")
        assert passage.score > 0.9


def test_diversity_moves_what_says_the_same_down(store: EdgeVectors) -> None:
    tilted = [np.sqrt(0.5, dtype=np.float32) * (AXES[0] + AXES[axis]) for axis in (1, 2)]
    first, twin, other = document("first", "a"), document("twin", "b"), document("other", "c")
    store.put(
        [
            first.model_copy(update={"vectors": tilted[0][None]}),
            twin.model_copy(update={"vectors": tilted[0][None] * np.float32(0.999)}),
            other.model_copy(update={"vectors": (0.69 * AXES[0] + 0.72 * AXES[2])[None].astype(np.float32)}),
        ]
    )
    plain = [hit.title for hit in ask("zzz", store, along(0), mode="dense")]
    diverse = [hit.title for hit in ask("zzz", store, along(0), mode="dense", diversity=0.5)]
    assert plain[2] == "other"
    assert diverse[1] == "other"
    assert sorted(plain) == sorted(diverse)
    assert [hit.title for hit in ask("zzz", store, along(0), mode="dense", diversity=0.5, limit=2)] == diverse[:2]


class Backwards:
    """A cross-encoder that likes the longest passage best."""

    name = "backwards"

    def score(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
        return np.array([len(passage) / 100 for passage in passages], np.float32)


def test_a_reranker_has_the_last_word(store: EdgeVectors) -> None:
    store.put([document("near", "word", axis=0), document("far", "word and many more of them", axis=1)])
    plain = search(Query(question="word"), store, along(0))
    reranked = search(Query(question="word", explain=True), store, along(0), Backwards())
    assert [hit.title for hit in plain] == ["near", "far"]
    assert [hit.title for hit in reranked] == ["far", "near"]
    assert reranked[0].explanation
    assert reranked[0].score == reranked[0].explanation.rerank_score == pytest.approx(0.26)
    assert reranked[0].explanation.fused_score == plain[1].score


def test_while_a_reranker_reads_another_process_may_write(store: EdgeVectors) -> None:
    store.put([document("near", "word", axis=0), document("far", "word and many more of them", axis=1)])

    class Meanwhile(Backwards):
        def score(self, question: str, passages: Sequence[str]) -> NDArray[np.float32]:
            with EdgeVectors(store.path, "tiny", 8, 5) as other:
                other.delete([digest("near")])
            return super().score(question, passages)

    hits = search(Query(question="word", diversity=0.3, context=1, explain=True), store, along(0), Meanwhile())
    assert [hit.title for hit in hits] == ["far"]


def test_documents_beyond_those_reranked_stay_behind_them(store: EdgeVectors) -> None:
    store.put([document(f"doc{number:02}", "word " * (number + 1)) for number in range(60)])
    hits = search(Query(question="word", limit=60), store, along(0), Backwards())
    assert len({hit.title for hit in hits}) == 60


def test_an_explanation_gives_ranks_scores_and_matched_words(store: EdgeVectors) -> None:
    store.put([document("both", "expert models", axis=0), document("sense", "planks", axis=0)])
    hits = {hit.title: hit for hit in ask("expert models of ships", store, along(0), explain=True)}
    both, sense = hits["both"].explanation, hits["sense"].explanation
    assert both
    assert sense
    assert (both.sparse_rank, sense.sparse_rank, sense.sparse_score, sense.words) == (1, None, None, {})
    assert {both.dense_rank, sense.dense_rank} == {1, 2}
    assert both.dense_score == pytest.approx(1)
    assert set(both.words) == {"expert", "models", "expert models"}
    assert both.sparse_score
    assert both.passage_score
    assert sum(both.words.values()) + both.passage_score * PASSAGE_SHARE == pytest.approx(both.sparse_score, rel=1e-4)
    assert list(both.words.values()) == sorted(both.words.values(), reverse=True)
    assert both.fused_score == hits["both"].score


@pytest.mark.parametrize(
    ("options", "text"), [({"diversity": 1.5}, "diversity of 1.5 is out of range"), ({"context": -1}, "0 or more")]
)
def test_options_out_of_range_are_refused(store: EdgeVectors, options: dict[str, float], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        ask("word", store, along(0), **options)


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
