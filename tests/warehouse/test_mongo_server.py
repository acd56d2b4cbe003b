"""What is particular to the MongoDB warehouse: its collections, its limits, and a server that is not there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from llm_twin.errors import ConfigError, StoreError
from llm_twin.warehouse import open_warehouse
from mongod import free_port, running_mongod, with_database
from stored_values import ADA, BOB, document, outcome, response, run

SECRET = "s3cret-word"


@contextmanager
def database(address: str) -> Iterator[Database[dict[str, Any]]]:
    """What another program sees."""
    with MongoClient[dict[str, Any]](address) as client:
        yield client.get_default_database()


def test_collections_are_the_handbooks_with_ours_beside_them(mongo_warehouse_address: str) -> None:
    with open_warehouse(mongo_warehouse_address) as warehouse, database(mongo_warehouse_address) as seen:
        warehouse.put_author(ADA)
        warehouse.put([document(n, kind=kind) for n, kind in enumerate(("article", "post", "repository", "code"))])
        warehouse.put_run(run())
        warehouse.put_outcomes("one", [outcome()])
        names = set(seen.list_collection_names()) - {"llm_twin"}
        queue = {"tasks", "leases", "visits", "robots"}  # and collectors, once there are some
        assert names == {"users", "articles", "posts", "repositories", "code", "raw", "runs", "outcomes"} | queue
        found = seen["articles"].find_one({"link": "https://blog.example/0"})
        assert found and (found["_id"], found["title"], found["text"]) == (document(0).id, "Title 0", "Some text.")


def test_a_document_that_changes_its_kind_moves_to_the_other_collection(mongo_warehouse_address: str) -> None:
    with open_warehouse(mongo_warehouse_address) as warehouse, database(mongo_warehouse_address) as seen:
        warehouse.put([document()])
        warehouse.put([document(kind="post")])
        assert [seen[name].count_documents({}) for name in ("articles", "posts", "raw")] == [0, 1, 1]


def test_a_move_cut_off_on_a_server_without_transactions_is_repaired_by_the_next_run(standalone_address: str) -> None:
    with open_warehouse(standalone_address) as warehouse, database(standalone_address) as seen:
        warehouse.put([document()])
        before = seen["articles"].find_one({})
        assert before
        warehouse.put([document(kind="post")])
        seen["articles"].insert_one(before)
        assert warehouse.put([document(kind="post")]) == ["unchanged"]
        assert list(warehouse.documents()) == [document(kind="post", revision=2)]


def test_a_document_too_large_for_mongodb_is_named_and_nothing_is_stored(mongo_warehouse_address: str) -> None:
    with open_warehouse(mongo_warehouse_address) as warehouse:
        with pytest.raises(StoreError, match=r"example/2: 17,\d{3},\d{3} bytes are too many for a MongoDB"):
            warehouse.put([document(1, raw=response()), document(2, text="x" * 17_000_000)])
        assert warehouse.count() == 0
        assert warehouse.raw(document(1).id) is None


@pytest.mark.parametrize("newest_first", [False, True])
def test_an_iteration_outlives_its_cursor(mongo_warehouse_address: str, newest_first: bool) -> None:
    dates = [None, *(run(minutes=number % 200).started_at for number in range(300)), None]
    batch = [document(number, published_at=date) for number, date in enumerate(dates)]
    with open_warehouse(mongo_warehouse_address) as warehouse, database(mongo_warehouse_address) as seen:
        warehouse.put(batch)
        walk = warehouse.documents(newest_first=newest_first)
        found = [next(walk).id for _ in range(50)]
        idle = seen.client.admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": {"type": "idleCursor"}}])
        own = [one["cursor"]["cursorId"] for one in idle if one["ns"] == f"{seen.name}.articles"]
        assert seen.command("killCursors", "articles", cursors=own)["cursorsKilled"] == own != []
        found += [one.id for one in walk]
        assert len(found) == len(set(found)) == len(batch)


def test_a_database_of_another_program_is_left_alone(mongo_warehouse_address: str) -> None:
    with database(mongo_warehouse_address) as seen:
        seen["articles"].insert_one({"_id": "1", "content": {"Title": "x"}})
        with pytest.raises(StoreError, match="articles hold records of another program; .*`twin import`"):
            open_warehouse(mongo_warehouse_address)
        assert seen.list_collection_names() == ["articles"]


def test_a_store_of_a_newer_version_is_refused(mongo_warehouse_address: str) -> None:
    open_warehouse(mongo_warehouse_address).close()
    with database(mongo_warehouse_address) as seen:
        seen["llm_twin"].update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(StoreError, match=r"newer llm-twin \(schema 99, .*\); upgrade"):
        open_warehouse(mongo_warehouse_address)


def test_a_record_that_is_none_of_ours_is_told(mongo_warehouse_address: str) -> None:
    with open_warehouse(mongo_warehouse_address) as warehouse, database(mongo_warehouse_address) as seen:
        seen["articles"].insert_one({"_id": "1", "content": {"Title": "x"}})
        with pytest.raises(StoreError, match="a record can't be read") as caught:
            list(warehouse.documents())
    assert "\n" not in str(caught.value)


def test_the_database_is_twin_where_none_is_named(standalone_uri: str) -> None:
    open_warehouse(with_database(standalone_uri, "")).close()
    with MongoClient[dict[str, Any]](standalone_uri) as client:
        assert client["twin"]["llm_twin"].find_one({"_id": "schema"})
        client.drop_database("twin")


def told(error: BaseException) -> str:
    """The error's text, checked: one line, no password in it or in what it was raised from."""
    text = str(error)
    assert "\n" not in text
    assert SECRET not in text
    return text


