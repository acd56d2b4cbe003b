"""Chunks of Markdown follow the document: sections, blocks and sentences, and what an edit changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

from llm_twin.documents import Chunk, Document
from llm_twin.features.chunk import Chunker

Make = Callable[..., Document]

SENTENCE = "The quick brown fox number {} jumps over the lazy dog near the bank of the river. "


def paragraph(sentences: int, first: int = 0) -> str:
    return "".join(SENTENCE.format(first + number) for number in range(sentences)).strip()


def headings(chunks: tuple[Chunk, ...]) -> list[str]:
    return [chunk.heading for chunk in chunks]


def test_the_path_of_headings_is_told_without_marks(chunker: Chunker, document: Make) -> None:
    marked = "## The *analytical* [engine](https://a.example/e)"
    parts = ["# Engines", paragraph(10), marked, paragraph(10), "### `Mill`", paragraph(10), "## Notes", paragraph(10)]
    text = "\n\n".join(parts)
    assert headings(chunker.chunk(document(text, title="Engines"))) == [
        "Engines",
        "Engines › The analytical engine",
        "Engines › The analytical engine › Mill",
        "Engines › Notes",
    ]


def test_small_neighbours_share_a_chunk_under_what_they_have_in_common(chunker: Chunker, document: Make) -> None:
    parts = ["## Steps", "### One", "Turn it on.", "### Two", "Turn it off.", "## Theory", paragraph(13)]
    chunks = chunker.chunk(document("\n\n".join(parts)))
    assert headings(chunks) == ["T › Steps", "T › Theory"]
    assert "Turn it on." in chunks[0].text
    assert "Turn it off." in chunks[0].text


def test_a_heading_stays_with_what_it_announces(chunker: Chunker, document: Make) -> None:
    parts = ["Intro. " * 20, "## Results", "### Speed", paragraph(9), "### Memory", paragraph(9)]
    for chunk in chunker.chunk(document("\n\n".join(parts))):
        last = chunk.text.strip().splitlines()[-1]
        assert not last.startswith("#"), chunk.text


def test_code_tables_and_list_items_that_fit_are_not_torn(chunker: Chunker, document: Make) -> None:
    code = "```python\n" + "\n".join(f"value_{n} = compute({n})" for n in range(20)) + "\n```"
    table = "| model | score |\n| --- | --- |\n" + "\n".join(f"| model {n} | {n} |" for n in range(20))
    items = [f"- {paragraph(4, n)}" for n in range(0, 40, 4)]
    text = "\n\n".join([paragraph(7), code, paragraph(7), table, paragraph(7), "\n".join(items)])
    chunks = chunker.chunk(document(text))
    assert len(chunks) > 5
    for whole in [code, table, *items]:
        assert any(whole in chunk.text for chunk in chunks), whole


def test_code_that_does_not_fit_is_cut_at_blank_lines(chunker: Chunker, document: Make) -> None:
    stanza = "\n".join(f"result_{n} = function_{n}(argument)" for n in range(6))
    chunks = chunker.chunk(document("```python\n" + "\n\n".join([stanza] * 12) + "\n```"))
    assert len(chunks) > 2
    assert all(chunk.text.startswith(("result_0", "```python")) for chunk in chunks)
    assert all(chunk.text.endswith("\n\n") for chunk in chunks[:-1])


def test_the_rows_of_a_torn_table_are_found_under_its_columns(chunker: Chunker, document: Make) -> None:
    rows = "\n".join(f"| model number {n} | {n}.5 | {n}00 |" for n in range(100))
    text = f"## Results\n\n{paragraph(3)}\n\n| Name | Score | Size |\n|---|---|---|\n{rows}\n"
    chunks = chunker.chunk(document(text))
    assert "| model number 0 |" in chunks[0].text
    assert headings(chunks)[0] == "T › Results"
    assert set(headings(chunks)[1:]) == {"T › Results › Name | Score | Size"}
    assert all(chunk.text.startswith("| model number") and chunk.text.endswith("|\n") for chunk in chunks[1:-1])


def test_prose_is_cut_between_sentences(chunker: Chunker, document: Make) -> None:
    chunks = chunker.chunk(document(paragraph(80)))
    assert len(chunks) > 3
    assert all(chunk.text.startswith("The quick") and chunk.text.strip().endswith("river.") for chunk in chunks)


def test_chunks_are_filled_evenly_without_crumbs(chunker: Chunker, document: Make) -> None:
    chunks = chunker.chunk(document("\n\n".join(paragraph(2, n) for n in range(40))))
    tokens = [chunker.tokens(chunk.text) for chunk in chunks]
    assert min(tokens) > 0.6 * max(tokens)


def test_a_post_that_fits_stays_whole(chunker: Chunker, document: Make) -> None:
    text = "# Thread\n\n" + "\n\n".join(f"{n}. {paragraph(1, n)}" for n in range(9))
    assert [chunk.text for chunk in chunker.chunk(document(text, "post", title=""))] == [text]


def test_a_long_path_takes_a_quarter_at_most_and_keeps_its_ends(chunker: Chunker, document: Make) -> None:
    deep = "\n\n".join(f"{'#' * level} Level {level} {'about engines ' * 8}" for level in range(1, 7))
    chunks = chunker.chunk(document(f"{deep}\n\n{paragraph(20)}", title="The title " * 3))
    assert chunks[-1].heading.startswith("The title The title The title › … › ")
    assert "Level 6" in chunks[-1].heading
    assert all(chunker.tokens(chunk.heading) <= 254 // 4 for chunk in chunks)


def test_one_changed_sentence_changes_a_few_chunks_near_it(chunker: Chunker, document: Make) -> None:
    sentences = [varied(number) for number in range(800)]
    paragraphs = [" ".join(sentences[n : n + 4]) for n in range(0, 800, 4)]
    sections = [f"## Section {n}\n\n" + "\n\n".join(paragraphs[n * 20 : n * 20 + 20]) for n in range(10)]
    for whole in ("\n\n".join(paragraphs), "\n\n".join(sections)):
        before = texts(chunker, document(whole))
        changed = [
            len(texts(chunker, document(whole.replace(sentences[n], varied(1000 + n)))) - before)
            for n in range(0, 800, 40)
        ]
        assert len(before) > 30
        assert min(changed) == 1
        assert sum(changed) <= 2 * len(changed)
        assert max(changed) <= 6


def test_an_edit_in_a_text_without_paragraphs_does_not_change_it_to_its_end(chunker: Chunker, document: Make) -> None:
    sentences = [varied(number) for number in range(1000)]
    before = texts(chunker, document(" ".join(sentences)))
    for number in range(0, 200, 40):
        edited = [*sentences[:number], varied(1000 + number), *sentences[number + 1 :]]
        assert len(texts(chunker, document(" ".join(edited))) - before) < len(before) / 4


def varied(number: int) -> str:
    """A sentence of some 4 to 20 words that no other number gives."""
    chance = Random(number)
    words = ["river", "engine", "garden", "window", "market", "summer", "letter", "doctor", "travel", "yellow"]
    return f"No {number} {' '.join(chance.choices(words, k=chance.randrange(2, 18)))}."


def test_one_changed_sentence_of_a_real_article_changes_few_chunks(chunker: Chunker, articles: list[Document]) -> None:
    changed = []
    for article in articles[::3]:
        text = article.text
        place = text.index(". ", len(text) // 2)
        edited = text[:place] + ", as has since been found out by others. A new thought" + text[place:]
        before, after = texts(chunker, article), texts(chunker, article.model_copy(update={"text": edited}))
        changed.append(len(after - before))
    assert sum(changed) <= 2 * len(changed)
    assert sorted(changed)[len(changed) * 9 // 10] <= 3


def texts(chunker: Chunker, given: Document) -> set[str]:
    return {chunk.to_embed for chunk in chunker.chunk(given)}


def test_overlap_repeats_whole_sentences_where_a_section_is_torn(
    make_chunker: Callable[..., Chunker], document: Make
) -> None:
    chunker = make_chunker(overlap=45)
    chunks = chunker.chunk(document(f"{paragraph(40)}\n\n## Next\n\n{paragraph(40, 100)}"))
    for before, after in pairwise(chunks):
        repeated = before.end - after.start
        if before.heading != after.heading:
            assert not repeated
        else:
            assert 0 < chunker.tokens(before.text[-repeated:]) <= 45
            assert after.text.startswith("The quick")
    assert all(chunker.tokens(chunk.to_embed) <= 254 for chunk in chunks)


def test_overlap_never_tears_a_word(make_chunker: Callable[..., Chunker], document: Make) -> None:
    words = " ".join(f"incomprehensible{n}" for n in range(400))
    chunks = make_chunker(overlap=20).chunk(document(words))
    assert len(chunks) > 2
    assert all(chunk.text.startswith("incomprehensible") for chunk in chunks)
    assert all(after.start < before.end for before, after in pairwise(chunks))


def test_no_token_of_the_handbooks_articles_is_cut_off(chunker: Chunker, articles: list[Document]) -> None:
    sizes = [chunker.tokens(chunk.to_embed) for article in articles for chunk in chunker.chunk(article)]
    assert max(sizes) <= 254
    assert sum(sizes) / len(sizes) > 180
