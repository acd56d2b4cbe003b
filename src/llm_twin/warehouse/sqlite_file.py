"""One SQLite file in WAL mode: opening, schema, transactions, and SQLite's errors in words.

Readers never wait for writers; writers wait for each other for up to 30 seconds. A process killed at any instant
leaves the last committed state; a power cut may take the last transactions with it, never half of one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from llm_twin.errors import ConfigError, LockedError, StoreError
from llm_twin.warehouse.records import NEWER, SCHEMA, one_line, storable_text

M = TypeVar("M", bound=BaseModel)

WAIT = 30.0  # seconds that one writer waits for another
APPLICATION_ID = 0x7477696E  # "twin" in ASCII: tells our files from other programs' databases

TABLES = """
CREATE TABLE authors (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE names (
    key TEXT PRIMARY KEY, author_id TEXT NOT NULL REFERENCES authors ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX names_author ON names (author_id);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, content_hash TEXT NOT NULL, revision INTEGER NOT NULL, author_id TEXT NOT NULL,
    kind TEXT NOT NULL, platform TEXT NOT NULL, link TEXT NOT NULL, parent_id TEXT, published INTEGER,
    metadata TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX documents_hash ON documents (id, content_hash);
CREATE INDEX documents_author ON documents (author_id, id);
CREATE INDEX documents_kind ON documents (kind, id);
CREATE INDEX documents_platform ON documents (platform, id);
CREATE INDEX documents_link ON documents (link);
CREATE INDEX documents_parent ON documents (parent_id, id);
CREATE INDEX documents_published ON documents (published DESC, id);
CREATE TABLE raw (
    document_id TEXT PRIMARY KEY REFERENCES documents ON DELETE CASCADE, url TEXT NOT NULL, status INTEGER NOT NULL,
    headers TEXT NOT NULL, fetched_at TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE runs (
    position INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, key TEXT NOT NULL, command TEXT NOT NULL,
    started INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX runs_started ON runs (started);
CREATE INDEX runs_key ON runs (key, started);
CREATE TABLE outcomes (
    position INTEGER PRIMARY KEY, run_id TEXT NOT NULL, author TEXT NOT NULL, link TEXT NOT NULL, at INTEGER NOT NULL,
    body TEXT NOT NULL, UNIQUE (run_id, author, link)
);
CREATE INDEX outcomes_author ON outcomes (author);
"""
# Since schema 2.
QUEUE_TABLES = """
CREATE TABLE open_runs (key TEXT PRIMARY KEY, run_id TEXT NOT NULL, started INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tasks (
    position INTEGER PRIMARY KEY, run_id TEXT NOT NULL, key TEXT NOT NULL, author_id TEXT NOT NULL,
    domain TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0, link TEXT NOT NULL, UNIQUE (run_id, key)
);
CREATE INDEX tasks_next ON tasks (run_id, done, domain, position);
CREATE INDEX tasks_author ON tasks (author_id);
CREATE TABLE collectors (
    id TEXT PRIMARY KEY, run_id TEXT NOT NULL, machine TEXT NOT NULL, pid INTEGER NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE leases (domain TEXT PRIMARY KEY, owner TEXT NOT NULL, wanted TEXT) WITHOUT ROWID;
CREATE INDEX leases_owner ON leases (owner);
CREATE TABLE visits (
    key TEXT PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX visits_document ON visits (document_id)
"""
# Since schema 3.
ROBOTS_TABLES = """
CREATE TABLE robots (origin TEXT PRIMARY KEY, until INTEGER NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX robots_until ON robots (until)
"""


class SQLiteFile:
    """An opened file with one connection for writes and short reads, shared by threads, and one per long read."""

    def __init__(self, path: str) -> None:
        if not path.strip("/") or "\0" in path or path == ":memory:":
            raise ConfigError("warehouse: sqlite:///… needs the path of a file, such as sqlite:///twin.sqlite")
        try:
            self.path = Path(path).expanduser().absolute()
        except RuntimeError as error:  # the home folder of a user who does not exist
            raise ConfigError(f"warehouse sqlite:///{path}: {error}") from None
        if self.path.is_dir():
            raise StoreError(f"warehouse {self.path}: a folder; name a file in it")
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # its -wal and -shm get the same mode
        except OSError as error:
            raise StoreError(
                f"warehouse {self.path}: can't be opened: {error.strerror}; name a file in a writable folder"
            ) from None
        with self.errors():
            self._connection = self._connect()
            try:
                self._set_up(self._connection)
            except BaseException:
                self._connection.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        ours = self._version(connection)
        # Changing to WAL takes the whole file for itself and, unlike all else, does not wait when it can't.
        for attempt in Retrying(
            retry=retry_if_exception(_is_busy),
            stop=stop_after_delay(WAIT),
            wait=wait_random(0.01, 0.1),
            reraise=True,
        ):
            with attempt:
                connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if ours == SCHEMA:
            return
        with self.writing() as connection:
            ours = self._version(connection)  # asked again: another process may have been faster
            for tables in (TABLES, QUEUE_TABLES, ROBOTS_TABLES)[ours:]:
                for statement in tables.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def _version(self, connection: sqlite3.Connection) -> int:
        """Of our tables; 0: there are none. Raises `StoreError` when they are of another program or a later version."""
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if tables and application != APPLICATION_ID:
            raise StoreError(f"warehouse {self.path}: a database of another program; name another file")
        if schema > SCHEMA:
            raise StoreError(f"warehouse {self.path}: {NEWER.format(found=schema, known=SCHEMA)}")
        return int(schema) if tables else 0

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what SQLite raises, and a body that is no value of ours, into a `StoreError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise _in_words(error, self.path) from error
        except ValidationError as error:
            raise StoreError(f"warehouse {self.path}: a record can't be read: {one_line(error)}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all that is done inside, or nothing."""
        with self._lock, self.errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For several short queries, which need not see one and the same state."""
        with self._lock, self.errors():
            yield self._connection

    def rows(self, query: str, *values: Any) -> list[Any]:
        """All rows at once, for queries that find few."""
        with self._lock, self.errors():
            return self._connection.execute(query, [_bindable(value) for value in values]).fetchall()

    def values(self, model: type[M], query: str, *values: Any) -> list[M]:
        """All rows at once, their only column being the JSON of a `model`."""
        rows = self.rows(query, *values)
        with self.errors():
            return [model.model_validate_json(body) for (body,) in rows]

    def stream(self, query: str, *values: Any) -> Iterator[Any]:
        """Rows one by one on a connection of their own: a snapshot, so that the caller may write meanwhile."""
        with self.errors(), closing(self._connect()) as connection:
            yield from connection.execute(query, [_bindable(value) for value in values])

    def close(self) -> None:
        """Close the shared connection. Closing twice is fine."""
        with self._lock:
            self._connection.close()


def _bindable(value: Any) -> Any:
    return storable_text(value) if isinstance(value, str) else value


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int:
    """The primary result code, without its details; -1 where Python itself raised the error."""
    return getattr(error, "sqlite_errorcode", -1) & 0xFF


def _in_words(error: sqlite3.Error, path: Path) -> StoreError:
    """What SQLite says, for the user; https://sqlite.org/rescode.html lists the codes."""
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LockedError(f"warehouse {path}: another process has been writing for {WAIT:.0f} s; try again later")
        case sqlite3.SQLITE_FULL:
            return StoreError(f"warehouse {path}: the disk is full; free some space, then run again")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StoreError(f"warehouse {path}: read-only; make the file and its folder writable")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"warehouse {path}: can't be opened; see that its folder exists and is writable")
        case sqlite3.SQLITE_NOTADB:
            return StoreError(f"warehouse {path}: no SQLite database; name another file")
        case sqlite3.SQLITE_CORRUPT:
            return StoreError(f"warehouse {path}: damaged; restore a copy, or remove the file and collect again")
        case sqlite3.SQLITE_IOERR:
            return StoreError(f"warehouse {path}: can't be read or written ({error}); is the disk full or gone?")
    return StoreError(f"warehouse {path}: {one_line(error)}")
