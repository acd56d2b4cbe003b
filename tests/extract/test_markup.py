"""What becomes of lists, headings, tables, notes, pictures and code that pages write in odd ways."""

from __future__ import annotations

import pytest

from llm_twin.collect.extract import extract

URL = "https://log.example/2024/a"
STORY = [
    "The valve had been stuck since the first frost, and nobody on the site knew which way it was meant to turn.",
    "We drained the loop, warmed the body with towels, and tried again with a longer spanner, without much hope.",
    "It gave on the third try, with a sound that I would rather not hear again, and the radiators came back to life.",
    "Since then I open and close every valve of the house on the first Sunday of each quarter, whether needed or not.",
]
CAPTION = "The valve after the third try, with the towels that we warmed it with, and the longer spanner."
ITEMS = ["drain the whole loop first", "warm the body with towels", "turn it with a longer spanner"]


def markdown(content: str) -> str:
    before, behind = ("".join(f"<p>{line}</p>" for line in lines) for lines in (STORY[:2], STORY[2:]))
    article = f"<article><h1>A valve</h1>{before}{content}{behind}</article>"
    return extract(f"<html><head><title>A valve</title></head><body>{article}</body></html>", URL).markdown


def listed(attributes: str, values: tuple[int | None, ...] = (None, None, None)) -> str:
    items = [
        f"<li{'' if value is None else f' value={value}'}>{item}</li>"
        for item, value in zip(ITEMS, values, strict=True)
    ]
    return f"<ol {attributes}>{''.join(items)}</ol>"


@pytest.mark.parametrize(
    ("html", "numbers"),
    [
        (listed(""), "123"),
        (listed("start=5"), "567"),
        (listed("reversed"), "321"),
        (listed("reversed start=9"), "987"),
        (listed("", (4, None, 8)), "458"),
        (listed("start=x", (None, -1, None)), "123"),  # numbers that no list in Markdown can have
    ],
)
def test_ordered_lists_keep_their_numbers(html: str, numbers: str) -> None:
    lines = [line for line in markdown(html).split("\n") if any(item in line for item in ITEMS)]
    assert [line[0] for line in lines] == list(numbers)
    assert [line[3:] for line in lines] == ITEMS


def test_a_list_that_is_a_child_of_a_list_belongs_to_the_item_before() -> None:
    html = f"<ul><li>{ITEMS[0]}</li><ul><li>{ITEMS[1]}</li></ul><li>{ITEMS[2]}</li></ul>"
    assert f"- {ITEMS[0]}\n  - {ITEMS[1]}\n- {ITEMS[2]}" in markdown(html)


def test_a_link_around_an_item_or_a_heading_goes_into_it() -> None:
    html = f'<ul><a href="/x"><li>{ITEMS[0]}</li></a><li>{ITEMS[1]}</li></ul><a href="/y"><h2>How it went</h2></a>'
    found = markdown(html)
    assert f"- [{ITEMS[0]}](https://log.example/x)" in found
    assert "\n## [How it went](https://log.example/y)\n" in found


def test_headings_that_open_a_part_of_the_page_are_headings() -> None:
    html = (
        f'<h2><button aria-expanded="false">Which tools we used</button></h2><p>{STORY[0]} Again.</p>'
        f"<details open><summary><h2>What it cost us</h2></summary><p>{STORY[1]} Again.</p></details>"
        f"<b><h2>What we learned</h2></b><p>{STORY[2]} Again.</p>"
    )
    found = markdown(html)
    for heading in ("Which tools we used", "What it cost us", "What we learned"):
        assert f"\n## {heading}\n" in found


def test_links_within_the_page_become_text() -> None:
    html = (
        f'<h2><a href="#tools">Which tools we used</a></h2><p>{STORY[0]} See <a href="{URL}#tools">the tools</a>.</p>'
    )
    found = markdown(html)
    assert "## Which tools we used" in found
    assert "See the tools." in found


def test_a_paragraph_that_begins_with_a_number_is_not_escaped() -> None:
    found = markdown(f"<p>1. {STORY[0]} Really.</p><p># {STORY[1]} Really.</p>")
    assert f"\n1. {STORY[0]} Really." in found
    assert f"\n\\# {STORY[1]} Really." in found  # which would be a heading, and nobody means one


def test_notes_and_their_references_match() -> None:
    html = (
        f'<p>{STORY[0]} As they say.<sup id="r1"><a href="#n1">1</a></sup></p>'
        f'<p>{STORY[1]} As they know.<a class="ref" id="r2" href="#n2">[2]</a></p>'
        '<section class="footnotes"><ol>'
        f'<li id="n1"><p>{STORY[2]} At least here. <a href="#r1">↩</a></p></li>'
        f'<li id="n2">{STORY[3]} At least <b>now</b>. <a href="#r2">^</a></li></ol></section>'
    )
    found = markdown(html)
    assert "As they say.[^1]" in found
    assert "As they know.[^2]" in found
    assert f"\n[^1]: {STORY[2]} At least here." in found
    assert f"\n[^2]: {STORY[3]} At least **now**." in found
    assert "↩" not in found and "#r2" not in found


def test_a_picture_stays_with_its_caption_and_its_real_address() -> None:
    html = (
        '<figure><a href="/large.jpg"><img src="data:image/gif;base64,R0lGOD" data-src="/valve.jpg" alt="A valve"></a>'
        f"<figcaption>{CAPTION}</figcaption></figure>"
    )
    found = markdown(html)
    assert f"![A valve](https://log.example/valve.jpg)\n\n*{CAPTION}*" in found
    assert "data:" not in found and "large.jpg" not in found


def test_a_table_keeps_its_caption_and_all_cells() -> None:
    html = (
        "<table><caption>Hours that each try took</caption><tr><th>try</th><th colspan=2>hours and helpers</th></tr>"
        "<tr><td rowspan=2>the first</td><td>two hours</td><td>nobody helped</td></tr>"
        "<tr><td>three hours</td><td>one | two helped</td></tr></table>"
    )
    found = markdown(html)
    assert "*Hours that each try took*" in found
    assert "| try | hours and helpers | |" in found
    assert "| the first | two hours | nobody helped |" in found
    assert "three hours | one \\| two helped |" in found


def test_quotes_keep_the_lists_within() -> None:
    found = markdown(f"<blockquote><p>{STORY[0]} He said.</p><ul><li>{ITEMS[0]}</li></ul></blockquote>")
    assert f"> {STORY[0]} He said.\n>\n> - {ITEMS[0]}" in found


ROWS = "".join(
    f'<tr><td class="blob-num">{n}</td><td class="blob-code">{line}</td></tr>'
    for n, line in enumerate(("def turn(valve):", "    return valve + 90"), 1)
)


@pytest.mark.parametrize(
    ("html", "fence"),
    [
        (f'<table class="highlight">{ROWS}</table>', "```"),
        ("<p><code>def turn(valve):<br>    return valve + 90</code></p>", "```"),
        (
            "<pre><button>Copy</button><code class='hljs python'>def turn(valve):\n    return valve + 90</code></pre>",
            "```python",
        ),
        (
            '<div class="highlight-python notranslate"><div class="highlight"><pre>def turn(valve):\n'
            "    return valve + 90</pre></div></div>",
            "```python",
        ),
        ('<pre class="sourceCode python"><code>def turn(valve):\n    return valve + 90</code></pre>', "```python"),
    ],
)
def test_code_is_fenced_whatever_draws_it(html: str, fence: str) -> None:
    assert f"\n{fence}\ndef turn(valve):\n    return valve + 90\n```\n" in markdown(html)