def test_a_wrong_password_is_told_and_not_shown(standalone_uri: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_warehouse(with_database(standalone_uri.replace(SECRET, SECRET + "x"), "twin"))
    assert "mongodb://***@127.0.0.1:" in told(caught.value)
    assert "refused the user name or the password" in told(caught.value)


def test_a_user_without_rights_is_told(standalone_uri: str) -> None:
    with MongoClient[dict[str, Any]](standalone_uri) as client:
        client.admin.command("createUser", "guest", pwd=SECRET, roles=[])
        address = with_database(standalone_uri, "twin").replace("reader", "guest")
        with pytest.raises(StoreError) as caught:
            open_warehouse(address)
        client.admin.command("dropUser", "guest")
    assert "not allowed; give this user the role readWrite" in told(caught.value)


def test_a_server_that_is_not_there_is_told_soon() -> None:
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        open_warehouse(f"mongodb://ada:{SECRET}@127.0.0.1:{free_port()}/twin")
    assert time.monotonic() - started < 25  # of what the driver would wait by itself, 30
    assert "mongodb://***@127.0.0.1:" in told(caught.value)
    assert "can't be reached" in told(caught.value)


def test_a_server_that_goes_away_is_told() -> None:
    with running_mongod() as address, open_warehouse(address) as warehouse:
        warehouse.put_author(ADA)
        with MongoClient[dict[str, Any]](address) as client, pytest.raises(AutoReconnect):
            client.admin.command("shutdown", force=True, timeoutSecs=0)
        with pytest.raises(StoreError, match="can't be reached"):
            warehouse.put_author(BOB)


def test_a_name_that_dns_does_not_know_is_told() -> None:
    with pytest.raises(StoreError, match="DNS knows no MongoDB servers of this name") as caught:
        open_warehouse(f"mongodb+srv://ada:{SECRET}@cluster.invalid/db")
    assert "mongodb+srv://***@cluster.invalid/db" in told(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "warehouse.sqlite",
        "sqlite:warehouse.sqlite",
        "sqlite://warehouse.sqlite",
        "sqlite:///",
        f"postgres://ada:{SECRET}@host/db",
        "mongodb://",
        f"mongodb://ada:{SECRET}@host:port/db",
        f"mongodb://ada:{SECRET}@host:99999/db",
        f"mongodb://ada:{SECRET}/x@host/db",
        f"mongodb://ada:{SECRET}?x@host/db",
        f"mongodb://ada:{SECRET}#x@host:port/db",
        f"mongodb://ada:a@{SECRET}:x@host/db",
        f"mongodb://ada:{SECRET}@host/a b$",
        f"mongodb://ada:{SECRET}@[::1/db",
        f"mongodb+srv://ada:{SECRET}@host:1/db",
    ],
)
def test_a_malformed_address_is_told_and_its_password_is_not(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_warehouse(address)
    assert "sqlite:///" in told(caught.value) or "mongodb" in told(caught.value)
