"""The link queue in the tables of the SQLite warehouse. Moments are whole milliseconds since 1970."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from llm_twin.documents import Author, Link, Outcome, Run, Status
from llm_twin.links import domain_of
from llm_twin.warehouse.queue import (
    KEPT,
    LEASE,
    RESUME_WITHIN,
    Backlog,
    Collector,
    Done,
    Rules,
    Task,
    Visit,
    combined,
    duplicate,
    lives,
    task_key,
    this_machine,
    visit_key,
)
from llm_twin.warehouse.records import Prepared, milliseconds, prepare, storable, storable_text
from llm_twin.warehouse.sqlite_file import SQLiteFile

Put = Callable[[sqlite3.Connection, Sequence[Prepared]], list[Status]]

PUT_OUTCOME = """
INSERT INTO outcomes (run_id, author, link, at, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run_id, author, link) DO UPDATE SET at = excluded.at, body = excluded.body
"""
# Nothing where the document has been forgotten meanwhile.
PUT_VISIT = """
INSERT OR REPLACE INTO visits SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM documents WHERE id = ?2)
"""
HELD = "SELECT domain FROM leases JOIN collectors ON collectors.id = owner"
# From one domain to the next in the index, however many links each has.
FREE_DOMAINS = f"""
WITH RECURSIVE found (domain) AS (
    SELECT (SELECT min(domain) FROM tasks WHERE run_id = ?1 AND done = 0)
    UNION ALL
    SELECT (SELECT min(domain) FROM tasks WHERE run_id = ?1 AND done = 0 AND domain > found.domain)
    FROM found WHERE found.domain IS NOT NULL
)
SELECT domain FROM found WHERE domain IS NOT NULL AND domain NOT IN ({HELD}) LIMIT ?2
"""  # noqa: S608 - put together from constants, as below
NEXT_TASKS = """
SELECT position, link FROM tasks WHERE run_id = ? AND done = 0 AND domain = ? ORDER BY position LIMIT ?
"""
# Of another run any domain that waits for this one; of the same run only from who has at least two more.
WANT = """
UPDATE leases SET wanted = ?1 WHERE domain = (
    SELECT theirs.domain FROM leases AS theirs JOIN collectors ON collectors.id = theirs.owner
    WHERE theirs.owner <> ?1 AND theirs.wanted IS NULL
    AND EXISTS (SELECT 1 FROM tasks WHERE run_id = ?2 AND done = 0 AND domain = theirs.domain)
    AND (
        collectors.run_id <> ?2 OR (SELECT count(*) FROM leases WHERE owner = theirs.owner)
        > 1 + (SELECT count(*) FROM leases WHERE owner = ?1)
    ) LIMIT 1
) AND NOT EXISTS (SELECT 1 FROM leases WHERE wanted = ?1)
"""
BACKLOG = f"""
SELECT domain, sum(done), sum(CASE WHEN done = 0 AND domain IN ({HELD} AND collectors.run_id = ?1) THEN 1 ELSE 0 END),
sum(CASE WHEN done = 0 AND domain NOT IN ({HELD} AND collectors.run_id = ?1) THEN 1 ELSE 0 END)
FROM tasks WHERE run_id = ?1 GROUP BY domain ORDER BY domain
"""  # noqa: S608


class SQLiteQueue:
    """A `Queue` in the warehouse's file. `put` stores documents within a transaction."""

    def __init__(self, file: SQLiteFile, put_run: Callable[[sqlite3.Connection, Run], None], put: Put) -> None:
        self._file = file
        self._put_run = put_run
        self._put = put

    def begin(self, run: Run, links: Sequence[Link], collector: Collector) -> Run:
        links = [storable(link) for link in links]
        with self._file.writing() as db:
            _bury(db)
            query = """SELECT body FROM open_runs JOIN runs ON runs.id = run_id
                WHERE open_runs.key = ? AND open_runs.started > ?"""
            kept = int(RESUME_WITHIN.total_seconds() * 1000)
            row = db.execute(query, (run.key, _now() - kept)).fetchone()
            if row:
                fields = {"state": "running", "host": run.host, "pid": run.pid, "finished_at": None}
                run = Run.model_validate_json(row[0]).model_copy(update=fields)
            else:
                self._clear(db, run.key)
                db.execute("INSERT INTO open_runs VALUES (?, ?, ?)", (run.key, run.id, milliseconds(run.started_at)))
            self._put_run(db, run)
            _join(db, collector.model_copy(update={"run_id": run.id}))
            if not row:
                _put_outcomes(db, run.id, _queue(db, run.id, links))
        return run

    def _clear(self, db: sqlite3.Connection, key: str) -> None:
        """Remove what is left of an older run with this key, and of any run that is too old to be retried."""
        oldest = _now() - int(KEPT.total_seconds() * 1000)
        gone = db.execute("SELECT run_id FROM open_runs WHERE key = ? OR started < ?", (key, oldest)).fetchall()
        db.executemany("DELETE FROM tasks WHERE run_id = ?", gone)
        db.executemany("DELETE FROM open_runs WHERE run_id = ?", gone)

    def claim(self, collector: Collector, domains: int, each: int, held: Collection[str] = ()) -> list[Task]:
        with self._file.writing() as db:
            _bury(db)
            if not db.execute("SELECT 1 FROM collectors WHERE id = ?", (collector.id,)).fetchone():
                _join(db, collector)  # it was taken for dead
            mine = {domain for (domain,) in db.execute("SELECT domain FROM leases WHERE owner = ?", (collector.id,))}
            lost = set(held) - mine
            for domain in lost:  # while it was taken for dead: back, unless another has it
                db.execute("INSERT OR IGNORE INTO leases VALUES (?, ?, NULL)", (domain, collector.id))
            given = mine - set(held)
            free = [domain for (domain,) in db.execute(FREE_DOMAINS, (collector.run_id, domains))] if domains else []
            db.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, NULL)", [(each, collector.id) for each in free])
            tasks = [task for domain in (*given, *free) for task in self._next(db, collector.run_id, domain, each)]
            for domain in given - {task.domain for task in tasks}:
                db.execute("DELETE FROM leases WHERE domain = ?", (domain,))
        return tasks

    def more(self, collector: Collector, domain: str, each: int, in_hand: Collection[str] = ()) -> list[Task]:
        with self._file.reading() as db:
            tasks = self._next(db, collector.run_id, domain, each + len(in_hand))
        return [task for task in tasks if task.id not in in_hand][:each]

    def _next(self, db: sqlite3.Connection, run_id: str, domain: str, each: int) -> list[Task]:
        tasks = []
        for position, body in db.execute(NEXT_TASKS, (run_id, domain, each)).fetchall():
            link = Link.model_validate_json(body)
            tasks.append(Task(id=str(position), run_id=run_id, domain=domain, link=link, before=_visit(db, link)))
        return tasks

    def finish(self, done: Sequence[Done]) -> list[Outcome | None]:
        prepared = [[prepare(document) for document in each.documents] for each in done]  # the slow part, before
        outcomes: list[Outcome | None] = []
        with self._file.writing() as db:
            for each, documents in zip(done, prepared, strict=True):
                marked = db.execute("UPDATE tasks SET done = 1 WHERE position = ? AND done = 0", (int(each.task.id),))
                if not marked.rowcount:
                    outcomes.append(None)
                    continue
                outcome = storable(each.outcome)
                if documents:
                    status = combined(self._put(db, documents))
                    if outcome.status != "failed":  # what was read before it failed is stored all the same
                        outcome = outcome.model_copy(update={"status": status})
                if each.visit:
                    visit = storable(each.visit)
                    db.execute(PUT_VISIT, (visit_key(each.task.link), visit.document_id, visit.model_dump_json()))
                run_id = each.task.run_id
                _put_outcomes(db, run_id, [outcome, *_queue(db, run_id, [storable(link) for link in each.links])])
                outcomes.append(outcome)
        return outcomes

    def release(self, collector: Collector, domains: Iterable[str]) -> None:
        given = [(domain, collector.id) for domain in domains]
        with self._file.writing() as db:
            db.executemany(
                """UPDATE leases SET owner = wanted, wanted = NULL
                WHERE domain = ? AND owner = ? AND wanted IN (SELECT id FROM collectors)""",
                given,
            )
            db.executemany("DELETE FROM leases WHERE domain = ? AND owner = ?", given)

    def want(self, collector: Collector) -> None:
        with self._file.writing() as db:
            db.execute(WANT, (collector.id, collector.run_id))

    def beat(self, collector: Collector) -> list[str]:
        with self._file.writing() as db:
            _join(db, collector)
            query = "SELECT domain FROM leases WHERE owner = ? AND wanted IN (SELECT id FROM collectors)"
            return [domain for (domain,) in db.execute(query, (collector.id,))]

    def leave(self, collector: Collector) -> bool:
        with self._file.writing() as db:
            _remove(db, collector.id)
            _bury(db)
            return bool(db.execute("SELECT 1 FROM collectors WHERE run_id = ?", (collector.run_id,)).fetchone())

    def end(self, run: Run) -> bool:
        with self._file.writing() as db:
            if db.execute("SELECT 1 FROM tasks WHERE run_id = ? AND done = 0 LIMIT 1", (run.id,)).fetchone():
                return False
            if db.execute("DELETE FROM open_runs WHERE run_id = ?", (run.id,)).rowcount:
                self._put_run(db, run)
            db.execute("DELETE FROM tasks WHERE run_id = ?", (run.id,))
        return True

    def alive(self, run_id: str) -> bool:
        rows = self._file.rows("SELECT machine, pid, until FROM collectors WHERE run_id = ?", run_id)
        return any(not _dead(*row) for row in rows)

    def left(self, run_id: str) -> Iterator[Link]:
        query = "SELECT link FROM tasks WHERE run_id = ? AND done = 0 ORDER BY domain, position"
        for (body,) in self._file.stream(query, run_id):
            yield Link.model_validate_json(body)

    def drop(self, run_id: str, author_id: str | None = None) -> None:
        with self._file.writing() as db:
            query = "DELETE FROM tasks WHERE run_id = ?1 AND (?2 IS NULL OR author_id = ?2)"
            db.execute(query, (run_id, author_id))
            db.execute("DELETE FROM open_runs WHERE run_id = ?", (run_id,))

    def backlog(self, run_id: str) -> list[Backlog]:
        names = ("domain", "done", "claimed", "waiting")
        return [Backlog(**dict(zip(names, row, strict=True))) for row in self._file.rows(BACKLOG, run_id)]

    def to_do(self, run_id: str) -> int:
        return int(self._file.rows("SELECT count(*) FROM tasks WHERE run_id = ? AND done = 0", run_id)[0][0])

    def rules(self, origins: Collection[str]) -> list[Rules]:
        query = "SELECT origin, text, until FROM robots WHERE origin = ? AND until > ?"
        with self._file.reading() as db:
            rows = [row for origin in origins for row in db.execute(query, (storable_text(origin), _now()))]
        return [Rules(origin=o, text=text, until=datetime.fromtimestamp(at / 1000, UTC)) for o, text, at in rows]

    def put_rules(self, rules: Iterable[Rules]) -> None:
        rows = [(each.origin, milliseconds(each.until), each.text) for each in map(storable, rules)]
        with self._file.writing() as db:
            db.execute("DELETE FROM robots WHERE until <= ?", (_now(),))
            db.executemany("INSERT OR REPLACE INTO robots VALUES (?, ?, ?)", rows)


