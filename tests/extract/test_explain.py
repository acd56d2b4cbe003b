"""`twin extract --explain` says of each block whether it was kept, and why not, and where the metadata come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llm_twin.cli import cli

STORY = (
    "The valve had been stuck since the first frost, and nobody on the site knew which way it was meant to turn.",
    "We drained the loop, warmed the body with towels, and tried again with a longer spanner, without much hope.",
    "It gave on the third try, with a sound that I would rather not hear, and the radiators came back to life.",
)
TEXT = "".join(f"<p>{line}</p>" for line in STORY)
GERMAN = """<p>Das Ventil klemmte seit dem ersten Frost, und niemand wusste, in welche Richtung man es drehen muss.
Wir haben
es mit Tüchern gewärmt und es dann noch einmal mit einem längeren Schlüssel versucht, ohne viel Hoffnung.</p>
<p>Beim dritten Versuch gab es nach, mit einem Geräusch, das ich lieber nicht hören möchte.</p>"""
LINKS = "".join(f'<li><a href="/{n}">Another story, number {n}</a></li>' for n in range(6))
PAGE = f"""<html lang="en"><head><title>A valve</title></head><body><nav class="menu"><ul>{LINKS}</ul></nav>
<main><article class="post-content"><h1>A valve</h1>{TEXT}</article><div class="print-copy">{TEXT}</div></main>
</body></html>"""


@pytest.fixture
def explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    (tmp_path / "page.html").write_text(PAGE)
    return CliRunner().invoke(cli, ["extract", str(tmp_path / "page.html"), "--explain", "--json"])


def test_every_block_has_a_decision(explained: Result) -> None:
    blocks = json.loads(explained.output)["explained"]
    assert [block["begins"] for block in blocks if block["kept"]][-3:] == [line[:80].strip() for line in STORY]
    menu = [block for block in blocks if block["begins"].startswith("Another story")]
    assert len(menu) == 6
    assert not any(block["kept"] for block in menu)


def test_what_was_left_out_has_its_reason(explained: Result) -> None:
    blocks = json.loads(explained.output)["explained"]
    assert "in nav.menu" in blocks[0]["because"]
    assert "100 % linked" in blocks[0]["because"]
    again = [block["because"] for block in blocks if block["begins"].startswith("We drained") and not block["kept"]]
    assert again and all(again)


def test_the_explanation_is_readable_without_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    (tmp_path / "page.html").write_text(PAGE)
    result = CliRunner().invoke(cli, ["extract", str(tmp_path / "page.html"), "--explain"])
    assert any(line.startswith("+ ") and "The valve had been stuck" in line for line in result.output.splitlines())
    assert any(line.startswith("- ") and "Another story" in line for line in result.output.splitlines())


TOLD = f"""<html lang="en"><head><title>Das Ventil | Stilles Log</title><meta property="og:title" content="Das Ventil">
<meta name="author" content="admin"><meta property="article:published_time" content="2021-01-01T10:00:00+02:00"></head>
<body><h1>Das Ventil</h1><p>Von <a rel=author href=/m>Maren Okonkwo</a></p><p>3. März 2024</p>{GERMAN}</body></html>"""


def explain_told(tmp_path: Path, *words: str) -> str:
    (tmp_path / "page.html").write_text(TOLD)
    home = ["--home", str(tmp_path / "home")]
    return CliRunner().invoke(cli, ["extract", str(tmp_path / "page.html"), "--explain", *home, *words]).output


def test_metadata_name_the_source_that_won_and_those_that_lost(tmp_path: Path) -> None:
    found = {
        verdict["field"]: verdict for verdict in json.loads(explain_told(tmp_path, "--json"))["metadata_explained"]
    }
    won = {field: (verdict["value"], verdict["source"]) for field, verdict in found.items()}
    assert won == {
        "title": ("Das Ventil", "h1"),
        "author": ("Maren Okonkwo", "byline by the heading"),
        "published_at": ("2024-03-03T00:00:00+00:00", "date by the heading"),
        "language": ("de", "the words of the text"),
    }
    assert all(verdict["because"] for verdict in found.values())
    lost = {field: {said["source"]: said["value"] for said in verdict["others"]} for field, verdict in found.items()}
    assert lost["title"] == {"og:title": "Das Ventil", "<title>": "Das Ventil | Stilles Log"}
    assert lost["author"]["meta author"] == "admin"
    assert lost["published_at"]["meta article:published_time"] == "2021-01-01T08:00:00+00:00"
    assert lost["language"] == {"html lang": "en"}


def test_the_terminal_shows_them_above_the_blocks(tmp_path: Path) -> None:
    lines = explain_told(tmp_path).splitlines()
    assert lines[0].split() == ["title", "Das", "Ventil", "h1:", "og:title", "says", "the", "same"]
    assert any("admin" in line and "meta author" in line for line in lines)
    assert lines.index("") < next(index for index, line in enumerate(lines) if line.startswith("+ "))


def test_what_no_page_tells_has_no_source(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<html><body>{TEXT}</body></html>")
    words = ["extract", str(tmp_path / "page.html"), "--explain", "--json", "--home", str(tmp_path / "home")]
    found = json.loads(CliRunner().invoke(cli, words).output)["metadata_explained"]
    by_field = {verdict["field"]: verdict for verdict in found}
    assert by_field["author"] == {"field": "author", "value": "", "source": "", "because": "", "others": []}
    assert (by_field["language"]["value"], by_field["language"]["source"]) == ("en", "the words of the text")
