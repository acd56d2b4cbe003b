"""What `twin extract` says of files that are no pages: one line, and an exit code that tells usage from content."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from llm_twin.cli import cli
from llm_twin.errors import LinkError, TwinError, UsageError

FILES = {
    "empty.html": b"",
    "blank.html": b" \n\n ",
    "paper.pdf": b"%PDF-1.7\n1 0 obj\n",
    "picture.png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "noise.bin": random.Random(1).randbytes(3000),
    "data.json": b'{"a": 1}',
}
SAID = {
    "empty.html": "empty: there is nothing in",
    "blank.html": "empty: there is nothing in",
    "paper.pdf": "not_html: a PDF by its first bytes",
    "picture.png": "not_html: a picture by its first bytes",
    "noise.bin": "not_html: no text by its first bytes",
    "data.json": "empty: next to no text",
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
