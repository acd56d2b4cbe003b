"""What `twin extract` says of files that are no pages: one line, and an exit code that tells usage from content."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from llm_twin.cli import cli
from llm_twin.errors import LinkError, TwinError, UsageError

PAGE = f"<main><h1>Rye</h1>{'<p>Rye wants more water than wheat, and less time in the oven.</p>' * 5}</main>".encode()
FILES = {
    "empty.html": b"",
    "blank.html": b" \n\n ",
    "paper.pdf": b"%PDF-1.7\n1 0 obj\n",
    "picture.png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "noise.bin": random.Random(1).randbytes(3000),
    "data.json": b'{"a": 1}',
    "page.html.gz": gzip.compress(PAGE)[:-40],
    "bomb.html.gz": gzip.compress(PAGE + b" " * 20_000_000),
    "picture.png.gz": gzip.compress(b"\x89PNG\r\n\x1a\n\x00\x00"),
}
SAID = {
    "empty.html": "empty: there is nothing in",
    "blank.html": "empty: there is nothing in",
    "paper.pdf": "not_html: a PDF by its first bytes",
    "picture.png": "not_html: a picture by its first bytes",
    "noise.bin": "not_html: no text by its first bytes",
    "data.json": "empty: next to no text",
    "page.html.gz": "bad_data: ",
    "bomb.html.gz": "too_large: ",
    "picture.png.gz": "not_html: a picture by its first bytes",
}


def refused(tmp_path: Path, source: str) -> TwinError:
    result = CliRunner().invoke(cli, ["extract", source, "--home", str(tmp_path / "home"), "--quiet"])
    assert isinstance(result.exception, TwinError), result.output
    assert "\n" not in str(result.exception)
    assert result.output == ""
    return result.exception


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_page_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    error = refused(tmp_path, str(tmp_path / name))
    assert isinstance(error, LinkError)
    assert error.exit_code == 1
    assert str(error).startswith(SAID[name])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("missing.html", "'missing.html': there is no such file, and a link begins with https://"),
        (" ", "' ': there is no such file"),
        (f"{'long' * 100}.html", "there is no such file"),
        (str(Path(__file__).parent), "is a folder; give one saved page"),
    ],
)
def test_what_is_neither_file_nor_link_is_wrong_usage(tmp_path: Path, source: str, said: str) -> None:
    error = refused(tmp_path, source)
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert said in str(error)


@pytest.mark.parametrize(
    "link", ["ftp://blog.example/a", "http://", "https://nowhere.invalid/a", "http://127.0.0.1:9/a"]
)
def test_a_link_that_leads_nowhere_is_refused_by_name(tmp_path: Path, link: str) -> None:
    error = refused(tmp_path, link)
    assert isinstance(error, LinkError)
    assert error.exit_code == 1


def test_a_packed_file_and_standard_input_are_read_like_a_file(tmp_path: Path) -> None:
    for name, body in (("rye.html", PAGE), ("rye.html.gz", gzip.compress(PAGE))):
        (tmp_path / name).write_bytes(body)
    sources = {str(tmp_path / "rye.html"): None, str(tmp_path / "rye.html.gz"): None, "-": PAGE}
    options = ["--home", str(tmp_path / "home"), "--quiet", "--text", "--url", "https://bread.example/rye"]
    said = [CliRunner().invoke(cli, ["extract", source, *options], input=sent) for source, sent in sources.items()]
    assert "Rye wants more water" in said[0].output
    assert said[0].output == said[1].output == said[2].output
