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


@pytest.mark.parametrize(
    ("sign", "note"),
    [
        (  # Sphinx
            '<a class="footnote-reference" href="#i3" id="i1"><span>[</span>1<span>]</span></a>',
            '<aside class="footnote brackets" id="i3"><span class="label"><span>[</span><a href="#i1">1</a>'
            "<span>]</span></span><p>{}</p><p>{}</p></aside>",
        ),
        (  # Substack
            '<a id="footnote-anchor-1" href="#footnote-1" class="footnote-anchor">1</a>',
            '<div class="footnote"><a id="footnote-1" href="#footnote-anchor-1">1</a><div><p>{}</p><p>{}</p></div>'
            "</div>",
        ),
        (  # Wikipedia
            '<sup id="cite_ref-a_0"><a href="#cite_note-a">[1]</a></sup>',
            '<ol><li id="cite_note-a"><span>^ <sup><a href="#cite_ref-a_0">a</a></sup> <sup><a href="#cite_ref-a_1">b'
            "</a></sup></span> <span><p>{}</p><p>{}</p></span></li></ol>",
        ),
    ],
)
def test_notes_keep_all_their_paragraphs(sign: str, note: str) -> None:
    said = f"{STORY[2]} At least here.", f"{STORY[3]} At least now."
    found = markdown(f"<p>{STORY[0]} As they say.{sign}</p>{note.format(*said)}")
    assert "As they say.[^1]\n" in found
    assert f"\n[^1]: {said[0]}\n\n    {said[1]}\n" in found


@pytest.mark.parametrize(
    ("html", "written"),
    [
        (
            '<ul><li class="ltx_item"><span class="ltx_tag">•</span><div><p>{}</p></div></li><li><span>-</span> {}</li>'
            "</ul>",
            "- {}\n\n- {}\n",
        ),
        ("<ol><li><span>1.</span><div><p>{}</p></div></li><li><span>b)</span> {}</li></ol>", "1. {}\n\n2. {}\n"),
        (
            '<div class="jp-InputPrompt">In [12]:</div><pre><code>{}</code></pre><div class="prompt">Out[12]:</div>'
            "<pre>{}</pre>",
            "```\n{}\n```\n\n```\n{}\n```\n",
        ),
        (  # Starlight
            '<div><h2 id="a">{}</h2><a href="#a"><span class="sr-only">Section titled “So”</span></a></div>'
            "<p>{} so.</p>",
            "## {}\n\n{} so.\n",
        ),
    ],
    ids=["bullets", "numbers", "prompts", "anchors"],
)
def test_what_stands_for_bullets_prompts_and_anchors_goes(html: str, written: str) -> None:
    assert f"\n\n{written.format(*ITEMS)}" in markdown(html.format(*ITEMS))


def test_questions_that_open_their_answers_stay() -> None:
    asked = "Which way is a valve turned in winter?"
    found = markdown(
        f'<button aria-controls="a" aria-expanded="false">{asked}</button><div id="a">{STORY[0]} So.</div>'
    )
    assert f"\n{asked}\n\n{STORY[0]} So.\n" in found


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        (
            '<figure class="highlight"><pre><code class="language-bash">pip install valve</code></pre></figure>',
            "```bash",
        ),
        (
            '<figure data-rehype-pretty-code-figure=""><pre data-language="bash"><code>pip install valve</code></pre>'
            "</figure>",
            "```bash",
        ),
        (
            '<figure class="highlight bash"><table><tr><td class="gutter"><pre><span class="line">1</span></pre></td>'
            '<td class="code"><pre>pip install valve</pre></td></tr></table></figure>',
            "pip install valve\n```",
        ),
        (
            '<div class="card"><details class="card"><summary>Why</summary><p>It starts when the valve does.</p>'
            "</details></div>",
            "It starts when the valve does.",
        ),
    ],
    ids=["Jekyll", "rehype", "Hexo", "an answer"],
)
def test_short_code_and_answers_between_two_paragraphs_stay(html: str, kept: str) -> None:
    assert kept in markdown(html)


