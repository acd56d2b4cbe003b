"""Fixtures for every test folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient

from mongod import running_mongod, with_database

# Stores flush to the disk at every step, which takes most of the time of their tests and shows nothing that a killed
# process would: a folder in memory is used, where there is one with room.
IN_MEMORY = Path("/dev/shm")  # noqa: S108
if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


@pytest.fixture(scope="session")
def mongod_uri() -> Iterator[str]:
    """A MongoDB replica set, one for each test process."""
    if address := os.environ.get("MONGODB_URI"):
        yield address
    else:
        with running_mongod() as address:
            yield address


@pytest.fixture
def mongo_warehouse_address(mongod_uri: str) -> Iterator[str]:
    """A database that does not exist yet, dropped afterwards."""
    name = f"twin_{uuid4().hex[:12]}"
    yield with_database(mongod_uri, name)
    with MongoClient[dict[str, object]](mongod_uri) as client:
        client.drop_database(name)
