"""`twin extract` prints one page in the form that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llm_twin.cli import cli

PAGE = """<html lang="en"><head><title>Sharpening</title></head><body><main><article><h1>Sharpening a plane iron</h1>
<p>Flatten the <strong>back</strong> first, on the <a href="/stones">coarse stone</a>, until it shines along the whole
edge, and do not go on before it does.</p><h2>Two stones</h2><p>The coarse stone makes the burr and the fine stone
takes it away again. Wipe the iron in between, as the grit of one stone scratches on the other.</p>
<pre><code>angle = 25 + 5  # degrees</code></pre></article></main></body></html>"""


@pytest.fixture
def saved(tmp_path: Path) -> str:
    file = tmp_path / "page.html"
    file.write_text(PAGE)
    return str(file)


def run_extract(*words: str) -> Result:
    return CliRunner().invoke(cli, ["extract", *words, "--url", "https://wood.example/iron"])


def test_text_has_the_words_and_no_marks(saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    result = run_extract(saved, "--text")
    assert result.exit_code == 0, result.output
    assert "Flatten the back first, on the coarse stone, until it shines" in " ".join(result.output.split())
    assert "angle = 25 + 5  # degrees" in result.output
    assert not set("*[]()`") & set(result.output)


def test_markdown_has_the_marks(saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    assert "[coarse stone](https://wood.example/stones)" in run_extract(saved, "--markdown").output


def test_one_form_at_a_time(saved: str) -> None:
    result = run_extract(saved, "--text", "--json")
    assert result.exit_code == 2
    assert "choose one of" in result.output
