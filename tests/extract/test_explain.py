"""`twin extract --explain` says of each block whether it was kept, and why not."""

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
