"""How authors, documents, runs and outcomes look as MongoDB records, and the queries that find them.

Fields have the names of the values'; what may hold any key or number is JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from llm_twin.documents import KINDS, Author, Document, Kind, Outcome, Raw, Run
from llm_twin.warehouse.records import in_utc, names_of, storable, to_json
from llm_twin.warehouse.store import DocumentFilter

Record = dict[str, Any]
Order = list[tuple[str, int]]

COLLECTIONS: dict[Kind, str] = {
    "article": "articles",
    "post": "posts",
    "repository": "repositories",
    "code": "code",
}
BY_ID: Order = [("_id", ASCENDING)]
BY_DATE: Order = [("published_at", DESCENDING), ("_id", ASCENDING)]  # null sorts below all: undated last
HASHES: Order = [("_id", ASCENDING), ("content_hash", ASCENDING)]
NEWEST_RUN: Order = [("started_at", DESCENDING), ("position", DESCENDING)]

DOCUMENT_INDEXES = [
    IndexModel(HASHES),
    IndexModel(BY_DATE),
    IndexModel([("author_id", ASCENDING), ("_id", ASCENDING)]),
    IndexModel([("platform", ASCENDING), ("_id", ASCENDING)]),
    IndexModel([("parent_id", ASCENDING), ("_id", ASCENDING)]),
    IndexModel([("link", ASCENDING)]),
]
INDEXES: dict[str, list[IndexModel]] = {
    **dict.fromkeys(COLLECTIONS.values(), DOCUMENT_INDEXES),
    "users": [IndexModel([("keys", ASCENDING)], unique=True)],
    "runs": [
        IndexModel(NEWEST_RUN),
        IndexModel([("key", ASCENDING), *NEWEST_RUN]),
        # Of the collect runs with one key one alone is not finished: the one that others join.
        IndexModel([("key", ASCENDING)], name="open", unique=True, partialFilterExpression={"open": True}),
    ],
    "outcomes": [
        IndexModel([("run_id", ASCENDING), ("author_key", ASCENDING), ("link", ASCENDING)], unique=True),
        IndexModel([("author_key", ASCENDING)]),
    ],
    "tasks": [
        IndexModel([("run_id", ASCENDING), ("key", ASCENDING)], unique=True),
        IndexModel([("run_id", ASCENDING), ("done", ASCENDING), ("domain", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("author_id", ASCENDING)]),
    ],
    "leases": [IndexModel([("owner", ASCENDING)])],
    "visits": [IndexModel([("document_id", ASCENDING)])],
    "robots": [IndexModel([("until", ASCENDING)], expireAfterSeconds=0)],
}


def author_record(author: Author) -> Record:
    return {"_id": author.id, "name": author.name, "aliases": author.aliases, "keys": sorted(names_of(author))}


def read_author(record: Record) -> Author:
    return Author(id=record["_id"], name=record["name"], aliases=tuple(record["aliases"]))


def document_record(document: Document, metadata: str, revision: int) -> Record:
    fields = document.model_dump(exclude={"id"})
    ours = {"metadata": metadata, "revision": revision, "content_hash": document.content_hash}
    return {"_id": document.id, **fields, **ours}


def read_document(record: Record) -> Document:
    known = {name: record[name] for name in Document.model_fields if name in record}
    return Document.model_validate({**known, "id": record["_id"], "metadata": json.loads(record["metadata"])})


def raw_record(document_id: str, raw: Raw | None) -> Record:
    return {"_id": document_id, **(raw.model_dump() | {"headers": to_json(raw.headers)} if raw else {})}


def run_fields(run: Run) -> Record:
    return run.model_dump(exclude={"id"}) | {"summary": to_json(run.summary)}


def read_run(record: Record) -> Run:
    known = {name: record[name] for name in Run.model_fields if name in record}
    return Run.model_validate({**known, "id": record["_id"], "summary": json.loads(record["summary"])})


def read_outcome(record: Record) -> Outcome:
    return Outcome.model_validate({name: record[name] for name in Outcome.model_fields if name in record})


def matching(where: DocumentFilter | None) -> tuple[Sequence[Kind], Record]:
    """The kinds to look through, and the query for each."""
    if where is None:
        return KINDS, {}
    where = storable(where)
    query: Record = where.model_dump(exclude={"kind", "since"}, exclude_none=True)
    if where.since:
        query["published_at"] = {"$gte": in_utc(where.since)}
    return (where.kind,) if where.kind else KINDS, query


def after(record: Record, order: Order) -> Record:
    """The query for what follows `record` in this order."""
    later = {"_id": {"$gt": record["_id"]}}
    if order != BY_DATE:
        return later
    date = record["published_at"]
    undated: Record = {"published_at": None}
    if date is None:
        return undated | later
    return {"$or": [undated, {"published_at": {"$lt": date}}, {"published_at": date} | later]}
