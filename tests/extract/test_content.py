"""What counts as the text of a page, and what its structure becomes."""

from __future__ import annotations

from llm_twin.collect.extract import extract

URL = "https://log.example/2024/a"
STORY = [
    "The valve had been stuck since the first frost, and nobody on the site knew which way it was meant to turn.",
    "We drained the loop, warmed the body with towels, and tried again with a longer spanner, without much hope.",
    "It gave on the third try, with a sound that I would rather not hear again, and the radiators came back to life.",
    "Since then I open and close every valve of the house on the first Sunday of each quarter, whether needed or not.",
]
TEXT = "".join(f"<p>{line}</p>" for line in STORY)


def read(body: str) -> tuple[str, str]:
    found = extract(f"<!doctype html><html><head><title>A valve</title></head><body>{body}</body></html>", URL)
    return found.text, found.markdown


def test_what_stands_around_a_text_is_left_out() -> None:
    links = "".join(f'<li><a href="/{n}">Another story, number {n}</a></li>' for n in range(8))
    text, markdown = read(
        f'<nav><ul>{links}</ul></nav><main><article class="post-content"><h1>A valve</h1>{TEXT}</article></main>'
        f'<aside class="related"><h2>Related posts</h2><ul>{links}</ul></aside>'
        '<div class="newsletter"><h3>Subscribe to our newsletter</h3><p>Sign up for weekly mails.</p></div>'
        "<footer>© 2024 The Log. All rights reserved.</footer>"
    )
    assert all(line in text and line in markdown for line in STORY)
    assert not any(word in text for word in ("Another story", "newsletter", "All rights reserved"))


def test_a_text_that_a_page_carries_twice_is_taken_once() -> None:
    twice = f'<main><div class="desktop">{TEXT}</div><div class="mobile">{TEXT}</div></main>'
    text, markdown = read(twice)
    assert [text.count(line) for line in STORY] == [1] * len(STORY)
    assert [markdown.count(line) for line in STORY] == [1] * len(STORY)


def test_a_button_that_was_never_closed_swallows_nothing() -> None:
    text, _ = read(f'<button class="menu">Menu<main><article>{TEXT}</article></main>')
    assert all(line in text for line in STORY)


def test_line_breaks_of_the_source_cut_no_item_or_heading() -> None:
    body = f"<article>{TEXT}<h2>What we\nused</h2><ul><li>a spanner that is\n  longer than usual</li></ul>{TEXT[::1]}"
    _, markdown = read(body + "</article>")
    assert "## What we used" in markdown
    assert "- a spanner that is longer than usual" in markdown


def test_a_table_that_only_places_things_becomes_no_table() -> None:
    _, markdown = read(f"<table><tr><td><h2>Winter</h2>{TEXT}</td></tr></table>")
    assert "## Winter" in markdown
    assert "|" not in markdown


def test_a_body_hidden_until_scripts_run_is_read() -> None:
    text, markdown = read(f'<div style="display: none" hidden><article>{TEXT}</article></div>')
    assert STORY[1] in text and STORY[1] in markdown


def test_quotes_stay_quotes() -> None:
    _, markdown = read(f"<article>{TEXT}<blockquote><p>{STORY[0]} So he said.</p></blockquote></article>")
    assert f"> {STORY[0]} So he said." in markdown


def test_what_an_author_says_again_stays() -> None:
    refrain = "Carry me home on the river tonight, carry me home by the pale moonlight."
    again = "Various bug fixes and smaller improvements of speed."
    versions = "".join(f"<h3>1.{n}</h3><ul><li>A valve of size {n}</li><li>{again}</li></ul>" for n in range(2))
    verses = "".join(f"<p>{line}</p><p>{refrain}</p>" for line in STORY)
    text, markdown = read(f"<article><h1>A valve</h1>{verses}<h2>Changes</h2>{versions}</article>")
    assert (text.count(refrain), markdown.count(refrain)) == (4, 4)
    assert (text.count(again), markdown.count(f"- {again}")) == (2, 2)


def test_signs_alone_go_with_what_they_stand_in() -> None:
    rows = "".join(f"<tr><td><p>{sign}</p></td><td>{meant}</td></tr>" for sign, meant in (("✓", "fits"), ("✗", "not")))
    table = f"<table><tr><th>Sign</th><th>What it means here</th></tr>{rows}</table>"
    code = "<p>An empty dictionary of Python is written so:</p><pre>{ }</pre>"
    listed = "<ul><li><code>++</code> turns it on by one</li><li><code>--</code></li></ul>"
    text, markdown = read(
        f"<ul><li>|</li><li><a href='/'>Home</a></li></ul><article><h1>A valve</h1>{TEXT}{table}{code}"
        f"<p>It came back to life, and so did all of us.</p>{listed}<p>🎉</p>{TEXT[:120]}</p><p>&zwj;</p></article>"
    )
    for shown in ("| ✓ | fits |", "| ✗ | not |", "```\n{ }\n```", "- `--`", "🎉"):
        assert shown in markdown
    for shown in ("✓\tfits", "✗\tnot", "{ }", "--", "🎉"):
        assert shown in text
    assert "\u200d" not in markdown and not markdown.startswith("- |")


def test_a_hidden_paragraph_is_not_read() -> None:
    draft = "This sentence was taken back before anybody had seen it on the page of the valve."
    text, _ = read(
        f'<article><h1>A valve</h1>{TEXT[:500]}</p><p style="display: none">{draft}</p>{TEXT[500:]}</article>'
    )
    shown, _ = read(f"<article><h1>A valve</h1>{TEXT[:500]}</p><p>{draft}</p>{TEXT[500:]}</article>")
    assert draft in shown and draft not in text


def test_the_title_is_told_apart() -> None:
    body = f"<article><h1>A valve</h1>{TEXT}<h2>A valve</h2>{TEXT[:300]}</p></article>"
    found = extract(f"<!doctype html><html><head><title>A valve</title></head><body>{body}</body></html>", URL)
    assert found.title == "A valve"
    assert found.markdown.startswith(STORY[0]) and found.text.startswith(STORY[0])
    assert "\n## A valve\n" in found.markdown
