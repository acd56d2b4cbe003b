"""The warehouse on a MongoDB server, in the handbook's collections, one per kind, and a few of ours beside them.

Every document has a record in `raw`, without a body where no response was kept: it is the one place where two
processes that put one document as two kinds meet.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

import bson
from bson import ObjectId
from pymongo import ASCENDING, DeleteMany, ReplaceOne, UpdateOne
from pymongo.errors import CursorNotFound

from llm_twin.documents import KINDS, Author, Document, Kind, Outcome, Raw, Run, Status
from llm_twin.errors import RecordError
from llm_twin.warehouse.mongo_queue import MongoQueue, outcome_updates
from llm_twin.warehouse.mongo_records import (
    BY_DATE,
    BY_ID,
    COLLECTIONS,
    HASHES,
    NEWEST_RUN,
    Order,
    Record,
    after,
    author_record,
    document_record,
    matching,
    raw_record,
    read_author,
    read_document,
    read_outcome,
    read_run,
    run_fields,
)
from llm_twin.warehouse.mongo_server import MongoServer, Session
from llm_twin.warehouse.records import (
    Prepared,
    by_name,
    merged,
    milliseconds,
    names_of,
    prepare,
    storable,
    storable_text,
    unpacked,
)
from llm_twin.warehouse.store import DocumentFilter

Operation = ReplaceOne[Record] | UpdateOne | DeleteMany

LARGEST = 16 * 1024 * 1024  # bytes of one record


class MongoWarehouse:
    """A `Warehouse` in one MongoDB database.

    An iteration over documents is no snapshot: what is written meanwhile may or may not be met, and newest first a
    document whose date changes may come twice. A cursor that the server gave up (after 10 idle minutes) is resumed.
    """

    def __init__(self, address: str) -> None:
        self._server = MongoServer(address)
        self._database = self._server.database
        self.queue = MongoQueue(self._server, self._put, _check_size)

    # Authors

    def put_author(self, author: Author) -> Author:
        author = storable(author)

        def write(session: Session) -> Author:
            users = self._database["users"]
            same = {"$or": [{"_id": author.id}, {"keys": {"$in": sorted(names_of(author))}}]}
            stored = merged(author, by_name(map(read_author, users.find(same, session=session))))
            users.replace_one({"_id": stored.id}, author_record(stored), upsert=True, session=session)
            return stored

        return self._server.write(write)

    def author(self, name_or_id: str) -> Author | None:
        name_or_id = storable_text(name_or_id)
        with self._server.errors():
            users = self._database["users"]
            found = users.find_one({"_id": name_or_id}) or users.find_one({"keys": Author.key(name_or_id)})
            return read_author(found) if found else None

    def authors(self) -> list[Author]:
        with self._server.errors():
            return by_name(map(read_author, self._database["users"].find()))

    def delete_author(self, author_id: str) -> None:
        author_id = storable_text(author_id)

        def write(session: Session) -> None:
            ids = self._ids({"author_id": author_id}, session)
            self._remove(self._with_children(ids, session), session)
            self._database["tasks"].delete_many({"author_id": author_id}, session=session)
            if user := self._database["users"].find_one_and_delete({"_id": author_id}, session=session):
                gone = {"author_key": {"$in": sorted(names_of(read_author(user)))}}
                self._database["outcomes"].delete_many(gone, session=session)

        self._server.write(write)

    # Documents

    def put(self, documents: Sequence[Document]) -> list[Status]:
        prepared = [prepare(document) for document in documents]
        for document, metadata, _ in prepared:
            # Asked beforehand: neither the server nor the driver says which record of a call it refuses.
            _check_size(document.link, document_record(document, metadata, 1))
        return self._server.write(lambda session: self._put(prepared, session)) if prepared else []

    def _put(self, prepared: Sequence[Prepared], session: Session) -> list[Status]:
        kinds = {document.id: document.kind for document, _, _ in prepared}  # where each will be
        found = {kind: self._revisions(kind, list(kinds), session) for kind in KINDS}
        now: dict[str, tuple[str, int]] = {}  # content hash and revision, also of what this very call changes
        for document_id, kind in kinds.items():
            # Cut off on a standalone server, a move leaves two records: the one in the right place counts.
            for place in (*KINDS, kind):
                if document_id in found[place]:
                    now[document_id] = found[place][document_id]
        statuses: list[Status] = []
        records: dict[str, tuple[Kind, Record]] = {}
        raws: dict[str, Record] = {}
        for document, metadata, raw in prepared:
            stored = now.get(document.id)
            statuses.append("new" if not stored else "unchanged" if stored[0] == document.content_hash else "updated")
            if statuses[-1] != "unchanged":
                now[document.id] = (document.content_hash, stored[1] + 1 if stored else 1)
                records[document.id] = (document.kind, document_record(document, metadata, now[document.id][1]))
            if raw or statuses[-1] != "unchanged":
                raws[document.id] = raw_record(document.id, raw)
        self._bulk("raw", [_replace(record) for record in raws.values()], session)
        for kind, name in COLLECTIONS.items():
            self._bulk(name, [_replace(record) for place, record in records.values() if place == kind], session)
        for kind, name in COLLECTIONS.items():
            moved = [document_id for document_id in found[kind] if kinds[document_id] != kind]
            self._bulk(name, [DeleteMany({"_id": {"$in": moved}})] if moved else [], session)
        repositories = [document.id for document, _, _ in prepared if document.kind == "repository"]
        if repositories:
            self._remove(self._ids({"parent_id": {"$in": repositories}}, session) - set(kinds), session)
        return statuses

    def _revisions(self, kind: Kind, ids: Sequence[str], session: Session) -> dict[str, tuple[str, int]]:
        stored = self._database[COLLECTIONS[kind]].find(
            {"_id": {"$in": ids}}, {"content_hash": 1, "revision": 1}, session=session
        )
        return {record["_id"]: (record["content_hash"], record["revision"]) for record in stored}

    def _ids(self, query: Record, session: Session) -> set[str]:
        """Ids of documents of any kind that match."""
        return {
            record["_id"]
            for name in COLLECTIONS.values()
            for record in self._database[name].find(query, {"_id": 1}, session=session)
        }

    def _with_children(self, ids: set[str], session: Session) -> set[str]:
        return ids | self._ids({"parent_id": {"$in": list(ids)}}, session)

    def _remove(self, ids: set[str], session: Session) -> int:
        """Remove documents with their raw responses; documents last, so that they are found again."""
        if not ids:
            return 0
        these = {"_id": {"$in": list(ids)}}
        # A repository that lost a file is read again.
        parts = self._database[COLLECTIONS["code"]].find({**these, "parent_id": {"$ne": None}}, session=session)
        gone = ids | set(parts.distinct("parent_id"))
        self._database["visits"].delete_many({"document_id": {"$in": list(gone)}}, session=session)
        self._database["raw"].delete_many(these, session=session)
        removed = [self._database[name].delete_many(these, session=session) for name in COLLECTIONS.values()]
        return sum(result.deleted_count for result in removed)

    def _bulk(self, name: str, operations: Sequence[Operation], session: Session) -> None:
        if operations:
            self._database[name].bulk_write(operations, session=session)

    def get(self, document_id: str) -> Document | None:
        with self._server.errors():
            for name in COLLECTIONS.values():
                if record := self._database[name].find_one({"_id": storable_text(document_id)}):
                    return read_document(record)
        return None

    def documents(self, where: DocumentFilter | None = None, *, newest_first: bool = False) -> Iterator[Document]:
        def position(record: Record) -> tuple[bool, int, str]:
            date = record["published_at"] if newest_first else None
            return date is None, -milliseconds(date) if date else 0, record["_id"]

        kinds, query = matching(where)
        walks = [self._walk(kind, query, BY_DATE if newest_first else BY_ID) for kind in kinds]
        for record in heapq.merge(*walks, key=position):
            with self._server.errors():
                document = read_document(record)
            yield document

    def hashes(self) -> Iterator[tuple[str, str]]:
        walks = [self._walk(kind, {}, HASHES) for kind in KINDS]
        for record in heapq.merge(*walks, key=lambda record: str(record["_id"])):
            yield record["_id"], record["content_hash"]

    def _walk(self, kind: Kind, query: Record, order: Order) -> Iterator[Record]:
        """Records of one kind in order; in the order of `HASHES` these two fields alone, from the index."""
        rest: Record = {}
        while True:
            with self._server.errors():
                cursor = self._database[COLLECTIONS[kind]].find(
                    {"$and": [query, rest]}, sort=order, allow_disk_use=True
                )
                if order == HASHES:
                    cursor = self._database[COLLECTIONS[kind]].find(rest, dict(HASHES), sort=order, hint=HASHES)
                try:
                    for record in cursor:
                        rest = after(record, order)
                        yield record
                    return
                except CursorNotFound:
                    continue  # from where it was
                finally:
                    cursor.close()

    def count(self, where: DocumentFilter | None = None) -> int:
        kinds, query = matching(where)
        with self._server.errors():
            return sum(self._database[COLLECTIONS[kind]].count_documents(query) for kind in kinds)

    def raw(self, document_id: str) -> Raw | None:
        with self._server.errors():
            record = self._database["raw"].find_one({"_id": storable_text(document_id)})
            if not record or "body" not in record:
                return None
            return unpacked(record["url"], record["status"], record["headers"], record["fetched_at"], record["body"])

    def delete(self, document_ids: Collection[str]) -> int:
        ids = set(map(storable_text, document_ids))
        return self._server.write(lambda session: self._remove(self._with_children(ids, session), session))

    # Runs and outcomes

    def put_run(self, run: Run) -> None:
        run = storable(run)
        fields = run_fields(run)
        _check_size(f"run {run.id}", fields)
        update = {"$set": fields, "$setOnInsert": {"position": ObjectId()}}
        self._server.write(
            lambda session: self._database["runs"].update_one({"_id": run.id}, update, upsert=True, session=session)
        )

    def runs(self, limit: int = 10) -> list[Run]:
        if limit <= 0:  # which MongoDB would take for "all"
            return []
        with self._server.errors():
            return [read_run(record) for record in self._database["runs"].find(sort=NEWEST_RUN, limit=limit)]

    def run_with_key(self, key: str) -> Run | None:
        with self._server.errors():
            record = self._database["runs"].find_one({"key": storable_text(key)}, sort=NEWEST_RUN)
            return read_run(record) if record else None

    def put_outcomes(self, run_id: str, outcomes: Iterable[Outcome]) -> None:
        run_id = storable_text(run_id)
        if operations := outcome_updates(run_id, map(storable, outcomes)):
            self._server.write(lambda session: self._bulk("outcomes", operations, session))

    def outcomes(self, run_id: str) -> list[Outcome]:
        with self._server.errors():
            found = self._database["outcomes"].find(
                {"run_id": storable_text(run_id)}, sort=[("at", ASCENDING), ("_id", ASCENDING)]
            )
            return [read_outcome(record) for record in found.allow_disk_use(True)]

    def last_outcomes(self, author: str | None = None) -> list[Outcome]:
        with self._server.errors():
            runs = [record["_id"] for record in self._database["runs"].find({"command": "collect"}, {"_id": 1})]
            match: Record = {"run_id": {"$in": runs}}
            if author is not None:
                match["author_key"] = Author.key(storable_text(author))
            newest = self._database["outcomes"].aggregate(
                [
                    {"$match": match},
                    {"$sort": {"at": -1, "_id": -1}},
                    {"$group": {"_id": {"author": "$author_key", "link": "$link"}, "newest": {"$first": "$$ROOT"}}},
                    {"$replaceRoot": {"newRoot": "$newest"}},
                    {"$sort": {"at": 1, "_id": 1}},
                ],
                allowDiskUse=True,
            )
            return [read_outcome(record) for record in newest]

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _replace(record: Record) -> Operation:
    return ReplaceOne({"_id": record["_id"]}, record, upsert=True)


def _check_size(name: str, record: Record) -> None:
    if (size := len(bson.encode(record))) > LARGEST:
        raise RecordError(f"{name}: {size:,} bytes are too many for a MongoDB record (16 MB); nothing was stored")
