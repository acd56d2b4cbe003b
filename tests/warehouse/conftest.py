"""Every kind of store that the contract is held against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient

from llm_twin.warehouse import open_warehouse
from llm_twin.warehouse.store import Warehouse
from mongod import running_mongod, with_database


@pytest.fixture(scope="session")
def standalone_uri() -> Iterator[str]:
    """A MongoDB server without transactions that asks for a password."""
    with running_mongod(user="reader", password="s3cret-word") as address:
        yield address


@pytest.fixture
def standalone_address(standalone_uri: str) -> Iterator[str]:
    """A database that does not exist yet, dropped afterwards."""
    name = f"twin_{uuid4().hex[:12]}"
    yield with_database(standalone_uri, name)
    with MongoClient[dict[str, object]](standalone_uri) as client:
        client.drop_database(name)


@pytest.fixture(params=["sqlite", "mongodb", "mongodb-standalone"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh, empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'warehouse.sqlite'}"
    fixture = "mongo_warehouse_address" if request.param == "mongodb" else "standalone_address"
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def warehouse(address: str) -> Iterator[Warehouse]:
    with open_warehouse(address) as warehouse:
        yield warehouse
