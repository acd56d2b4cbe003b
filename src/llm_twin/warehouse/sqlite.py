"""The embedded warehouse in one SQLite file: key columns beside a JSON body."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from llm_twin.documents import Author, Document, Outcome, Raw, Run, Status
from llm_twin.warehouse.records import (
    Prepared,
    by_name,
    merged,
    milliseconds,
    names_of,
    prepare,
    storable,
    storable_text,
    to_json,
    unpacked,
)
from llm_twin.warehouse.sqlite_file import SQLiteFile
from llm_twin.warehouse.sqlite_queue import PUT_OUTCOME, SQLiteQueue
from llm_twin.warehouse.store import DocumentFilter

DOCUMENTS = "SELECT body, revision, metadata FROM documents"
COUNT = "SELECT count(*) FROM documents"
PUT_DOCUMENT = """
INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
content_hash = excluded.content_hash, revision = excluded.revision, author_id = excluded.author_id,
kind = excluded.kind, platform = excluded.platform, link = excluded.link, parent_id = excluded.parent_id,
published = excluded.published, metadata = excluded.metadata, body = excluded.body
"""
PUT_RUN = """
INSERT INTO runs (id, key, command, started, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
key = excluded.key, command = excluded.command, started = excluded.started, body = excluded.body
"""
LAST_OUTCOMES = """
SELECT body FROM (
    SELECT outcomes.*, row_number() OVER (PARTITION BY author, link ORDER BY at DESC, outcomes.position DESC) AS rank
    FROM outcomes JOIN runs ON runs.id = run_id
    WHERE command = 'collect' AND (?1 IS NULL OR author = ?1)
) WHERE rank = 1 ORDER BY at, position
"""


class SQLiteWarehouse:
    """A `Warehouse` in one SQLite file. Iterations over documents read a snapshot of the moment they began."""

    def __init__(self, path: str) -> None:
        self._file = SQLiteFile(path)
        self.queue = SQLiteQueue(self._file, _put_run, _put_all)

    # Authors

    def put_author(self, author: Author) -> Author:
        author = storable(author)
        with self._file.writing() as db:
            ids = {author.id: None} | dict.fromkeys(
                owner
                for name in names_of(author)
                for (owner,) in db.execute("SELECT author_id FROM names WHERE key = ?", (name,))
            )
            rows = [row for owner in ids for row in db.execute("SELECT body FROM authors WHERE id = ?", (owner,))]
            author = merged(author, by_name(Author.model_validate_json(body) for (body,) in rows))
            db.execute(
                "INSERT INTO authors VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                (author.id, author.model_dump_json()),
            )
            db.executemany(
                "INSERT INTO names VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                [(name, author.id) for name in names_of(author)],
            )
        return author

    def author(self, name_or_id: str) -> Author | None:
        by_key = "SELECT body FROM authors JOIN names ON author_id = id WHERE key = ?"
        found = self._file.values(Author, "SELECT body FROM authors WHERE id = ?", name_or_id) or self._file.values(
            Author, by_key, Author.key(storable_text(name_or_id))
        )
        return found[0] if found else None

    def authors(self) -> list[Author]:
        return by_name(self._file.values(Author, "SELECT body FROM authors"))

    def delete_author(self, author_id: str) -> None:
        author_id = storable_text(author_id)
        with self._file.writing() as db:
            db.execute(
                "DELETE FROM documents WHERE parent_id IN (SELECT id FROM documents WHERE author_id = ?)", (author_id,)
            )
            db.execute("DELETE FROM documents WHERE author_id = ?", (author_id,))
            db.execute("DELETE FROM tasks WHERE author_id = ?", (author_id,))
            db.execute("DELETE FROM outcomes WHERE author IN (SELECT key FROM names WHERE author_id = ?)", (author_id,))
            db.execute("DELETE FROM authors WHERE id = ?", (author_id,))

    # Documents

    def put(self, documents: Sequence[Document]) -> list[Status]:
        prepared = [prepare(document) for document in documents]  # the slow part, before the others have to wait
        with self._file.writing() as db:
            return _put_all(db, prepared)

    def get(self, document_id: str) -> Document | None:
        rows = self._file.rows(f"{DOCUMENTS} WHERE id = ?", document_id)
        with self._file.errors():
            return _document(rows[0]) if rows else None

    def documents(self, where: DocumentFilter | None = None, *, newest_first: bool = False) -> Iterator[Document]:
        condition, values = _condition(where)
        order = " ORDER BY published DESC, id" if newest_first else " ORDER BY id"  # NULL sorts below all: last
        for row in self._file.stream(f"{DOCUMENTS}{condition}{order}", *values):
            with self._file.errors():
                document = _document(row)
            yield document

    def hashes(self) -> Iterator[tuple[str, str]]:
        return self._file.stream("SELECT id, content_hash FROM documents INDEXED BY documents_hash ORDER BY id")

    def count(self, where: DocumentFilter | None = None) -> int:
        condition, values = _condition(where)
        return int(self._file.rows(f"{COUNT}{condition}", *values)[0][0])

    def raw(self, document_id: str) -> Raw | None:
        query = "SELECT url, status, headers, fetched_at, body FROM raw WHERE document_id = ?"
        with self._file.errors():
            for url, status, headers, fetched_at, body in self._file.rows(query, document_id):
                return unpacked(url, status, headers, fetched_at, body)
        return None

    def delete(self, document_ids: Collection[str]) -> int:
        ids = [(storable_text(document_id),) for document_id in document_ids]
        with self._file.writing() as db:
            # A repository that lost a file is read again.
            parents = "DELETE FROM visits WHERE document_id IN (SELECT parent_id FROM documents WHERE id = ?)"
            db.executemany(parents, ids)
            children = db.executemany("DELETE FROM documents WHERE parent_id = ?", ids).rowcount
            return max(children, 0) + max(db.executemany("DELETE FROM documents WHERE id = ?", ids).rowcount, 0)

    # Runs and outcomes

    def put_run(self, run: Run) -> None:
        with self._file.writing() as db:
            _put_run(db, run)

    def runs(self, limit: int = 10) -> list[Run]:
        query = "SELECT body FROM runs ORDER BY started DESC, position DESC LIMIT ?"
        return self._file.values(Run, query, max(limit, 0))

    def run_with_key(self, key: str) -> Run | None:
        query = "SELECT body FROM runs WHERE key = ? ORDER BY started DESC, position DESC LIMIT 1"
        found = self._file.values(Run, query, key)
        return found[0] if found else None

    def put_outcomes(self, run_id: str, outcomes: Iterable[Outcome]) -> None:
        run_id = storable_text(run_id)
        rows = [
            (run_id, Author.key(outcome.author), outcome.link, milliseconds(outcome.at), outcome.model_dump_json())
            for outcome in map(storable, outcomes)
        ]
        with self._file.writing() as db:
            db.executemany(PUT_OUTCOME, rows)

    def outcomes(self, run_id: str) -> list[Outcome]:
        query = "SELECT body FROM outcomes WHERE run_id = ? ORDER BY at, position"
        return self._file.values(Outcome, query, run_id)

    def last_outcomes(self, author: str | None = None) -> list[Outcome]:
        key = None if author is None else Author.key(storable_text(author))
        return self._file.values(Outcome, LAST_OUTCOMES, key)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _put_all(db: sqlite3.Connection, prepared: Sequence[Prepared]) -> list[Status]:
    statuses = [_put(db, item) for item in prepared]
    ids = {document.id for document, _, _ in prepared}
    for document, _, _ in prepared:
        if document.kind == "repository":
            children = db.execute("SELECT id FROM documents WHERE parent_id = ?", (document.id,)).fetchall()
            gone = [(child,) for (child,) in children if child not in ids]
            db.executemany("DELETE FROM documents WHERE id = ?", gone)
    return statuses


def _put_run(db: sqlite3.Connection, run: Run) -> None:
    run = storable(run)
    db.execute(PUT_RUN, (run.id, run.key, run.command, milliseconds(run.started_at), run.model_dump_json()))


def _put(db: sqlite3.Connection, item: Prepared) -> Status:
    document, metadata, raw = item
    stored = db.execute("SELECT content_hash, revision FROM documents WHERE id = ?", (document.id,)).fetchone()
    status: Status = "new"
    if stored:
        status = "unchanged" if stored[0] == document.content_hash else "updated"
    if status != "unchanged":
        db.execute(
            PUT_DOCUMENT,
            (
                document.id,
                document.content_hash,
                stored[1] + 1 if stored else 1,
                document.author_id,
                document.kind,
                document.platform,
                document.link,
                document.parent_id,
                milliseconds(document.published_at) if document.published_at else None,
                metadata,
                document.model_dump_json(exclude={"revision", "metadata"}),
            ),
        )
        db.execute("DELETE FROM raw WHERE document_id = ?", (document.id,))  # the one that it no longer comes from
    if raw:
        db.execute(
            "INSERT OR REPLACE INTO raw VALUES (?, ?, ?, ?, ?, ?)",
            (document.id, raw.url, raw.status, to_json(raw.headers), raw.fetched_at.isoformat(), raw.body),
        )
    return status


def _document(row: tuple[str, int, str]) -> Document:
    body, revision, metadata = row
    return Document.model_validate_json(body).model_copy(
        update={"revision": revision, "metadata": json.loads(metadata)}
    )


def _condition(where: DocumentFilter | None) -> tuple[str, list[Any]]:
    """A WHERE clause and its values; empty when all documents are meant."""
    if where is None:
        return "", []
    conditions = {
        "author_id = ?": where.author_id,
        "kind = ?": where.kind,
        "platform = ?": where.platform,
        "published >= ?": milliseconds(where.since) if where.since else None,
        "link = ?": where.link,
        "parent_id = ?": where.parent_id,
    }
    held = {text: value for text, value in conditions.items() if value is not None}
    return (" WHERE " + " AND ".join(held) if held else ""), list(held.values())