@pytest.mark.parametrize(
    "html",
    [
        '<p><img src="/valve.jpg" alt="A valve"></p>',
        '<figure><img src="/valve.jpg" alt="A valve"></figure>',
        '<div class="captioned"><a href="/large"><div><picture><img src="/valve.jpg" alt="A valve"></picture></div></a>'
        "</div>",
        '<figure><noscript><img src="/valve.jpg" alt="A valve"></noscript></figure>',
    ],
)
def test_a_picture_between_two_paragraphs_stays(html: str) -> None:
    assert f"{STORY[1]}\n\n![A valve](https://log.example/valve.jpg)\n\n{STORY[2]}" in markdown(html)


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<ol><li>{}.<br><img src=/valve.jpg alt='A valve' width=600></li><li>{}</li></ol>", "1. {}"),
        ("<div>{}: <img src=/valve.jpg alt='A valve' width=600></div><p>{}</p>", "{}"),
        (  # Discourse
            '<p>{}</p><div class="lightbox-wrapper"><a class="lightbox" href="/valve.jpg"><img src="/valve.jpg" '
            'alt="A valve"><div class="meta"><span>valve.jpg</span> <span>1920x1080 150 KB</span></div></a></div>'
            "<p>{}</p>",
            "{}",
        ),
    ],
    ids=["in an item", "in a division", "with the name of its file"],
)
def test_a_picture_stays_with_words(html: str, kept: str) -> None:
    found = markdown(html.format(*ITEMS))
    assert kept.format(ITEMS[0]) in found
    assert "![A valve](https://log.example/valve.jpg)" in found
    assert "1920" not in found


def test_figures_stay_where_a_text_begins_and_ends() -> None:
    figures = [f'<figure><img src="/{n}.jpg" alt=""><figcaption>Shot {n}</figcaption></figure>' for n in range(2)]
    text = "".join(f"<p>{line}</p>" for line in STORY)
    related = '<aside><figure><img src="/2.jpg"><figcaption>Shot 2</figcaption></figure></aside>'
    page = f"<article><h1>A valve</h1>{figures[0]}{text}{figures[1]}</article>{related}"
    found = extract(f"<html><head><title>A valve</title></head><body>{page}</body></html>", URL).markdown
    assert found.startswith("![](https://log.example/0.jpg)\n\n*Shot 0*\n")
    assert found.endswith("![](https://log.example/1.jpg)\n\n*Shot 1*")


def test_pictures_that_are_signs_or_stand_beside_the_text_go() -> None:
    html = (
        '<p><img src="/i.png" class="icon-info" alt="Note"></p><p><img src="/me.jpg" width="40" alt="Me"></p>'
        f"<ul>{''.join(f'<li><img src=/dot.png alt=dot> {item}</li>' for item in ITEMS)}</ul>"
        f"<div><img src=/check.png alt=Check> {ITEMS[0]} at least</div>"
        f"<ul>{''.join(f'<li><a href=/x><img src=/dot.png alt=dot></a> then {item}</li>' for item in ITEMS)}</ul>"
        '<p><img src="/x.svg" alt="Icon of a valve"></p>'
    )
    related = "".join(f'<li><a href="/{n}"><img src="/{n}.jpg" alt="Story">Another story, {n}</a></li>' for n in "abcd")
    found = markdown(f"{html}<aside><h2>Related posts</h2><ul>{related}</ul></aside>")
    assert f"- {ITEMS[0]}" in found
    assert "![" not in found


def test_a_caption_is_no_part_of_the_plain_text() -> None:
    caption = "Photo: Ada."
    figure = f'<figure><img src="/a.jpg" alt="A valve"><figcaption>{caption}</figcaption></figure>'
    page = f"<article><h1>A valve</h1><p>{STORY[0]}</p><p>{STORY[1]}</p>{figure}{figure}<p>{STORY[2]}</p></article>"
    found = extract(page, URL)
    assert found.markdown.count(f"![A valve](https://log.example/a.jpg)\n\n*{caption}*") == 2
    assert caption not in found.text


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
        ('<pre><code class="python hljs">def turn(valve):\n    return valve + 90</code></pre>', "```python"),
        ('<pre class="highlight python"><code>def turn(valve):\n    return valve + 90</code></pre>', "```python"),
        (
            '<div class="language-python line-numbers-mode"><span class="lang">python</span><pre><code>def turn(valve)'
            ":\n    return valve + 90</code></pre><div><span>1</span><br><span>2</span></div></div>",
            "```python",
        ),
    ],
)
def test_code_is_fenced_whatever_draws_it(html: str, fence: str) -> None:
    assert f"\n{fence}\ndef turn(valve):\n    return valve + 90\n```\n" in markdown(html)


def test_one_line_of_code_in_a_cell_is_a_value() -> None:
    rows = "".join(f"<tr><td>{name}</td><td><pre>{name} = 1</pre></td></tr>" for name in ("turns", "tries"))
    found = markdown(f"<table><tr><th>Setting</th><th>Example</th></tr>{rows}</table>")
    assert "| turns | `turns = 1` |\n| tries | `tries = 1` |" in found


def test_text_behind_what_is_not_read_stays_and_nothing_moves_into_it() -> None:
    html = (
        "<h2><style>h2 {color: red}</style>The second winter</h2>"
        "<p><noscript><img src=x></noscript>Nobody had drained the loop, and the first frost came early that year.</p>"
        f"<ul><li><svg></svg>{ITEMS[0]}</li><li><input type=checkbox>{ITEMS[1]}</li></ul>"
    )
    found = markdown(html)
    assert "\n## The second winter\n\nNobody had drained the loop, and the first frost came early that year.\n" in found
    assert f"- {ITEMS[0]}\n- {ITEMS[1]}" in found


