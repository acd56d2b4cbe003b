"""What scripts draw on a Substack post and its export holds as data: in the text by either way."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import pytest

from archive_samples import as_zip
from llm_twin import Twin
from llm_twin.collect.crawlers import parser_for
from llm_twin.collect.web import Page
from llm_twin.documents import Author, Link, now

LINK = "https://ada.substack.com/p/bread"


def element(names: str, data: dict[str, Any], tag: str = "div", inner: str = "") -> str:
    return f'<{tag} class="{names}" data-attrs="{escape(json.dumps(data))}">{inner}</{tag}>'


TEXT = "Flour and water, salt and time, and an oven that is hot: of more than that no loaf of bread was ever made."
GALLERY = {
    "gallery": {"images": [{"src": "https://s.example/1.jpg"}, {"src": "https://s.example/2.jpg"}], "caption": "Two"}
}
BODIES = {
    "people and shares": (
        f"<p>E{element('mention-wrap', {'name': 'Bob B', 'id': 1}, 'span')} of "
        f"{element('cashtag-wrap', {'symbol': '$RYE'}, 'span')}, {element('mention-wrap', {}, 'span', 'Eve')}</p>",
        "EBob B of $RYE, Eve",
    ),
    "formulas": (
        element("latex-rendered", {"persistentExpression": "\\log_{10}(P)\n= a*b*c"}),
        "$$\\log_{10}(P) = a*b*c$$",
    ),
    "galleries": (
        element("image-gallery-embed", GALLERY),
        "![](https://s.example/1.jpg)\n![](https://s.example/2.jpg)\n\n*Two*",
    ),
    "what is elsewhere": (
        element("tweet", {"url": "https://x.com/a/status/1", "username": "a", "full_text": "Rye!"}, inner="<p>Rye!</p>")
        + element("digest-post-embed", {"title": "Rye", "canonical_url": "https://b.example/p/rye", "caption": "Dark"})
        + '<div class="embedded-post-wrap" data-attrs="{}"><a href="https://b.example/p/oat"><div class='
        '"embedded-post-title">Oat</div><div>Its text</div></a></div>'
        + element(
            "youtube-wrap", {"videoId": "x1"}, inner='<div><iframe src="https://y.example/embed/x1"></iframe></div>'
        )
        + '<iframe src="https://v.example/2"></iframe>',
        "[@a](https://x.com/a/status/1)\n\n[Rye](https://b.example/p/rye)\n\n[Oat](https://b.example/p/oat)\n\n"
        "[https://www.youtube.com/watch?v=x1](https://www.youtube.com/watch?v=x1)\n\n"
        "[https://v.example/2](https://v.example/2)",
    ),
    "widgets": (
        '<div class="preformatted-block"><label class="hide-text">Text within this</label><pre>A\n  poem</pre>'
        '</div><div class="directMessage button"><a>Message Ada</a></div>' + element("poll-embed", {"id": 1}),
        "```\nA\n  poem\n```",
    ),
    "notes of several paragraphs": (
        '<p>Rye<a class="footnote-anchor" href="#footnote-1">1</a></p><div class="footnote">'
        '<a class="footnote-number">1</a><div class="footnote-content"><p>Dark.</p><p>And sour.</p></div></div>',
        "Rye[^1]\n\n[^1]: Dark.\n\n    And sour.",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_scripts_draw_is_in_the_text_of_a_page_and_of_an_export(tmp_path: Path, name: str) -> None:
    part, expected = BODIES[name]
    body = f"<p>{TEXT}</p>{part}<p>End.</p>"
    files = {
        "posts.csv": "post_id,post_date,is_published\n1.bread,2024-05-01T10:00:00Z,true\n",
        "posts/1.bread.html": body,
    }
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(as_zip(tmp_path / "a.zip", files), "Ada Example", site=LINK)
        (imported,) = twin.documents()
    state = json.dumps(json.dumps({"post": {"title": "Bread", "body_html": body}}))
    html = f"<html><body>substackcdn.com<script>window._preloads = JSON.parse({state})</script></body></html>"
    page = Page(LINK, 200, {"content-type": "text/html"}, now(), html.encode())
    parse = parser_for(page)
    assert parse is not None
    document = parse(page, Link(url=LINK, author=Author.named("Ada Example")))
    assert imported.text == document.text == f"{TEXT}\n\n{expected}\n\nEnd."
