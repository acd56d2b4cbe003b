"""How pages are kept as they were fetched."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import pytest

from llm_twin.documents import Author, Document, Raw, now
from llm_twin.errors import StoreError
from llm_twin.warehouse.sqlite import SQLiteWarehouse

BODY = b"<p>words " * 1000


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, str]:
    """A warehouse file with one page in it, and the id of its document."""
    raw = Raw(url="https://example.com/a", status=200, headers={}, fetched_at=now(), body=BODY)
    document = Document.of(Author.named("Ada"), raw.url, kind="article", platform="x", title="t", text="words", raw=raw)
    with SQLiteWarehouse(str(tmp_path / "w.sqlite")) as warehouse:
        warehouse.put([document])
    return tmp_path / "w.sqlite", document.id


def replaced(file: Path, body: bytes) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE raw SET body = ?", (body,))
    database.close()


def test_a_page_is_kept_packed(stored: tuple[Path, str]) -> None:
    file, document_id = stored
    with sqlite3.connect(file) as database:
        ((size,),) = database.execute("SELECT length(body) FROM raw")
    database.close()
    assert size < len(BODY) / 20
    with SQLiteWarehouse(str(file)) as warehouse:
        raw = warehouse.raw(document_id)
    assert raw is not None
    assert raw.body == BODY


def test_a_page_that_an_older_version_packed_is_read(stored: tuple[Path, str]) -> None:
    file, document_id = stored
    replaced(file, zlib.compress(BODY))
    with SQLiteWarehouse(str(file)) as warehouse:
        raw = warehouse.raw(document_id)
    assert raw is not None
    assert raw.body == BODY


@pytest.mark.parametrize("damaged", [b"\x28\xb5\x2f\xfd and no more", b"no page"])
def test_a_damaged_page_is_named(stored: tuple[Path, str], damaged: bytes) -> None:
    file, document_id = stored
    replaced(file, damaged)
    with SQLiteWarehouse(str(file)) as warehouse, pytest.raises(StoreError, match="https://example.com/a.*damaged"):
        warehouse.raw(document_id)
