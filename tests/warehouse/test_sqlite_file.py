"""What is particular to the SQLite warehouse: its file, and everything that can be wrong with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from llm_twin.errors import ConfigError, LockedError, StoreError
from llm_twin.warehouse import open_warehouse, sqlite_file
from stored_values import ADA, document, response

TESTS = Path(__file__).parent.parent


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_file_and_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "warehouse.sqlite"
    with open_warehouse(f"sqlite:///{path}") as warehouse:
        warehouse.put([document()])
        assert {mode(file) for file in path.parent.iterdir()} == {"0o600"}
    assert mode(path.parent) == "0o700"


def test_paths_may_be_relative_or_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with open_warehouse("sqlite:///one.sqlite") as one, open_warehouse("sqlite:///~/sub/two.sqlite"):
        monkeypatch.chdir("/")
        one.put([document()])
        assert list(one.documents()) == [document()]
    assert (tmp_path / "one.sqlite").is_file()
    assert (tmp_path / "sub" / "two.sqlite").is_file()


@pytest.mark.parametrize("path", [":memory:", "a\0b", "~no-such-user/twin.sqlite"])
def test_what_is_no_path_is_a_malformed_address(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="sqlite:///"):
        open_warehouse(f"sqlite:///{path}")
    assert list(tmp_path.iterdir()) == []


def test_many_may_make_one_file_at_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'warehouse.sqlite'}"

    def work(number: int) -> None:
        with open_warehouse(address) as warehouse:
            warehouse.put([document(number)])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(16)))
    with open_warehouse(address) as warehouse:
        assert warehouse.count() == 16


def test_a_folder_is_no_warehouse(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}: a folder; name a file in it"):
        open_warehouse(f"sqlite:///{tmp_path}")


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/warehouse\.sqlite: can't be opened: .*; name a file in"):
        open_warehouse(f"sqlite:///{tmp_path}/file/warehouse.sqlite")


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(StoreError, match=r"notes\.txt: no SQLite database; name another file"):
        open_warehouse(f"sqlite:///{path}")
    assert path.read_text() == "Dear diary, " * 1000


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE places (name)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a database of another program"):
        open_warehouse(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.sqlite"
    open_warehouse(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer llm-twin \(schema 99, .*\); upgrade"):
        open_warehouse(f"sqlite:///{path}")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.sqlite"
    with open_warehouse(f"sqlite:///{path}") as warehouse:
        warehouse.put([document(number, text="x" * 5000) for number in range(200)])
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))
    with pytest.raises(StoreError, match="damaged; restore a copy") as caught:
        open_warehouse(f"sqlite:///{path}").put([document(1, text="new")])
    assert "\n" not in str(caught.value)


def test_a_record_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.sqlite"
    with open_warehouse(f"sqlite:///{path}") as warehouse:
        warehouse.put([document()])
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE documents SET body = '{}'")
            other.commit()
        with pytest.raises(StoreError, match="a record can't be read") as caught:
            list(warehouse.documents())
    assert "\n" not in str(caught.value)


def test_readers_go_on_while_another_process_writes_and_writers_say_what_they_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "WAIT", 0.1)
    path = tmp_path / "warehouse.sqlite"
    with open_warehouse(f"sqlite:///{path}") as warehouse, closing(sqlite3.connect(path)) as other:
        warehouse.put([document()])
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM documents")
        assert warehouse.get(document().id) == document()
        assert list(warehouse.documents()) == [document()]
        with open_warehouse(f"sqlite:///{path}") as second:
            assert second.count() == 1
        with pytest.raises(LockedError, match=r"warehouse\.sqlite: another process has been writing for .* try again"):
            warehouse.put([document(2)])
        other.rollback()
        assert warehouse.put([document(2)]) == ["new"]


SMALL_DISK = """
import os, sys
from llm_twin.errors import StoreError
from llm_twin.warehouse import open_warehouse
from stored_values import document
with open_warehouse("sqlite:///" + sys.argv[1] + "/warehouse.sqlite") as warehouse:
    warehouse.put([document(1)])
    try:
        warehouse.put([document(n, text=os.urandom(5000).hex()) for n in range(2, 1000)])
    except StoreError as error:
        print(error)
    print(warehouse.count(), warehouse.put([document(2)]))
os.system("mount -o remount,ro " + sys.argv[1])
try:
    with open_warehouse("sqlite:///" + sys.argv[1] + "/warehouse.sqlite") as warehouse:
        warehouse.put([document(3)])
except StoreError as error:
    print(error)
"""


def test_a_full_and_a_read_only_disk_leave_what_was_stored(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk (unshare -rm)")
    mount = 'mount -t tmpfs -o size=2m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, SMALL_DISK],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    path = tmp_path / "warehouse.sqlite"
    full, after, read_only = done.stdout.splitlines()
    assert full == f"warehouse {path}: the disk is full; free some space, then run again"
    assert after == "1 ['new']"
    assert read_only.startswith(f"warehouse {path}: ")
    assert "Read-only file system" in read_only


def test_iterating_sees_the_moment_it_began(tmp_path: Path) -> None:
    with open_warehouse(f"sqlite:///{tmp_path / 'warehouse.sqlite'}") as warehouse:
        warehouse.put_author(ADA)
        warehouse.put([document(number, raw=response()) for number in range(100)])
        found = warehouse.documents(newest_first=True)
        first = next(found)
        warehouse.delete_author(ADA.id)
        assert len({first.id, *(one.id for one in found)}) == 100
        assert warehouse.count() == 0
