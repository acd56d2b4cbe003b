"""Locks between processes: waiting, telling who holds, surviving a kill, taking turns."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_twin.errors import LockedError, StoreError
from llm_twin.locks import held, holder, wanted

HOLD = """
import sys
from pathlib import Path
from llm_twin.locks import held
with held(Path({path!r}), "the index", 5):
    print("held", flush=True)
    sys.stdin.read()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "home" / "index.lock"


@pytest.fixture
def start(lock: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a process that holds the lock until its stdin is closed."""
    running: list[subprocess.Popen[str]] = []

    def run(name: str = "twin", *arguments: str, code: str = HOLD) -> subprocess.Popen[str]:
        script = tmp_path / name
        script.write_text(code.format(path=str(lock)))
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout and process.stdout.readline().strip() == "held"
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def release(process: subprocess.Popen[str]) -> None:
    process.communicate()  # closes its stdin


def test_who_holds_it_is_said_in_one_line_when_the_wait_is_over(lock: Path, start: Start) -> None:
    process = start("twin", "index")
    with pytest.raises(LockedError) as error, held(lock, "the index in /home/ada", 0.1):
        pass
    text = str(error.value)
    assert f"the index in /home/ada is held by twin index (pid {process.pid}) since 20" in text
    assert "waited 0.1 s" in text
    assert "TWIN_LOCK_WAIT" in text
    assert "\n" not in text


def test_arguments_are_never_shown(lock: Path, start: Start) -> None:
    start("twin", "--key", "hunter2", "index")
    assert holder(lock).startswith("twin (pid ")


def test_nothing_but_the_name_of_another_program_is_shown(lock: Path, start: Start) -> None:
    start("mine.py", "hunter2")
    assert holder(lock).startswith("mine.py (pid ")


def test_the_lock_of_a_killed_process_is_free(lock: Path, start: Start) -> None:
    process = start()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with held(lock, "the index", 0):
        assert "pytest" in holder(lock) or f"pid {process.pid}" not in holder(lock)


def test_a_waiting_process_gets_the_lock_and_tells_once_whom_it_waits_for(lock: Path, start: Start) -> None:
    process = start("twin", "run")
    told: list[str] = []

    def on_wait(text: str) -> None:
        told.append(text)
        release(process)

    with held(lock, "the index", 30, on_wait):
        assert process.returncode == 0
    assert [text.startswith(f"twin run (pid {process.pid})") for text in told] == [True]


def test_nobody_is_told_when_there_is_no_wait(lock: Path) -> None:
    told: list[str] = []
    with held(lock, "the index", 5, told.append):
        assert lock.exists()
    assert told == []


def test_a_failure_inside_lets_go(lock: Path) -> None:
    with pytest.raises(KeyError), held(lock, "the index", 0):
        raise KeyError
    with held(lock, "the index", 0):
        assert not wanted(lock)
    assert holder(lock) == "another process"


def test_threads_of_one_process_exclude_each_other(lock: Path) -> None:
    with held(lock, "the index", 0), pytest.raises(LockedError), held(lock, "the index", 0):
        pass


def test_the_holder_can_see_that_someone_waits(lock: Path) -> None:
    entered = threading.Event()

    def wait() -> None:
        with held(lock, "the index", 30):
            entered.set()

    waiting = threading.Event()
    with held(lock, "the index", 0):
        assert not wanted(lock)
        thread = threading.Thread(target=wait)
        thread.start()
        while not wanted(lock):
            waiting.wait(0.01)
        assert not entered.is_set()
    assert entered.wait(30)
    thread.join()


def test_a_holder_that_comes_straight_back_starves_nobody(lock: Path, start: Start) -> None:
    greedy = """
from pathlib import Path
from llm_twin.locks import held
first = True
while True:
    with held(Path({path!r}), "the index", 30):
        if first:
            print("held", flush=True)
        first = False
        sum(range(200_000))
"""
    start("greedy.py", code=greedy)
    for _ in range(5):
        with held(lock, "the index", 10):
            assert "greedy.py" not in holder(lock)


def test_a_lock_that_cannot_be_made_is_a_store_error_that_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match=r"the index: can't lock .*file"),
        held(tmp_path / "file" / "lock", "the index", 0),
    ):
        pass
