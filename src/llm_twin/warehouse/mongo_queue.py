"""The link queue in collections of the MongoDB warehouse. Moments are the server's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from bson import ObjectId
from pymongo import ASCENDING, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from llm_twin.documents import Author, Link, Outcome, Run, Status
from llm_twin.links import domain_of
from llm_twin.warehouse.mongo_records import COLLECTIONS, Record, document_record, read_run, run_fields
from llm_twin.warehouse.mongo_server import MongoServer, Session
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
from llm_twin.warehouse.records import Prepared, prepare, storable, storable_text

Put = Callable[[Sequence[Prepared], Session], list[Status]]
CheckSize = Callable[[str, Record], None]

MILLISECONDS = int(LEASE.total_seconds() * 1000)
EXPIRED = {"$expr": {"$lt": ["$until", "$$NOW"]}}


class MongoQueue:
    """A `Queue` beside the warehouse's collections. `put` stores documents within a transaction."""

    def __init__(self, server: MongoServer, put: Put, check_size: CheckSize) -> None:
        self._server = server
        self._put = put
        self._check_size = check_size
        database = server.database
        self._runs, self._tasks = database["runs"], database["tasks"]
        self._leases, self._collectors, self._visits = database["leases"], database["collectors"], database["visits"]
        self._robots = database["robots"]

    def begin(self, run: Run, links: Sequence[Link], collector: Collector) -> Run:
        run = storable(run)
        with self._server.errors():
            self._bury()
            self._clear(run)
            queued = False
            while True:
                if found := self._runs.find_one({"key": run.key, "open": True}):
                    if queued:  # another was faster
                        self._tasks.delete_many({"run_id": run.id})
                        self._server.database["outcomes"].delete_many({"run_id": run.id})
                    self._join(collector.model_copy(update={"run_id": found["_id"]}))
                    fields = {"state": "running", "host": run.host, "pid": run.pid, "finished_at": None}
                    # It may have ended this very moment; then there is nothing left to help with.
                    self._runs.update_one({"_id": found["_id"], "open": True}, {"$set": fields})
                    return read_run(found).model_copy(update=fields)
                if not queued:  # before the run is seen, so that who finds the run finds all of its links
                    self._put_outcomes(run.id, self._queue(run.id, [storable(link) for link in links], None), None)
                    queued = True
                self._join(collector.model_copy(update={"run_id": run.id}))
                try:
                    self._runs.insert_one({"_id": run.id, "position": ObjectId(), "open": True, **run_fields(run)})
                except DuplicateKeyError:
                    continue
                return run

    def _clear(self, run: Run) -> None:
        """Remove what is left of an older run with this key, and of any run that is too old to be retried."""
        old = {"key": run.key, "started_at": {"$lte": run.started_at - RESUME_WITHIN}}
        query = {"open": True, "$or": [old, {"started_at": {"$lt": run.started_at - KEPT}}]}
        for found in list(self._runs.find(query, {"_id": 1})):
            self.drop(found["_id"])

    def claim(self, collector: Collector, domains: int, each: int, held: Collection[str] = ()) -> list[Task]:
        with self._server.errors():
            self._bury()
            if not self._collectors.find_one({"_id": collector.id}, {"_id": 1}):
                self._join(collector)  # it was taken for dead
            # Leases first: whoever has one was a collector before, so one who is none now is gone.
            leases = {lease["_id"]: lease["owner"] for lease in self._leases.find()}
            there = set(self._collectors.distinct("_id"))
            orphans = [domain for domain, owner in leases.items() if owner not in there]
            self._leases.delete_many({"_id": {"$in": orphans}, "owner": {"$nin": list(there)}})
            taken = [domain for domain, owner in leases.items() if owner in there]
            mine = {domain for domain in taken if leases[domain] == collector.id}
            self._lease(set(held) - set(taken), collector)
            given = mine - set(held)
            waiting = {"run_id": collector.run_id, "done": False}
            free = []
            if domains > 0:
                stages: list[Record] = [
                    {"$match": waiting | {"domain": {"$nin": taken}}},
                    {"$group": {"_id": "$domain"}},
                    {"$sort": {"_id": 1}},
                    {"$limit": domains},
                ]
                free = self._lease([found["_id"] for found in self._tasks.aggregate(stages)], collector)
            tasks = [task for domain in (*given, *free) for task in self._next(collector.run_id, domain, each)]
            idle = [*(given | set(free)) - {task.domain for task in tasks}]
            if idle:
                self._leases.delete_many({"_id": {"$in": idle}, "owner": collector.id})
            return tasks

    def _lease(self, domains: Iterable[str], collector: Collector) -> list[str]:
        """Those of the domains that nobody was faster with."""
        records: list[Record] = [{"_id": domain, "owner": collector.id, "wanted": None} for domain in domains]
        if not records:
            return []
        try:
            self._leases.insert_many(records, ordered=False)
        except BulkWriteError as error:
            failed = {each["index"] for each in error.details["writeErrors"]}
            return [record["_id"] for number, record in enumerate(records) if number not in failed]
        return [record["_id"] for record in records]

    def more(self, collector: Collector, domain: str, each: int, in_hand: Collection[str] = ()) -> list[Task]:
        with self._server.errors():
            tasks = self._next(collector.run_id, domain, each + len(in_hand))
        return [task for task in tasks if task.id not in in_hand][:each]

    def _next(self, run_id: str, domain: str, each: int) -> list[Task]:
        query = {"run_id": run_id, "done": False, "domain": domain}
        found = list(self._tasks.find(query, {"link": 1}, sort=[("_id", ASCENDING)], limit=each))
        links = {str(record["_id"]): Link.model_validate_json(record["link"]) for record in found}
        before = self._visits_of(links.values())
        return [
            Task(id=position, run_id=run_id, domain=domain, link=link, before=before.get(visit_key(link)))
            for position, link in links.items()
        ]

    def _visits_of(self, links: Iterable[Link]) -> dict[str, Visit]:
        """What the links gave last time, where their documents are still what they were."""
        found = self._visits.find({"_id": {"$in": [visit_key(link) for link in links]}})
        visits = {record["_id"]: Visit.model_validate_json(record["body"]) for record in found}
        stored = set()
        for kind, name in COLLECTIONS.items():
            ids = [visit.document_id for visit in visits.values() if visit.kind == kind]
            if ids:
                records = self._server.database[name].find({"_id": {"$in": ids}}, {"content_hash": 1})
                stored |= {(record["_id"], record["content_hash"]) for record in records}
        return {key: visit for key, visit in visits.items() if (visit.document_id, visit.content_hash) in stored}

    def finish(self, done: Sequence[Done]) -> list[Outcome | None]:
        prepared = [[prepare(document) for document in each.documents] for each in done]
        for document, metadata, _ in (item for items in prepared for item in items):
            self._check_size(document.link, document_record(document, metadata, 1))
        ids = [ObjectId(each.task.id) for each in done]

        def write(session: Session) -> list[Outcome | None]:
            query = {"_id": {"$in": ids}, "done": False}
            undone = {record["_id"] for record in self._tasks.find(query, {"_id": 1}, session=session)}
            mine = [number for number, position in enumerate(ids) if position in undone]
            documents = [item for number in mine for item in prepared[number]]
            statuses = iter(self._put(documents, session) if documents else [])
            outcomes: list[Outcome | None] = [None] * len(done)
            visits, queued = [], []
            for number in mine:
                each, outcome = done[number], storable(done[number].outcome)
                if prepared[number]:
                    status = combined([next(statuses) for _ in each.documents])
                    if outcome.status != "failed":  # what was read before it failed is stored all the same
                        outcome = outcome.model_copy(update={"status": status})
                outcomes[number] = outcome
                if each.visit:
                    visit, key = storable(each.visit), visit_key(each.task.link)
                    record = {"_id": key, "document_id": visit.document_id, "body": visit.model_dump_json()}
                    visits.append(ReplaceOne({"_id": key}, record, upsert=True))
                if each.links:
                    queued += self._queue(each.task.run_id, [storable(link) for link in each.links], session)
            if visits:
                self._visits.bulk_write(visits, session=session)
            if mine:
                stored = [outcome for outcome in outcomes if outcome]
                self._put_outcomes(done[0].task.run_id, [*stored, *queued], session)
                these = {"_id": {"$in": [ids[number] for number in mine]}}
                self._tasks.update_many(these, {"$set": {"done": True}}, session=session)
            return outcomes

        return self._server.write(write)

    def _queue(self, run_id: str, links: Sequence[Link], session: Session) -> list[Outcome]:
        """Add links to a run; the outcomes of those that are queued already in another spelling."""
        keyed: dict[str, Link] = {}
        outcomes = []
        for link in links:
            first = keyed.setdefault(task_key(link), link)
            if first.url != link.url:
                outcomes.append(duplicate(link, first.url))
        there = self._tasks.find({"run_id": run_id, "key": {"$in": list(keyed)}}, session=session)
        for record in there:
            link, first = keyed.pop(record["key"]), Link.model_validate_json(record["link"])
            if first.url != link.url:
                outcomes.append(duplicate(link, first.url))
        operations = []
        for key, link in keyed.items():
            fields = {"author_id": link.author.id, "domain": domain_of(link.url), "done": False}
            fields |= {"_id": ObjectId(), "link": link.model_dump_json()}
            operations.append(UpdateOne({"run_id": run_id, "key": key}, {"$setOnInsert": fields}, upsert=True))
        if operations:
            self._tasks.bulk_write(operations, session=session)
        return outcomes

    def _put_outcomes(self, run_id: str, outcomes: Sequence[Outcome], session: Session) -> None:
        if outcomes:
            self._server.database["outcomes"].bulk_write(outcome_updates(run_id, outcomes), session=session)

    def release(self, collector: Collector, domains: Iterable[str]) -> None:
        with self._server.errors():
            for domain in domains:
                mine = {"_id": domain, "owner": collector.id}
                lease = self._leases.find_one(mine)
                wanted = lease and lease["wanted"]
                if wanted and self._collectors.find_one({"_id": wanted}, {"_id": 1}):
                    self._leases.update_one(mine, {"$set": {"owner": wanted, "wanted": None}})
                else:
                    self._leases.delete_one(mine)

    def want(self, collector: Collector) -> None:
        with self._server.errors():
            leases = list(self._leases.find())
            if any(lease["wanted"] == collector.id for lease in leases):
                return
            runs = {record["_id"]: record["run_id"] for record in self._collectors.find()}
            count = {owner: sum(lease["owner"] == owner for lease in leases) for owner in (*runs, collector.id)}
            for lease in leases:
                owner = lease["owner"]
                if owner == collector.id or owner not in runs or lease["wanted"]:
                    continue
                several = count[owner] > 1 + count[collector.id]
                waiting = {"run_id": collector.run_id, "done": False, "domain": lease["_id"]}
                if (runs[owner] != collector.run_id or several) and self._tasks.find_one(waiting, {"_id": 1}):
                    query = {"_id": lease["_id"], "owner": owner, "wanted": None}
                    self._leases.update_one(query, {"$set": {"wanted": collector.id}})
                    return

    def beat(self, collector: Collector) -> list[str]:
        with self._server.errors():
            self._join(collector)
            wanted = self._leases.find({"owner": collector.id, "wanted": {"$ne": None}})
            found = {lease["_id"]: lease["wanted"] for lease in wanted}
            if not found:
                return []
            there = {record["_id"] for record in self._collectors.find({"_id": {"$in": [*found.values()]}}, {"_id": 1})}
            return [domain for domain, who in found.items() if who in there]

    def leave(self, collector: Collector) -> bool:
        with self._server.errors():
            self._remove(collector.id)
            self._bury()
            return self._collectors.find_one({"run_id": collector.run_id}, {"_id": 1}) is not None

    def end(self, run: Run) -> bool:
        with self._server.errors():
            if self._tasks.find_one({"run_id": run.id, "done": False}, {"_id": 1}):
                return False
            fields = run_fields(storable(run))
            self._runs.update_one({"_id": run.id, "open": True}, {"$set": fields, "$unset": {"open": ""}})
            self._tasks.delete_many({"run_id": run.id})
            return True

    def alive(self, run_id: str) -> bool:
        with self._server.errors():
            dead = {record["_id"] for record in self._dead()}
            return any(record["_id"] not in dead for record in self._collectors.find({"run_id": run_id}))

    def left(self, run_id: str) -> Iterator[Link]:
        order = [("domain", ASCENDING), ("_id", ASCENDING)]
        with self._server.errors():
            for record in self._tasks.find({"run_id": run_id, "done": False}, {"link": 1}, sort=order):
                yield Link.model_validate_json(record["link"])

    def drop(self, run_id: str, author_id: str | None = None) -> None:
        with self._server.errors():
            self._runs.update_one({"_id": run_id}, {"$unset": {"open": ""}})
            self._tasks.delete_many({"run_id": run_id} | ({"author_id": author_id} if author_id else {}))

    def backlog(self, run_id: str) -> list[Backlog]:
        with self._server.errors():
            owners = [record["_id"] for record in self._collectors.find({"run_id": run_id}, {"_id": 1})]
            held = {lease["_id"] for lease in self._leases.find({"owner": {"$in": owners}}, {"_id": 1})}
            count = {"$group": {"_id": "$domain", "done": {"$sum": {"$cond": ["$done", 1, 0]}}, "all": {"$sum": 1}}}
            found = self._tasks.aggregate([{"$match": {"run_id": run_id}}, count, {"$sort": {"_id": 1}}])
            return [
                Backlog(
                    domain=record["_id"],
                    done=record["done"],
                    claimed=record["all"] - record["done"] if record["_id"] in held else 0,
                    waiting=0 if record["_id"] in held else record["all"] - record["done"],
                )
                for record in found
            ]

    def to_do(self, run_id: str) -> int:
        with self._server.errors():
            return self._tasks.count_documents({"run_id": run_id, "done": False})

    def rules(self, origins: Collection[str]) -> list[Rules]:
        query = {"_id": {"$in": [*map(storable_text, origins)]}, "$expr": {"$gt": ["$until", "$$NOW"]}}
        with self._server.errors():
            return [
                Rules(origin=record["_id"], text=record["text"], until=record["until"])
                for record in self._robots.find(query)
            ]

    def put_rules(self, rules: Iterable[Rules]) -> None:
        records = [{"_id": each.origin, **each.model_dump(exclude={"origin"})} for each in map(storable, rules)]
        if records:
            with self._server.errors():
                replaced = [ReplaceOne({"_id": record["_id"]}, record, upsert=True) for record in records]
                self._robots.bulk_write(replaced, ordered=False)

    def _join(self, collector: Collector) -> None:
        until = {"$add": ["$$NOW", MILLISECONDS]}
        fields = collector.model_dump(exclude={"id"}) | {"until": until}
        self._collectors.update_one({"_id": collector.id}, [{"$set": fields}], upsert=True)

    def _dead(self) -> list[Record]:
        here = [r for r in self._collectors.find({"machine": this_machine()}) if not lives(r["pid"])]
        return [*here, *self._collectors.find(EXPIRED)]

    def _bury(self) -> None:
        """Take their leases from collectors that are dead."""
        for record in self._dead():
            self._remove(record["_id"])

    def _remove(self, collector_id: str) -> None:
        self._leases.delete_many({"owner": collector_id})
        self._leases.update_many({"wanted": collector_id}, {"$set": {"wanted": None}})
        self._collectors.delete_one({"_id": collector_id})


def outcome_updates(run_id: str, outcomes: Iterable[Outcome]) -> list[UpdateOne]:
    """What stores outcomes of a run."""
    updates = []
    for outcome in outcomes:
        key = {"run_id": run_id, "author_key": Author.key(outcome.author), "link": outcome.link}
        # ObjectIds grow: the one of the first writing is the outcome's position in the run.
        update = {"$set": outcome.model_dump(exclude={"link"}), "$setOnInsert": {"_id": ObjectId()}}
        updates.append(UpdateOne(key, update, upsert=True))
    return updates