def _now() -> int:
    return int(time.time() * 1000)


def _join(db: sqlite3.Connection, collector: Collector) -> None:
    until = _now() + int(LEASE.total_seconds() * 1000)
    values = (collector.id, collector.run_id, collector.machine, collector.pid, until)
    db.execute("INSERT OR REPLACE INTO collectors VALUES (?, ?, ?, ?, ?)", values)


def _dead(machine: str, pid: int, until: int) -> bool:
    return until < _now() or (machine == this_machine() and not lives(pid))


def _bury(db: sqlite3.Connection) -> None:
    """Take their leases from collectors that are dead."""
    for each, *signs in db.execute("SELECT id, machine, pid, until FROM collectors").fetchall():
        if _dead(*signs):
            _remove(db, each)


def _remove(db: sqlite3.Connection, collector_id: str) -> None:
    db.execute("DELETE FROM leases WHERE owner = ?", (collector_id,))
    db.execute("UPDATE leases SET wanted = NULL WHERE wanted = ?", (collector_id,))
    db.execute("DELETE FROM collectors WHERE id = ?", (collector_id,))


def _queue(db: sqlite3.Connection, run_id: str, links: Iterable[Link]) -> Iterator[Outcome]:
    """Add links to a run; the outcomes of those that are queued already in another spelling."""
    put = "INSERT OR IGNORE INTO tasks (run_id, key, author_id, domain, link) VALUES (?, ?, ?, ?, ?)"
    for link in links:
        values = (run_id, task_key(link), link.author.id, domain_of(link.url), link.model_dump_json())
        if not db.execute(put, values).rowcount:
            ((body,),) = db.execute("SELECT link FROM tasks WHERE run_id = ? AND key = ?", values[:2])
            first = Link.model_validate_json(body).url
            if first != link.url:
                yield duplicate(link, first)


def _put_outcomes(db: sqlite3.Connection, run_id: str, outcomes: Iterable[Outcome]) -> None:
    for each in outcomes:
        values = (run_id, Author.key(each.author), each.link, milliseconds(each.at), each.model_dump_json())
        db.execute(PUT_OUTCOME, values)


def _visit(db: sqlite3.Connection, link: Link) -> Visit | None:
    query = "SELECT visits.body, content_hash FROM visits JOIN documents ON documents.id = document_id WHERE key = ?"
    for body, content_hash in db.execute(query, (visit_key(link),)):
        visit = Visit.model_validate_json(body)
        return visit if visit.content_hash == content_hash else None
    return None
