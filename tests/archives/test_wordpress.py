"""What posts of WordPress's export hold beside HTML: short codes of its own, of plugins and of page builders."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import as_zip, wxr, wxr_item
from llm_twin import Twin

POST = "https://ada.example/bread/"


def text_of(folder: Path, body: str, more: str = "") -> str:
    """The text of a post of an export; `more` is XML of its item."""
    folder.mkdir(exist_ok=True)
    item = wxr_item(POST, "publish", "post", body).replace("</item>", f"{more}</item>")
    with Twin(home=folder / "home") as twin:
        assert twin.import_archive(as_zip(folder / "a.zip", {"a.xml": wxr(item)}), "Ada Example").counts == {"new": 1}
        return next(document.text for document in twin.documents())


PYTHON = "```python\ndef f(a):\n\n    if a < 3:\n        return {}\n```"
SHORT_CODES = {
    "code, as typed": (
        'A.\n\n[code lang="python"]\ndef f(a):\n\n    if a < 3:\n        return "<b>"\n[/code]\n\nB [c]',
        "A.\n\n" + PYTHON.format('"<b>"') + "\n\nB [c]",
    ),
    "code, escaped": (
        "<p>A.</p>\n[python]def f(a):\n\n    if a &lt; 3:\n        return &quot;a&quot;[/python]\n<p>B.</p>",
        "A.\n\n" + PYTHON.format('"a"') + "\n\nB.",
    ),
    "code in itself, and none of a language": (
        "<p>A.</p><pre>[code]a[0] = [gallery ids='1'];[/code]</pre><p>Of <code>[gallery ids='1']</code>.</p>",
        "A.\n\n```\na[0] = [gallery ids='1'];\n```\n\nOf `[gallery ids='1']`.",
    ),
    "page builders": (
        '[et_pb_section fb_built="1"][et_pb_row][et_pb_toggle title="Why %22bread%22?"]<p>So.</p>[/et_pb_toggle]'
        '[et_pb_image src="https://ada.example/1.jpg" alt="Loaf" /][/et_pb_row][/et_pb_section][vc_row][vc_column]Hot.'
        "[/vc_column][vc_raw_html]JTNDYiUzRQ==[/vc_raw_html][/vc_row]",
        '### Why "bread"?\n\nSo.\n\n![Loaf](https://ada.example/1.jpg) Hot.',
    ),
    "media and forms": (
        'Hear [audio mp3="https://v.example/1.mp3"][/audio], [youtube=https://v.example/?v=2&amp;t=3].\n\n'
        '[contact-form][contact-field label="Name" /][/contact-form]<!-- wp:shortcode -->[mine]<!-- /wp:shortcode -->'
        '[mc4wp_form id="1"][dropcap]F[/dropcap]lour.',
        "Hear [https://v.example/1.mp3](https://v.example/1.mp3), [https://v.example/?v=2&t=3](https://v.example/?v=2&t=3)."
        "\n\nFlour.",
    ),
    "none": (
        "He [sic] said [1], a[0], [x], [https://v.example/], [see p. 3] and [[gallery ids='1']].",
        "He [sic] said [1], a[0], [x], [https://v.example/], [see p. 3] and [gallery ids='1'].",
    ),
    "pages of a post": ("Flour.<!--nextpage-->Water.", "Flour.\n\nWater."),
    "formulas": (r"Of $latex E_0=mc^2 \cdot 1&s=2$ for $5.", r"Of $E_0=mc^2 \cdot 1$ for $5."),
}


@pytest.mark.parametrize("name", SHORT_CODES)
def test_short_codes_become_what_they_stand_for_and_brackets_stay(tmp_path: Path, name: str) -> None:
    body, expected = SHORT_CODES[name]
    assert text_of(tmp_path, body) == expected


def test_notes_that_the_editor_keeps_beside_a_post_are_its_notes(tmp_path: Path) -> None:
    body = (
        '<p>Old<sup data-fn="1a" class="fn"><a href="#1a" id="1a-link">1</a></sup>.</p><!-- wp:footnotes /--><p>So.</p>'
    )
    kept = (
        "<wp:postmeta><wp:meta_key>footnotes</wp:meta_key><wp:meta_value><![CDATA[{}]]></wp:meta_value></wp:postmeta>"
    )
    notes = kept.format(r'[{"content":"Than \u003cem\u003ewheat\u003c/em\u003e.","id":"1a"}]')
    assert text_of(tmp_path, body, notes) == "Old[^1].\n\nSo.\n\n[^1]: Than *wheat*."
    assert "So." in text_of(tmp_path / "damaged", body, kept.format('[{"content":"Than'))
