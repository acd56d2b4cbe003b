"""One database on a MongoDB server: opening, schema, transactions, and the server's errors in words.

Where the server has transactions (replica sets, sharded clusters, Atlas) every write is one. A standalone server has
none: there the writes of one call follow each other in an order in which doing it again repairs what was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pymongo
from pydantic import ValidationError
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidName,
    InvalidOperation,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern

from llm_twin.errors import ConfigError, StoreError
from llm_twin.settings import masked
from llm_twin.warehouse.mongo_records import COLLECTIONS, INDEXES, Record
from llm_twin.warehouse.records import NEWER, SCHEMA, one_line

T = TypeVar("T")
Session = ClientSession | None

REACH = 4.0  # seconds to find the server again, once it was found
GREETING = 2.5  # seconds for its first answer: a command, which takes two to start, says within 5 that there is none


class MongoServer:
    """An opened database. Its client is safe for threads, not for forks."""

    def __init__(self, address: str) -> None:
        self.shown = masked(address)
        try:
            self._client: MongoClient[Record] = MongoClient(
                address,
                serverSelectionTimeoutMS=int(REACH * 1000),
                connectTimeoutMS=int(REACH * 1000),  # also for the DNS look-up of mongodb+srv
                tz_aware=True,
                appname="llm-twin",
            )
            self.database = self._client.get_default_database(
                "twin",
                read_preference=ReadPreference.PRIMARY,  # a reader sees what was just written
                write_concern=WriteConcern("majority"),
            )
        except (InvalidURI, InvalidName, ConfigurationError, ValueError, TypeError) as error:
            if address.lower().startswith("mongodb+srv:") and type(error) is ConfigurationError:
                raise StoreError(
                    f"warehouse {self.shown}: DNS knows no MongoDB servers of this name, or can't be asked; "
                    "is the name right, and the network there?"
                ) from None
            # The driver quotes parts of the address, maybe of the password, so its words are left out.
            raise ConfigError(
                f"warehouse {self.shown}: no valid MongoDB address; special characters in user name and password "
                "must be percent-encoded"
            ) from None
        try:
            with self.errors(), pymongo.timeout(GREETING):
                hello = self.database.client.admin.command("hello")
            self._transactions = "setName" in hello or hello.get("msg") == "isdbgrid"
            with self.errors():
                self._set_up()
        except BaseException:
            self._client.close()
            raise

    def _set_up(self) -> None:
        version = self._version()
        if version == SCHEMA:
            return
        named = () if version else ("users", *COLLECTIONS.values())
        foreign = [name for name in named if self.database[name].find_one({}, {"_id": 1})]
        if foreign and not self._version():  # asked again: another process may have been faster
            raise StoreError(
                f"warehouse {self.shown}: the collections {', '.join(foreign)} hold records of another program; "
                "name another database, and bring them in with `twin import`"
            )
        for name, indexes in INDEXES.items():
            self.database[name].create_indexes(indexes)
        self.database["llm_twin"].update_one({"_id": "schema"}, {"$set": {"version": SCHEMA}}, upsert=True)

    def _version(self) -> int:
        """Of our collections; 0: there are none. Raises `StoreError` when a newer version made them."""
        record = self.database["llm_twin"].find_one({"_id": "schema"})
        if record and record["version"] > SCHEMA:
            raise StoreError(f"warehouse {self.shown}: {NEWER.format(found=record['version'], known=SCHEMA)}")
        return int(record["version"]) if record else 0

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what the driver raises, and a record that is no value of ours, into a `StoreError`."""
        try:
            yield
        except PyMongoError as error:
            raise _in_words(error, self.shown) from error
        except (KeyError, ValidationError) as error:
            raise StoreError(f"warehouse {self.shown}: a record can't be read: {one_line(error)}") from error

    def write(self, work: Callable[[Session], T]) -> T:
        """`work` in one transaction, done again when it meets another's; on a standalone server without one."""

        def reached(session: Session) -> T:
            try:
                return work(session)
            except ServerSelectionTimeoutError as error:  # else the driver would go on trying for two minutes
                raise _in_words(error, self.shown) from error

        with self.errors():
            try:
                return self._once(reached)
            except (DuplicateKeyError, BulkWriteError) as error:
                if not _is_duplicate(error):
                    raise
                return self._once(reached)  # another process wrote between our reading and writing; now we see what

    def _once(self, work: Callable[[Session], T]) -> T:
        if not self._transactions:
            return work(None)
        with self._client.start_session() as session:
            return session.with_transaction(
                work, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")
            )

    def close(self) -> None:
        """Close the connections. Closing twice is fine."""
        self._client.close()


def _is_duplicate(error: PyMongoError) -> bool:
    return isinstance(error, DuplicateKeyError) or (
        isinstance(error, BulkWriteError)
        and any(failed.get("code") == 11000 for failed in error.details.get("writeErrors", []))
    )


def _in_words(error: PyMongoError, shown: str) -> StoreError:
    """What the driver says, for the user; codes: https://www.mongodb.com/docs/manual/reference/error-codes/."""
    code = error.code if isinstance(error, OperationFailure) else None
    match code:
        case 18 | 8000:  # AuthenticationFailed, and Atlas's own
            return StoreError(f"warehouse {shown}: the server refused the user name or the password")
        case 13:  # Unauthorized
            return StoreError(f"warehouse {shown}: not allowed; give this user the role readWrite on the database")
        case 39 | 14031:  # FileOpenFailed, OutOfDiskSpace
            return StoreError(f"warehouse {shown}: the server's disk is full; free some space, then run again")
    if isinstance(error, ConnectionFailure):
        cause = one_line(error).split(" (configured")[0].split(", Timeout:")[0]
        return StoreError(
            f"warehouse {shown}: can't be reached: {cause}; is the server running, and the address right?"
        )
    if isinstance(error, InvalidOperation):
        return StoreError(f"warehouse {shown}: closed already")
    details = error.details if isinstance(error, OperationFailure) else None
    failed = (details or {}).get("writeErrors") or [details or {}]
    return StoreError(f"warehouse {shown}: {one_line(failed[0].get('errmsg', error))}")