def test_raised_numbers_are_no_digits_of_the_number_before() -> None:
    found = markdown("<p>The pump moved 10<sup>11</sup> drops over 25 m<sup>2</sup> by the 1<sup>st</sup> of May.</p>")
    assert "moved 10^11 drops over 25 m^2 by the 1st of May." in found


def test_tags_that_a_page_shows_as_text_are_text_in_markdown() -> None:
    html = (
        "<p>Never write &lt;script&gt;alert(1)&lt;/script&gt; where 3 &lt; 4 is meant, but <code>&lt;main&gt;</code>, "
        "and <a href=' java\nscript:alert(1)'>press no such link</a>, whoever asks you to do that at night.</p>"
    )
    found = markdown(html)
    assert "write \\<script>alert(1)\\</script> where 3 < 4 is meant, but `<main>`, and press no such link," in found


def test_marks_that_a_page_shows_as_text_are_text_in_markdown() -> None:
    html = (
        "<p>Call __init__ of snake_case_name, or *args and **kwargs, type *stars* and `ticks` or ~~waves~~, [see](x) "
        "and [1], write &amp;amp; for an ampersand, and know that 2 * 3 * 4 is as much as 4 * 3 * 2, whatever.</p>"
    )
    expected = (
        r"Call \_\_init\_\_ of snake_case_name, or *args and **kwargs, type \*stars\* and \`ticks\` or \~\~waves\~\~, "
        r"\[see](x) and [1], write \&amp; for an ampersand, and know that 2 * 3 * 4 is as much as 4 * 3 * 2, whatever."
    )
    assert expected in markdown(html)


def test_emphasis_leaves_out_punctuation_that_letters_touch() -> None:
    found = markdown(
        "<p>これは<strong>「太字」</strong>です。それから<em>『斜体』</em>も使いますが、とても長い段落です。</p>"
    )
    assert "これは「**太字**」です。それから『*斜体*』も使いますが" in found


@pytest.mark.parametrize(
    ("picture", "address"),
    [
        ('<img src="/spacer.gif" data-src="/real.jpg" alt="A valve">', "/real.jpg"),
        ('<img src="/my photo.jpg" alt="A valve">', "/my%20photo.jpg"),
        ('<img srcset="/small.jpg 400w, /large.jpg 800w" alt="A valve">', "/small.jpg"),
    ],
)
def test_a_picture_has_the_address_of_what_is_shown(picture: str, address: str) -> None:
    found = markdown(f"<figure>{picture}<figcaption>{CAPTION}</figcaption></figure>")
    assert f"![A valve](https://log.example{address})" in found


def test_line_numbers_in_a_column_of_their_own_are_no_code() -> None:
    html = (
        '<table class="lntable"><tr><td class="lntd"><pre><code><span class="lnt">1\n</span><span class="lnt">2\n'
        '</span></code></pre></td><td class="lntd"><pre><code class="language-python">def turn(valve):\n'
        "    return valve + 90\n</code></pre></td></tr></table>"
    )
    assert "\n```python\ndef turn(valve):\n    return valve + 90\n```\n" in markdown(html)


def test_links_and_emphasis_of_signs_alone_are_signs() -> None:
    found = markdown(
        "<p>Whoever <strong>turns</strong><strong>:</strong> it<s>, </s><a href='/x'>valves</a><a href='/y'> </a>in "
        "winter, rides a commuter<a href='/z'>-</a>bike, as everybody on the site has to do sooner or later.</p>"
    )
    assert "Whoever **turns**: it, [valves](https://log.example/x) in winter, rides a commuter-bike, as" in found


def test_a_line_break_in_an_element_of_its_own_breaks_the_line() -> None:
    items = "".join(f"<li><b>{item}</b><b><br></b><span>which took hours</span></li>" for item in ITEMS)
    assert f"1. **{ITEMS[0]}**  \n   which took hours" in markdown(f"<ol>{items}</ol>")


def test_a_summary_that_holds_a_heading_is_no_emphasis() -> None:
    html = f"<details open><summary><section><h4>Turn the valve</h4></section></summary><p>{STORY[0]} So.</p></details>"
    found = markdown(html)
    assert "\n#### Turn the valve\n" in found and "**" not in found


@pytest.mark.parametrize("icon", ["\ue0f0", "\ue0f1", "&#xe0f0;", "&#57585;"])
def test_an_icon_of_a_font_becomes_no_mark(icon: str) -> None:
    assert f"\n{STORY[0]} So.\n" in markdown(f"<p>{STORY[0]} So.{icon}</p>")
